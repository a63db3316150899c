//! Stored data do not use more memory than the node counts for them.

use std::time::Instant;

use crate::support::{config, seq};
use amop_proto::{
    channel::{Frame, FrameType, encode_topics, frame_topic},
    node::{Action, NodeEvent, NodeMachine, SessionId, SessionIdentity},
};
use bytes::{Bytes, BytesMut};

/// A machine with a publisher, and a subscriber that neither reads nor answers.
struct Bench {
    machine: NodeMachine,
    now: Instant,
}

const SUBSCRIBER: SessionId = SessionId(1);
const PUBLISHER: SessionId = SessionId(2);

impl Bench {
    fn new() -> Self {
        let machine = NodeMachine::new(config(0));
        let now = Instant::now();
        let mut bench = Self { machine, now };
        for (session, key) in [(SUBSCRIBER, 1), (PUBLISHER, 2)] {
            let identity = SessionIdentity {
                key: [key; 32],
                agency: [key; 32],
            };
            bench.event(NodeEvent::SessionOpened { session, identity });
        }
        let body = encode_topics(["void"]);
        let frame = Frame::new(FrameType::SET_TOPICS, seq(0), body);
        bench.event(NodeEvent::session_frame(SUBSCRIBER, frame));
        bench
    }

    /// Handles an event and returns the frames to send, which are not written yet.
    fn event(&mut self, event: NodeEvent) -> Vec<Frame> {
        self.machine.handle(self.now, event);
        let actions = std::iter::from_fn(|| self.machine.poll_action());
        let frames = actions.filter_map(|action| match action {
            Action::SendSession { frame, .. } => Some(frame),
            _ => None,
        });
        frames.collect()
    }

    /// Sends a short message in a long buffer. Returns the frames to send, and whether the buffer
    /// was kept.
    fn message(&mut self, number: u64, kind: FrameType) -> (Vec<Frame>, bool) {
        let mut buffer = BytesMut::from(&frame_topic(b"void", &[7; 60])[..]);
        buffer.resize(64 * 1024, 0);
        let buffer = buffer.freeze();
        let body = buffer.slice(..frame_topic(b"void", &[7; 60]).len());
        let frame = Frame::new(kind, seq(number), body);
        let sent = self.event(NodeEvent::session_frame(PUBLISHER, frame));
        (sent, buffer.is_unique())
    }
}

fn content(frames: &[Frame]) -> Vec<Bytes> {
    frames.iter().map(|frame| frame.body.clone()).collect()
}

#[test]
fn many_unicasts_in_flight_do_not_keep_the_buffers_they_came_in() {
    let mut bench = Bench::new();
    let (mut kept, mut waiting) = (0, Vec::new());
    for number in 0..2000 {
        let (sent, freed) = bench.message(number, FrameType::UNICAST);
        kept += usize::from(!freed);
        assert_eq!(content(&sent), [frame_topic(b"void", &[7; 60])]);
        waiting.extend(sent);
    }
    assert_eq!(bench.machine.router().in_flight(), 2000);
    assert!(kept <= 256, "{kept} buffers are kept");
}

#[test]
fn short_frames_count_with_what_they_take_until_they_have_left() {
    let mut bench = Bench::new();
    let before = bench.machine.router().session_bytes();
    let mut bytes = 0;
    for number in 0..100 {
        let (sent, _) = bench.message(number, FrameType::MULTICAST);
        let delivered = sent.iter().find(|f| f.kind == FrameType::MULTICAST);
        bytes += delivered.unwrap().wire_len();
    }
    let counted = |bench: &Bench| bench.machine.router().session_bytes() - before;
    // The count for each message, and for the answer to the publisher.
    let all = counted(&bench);
    assert!(all >= bytes + 100 * 128, "{all}");
    // The same when they are written in small pieces.
    for _ in 0..bytes / 7 {
        bench.event(NodeEvent::SessionWritten(SUBSCRIBER, 7));
    }
    bench.event(NodeEvent::SessionWritten(SUBSCRIBER, bytes % 7));
    let answers = counted(&bench);
    assert!(answers < all / 2 + 1000 && answers > 100 * 128, "{answers}");
    for session in [PUBLISHER, SUBSCRIBER] {
        bench.event(NodeEvent::SessionClosed(session));
    }
    assert_eq!(bench.machine.router().session_bytes(), 0);
}

#[test]
fn what_waits_to_be_written_does_not_keep_the_buffers_it_came_in() {
    let mut bench = Bench::new();
    let (mut kept, mut waiting) = (0, Vec::new());
    for number in 0..30_000 {
        let (sent, freed) = bench.message(number, FrameType::MULTICAST);
        kept += usize::from(!freed);
        let delivered = sent.iter().filter(|f| f.kind == FrameType::MULTICAST);
        assert_eq!(delivered.count(), 1);
        waiting.extend(sent);
    }
    assert!(bench.machine.router().session_bytes() > 2 << 20);
    assert!(kept <= 1 << 13, "{kept} buffers are kept");
}
