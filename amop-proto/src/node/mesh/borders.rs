//! Real nodes next to this one that take part in the network by way of it. Each is announced as a node
//! of its own behind this one, with its own ID, so that it is never told of what only itself has.

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;

use super::{Mesh, database::Taken};
use crate::{
    node::PeerId,
    p2p::{
        NodeId,
        mesh::{MAX_VERSION, NodeKey, Record},
    },
};

impl Mesh {
    /// The connection to the real node that this node announces under a name.
    pub(in crate::node) fn border(&self, key: NodeKey) -> Option<PeerId> {
        self.borders.get(&key).copied()
    }

    /// Whether some node announces this real node.
    pub(in crate::node) fn is_announced(&self, node: &NodeId) -> bool {
        self.database.behind().any(|state| state.node == *node)
    }

    /// Whether some node announces a real node.
    pub(in crate::node) fn has_announced(&self) -> bool {
        self.database.behind().next().is_some()
    }

    /// All topics of nodes that can be reached, real ones too, except one of them.
    pub(in crate::node) fn topics_beyond(&self, node: &NodeId) -> BTreeSet<&Bytes> {
        self.database
            .iter()
            .filter(|(_, state)| state.is_reachable() && state.node != *node)
            .flat_map(|(_, state)| state.topics.keys())
            .collect()
    }

    /// A real node takes part from now on, by way of this one.
    pub(in crate::node) fn border_up(&mut self, now: Instant, peer: PeerId, node: NodeId) {
        let key = NodeKey::from(&node).behind(self.own);
        let held = self.database.get(key).map_or(0, |state| state.version);
        let record = Record {
            key,
            // Higher than any that this node has used before it started again.
            version: held.max(self.version) + 1,
            base: 0,
            node: Some(node),
            neighbours: Some(vec![self.own]),
            topics: Vec::new(),
        };
        // There may be too many nodes already.
        if !matches!(self.database.take(now, &record), Taken::New { .. }) {
            return;
        }
        self.borders.insert(key, peer);
        self.flood(&[record], None);
        self.neighbours_changed();
        self.relink(now, &[(self.own, key)], &[]);
    }

    /// Its topics changed.
    pub(in crate::node) fn border_topics(
        &mut self,
        now: Instant,
        peer: PeerId,
        topics: Vec<(Bytes, u32)>,
    ) {
        let Some(key) = self.border_of(peer) else {
            return;
        };
        let Some(base) = self.database.get(key).map(|state| state.version) else {
            return;
        };
        let record = Record {
            key,
            version: base + 1,
            base,
            node: None,
            neighbours: None,
            topics,
        };
        if matches!(self.database.take(now, &record), Taken::New { .. }) {
            self.flood(&[record], None);
        }
    }

    /// It is gone.
    pub(in crate::node) fn border_down(&mut self, now: Instant, peer: PeerId) {
        if let Some(key) = self.border_of(peer) {
            self.borders.remove(&key);
            self.relink(now, &[], &[(self.own, key)]);
            self.neighbours_changed();
        }
    }

    fn border_of(&self, peer: PeerId) -> Option<NodeKey> {
        let mut borders = self.borders.iter();
        borders
            .find(|&(_, &held)| held == peer)
            .map(|(&key, _)| key)
    }

    /// The network holds a record of it that is newer than what this node, which alone makes them,
    /// knows: from before it started again.
    pub(super) fn outbid_border(&mut self, now: Instant, record: &Record) {
        let Some(mut own) = self.database.whole(record.key) else {
            return;
        };
        if record.version > own.version && record.version < MAX_VERSION {
            own.version = record.version + 1;
            self.database.take(now, &own);
            self.flood(&[own], None);
        }
    }
}

/// Whether this is the name of a real node behind one of ours.
pub(super) fn is_behind(key: NodeKey, node: &NodeId) -> bool {
    key != NodeKey::from(node)
}
