//! The world: time, planned events, and everything that exists.

mod bridges;
mod clients;
mod gateways;
mod hosts;
mod links;
mod pipes;

use std::{
    collections::{BTreeMap, BinaryHeap},
    fmt,
    time::{Duration, Instant},
};

use amop_testkit::topology::Edge;
use rand::{RngExt, SeedableRng, rngs::StdRng};

pub(crate) use self::{
    bridges::{Bridges, Handing},
    clients::{Behaviour, Client, PATIENCE},
    gateways::{Gateways, chain_id},
    hosts::Host,
    links::EdgeState,
};
use crate::{
    config::{Config, Sabotage},
    hostile::{Missing, Rogue},
    ledger::{Ledger, MessageId},
    log::Log,
    net::{At, Conn, ConnId},
    traffic::Traffic,
    violation::{Invariant, Violation},
};

/// The maximum number of violations that are kept.
const MAX_VIOLATIONS: usize = 50;

/// Something that happens now or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// TLS is complete at one end.
    Opened(ConnId, usize),
    /// A part of what one end wrote has left.
    Left(ConnId, usize),
    /// The first packet in transit from one end arrives at the other.
    Arrived(ConnId, usize),
    /// One end learns that the connection ended.
    Broken(ConnId, usize),
    /// One end dials.
    Dial { edge: usize, side: usize },
    /// A timer that the node's machine asked for.
    NodeTimer(usize),
    /// A timer that the client's machines asked for.
    ClientTimer(usize),
    /// A translator at one end may have something to do.
    Bridge(ConnId, usize),
    /// A timer that a node's gateway asked for.
    Gateway(usize),
    /// A node's gateway takes what the machine wrote, or looks around.
    Carry(usize),
    /// A program answers.
    Answer { client: usize, message: MessageId },
    /// A step of the scenario.
    Step(Step),
    /// A hostile node does something.
    Attack(usize),
    /// A rogue SDK does something.
    Rogue(usize),
}

/// An action of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A client publishes to a topic.
    Publish {
        client: usize,
        unicast: bool,
        topic: usize,
    },
    /// A link fails.
    Cut { edge: usize, silent: bool },
    /// A link comes back.
    Heal { edge: usize },
    /// A node crashes.
    Crash { host: usize, silent: bool },
    /// A node starts again.
    Restart { host: usize },
    /// A link carries nothing for a while.
    StallEdge { edge: usize, time: Duration },
    /// The connections of a client carry nothing for a while.
    StallClient { client: usize, time: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    at: At,
    /// The order in which events were planned, for events at the same time.
    order: u64,
    event: Event,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // The heap returns its greatest element first.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A network, its SDKs and the programs behind them.
pub struct World {
    pub(crate) config: Config,
    base: Instant,
    pub(crate) now: At,
    due: BinaryHeap<Due>,
    order: u64,
    pub(crate) rng: StdRng,
    pub(crate) log: Log,
    pub(crate) hosts: Vec<Host>,
    pub(crate) edges: Vec<EdgeState>,
    pub(crate) clients: Vec<Client>,
    pub(crate) rogues: Vec<Rogue>,
    /// The number of frames that honest nodes wrote to other nodes, honest or hostile.
    pub(crate) honest_frames: u64,
    /// The times at which nodes crashed.
    pub(crate) crashes: Vec<At>,
    pub(crate) conns: Vec<Conn>,
    pub(crate) topics: Vec<amop_proto::TopicName>,
    next_id: u64,
    pub(crate) ledger: Ledger,
    pub(crate) traffic: Traffic,
    /// The times at which some queue was over its limit.
    pub(crate) overloads: Vec<At>,
    /// Whether nodes do not dial any more.
    pub(crate) hung_up: bool,
    violations: Vec<Violation>,
    /// Whether a sabotage that happens only once has happened.
    sabotaged: bool,
    events: u64,
    /// The number of copies of each multicast put into each session.
    pub(crate) copies: BTreeMap<(ConnId, u64), u32>,
    /// What nodes without a defence have seen.
    pub(crate) missing: Missing,
    pub(crate) bridges: Bridges,
    pub(crate) gateways: Gateways,
    /// Decides which connections speak 3.x. It is apart, so that runs without them stay the same.
    generations: StdRng,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("config", &self.config)
            .field("now", &self.now)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Creates the nodes of a configuration, running and dialling, without SDKs.
    pub fn new(config: Config) -> Self {
        let mut rng = StdRng::seed_from_u64(config.seed);
        let shape: Vec<Edge> = config.topology.edges(config.nodes, &mut rng);
        let mut world = Self {
            base: Instant::now(),
            now: At::ZERO,
            due: BinaryHeap::new(),
            order: 0,
            log: Log::new(config.trace),
            hosts: Vec::new(),
            edges: Vec::new(),
            clients: Vec::new(),
            rogues: Vec::new(),
            honest_frames: 0,
            crashes: Vec::new(),
            conns: Vec::new(),
            topics: Vec::new(),
            next_id: 1,
            ledger: Ledger::default(),
            traffic: Traffic::new(config.nodes),
            overloads: Vec::new(),
            hung_up: false,
            violations: Vec::new(),
            sabotaged: false,
            events: 0,
            copies: BTreeMap::new(),
            missing: Missing::default(),
            bridges: Bridges::default(),
            gateways: Gateways::default(),
            generations: StdRng::seed_from_u64(config.seed ^ 0x3),
            rng,
            config,
        };
        let (links, gateways) = world.choose_gateways(shape);
        for host in 0..world.config.nodes {
            let topics = world.config.limits.peer_topics;
            let gullible = world.does(Sabotage::BelieveSignatures);
            let member = world.gateways.is_member(host);
            let host = Host::new(host, topics, gullible, member, &mut world.rng);
            world.traffic.know(host.key);
            world.hosts.push(host);
        }
        for edge in links {
            world.add_edge(edge, false);
        }
        for edge in gateways {
            world.add_edge(edge, true);
        }
        for host in 0..world.config.nodes {
            world.start(host);
        }
        world
    }

    /// Returns the time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Returns how many events have happened.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the SHA-256 of the log so far.
    pub fn hash(&self) -> String {
        self.log.hash()
    }

    /// Returns the broken invariants so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Returns the number of a topic, and adds the topic if it is new.
    pub(crate) fn topic(&mut self, name: &str) -> usize {
        if let Some(at) = self.topics.iter().position(|topic| topic.as_str() == name) {
            return at;
        }
        let name = amop_proto::TopicName::new(name).expect("scenarios use valid topics");
        self.topics.push(name);
        self.topics.len() - 1
    }

    /// Handles all events until a moment.
    pub fn run_until(&mut self, until: Duration) {
        while let Some(next) = self.due.peek()
            && next.at <= until
        {
            let Some(Due { at, event, .. }) = self.due.pop() else {
                break;
            };
            self.now = at;
            self.events += 1;
            self.happen(event);
        }
        self.now = until;
    }

    /// Handles all events for a time.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    pub(crate) fn plan(&mut self, at: At, event: Event) {
        self.order += 1;
        let order = self.order;
        self.due.push(Due { at, order, event });
    }

    pub(crate) fn plan_in(&mut self, time: Duration, event: Event) {
        self.plan(self.now + time, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Opened(conn, side) => self.opened(conn, side),
            Event::Left(conn, side) => self.part_left(conn, side),
            Event::Arrived(conn, side) => self.arrived(conn, side),
            Event::Broken(conn, side) => self.broken(conn, side),
            Event::Dial { edge, side } => self.dial(edge, side),
            Event::NodeTimer(host) => self.node_timer(host),
            Event::ClientTimer(client) => self.client_timer(client),
            Event::Bridge(conn, side) => self.run_bridge(conn, side),
            Event::Gateway(host) => self.gateway_timer(host),
            Event::Carry(host) => self.carry(host),
            Event::Answer { client, message } => self.answer(client, message),
            Event::Step(step) => self.step(step),
            Event::Attack(host) => self.attack(host),
            Event::Rogue(rogue) => self.rogue_acts(rogue),
        }
    }

    /// Does a scenario's step now.
    pub(crate) fn step(&mut self, step: Step) {
        self.log.step(self.now, format_args!("{step:?}"), &[]);
        match step {
            Step::Publish {
                client,
                unicast,
                topic,
            } => {
                self.publish(client, unicast, topic);
            }
            Step::Cut { edge, silent } => self.cut(edge, silent),
            Step::Heal { edge } => self.heal(edge),
            Step::Crash { host, silent } => self.crash(host, silent),
            Step::Restart { host } => self.restart(host),
            Step::StallEdge { edge, time } => self.stall_edge(edge, time),
            Step::StallClient { client, time } => self.stall_client(client, time),
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        self.base + self.now
    }

    /// Converts a moment that a machine asked for, which may be in the past.
    pub(crate) fn at(&self, instant: Instant) -> At {
        instant.saturating_duration_since(self.base).max(self.now)
    }

    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn random_time(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_micros(self.rng.random_range(least..=most))
    }

    pub(crate) fn violated(&mut self, invariant: Invariant, text: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            let at = self.now;
            self.violations.push(Violation {
                at,
                invariant,
                text,
            });
        }
    }

    pub(crate) fn does(&self, sabotage: Sabotage) -> bool {
        self.config.sabotage == Some(sabotage)
    }

    /// Returns whether a sabotage that happens only once is due; marks it as done.
    pub(crate) fn does_once(&mut self, sabotage: Sabotage) -> bool {
        self.does(sabotage) && !std::mem::replace(&mut self.sabotaged, true)
    }
}
