//! The features that users need first: typed messages between clients of two nodes, over the
//! original protocols and TLS with certificates like those of the chain.

mod answers;
mod delivery;
mod failures;
mod payloads;
mod pipelined;
mod spread;
mod typed;
