//! How much of a peer's queue is of which lane.

use std::{collections::hash_map::Entry, fmt};

use crate::{hash::HashMap, node::Lane};

/// Bytes by lane. Mostly one source sends at a time, so one lane is kept where it is found without a
/// look-up.
#[derive(Clone)]
pub(super) struct ByLane {
    /// Not among the others. Without bytes it is nobody's.
    one: Lane,
    bytes: usize,
    /// None of them is without bytes.
    others: HashMap<Lane, usize>,
}

impl Default for ByLane {
    fn default() -> Self {
        Self {
            one: Lane::Control,
            bytes: 0,
            others: HashMap::default(),
        }
    }
}

/// As a plain map: where a lane is kept is nobody's business.
impl fmt::Debug for ByLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = (self.bytes > 0).then_some((&self.one, &self.bytes));
        f.debug_map().entries(one).entries(&self.others).finish()
    }
}

impl ByLane {
    /// How many lanes have bytes.
    pub(super) fn len(&self) -> usize {
        usize::from(self.bytes > 0) + self.others.len()
    }

    pub(super) fn of(&self, lane: Lane) -> usize {
        if self.one == lane {
            return self.bytes;
        }
        self.others.get(&lane).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn add(&mut self, lane: Lane, bytes: usize) {
        if self.one == lane {
            self.bytes += bytes;
        } else if self.bytes == 0 && self.others.is_empty() {
            (self.one, self.bytes) = (lane, bytes);
        } else {
            self.add_to_others(lane, bytes);
        }
    }

    fn add_to_others(&mut self, lane: Lane, bytes: usize) {
        if self.bytes > 0 {
            *self.others.entry(lane).or_default() += bytes;
            return;
        }
        let before = self.others.remove(&lane).unwrap_or(0);
        (self.one, self.bytes) = (lane, before + bytes);
    }

    /// Takes bytes out; more than there are is all of them.
    #[inline]
    pub(super) fn take(&mut self, lane: Lane, bytes: usize) {
        if self.one == lane {
            self.bytes = self.bytes.saturating_sub(bytes);
        } else if !self.others.is_empty() {
            self.take_from_others(lane, bytes);
        }
    }

    fn take_from_others(&mut self, lane: Lane, bytes: usize) {
        if let Entry::Occupied(mut held) = self.others.entry(lane) {
            *held.get_mut() = held.get().saturating_sub(bytes);
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::node::SessionId;

    proptest! {
        /// Whatever order they come in, the bytes are those of a plain map.
        #[test]
        fn it_counts_as_a_map_does(
            steps in proptest::collection::vec((0..4u64, any::<bool>(), 1..5usize), 0..64),
        ) {
            let mut by_lane = ByLane::default();
            let mut map = BTreeMap::<u64, usize>::new();
            for (n, adds, bytes) in steps {
                let lane = Lane::session(SessionId(n));
                let held = map.entry(n).or_default();
                if adds {
                    by_lane.add(lane, bytes);
                    *held += bytes;
                } else {
                    by_lane.take(lane, bytes);
                    *held = held.saturating_sub(bytes);
                }
                map.retain(|_, held| *held > 0);
                prop_assert_eq!(by_lane.len(), map.len());
                for n in 0..4 {
                    let lane = Lane::session(SessionId(n));
                    prop_assert_eq!(by_lane.of(lane), map.get(&n).copied().unwrap_or(0));
                }
            }
        }
    }
}
