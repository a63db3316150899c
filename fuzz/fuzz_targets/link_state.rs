//! A node among other nodes that may send anything, over time: records with correct and wrong
//! signatures, questions, messages, frames of FISCO nodes. Two SDKs of the node keep exchanging
//! messages meanwhile.
//!
//! The input is a script: one byte selects the next step, the bytes after it are its parameters.
#![no_main]
#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use amop_fuzz::{
    Script,
    machine::{EPOCH, bystanders_multicast, node_config},
};
use amop_proto::{
    channel::{Frame, FrameType, Seq},
    node::{
        Action, Checker, MachineConfig, NodeEvent, NodeMachine, PeerId, PeerIdentity, SessionId,
        SessionIdentity,
    },
    p2p::{
        NodeId, PeerFrame,
        mesh::{self, Record, RoutingKey, SharedSecret, StatementSigner, Subject, Whole},
        protocol,
    },
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fn opened(session: SessionId) -> NodeEvent {
    let identity = SessionIdentity::default();
    NodeEvent::SessionOpened { session, identity }
}

const PUBLISHER: SessionId = SessionId(1);
const SUBSCRIBER: SessionId = SessionId(2);
const TOPIC: &[u8] = b"bystanders";

/// The most actions that one event may cause: some frames for each connection.
const MOST_ACTIONS: usize = 2000;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let mut run = Run::new();
    while let Some(step) = script.step() {
        run.step(step, &mut script);
    }
    run.bystanders_talk();
});

struct Run {
    node: NodeMachine,
    checker: Checker,
    now: Instant,
    peers: BTreeMap<PeerId, u8>,
    sessions: BTreeSet<SessionId>,
    next: u64,
    /// Messages that the subscriber has got.
    got: Vec<Bytes>,
    rounds: u64,
}

/// Returns the ID of the node with this number.
fn id(number: u8) -> NodeId {
    NodeId([number; 64])
}

fn config() -> MachineConfig {
    MachineConfig {
        stubs: [id(3)].into(),
        ..node_config(id(0))
    }
}

impl Run {
    fn new() -> Self {
        let mut run = Self {
            node: NodeMachine::new(config()),
            checker: Checker::new(Arc::new(SharedSecret::new(id(0))), 64),
            now: Instant::now(),
            peers: BTreeMap::new(),
            sessions: [PUBLISHER, SUBSCRIBER].into(),
            next: 10,
            got: Vec::new(),
            rounds: 0,
        };
        run.event(opened(PUBLISHER));
        run.event(opened(SUBSCRIBER));
        let topics = Frame::new(FrameType::SET_TOPICS, Seq([b'2'; 32]), r#"["bystanders"]"#);
        run.event(NodeEvent::session_frame(SUBSCRIBER, topics));
        run
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step & 15 {
            0 | 1 => self.open(step >> 4, script),
            2 | 3 => self.state(step >> 4, script),
            4..=7 => {
                let packet = script.short() % 16;
                self.frame(protocol::EXTENSION, packet, script);
            }
            8 => {
                let packet = script.short();
                self.frame(protocol::AMOP, packet, script);
            }
            9 => {
                let packet = script.short();
                self.frame(protocol::TOPIC, packet, script);
            }
            10 => {
                let protocol = script.word() as i32;
                let packet = script.short();
                self.frame(protocol, packet, script);
            }
            11 => {
                if let Some((peer, _)) = self.any_peer(step >> 4) {
                    self.peers.remove(&peer);
                    self.event(NodeEvent::PeerClosed(peer));
                }
            }
            12 | 13 => self.pass(Duration::from_millis(script.short().into())),
            14 => self.session(script),
            _ => self.bystanders_talk(),
        }
    }

    fn any_peer(&self, which: u8) -> Option<(PeerId, u8)> {
        let count = self.peers.len().max(1);
        let (&peer, &number) = self.peers.iter().nth(usize::from(which) % count)?;
        Some((peer, number))
    }

    fn open(&mut self, number: u8, script: &mut Script<'_>) {
        let peer = PeerId(self.next);
        self.next += 1;
        self.peers.insert(peer, number);
        let identity = PeerIdentity {
            node: id(number),
            name: format!("node{number}"),
            agency: "agency".into(),
            authority: SharedSecret::agency_of(&id(number)),
            address: "127.0.0.1:30301".into(),
            new_seqs: false,
        };
        let dialled = script.byte() & 1 != 0;
        self.event(NodeEvent::PeerOpened {
            peer,
            identity,
            dialled,
        });
        if script.byte() & 1 == 0 {
            let hello = frame(
                protocol::EXTENSION,
                mesh::packet::HELLO,
                0,
                &mesh::encode_hello(),
            );
            self.event(NodeEvent::PeerFrame(peer, hello.into()));
        }
    }

    fn frame(&mut self, protocol: i32, packet: u16, script: &mut Script<'_>) {
        let which = script.byte();
        let Some((peer, _)) = self.any_peer(which) else {
            return;
        };
        let protocol = if which & 0x80 == 0 {
            protocol
        } else {
            protocol.wrapping_neg()
        };
        let seq = script.word();
        let frame = frame(protocol, packet, seq, script.bytes());
        self.event(NodeEvent::PeerFrame(peer, frame.into()));
    }

    /// Sends a packet of records about any node, signed by any node.
    fn state(&mut self, which: u8, script: &mut Script<'_>) {
        let Some((peer, _)) = self.any_peer(which) else {
            return;
        };
        let mut body = Vec::new();
        for _ in 0..script.byte() % 8 + 1 {
            let (node, signer, flags) = (script.byte() % 8, script.byte() % 8, script.byte());
            // Mostly the correct one.
            let signer = SharedSecret::new(id(if flags & 0x30 != 0 { node } else { signer }));
            let subject = if flags & 1 == 0 {
                Subject::Node(id(node))
            } else {
                let fisco = id(script.byte());
                Subject::Stub {
                    fisco,
                    border: id(node),
                }
            };
            let version =
                EPOCH.wrapping_add_signed(i64::from(script.word() as i32) << (flags >> 4));
            let base = if flags & 2 == 0 {
                0
            } else {
                version.saturating_sub(script.byte().into())
            };
            let whole = (base == 0 && flags & 1 == 0).then(|| Whole {
                agreement: [script.byte(); 32],
                chain: signer.chain(),
            });
            let neighbours = (flags & 4 == 0 || whole.is_some()).then(|| {
                let count = script.byte() % 8;
                (0..count)
                    .map(|_| RoutingKey::from(&id(script.byte() % 8)))
                    .collect()
            });
            let topics = (0..script.byte() % 4).map(|_| {
                let names: [&[u8]; 3] = [TOPIC, b"another", b""];
                let name = names[usize::from(script.byte()) % 3];
                (Bytes::copy_from_slice(name), script.word())
            });
            let topics = topics.collect();
            let record = Record {
                subject,
                version,
                base,
                whole,
                neighbours,
                topics,
            };
            if let Some(signed) = record.sign(&signer) {
                body.extend_from_slice(signed.bytes());
            }
        }
        let seq = script.word();
        let frame = frame(protocol::EXTENSION, mesh::packet::RECORDS, seq, &body);
        self.event(NodeEvent::PeerFrame(peer, frame.into()));
    }

    /// Lets a third SDK do something.
    fn session(&mut self, script: &mut Script<'_>) {
        let session = SessionId(3);
        if self.sessions.insert(session) {
            self.event(opened(session));
        }
        let kind = FrameType(script.short());
        let seq = Seq([script.byte(); 32]);
        let frame = Frame::new(kind, seq, Bytes::copy_from_slice(script.bytes()));
        self.event(NodeEvent::session_frame(session, frame));
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut rounds = 0;
        while let Some(due) = self.node.next_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.event(NodeEvent::Timeout);
            // The bystanders send signs of life; the others may be closed because they send none.
            for session in [PUBLISHER, SUBSCRIBER] {
                self.event(NodeEvent::SessionActive(session));
            }
            rounds += 1;
            assert!(rounds < 100_000, "it is never done");
        }
        self.now = until;
    }

    /// Checks that a multicast of one SDK of the node reaches the other, whatever the peers have
    /// done.
    fn bystanders_talk(&mut self) {
        self.rounds += 1;
        let (message, body) = bystanders_multicast(TOPIC, self.rounds);
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
            self.apply(action);
        }
        assert!(actions < MOST_ACTIONS, "{actions} actions after one event");
    }

    /// Carries out an action, like a shell in which every write succeeds at once.
    fn apply(&mut self, action: Action) {
        match action {
            Action::SendSession { session, frame, .. } => {
                assert!(self.sessions.contains(&session));
                if session == SUBSCRIBER {
                    self.got.push(frame.body.clone());
                }
                self.node.handle(
                    self.now,
                    NodeEvent::SessionWritten(session, frame.wire_len()),
                );
            }
            Action::SendPeer {
                peer,
                lane,
                message,
            } => {
                assert!(self.peers.contains_key(&peer));
                self.node.handle(
                    self.now,
                    NodeEvent::PeerWritten(peer, lane, message.wire_len()),
                );
            }
            Action::FragmentPeer { peer } => assert!(self.peers.contains_key(&peer)),
            Action::CloseSession { session, reason } => {
                assert!(session != PUBLISHER && session != SUBSCRIBER, "{reason:?}");
                assert!(self.sessions.remove(&session));
            }
            Action::ClosePeer { peer, .. } => assert!(self.peers.remove(&peer).is_some()),
            Action::Answer { session, question } => {
                let reply = self.node.answer(&question);
                let answered = NodeEvent::SessionReply(session, reply);
                self.node.handle(self.now, answered);
            }
            Action::Restate(restatement) => self.node.handle(self.now, restatement.carry_out()),
            Action::Notice(notice) => amop_fuzz::assert_one_line(&notice),
            Action::CoalesceSession { session }
            | Action::PauseSession { session }
            | Action::ResumeSession { session } => assert!(self.sessions.contains(&session)),
        }
    }
}

fn frame(protocol: i32, packet: u16, seq: u32, body: &[u8]) -> PeerFrame {
    PeerFrame {
        protocol,
        packet,
        seq,
        body: Bytes::copy_from_slice(body),
    }
}
