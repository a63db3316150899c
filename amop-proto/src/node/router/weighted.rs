//! A set of weighted members from which one can be drawn in logarithmic time.

use std::hash::Hash;

use crate::hash::HashMap;

/// Members with weights, in a binary indexed tree.
#[derive(Debug, Clone)]
pub(super) struct Weighted<K> {
    /// Members by position; `None` where one was removed.
    members: Vec<Option<K>>,
    weights: Vec<u64>,
    positions: HashMap<K, usize>,
    free: Vec<usize>,
    /// `tree[i]` is the sum of the weights in the range of length `lowest_bit(i + 1)` that ends at
    /// `i`.
    tree: Vec<u64>,
    total: u64,
}

impl<K> Default for Weighted<K> {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            weights: Vec::new(),
            positions: HashMap::default(),
            free: Vec::new(),
            tree: Vec::new(),
            total: 0,
        }
    }
}

impl<K: Copy + Eq + Hash> Weighted<K> {
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The members and their weights, in a fixed order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.members
            .iter()
            .zip(&self.weights)
            .filter_map(|(member, &weight)| member.map(|member| (member, weight)))
    }

    /// Sets a member's weight; 0 removes it.
    pub(super) fn set(&mut self, member: K, weight: u64) {
        let at = match self.positions.get(&member) {
            Some(&at) => at,
            None if weight == 0 => return,
            None => self.place(member),
        };
        let before = std::mem::replace(&mut self.weights[at], weight);
        self.total = self.total - before + weight;
        let mut node = at;
        while node < self.tree.len() {
            self.tree[node] = self.tree[node] - before + weight;
            node |= node + 1;
        }
        if weight == 0 {
            self.positions.remove(&member);
            self.members[at] = None;
            self.free.push(at);
        }
    }

    fn place(&mut self, member: K) -> usize {
        let at = self.free.pop().unwrap_or_else(|| {
            let at = self.members.len();
            self.members.push(None);
            self.weights.push(0);
            // The new node covers what its children cover already.
            let mut sum = 0;
            let (mut child, stop) = (at, at & (at + 1));
            while child > stop {
                sum += self.tree[child - 1];
                child &= child - 1;
            }
            self.tree.push(sum);
            at
        });
        self.members[at] = Some(member);
        self.positions.insert(member, at);
        at
    }

    /// The member at a point of the sum of all weights.
    pub(super) fn at(&self, mut point: u64) -> Option<K> {
        if point >= self.total {
            return None;
        }
        let mut position = 0;
        let mut step = self.tree.len().next_power_of_two();
        while step > 0 {
            if let Some(&sum) = self.tree.get(position + step - 1)
                && sum <= point
            {
                position += step;
                point -= sum;
            }
            step /= 2;
        }
        self.members.get(position).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn every_point_falls_to_its_member() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut weighted = Weighted::default();
        for _ in 0..2000 {
            weighted.set(rng.random_range(0..40_u32), rng.random_range(0..5));
            assert_eq!(
                weighted.total(),
                weighted.iter().map(|(_, weight)| weight).sum::<u64>()
            );
            let mut point = 0;
            for (member, weight) in weighted.iter() {
                for _ in 0..weight {
                    assert_eq!(weighted.at(point), Some(member));
                    point += 1;
                }
            }
            assert_eq!(weighted.at(point), None);
        }
    }
}
