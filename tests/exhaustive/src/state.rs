//! One state of the network, and its fingerprint.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use amop_proto::{node::SessionId, p2p::PeerFrame};

use crate::{
    digest::digest,
    host::Host,
    hostile::Hostile,
    links::{Conn, Link},
    people::opened,
    scenario::{Break, Scenario},
    sdks::{Message, Sdk},
    steps::Step,
};

/// The start of time.
pub(crate) static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A message crosses links at most this often, including its copies and answers.
const MAX_CROSSINGS: u16 = 40;

/// There are never more frames in transit than this.
const MAX_FRAMES: usize = 300;

/// How often the dialling end may dial before nothing else happens.
const DIALS: u8 = 2;

/// The publisher's session, on node 0.
pub(crate) const PUBLISHER: SessionId = SessionId(0);

/// A state of the network.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) now: Duration,
    pub(crate) hosts: [Arc<Host>; 3],
    pub(crate) links: Vec<Link>,
    pub(crate) sdks: Vec<Sdk>,
    pub(crate) messages: Vec<Message>,
    /// How often time may still pass while something is in transit.
    pub(crate) early: u8,
    /// Whether nothing about links has changed since nothing was in transit.
    pub(crate) calm: bool,
    /// Whether the network is complete, so that sabotage may begin.
    pub(crate) started: bool,
    /// Whether a unicast has left the publisher's node.
    pub(crate) sent_once: bool,
    /// The state of the hostile node, if there is one.
    pub(crate) hostile: Option<Hostile>,
    /// The first thing that went wrong.
    pub(crate) wrong: Option<String>,
}

impl State {
    /// Returns the network of a scenario, with all links up and nothing in transit.
    pub fn new(scenario: &Scenario) -> Self {
        let mut state = Self {
            hosts: std::array::from_fn(|host| Arc::new(Host::new(host, scenario, Duration::ZERO))),
            links: scenario.links.iter().copied().map(Link::new).collect(),
            sdks: Vec::new(),
            messages: Vec::new(),
            early: scenario.early,
            now: Duration::ZERO,
            calm: true,
            started: false,
            sent_once: false,
            hostile: scenario.hostile.map(Hostile::new),
            wrong: None,
            scenario: Arc::new(scenario.clone()),
        };
        for link in 0..state.links.len() {
            state.dial(link);
        }
        state.tell(0, opened(PUBLISHER));
        state.run_dry();
        for subscriber in &scenario.subscribers {
            state.sdks.push(Sdk {
                host: subscriber.host,
                changes: subscriber.changes,
                session: None,
                came: 0,
                sent: VecDeque::new(),
                got: BTreeSet::new(),
                subscribed: false,
            });
            if subscriber.present {
                state.come(state.sdks.len() - 1);
            }
        }
        state.run_dry();
        for &unicast in scenario.unicasts {
            state.messages.push(Message {
                unicast,
                ..Message::default()
            });
        }
        state.links[0].dials = if scenario.breaks == Break::Never {
            0
        } else {
            DIALS
        };
        state.early = scenario.early;
        state.started = true;
        state.refresh(true);
        state
    }

    pub(crate) fn instant(&self) -> Instant {
        *BASE + self.now
    }

    /// Returns what went wrong on the way to this state.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    pub(crate) fn fail(&mut self, text: String) {
        self.wrong.get_or_insert(text);
    }

    /// Returns the state after a step.
    #[must_use]
    pub fn after(&self, step: Step) -> Self {
        let mut next = self.clone();
        next.take(step);
        next.refresh(step == Step::Tick);
        next
    }

    /// Checks what must hold in every state.
    pub(crate) fn check(&mut self) {
        let conns = self.links.iter().flat_map(|link| &link.conns);
        let frames: usize = conns.flat_map(|conn| &conn.wires).map(VecDeque::len).sum();
        if frames > MAX_FRAMES {
            self.fail(format!("{frames} frames are under way"));
        }
        let round = |message: &Message| message.crossings > MAX_CROSSINGS;
        if let Some(index) = self.messages.iter().position(round) {
            self.fail(format!("message {index} goes round and round"));
        }
    }

    /// Computes the fingerprints of the nodes that changed, or of all nodes if time has passed.
    fn refresh(&mut self, all: bool) {
        let now = self.instant();
        for host in &mut self.hosts {
            if all || host.digest == 0 {
                let fresh = digest(&host.node, now).max(1);
                if fresh != host.digest {
                    Arc::make_mut(host).digest = fresh;
                }
            }
        }
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let fingerprint = |state: &Self| {
            let mut hasher = std::hash::DefaultHasher::new();
            state.hash(&mut hasher);
            hasher.finish()
        };
        fingerprint(self) == fingerprint(other)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for host in &self.hosts {
            state.write_u64(host.digest);
        }
        for link in &self.links {
            (link.broken, link.dials, link.made, link.conns.len()).hash(state);
            for conn in &link.conns {
                hash_conn(conn, state);
            }
        }
        for sdk in &self.sdks {
            (sdk.changes, sdk.session, sdk.came, &sdk.got, sdk.subscribed).hash(state);
            sdk.sent.len().hash(state);
            for frame in &sdk.sent {
                (frame.seq, &frame.body).hash(state);
            }
        }
        for message in &self.messages {
            (message.sent, message.outcome, &message.got, &message.sure).hash(state);
            message.crossings.hash(state);
        }
        (self.early, self.calm, self.sent_once).hash(state);
        if let Some(hostile) = &self.hostile {
            hostile.hash(state);
        }
        self.wrong.hash(state);
    }
}

fn hash_conn<H: Hasher>(conn: &Conn, state: &mut H) {
    (conn.id, conn.ends, conn.cut).hash(state);
    for wire in &conn.wires {
        wire.len().hash(state);
        for frame in wire {
            hash_frame(frame, state);
        }
    }
}

pub(crate) fn hash_frame<H: Hasher>(frame: &PeerFrame, state: &mut H) {
    (frame.protocol, frame.packet, frame.seq).hash(state);
    frame.body.hash(state);
}
