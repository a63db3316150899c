//! Tests of the translator on the node's side. Time is passed in.

mod publishing;
mod subscribing;
mod topics;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::*;
use crate::{
    channel::{Frame, FrameType, HEADER_LEN, frame_topic},
    client::MessageKind,
    node::Timeouts,
    ws::{
        AmopRequest, EncodedMessage, MAX_MESSAGE, WsHandshakeRequest, WsMessage, WsSeq, WsStatus,
        WsTransmit, WsType, server::WsServerConfig,
    },
};

/// A translator, a clock, and both of its sides.
struct Harness {
    bridge: SdkBridge,
    now: Instant,
}

impl Harness {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// Returns a harness without a handshake.
    fn with(change: impl FnOnce(&mut SdkBridgeConfig)) -> Self {
        let now = Instant::now();
        let session = WsServerConfig::default();
        let config = SdkBridgeConfig::for_node(session, &Timeouts::default()).with(change);
        let bridge = SdkBridge::new(config, [1; 32], now);
        Self { bridge, now }
    }

    fn ready() -> Self {
        Self::ready_with(|_| {})
    }

    fn ready_with(change: impl FnOnce(&mut SdkBridgeConfig)) -> Self {
        let mut harness = Self::with(change);
        let payload = WsHandshakeRequest::client().to_payload();
        harness.send(WsType::HANDSHAKE, "handshake", payload);
        assert_eq!(harness.sent_one().kind, WsType::HANDSHAKE);
        assert_eq!(harness.frame().kind, FrameType::HANDSHAKE);
        harness
    }

    /// Returns a harness whose SDK has this topic.
    fn subscribed(topic: &str) -> Self {
        let mut harness = Self::ready();
        harness.list(&[topic]);
        let kinds: Vec<_> = harness.frames().iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, [FrameType::SET_TOPICS, FrameType::HEARTBEAT]);
        harness
    }

    /// Handles a message of the SDK.
    fn send(&mut self, kind: WsType, seq: &str, payload: impl Into<Bytes>) {
        self.receive(WsMessage::new(kind, sdk_seq(seq), payload));
    }

    fn receive(&mut self, message: WsMessage) {
        self.bridge.handle_message(self.now, message);
    }

    fn list(&mut self, topics: &[&str]) {
        let list = serde_json::json!({ "topics": topics }).to_string();
        self.send(WsType::SET_TOPICS, "list", list);
    }

    /// Publishes a message of the SDK.
    fn publish(&mut self, kind: WsType, seq: &str, topic: &[u8], data: &[u8]) {
        let request = AmopRequest::new(topic.to_vec(), data.to_vec());
        let kind_of = match kind {
            WsType::UNICAST => MessageKind::Unicast,
            _ => MessageKind::Multicast,
        };
        let message = EncodedMessage::amop(kind_of, &sdk_seq(seq), &request).unwrap();
        let message = WsMessage::decode(message.to_bytes(), MAX_MESSAGE).unwrap();
        self.receive(message);
    }

    /// Handles a frame of the node.
    fn node(&mut self, frame: Frame) {
        self.bridge.handle_frame(self.now, frame);
    }

    /// Answers the SDK's unicast as the node does.
    fn answer(&mut self, seq: &str, result: i32, body: &'static str) {
        self.node(Frame {
            result,
            ..Frame::new(FrameType::RESPONSE, seq_of(seq), body)
        });
    }

    /// Pushes a message to the SDK, and returns what it gets.
    fn push(&mut self, kind: FrameType, seq: &str, data: &str) -> WsMessage {
        self.node(Frame::amop(kind, seq_of(seq), b"topic", data.as_bytes()));
        self.sent_one()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.bridge.handle_timeout(self.now);
    }

    /// Lets time pass while the SDK answers every ping.
    fn pass_alive(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.bridge.next_timeout().filter(|&due| due <= end) {
            self.now = due;
            self.bridge.note_activity(due);
            self.bridge.handle_timeout(due);
        }
        self.now = end;
        self.bridge.handle_timeout(end);
    }

    fn frames(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.bridge.poll_frame()).collect()
    }

    #[track_caller]
    fn frame(&mut self) -> Frame {
        let mut frames = self.frames();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// Returns what the SDK was sent, without pings.
    fn sent(&mut self) -> Vec<WsMessage> {
        let transmits = std::iter::from_fn(|| self.bridge.poll_transmit());
        let sent = transmits.filter_map(|transmit| match transmit {
            WsTransmit::Message(message) => {
                Some(WsMessage::decode(message.to_bytes(), MAX_MESSAGE).unwrap())
            }
            WsTransmit::Ping => None,
        });
        sent.collect()
    }

    #[track_caller]
    fn sent_one(&mut self) -> WsMessage {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn notices(&mut self) -> Vec<SdkNotice> {
        std::iter::from_fn(|| self.bridge.poll_notice()).collect()
    }
}

fn sdk_seq(name: &str) -> WsSeq {
    WsSeq::new(name.as_bytes()).unwrap()
}

/// Returns a seq of 32 bytes that begins with a name.
fn long(name: &str) -> String {
    format!("{name:0<32}")
}

fn seq_of(name: &str) -> Seq {
    Seq(name.as_bytes().try_into().unwrap())
}

fn response(seq: &str, result: i32, body: &'static str) -> Frame {
    Frame {
        result,
        ..Frame::new(FrameType::RESPONSE, seq_of(seq), body)
    }
}

/// Nothing goes to the node before the handshake, and heartbeats keep the session up there.
#[test]
fn the_node_gets_a_handshake_and_heartbeats() {
    let mut harness = Harness::new();
    harness.pass_alive(Duration::from_secs(20));
    assert_eq!(harness.frames(), []);
    let payload = WsHandshakeRequest::client().to_payload();
    harness.send(WsType::HANDSHAKE, "handshake", payload);
    let frame = harness.frame();
    assert_eq!(
        HandshakeRequest::parse(&frame.body).unwrap(),
        HandshakeRequest::bridge()
    );
    harness.pass_alive(Duration::from_secs(60));
    let kinds: Vec<_> = harness.frames().iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [FrameType::HEARTBEAT; 4]);
}

#[test]
fn the_end_of_the_session_is_told_with_its_reason() {
    let mut harness = Harness::ready();
    assert_eq!(harness.bridge.close_reason(), None);
    harness.bridge.handle_eof();
    assert!(harness.bridge.is_closed());
    assert_eq!(
        harness.bridge.close_reason(),
        Some(&WsServerCloseReason::Peer)
    );
    assert_eq!(harness.bridge.next_timeout(), None);
    // What comes later has no effect.
    harness.node(Frame::amop(
        FrameType::UNICAST,
        seq_of(&long("a")),
        b"topic",
        b"",
    ));
    assert_eq!((harness.frames(), harness.sent()), (vec![], vec![]));
}

#[test]
fn a_silent_sdk_is_given_up() {
    let mut harness = Harness::ready();
    harness.pass(Duration::from_secs(5));
    harness.pass(Duration::from_secs(5));
    assert!(matches!(
        harness.bridge.close_reason(),
        Some(WsServerCloseReason::Silent { .. })
    ));
}

/// A node logs few lines about one SDK, whatever it sends.
#[test]
fn notices_are_bounded_and_counted() {
    let mut harness = Harness::ready();
    for _ in 0..100 {
        harness.send(WsType::UNICAST, "x", "short");
    }
    let notices = harness.notices();
    assert_eq!(notices.len(), MAX_NOTICES + 1);
    let count = 100 - MAX_NOTICES as u64;
    assert_eq!(notices.last(), Some(&SdkNotice::Dropped { count }));
    assert_eq!(harness.notices(), []);
}

#[test]
fn frames_without_a_counterpart_are_reported() {
    let mut harness = Harness::ready();
    let seq = seq_of(&long("v"));
    harness.node(Frame::new(FrameType::VERIFY_PEER, seq, "x"));
    assert_eq!(
        harness.notices(),
        [SdkNotice::NoCounterpart(FrameType::VERIFY_PEER)]
    );
    assert_eq!(harness.sent(), []);
}
