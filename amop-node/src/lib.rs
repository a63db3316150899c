//! An AMOP node: speaks the channel protocol of FISCO BCOS 2.x to SDKs and its P2P protocol to other
//! nodes, and routes AMOP messages between them. It keeps no chain.
//!
//! [`Node`] is one node; [`Network`] is several in one process, for tests and demos. The
//! `amop-node` binary runs a node from a `config.ini` made by `build_chain.sh`.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let network = amop_node::Network::start(2).await?;
//! assert_eq!(network.running().count(), 2);
//! network.shutdown().await;
//! # Ok::<(), amop_node::StartError>(())
//! # }).unwrap();
//! ```
#![forbid(unsafe_code)]

mod accept;
mod access;
mod answers;
mod apart;
mod builder;
mod checking;
pub mod config;
mod connection;
mod context;
mod core;
mod dial;
mod effort;
mod error;
mod gate;
mod http;
mod intake;
mod journal;
pub mod layout;
mod limits;
mod link;
mod network;
mod node;
mod outbox;
mod pace;
mod ports;
pub mod program;
mod questions;
pub mod race;
mod receive;
mod refused_nodes;
mod serve;
pub mod signal;
mod start;
mod statements;
mod stats;
mod supervise;
mod tcp;
mod totals;
mod turns;

pub use amop_proto::node::{Counters, Limits, Timeouts};

pub use self::{
    access::{AccessLists, ReloadError, Reloaded},
    builder::NodeBuilder,
    error::{Port, StartError},
    limits::ListenLimits,
    network::Network,
    node::Node,
    serve::{serve, serve_reloading},
    stats::Stats,
};
