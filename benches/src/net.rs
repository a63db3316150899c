//! Node machines joined in memory, and the sessions and peers that talk to them.
//!
//! Frames pass from machine to machine without encoding: the codecs have separate cases. The work
//! that a node's shell does for every event is included: it reports written bytes and asks for the
//! next timeout.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use amop_proto::{
    channel::{Frame, FrameType, Seq, encode_topics},
    node::{
        Action, Checker, Limits, MachineConfig, NodeEvent, NodeMachine, PeerId, PeerIdentity,
        SessionId, SessionIdentity,
    },
    p2p::{
        NodeId,
        mesh::{
            self, Identified, IdentityRefusal, RoutingKey, SharedSecret, StatementSigner,
            StatementVerifier, Subject, packet,
        },
    },
};
use amop_testkit::machines::{self, Claim, extension};
use bytes::{Bytes, BytesMut};

/// Longer than any bench takes, so that silent connections stay open.
const PATIENCE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The time between two messages.
const BETWEEN: Duration = Duration::from_micros(10);

/// A session of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sdk {
    node: usize,
    id: SessionId,
}

/// A node's end of a connection to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    node: usize,
    id: PeerId,
}

struct Node {
    machine: NodeMachine,
    due: Option<Instant>,
    /// It took something in since that was asked.
    worked: bool,
}

/// A signer that does not sign. The cost of a signature, some 100 microseconds of a processor, is
/// not the machine's work, and the signer used in tests would be most of the instructions counted
/// for a change.
#[derive(Debug)]
struct Unsigned(NodeId);

const SIGNATURE: &[u8] = &[7; 70];

impl StatementSigner for Unsigned {
    fn algorithm(&self) -> u8 {
        SharedSecret::ALGORITHM
    }

    fn sign(&self, _message: &[u8]) -> Option<Bytes> {
        Some(Bytes::from_static(SIGNATURE))
    }

    fn chain(&self) -> Vec<Bytes> {
        SharedSecret::new(self.0).chain()
    }
}

impl StatementVerifier for Unsigned {
    fn identify(&self, chain: &[Bytes]) -> Result<Identified, IdentityRefusal> {
        SharedSecret::new(self.0).identify(chain)
    }

    fn admits(&self, _: &NodeId) -> Result<(), IdentityRefusal> {
        Ok(())
    }

    fn is_signed(&self, _: u8, _: &[u8], _: &[u8], signature: &[u8]) -> bool {
        signature == SIGNATURE
    }
}

/// Nodes and everything connected to them.
pub(crate) struct Net {
    now: Instant,
    nodes: Vec<Node>,
    /// Data from other nodes passes it first, as in the shell of a node.
    checker: Checker,
    /// The other ends of the connections between machines. A link without an entry leads to a
    /// simulated peer.
    wires: BTreeMap<Link, Link>,
    events: VecDeque<(usize, NodeEvent)>,
    next_id: u64,
    next_seq: u64,
    /// The number of messages whose publishers got an acknowledgement.
    pub(crate) answered: u64,
    /// The number of copies of multicasts that sessions got.
    pub(crate) delivered: u64,
    /// The number of frames from one node to another.
    pub(crate) crossed: u64,
}

/// Returns an ID. The IDs are far apart, so that their values and not their order decide about
/// paths.
fn node_id(n: usize) -> NodeId {
    let mut id = [7; 64];
    id[..8].copy_from_slice(&(n as u64 + 1).to_be_bytes());
    NodeId(id)
}

fn key(n: usize) -> RoutingKey {
    RoutingKey::from(&node_id(n))
}

fn config(n: usize) -> MachineConfig {
    let mut config = machines::config(node_id(n), n);
    config.signer = Arc::new(Unsigned(node_id(n)));
    config.timeouts.session_idle = PATIENCE;
    config.timeouts.peer_idle = PATIENCE;
    config.timeouts.link_idle = PATIENCE;
    config
}

impl Net {
    /// Creates nodes without connections.
    pub(crate) fn new(nodes: usize) -> Self {
        let node = |n| Node {
            machine: NodeMachine::new(config(n)),
            due: None,
            worked: false,
        };
        Self {
            now: Instant::now(),
            nodes: (0..nodes).map(node).collect(),
            checker: Checker::new(
                Arc::new(Unsigned(node_id(0))),
                Limits::default().peer_topics,
            ),
            wires: BTreeMap::new(),
            events: VecDeque::new(),
            next_id: 1,
            next_seq: 0,
            answered: 0,
            delivered: 0,
            crossed: 0,
        }
    }

    /// Returns how many other nodes a node can reach.
    pub(crate) fn reachable(&self, node: usize) -> usize {
        self.nodes[node].machine.router().reachable()
    }

    /// Returns how many topics of another node a node knows.
    pub(crate) fn known_topics(&self, node: usize, of: usize) -> usize {
        let router = self.nodes[node].machine.router();
        router.node_topics(&node_id(of)).count()
    }

    // Time.

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for n in 0..self.nodes.len() {
            if self.nodes[n].due.is_some_and(|due| due <= self.now) {
                self.event(n, NodeEvent::Timeout);
            }
        }
    }

    /// Lets the nodes finish work that they do in slices, such as long records.
    pub(crate) fn work_off(&mut self) {
        for _ in 0..5000 {
            self.pass(Duration::from_millis(1));
        }
    }

    /// Waits long enough that the next change is stated separately: changes in quicker succession
    /// are stated together. Almost nothing happens meanwhile: about 500 instructions.
    pub(crate) fn between_statements(&mut self) {
        self.pass(Duration::from_millis(50));
    }

    /// Lets a second pass in which only the nodes' own periodic work happens.
    pub(crate) fn idle_second(&mut self) {
        self.pass(Duration::from_secs(1));
    }

    // Sessions.

    /// Opens a session that accepts every unicast.
    pub(crate) fn sdk(&mut self, node: usize) -> Sdk {
        let id = SessionId(self.id());
        let opened = NodeEvent::SessionOpened {
            session: id,
            identity: SessionIdentity::default(),
        };
        self.event(node, opened);
        Sdk { node, id }
    }

    pub(crate) fn subscribe(&mut self, sdk: Sdk, topics: &[&str]) {
        let body = encode_topics(topics.iter().copied());
        self.send(sdk, FrameType::SET_TOPICS, body);
        while self.nodes[sdk.node].machine.router().is_changing_topics() {
            self.pass(BETWEEN * 100);
        }
    }

    /// Sends a frame and handles everything that follows from it.
    pub(crate) fn send(&mut self, sdk: Sdk, kind: FrameType, body: Bytes) {
        self.pass(BETWEEN);
        self.next_seq += 1;
        let mut seq = Seq([b'0'; 32]);
        seq.0[..8].copy_from_slice(&self.next_seq.to_be_bytes());
        let frame = Frame::new(kind, seq, body);
        self.event(sdk.node, NodeEvent::session_frame(sdk.id, frame));
    }

    // Peers.

    /// Connects two machines.
    pub(crate) fn connect(&mut self, a: usize, b: usize) {
        let ends = [a, b].map(|node| Link {
            node,
            id: PeerId(self.id()),
        });
        self.wires.insert(ends[0], ends[1]);
        self.wires.insert(ends[1], ends[0]);
        self.open(ends[0], b, true);
        self.open(ends[1], a, false);
        self.settle();
    }

    /// Connects a machine with a simulated overlay node, which states the nodes behind it.
    pub(crate) fn play(&mut self, node: usize, played: usize, behind: std::ops::Range<usize>) {
        let link = Link {
            node,
            id: PeerId(self.id()),
        };
        self.open(link, played, false);
        self.settle();
        let neighbours = [node].into_iter().chain(behind.clone());
        let mut body = BytesMut::new();
        record(played, neighbours, &mut body);
        for n in behind {
            record(n, [played], &mut body);
        }
        for (packet, body) in [
            (packet::HELLO, mesh::encode_hello()),
            (packet::KNOWN, mesh::encode_known([])),
            (packet::RECORDS, body.freeze()),
        ] {
            let event = self.checker.event(link.id, extension(packet, 1, body));
            self.event(node, event);
        }
    }

    fn open(&mut self, link: Link, other: usize, dialled: bool) {
        let identity = PeerIdentity {
            node: node_id(other),
            name: format!("node{other}"),
            agency: "agency".into(),
            authority: SharedSecret::agency_of(&node_id(other)),
            address: "127.0.0.1:30300".into(),
            new_seqs: false,
        };
        let peer = link.id;
        let opened = NodeEvent::PeerOpened {
            peer,
            identity,
            dialled,
        };
        self.events.push_back((link.node, opened));
    }

    // The machines.

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn event(&mut self, node: usize, event: NodeEvent) {
        self.events.push_back((node, event));
        self.settle();
    }

    fn settle(&mut self) {
        while let Some((n, event)) = self.events.pop_front() {
            self.nodes[n].machine.handle(self.now, event);
            while let Some(action) = self.nodes[n].machine.poll_action() {
                self.act(n, action);
            }
            self.nodes[n].worked = true;
        }
        // As the node's tasks do: once for what came together.
        for node in &mut self.nodes {
            if std::mem::take(&mut node.worked) {
                node.due = node.machine.next_timeout();
            }
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        match action {
            Action::SendSession { session, frame } => {
                let written = NodeEvent::SessionWritten(session, frame.wire_len());
                self.events.push_back((node, written));
                self.received(node, session, frame);
            }
            Action::SendPeer {
                peer,
                lane,
                message,
            } => {
                self.crossed += 1;
                let written = NodeEvent::PeerWritten(peer, lane, message.wire_len());
                let frame = message.joined();
                self.events.push_back((node, written));
                let link = Link { node, id: peer };
                if let Some(other) = self.wires.get(&link) {
                    let arrived = self.checker.event(other.id, frame);
                    self.events.push_back((other.node, arrived));
                } else if frame.packet == packet::RECORDS {
                    let taken = extension(packet::TAKEN, frame.seq, Bytes::new());
                    self.events
                        .push_back((node, NodeEvent::PeerFrame(peer, taken.into())));
                }
            }
            Action::Restate(restatement) => {
                self.events.push_back((node, restatement.carry_out()));
            }
            Action::Notice(_) | Action::FragmentPeer { .. } => {}
            // No case fills a queue, closes a connection or does a handshake.
            unexpected => unreachable!("{unexpected:?}"),
        }
    }

    /// Handles a frame that arrives at a session.
    fn received(&mut self, node: usize, session: SessionId, frame: Frame) {
        match frame.kind {
            FrameType::UNICAST => {
                let answer = frame.respond(0, frame.body.clone());
                let answered = NodeEvent::session_frame(session, answer);
                self.events.push_back((node, answered));
            }
            FrameType::MULTICAST => self.delivered += 1,
            _ => {
                assert_eq!(frame.result, 0);
                self.answered += 1;
            }
        }
    }
}

/// Writes the record of a simulated node with ten topics.
fn record(n: usize, neighbours: impl IntoIterator<Item = usize>, out: &mut BytesMut) {
    let topic = |k| (Bytes::from(format!("node{n}.topic{k}")), 1);
    let signer = Unsigned(node_id(n));
    let claim = Claim {
        version: machines::EPOCH,
        agreement: machines::agreement(node_id(n), n).public(),
        neighbours: neighbours.into_iter().map(key).collect(),
        topics: (0..10).map(topic).collect(),
    };
    let record = claim.of(Subject::Node(node_id(n)), signer.chain());
    let signed = record.sign(&signer).expect("a test's signer signs");
    out.extend_from_slice(signed.bytes());
}
