//! The cost of nodes: which neighbour pays for them, and which node is removed when there is no
//! room for another.

use std::time::Instant;

use bytes::Bytes;

use super::{Database, LINK_COST, NODE_COST, NodeState};
use crate::{node::mesh::limits::UNNEEDED, p2p::mesh::RoutingKey};

impl Database {
    /// Updates the cost of a node after all of its record is applied.
    pub(super) fn settle_cost(&mut self, key: RoutingKey) {
        if let Some(state) = self.states.get(&key) {
            let records: usize = state.records.iter().map(Bytes::len).sum();
            let links = LINK_COST * state.neighbours.len();
            let cost = NODE_COST + links + records + state.topics_cost;
            let (bringer, least) = (state.bringer, cost.min(state.cost));
            self.set_charge(key, Some((bringer, least)));
            if let Some(state) = self.states.get_mut(&key) {
                state.cost = least;
            }
        }
    }

    /// Charges a node to another neighbour, or to none, instead of the one before.
    pub(super) fn set_charge(&mut self, key: RoutingKey, to: Option<(RoutingKey, usize)>) {
        if let Some(state) = self.states.get(&key)
            && let Some(charge) = self.charges.get_mut(&state.bringer)
        {
            self.costs.remove(&(state.cost, key));
            charge.bytes -= state.cost;
            charge.nodes -= 1;
            self.used -= state.cost;
            if charge.nodes == 0 {
                self.charges.remove(&state.bringer);
            }
        }
        if let Some((bringer, cost)) = to {
            let charge = self.charges.entry(bringer).or_default();
            charge.bytes += cost;
            charge.nodes += 1;
            self.used += cost;
            self.costs.insert((cost, key));
        }
    }

    /// Charges a neighbour for a node, and makes room for it where that is fair.
    pub(super) fn charge(
        &mut self,
        now: Instant,
        (key, border): (RoutingKey, Option<RoutingKey>),
        bringer: RoutingKey,
        cost: usize,
    ) -> bool {
        if cost > self.limits.record_bytes {
            return false;
        }
        loop {
            let held = self.states.get(&key);
            let bytes = self.used - held.map_or(0, |held| held.cost) + cost;
            let nodes = self.states.len() + usize::from(held.is_none());
            let crowded = nodes > self.limits.nodes;
            if bytes <= self.limits.records_bytes && !crowded {
                break;
            }
            if self.evict_away(now, key, border) {
                continue;
            }
            let not = [Some(key), border];
            let longest = if crowded {
                None
            } else {
                self.longest(not, cost)
            };
            let fair = longest.is_some() || self.is_fair(key, bringer, cost);
            let victim = longest.or_else(|| fair.then(|| self.of_most(not, crowded)).flatten());
            let Some(victim) = victim else {
                return false;
            };
            let evicted = self.forget(victim, false);
            self.evicted.extend(evicted);
        }
        self.set_charge(key, Some((bringer, cost)));
        if let Some(state) = self.states.get_mut(&key) {
            (state.bringer, state.cost) = (bringer, cost);
        }
        true
    }

    /// Forgets the node that has been out of reach longest, and at least for `UNNEEDED`. It does
    /// not forget the node that needs room, or the border node of that one.
    fn evict_away(&mut self, now: Instant, not: RoutingKey, border: Option<RoutingKey>) -> bool {
        let away = self.away.iter();
        let mut away = away.take_while(|&&(since, _)| since + UNNEEDED <= now);
        let victim = away.find(|&&(_, key)| key != not && Some(key) != border);
        let Some(&(_, victim)) = victim else {
            return false;
        };
        let evicted = self.forget(victim, false);
        self.evicted.extend(evicted);
        true
    }

    /// Returns whether a neighbour stays within its share with this node.
    fn is_fair(&self, key: RoutingKey, bringer: RoutingKey, cost: usize) -> bool {
        let mine = self.charges.get(&bringer).copied().unwrap_or_default();
        let held = self.states.get(&key);
        let held = held.filter(|held| held.bringer == bringer);
        let bytes = mine.bytes - held.map_or(0, |held| held.cost) + cost;
        let nodes = mine.nodes + usize::from(held.is_none());
        let sharers = self.charges.len() + usize::from(!self.charges.contains_key(&bringer));
        bytes <= self.limits.records_bytes / sharers && nodes <= self.limits.nodes / sharers
    }

    /// Returns the costliest node, if it costs more than an even share of the memory and more than
    /// the newcomer. It does not matter which neighbour brought it. So the statements of an honest
    /// node find room, however much others state.
    fn longest(&self, not: [Option<RoutingKey>; 2], cost: usize) -> Option<RoutingKey> {
        let even = self.limits.records_bytes / (self.states.len() + 1);
        let longest = self.costs.iter().rev();
        let mut longest = longest.take_while(|&&(other, _)| other > cost && other > even);
        longest
            .find(|&&(_, key)| self.may_go(key, not))
            .map(|&(_, key)| key)
    }

    fn may_go(&self, key: RoutingKey, not: [Option<RoutingKey>; 2]) -> bool {
        let brought = |state: &NodeState| state.bringer != self.own;
        !not.contains(&Some(key)) && self.states.get(&key).is_some_and(brought)
    }

    /// Returns the costliest node of the neighbour that is charged most; if that neighbour brought
    /// only itself, that of the next one.
    fn of_most(&self, not: [Option<RoutingKey>; 2], crowded: bool) -> Option<RoutingKey> {
        let charges = self.charges.iter().filter(|&(&key, _)| key != self.own);
        let charges = charges.map(|(&key, charge)| match crowded {
            true => (charge.nodes, key),
            false => (charge.bytes, key),
        });
        let mut charges: Vec<_> = charges.collect();
        charges.sort_unstable();
        charges.iter().rev().find_map(|&(_, bringer)| {
            let brought = |key| self.states.get(&key).map(|state| state.bringer);
            let theirs = |key| key != bringer && brought(key) == Some(bringer);
            let costs = self.costs.iter().rev().map(|&(_, key)| key);
            costs
                .filter(|&key| theirs(key))
                .find(|&key| self.may_go(key, not))
        })
    }
}
