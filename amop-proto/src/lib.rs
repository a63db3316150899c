#![doc = include_str!("../README.md")]
//!
//! The `amop` client and the `amop-node` server are thin shells that do the I/O; a simulator can drive the same machines.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`channel`] | the SDK-node protocol of 2.x: frames, message bodies, error codes |
//! | [`p2p`] | the node-node protocol of 2.x: frames, topic synchronisation |
//! | `gateway` | the node-node protocol of 3.x: packets, and one connection; with the feature `gateway` |
//! | [`client`] | the SDK side of a channel connection |
//! | [`ws`] | the SDK-node protocol of FISCO BCOS 3.x: messages, and the sessions of both sides |
//! | [`node`] | a node: its sessions, its peers and the router between them |
//! | [`log`] | text from other programs on one line, and a limit on log lines |
//! | [`race`] | when to try each address of a host name |
//! | [`admission`] | which unidentified connections may hold a place at a port |
//!
//! Comments cite the protocol descriptions as "channel-v2 section N" (SDK-node) and
//! "p2p-v2 section N" (node-node), and those of 3.x as "ws-v3 section N" and "gateway-v3 section N".
#![forbid(unsafe_code)]

pub mod admission;
pub mod channel;
pub mod client;
#[cfg(feature = "gateway")]
pub mod gateway;
mod hash;
mod host_port;
pub mod log;
pub mod node;
mod node_id;
pub mod p2p;
pub mod race;
mod shards;
mod topic;
pub mod ws;

pub use host_port::{HostPort, HostPortError};
pub use node_id::{NodeId, NodeIdError};
pub use topic::{MAX_PRIVATE_LEN, MAX_TOPIC_LEN, PrivateName, TopicError, TopicName};
