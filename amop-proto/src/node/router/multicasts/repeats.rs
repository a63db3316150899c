//! Multicasts that an SDK hands to several nodes: each session gets at most one copy.
//!
//! SDKs in Java send a multicast over all their connections, with one seq. Nodes that know each
//! other's subscribers would deliver it several times, and so would a node with two of these
//! connections. Native clients drop such repeats themselves, so this is checked only where there
//! are sessions of other SDKs.

use std::{
    collections::VecDeque,
    hash::BuildHasher,
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;

use crate::{hash::HashSet, node::HashedFrame};

/// Copies come within milliseconds of each other; a seq is not reused within this time.
const COPIES_WITHIN: Duration = Duration::from_secs(10);

/// The number of messages that are remembered.
const MAX: usize = 32 * 1024;

/// The multicasts of the last seconds.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct Repeats {
    /// It has a secret, so that no message can be made that is taken for another.
    hasher: RandomState,
    seen: HashSet<u64>,
    /// The oldest first.
    order: VecDeque<(Instant, u64)>,
    /// The number of sessions that drop repeats themselves: those of native clients.
    pub(in crate::node::router) dropping: usize,
}

impl Repeats {
    /// Returns whether a multicast with this seq, topic and payload has not come recently.
    pub(in crate::node::router) fn is_first(
        &mut self,
        now: Instant,
        message: &HashedFrame,
    ) -> bool {
        while let Some(&(at, name)) = self.order.front()
            && (now.duration_since(at) >= COPIES_WITHIN || self.order.len() >= MAX)
        {
            self.order.pop_front();
            self.seen.remove(&name);
        }
        let name = (message.frame.seq.0, message.body_hash());
        let name = self.hasher.hash_one(name);
        let first = self.seen.insert(name);
        if first {
            self.order.push_back((now, name));
        }
        first
    }
}

#[cfg(test)]
mod tests;
