//! Nodes that are forgotten, and links that end with time.

use std::time::Instant;

use super::{Mesh, database::NodeState};
use crate::{
    node::PeerId,
    p2p::mesh::{RoutingKey, Subject},
};

impl Mesh {
    /// Forgets the records of a node.
    pub(super) fn forget(&mut self, now: Instant, key: RoutingKey) {
        let forgotten = self.database.forget(key, false);
        self.forgotten(now, forgotten);
    }

    /// Forgets nodes that are no longer believed.
    pub(in crate::node) fn disbelieve(&mut self, now: Instant, nodes: &[Subject]) {
        self.touched.0 = true;
        for node in nodes {
            self.forget(now, node.key());
        }
    }

    /// Handles the results of forgetting nodes, reachable or not.
    pub(super) fn forgotten(&mut self, now: Instant, nodes: Vec<(RoutingKey, NodeState)>) {
        if nodes.is_empty() {
            return;
        }
        let mut links = Vec::new();
        for (key, state) in nodes {
            if state.is_reachable() {
                let topics = state.topics.keys().map(|topic| (topic.clone(), 0));
                self.show_all((key, state.border), topics.collect());
            }
            self.turns.remove(&key);
            self.pairs.forget(key);
            // A record that comes when the node is back does not mention links that it lost
            // meanwhile.
            links.extend(state.neighbours.iter().map(|&other| (key, other)));
        }
        if links.is_empty() {
            self.look_for_distant();
        } else {
            self.relink(now, &[], &links);
        }
    }

    /// Forgets nodes that have been out of reach for long, and suspended links that were not
    /// replaced in time.
    pub(in crate::node) fn age(&mut self, now: Instant) {
        self.touched.0 = true;
        let over: Vec<PeerId> = self
            .links
            .iter()
            .filter(|(_, link)| link.suspended.is_some_and(|until| until <= now))
            .map(|(&peer, _)| peer)
            .collect();
        for peer in over {
            self.link_down(now, peer);
        }
        self.suspensions_end = self.links.values().filter_map(|link| link.suspended).min();
        self.end_holds(now);
        let forgotten = self.database.age(now);
        self.forgotten(now, forgotten);
        self.work_due(now);
    }
}
