//! Tests of the state machine. Time is passed in.

mod attempts;
mod liveness;
mod pool;
mod private;
mod pushes;
mod quiet;
mod requests;
mod topics;
mod window;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::*;
use crate::{
    TopicName,
    channel::{Frame, FrameDecoder, FrameType, HandshakeResponse, Seq, frame_topic},
};

/// A session, a clock, and the node's view of the session.
struct Harness {
    session: ClientSession<u32>,
    now: Instant,
}

impl Harness {
    fn new(config: ClientConfig) -> Self {
        let now = Instant::now();
        Self {
            session: ClientSession::new(config, [1; 32], now),
            now,
        }
    }

    /// Returns a harness after a handshake that chose `protocol`.
    fn ready_with(config: ClientConfig, protocol: u32) -> Self {
        let mut harness = Self::new(config);
        let hello = harness.sent_one();
        harness.receive(Frame {
            body: handshake_body(protocol),
            ..hello
        });
        assert!(matches!(harness.events()[..], [SessionEvent::Ready { .. }]));
        harness
    }

    fn ready() -> Self {
        Self::ready_with(ClientConfig::default(), 3)
    }

    fn receive(&mut self, frame: Frame) {
        self.session.handle_frame(self.now, frame);
    }

    /// Answers a heartbeat, or the heartbeat after a topic set.
    fn answer_heartbeat(&mut self, heartbeat: &Frame) {
        assert_eq!(heartbeat.kind, FrameType::HEARTBEAT);
        self.receive(Frame {
            body: Bytes::from_static(b"{\"heartBeat\":1}\n"),
            ..heartbeat.clone()
        });
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    fn sent(&mut self) -> Vec<Frame> {
        let mut wire = BytesMut::new();
        let any = self.session.poll_transmit(self.now, &mut wire);
        assert_eq!(any, !wire.is_empty());
        let decoder = FrameDecoder::default();
        let mut frames = Vec::new();
        while let Some(frame) = decoder.decode(&mut wire).unwrap() {
            frames.push(frame);
        }
        assert!(wire.is_empty());
        frames
    }

    #[track_caller]
    fn sent_one(&mut self) -> Frame {
        let mut frames = self.sent();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    fn events(&mut self) -> Vec<SessionEvent<u32>> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// Publishes a message and returns the seq.
    fn request(&mut self, kind: MessageKind, payload: &str, after: Duration, token: u32) -> Seq {
        let deadline = self.now + after;
        let topic = hello();
        self.session
            .request(kind, &topic, payload.as_bytes(), deadline, token)
            .unwrap()
    }
}

fn hello() -> TopicName {
    topic("hello")
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn handshake_body(protocol: u32) -> Bytes {
    let response = HandshakeResponse {
        node_version: "2.11.1".into(),
        protocol,
        quiet_multicasts: false,
        // This makes it an overlay node; a FISCO node does not send this field.
        answer_within: Some(5000),
        max_frame: None,
    };
    response.to_body()
}

fn framed(payload: &str) -> Bytes {
    frame_topic(b"hello", payload.as_bytes())
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn finished(token: u32, outcome: RequestOutcome) -> SessionEvent<u32> {
    SessionEvent::Finished { token, outcome }
}
