//! What the mesh knows of other nodes.

use bytes::Bytes;

use super::Mesh;
use crate::{
    node::PeerId,
    p2p::{
        NodeId,
        mesh::{RoutingKey, Subject},
    },
};

impl Mesh {
    /// Returns the number of the last statement that a neighbour has acknowledged, and whether the
    /// link to it counts and the neighbour knows so; `None` if there is no link.
    pub(in crate::node) fn acknowledged_by(&self, peer: PeerId) -> Option<(u64, bool)> {
        let link = self.links.get(&peer)?;
        let settled = link.counts() && link.acknowledged >= link.listed;
        Some((link.acknowledged, settled))
    }

    /// Returns the bytes of records that neighbours made this node hold.
    pub(in crate::node) fn used(&self) -> usize {
        self.database.used()
    }

    /// Returns the number of other nodes that can be reached.
    pub(in crate::node) fn reachable(&self) -> usize {
        self.database.reachable()
    }

    /// Returns whether nodes can be reached that are not neighbours.
    pub(in crate::node) fn has_distant(&self) -> bool {
        self.distant
    }

    /// Returns how many links away a node is.
    pub(in crate::node) fn distance(&self, node: RoutingKey) -> Option<u32> {
        self.paths.distance(node)
    }

    /// Returns whether a node is known, or is this one.
    pub(in crate::node) fn is_known(&self, key: RoutingKey) -> bool {
        key == self.own() || self.database.get(key).is_some()
    }

    /// Returns the ID of a known node.
    pub(in crate::node) fn node_id(&self, key: RoutingKey) -> Option<NodeId> {
        self.database.get(key).map(|state| state.node)
    }

    /// Returns the FISCO node that a border node announces under this name.
    pub(in crate::node) fn fisco_at(&self, key: RoutingKey) -> Option<NodeId> {
        let state = self.database.get(key)?;
        state.border.map(|_| state.node)
    }

    /// Returns the agreement key of a node, or of the border node that announces it: it changes
    /// when that node restarts.
    pub(in crate::node) fn life(&self, node: RoutingKey) -> Option<[u8; 32]> {
        self.database.get(self.owner(node))?.agreement
    }

    /// Returns whether a node has stated that it has subscribers of a topic, even if it cannot be
    /// reached now.
    pub(in crate::node) fn says_it_has(&self, node: RoutingKey, topic: &[u8]) -> bool {
        let state = self.database.get(node);
        state.is_some_and(|state| state.topics.contains_key(topic))
    }

    /// Returns the first topic of a node in byte order, starting at `from`.
    pub(in crate::node) fn first_topic_from(
        &self,
        node: RoutingKey,
        from: Bytes,
    ) -> Option<&Bytes> {
        let mut topics = self.database.get(node)?.topics.range(from..);
        topics.next().map(|(topic, _)| topic)
    }

    /// Returns how many nodes have records here, reachable or not.
    pub(in crate::node) fn known_nodes(&self) -> usize {
        self.database.len()
    }

    /// Returns the topics of a node that can be reached.
    pub(in crate::node) fn topics_of(&self, node: RoutingKey) -> impl Iterator<Item = &Bytes> {
        self.counts_of(node).map(|(topic, _)| topic)
    }

    /// Returns the topics of a node that can be reached, with their subscriber counts.
    pub(in crate::node) fn counts_of(
        &self,
        node: RoutingKey,
    ) -> impl Iterator<Item = (&Bytes, u32)> {
        self.database
            .get(node)
            .filter(|state| state.is_reachable())
            .into_iter()
            .flat_map(|state| &state.topics)
            .map(|(topic, &count)| (topic, count))
    }

    /// Returns the digest that identifies the agency of a node, or of the node that speaks for it.
    pub(in crate::node) fn authority(&self, node: RoutingKey) -> Option<[u8; 32]> {
        let state = self.database.get(node)?;
        match state.border {
            Some(border) => self.database.get(border)?.authority,
            None => state.authority,
        }
    }

    /// Returns the certificates of all known nodes, for callers that check whether they are still
    /// valid. FISCO nodes behind other nodes have none, and those behind this node are left out.
    pub(in crate::node) fn chains(&self) -> impl Iterator<Item = (Subject, &[Bytes])> {
        self.database.iter().filter_map(|(_, state)| {
            let subject = match state.border {
                None => Subject::Node(state.node),
                Some(border) => Subject::Stub {
                    fisco: state.node,
                    border: self.database.get(border)?.node,
                },
            };
            Some((subject, &state.chain[..]))
        })
    }

    /// Returns the node that vouches for a node's messages: the node itself, or the border node
    /// that announces it.
    pub(in crate::node) fn owner(&self, key: RoutingKey) -> RoutingKey {
        let border = self.database.get(key).and_then(|state| state.border);
        border.unwrap_or(key)
    }

    /// Returns whether messages for a node end at a neighbour, so that they need no seal: the
    /// neighbour is that node, or the node is behind it.
    pub(in crate::node) fn ends_at(&self, neighbour: RoutingKey, target: RoutingKey) -> bool {
        neighbour == target || neighbour == self.owner(target)
    }

    /// Returns whether a node may say that a multicast comes from a source: from itself, or from a
    /// FISCO node behind it. A node with a record of its own is not a FISCO node, whatever a border
    /// node announces.
    pub(in crate::node) fn vouches(&self, voucher: RoutingKey, source: RoutingKey) -> bool {
        let speaks = || source == self.own() || self.database.get(source).is_some();
        // Mostly the first.
        voucher == source || (self.database.announces(voucher, source) && !speaks())
    }

    /// Returns the number of the statement of this node that covers the current state.
    pub(in crate::node) fn statement(&self) -> u64 {
        self.own.next_number()
    }

    /// Returns how often links of the overlay have changed.
    pub(in crate::node) fn changes(&self) -> u64 {
        self.changes
    }
}
