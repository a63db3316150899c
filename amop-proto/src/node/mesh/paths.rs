//! Shortest paths from this node to all others, updated as edges come and go.

#[cfg(test)]
use std::collections::BTreeMap;
use std::collections::{BTreeSet, VecDeque};

use crate::{hash::HashMap, p2p::mesh::RoutingKey};

/// The graph of nodes and their distances from this node.
///
/// Every link costs the same. An added edge is processed from where it shortens a path; after a
/// removed edge, only nodes to which some shortest path went over it are searched again.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    own: RoutingKey,
    /// Edges that both ends report, with the far ends in order.
    edges: HashMap<RoutingKey, Vec<RoutingKey>>,
    distance: HashMap<RoutingKey, u32>,
    /// The first steps of all shortest paths, computed when first asked for.
    first_steps: HashMap<RoutingKey, Vec<RoutingKey>>,
}

/// The effects of a change of edges.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PathChange {
    /// Whether an edge was removed.
    pub(super) cut: bool,
    /// Nodes that can be reached now and could not before.
    pub(super) gained: BTreeSet<RoutingKey>,
    /// Nodes that can no longer be reached.
    pub(super) lost: BTreeSet<RoutingKey>,
    /// Nodes to which some shortest path went over a removed edge: messages on their way to them
    /// may be lost. Includes `lost`.
    pub(super) shaken: BTreeSet<RoutingKey>,
}

impl Paths {
    pub(super) fn new(own: RoutingKey) -> Self {
        Self {
            own,
            edges: HashMap::default(),
            distance: HashMap::from_iter([(own, 0)]),
            first_steps: HashMap::default(),
        }
    }

    /// Returns how many links away a node is, if it can be reached.
    pub(super) fn distance(&self, node: RoutingKey) -> Option<u32> {
        self.distance.get(&node).copied()
    }

    /// Returns the neighbours of this node through which a node is reached in the fewest steps, in
    /// order.
    pub(super) fn first_steps(&mut self, node: RoutingKey) -> &[RoutingKey] {
        if !self.first_steps.contains_key(&node) {
            // A caller may ask for a node that was invented: nothing is stored for it.
            if !self.distance.contains_key(&node) {
                return &[];
            }
            let steps = self.search_back(node);
            self.first_steps.insert(node, steps);
        }
        self.first_steps.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Follows all shortest paths back from a node to this node's neighbours.
    fn search_back(&self, node: RoutingKey) -> Vec<RoutingKey> {
        let mut level = BTreeSet::from([node]);
        let Some(mut distance) = self.distance(node).filter(|&distance| distance > 0) else {
            return Vec::new();
        };
        while distance > 1 {
            distance -= 1;
            level = level
                .iter()
                .filter_map(|node| self.edges.get(node))
                .flatten()
                .copied()
                .filter(|&next| self.distance(next) == Some(distance))
                .collect();
        }
        level.into_iter().collect()
    }

    /// Adds and removes edges.
    pub(super) fn change(
        &mut self,
        added: &[(RoutingKey, RoutingKey)],
        removed: &[(RoutingKey, RoutingKey)],
    ) -> PathChange {
        let mut change = PathChange::default();
        for &(a, b) in removed {
            if !self.unlink(a, b) {
                continue;
            }
            change.cut = true;
            for (near, far) in [(a, b), (b, a)] {
                if let (Some(near), Some(at)) = (self.distance(near), self.distance(far))
                    && near + 1 == at
                {
                    self.add_descendants(far, &mut change.shaken);
                }
            }
        }
        if !change.shaken.is_empty() {
            self.search_again(&mut change);
        }
        for &(a, b) in added {
            for (from, to) in [(a, b), (b, a)] {
                let ends = self.edges.entry(from).or_default();
                if let Err(at) = ends.binary_search(&to) {
                    ends.insert(at, to);
                }
            }
            self.relax(a, b, &mut change.gained);
            self.relax(b, a, &mut change.gained);
        }
        if !(added.is_empty() && removed.is_empty()) {
            self.first_steps.clear();
        }
        // Nodes that one edge lost and another gained stayed reachable.
        let back: Vec<RoutingKey> = change.gained.intersection(&change.lost).copied().collect();
        for node in back {
            change.gained.remove(&node);
            change.lost.remove(&node);
        }
        change
    }

    /// Returns whether a neighbour can be reached without the edge to it.
    pub(super) fn can_spare(&self, neighbour: RoutingKey) -> bool {
        let mut found = BTreeSet::from([self.own]);
        let mut waiting = vec![self.own];
        while let Some(node) = waiting.pop() {
            for &next in self.edges.get(&node).into_iter().flatten() {
                if (node, next) == (self.own, neighbour) || !found.insert(next) {
                    continue;
                }
                if next == neighbour {
                    return true;
                }
                waiting.push(next);
            }
        }
        false
    }

    fn unlink(&mut self, a: RoutingKey, b: RoutingKey) -> bool {
        let mut removed = false;
        for (from, to) in [(a, b), (b, a)] {
            if let Some(ends) = self.edges.get_mut(&from) {
                if let Ok(at) = ends.binary_search(&to) {
                    ends.remove(at);
                    removed = true;
                }
                if ends.is_empty() {
                    self.edges.remove(&from);
                }
            }
        }
        removed
    }

    /// Adds a node and all nodes that shortest paths reach through it.
    fn add_descendants(&self, node: RoutingKey, found: &mut BTreeSet<RoutingKey>) {
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            if !found.insert(node) {
                continue;
            }
            let Some(distance) = self.distance(node) else {
                continue;
            };
            let next = self.edges.get(&node).into_iter().flatten();
            waiting.extend(next.filter(|&&next| self.distance(next) == Some(distance + 1)));
        }
    }

    /// Computes the shaken nodes' new distances from those of the nodes around them, which are
    /// still valid.
    fn search_again(&mut self, change: &mut PathChange) {
        for node in &change.shaken {
            self.distance.remove(node);
        }
        let mut waiting = BTreeSet::new();
        for &node in &change.shaken {
            let around = self.edges.get(&node).into_iter().flatten();
            let nearest = around.filter_map(|&next| self.distance(next)).min();
            waiting.extend(nearest.map(|distance| (distance + 1, node)));
        }
        while let Some((distance, node)) = waiting.pop_first() {
            if self.distance.contains_key(&node) {
                continue;
            }
            self.distance.insert(node, distance);
            let next = self.edges.get(&node).into_iter().flatten();
            let open = next.filter(|&next| !self.distance.contains_key(next));
            waiting.extend(open.map(|&next| (distance + 1, next)));
        }
        let lost = change.shaken.iter();
        change
            .lost
            .extend(lost.filter(|&node| !self.distance.contains_key(node)));
    }

    /// Processes a new edge: shortens all distances that it shortens.
    fn relax(&mut self, from: RoutingKey, to: RoutingKey, gained: &mut BTreeSet<RoutingKey>) {
        let Some(distance) = self.distance(from) else {
            return;
        };
        let mut waiting = VecDeque::from([(to, distance + 1)]);
        while let Some((node, distance)) = waiting.pop_front() {
            match self.distance(node) {
                Some(known) if known <= distance => continue,
                Some(_) => {}
                None => {
                    gained.insert(node);
                }
            }
            self.distance.insert(node, distance);
            let next = self.edges.get(&node).into_iter().flatten();
            waiting.extend(next.map(|&next| (next, distance + 1)));
        }
    }

    /// Returns all nodes that can be reached and their distances, in order.
    #[cfg(test)]
    fn distances(&self) -> BTreeMap<RoutingKey, u32> {
        self.distance
            .iter()
            .map(|(&node, &distance)| (node, distance))
            .collect()
    }
}

#[cfg(test)]
mod tests;
