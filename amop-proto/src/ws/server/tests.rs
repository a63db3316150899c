//! Tests of the node's session. Time is passed in.

mod delivering;
mod publishing;
mod session;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::*;
use crate::ws::{
    AmopRequest, MAX_MESSAGE, WsHandshakeRequest, WsMessage, WsSeq, WsStatus, WsTransmit, WsType,
};

/// A session, a clock, and the SDK's view of the session.
struct Harness {
    session: WsServerSession<u32>,
    now: Instant,
}

impl Harness {
    fn new(config: WsServerConfig) -> Self {
        let now = Instant::now();
        Self {
            session: WsServerSession::new(Arc::new(config), [1; 32], now),
            now,
        }
    }

    /// Returns a harness after the handshake.
    fn ready_with(config: WsServerConfig) -> Self {
        let mut harness = Self::new(config);
        harness.shake_hands();
        assert_eq!(harness.events(), [WsServerEvent::Ready { version: 2 }]);
        assert_eq!(harness.sent_one().kind, WsType::HANDSHAKE);
        harness
    }

    fn ready() -> Self {
        Self::ready_with(WsServerConfig::default())
    }

    fn shake_hands(&mut self) {
        let payload = WsHandshakeRequest::client().to_payload();
        self.send(WsType::HANDSHAKE, "handshake", payload);
    }

    /// Handles a message of the SDK.
    fn send(&mut self, kind: WsType, seq: &str, payload: impl Into<Bytes>) {
        self.receive(WsMessage::new(kind, sdk_seq(seq), payload));
    }

    fn receive(&mut self, message: WsMessage) {
        self.session.handle_message(self.now, message);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    /// Lets time pass while the SDK answers every ping.
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

    fn events(&mut self) -> Vec<WsServerEvent<u32>> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn deliver(&mut self, data: &'static str, ticket: u32) -> WsSeq {
        let now = self.now;
        let delivered = self.session.deliver(now, &request(data), ticket);
        delivered.unwrap().into()
    }
}

fn request(data: &'static str) -> AmopRequest {
    AmopRequest::new("hello", data)
}

/// Returns the payload of an AMOP message.
fn payload(request: &AmopRequest) -> Bytes {
    let mut payload = request.version.to_be_bytes().to_vec();
    payload.extend((request.topic.len() as u16).to_be_bytes());
    payload.extend(&request.topic);
    payload.extend(&request.data);
    payload.into()
}

fn sdk_seq(name: &str) -> WsSeq {
    WsSeq::new(name.as_bytes()).unwrap()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn notice(notice: WsServerNotice) -> WsServerEvent<u32> {
    WsServerEvent::Notice(notice)
}

fn changed(added: &[&'static str], removed: &[&'static str]) -> WsServerEvent<u32> {
    let bytes = |topics: &[&'static str]| topics.iter().map(|&topic| topic.into()).collect();
    WsServerEvent::TopicsChanged {
        added: bytes(added),
        removed: bytes(removed),
    }
}
