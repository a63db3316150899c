//! A node's session with an SDK that may do anything, and a router that answers now and then.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use amop_fuzz::{Script, assert_error_in_one_line};
use amop_proto::ws::{
    AmopRequest, GroupInfo, WsHandshakeRequest, WsMessage, WsSeq, WsStatus, WsTransmit, WsType,
    server::{ListMeaning, WsServerConfig, WsServerEvent, WsServerSession},
};
use bytes::Bytes;

use super::{any_message, any_publish, any_seq, read};

const LIMIT: usize = 16;
const QUEUED: usize = 4096;

pub(crate) fn run(mut script: Script<'_>) {
    let mut run = Run::new(script.byte());
    while let Some(step) = script.step() {
        run.step(step, &mut script);
        run.check();
    }
    run.session.close();
    run.check();
    assert!(run.closed && run.delivered.is_empty() && run.topics.is_empty());
}

struct Run {
    session: WsServerSession<u32>,
    now: Instant,
    /// Seqs of what the session sent.
    sent: Vec<WsSeq>,
    /// Seqs of the SDK's unicasts.
    unicasts: Vec<WsSeq>,
    tickets: u32,
    delivered: BTreeSet<u32>,
    topics: BTreeSet<Bytes>,
    closed: bool,
}

impl Run {
    fn new(choice: u8) -> Self {
        let now = Instant::now();
        let group = GroupInfo::without_chain("chain0", "group0", "node0");
        let config = WsServerConfig::default().with(|config| {
            config.groups.push(group);
            config.max_in_flight = LIMIT;
            config.max_deliveries = LIMIT;
            config.max_queued = QUEUED;
            config.max_topics = LIMIT;
            config.max_topic_bytes = 256;
            if choice & 1 == 1 {
                config.topic_lists = ListMeaning::Replaces;
            }
        });
        Self {
            session: WsServerSession::new(Arc::new(config), [1; 32], now),
            now,
            sent: Vec::new(),
            unicasts: Vec::new(),
            tickets: 0,
            delivered: BTreeSet::new(),
            topics: BTreeSet::new(),
            closed: false,
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step & 15 {
            0 => {
                let payload = WsHandshakeRequest::client().to_payload();
                let seq = any_seq(script, &[]);
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
            7 | 8 => {
                let list = Bytes::copy_from_slice(script.bytes());
                let seq = any_seq(script, &[]);
                self.receive(WsMessage::new(WsType::SET_TOPICS, seq, list));
            }
            9 | 10 => self.deliver(script),
            11 => {
                let seq = any_seq(script, &self.unicasts);
                let message = any_message(script, &self.sent);
                self.session.answer(&seq, message);
            }
            12 => self.pass(Duration::from_millis(script.short().into())),
            13 => self.session.note_activity(self.now),
            14 => {
                let seq = any_seq(script, &self.unicasts);
                let status = WsStatus(script.short() as i16);
                self.session.fail(&seq, status, script.bytes());
            }
            _ => match script.byte() {
                0 => self.session.handle_eof(),
                1 => self.session.close(),
                _ => {}
            },
        }
    }

    fn receive(&mut self, message: WsMessage) {
        self.session.handle_message(self.now, message);
    }

    fn deliver(&mut self, script: &mut Script<'_>) {
        let topic = Bytes::copy_from_slice(script.bytes());
        let request = AmopRequest::new(topic, vec![7; usize::from(script.byte())]);
        if script.byte() & 1 == 0 {
            let seq = any_seq(script, &self.sent);
            let _ = self.session.deliver_multicast(&request, &seq);
            return;
        }
        let ticket = self.tickets;
        if self.session.deliver(self.now, &request, ticket).is_ok() {
            self.tickets += 1;
            self.delivered.insert(ticket);
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
            assert!(rounds < 10_000, "it is never done at {:?}", self.now);
        }
        self.now = until;
    }

    /// Fetches everything. Checks that what is sent is well-formed, that every delivery ends only once, that the
    /// events tell the topics, that nothing follows the end, and that nothing grows without limit.
    fn check(&mut self) {
        // Answers are limited apart from all. A message may be longer than the limit if it goes alone.
        assert!(self.session.queued_bytes() <= 2 * (QUEUED + 0x1_0000));
        while let Some(transmit) = self.session.poll_transmit() {
            if let WsTransmit::Message(message) = transmit {
                self.sent.push(read(&message).seq);
            }
        }
        while let Some(event) = self.session.poll_event() {
            assert!(!self.closed, "{event:?} after the end");
            self.event(event);
        }
        assert_eq!(self.session.is_closed(), self.closed);
        assert_eq!(self.session.deliveries(), self.delivered.len());
        assert!(self.session.in_flight() <= LIMIT && self.session.deliveries() <= LIMIT);
        assert!(self.topics.len() <= LIMIT);
        assert!(
            self.topics
                .iter()
                .all(|topic| self.session.has_topic(topic))
        );
    }

    fn event(&mut self, event: WsServerEvent<u32>) {
        match event {
            WsServerEvent::TopicsChanged { added, removed } => {
                for topic in removed {
                    assert!(self.topics.remove(&topic));
                }
                for topic in added {
                    assert!(self.topics.insert(topic));
                }
            }
            WsServerEvent::Unicast { seq, .. } => self.unicasts.push(seq),
            WsServerEvent::Answered { ticket, .. } | WsServerEvent::Unanswered { ticket, .. } => {
                assert!(self.delivered.remove(&ticket));
            }
            WsServerEvent::Closed(reason) => {
                self.closed = true;
                self.topics.clear();
                assert_error_in_one_line(&reason);
            }
            WsServerEvent::Ready { .. } | WsServerEvent::Multicast { .. } => {}
            WsServerEvent::Notice(_) => {}
        }
    }
}
