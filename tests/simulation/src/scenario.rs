//! A run as its seed decides: a network, SDKs, faults, and the checks at the end.

use std::{collections::BTreeMap, time::Duration};

use amop_testkit::topology::Topology;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    config::{Config, Profile, Sabotage},
    net::At,
    summary::Summary,
    world::{Behaviour, Event, PATIENCE, Step, World},
};

/// The longest time from the last fault until all nodes know the truth. In the simulation half-open
/// sessions are found after 10 s by a check every second, half-open links after 3 s, and a node
/// that lost a connection dials again within 2 s.
pub const BOUND: Duration = Duration::from_secs(15);

/// How long faults last, in microseconds.
const SPAN: u64 = 15_000_000;

/// How long messages are published around the faults, in microseconds.
const BUSY: u64 = 20_000_000;

/// The plan of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Decides everything that is not given.
    pub seed: u64,
    /// The number of nodes.
    pub nodes: Option<usize>,
    /// Their links.
    pub topology: Option<Topology>,
    /// The faults.
    pub profile: Option<Profile>,
    /// The share of the SDKs' connections that speak 3.x, 0 to 1.
    pub share_of_v3: Option<f64>,
    /// The share of the network's links that are connections between gateways of 3.x, 0 to 1; none if
    /// it is not given.
    pub share_of_gateways: Option<f64>,
    /// Whether to print every step.
    pub trace: bool,
    /// The fault that the harness causes on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Plan {
    /// Returns a plan in which the seed decides everything.
    pub fn of(seed: u64) -> Self {
        Self {
            seed,
            nodes: None,
            topology: None,
            profile: None,
            share_of_v3: None,
            share_of_gateways: None,
            trace: false,
            sabotage: None,
        }
    }

    fn config(&self) -> Config {
        let mut rng = StdRng::seed_from_u64(self.seed ^ 0x616d_6f70);
        let shapes = [
            Topology::Line,
            Topology::Ring,
            Topology::Star,
            Topology::Grid,
            Topology::Random,
            Topology::Random,
            Topology::Full,
        ];
        let profiles = [
            Profile::Calm,
            Profile::Faults,
            Profile::Faults,
            Profile::Partitions,
            Profile::Crashes,
            Profile::Crashes,
            Profile::Slow,
            Profile::Storm,
            Profile::Storm,
        ];
        let nodes = rng.random_range(2..=9);
        let topology = shapes[rng.random_range(0..shapes.len())];
        let profile = profiles[rng.random_range(0..profiles.len())];
        let nodes = self.nodes.unwrap_or(nodes).max(1);
        let mut config = Config::new(self.seed, nodes, self.topology.unwrap_or(topology));
        config.profile = self.profile.unwrap_or(profile);
        let share = [0.0, 0.3, 0.3, 0.6, 1.0][rng.random_range(0..5)];
        config.share_of_v3 = self.share_of_v3.unwrap_or(share).clamp(0.0, 1.0);
        config.share_of_gateways = self.share_of_gateways.unwrap_or(0.0).clamp(0.0, 1.0);
        config.trace = self.trace;
        config.sabotage = self.sabotage;
        if config.profile.slows() {
            config.limits.session_queue = 4 << 10;
            config.limits.peer_queue = 8 << 10;
            config.limits.in_flight = 200;
        }
        config
    }
}

/// Makes one run from beginning to end.
pub fn run(plan: &Plan) -> Summary {
    let mut scenario = Scenario::new(World::new(plan.config()));
    scenario.world.traffic.records = Some(BTreeMap::new());
    scenario.people();
    let world = &mut scenario.world;
    let joined = world.converge(BOUND);
    // Messages rely on connections that have existed for a while.
    scenario.world.run_for(Duration::from_secs(6));
    let last_fault = scenario.faults();
    let busy = scenario.world.rng.random_range(20..100);
    scenario.publish(busy, BUSY);
    let outcomes_known = scenario.world.now() + Duration::from_micros(BUSY) + PATIENCE;
    scenario.world.run_until(last_fault);
    let bound = scenario.world.bound();
    let converged = scenario.world.converge(bound);
    scenario.world.run_for(Duration::from_secs(6));
    scenario.publish(20, 2_000_000);
    let last = scenario.world.now() + Duration::from_secs(2) + PATIENCE;
    let known = outcomes_known.max(last) + Duration::from_secs(1);
    scenario.world.run_until(known);
    scenario.world.check_messages();
    scenario.world.leave_all();
    Summary::of(&scenario.world, joined, converged)
}

pub(crate) struct Scenario {
    pub(crate) world: World,
    subscribers: Vec<usize>,
    publishers: Vec<usize>,
    topics: usize,
}

impl Scenario {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world,
            subscribers: Vec::new(),
            publishers: Vec::new(),
            topics: 0,
        }
    }

    fn endpoints(&mut self) -> Vec<usize> {
        // Only hostile hosts themselves connect to hostile nodes.
        let honest: Vec<usize> = (0..self.world.config.nodes)
            .filter(|&host| !self.world.is_hostile(host))
            .collect();
        let nodes = honest.len();
        let rng = &mut self.world.rng;
        let first = rng.random_range(0..nodes);
        if nodes > 1 && rng.random_bool(0.3) {
            let second = (first + rng.random_range(1..nodes)) % nodes;
            return vec![honest[first], honest[second]];
        }
        vec![honest[first]]
    }

    /// Adds subscribers and publishers.
    pub(crate) fn people(&mut self) {
        let nodes = self.world.config.nodes;
        self.topics = self.world.rng.random_range(1..=5);
        for topic in 0..self.topics {
            self.world.topic(&format!("topic{topic}"));
        }
        // One subscriber that never answers delays a message by 5 s; more than one for a topic
        // could use up a publisher's timeout.
        let mut silent = vec![false; self.topics];
        for _ in 0..self.world.rng.random_range(nodes..=2 * nodes) {
            let endpoints = self.endpoints();
            let rng = &mut self.world.rng;
            let mut topics: Vec<usize> = (0..rng.random_range(1..=3))
                .map(|_| rng.random_range(0..self.topics))
                .collect();
            topics.sort_unstable();
            topics.dedup();
            let behaviour = match rng.random_range(0..20) {
                0..12 => Behaviour::Prompt,
                12..16 => Behaviour::Late(Duration::from_millis(rng.random_range(1..800))),
                16..18 => Behaviour::Refuses,
                _ if topics.iter().any(|&topic| silent[topic]) => Behaviour::Prompt,
                _ => {
                    topics.iter().for_each(|&topic| silent[topic] = true);
                    Behaviour::Never
                }
            };
            let client = self.world.add_client(&endpoints, &topics, behaviour);
            self.subscribers.push(client);
            if self.world.rng.random_bool(0.2) {
                self.publishers.push(client);
            }
        }
        for _ in 0..self.world.rng.random_range(1..=nodes) {
            let endpoints = self.endpoints();
            let client = self.world.add_client(&endpoints, &[], Behaviour::Prompt);
            self.publishers.push(client);
        }
    }

    /// Plans messages at random times from now on.
    pub(crate) fn publish(&mut self, count: usize, within: u64) {
        for _ in 0..count {
            let at = self.world.random_time(0, within);
            let rng = &mut self.world.rng;
            let step = Step::Publish {
                client: self.publishers[rng.random_range(0..self.publishers.len())],
                unicast: rng.random_bool(0.75),
                topic: rng.random_range(0..self.topics),
            };
            self.world.plan_in(at, Event::Step(step));
        }
    }

    /// Plans the faults, and returns when the last one ends.
    pub(crate) fn faults(&mut self) -> At {
        let profile = self.world.config.profile;
        let mut plan = Faults {
            start: self.world.now(),
            last: self.world.now(),
            world: &mut self.world,
        };
        if profile.cuts() {
            plan.cuts();
        }
        if profile.parts() {
            plan.parts();
        }
        if profile.crashes() {
            plan.crashes();
        }
        if profile.slows() {
            plan.stalls();
        }
        let last = plan.last;
        last.max(self.world.now() + Duration::from_secs(5))
    }
}

struct Faults<'a> {
    world: &'a mut World,
    start: At,
    last: At,
}

impl Faults<'_> {
    fn at(&mut self, at: At, step: Step) {
        self.last = self.last.max(at);
        self.world.plan(at, Event::Step(step));
    }

    fn moment(&mut self) -> At {
        self.start + self.world.random_time(0, SPAN)
    }

    fn later(&mut self, least: u64, most: u64) -> Duration {
        self.world.random_time(least, most)
    }

    fn chance(&mut self, of: f64) -> bool {
        self.world.rng.random_bool(of)
    }

    fn cut_for_a_while(&mut self, edge: usize, at: At, silent: bool, until: Option<At>) {
        self.at(at, Step::Cut { edge, silent });
        if let Some(until) = until {
            self.at(until, Step::Heal { edge });
        }
    }

    fn cuts(&mut self) {
        let edges = self.world.edges.len();
        if edges == 0 {
            return;
        }
        for _ in 0..self.world.rng.random_range(1..=edges + 2) {
            let edge = self.world.rng.random_range(0..edges);
            let (at, silent) = (self.moment(), self.chance(0.4));
            let back = self.later(50_000, 8_000_000);
            let until = self.chance(0.85).then_some(at + back);
            self.cut_for_a_while(edge, at, silent, until);
        }
    }

    fn parts(&mut self) {
        for _ in 0..self.world.rng.random_range(1..=2) {
            let nodes = self.world.config.nodes;
            let group: Vec<bool> = (0..nodes).map(|_| self.chance(0.5)).collect();
            let (at, silent) = (self.moment(), self.chance(0.4));
            let back = self.later(500_000, 8_000_000);
            let until = self.chance(0.85).then_some(at + back);
            for edge in 0..self.world.edges.len() {
                let [a, b] = self.world.edges[edge].ends;
                if group[a] != group[b] {
                    self.cut_for_a_while(edge, at, silent, until);
                }
            }
        }
    }

    fn crashes(&mut self) {
        let nodes = self.world.config.nodes;
        for _ in 0..self.world.rng.random_range(1..=nodes / 2 + 1) {
            let host = self.world.rng.random_range(0..nodes);
            let (at, silent) = (self.moment(), self.chance(0.3));
            self.at(at, Step::Crash { host, silent });
            if self.chance(0.85) {
                let back = self.later(1_000, 8_000_000);
                self.at(at + back, Step::Restart { host });
            }
        }
    }

    fn stalls(&mut self) {
        for _ in 0..self.world.rng.random_range(1..=6) {
            let at = self.moment();
            let time = self.later(50_000, 6_000_000);
            let (edges, clients) = (self.world.edges.len(), self.world.clients.len());
            let step = if edges > 0 && self.chance(0.5) {
                let edge = self.world.rng.random_range(0..edges);
                Step::StallEdge { edge, time }
            } else {
                let client = self.world.rng.random_range(0..clients);
                Step::StallClient { client, time }
            };
            self.at(at, step);
            self.last = self.last.max(at + time);
        }
    }
}
