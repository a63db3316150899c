//! The multicasts of other nodes that came recently.
//!
//! A node numbers its messages, so one bit for each of the last ones is enough: this memory stays
//! in the processor's cache, unlike a table of all messages. A restarted node starts at another
//! number.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    fmt,
    time::Instant,
};

use super::memory::{MAX, REMEMBERED_FOR, SLACK};
use crate::{
    hash::{HashMap, HashSet},
    node::sooner,
    p2p::mesh::RoutingKey,
};

/// The node that sent a multicast into the overlay, and the destination here that it is for.
type MulticastPath = (RoutingKey, RoutingKey);

/// Words of 64 bits for one way: 65,536 ids, 63 fewer while the last word fills.
const WORDS: u64 = 1024;

/// An id this far below the highest belongs to a node that has restarted.
const FAR: u64 = 1 << 32;

/// The number of ways that are remembered. Each takes 8 KiB.
const WAYS: usize = 1024;

/// The multicasts that came recently, as the module describes them.
#[derive(Debug, Clone, Default)]
pub(super) struct SeenMulticasts {
    windows: HashMap<MulticastPath, IdWindow>,
    /// The earliest time at which a window must be forgotten.
    windows_due: Option<Instant>,
    /// The ids that are names and not numbers.
    names: HashSet<(MulticastPath, u64)>,
    /// The names by the node that brought them into the overlay or to this node. When there are too
    /// many, the node with the most loses its oldest ones.
    brought: BTreeMap<RoutingKey, VecDeque<(Instant, MulticastPath, u64)>>,
    /// The earliest time at which a name must be forgotten.
    names_due: Option<Instant>,
}

impl SeenMulticasts {
    /// The bit that distinguishes names of messages, which are as good as random, from numbers.
    pub(super) const NAME: u64 = 1 << 63;

    /// Returns whether a multicast is new; it is remembered from now on. `by` brought it.
    pub(super) fn see(
        &mut self,
        now: Instant,
        way: MulticastPath,
        id: u64,
        by: RoutingKey,
    ) -> bool {
        if id & Self::NAME != 0 {
            return self.see_name(now, way, id, by);
        }
        if let Some(window) = self.windows.get_mut(&way) {
            return window.see(now, id);
        }
        if self.windows.len() >= WAYS
            && let Some((&oldest, _)) = self.windows.iter().min_by_key(|(_, window)| window.used)
        {
            self.windows.remove(&oldest);
        }
        self.windows_due.get_or_insert(now + REMEMBERED_FOR + SLACK);
        let window = self.windows.entry(way).or_insert(IdWindow::new(now));
        window.see(now, id)
    }

    fn see_name(&mut self, now: Instant, way: MulticastPath, id: u64, by: RoutingKey) -> bool {
        self.forget_names(now, by);
        if !self.names.insert((way, id)) {
            return false;
        }
        let order = self.brought.entry(by).or_default();
        order.push_back((now, way, id));
        self.names_due.get_or_insert(now + REMEMBERED_FOR + SLACK);
        if self.names.len() > MAX {
            self.make_room();
        }
        true
    }

    /// Forgets old names that a node brought.
    fn forget_names(&mut self, now: Instant, by: RoutingKey) {
        while let Some(&(at, ..)) = self.brought.get(&by).and_then(VecDeque::front)
            && at + REMEMBERED_FOR <= now
        {
            self.forget_oldest(by);
        }
    }

    fn forget_oldest(&mut self, by: RoutingKey) {
        let Some(order) = self.brought.get_mut(&by) else {
            return;
        };
        if let Some((_, way, id)) = order.pop_front() {
            self.names.remove(&(way, id));
        }
        if order.is_empty() {
            self.brought.remove(&by);
        }
    }

    /// Forgets some names of the node that brought the most: several at once, so that the node is
    /// not searched for at each message.
    fn make_room(&mut self) {
        let brought = self.brought.iter();
        // Of equal ones, the lowest is taken, so that the result is reproducible.
        let most = brought.max_by_key(|&(&by, order)| (order.len(), Reverse(by)));
        if let Some((&by, order)) = most {
            for _ in 0..order.len() / 64 + 1 {
                self.forget_oldest(by);
            }
        }
    }

    pub(super) fn forget(&mut self, now: Instant) {
        if self.names_due.is_some_and(|due| due <= now) {
            let all: Vec<RoutingKey> = self.brought.keys().copied().collect();
            for by in all {
                self.forget_names(now, by);
            }
            let oldest = self.brought.values().filter_map(VecDeque::front);
            let oldest = oldest.map(|&(at, ..)| at).min();
            self.names_due = oldest.map(|at| at + REMEMBERED_FOR + SLACK);
        }
        if self.windows_due.is_some_and(|due| due <= now) {
            self.windows
                .retain(|_, window| now < window.used + REMEMBERED_FOR);
            let used = self.windows.values().map(|window| window.used).min();
            self.windows_due = used.map(|used| used + REMEMBERED_FOR + SLACK);
        }
    }

    /// Returns when something must be forgotten next.
    pub(super) fn next_forget(&self) -> Option<Instant> {
        sooner(self.names_due, self.windows_due)
    }
}

/// Which of the last ids of one way have come.
#[derive(Clone)]
struct IdWindow {
    /// One more than the highest id that came.
    end: u64,
    /// A bit for each of the last ids, by the id's last bits.
    bits: Box<[u64]>,
    used: Instant,
}

/// Shows only the words that have bits set, usually a few.
impl fmt::Debug for IdWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.bits.iter().enumerate();
        let words: Vec<_> = words.filter(|&(_, &word)| word != 0).collect();
        f.debug_struct("IdWindow")
            .field("end", &self.end)
            .field("bits", &words)
            .field("used", &self.used)
            .finish()
    }
}

impl IdWindow {
    fn new(now: Instant) -> Self {
        Self {
            end: 0,
            bits: vec![0; WORDS as usize].into(),
            used: now,
        }
    }

    fn see(&mut self, now: Instant, id: u64) -> bool {
        self.used = now;
        if id >= self.end || self.end - id > FAR {
            self.move_to(id + 1);
        } else if id / 64 + WORDS <= (self.end - 1) / 64 {
            // Too late to tell: another id uses its bit.
            return true;
        }
        let (word, bit) = (self.word(id / 64), 1 << (id % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn word(&mut self, number: u64) -> &mut u64 {
        &mut self.bits[(number % WORDS) as usize]
    }

    /// Sets a new end. The ids that are skipped have not come.
    fn move_to(&mut self, end: u64) {
        let before = std::mem::replace(&mut self.end, end);
        // The word of the id before the old end is in use; the words after it are the oldest.
        let (from, to) = (before.div_ceil(64), end.div_ceil(64));
        if end < before || to - from >= WORDS {
            self.bits.fill(0);
            return;
        }
        for number in from..to {
            *self.word(number) = 0;
        }
    }
}

#[cfg(test)]
mod tests;
