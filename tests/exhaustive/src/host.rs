//! One of the three nodes, with the machine of `amop-proto`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use amop_proto::{
    node::{Checker, Limits, NodeMachine},
    p2p::{
        NodeId,
        mesh::{RoutingKey, SharedSecret, StatementVerifier},
    },
};
use amop_testkit::machines::{Gullible, config};

use crate::scenario::{Sabotage, Scenario};

/// The time at which the versions of records start, in microseconds.
pub(crate) const EPOCH: u64 = 1_700_000_000_000_000;

/// A node and the fingerprint of its state.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) node: NodeMachine,
    pub(crate) digest: u64,
}

/// Returns the ID of a node.
pub(crate) fn id_of(host: usize) -> NodeId {
    NodeId([host as u8 + 1; 64])
}

/// Returns the name of a node in routing.
pub(crate) fn key_of(host: usize) -> RoutingKey {
    RoutingKey::from(&id_of(host))
}

impl Host {
    /// Creates a node that starts at time `now` after the first one.
    pub(crate) fn new(host: usize, scenario: &Scenario, now: Duration) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&scenario.seed.to_le_bytes());
        bytes[8] = host as u8;
        let mut config = config(id_of(host), host);
        if scenario.does(Sabotage::NoSignsOfLife) {
            config.timeouts.link_idle = Duration::from_secs(3600);
        }
        config.epoch = EPOCH + now.as_micros() as u64;
        config.seed = bytes;
        Self {
            node: NodeMachine::new(config),
            digest: 0,
        }
    }

    /// Returns the checker that data from other nodes passes first. It keeps nothing that affects
    /// decisions.
    pub(crate) fn checker(gullible: bool) -> Checker {
        let honest = SharedSecret::new(id_of(0));
        let verifier: Arc<dyn StatementVerifier> = if gullible {
            Arc::new(Gullible(honest))
        } else {
            Arc::new(honest)
        };
        Checker::new(verifier, Limits::default().peer_topics)
    }

    /// Returns whether the node knows of a subscriber of the topic at another node, or of its own.
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
