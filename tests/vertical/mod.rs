//! The features that users need first: typed messages between clients of two nodes, over the
//! original protocols and TLS with certificates like those of the chain.

mod answers;
mod delivery;
mod failures;
mod handles;
mod payloads;
mod pipelined;
mod serving;
mod spans;
mod spread;
mod typed;
