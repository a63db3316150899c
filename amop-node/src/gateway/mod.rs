//! The gateway: this node as a peer of the nodes of one 3.x chain.
//!
//! [`GatewayBridge`](amop_proto::gateway::bridge::GatewayBridge) decides everything; one of them,
//! behind a lock, serves all connections ([`GatewayRoom`]). Each connection has a task that reads
//! and writes packets (`connection.rs`), and takes the frames of the node machine that they are made
//! of (`carrying.rs`). To the machine the chain is one peer, which one task watches over
//! (`machine.rs`); another task has the timers.

mod carrying;
mod connection;
mod counts;
mod dial;
mod listen;
mod lists;
mod machine;
mod options;
mod parts;
mod prepare;
mod reading;
mod room;
mod start;
mod writing;

pub use self::{
    lists::{GatewayKey, ParseGatewayKeyError},
    options::GatewayOptions,
};
pub(crate) use self::{prepare::PreparedGateway, room::GatewayRoom, start::start_gateway};
