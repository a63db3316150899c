//! SDKs and their messages.
//!
//! An SDK here is as simple as possible: it gets everything sent to it at once, and what it sends
//! is in transit until a step delivers it.

use std::collections::{BTreeSet, VecDeque};

use amop_proto::{
    channel::{Frame, FrameType, Seq, frame_topic},
    node::SessionId,
};

pub(crate) const TOPIC: &[u8] = b"t";

/// A subscriber, connected or not.
#[derive(Debug, Clone)]
pub(crate) struct Sdk {
    pub(crate) host: usize,
    /// How often it may still connect or disconnect.
    pub(crate) changes: u8,
    pub(crate) session: Option<SessionId>,
    /// How often it has connected.
    pub(crate) came: u64,
    /// Frames that it has sent and that have not arrived.
    pub(crate) sent: VecDeque<Frame>,
    /// The messages that came over the current session.
    pub(crate) got: BTreeSet<usize>,
    /// Whether it was told that its subscription is known.
    pub(crate) subscribed: bool,
}

/// A message, from before it is sent until its outcome.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) unicast: bool,
    pub(crate) sent: bool,
    /// The result that its publisher was told.
    pub(crate) outcome: Option<i32>,
    /// Subscribers that got it.
    pub(crate) got: BTreeSet<usize>,
    /// Subscribers that it must reach; for a unicast, one of them.
    pub(crate) sure: BTreeSet<usize>,
    /// How often it crossed a link.
    pub(crate) crossings: u16,
}

/// Returns the seq of a message.
pub(crate) fn seq_of(message: usize) -> Seq {
    Seq([b'a' + message as u8; Seq::LEN])
}

/// Returns the content of a message.
fn payload(message: usize) -> [u8; 2] {
    [b'm', b'0' + message as u8]
}

pub(crate) fn frame_of(message: usize, unicast: bool) -> Frame {
    let kind = if unicast {
        FrameType::UNICAST
    } else {
        FrameType::MULTICAST
    };
    Frame::amop(kind, seq_of(message), TOPIC, &payload(message))
}

/// Returns a subscriber's answer to a message.
pub(crate) fn answer_of(message: usize, subscriber: usize) -> Frame {
    let body = [payload(message)[1], b'0' + subscriber as u8];
    Frame::amop(FrameType::RESPONSE, seq_of(message), TOPIC, &body)
}

/// Returns the frames that an SDK sends when it connects.
pub(crate) fn subscription(topics: &'static [u8]) -> [Frame; 2] {
    let seq = |byte| Seq([byte; Seq::LEN]);
    [
        Frame::new(FrameType::SET_TOPICS, seq(b'S'), topics),
        Frame::new(FrameType::HEARTBEAT, seq(b'H'), &b"0"[..]),
    ]
}

/// Returns the subscriber that sent this answer, if it is an answer to this message.
pub(crate) fn who_answered(message: usize, answer: &Frame) -> Option<usize> {
    (0..10).find(|&subscriber| {
        let body = [payload(message)[1], b'0' + subscriber as u8];
        answer.body == frame_topic(TOPIC, &body)
    })
}
