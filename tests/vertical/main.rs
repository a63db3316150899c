//! What users rely on first: typed messages between clients of two nodes, over the real protocols
//! and TLS with certificates of the chain's kind.
#![forbid(unsafe_code)]

mod answers;
mod delivery;
mod failures;
mod payloads;
mod pipelined;
mod spread;
mod typed;
