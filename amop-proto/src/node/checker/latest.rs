//! Remembers findings about the latest of many things.

use std::collections::VecDeque;

use crate::hash::HashMap;

/// Findings by SHA-256. A finding from before the rules changed is never stored: the caller notes
/// [the number of the rules](Self::rules) before it starts.
#[derive(Debug)]
pub(super) struct Latest<V> {
    found: HashMap<[u8; 32], V>,
    order: VecDeque<[u8; 32]>,
    most: usize,
    rules: u64,
}

impl<V: Clone> Latest<V> {
    /// Creates a memory for `most` findings.
    pub(super) fn new(most: usize) -> Self {
        Self {
            found: HashMap::default(),
            order: VecDeque::new(),
            most,
            rules: 0,
        }
    }

    /// Returns how often the rules have changed.
    pub(super) fn rules(&self) -> u64 {
        self.rules
    }

    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<V> {
        self.found.get(digest).cloned()
    }

    /// Forgets everything, because the rules have changed.
    pub(super) fn forget(&mut self) {
        let rules = self.rules + 1;
        *self = Self {
            rules,
            ..Self::new(self.most)
        };
    }

    /// Stores a finding, unless the rules have changed since `rules`.
    pub(super) fn note(&mut self, digest: [u8; 32], found: V, rules: u64) {
        if self.rules != rules || self.found.insert(digest, found).is_some() {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.found.remove(&oldest);
        }
    }

    #[cfg(all(test, feature = "test-util"))]
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }
}

#[cfg(test)]
mod tests;
