//! One of the three nodes: the real machine.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::scenario::{Sabotage, Scenario};
use amop_proto::{
    channel::rpc::NodeFacts,
    node::{Checker, Limits, Node, NodeConfig, Timeouts},
    p2p::{NodeId, mesh::SharedSecret},
};

/// Where the versions of records start, in microseconds.
const EPOCH: u64 = 1_700_000_000_000_000;

/// A node and the fingerprint of its state.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) node: Node,
    pub(crate) digest: u64,
}

/// The ID of a node.
pub(crate) fn id_of(host: usize) -> NodeId {
    NodeId([host as u8 + 1; 64])
}

impl Host {
    pub(crate) fn new(host: usize, scenario: &Scenario) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&scenario.seed.to_le_bytes());
        bytes[8] = host as u8;
        let (limits, mut timeouts) = (Limits::default(), Timeouts::default());
        if scenario.does(Sabotage::NoSignsOfLife) {
            timeouts.link_idle = Duration::from_secs(3600);
        }
        let node = id_of(host);
        let config = NodeConfig {
            node,
            signer: Arc::new(SharedSecret::new(node)),
            facts: NodeFacts {
                fisco_version: "2.11.1".into(),
                chain_id: "1".into(),
                node_id: node.to_string(),
                name: format!("node{host}"),
                agency: "agency".into(),
                address: format!("node{host}"),
            },
            limits,
            timeouts,
            transit: BTreeSet::new(),
            epoch: EPOCH,
            seed: bytes,
        };
        Self {
            node: Node::new(config),
            digest: 0,
        }
    }

    /// What comes from other nodes passes it first; it keeps nothing that decides anything.
    pub(crate) fn checker() -> Checker {
        let verifier = SharedSecret::new(id_of(0));
        Checker::new(Arc::new(verifier), Limits::default().peer_topics)
    }

    /// Whether the node knows of a subscriber of the topic at another node, or of its own.
    pub(crate) fn knows(&self, own: bool, other: usize, topic: &[u8]) -> bool {
        let router = self.node.router();
        if own {
            return router.local_topics().any(|(held, _)| held == topic);
        }
        let id = id_of(other);
        let topics: BTreeSet<_> = router.node_topics(&id).map(|(held, _)| held).collect();
        topics.iter().any(|held| held == &topic)
    }
}
