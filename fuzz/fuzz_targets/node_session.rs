//! A node's SDKs that may send anything, over time: frames of every kind, answers to messages that
//! they were or were not asked, topic sets, private topics and verdicts, while others keep
//! exchanging messages.
//!
//! The input is a script: one byte selects the next step, the bytes after it are its parameters.
#![no_main]
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use amop_fuzz::{
    Script,
    machine::{bystanders_multicast, node_config},
};
use amop_proto::{
    channel::{Frame, FrameDecoder, FrameType, Seq, encode_topics, frame_topic},
    node::{Action, Limits, MachineConfig, NodeEvent, NodeMachine, SessionId, SessionIdentity},
    p2p::NodeId,
};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

const PUBLISHER: SessionId = SessionId(1);
const SUBSCRIBER: SessionId = SessionId(2);

const TOPIC: &str = "bystanders";
const TOPICS: [&str; 8] = [
    TOPIC,
    "hello",
    "x",
    "#!$TopicNeedVerify_private",
    "#!$PushChannel_#!$TopicNeedVerify_private",
    "#!$VerifyChannel_#!$TopicNeedVerify_private_00000000000000000000000000000001",
    "_block_notify_1",
    "another",
];

/// The most actions that one event may cause.
const MOST_ACTIONS: usize = 2000;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let mut run = Run::new();
    while let Some(step) = script.step() {
        run.step(step, &mut script);
    }
    run.end();
});

/// The SDK's end of a session.
#[derive(Default)]
struct End {
    /// Frames that were written to it, to be answered.
    got: Vec<(FrameType, Seq)>,
    /// Whether it does not read, so that `unwritten` bytes wait.
    stalled: bool,
    unwritten: usize,
    paused: bool,
}

struct Run {
    node: NodeMachine,
    now: Instant,
    sessions: BTreeMap<SessionId, End>,
    next: u64,
    /// Messages that the bystander has got.
    got: Vec<Bytes>,
    rounds: u64,
}

fn config() -> MachineConfig {
    MachineConfig {
        limits: Limits::default().with(|limits| {
            limits.sessions = 8;
            limits.session_queue = 64 << 10;
            limits.session_queues = 256 << 10;
            limits.session_topics = 8;
            limits.subscriptions = 32;
            limits.topics = 16;
            limits.in_flight = 32;
            limits.session_in_flight = 16;
        }),
        ..node_config(NodeId([1; 64]))
    }
}

impl Run {
    fn new() -> Self {
        let mut run = Self {
            node: NodeMachine::new(config()),
            now: Instant::now(),
            sessions: BTreeMap::new(),
            next: 10,
            got: Vec::new(),
            rounds: 0,
        };
        // These two belong to another agency than all other sessions.
        run.open(PUBLISHER, 0);
        run.open(SUBSCRIBER, 0);
        let topics = Frame::new(
            FrameType::SET_TOPICS,
            Seq([b'2'; 32]),
            encode_topics([TOPIC]),
        );
        run.event(NodeEvent::session_frame(SUBSCRIBER, topics));
        run
    }

    fn open(&mut self, session: SessionId, agency: u8) {
        self.sessions.insert(session, End::default());
        let identity = SessionIdentity {
            key: [agency; 32],
            agency: [agency; 32],
        };
        self.event(NodeEvent::SessionOpened { session, identity });
    }

    /// Returns one of the sessions that may send anything.
    fn any(&self, which: u8) -> Option<SessionId> {
        let others = self
            .sessions
            .keys()
            .filter(|&&id| id != PUBLISHER && id != SUBSCRIBER);
        let count = others.clone().count().max(1);
        others.copied().nth(usize::from(which) % count)
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        let kind = step & 15;
        if kind == 0 {
            self.next += 1;
            return self.open(SessionId(self.next), 1 + (step >> 4) % 3);
        }
        let Some(session) = self.any(step >> 4) else {
            return;
        };
        match kind {
            1 => self.any_frame(session, script),
            2 | 3 => self.topics(session, script),
            4..=6 => self.message(session, script),
            7..=9 => self.answer(session, script),
            10 => self.text(session, script),
            11 => self.pass(Duration::from_millis(script.short().into())),
            12 => self.read(session, script),
            13 => {
                self.sessions.remove(&session);
                self.event(NodeEvent::SessionClosed(session));
            }
            14 => {
                let frame = Frame::new(FrameType::UNICAST, Seq([script.byte(); 32]), "");
                self.event(NodeEvent::SessionRefused(session, frame));
            }
            _ => self.bystanders_talk(),
        }
    }

    fn say(&mut self, session: SessionId, frame: Frame) {
        // As it arrives over the wire.
        let mut wire = BytesMut::from(&frame.to_bytes()[..]);
        let read = FrameDecoder::default().decode(&mut wire);
        let read = read.expect("well-formed").expect("whole");
        self.event(NodeEvent::session_frame(session, read));
    }

    fn any_frame(&mut self, session: SessionId, script: &mut Script<'_>) {
        let frame = Frame {
            kind: FrameType(script.short()),
            seq: Seq([script.byte(); 32]),
            result: script.word() as i32,
            body: Bytes::copy_from_slice(script.bytes()),
        };
        self.say(session, frame);
    }

    fn topics(&mut self, session: SessionId, script: &mut Script<'_>) {
        let which = script.byte();
        let names = TOPICS.iter().enumerate();
        let names = names.filter(|(n, _)| which >> n & 1 != 0);
        let body = encode_topics(names.map(|(_, &name)| name));
        let seq = Seq([script.byte(); 32]);
        self.say(session, Frame::new(FrameType::SET_TOPICS, seq, body));
    }

    fn message(&mut self, session: SessionId, script: &mut Script<'_>) {
        let how = script.byte();
        let kinds = [FrameType::UNICAST, FrameType::MULTICAST];
        let kind = kinds[usize::from(how & 1)];
        let topic = TOPICS[usize::from(how >> 1) % TOPICS.len()];
        let seq = Seq([script.byte(); 32]);
        let body = frame_topic(topic.as_bytes(), script.bytes());
        let frame = Frame {
            result: i32::from(how >> 5),
            ..Frame::new(kind, seq, body)
        };
        self.say(session, frame);
    }

    /// Sends an answer, or something similar, to a message that this session or another one was
    /// sent.
    fn answer(&mut self, session: SessionId, script: &mut Script<'_>) {
        let how = script.byte();
        let whose = if how & 0x80 == 0 {
            session
        } else {
            self.any(how).unwrap_or(session)
        };
        let sent = self.sessions.get(&whose).map_or(&[][..], |end| &end.got);
        let at = usize::from(script.byte());
        let sent = sent.iter().rev().nth(at).or(sent.last());
        let (kind, seq) = sent
            .copied()
            .unwrap_or((FrameType::UNICAST, Seq([b'0'; 32])));
        let kind = match (kind, how & 3) {
            (FrameType::UNICAST | FrameType::MULTICAST, 0..=2) => FrameType::RESPONSE,
            (kind, _) => kind,
        };
        let frame = Frame {
            kind,
            seq,
            result: i32::from(how >> 2 & 0x1f) + if how & 1 == 0 { 0 } else { 100 - 8 },
            body: Bytes::copy_from_slice(script.bytes()),
        };
        self.say(session, frame);
    }

    /// Sends handshakes, heartbeats, questions, verdicts.
    fn text(&mut self, session: SessionId, script: &mut Script<'_>) {
        let kinds = [
            FrameType::HANDSHAKE,
            FrameType::HEARTBEAT,
            FrameType::RPC,
            FrameType::VERIFY_PEER,
            FrameType::VERIFY_RESULT,
            FrameType::SET_TOPICS,
            FrameType::EVENT_REGISTER,
        ];
        let kind = kinds[usize::from(script.byte()) % kinds.len()];
        let seq = Seq([script.byte(); 32]);
        let body = Bytes::copy_from_slice(script.bytes());
        self.say(session, Frame::new(kind, seq, body));
    }

    /// Lets the session stop reading, or read some of what waits.
    fn read(&mut self, session: SessionId, script: &mut Script<'_>) {
        let how = script.byte();
        let Some(end) = self.sessions.get_mut(&session) else {
            return;
        };
        end.stalled = how & 1 != 0;
        let part = end.unwritten * usize::from(how) / 255;
        let read = if end.stalled { part } else { end.unwritten };
        end.unwritten -= read;
        if read > 0 {
            self.event(NodeEvent::SessionWritten(session, read));
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut rounds = 0;
        while let Some(due) = self.node.next_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            // The bystanders send signs of life; the others may be closed because they send none.
            for session in [PUBLISHER, SUBSCRIBER] {
                self.event(NodeEvent::SessionActive(session));
            }
            self.event(NodeEvent::Timeout);
            rounds += 1;
            assert!(rounds < 100_000, "it is never done");
        }
        self.now = until;
    }

    /// Checks that a multicast of one SDK reaches the other, whatever the others have done.
    fn bystanders_talk(&mut self) {
        self.rounds += 1;
        let (message, body) = bystanders_multicast(TOPIC.as_bytes(), self.rounds);
        self.got.clear();
        self.event(NodeEvent::session_frame(PUBLISHER, message));
        assert!(self.got.contains(&body), "a multicast was lost");
    }

    /// Closes all sessions and checks that the node then holds nothing.
    fn end(mut self) {
        self.bystanders_talk();
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for session in sessions {
            if self.sessions.remove(&session).is_some() {
                self.event(NodeEvent::SessionClosed(session));
            }
        }
        self.pass(Duration::from_secs(200));
        assert_eq!(self.node.session_count(), 0);
        assert!(self.node.router().is_empty(), "something is left");
    }

    fn event(&mut self, event: NodeEvent) {
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
                let end = self.sessions.get_mut(&session).expect("an open session");
                end.got.push((frame.kind, frame.seq));
                if session == SUBSCRIBER {
                    self.got.push(frame.body.clone());
                }
                if end.stalled {
                    end.unwritten += frame.wire_len();
                } else {
                    let written = NodeEvent::SessionWritten(session, frame.wire_len());
                    self.node.handle(self.now, written);
                }
            }
            Action::CloseSession { session, reason } => {
                assert!(session != PUBLISHER && session != SUBSCRIBER, "{reason:?}");
                assert!(self.sessions.remove(&session).is_some());
            }
            Action::Answer { session, question } => {
                let reply = self.node.answer(&question);
                self.node
                    .handle(self.now, NodeEvent::SessionReply(session, reply));
            }
            Action::Restate(restatement) => self.node.handle(self.now, restatement.carry_out()),
            Action::Notice(notice) => amop_fuzz::assert_one_line(&notice),
            Action::PauseSession { session } => self.pause(session, true),
            Action::ResumeSession { session } => self.pause(session, false),
            Action::CoalesceSession { session } => assert!(self.sessions.contains_key(&session)),
            Action::SendPeer { .. } | Action::FragmentPeer { .. } | Action::ClosePeer { .. } => {
                panic!("there is no peer")
            }
        }
    }

    fn pause(&mut self, session: SessionId, paused: bool) {
        let end = self.sessions.get_mut(&session).expect("an open session");
        assert_eq!(std::mem::replace(&mut end.paused, paused), !paused);
    }
}
