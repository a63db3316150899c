//! SDKs and their messages.
//!
//! An SDK here is the simplest one: what it is sent it has at once, and what it sends is under way
//! until a step delivers it.

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
    /// How often it may still come or go.
    pub(crate) changes: u8,
    pub(crate) session: Option<SessionId>,
    /// How often it has come.
    pub(crate) came: u64,
    /// Frames it has sent that have not arrived.
    pub(crate) sent: VecDeque<Frame>,
    /// The messages that came over the session at hand.
    pub(crate) got: BTreeSet<usize>,
    /// It has been told that its subscription is known.
    pub(crate) subscribed: bool,
}

/// A message, from before it is sent until its outcome.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) unicast: bool,
    pub(crate) sent: bool,
    /// The result its publisher was told.
    pub(crate) outcome: Option<i32>,
    /// Subscribers that have it.
    pub(crate) got: BTreeSet<usize>,
    /// Subscribers it must reach, one of them if it is a unicast.
    pub(crate) sure: BTreeSet<usize>,
    /// How often it crossed a wire.
    pub(crate) crossings: u16,
}

/// The seq of a message.
pub(crate) fn seq_of(message: usize) -> Seq {
    Seq([b'a' + message as u8; Seq::LEN])
}

/// What a message says.
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

/// What a subscriber answers.
pub(crate) fn answer_of(message: usize, subscriber: usize) -> Frame {
    let body = [payload(message)[1], b'0' + subscriber as u8];
    Frame::amop(FrameType::RESPONSE, seq_of(message), TOPIC, &body)
}

/// What an SDK says when it comes.
pub(crate) fn subscription(topics: &'static [u8]) -> [Frame; 2] {
    let seq = |byte| Seq([byte; Seq::LEN]);
    [
        Frame::new(FrameType::SET_TOPICS, seq(b'S'), topics),
        Frame::new(FrameType::HEARTBEAT, seq(b'H'), &b"0"[..]),
    ]
}

/// The subscriber whose answer this is, if it is one to this message.
pub(crate) fn who_answered(message: usize, answer: &Frame) -> Option<usize> {
    (0..10).find(|&subscriber| {
        let body = [payload(message)[1], b'0' + subscriber as u8];
        answer.body == frame_topic(TOPIC, &body)
    })
}
