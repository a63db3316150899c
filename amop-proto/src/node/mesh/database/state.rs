//! What is kept of a node.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;

use crate::{
    node::{
        checker::topic_cost,
        mesh::{bucket::TokenBucket, signed::SignedBytes},
    },
    p2p::{NodeId, mesh::RoutingKey},
};

/// A node's state according to its latest record.
#[derive(Debug, Clone)]
pub(in crate::node::mesh) struct NodeState {
    /// The ID of the node.
    pub(in crate::node::mesh) node: NodeId,
    /// The border node that announces it, if it is a FISCO node.
    pub(in crate::node::mesh) border: Option<RoutingKey>,
    /// The public half of its key pair; none for a FISCO node.
    pub(in crate::node::mesh) agreement: Option<[u8; 32]>,
    /// The certificates of its record.
    pub(in crate::node::mesh) chain: SignedBytes,
    /// A digest that identifies its agency; none for a FISCO node.
    pub(in crate::node::mesh) authority: Option<[u8; 32]>,
    pub(in crate::node::mesh) version: u64,
    /// Sorted, without duplicates.
    pub(in crate::node::mesh) neighbours: Vec<RoutingKey>,
    pub(in crate::node::mesh) topics: BTreeMap<Bytes, u32>,
    /// The bytes that the topics cost together, stored so that a change need not add them up.
    pub(super) topics_cost: usize,
    /// The time since which it cannot be reached, if it cannot.
    pub(super) away_since: Option<Instant>,
    /// When it last stated something, as far as this node knows.
    pub(super) advanced: Instant,
    /// The last whole record and the changes since, as they were signed.
    pub(in crate::node::mesh) records: SignedBytes,
    pub(super) changes_len: usize,
    /// The neighbour that brought the last record.
    pub(super) bringer: RoutingKey,
    /// The bytes charged for it.
    pub(super) cost: usize,
    pub(super) bucket: TokenBucket,
}

impl NodeState {
    /// Returns whether it reports a link to a node.
    pub(in crate::node::mesh) fn reports(&self, node: RoutingKey) -> bool {
        self.neighbours.binary_search(&node).is_ok()
    }

    /// Returns whether there is a path to it.
    pub(in crate::node::mesh) fn is_reachable(&self) -> bool {
        self.away_since.is_none()
    }

    pub(super) fn whole_len(&self) -> usize {
        self.records.first().map_or(0, Bytes::len)
    }

    /// Sets how many subscribers a topic has; 0 removes it.
    pub(super) fn set_topic(&mut self, topic: Bytes, count: u32) {
        let cost = topic_cost(&topic);
        let before = match count {
            0 => self.topics.remove(&topic),
            count => self.topics.insert(topic, count),
        };
        self.topics_cost -= before.map_or(0, |_| cost);
        self.topics_cost += if count > 0 { cost } else { 0 };
    }
}

/// The result of taking a record.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::node::mesh) enum RecordOutcome {
    /// It was new: pass it on. Its topics have yet to be applied; these links changed.
    New {
        linked: Vec<RoutingKey>,
        unlinked: Vec<RoutingKey>,
    },
    /// It was known.
    Old,
    /// It changes a version that is not here, or is of a node behind an unknown border node: ask
    /// for the whole state.
    Gap,
    /// The node has more topics than are accepted; its state stays unchanged.
    TooManyTopics,
    /// There is no room for it.
    NoRoom,
    /// Its name belongs to another node: to one that speaks for itself, or to one whose name reads
    /// the same.
    OthersName,
    /// The node sends more statements than are accepted; ask for its whole state later.
    TooOften,
}

/// The data kept about a forgotten node, so that its old statements do not count again.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForgottenNode {
    pub(super) version: u64,
    /// Whether it could be reached and stated nothing for long: then even its last record does not
    /// count.
    pub(super) stale: bool,
    /// Limits how often it may state something: being forgotten does not give it more.
    pub(super) bucket: TokenBucket,
}
