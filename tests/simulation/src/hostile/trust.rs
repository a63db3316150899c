//! Checks that need to know who is hostile.

use amop_proto::node::{Limits, PeerCloseReason, RecordsFault};
use amop_testkit::topology::{Edge, distances};

use crate::{Sabotage, net::ConnId, violation::Invariant, world::World};

impl World {
    pub(crate) fn has_hostile(&self) -> bool {
        self.hosts.iter().any(|host| host.attacker.is_some()) || !self.rogues.is_empty()
    }

    /// Returns the limits that nodes get.
    pub(crate) fn node_limits(&self) -> Limits {
        let limits = self.config.limits;
        if !self.does(Sabotage::NoLimits) {
            return limits;
        }
        let usual = Limits::default();
        limits.with(|limits| {
            limits.nodes = usual.nodes;
            limits.records_bytes = usual.records_bytes;
            limits.record_bytes = usual.record_bytes;
            limits.stubs = usual.nodes;
        })
    }

    /// Checks that no honest node takes another for a forger, or finds its records malformed.
    pub(crate) fn check_blame(
        &mut self,
        host: usize,
        end: (ConnId, usize),
        reason: &PeerCloseReason,
    ) {
        let PeerCloseReason::BadRecords(fault) = reason else {
            return;
        };
        let other = self.neighbour(end);
        if let Some(other) =
            other.filter(|&other| !self.is_hostile(other) && !self.is_hostile(host))
        {
            let invariant = match fault {
                RecordsFault::Unreadable(_) | RecordsFault::LongChange(_) => Invariant::WellFormed,
                RecordsFault::Forged(_)
                | RecordsFault::OthersChain(_)
                | RecordsFault::Unbelieved(_) => Invariant::NoForgery,
            };
            let text = format!("node {host} blames honest node {other} for {fault}");
            self.violated(invariant, text);
        }
    }

    /// Returns whether messages from one node to another pass only honest nodes, whatever hostile
    /// ones claim: every path over a hostile node is longer than the path over these links.
    pub(crate) fn is_honest_way(&self, honest: &[Edge], from: usize, to: usize) -> bool {
        let nodes = self.hosts.len();
        let hostile: Vec<usize> = (0..nodes).filter(|&host| self.is_hostile(host)).collect();
        if hostile.is_empty() {
            return true;
        }
        let Some(steps) = distances(nodes, honest, from)[to] else {
            return false;
        };
        // Hostile nodes may claim that they are linked to each other.
        let mut all: Vec<Edge> = self
            .edges
            .iter()
            .filter(|edge| !edge.gateway)
            .map(|edge| (edge.ends[0], edge.ends[1]))
            .collect();
        for &a in &hostile {
            all.extend(hostile.iter().filter(|&&b| a < b).map(|&b| (a, b)));
        }
        let (here, there) = (distances(nodes, &all, from), distances(nodes, &all, to));
        hostile.iter().all(|&host| match (here[host], there[host]) {
            (Some(before), Some(behind)) => before + behind > steps,
            _ => true,
        })
    }

    /// Returns those of the links that are between honest nodes.
    pub(crate) fn honest(&self, edges: Vec<Edge>) -> Vec<Edge> {
        let mut edges = edges;
        edges.retain(|&(a, b)| !self.is_hostile(a) && !self.is_hostile(b));
        edges
    }
}
