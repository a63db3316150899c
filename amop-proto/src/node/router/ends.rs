//! The names of both ends of a message: where it comes from, and where it may go.

use crate::{
    node::{Lane, PeerId, SessionId},
    p2p::mesh::RoutingKey,
};

/// The number of a unicast in flight. It is never used twice.
pub(super) type UnicastId = u64;

/// The origin of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A publisher of this node.
    Session(SessionId),
    /// A peer that is not an overlay node, with the P2P seq of its request.
    Fisco(PeerId, u32),
    /// An overlay node; the name it sent the message to, which is this node or a FISCO node behind
    /// it; and its id of the message.
    Node(RoutingKey, RoutingKey, u64),
}

impl Origin {
    /// Returns the lane of the origin's messages on a link.
    pub(super) fn lane(self) -> Lane {
        match self {
            Self::Session(session) => Lane::session(session),
            Self::Fisco(peer, _) => Lane::peer(peer),
            Self::Node(source, ..) => Lane::node(source),
        }
    }
}

/// A destination of a unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UnicastTarget {
    Session(SessionId),
    /// A peer that is not an overlay node.
    Fisco(PeerId),
    /// An overlay node, at any distance.
    Node(RoutingKey),
}

/// A node other than this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remote {
    /// A peer that is not an overlay node.
    Fisco(PeerId),
    /// An overlay node.
    Node(RoutingKey),
}
