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
mod tests {
    use std::time::Duration;

    use super::*;

    const WAY: MulticastPath = (RoutingKey(1), RoutingKey(9));
    const BY: RoutingKey = RoutingKey(1);

    #[test]
    fn each_is_new_once_in_any_order() {
        let now = Instant::now();
        for start in [0, 1, 63, 64, 12_345, (1 << 62) + 7] {
            let mut multicasts = SeenMulticasts::default();
            // Higher ids first within each hundred; every hundredth id does not come at all.
            for hundred in 0..2000 {
                for id in (1..100).rev().map(|n| start + 100 * hundred + n) {
                    assert!(multicasts.see(now, WAY, id, BY), "{start} {id}");
                    assert!(!multicasts.see(now, WAY, id, BY), "{start} {id}");
                }
                let late = start + 100 * hundred.saturating_sub(600);
                assert_eq!(
                    multicasts.see(now, WAY, late, BY),
                    hundred == 0 || hundred > 600
                );
            }
        }
    }

    #[test]
    fn ways_are_told_apart() {
        let now = Instant::now();
        let mut multicasts = SeenMulticasts::default();
        let ways = [(1, 9), (9, 1), (2, 9), (1, 8)].map(|(a, b)| (RoutingKey(a), RoutingKey(b)));
        for id in [7, 7 | SeenMulticasts::NAME] {
            assert!(ways.iter().all(|&way| multicasts.see(now, way, id, BY)));
            assert!(!ways.iter().any(|&way| multicasts.see(now, way, id, BY)));
        }
    }

    #[test]
    fn a_node_that_starts_again_counts_from_anywhere() {
        let now = Instant::now();
        let mut multicasts = SeenMulticasts::default();
        for start in [1 << 40, 1 << 50, 5, 1 << 62, 1 << 61] {
            for id in start..start + 10 {
                assert!(multicasts.see(now, WAY, id, BY));
            }
            for id in start..start + 10 {
                assert!(!multicasts.see(now, WAY, id, BY));
            }
        }
        assert_eq!(multicasts.windows.len(), 1);
    }

    #[test]
    fn what_comes_too_late_to_tell_is_new() {
        let now = Instant::now();
        let mut multicasts = SeenMulticasts::default();
        let all = 64 * WORDS;
        assert!(multicasts.see(now, WAY, 100, BY));
        assert!(multicasts.see(now, WAY, 100 + all - 64, BY));
        assert!(!multicasts.see(now, WAY, 100, BY));
        assert!(multicasts.see(now, WAY, 100 + all, BY));
        assert!(multicasts.see(now, WAY, 100, BY));
        assert!(multicasts.see(now, WAY, 100, BY));
        assert!(!multicasts.see(now, WAY, 100 + all, BY));
        assert!(multicasts.see(now, WAY, 101 + all, BY));
    }

    #[test]
    fn it_is_bounded_and_forgets() {
        let now = Instant::now();
        let mut multicasts = SeenMulticasts::default();
        for n in 0..2 * WAYS as u64 {
            let later = now + Duration::from_micros(n);
            assert!(multicasts.see(later, (RoutingKey(n), RoutingKey(9)), 7, BY));
        }
        assert_eq!(multicasts.windows.len(), WAYS);
        // The latest ones are still there.
        let last = (RoutingKey(2 * WAYS as u64 - 1), RoutingKey(9));
        assert!(!multicasts.see(now, last, 7, BY));
        for id in 0..2 * MAX as u64 {
            multicasts.see(now, WAY, id | SeenMulticasts::NAME, BY);
        }
        assert!(multicasts.names.len() <= MAX);
        let mut timers = 0;
        while let Some(at) = multicasts.next_forget() {
            multicasts.forget(at);
            timers += 1;
        }
        assert!(timers <= 2, "{timers}");
        assert!(multicasts.windows.is_empty() && multicasts.names.is_empty());
        assert!(multicasts.brought.is_empty());
    }

    #[test]
    fn names_that_one_node_brings_do_not_make_those_of_others_forgotten() {
        let now = Instant::now();
        let mut multicasts = SeenMulticasts::default();
        let name = |id: u64| id | SeenMulticasts::NAME;
        let innocent = (RoutingKey(2), RoutingKey(9));
        for id in 0..1000 {
            assert!(multicasts.see(now, innocent, name(id), RoutingKey(2)));
        }
        // Under any number of names.
        for id in 0..2 * MAX as u64 {
            let way = (RoutingKey(100 + id % 50), RoutingKey(9));
            multicasts.see(now, way, name(id), RoutingKey(1));
        }
        assert!(multicasts.names.len() <= MAX);
        for id in 0..1000 {
            assert!(!multicasts.see(now, innocent, name(id), RoutingKey(2)));
        }
    }
}
