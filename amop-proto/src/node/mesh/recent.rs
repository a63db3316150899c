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
/// When there are too many, the source with the most gives up its oldest.
#[derive(Debug, Clone, Default)]
pub(in crate::node) struct Recent {
    seen: HashMap<(NodeKey, NodeKey, u64), Option<Bytes>>,
    sources: HashMap<NodeKey, Source>,
    multicasts: Multicasts,
    bytes: usize,
    /// Nothing is to be forgotten before this.
    due: Option<Instant>,
}

/// The messages of one source, the oldest first.
#[derive(Debug, Clone, Default)]
struct Source {
    order: VecDeque<(Instant, NodeKey, u64)>,
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
        self.forget_of(now, source);
        match self.seen.get(&(source, target, id)) {
            Some(Some(answer)) => return Seen::Answered(answer.clone()),
            Some(None) => return Seen::Before,
            None => {}
        }
        if self.seen.len() >= MAX || self.bytes > MAX_BYTES {
            self.make_room();
        }
        self.seen.insert((source, target, id), None);
        let order = &mut self.sources.entry(source).or_default().order;
        order.push_back((now, target, id));
        self.due.get_or_insert(now + (AGE + SLACK));
        Seen::New
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
            let added = answer.len();
            let gone = held.replace(answer).map_or(0, |old| old.len());
            self.bytes = self.bytes + added - gone;
            if let Some(source) = self.sources.get_mut(&source) {
                source.bytes = source.bytes + added - gone;
            }
        }
    }

    /// Forgets what is old.
    pub(in crate::node) fn forget(&mut self, now: Instant) {
        self.multicasts.forget(now);
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let sources: Vec<NodeKey> = self.sources.keys().copied().collect();
        for source in sources {
            self.forget_of(now, source);
        }
        let oldest = self
            .sources
            .values()
            .filter_map(|source| source.order.front());
        let oldest = oldest.map(|&(at, ..)| at).min();
        self.due = oldest.map(|at| at + (AGE + SLACK));
    }

    fn forget_of(&mut self, now: Instant, source: NodeKey) {
        while let Some(held) = self.sources.get(&source)
            && held.order.front().is_none_or(|&(at, ..)| at + AGE <= now)
        {
            self.forget_oldest(source);
        }
    }

    fn forget_oldest(&mut self, key: NodeKey) {
        let Some(source) = self.sources.get_mut(&key) else {
            return;
        };
        match source.order.pop_front() {
            None => {
                self.sources.remove(&key);
            }
            Some((_, target, id)) => {
                if let Some(Some(answer)) = self.seen.remove(&(key, target, id)) {
                    source.bytes -= answer.len();
                    self.bytes -= answer.len();
                }
            }
        }
    }

    /// Forgets a part of what the source with the most has: it is not looked for at each message.
    fn make_room(&mut self) {
        let bytes = self.bytes > MAX_BYTES;
        let most = |source: &Source| {
            if bytes {
                source.bytes
            } else {
                source.order.len()
            }
        };
        // Of several the lowest, so that the same happens again.
        let sources = self.sources.iter();
        let most = sources.max_by_key(|&(&key, source)| (most(source), std::cmp::Reverse(key)));
        if let Some((&key, source)) = most {
            for _ in 0..source.order.len() / 64 + 1 {
                self.forget_oldest(key);
            }
        }
    }

    /// When [`forget`](Self::forget) is worth calling next.
    pub(in crate::node) fn next_forget(&self) -> Option<Instant> {
        sooner(self.due, self.multicasts.next_forget())
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
        assert!(recent.seen.is_empty() && recent.sources.is_empty() && recent.bytes == 0);
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut recent = Recent::default();
        for id in 0..(2 * MAX as u64) {
            recent.see(now, NodeKey(1), NodeKey(9), id);
        }
        assert!(recent.seen.len() <= MAX);
        for id in 0..100 {
            recent.see(now, NodeKey(2), NodeKey(9), id);
            recent.answered(NodeKey(2), NodeKey(9), id, Bytes::from(vec![0; 1 << 20]));
        }
        assert!(recent.bytes <= MAX_BYTES + (2 << 20));
    }

    #[test]
    fn one_that_sends_much_does_not_make_others_forgotten() {
        let now = Instant::now();
        let mut recent = Recent::default();
        assert_eq!(recent.see(now, NodeKey(2), NodeKey(9), 7), Seen::New);
        for id in 0..(2 * MAX as u64) {
            recent.see(now, NodeKey(1), NodeKey(9), id);
        }
        assert_eq!(recent.see(now, NodeKey(2), NodeKey(9), 7), Seen::Before);
    }
}
