//! One unicast in flight: where it was sent, which subscribers were tried, how long it may take.

use std::{
    collections::BTreeSet,
    ops::Range,
    time::{Duration, Instant},
};

use super::{credit::UsedCredit, walk::SubscriberWalk};
use crate::{
    channel::Frame,
    node::{
        Lane, PeerId, SessionId,
        digest::FrameDigest,
        router::ends::{Origin, UnicastId, UnicastTarget},
        shares::HolderId,
    },
    p2p::mesh::RoutingKey,
};

/// Where a unicast is, and how its answer will be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::router) enum AttemptState {
    /// The answer has the frame's own seq.
    Session(SessionId),
    /// The answer has this P2P seq.
    Fisco(PeerId, u32),
    /// The answer has the unicast's id.
    Node {
        node: RoutingKey,
        /// The credit that the attempt uses.
        given: UsedCredit,
        /// When to give this node up.
        until: Instant,
        /// How long after the last sending to send again, in case the message was lost.
        again: Duration,
        /// How often links of the overlay had changed when it was sent last.
        changes: u64,
    },
    /// The unicast waits for another copy of the same message, which a subscriber has: the
    /// publisher sent it again over another connection.
    Joined(UnicastId),
}

impl AttemptState {
    /// Returns the target that has the unicast; `None` if it waits for another copy.
    pub(in crate::node::router) fn target(self) -> Option<UnicastTarget> {
        match self {
            Self::Session(session) => Some(UnicastTarget::Session(session)),
            Self::Fisco(peer, _) => Some(UnicastTarget::Fisco(peer)),
            Self::Node { node, .. } => Some(UnicastTarget::Node(node)),
            Self::Joined(_) => None,
        }
    }

    /// Returns the lane in which the answer takes its turn on a link: that of the node or session
    /// that gives it.
    pub(in crate::node::router) fn lane(self) -> Option<Lane> {
        match self {
            Self::Session(session) => Some(Lane::session(session)),
            Self::Fisco(peer, _) => Some(Lane::peer(peer)),
            Self::Node { node, .. } => Some(Lane::node(node)),
            Self::Joined(_) => None,
        }
    }
}

/// A unicast in flight.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct Unicast {
    pub(in crate::node::router) origin: Origin,
    /// The holder that the unicast counts for.
    pub(in crate::node::router) holder: HolderId,
    /// The publisher's frame: it is sent on unchanged, and its body comes back with result 104.
    pub(in crate::node::router) frame: Frame,
    pub(in crate::node::router) digest: FrameDigest,
    /// The position of the topic in the frame's body.
    pub(in crate::node::router) topic: Range<usize>,
    /// The subscriber it was sent to, which has not answered yet.
    pub(in crate::node::router) at: Option<AttemptState>,
    /// Copies that end together with this unicast.
    pub(in crate::node::router) joined: Vec<UnicastId>,
    /// The targets not to try again.
    pub(in crate::node::router) tried: TriedTargets,
    /// The progress of the search through all subscribers, once random draws find none.
    pub(in crate::node::router) walk: Option<SubscriberWalk>,
    /// Whether a subscriber was asked and did not take it, or is too busy to be asked.
    pub(in crate::node::router) refused: bool,
    /// When the unicast ends in any case.
    pub(in crate::node::router) deadline: Instant,
    /// When its timer fires next, once it has been sent.
    pub(in crate::node::router) timer: Option<Instant>,
}

/// A set of targets, usually of one.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct TriedTargets {
    first: Option<UnicastTarget>,
    others: BTreeSet<UnicastTarget>,
}

impl TriedTargets {
    pub(in crate::node::router) fn insert(&mut self, target: UnicastTarget) {
        if *self.first.get_or_insert(target) != target {
            self.others.insert(target);
        }
    }

    pub(super) fn contains(&self, target: UnicastTarget) -> bool {
        self.first == Some(target) || self.others.contains(&target)
    }
}

impl Unicast {
    pub(in crate::node::router) fn topic(&self) -> &[u8] {
        &self.frame.body[self.topic.clone()]
    }

    /// Returns how often links of the overlay had changed when the unicast was last sent to an
    /// overlay node.
    pub(in crate::node::router) fn sent_at(&self) -> Option<u64> {
        match self.at {
            Some(AttemptState::Node { changes, .. }) => Some(changes),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
