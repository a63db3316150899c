//! A set of weighted members from which one can be drawn in logarithmic time.

use std::hash::Hash;

use crate::hash::HashMap;

/// Members with weights. Most sets have one member, and there are very many sets.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct Weighted<K> {
    one: Option<(K, u64)>,
    /// All of them, once there have been two.
    many: Option<Box<Tree<K>>>,
}

impl<K> Default for Weighted<K> {
    fn default() -> Self {
        Self {
            one: None,
            many: None,
        }
    }
}

impl<K: Copy + Eq + Hash> Weighted<K> {
    pub(in crate::node::router) fn total(&self) -> u64 {
        match &self.many {
            Some(many) => many.total(),
            None => self.one.map_or(0, |(_, weight)| weight),
        }
    }

    /// Returns the number of members.
    pub(in crate::node::router) fn len(&self) -> usize {
        match &self.many {
            Some(many) => many.len(),
            None => usize::from(self.one.is_some()),
        }
    }

    pub(in crate::node::router) fn is_empty(&self) -> bool {
        self.total() == 0
    }

    pub(in crate::node::router) fn contains(&self, member: K) -> bool {
        match &self.many {
            Some(many) => many.positions.contains_key(&member),
            None => self.one.is_some_and(|(one, _)| one == member),
        }
    }

    /// Returns the members and their weights, in a fixed order.
    pub(in crate::node::router) fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        let many = self.many.iter().flat_map(|many| many.iter());
        self.one.into_iter().chain(many)
    }

    /// Sets a member's weight; 0 removes it.
    pub(in crate::node::router) fn set(&mut self, member: K, weight: u64) {
        if let Some(many) = &mut self.many {
            many.set(member, weight);
            if many.len() == 0 {
                self.many = None;
            }
            return;
        }
        match self.one {
            Some((other, before)) if other != member && weight > 0 => {
                let mut many = Box::new(Tree::default());
                many.set(other, before);
                many.set(member, weight);
                (self.one, self.many) = (None, Some(many));
            }
            Some((other, _)) if other != member => {}
            _ => self.one = (weight > 0).then_some((member, weight)),
        }
    }

    /// Returns the member at a point of the sum of all weights.
    pub(in crate::node::router) fn at(&self, point: u64) -> Option<K> {
        match &self.many {
            Some(many) => many.at(point),
            None => self
                .one
                .filter(|&(_, weight)| point < weight)
                .map(|(member, _)| member),
        }
    }
}

/// Members with weights, in a binary indexed tree.
#[derive(Debug, Clone)]
struct Tree<K> {
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

impl<K> Default for Tree<K> {
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

impl<K: Copy + Eq + Hash> Tree<K> {
    fn total(&self) -> u64 {
        self.total
    }

    /// Returns the number of members.
    fn len(&self) -> usize {
        self.positions.len()
    }

    /// Returns the members and their weights, in a fixed order.
    fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.members
            .iter()
            .zip(&self.weights)
            .filter_map(|(member, &weight)| member.map(|member| (member, weight)))
    }

    /// Sets a member's weight; 0 removes it.
    fn set(&mut self, member: K, weight: u64) {
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
            // The new node covers what its children already cover.
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

    /// Returns the member at a point of the sum of all weights.
    fn at(&self, mut point: u64) -> Option<K> {
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
mod tests;
