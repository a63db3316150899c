//! What a bridge tells its owner.

use crate::gateway::{
    event::{GatewayCloseReason, GatewayNotice},
    id::GatewayId,
};

/// One connection of a bridge. A number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayConnectionId(pub u64);

/// Why a connection is not taken. Close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayRefusal {
    /// The node at the other end is this node itself.
    #[error("it is this node itself, which its own list of peers may name")]
    Itself,
    /// The node has a connection already (gateway-v3 section 1).
    #[error("the node has a connection already, and 3.x nodes keep only one")]
    Duplicate,
    /// There are too many connections.
    #[error("the gateway has {max} connections, its limit")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

/// Something that the owner of a bridge should know.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayBridgeEvent {
    /// A connection has ended. Close it.
    Closed {
        /// The connection.
        connection: GatewayConnectionId,
        /// The node at the other end.
        neighbour: GatewayId,
        /// Why it ended.
        reason: GatewayCloseReason,
    },
    /// Something unusual that does not end the connection.
    Notice {
        /// The connection.
        connection: GatewayConnectionId,
        /// What it is.
        notice: GatewayNotice,
    },
    /// A connection has packets to write: see [`poll_packet`](super::GatewayBridge::poll_packet).
    Writable(GatewayConnectionId),
}
