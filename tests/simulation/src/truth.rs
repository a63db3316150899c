//! Checks whether every node knows the true network.

use std::{collections::BTreeMap, time::Duration};

use amop_proto::gateway::IDLE;
use amop_testkit::topology::distances;
use bytes::Bytes;

use crate::{
    config::Sabotage,
    net::{At, Owner},
    violation::Invariant,
    world::World,
};

/// How often to check whether all agree.
const TICK: Duration = Duration::from_millis(100);

impl World {
    /// Lets time pass until every node's view is the truth, and returns how long this took. If it
    /// takes longer than `bound`, it is a violation.
    pub fn converge(&mut self, bound: Duration) -> Option<Duration> {
        let start: At = self.now;
        loop {
            let wrong = self.untrue();
            let Some(wrong) = wrong else {
                return Some(self.now - start);
            };
            if self.now >= start + bound {
                self.violated(Invariant::Convergence, format!("after {bound:?}: {wrong}"));
                return None;
            }
            self.run_for(TICK);
        }
    }

    /// Returns the first thing that a node knows wrongly.
    fn untrue(&self) -> Option<String> {
        if let Some(wrong) = self.unconnected() {
            return Some(wrong);
        }
        let edges = self.live_edges();
        let topics = self.true_topics();
        if let Some(wrong) = self.chain_untrue(&edges, &topics) {
            return Some(wrong);
        }
        for (at, host) in self.hosts.iter().enumerate() {
            let Some(node) = &host.node else {
                continue;
            };
            let router = node.router();
            let local: BTreeMap<Bytes, u32> = router
                .local_topics()
                .map(|(topic, count)| (topic.clone(), count))
                .collect();
            if local != topics[at] {
                return Some(format!(
                    "node {at} has {local:?} of its own, true: {:?}",
                    topics[at]
                ));
            }
            let distances = distances(self.hosts.len(), &edges, at);
            let reached = distances.iter().flatten().count() - 1;
            if router.reachable() != reached {
                let seen = router.reachable();
                return Some(format!("node {at} reaches {seen} nodes, true: {reached}"));
            }
            for (other, &distance) in distances.iter().enumerate().filter(|&(n, _)| n != at) {
                let id = &self.hosts[other].id;
                let seen = router.distance(id);
                if seen != distance {
                    return Some(format!(
                        "node {at} is {seen:?} links from node {other}, true: {distance:?}"
                    ));
                }
                let counts: BTreeMap<Bytes, u32> = router
                    .node_topics(id)
                    .map(|(topic, count)| (topic.clone(), count))
                    .collect();
                let none = BTreeMap::new();
                let truth = if distance.is_some() {
                    &topics[other]
                } else {
                    &none
                };
                if counts != *truth {
                    return Some(format!(
                        "node {at} has {counts:?} of node {other}, true: {truth:?}"
                    ));
                }
            }
        }
        None
    }

    /// Returns a link between two running nodes, or an SDK of a running node, that is not
    /// connected, or a node that still holds a connection that ended.
    fn unconnected(&self) -> Option<String> {
        for edge in &self.edges {
            let alive = edge.ends.iter().all(|&end| self.hosts[end].node.is_some());
            let wanted = edge.up && alive && !self.hung_up;
            let live = edge.conns.iter().filter(|id| self.conns[id.0].is_live());
            if live.count() != usize::from(wanted) {
                return Some(format!("link {:?} is not as it should be", edge.ends));
            }
        }
        for (at, host) in self.hosts.iter().enumerate() {
            let ends = host.peers.values().chain(host.sessions.values());
            let gateway = host
                .gateway
                .iter()
                .flat_map(|gateway| gateway.ends.values());
            let ends = ends.chain(gateway);
            for (id, _) in ends {
                if !self.conns[id.0].is_live() {
                    return Some(format!("node {at} holds a connection that has ended"));
                }
            }
        }
        for index in 0..self.clients.len() {
            let endpoints = self.clients[index].endpoints.iter();
            let wanted = endpoints
                .filter(|&&host| self.hosts[host].node.is_some())
                .count();
            if !self.has_left(index) && self.links_up(index) != wanted {
                return Some(format!("client {index} is not connected"));
            }
        }
        None
    }

    /// Returns the topics that the SDKs of each node have subscribed to.
    fn true_topics(&self) -> Vec<BTreeMap<Bytes, u32>> {
        let mut topics = vec![BTreeMap::new(); self.hosts.len()];
        for conn in self.conns.iter().filter(|conn| conn.is_live()) {
            let [Owner::Client { client, .. }, Owner::Session { host, .. }] = conn.owners else {
                continue;
            };
            for &topic in &self.clients[client].topics {
                let name = Bytes::copy_from_slice(self.topics[topic].as_bytes());
                *topics[host].entry(name).or_default() += 1;
            }
        }
        topics
    }

    /// Lets all SDKs leave, and then ends all links. Nothing may be left.
    pub(crate) fn leave_all(&mut self) {
        let stays = usize::from(self.does(Sabotage::Stays));
        for client in stays..self.clients.len() {
            self.leave(client);
        }
        // Half-open sessions are found by then.
        self.run_for(self.config.timeouts.session_idle + Duration::from_secs(3));
        self.hung_up = true;
        for edge in 0..self.edges.len() {
            self.cut(edge, false);
        }
        // Records of unreachable nodes are kept for a minute.
        self.run_for(Duration::from_secs(65));
        if self.has_gateways() {
            // A connection that was cut silently is found after 60 s, and its node is forgotten then.
            self.run_for(IDLE + Duration::from_secs(5));
        }
        let mut found = Vec::new();
        for (at, host) in self.hosts.iter().enumerate() {
            let Some(node) = &host.node else {
                continue;
            };
            let router = node.router();
            let (sessions, peers) = (node.session_count(), node.peers().count());
            let known = router.known_nodes();
            if sessions + peers + known > 0 || !router.is_empty() {
                found.push(format!(
                    "node {at} still holds {sessions} sessions, {peers} peers, {known} nodes; its \
                     router is empty: {}",
                    router.is_empty()
                ));
            }
        }
        found.extend(self.left_in_gateways());
        for text in found {
            self.violated(Invariant::NothingLeft, text);
        }
    }
}
