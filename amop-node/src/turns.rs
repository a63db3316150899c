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
mod tests {
    use super::*;

    fn party(agency: u64, key: u64, one: u64) -> Party {
        Party { agency, key, one }
    }

    /// Takes and finishes up to `count` turns, each of this cost. Returns the agencies in order.
    fn turns(turns: &mut Turns<usize>, count: usize, cost: usize) -> Vec<u64> {
        (0..count)
            .map_while(|_| {
                let (party, _) = turns.pop()?;
                turns.done(party, cost);
                Some(party.agency)
            })
            .collect()
    }

    #[test]
    fn however_many_connections_one_agency_has_another_one_is_next() {
        let mut waiting = Turns::default();
        for n in 0..5000 {
            waiting.push(party(1, n % 7, n), 0);
        }
        assert_eq!(turns(&mut waiting, 10, 1), [1; 10]);
        waiting.push(party(2, 0, 0), 0);
        waiting.push(party(3, 0, 0), 0);
        let next = turns(&mut waiting, 3, 1);
        assert!(next.contains(&2) && next.contains(&3), "{next:?}");
    }

    #[test]
    fn keys_of_an_agency_and_connections_of_a_key_take_turns() {
        let mut waiting = Turns::default();
        for n in 0..100 {
            waiting.push(party(1, 1, 1), n);
        }
        waiting.push(party(1, 1, 2), 1000);
        waiting.push(party(1, 2, 3), 2000);
        let mut first = Vec::new();
        for _ in 0..5 {
            let (party, item) = waiting.pop().unwrap();
            first.push(item);
            waiting.done(party, 1);
        }
        assert!(first.contains(&1000) && first.contains(&2000), "{first:?}");
    }

    #[test]
    fn what_has_cost_more_waits_until_the_others_have_cost_as_much() {
        let mut waiting = Turns::default();
        for _ in 0..100 {
            waiting.push(party(1, 1, 1), 0);
            waiting.push(party(2, 1, 1), 0);
        }
        let mut done = [0; 3];
        for _ in 0..60 {
            let (party, _) = waiting.pop().unwrap();
            done[party.agency as usize] += 1;
            waiting.done(party, if party.agency == 1 { 9 } else { 1 });
        }
        assert!((5..=7).contains(&done[1]), "{done:?}");
    }

    #[test]
    fn one_that_comes_back_has_still_cost_what_it_did() {
        let mut waiting = Turns::default();
        waiting.push(party(1, 1, 1), 0);
        for _ in 0..200 {
            waiting.push(party(2, 1, 1), 0);
        }
        let (dear, _) = waiting.pop().unwrap();
        assert_eq!(dear.agency, 1);
        waiting.done(dear, 100);
        waiting.push(party(1, 1, 1), 0);
        assert_eq!(turns(&mut waiting, 100, 1), [2; 100]);
        assert!(turns(&mut waiting, 2, 1).contains(&1));
    }

    #[test]
    fn what_goes_on_is_put_back_and_others_have_their_turn_between() {
        let mut waiting = Turns::default();
        waiting.push(party(1, 1, 1), 3);
        let (first, left) = waiting.pop().unwrap();
        waiting.push(party(2, 1, 1), 1);
        waiting.push(first, left - 1);
        waiting.done(first, 5);
        assert_eq!(turns(&mut waiting, 3, 1), [2, 1]);
    }

    #[test]
    fn nothing_is_kept_of_those_who_are_gone() {
        let mut waiting = Turns::default();
        waiting.push(party(9, 9, 9), 0);
        let kept = waiting.pop().unwrap().0;
        for n in 0..3 * OWING as u64 {
            waiting.push(party(n, 0, 0), 0);
            let (party, _) = waiting.pop().unwrap();
            waiting.done(party, 1_000_000);
        }
        assert!(waiting.0.parts.len() <= OWING + 2);
        waiting.done(kept, 1);
        assert!(waiting.0.parts.is_empty() && waiting.0.owing.is_empty());
        assert!(waiting.pop().is_none());
    }
}
