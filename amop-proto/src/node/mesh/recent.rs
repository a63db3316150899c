//! The messages of other nodes that have come here lately, so that none is taken twice.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::multicasts::Multicasts;
use crate::{hash::HashMap, node::sooner, p2p::mesh::NodeKey};

/// Nobody repeats a message after this long.
pub(super) const AGE: Duration = Duration::from_secs(120);

/// What is old may be held this much longer: it is not worth a timer for each message.
pub(super) const SLACK: Duration = Duration::from_secs(10);

/// More messages than this are not remembered.
pub(super) const MAX: usize = 200_000;

/// More bytes of answers than this are not kept.
const MAX_BYTES: usize = 64 << 20;

/// Messages by who sent them into the network, whom of those reached here they are for, and their id.
#[derive(Debug, Clone, Default)]
pub(in crate::node) struct Recent {
    seen: HashMap<(NodeKey, NodeKey, u64), Option<Bytes>>,
    order: VecDeque<(Instant, NodeKey, NodeKey, u64)>,
    multicasts: Multicasts,
    bytes: usize,
}

/// What is known of a message.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::node) enum Seen {
    /// It is new, and remembered from now on.
    New,
    /// It is being worked on, or needs no answer, or its answer is no longer kept.
    Before,
    /// It was answered with this channel frame.
    Answered(Bytes),
}

impl Recent {
    /// Marks the id of a multicast that is not counted by the node that sent it into the network.
    pub(in crate::node) const NAME: u64 = Multicasts::NAME;

    /// A multicast came. Returns whether it is new; it is remembered from now on.
    pub(in crate::node) fn see_multicast(
        &mut self,
        now: Instant,
        source: NodeKey,
        target: NodeKey,
        id: u64,
    ) -> bool {
        self.multicasts.see(now, (source, target), id)
    }

    /// A unicast came.
    pub(in crate::node) fn see(
        &mut self,
        now: Instant,
        source: NodeKey,
        target: NodeKey,
        id: u64,
    ) -> Seen {
        self.forget_unicasts(now);
        match self.seen.get(&(source, target, id)) {
            Some(Some(answer)) => Seen::Answered(answer.clone()),
            Some(None) => Seen::Before,
            None => {
                self.seen.insert((source, target, id), None);
                self.order.push_back((now, source, target, id));
                Seen::New
            }
        }
    }

    /// It is answered.
    pub(in crate::node) fn answered(
        &mut self,
        source: NodeKey,
        target: NodeKey,
        id: u64,
        answer: Bytes,
    ) {
        if let Some(held) = self.seen.get_mut(&(source, target, id)) {
            self.bytes += answer.len();
            if let Some(old) = held.replace(answer) {
                self.bytes -= old.len();
            }
        }
    }

    /// Forgets what is old, or over a limit.
    pub(in crate::node) fn forget(&mut self, now: Instant) {
        self.multicasts.forget(now);
        self.forget_unicasts(now);
    }

    fn forget_unicasts(&mut self, now: Instant) {
        while let Some(&(at, source, target, id)) = self.order.front()
            && (at + AGE <= now || self.order.len() >= MAX || self.bytes > MAX_BYTES)
        {
            self.order.pop_front();
            if let Some(Some(answer)) = self.seen.remove(&(source, target, id)) {
                self.bytes -= answer.len();
            }
        }
    }

    /// When [`forget`](Self::forget) is worth calling next.
    pub(in crate::node) fn next_forget(&self) -> Option<Instant> {
        let unicast = self.order.front().map(|&(at, ..)| at + (AGE + SLACK));
        let multicast = self.multicasts.next_forget();
        sooner(unicast, multicast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_and_its_answer_is_kept() {
        let now = Instant::now();
        let mut recent = Recent::default();
        assert_eq!(recent.see(now, NodeKey(1), NodeKey(9), 7), Seen::New);
        assert_eq!(recent.see(now, NodeKey(1), NodeKey(9), 7), Seen::Before);
        assert_eq!(recent.see(now, NodeKey(2), NodeKey(9), 7), Seen::New);
        recent.answered(NodeKey(1), NodeKey(9), 7, Bytes::from_static(b"a"));
        let answered = Seen::Answered(Bytes::from_static(b"a"));
        assert_eq!(recent.see(now, NodeKey(1), NodeKey(9), 7), answered);
        assert_eq!(recent.see(now + AGE, NodeKey(1), NodeKey(9), 7), Seen::New);
        assert_eq!(recent.bytes, 0);
    }

    #[test]
    fn an_idle_node_forgets_all_with_few_timers() {
        let start = Instant::now();
        let mut recent = Recent::default();
        assert_eq!(recent.next_forget(), None);
        for id in 0..5000 {
            recent.see(
                start + Duration::from_millis(10 * id),
                NodeKey(1),
                NodeKey(9),
                id,
            );
            recent.answered(NodeKey(1), NodeKey(9), id, Bytes::from_static(b"a"));
        }
        let mut timers = 0;
        while let Some(at) = recent.next_forget() {
            recent.forget(at);
            timers += 1;
        }
        assert!(timers <= 6, "{timers} timers for 50 s of messages");
        assert!(recent.seen.is_empty() && recent.bytes == 0);
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut recent = Recent::default();
        for id in 0..(2 * MAX as u64) {
            recent.see(now, NodeKey(1), NodeKey(9), id);
        }
        assert!(recent.seen.len() <= MAX && recent.order.len() <= MAX);
        for id in 0..100 {
            recent.see(now, NodeKey(2), NodeKey(9), id);
            recent.answered(NodeKey(2), NodeKey(9), id, Bytes::from(vec![0; 1 << 20]));
        }
        assert!(recent.bytes <= MAX_BYTES + (2 << 20));
    }
}
