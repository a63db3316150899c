//! A link to a neighbour.

use std::{collections::VecDeque, time::Instant};

use super::{bucket::TokenBucket, unsent::Unsent};
use crate::p2p::mesh::RoutingKey;

/// A link to a neighbour.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) key: RoutingKey,
    /// Record frames with this node's own record that are not acknowledged: the seq of each, and
    /// the number of the last statement in it.
    pub(super) awaited: VecDeque<(u32, u64)>,
    /// The number of the last statement of this node that the neighbour has.
    pub(super) acknowledged: u64,
    pub(super) next_seq: u32,
    /// The version of its own record that the neighbour said it knows. Until it has said so, it has
    /// not been sent the records of this node.
    pub(super) known: Option<u64>,
    /// Whether both ends know what the other knew when the link came up. Only then does the link
    /// count. So when a message is passed on, the next node knows at least the links that the
    /// sender relied on: it always finds a path, and no circle lasts. Otherwise a restarted node
    /// would be taken to know paths, because of the record it left before.
    pub(super) ready: bool,
    /// Until when it does not count although it is ready: it came and went too often.
    pub(super) held: Option<Instant>,
    /// The number of the statement with which this node started to list it.
    pub(super) listed: u64,
    /// Limits how often the neighbour may tell what it knows.
    pub(super) tells: TokenBucket,
    /// Limits how much it may ask for.
    pub(super) asks: TokenBucket,
    /// Limits the known records it may send beyond those that echo news,
    pub(super) repeats: TokenBucket,
    /// and the number of the news up to which echoes have been counted.
    pub(super) echoes: u64,
    /// The records that the neighbour must still be sent.
    pub(super) unsent: Unsent,
    /// Until when another connection to the same node is waited for, after this one ended.
    pub(super) suspended: Option<Instant>,
}

impl Link {
    pub(super) fn counts(&self) -> bool {
        self.ready && self.held.is_none()
    }
}
