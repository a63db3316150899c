//! Records that a neighbour does not know and is still to be sent.

use crate::p2p::mesh::RoutingKey;

/// A node whose records must be sent; FISCO nodes are sorted after the nodes that announce them.
pub(super) type WantedNode = (bool, RoutingKey);

/// The records that a neighbour must be sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsent {
    /// The nodes in order; those before `at` have been sent.
    pub(super) keys: Vec<WantedNode>,
    at: usize,
    /// Whether this node's own record must be sent, at the end: with it the neighbour knows all the
    /// others.
    pub(super) own: bool,
    /// The bytes that have been sent and not written.
    pub(super) under_way: usize,
}

impl Unsent {
    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = WantedNode>, own: bool) {
        self.keys.drain(..self.at);
        self.at = 0;
        self.keys.extend(keys);
        self.keys.sort_unstable();
        self.keys.dedup();
        self.own |= own;
    }

    pub(super) fn next(&mut self) -> Option<RoutingKey> {
        let &(_, key) = self.keys.get(self.at)?;
        self.at += 1;
        if self.at == self.keys.len() {
            (self.keys, self.at) = (Vec::new(), 0);
        }
        Some(key)
    }

    pub(super) fn is_over(&self) -> bool {
        self.keys.is_empty() && !self.own
    }

    /// Returns whether the whole state of a node is still to be sent; changes of it need not be
    /// sent then.
    pub(super) fn awaits(&self, wanted: WantedNode) -> bool {
        !self.keys.is_empty() && self.keys[self.at..].binary_search(&wanted).is_ok()
    }

    /// Returns the same for this node.
    pub(super) fn awaits_own(&self) -> bool {
        self.own
    }
}
