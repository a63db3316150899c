//! A message that a connection has brought.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use amop_proto::{
    TopicName,
    channel::Seq,
    client::{MessageKind, Push},
};
use bytes::Bytes;

use super::reply_path::ReplyPath;

/// A message that waits for the program.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) kind: MessageKind,
    pub(crate) seq: Seq,
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    /// The connection that brought it, which also carries its answer.
    pub(crate) reply_path: Arc<dyn ReplyPath>,
    /// When it arrived.
    pub(crate) at: Instant,
    /// How long the node waits for an answer.
    pub(crate) answer_within: Duration,
}

impl Incoming {
    pub(crate) fn new(
        push: Push,
        reply_path: Arc<dyn ReplyPath>,
        at: Instant,
        answer_within: Duration,
    ) -> Self {
        Self {
            kind: push.kind,
            seq: push.seq,
            topic: push.topic,
            payload: push.payload,
            reply_path,
            at,
            answer_within,
        }
    }
}
