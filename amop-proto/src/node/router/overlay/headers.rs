//! Limits and packets of all messages between overlay nodes.

use std::time::Duration;

use crate::{
    node::mesh::extension,
    p2p::{Body, PeerMessage},
};

/// A message crosses at most this many links, whatever its own hop count says. Networks are far
/// smaller; a message that goes round in a circle while paths change ends here.
pub(super) const MAX_HOPS: u32 = 32;

/// Views differ for a moment after a node has gone; a neighbour that continues for longer invents
/// the targets.
pub(super) const UNKNOWN_TARGET: &str = "messages for unknown nodes";

/// A message to an overlay node is sent again this long after it was first sent, then after twice
/// as long, and so on, because a link in between may have failed. The node takes it once.
const RESEND_AFTER: Duration = Duration::from_secs(1);

/// Returns the time after which a message of this many bytes is sent again: a long one may still be
/// on its way, at 4 MiB a second.
pub(in crate::node::router) fn again_after(len: usize) -> Duration {
    RESEND_AFTER + Duration::from_millis(len as u64 / 4096)
}

/// Builds a packet of the extension protocol that carries a message.
pub(in crate::node::router) fn carrying(packet: u16, hops_left: u32, body: Body) -> PeerMessage {
    PeerMessage {
        frame: extension(packet, hops_left, body.head),
        tail: body.tail,
    }
}
