//! Whose work is done next, when many callers want something: agencies take turns, then the keys of
//! each agency, then the connections of each key. A caller that has cost more waits until the
//! others have cost as much.

use std::collections::{BTreeSet, HashMap, VecDeque};

use foldhash::fast::RandomState;

/// The number of idle entries whose cost is remembered.
const OWING: usize = 4096;

/// The owner of some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) agency: u64,
    pub(crate) key: u64,
    /// The connection.
    pub(crate) one: u64,
}

impl Party {
    /// Returns the party of an unauthenticated client: all of these are one agency, and each
    /// address is a key of it.
    pub(crate) fn stranger(address: u64) -> Self {
        Self {
            agency: 0,
            key: address,
            one: 0,
        }
    }

    fn path(self) -> [u64; 3] {
        [self.agency, self.key, self.one]
    }
}

/// Waiting items, and the costs of their owners.
#[derive(Debug)]
pub(crate) struct Turns<T>(TurnLevel<(Party, T)>);

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self(TurnLevel::default())
    }
}

impl<T> Turns<T> {
    pub(crate) fn push(&mut self, party: Party, item: T) {
        self.0.push(&party.path(), (party, item));
    }

    /// Takes the next item. The caller must call [`done`](Self::done) for each.
    pub(crate) fn pop(&mut self) -> Option<(Party, T)> {
        self.0.pop()
    }

    /// Records that an item is done, and its cost. If there is more to do for it, [put it
    /// back](Self::push) first.
    pub(crate) fn done(&mut self, party: Party, cost: usize) {
        self.0.done(&party.path(), (cost as u64).max(1));
    }
}

#[derive(Debug)]
struct TurnLevel<T> {
    /// The waiting items, at the lowest level, which has no parts.
    items: VecDeque<T>,
    parts: HashMap<u64, TurnGroup<T>, RandomState>,
    /// The parts with waiting items, ordered by their cost.
    order: BTreeSet<(u64, u64)>,
    /// The parts without waiting items, ordered by their cost.
    owing: BTreeSet<(u64, u64)>,
    /// The cost of the party that had the last turn. A new party starts with this cost.
    now: u64,
}

#[derive(Debug)]
struct TurnGroup<T> {
    cost: u64,
    /// The number of items that were taken and are not done yet.
    busy: usize,
    level: TurnLevel<T>,
}

impl<T> Default for TurnLevel<T> {
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            parts: HashMap::default(),
            order: BTreeSet::new(),
            owing: BTreeSet::new(),
            now: 0,
        }
    }
}

impl<T> TurnLevel<T> {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.order.is_empty()
    }

    fn push(&mut self, path: &[u64], item: T) {
        let Some((&name, below)) = path.split_first() else {
            return self.items.push_back(item);
        };
        let part = self.parts.entry(name).or_insert_with(|| TurnGroup {
            cost: self.now,
            busy: 0,
            level: TurnLevel::default(),
        });
        if part.level.is_empty() {
            self.owing.remove(&(part.cost, name));
            part.cost = part.cost.max(self.now);
            self.order.insert((part.cost, name));
        }
        part.level.push(below, item);
    }

    fn pop(&mut self) -> Option<T> {
        if let Some(item) = self.items.pop_front() {
            return Some(item);
        }
        let &(cost, name) = self.order.first()?;
        let part = self.parts.get_mut(&name)?;
        self.now = self.now.max(cost);
        part.busy += 1;
        let item = part.level.pop();
        if part.level.is_empty() {
            self.order.remove(&(cost, name));
        }
        item
    }

    fn done(&mut self, path: &[u64], cost: u64) {
        let Some((&name, below)) = path.split_first() else {
            return;
        };
        let Some(part) = self.parts.get_mut(&name) else {
            return;
        };
        part.level.done(below, cost);
        let before = (part.cost, name);
        part.busy = part.busy.saturating_sub(1);
        part.cost = part.cost.saturating_add(cost);
        let after = (part.cost, name);
        if !part.level.is_empty() {
            self.order.remove(&before);
            self.order.insert(after);
        } else if part.busy == 0 {
            self.owing.insert(after);
        }
        self.forget();
    }

    /// Forgets idle parts that have not cost more than others, and all if no other part is there.
    fn forget(&mut self) {
        let alone = self.owing.len() == self.parts.len();
        while let Some(&(cost, name)) = self.owing.first()
            && (alone || cost <= self.now || self.owing.len() > OWING)
        {
            self.owing.pop_first();
            self.parts.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests;
