//! Messages of other nodes that prove their source, over time: neighbours and nodes behind them
//! have their keys, and may send anything with them. Two SDKs of the node keep exchanging messages,
//! another one sends requests and answers.
//!
//! The input is a script: one byte selects the next step, the bytes after it are its parameters.

mod messages;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use amop_proto::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, Seq, encode_topics},
    node::{
        Action, Checker, MachineConfig, NodeEvent, NodeMachine, PeerId, PeerIdentity, SessionId,
        SessionIdentity,
    },
    p2p::{
        NodeId, PeerFrame, PeerMessage,
        mesh::{
            self, Agreement, Record, RelayedUnicastHeader, RoutingKey, SharedSecret,
            StatementSigner, Subject, UnicastHeader, Whole, packet,
        },
        protocol,
    },
};
use bytes::Bytes;

use crate::{
    Script,
    machine::{EPOCH, bystanders_multicast, node_config},
};

const PUBLISHER: SessionId = SessionId(1);
const SUBSCRIBER: SessionId = SessionId(2);
/// It holds the topics that the other nodes hold, too.
const THIRD: SessionId = SessionId(3);
const TOPIC: &str = "bystanders";
const TOPICS: [&str; 4] = [TOPIC, "shared", "far", "nobody's"];

/// The neighbours, the nodes behind the first of them, and the FISCO nodes behind these and this one.
const NEIGHBOURS: [u8; 2] = [1, 2];
const BEHIND: [u8; 2] = [3, 4];
const FISCO: u8 = 5;
const OWN_FISCO: u8 = 6;

/// The most actions that one event may cause.
const MOST_ACTIONS: usize = 2000;

/// Carries out a script.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let mut run = Run::new();
    while let Some(step) = script.step() {
        run.step(step, &mut script);
    }
    run.bystanders_talk();
}

struct Run {
    node: NodeMachine,
    checker: Checker,
    now: Instant,
    peers: BTreeSet<PeerId>,
    sessions: BTreeSet<SessionId>,
    counter: u64,
    version: u64,
    /// The messages that the subscriber has got.
    got: Vec<Bytes>,
    /// The messages that SDKs were asked, to be answered.
    asked: Vec<Seq>,
    /// The messages that this node asked other nodes.
    questions: Vec<(UnicastHeader, Seq)>,
    /// The last packet with a seal that reached the subscriber, and the neighbour that it came
    /// from.
    last: Option<(PeerId, PeerFrame)>,
    rounds: u64,
}

/// Returns the ID of the node with this number.
fn id(number: u8) -> NodeId {
    NodeId([number; 64])
}

fn key(number: u8) -> RoutingKey {
    RoutingKey::from(&id(number))
}

fn stub(fisco: u8, border: u8) -> Subject {
    Subject::Stub {
        fisco: id(fisco),
        border: id(border),
    }
}

fn agreement(number: u8) -> Agreement {
    Agreement::new(id(number), &[number; 32], EPOCH)
}

fn config() -> MachineConfig {
    MachineConfig {
        stubs: [id(OWN_FISCO)].into(),
        // The seed of `agreement(0)`.
        seed: [0; 32],
        ..node_config(id(0))
    }
}

impl Run {
    fn new() -> Self {
        let config = config();
        let checker = Checker::new(Arc::new(SharedSecret::new(id(0))), 64);
        let mut run = Self {
            checker: checker.of_node(&config.node, &config.stubs),
            node: NodeMachine::new(config),
            now: Instant::now(),
            peers: BTreeSet::new(),
            sessions: BTreeSet::new(),
            counter: EPOCH,
            version: EPOCH,
            got: Vec::new(),
            asked: Vec::new(),
            questions: Vec::new(),
            last: None,
            rounds: 0,
        };
        for session in [PUBLISHER, SUBSCRIBER, THIRD] {
            run.sessions.insert(session);
            let identity = SessionIdentity::default();
            run.event(NodeEvent::SessionOpened { session, identity });
        }
        for (session, topics) in [(SUBSCRIBER, &TOPICS[..2]), (THIRD, &TOPICS[1..2])] {
            let body = encode_topics(topics.iter().copied());
            let set = Frame::new(FrameType::SET_TOPICS, Seq([b'2'; 32]), body);
            run.event(NodeEvent::session_frame(session, set));
        }
        for number in NEIGHBOURS {
            run.connect(number);
        }
        let fisco = PeerId(u64::from(OWN_FISCO));
        run.open(fisco, OWN_FISCO);
        run.send(
            fisco,
            protocol::TOPIC,
            amop_proto::p2p::packet::TOPIC_SEQ,
            1,
            b"1",
        );
        run
    }

    fn open(&mut self, peer: PeerId, number: u8) {
        self.peers.insert(peer);
        let identity = PeerIdentity {
            node: id(number),
            name: format!("node{number}"),
            agency: "agency".into(),
            authority: SharedSecret::agency_of(&id(number)),
            address: "127.0.0.1:30301".into(),
            new_seqs: false,
        };
        let dialled = true;
        self.event(NodeEvent::PeerOpened {
            peer,
            identity,
            dialled,
        });
    }

    /// Connects a neighbour, which states the network.
    fn connect(&mut self, number: u8) {
        let peer = PeerId(u64::from(number));
        if self.peers.contains(&peer) {
            return;
        }
        self.open(peer, number);
        self.send(
            peer,
            protocol::EXTENSION,
            packet::HELLO,
            0,
            &mesh::encode_hello(),
        );
        let nothing = mesh::encode_known([]);
        self.send(peer, protocol::EXTENSION, packet::KNOWN, 0, &nothing);
        self.state(number, 0xff);
    }

    /// Sends a neighbour's records, and those of the nodes behind it; the bits of `links` select
    /// the links.
    fn state(&mut self, number: u8, links: u8) {
        let (first, second) = (NEIGHBOURS[0], NEIGHBOURS[1]);
        let mut own = vec![key(0)];
        if number == first {
            let behind = BEHIND.iter().enumerate();
            own.extend(
                behind
                    .filter(|(n, _)| links >> n & 1 != 0)
                    .map(|(_, &n)| key(n)),
            );
        }
        let mut body = Vec::new();
        self.version += 1;
        let mut all = vec![(Subject::Node(id(number)), own)];
        if number == first {
            let fisco = stub(FISCO, BEHIND[0]);
            all.push((Subject::Node(id(BEHIND[0])), vec![key(first), fisco.key()]));
            all.push((
                Subject::Node(id(BEHIND[1])),
                vec![key(first), key(BEHIND[0])],
            ));
            all.push((fisco, Vec::new()));
        }
        for (subject, neighbours) in all {
            let is_node = matches!(subject, Subject::Node(_));
            let border = subject.signer();
            let signer = SharedSecret::new(*border);
            let record = Record {
                subject,
                version: self.version,
                base: 0,
                whole: is_node.then(|| Whole {
                    agreement: agreement(border.0[0]).public(),
                    chain: signer.chain(),
                }),
                neighbours: is_node.then_some(neighbours),
                topics: vec![("far".into(), 1), ("shared".into(), 1)],
            };
            let signed = record.sign(&signer).expect("it is well-formed");
            body.extend_from_slice(signed.bytes());
        }
        let peer = PeerId(u64::from(if number == second { second } else { first }));
        self.send(peer, protocol::EXTENSION, packet::RECORDS, 7, &body);
    }

    fn send(&mut self, peer: PeerId, protocol: i32, packet: u16, seq: u32, body: &[u8]) {
        if self.peers.contains(&peer) {
            let frame = PeerFrame {
                protocol,
                packet,
                seq,
                body: Bytes::copy_from_slice(body),
            };
            self.event(NodeEvent::PeerFrame(peer, frame.into()));
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step & 15 {
            0..=2 => self.relayed(script),
            3..=5 => self.relayed_multicast(script),
            6 => self.direct(script),
            7 | 8 => self.answer(script),
            9 => self.ask(script),
            10 => self.sdk_answers(script),
            11 => {
                let number = NEIGHBOURS[usize::from(step >> 4) % 2];
                self.connect(number);
                self.state(number, script.byte());
            }
            12 => {
                let peer = PeerId(u64::from(NEIGHBOURS[usize::from(step >> 4) % 2]));
                if self.peers.remove(&peer) {
                    self.event(NodeEvent::PeerClosed(peer));
                }
            }
            13 => self.again(),
            14 => self.pass(Duration::from_millis(script.short().into())),
            _ => self.bystanders_talk(),
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut rounds = 0;
        while let Some(due) = self.node.next_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            for session in [PUBLISHER, SUBSCRIBER, THIRD] {
                self.event(NodeEvent::SessionActive(session));
            }
            for peer in self.peers.clone() {
                self.event(NodeEvent::PeerActive(peer));
            }
            self.event(NodeEvent::Timeout);
            rounds += 1;
            assert!(rounds < 100_000, "it is never done");
        }
        self.now = until;
    }

    /// Checks that a multicast of one SDK of the node reaches the other, whatever the peers have
    /// done.
    fn bystanders_talk(&mut self) {
        self.rounds += 1;
        let (message, body) = bystanders_multicast(TOPIC.as_bytes(), self.rounds);
        self.got.clear();
        self.event(NodeEvent::session_frame(PUBLISHER, message));
        assert!(self.got.contains(&body), "a multicast was lost");
    }

    fn event(&mut self, event: NodeEvent) {
        let event = self.checker.checked(event);
        self.node.handle(self.now, event);
        let mut actions = 0;
        while let Some(action) = self.node.poll_action() {
            actions += 1;
            assert!(actions < MOST_ACTIONS, "{actions} actions after one event");
            self.apply(action);
        }
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::SendSession { session, frame } => {
                assert!(self.sessions.contains(&session));
                if frame.kind == FrameType::UNICAST {
                    self.asked.push(frame.seq);
                }
                if session == SUBSCRIBER {
                    self.got.push(frame.body.clone());
                }
                let written = NodeEvent::SessionWritten(session, frame.wire_len());
                self.node.handle(self.now, written);
            }
            Action::SendPeer {
                peer,
                lane,
                message,
            } => {
                assert!(self.peers.contains(&peer));
                let len = message.wire_len();
                self.note(message);
                self.node
                    .handle(self.now, NodeEvent::PeerWritten(peer, lane, len));
            }
            Action::ClosePeer { peer, .. } => assert!(self.peers.remove(&peer)),
            Action::CloseSession { reason, .. } => panic!("{reason:?}"),
            Action::Answer { session, question } => {
                let reply = self.node.answer(&question);
                self.node
                    .handle(self.now, NodeEvent::SessionReply(session, reply));
            }
            Action::Restate(restatement) => self.node.handle(self.now, restatement.carry_out()),
            Action::Notice(notice) => crate::assert_one_line(&notice),
            Action::FragmentPeer { peer } => assert!(self.peers.contains(&peer)),
            Action::CoalesceSession { session }
            | Action::PauseSession { session }
            | Action::ResumeSession { session } => assert!(self.sessions.contains(&session)),
        }
    }

    /// Remembers a message that another node is asked.
    fn note(&mut self, message: PeerMessage) {
        let frame = message.joined();
        if frame.protocol != protocol::EXTENSION {
            return;
        }
        let opened = match frame.packet {
            packet::UNICAST => UnicastHeader::decode(frame.body),
            packet::RELAYED_UNICAST => RelayedUnicastHeader::decode(frame.body)
                .map(|(relayed, content)| (relayed.header, content)),
            _ => return,
        };
        let (header, content) = opened.expect("well-formed");
        let asked = Frame::from_bytes(content, PROTOCOL_MAX_FRAME);
        if let Ok(asked) = asked
            && header.source == key(0)
        {
            self.questions.push((header, asked.seq));
        }
    }
}
