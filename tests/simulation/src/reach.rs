//! Which SDKs reach each other: one SDK at every node, each with its own topic and with one that
//! all share.

use std::time::Duration;

use amop_testkit::topology::{Topology, distances};
use rand::RngExt;

use crate::{
    config::Config,
    ledger::{MessageId, Verdict},
    scenario::BOUND,
    violation::{Invariant, Violation},
    world::{Behaviour, World},
};

/// A network whose links can be cut and joined one at a time.
#[derive(Debug)]
pub struct Reach {
    world: World,
    nodes: usize,
    /// The topic that all SDKs have.
    all: usize,
}

impl Reach {
    /// Creates a network without faults, with all nodes connected.
    pub fn new(seed: u64, nodes: usize, topology: Topology) -> Self {
        let mut world = World::new(Config::new(seed, nodes, topology));
        let topics: Vec<usize> = (0..nodes)
            .map(|node| world.topic(&format!("node{node}")))
            .collect();
        let all = world.topic("all");
        for (node, topic) in topics.into_iter().enumerate() {
            world.add_client(&[node], &[topic, all], Behaviour::Prompt);
        }
        let mut reach = Self { world, nodes, all };
        reach.settle();
        reach
    }

    fn settle(&mut self) {
        self.world.converge(BOUND);
    }

    /// Returns how many links are up.
    pub fn links(&self) -> usize {
        self.world.edges.iter().filter(|edge| edge.up).count()
    }

    /// Cuts a random link that is up (`up` is false) or restores one that is down, and lets all
    /// nodes learn of it.
    pub fn turn_one(&mut self, up: bool) {
        let edges = self.world.edges.iter().enumerate();
        let edges: Vec<usize> = edges
            .filter(|(_, edge)| edge.up != up)
            .map(|(index, _)| index)
            .collect();
        let edge = edges[self.world.rng.random_range(0..edges.len())];
        if up {
            self.world.heal(edge);
        } else {
            let silent = self.world.rng.random_bool(0.5);
            self.world.cut(edge, silent);
        }
        self.settle();
    }

    /// Publishes from these nodes to every node and to all, and checks that exactly the connected
    /// SDKs get and answer the messages. Returns how many pairs were connected.
    pub fn check(&mut self, from: impl IntoIterator<Item = usize>) -> usize {
        let up = self.world.edges.iter().filter(|edge| edge.up);
        let up: Vec<_> = up.map(|edge| (edge.ends[0], edge.ends[1])).collect();
        let mut unicasts: Vec<(usize, usize, bool, MessageId)> = Vec::new();
        let mut multicasts = Vec::new();
        for publisher in from {
            let distances = distances(self.nodes, &up, publisher);
            for (target, distance) in distances.iter().enumerate() {
                let id = self.world.publish(publisher, true, target);
                unicasts.push((publisher, target, distance.is_some(), id));
            }
            let id = self.world.publish(publisher, false, self.all);
            multicasts.push((publisher, distances, id));
        }
        self.world.run_for(Duration::from_secs(2));
        let mut wrong = Vec::new();
        for &(publisher, target, connected, id) in &unicasts {
            let answered = matches!(self.world.verdict(id), Some(Verdict::Answered(_)));
            if answered != connected {
                wrong.push(format!(
                    "unicast from {publisher} to {target}: {:?}, connected: {connected}",
                    self.world.verdict(id)
                ));
            }
        }
        for (publisher, distances, id) in multicasts {
            let message = self.world.ledger.get(id);
            for (node, distance) in distances.iter().enumerate() {
                let got = message.map_or(0, |message| {
                    message.got.iter().filter(|(to, _)| *to == node).count()
                });
                if got != usize::from(distance.is_some()) {
                    wrong.push(format!(
                        "multicast from {publisher} reached {node} {got} times, connected: {}",
                        distance.is_some()
                    ));
                }
            }
        }
        for text in wrong {
            self.world.violated(Invariant::UnicastsArrive, text);
        }
        unicasts
            .iter()
            .filter(|(.., connected, _)| *connected)
            .count()
    }

    /// Checks every message, too, and returns the violations.
    pub fn finish(mut self) -> Vec<Violation> {
        self.world.check_messages();
        self.world.leave_all();
        self.world.violations().to_vec()
    }
}
