//! Sans-IO protocol logic of AMOP, the messenger of FISCO BCOS 2.x.
//!
//! Nothing here owns a socket, a clock or a source of randomness: bytes, instants and seeds are
//! passed in, frames and actions come out. The thin shells that do the I/O are the `amop` client
//! and the `amop-node` server; a simulator can drive the very same machines.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`channel`] | the SDK-node protocol: frames, message bodies, error codes |
//! | [`p2p`] | the node-node protocol: frames, topic synchronisation |
//! | [`client`] | the SDK side of a channel connection |
//! | [`node`] | a node: its sessions, its peers and the router between them |
//! | [`log`] | foreign text on one line, and how many lines of a kind are logged |
//! | [`race`] | which of a name's addresses are tried when |
//! | [`admission`] | who may hold a place at a port before it is known who it is |
//!
//! Comments cite the protocol descriptions as "channel-v2 section N" (SDK-node) and
//! "p2p-v2 section N" (node-node).
#![forbid(unsafe_code)]

pub mod admission;
pub mod channel;
pub mod client;
mod hash;
pub mod log;
pub mod node;
pub mod p2p;
pub mod race;
mod shards;
mod topic;

pub use topic::{MAX_TOPIC_LEN, TopicError, TopicName};
