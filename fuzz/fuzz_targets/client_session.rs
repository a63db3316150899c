//! A client's session with a node that may do anything: frames in any order, and time.
//!
//! The input is a script: one byte selects the next step, the bytes after it are its parameters.
#![no_main]
#![forbid(unsafe_code)]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use amop_fuzz::Script;
use amop_proto::{
    TopicName,
    channel::{Frame, FrameDecoder, FrameType, Seq, frame_topic},
    client::{ClientConfig, ClientSession, MessageKind, SessionEvent},
};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

const TOPICS: [&str; 4] = ["hello", "x", "#!$TopicNeedVerify_private", "another"];

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let mut run = Run::new();
    while let Some(step) = script.step() {
        run.step(step, &mut script);
        run.check();
    }
    run.end();
});

struct Run {
    session: ClientSession<u32>,
    now: Instant,
    /// Seqs of the frames that the session sent, to be answered.
    sent: Vec<(FrameType, Seq)>,
    tokens: u32,
    open: BTreeSet<u32>,
    closed: bool,
}

impl Run {
    fn new() -> Self {
        let now = Instant::now();
        let config = ClientConfig::default().with(|config| config.max_in_flight = 64);
        let session = ClientSession::new(config, [1; 32], now);
        let mut run = Self {
            session,
            now,
            sent: Vec::new(),
            tokens: 0,
            open: BTreeSet::new(),
            closed: false,
        };
        run.check();
        run
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        let topic = TopicName::new(TOPICS[usize::from(step >> 4) % TOPICS.len()]).unwrap();
        match step & 15 {
            0..=3 => self.answer(script),
            4 | 5 => self.frame(script),
            6 => self.push(&topic, script),
            7..=9 => self.request(&topic, script),
            10 => drop(self.session.subscribe(&topic)),
            11 => drop(self.session.unsubscribe(&topic)),
            12 => self.pass(Duration::from_millis(script.short().into())),
            13 => self.session.note_activity(self.now),
            14 => {
                let (_, seq) = self.any_sent(script);
                self.session
                    .respond(seq, &topic, script.byte().into(), script.bytes());
            }
            _ => match script.byte() {
                0 => self.session.handle_eof(),
                1 => self.session.close(),
                _ => {
                    let (_, seq) = self.any_sent(script);
                    if let Some(token) = self.session.cancel(&seq) {
                        assert!(self.open.remove(&token));
                    }
                }
            },
        }
    }

    fn any_sent(&self, script: &mut Script<'_>) -> (FrameType, Seq) {
        let at = usize::from(script.byte());
        let sent = self.sent.iter().rev().nth(at).or(self.sent.last());
        sent.copied()
            .unwrap_or((FrameType::HEARTBEAT, Seq([b'0'; 32])))
    }

    /// Answers a frame that the session sent, with any result and body.
    fn answer(&mut self, script: &mut Script<'_>) {
        let (kind, seq) = self.any_sent(script);
        let kind = match kind {
            FrameType::UNICAST | FrameType::MULTICAST => FrameType::RESPONSE,
            other => other,
        };
        let frame = Frame {
            kind,
            seq,
            result: i32::from(script.byte()),
            body: Bytes::copy_from_slice(script.bytes()),
        };
        self.session.handle_frame(self.now, frame);
    }

    /// Sends any frame.
    fn frame(&mut self, script: &mut Script<'_>) {
        let kind = FrameType(script.short());
        let seq = Seq([script.byte(); 32]);
        let frame = Frame::new(kind, seq, Bytes::copy_from_slice(script.bytes()));
        self.session.handle_frame(self.now, frame);
    }

    fn push(&mut self, topic: &TopicName, script: &mut Script<'_>) {
        let kinds = [FrameType::UNICAST, FrameType::MULTICAST];
        let kind = kinds[usize::from(script.byte() & 1)];
        let seq = Seq([script.byte(); 32]);
        let body = frame_topic(topic.as_bytes(), script.bytes());
        self.session
            .handle_frame(self.now, Frame::new(kind, seq, body));
    }

    fn request(&mut self, topic: &TopicName, script: &mut Script<'_>) {
        let how = script.byte();
        let kind = if how & 1 == 0 {
            MessageKind::Unicast
        } else {
            MessageKind::Multicast
        };
        let deadline = self.now + Duration::from_millis(u64::from(how) * 100);
        let payload = [7; 200];
        let payload = &payload[..usize::from(how).min(payload.len())];
        let token = self.tokens;
        if self
            .session
            .request(kind, topic, payload, deadline, token)
            .is_ok()
        {
            self.tokens += 1;
            self.open.insert(token);
        }
    }

    /// Lets time pass as for a driver: it stops at every timeout.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut rounds = 0;
        while let Some(due) = self.session.next_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.check();
            rounds += 1;
            assert!(rounds < 100_000, "it is never done at {:?}", self.now);
        }
        self.now = until;
    }

    /// Fetches everything. Checks that sent frames are well-formed, that everything ends only once,
    /// and that nothing follows the end.
    fn check(&mut self) {
        let mut wire = BytesMut::new();
        self.session.poll_transmit(self.now, &mut wire);
        while let Some(frame) = FrameDecoder::default()
            .decode(&mut wire)
            .expect("well-formed")
        {
            self.sent.push((frame.kind, frame.seq));
        }
        assert!(wire.is_empty());
        while let Some(event) = self.session.poll_event() {
            assert!(!self.closed, "{event:?} after the end");
            match event {
                SessionEvent::Finished { token, .. } => assert!(self.open.remove(&token)),
                SessionEvent::Closed(_) => self.closed = true,
                _ => {}
            }
        }
        assert_eq!(self.session.is_closed(), self.closed);
        assert_eq!(self.session.in_flight(), self.open.len());
    }

    fn end(mut self) {
        self.session.close();
        self.check();
        assert!(self.closed && self.open.is_empty());
    }
}
