//! A client's session with a node that may do anything.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use amop_fuzz::{Script, assert_error_in_one_line};
use amop_proto::ws::{
    WsHandshakeResponse, WsMessage, WsSeq, WsStatus, WsTopic, WsTransmit, WsType,
    client::{WsClientConfig, WsClientEvent, WsClientSession},
};
use bytes::Bytes;

use super::{TOPICS, any_message, any_publish, any_seq, read};

const LIMIT: usize = 16;
const QUEUED: usize = 4096;

pub(crate) fn run(mut script: Script<'_>) {
    let mut run = Run::new();
    while let Some(step) = script.step() {
        run.step(step, &mut script);
        run.check();
    }
    run.session.close();
    run.check();
    assert!(run.closed && run.open.is_empty());
}

struct Run {
    session: WsClientSession<u32>,
    now: Instant,
    /// Seqs of what the session sent.
    sent: Vec<WsSeq>,
    /// Seqs of what the program can answer.
    pushed: Vec<WsSeq>,
    tokens: u32,
    open: BTreeSet<u32>,
    closed: bool,
}

impl Run {
    fn new() -> Self {
        let now = Instant::now();
        let config = WsClientConfig::default().with(|config| {
            config.max_in_flight = LIMIT;
            config.max_deliveries = LIMIT;
            config.max_queued = QUEUED;
            config.max_topic_list = 40;
        });
        let mut run = Self {
            session: WsClientSession::new(config, [1; 32], now),
            now,
            sent: Vec::new(),
            pushed: Vec::new(),
            tokens: 0,
            open: BTreeSet::new(),
            closed: false,
        };
        run.check();
        run
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        let topic = WsTopic::new(TOPICS[usize::from(step >> 4) % TOPICS.len()]).unwrap();
        match step & 15 {
            0 => {
                let seq = self.sent.first().cloned().unwrap_or(WsSeq::EMPTY);
                let payload = WsHandshakeResponse::new(1, Vec::new()).to_payload();
                self.receive(WsMessage::new(WsType::HANDSHAKE, seq, payload));
            }
            1..=3 => {
                let message = any_message(script, &self.sent);
                self.receive(message);
            }
            4..=6 => {
                let message = any_publish(script, &self.sent);
                self.receive(message);
            }
            7..=9 => self.publish(&topic, script),
            10 => {
                let _ = self.session.subscribe(&topic);
            }
            11 => {
                self.session.unsubscribe(&topic);
            }
            12 => self.pass(Duration::from_millis(script.short().into())),
            13 => self.session.note_activity(self.now),
            14 => self.respond(script),
            _ => match script.byte() {
                0 => self.session.handle_eof(),
                1 => self.session.close(),
                _ => {
                    let seq = any_seq(script, &self.sent).as_seq();
                    if let Some(token) = seq.and_then(|seq| self.session.cancel(&seq)) {
                        assert!(self.open.remove(&token));
                    }
                }
            },
        }
    }

    fn receive(&mut self, message: WsMessage) {
        self.session.handle_message(self.now, message);
    }

    fn publish(&mut self, topic: &WsTopic, script: &mut Script<'_>) {
        let how = script.byte();
        let payload = Bytes::from(vec![7; usize::from(how)]);
        if how & 1 == 0 {
            let _ = self.session.multicast(topic, payload);
            return;
        }
        let deadline = self.now + Duration::from_millis(u64::from(how) * 100);
        let token = self.tokens;
        if self
            .session
            .request(topic, payload, deadline, token)
            .is_ok()
        {
            self.tokens += 1;
            self.open.insert(token);
        }
    }

    fn respond(&mut self, script: &mut Script<'_>) {
        let seq = any_seq(script, &self.pushed);
        let status = WsStatus(script.byte().into());
        let payload = Bytes::copy_from_slice(script.bytes());
        let _ = self.session.respond(self.now, &seq, status, payload);
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
            assert!(rounds < 10_000, "it is never done at {:?}", self.now);
        }
        self.now = until;
    }

    /// Fetches everything. Checks that what is sent is well-formed, that everything ends only once, that nothing
    /// follows the end, and that nothing grows without limit.
    fn check(&mut self) {
        // A list of topics and the session's own messages come on top.
        assert!(self.session.queued_bytes() <= QUEUED + 0x1_1000);
        while let Some(transmit) = self.session.poll_transmit() {
            if let WsTransmit::Message(message) = transmit {
                self.sent.push(read(&message).seq);
            }
        }
        while let Some(event) = self.session.poll_event() {
            assert!(!self.closed, "{event:?} after the end");
            match event {
                WsClientEvent::Finished { token, .. } => assert!(self.open.remove(&token)),
                WsClientEvent::Push(push) => self.pushed.push(push.seq),
                WsClientEvent::Closed(reason) => {
                    self.closed = true;
                    assert_error_in_one_line(&reason);
                }
                WsClientEvent::Ready(_) | WsClientEvent::Notice(_) => {}
            }
        }
        assert_eq!(self.session.is_closed(), self.closed);
        assert_eq!(self.session.in_flight(), self.open.len());
        assert!(self.session.in_flight() <= LIMIT && self.session.deliveries() <= LIMIT);
    }
}
