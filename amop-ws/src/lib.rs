//! WebSocket connections of FISCO BCOS 3.x, for the crates `amop` and `amop-node`.
//!
//! Overlay nodes and native clients know one protocol: the frames of 2.x. This crate carries them
//! over a connection that speaks 3.x. A translator ([`Bridge`](amop_proto::ws::bridge::Bridge), without
//! I/O) turns messages of 3.x into such frames and back; [`BridgeStream`] is the shell around it: it
//! does WebSocket framing, keeps the time, and is read and written as a connection of 2.x is.
//!
//! [`accept`] and [`connect`] do the HTTP upgrade before. WebSocket framing and HTTP are those of
//! [`tungstenite`], which reads from and writes to memory here.
//!
//! Comments cite the protocol's description as "ws-v3 section N".
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod budget;
mod error;
mod limits;
mod pipe;
mod socket;
mod stream;
mod upgrade;

pub use budget::{Unlimited, WsBudget};
pub use error::{UpgradeError, WsViolation};
pub use limits::WsLimits;
pub use stream::BridgeStream;
pub use upgrade::{MAX_HEADER, accept, connect};

/// The side of a WebSocket connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WsSide {
    /// The side that asked for the upgrade: an SDK.
    Client,
    /// The side that was asked: a node.
    Server,
}
