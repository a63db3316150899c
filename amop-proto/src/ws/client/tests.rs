//! Tests of the client's session. Time is passed in.

mod deliveries;
mod publishing;
mod session;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::ws::{
    AmopRequest, MAX_MESSAGE, WsHandshakeResponse, WsMessage, WsSeq, WsTopic, WsTransmit, WsType,
};

/// A session, a clock, and the node's view of the session.
struct Harness {
    session: WsClientSession<u32>,
    now: Instant,
}

impl Harness {
    fn new(config: WsClientConfig) -> Self {
        let now = Instant::now();
        Self {
            session: WsClientSession::new(config, [1; 32], now),
            now,
        }
    }

    /// Returns a harness after the handshake and the first list of topics.
    fn ready_with(config: WsClientConfig) -> Self {
        let mut harness = Self::new(config);
        let hello = harness.sent_one();
        harness.receive(WsMessage {
            payload: answer(),
            ..hello
        });
        assert!(matches!(
            harness.events()[..],
            [WsClientEvent::Ready { .. }]
        ));
        assert_eq!(harness.sent_one().kind, WsType::SET_TOPICS);
        harness
    }

    fn ready() -> Self {
        Self::ready_with(WsClientConfig::default())
    }

    /// Returns a harness with the topic `hello`.
    fn subscribed() -> Self {
        let mut harness = Self::ready();
        harness.session.subscribe(&hello()).unwrap();
        harness.sent();
        harness
    }

    fn receive(&mut self, message: WsMessage) {
        self.session.handle_message(self.now, message);
    }

    /// Delivers a message with the topic `hello`.
    fn push(&mut self, kind: WsType, seq: &WsSeq, data: &str) {
        let request = AmopRequest::new("hello", Bytes::copy_from_slice(data.as_bytes()));
        self.receive(WsMessage::new(kind, seq.clone(), payload(&request)));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    /// Lets time pass while the node answers every ping.
    fn pass_alive(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.session.note_activity(self.now);
            self.pass(Duration::from_secs(1));
        }
    }

    fn transmits(&mut self) -> Vec<WsTransmit> {
        std::iter::from_fn(|| self.session.poll_transmit()).collect()
    }

    /// Returns the messages that were sent. Pings are left out: they depend on the time alone.
    fn sent(&mut self) -> Vec<WsMessage> {
        let transmits = self.transmits().into_iter();
        let sent = transmits.filter_map(|transmit| match transmit {
            WsTransmit::Message(message) => {
                Some(WsMessage::decode(message.to_bytes(), MAX_MESSAGE).unwrap())
            }
            WsTransmit::Ping => None,
        });
        let sent = sent.collect();
        assert_eq!(self.session.queued_bytes(), 0);
        sent
    }

    #[track_caller]
    fn sent_one(&mut self) -> WsMessage {
        let mut messages = self.sent();
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    fn events(&mut self) -> Vec<WsClientEvent<u32>> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// Publishes a unicast and returns its seq.
    fn request(&mut self, payload: &'static str, after: Duration, token: u32) -> WsSeq {
        let deadline = self.now + after;
        let sent = self.session.request(&hello(), payload, deadline, token);
        sent.unwrap().into()
    }
}

fn answer() -> Bytes {
    WsHandshakeResponse::new(2, Vec::new()).to_payload()
}

fn hello() -> WsTopic {
    topic("hello")
}

fn topic(name: &str) -> WsTopic {
    WsTopic::new(name).unwrap()
}

/// Returns the payload of an AMOP message.
fn payload(request: &AmopRequest) -> Bytes {
    let mut payload = request.version.to_be_bytes().to_vec();
    payload.extend((request.topic.len() as u16).to_be_bytes());
    payload.extend(&request.topic);
    payload.extend(&request.data);
    payload.into()
}

fn node_seq(name: &str) -> WsSeq {
    WsSeq::new(name.as_bytes()).unwrap()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn finished(token: u32, outcome: WsOutcome) -> WsClientEvent<u32> {
    WsClientEvent::Finished { token, outcome }
}

fn notice(notice: WsClientNotice) -> WsClientEvent<u32> {
    WsClientEvent::Notice(notice)
}
