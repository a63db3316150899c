#![doc = include_str!("../README.md")]
//!
//! [`Node`] is one node; [`Network`] is several in one process, for tests and demos.
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
mod gateway;
mod http;
mod intake;
mod journal;
pub mod layout;
mod limits;
mod link;
mod link_end;
mod network;
mod node;
mod outbox;
mod pace;
mod ports;
#[cfg(feature = "program")]
pub mod program;
mod questions;
pub mod race;
mod receive;
mod refused_nodes;
mod serve;
mod services;
pub mod signal;
mod start;
mod statements;
mod stats;
mod supervise;
mod tcp;
mod totals;
mod turns;
mod v3;

pub use amop_proto::{
    NodeId,
    gateway::{
        GatewayId,
        bridge::{GatewayBridgeCounters, GatewayBridgeLimits},
    },
    node::{Counters, Limits, Timeouts},
};

pub use self::{
    access::{AccessLists, ReloadError, Reloaded},
    builder::NodeBuilder,
    error::{Port, StartError},
    gateway::{GatewayKey, GatewayOptions, ParseGatewayKeyError},
    limits::ListenLimits,
    network::Network,
    node::Node,
    serve::{serve, serve_reloading},
    stats::Stats,
};
