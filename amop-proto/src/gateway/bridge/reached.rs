//! The 3.x nodes that can be reached, over which connections, and their topics.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use super::{event::GatewayConnectionId, translate::crosses};
use crate::gateway::{id::GatewayId, router_table::UNREACHABLE};

/// The number of hops to a neighbour.
const NEIGHBOUR: u32 = 1;

#[derive(Debug, Default)]
struct ReachedNode {
    /// The number of hops over each connection.
    ways: BTreeMap<GatewayConnectionId, u32>,
    /// The connections, the shortest way first.
    sorted: Arc<[GatewayConnectionId]>,
    /// The topics that cross the bridge.
    topics: Arc<[Bytes]>,
}

impl ReachedNode {
    fn sort_ways(&mut self) {
        let ways = self.ways.iter();
        let mut sorted: Vec<_> = ways.map(|(&way, &distance)| (distance, way)).collect();
        sorted.sort_unstable();
        self.sorted = sorted.into_iter().map(|(_, way)| way).collect();
    }
}

/// What became of a topic list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ListOutcome {
    /// Topics that are left out.
    pub(super) left_out: u64,
    /// Whether the set of all topics changed.
    pub(super) changed: bool,
}

/// All 3.x nodes, whichever connection they are reached over.
#[derive(Debug, Default)]
pub(super) struct ReachedNodes {
    by_id: BTreeMap<GatewayId, ReachedNode>,
    by_topic: BTreeMap<Bytes, BTreeSet<GatewayId>>,
}

impl ReachedNodes {
    /// Returns whether there is a record of a node.
    pub(super) fn has(&self, id: GatewayId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Records that a node can be reached over a connection. Nodes that no router table has are the
    /// farthest.
    pub(super) fn seen(&mut self, over: GatewayConnectionId, id: GatewayId, distance: Option<u32>) {
        let node = self.by_id.entry(id).or_default();
        node.ways.insert(over, distance.unwrap_or(UNREACHABLE));
        node.sort_ways();
    }

    /// Records that a node cannot be reached over a connection any more. Returns whether the set of
    /// all topics changed.
    pub(super) fn gone(&mut self, over: GatewayConnectionId, id: GatewayId) -> bool {
        let Some(node) = self.by_id.get_mut(&id) else {
            return false;
        };
        node.ways.remove(&over);
        node.sort_ways();
        if !node.ways.is_empty() {
            return false;
        }
        let topics = std::mem::take(&mut node.topics);
        self.by_id.remove(&id);
        self.remove_topics(id, &topics)
    }

    /// Returns the nodes that are reached over a connection.
    pub(super) fn over(&self, connection: GatewayConnectionId) -> Vec<GatewayId> {
        let nodes = self.by_id.iter();
        let nodes = nodes.filter(|(_, node)| node.ways.contains_key(&connection));
        nodes.map(|(&id, _)| id).collect()
    }

    /// Returns whether a node is at the other end of another connection than this one.
    pub(super) fn is_neighbour_elsewhere(&self, over: GatewayConnectionId, id: GatewayId) -> bool {
        let ways = self.by_id.get(&id).map(|node| &node.ways);
        ways.is_some_and(|ways| {
            let mut ways = ways.iter();
            ways.any(|(&way, &distance)| way != over && distance == NEIGHBOUR)
        })
    }

    /// Returns the connections over which a node is reached, the shortest way first.
    pub(super) fn ways(&self, id: GatewayId) -> Arc<[GatewayConnectionId]> {
        let node = self.by_id.get(&id);
        node.map_or_else(|| [].into(), |node| node.sorted.clone())
    }

    /// Replaces the topics of a node. There may be `max` different topics of all nodes.
    pub(super) fn set_topics(
        &mut self,
        id: GatewayId,
        topics: &[Bytes],
        max: usize,
    ) -> ListOutcome {
        let Some(node) = self.by_id.get_mut(&id) else {
            return ListOutcome::default();
        };
        let before = std::mem::take(&mut node.topics);
        let mut outcome = ListOutcome::default();
        let kept: BTreeSet<&Bytes> = topics.iter().collect();
        let (gone, stay): (Vec<_>, Vec<_>) = before
            .iter()
            .cloned()
            .partition(|topic| !kept.contains(topic));
        outcome.changed = self.remove_topics(id, &gone);
        let mut held: Vec<Bytes> = Vec::with_capacity(topics.len());
        let stay: BTreeSet<Bytes> = stay.into_iter().collect();
        for topic in topics {
            if stay.contains(topic) {
                held.push(topic.clone());
                continue;
            }
            let is_new = !self.by_topic.contains_key(topic);
            if !crosses(topic) || (is_new && self.by_topic.len() >= max) {
                outcome.left_out += 1;
                continue;
            }
            outcome.changed |= is_new;
            self.by_topic.entry(topic.clone()).or_default().insert(id);
            held.push(topic.clone());
        }
        if let Some(node) = self.by_id.get_mut(&id) {
            node.topics = held.into();
        }
        outcome
    }

    /// Returns the nodes with a topic.
    pub(super) fn with_topic(&self, topic: &[u8]) -> impl Iterator<Item = GatewayId> {
        self.by_topic.get(topic).into_iter().flatten().copied()
    }

    /// Returns all topics, in order.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Bytes> {
        self.by_topic.keys()
    }

    /// Removes a node from these topics. Returns whether one of them has no node any more.
    fn remove_topics(&mut self, id: GatewayId, topics: &[Bytes]) -> bool {
        let mut changed = false;
        for topic in topics {
            let Some(nodes) = self.by_topic.get_mut(topic) else {
                continue;
            };
            nodes.remove(&id);
            if nodes.is_empty() {
                self.by_topic.remove(topic);
                changed = true;
            }
        }
        changed
    }
}
