//! A message on its way to a connection.

use std::sync::Arc;

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::{AttemptEnd, MessageKind},
    log::OneLine,
};
use bytes::Bytes;
use tokio::time::Instant;
use tracing::{
    Span,
    field::{Empty, display},
};

use super::pipeline::{Pipeline, Pipelined};
use crate::{PublishError, client::CallOptions};

/// A message to be published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutgoingMessage<'a> {
    pub(crate) kind: MessageKind,
    /// `None` until it is sent for the first time.
    pub(crate) seq: Option<Seq>,
    pub(crate) topic: &'a TopicName,
    pub(crate) payload: &'a [u8],
    pub(crate) deadline: Instant,
    /// The settings of the call. Its timeout is that of all attempts together.
    pub(crate) options: &'a CallOptions,
    /// The span of its exchange, which gets its seq.
    pub(crate) span: &'a Span,
    /// The number of earlier connections that may have ended because of it.
    pub(crate) cut_offs: u32,
}

impl OutgoingMessage<'_> {
    /// Records the seq with which the message is sent.
    pub(crate) fn sent_as(&mut self, seq: Seq) {
        // Looking up the field would cost time without a subscriber.
        if self.seq.is_none() && !self.span.is_disabled() {
            self.span.record("seq", display(seq));
        }
        self.seq = Some(seq);
    }
}

/// A multicast of a pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PipelinedMessage<'a> {
    /// Its number among the publisher's messages.
    pub(crate) number: u64,
    /// The seq, if it is sent again.
    pub(crate) seq: Option<Seq>,
    pub(crate) payload: &'a Bytes,
    /// Whether it is a copy of a message that is sent over another connection, too.
    pub(crate) copy: bool,
}

impl PipelinedMessage<'_> {
    /// Returns what its connection keeps of it until the outcome is known.
    pub(crate) fn kept(&self, pipeline: &Arc<Pipeline>, seq: Seq) -> Pipelined {
        Pipelined {
            pipeline: Arc::clone(pipeline),
            number: self.number,
            seq,
            payload: self.payload.clone(),
            copy: self.copy,
        }
    }
}

/// Returns the span of a message's exchange. It is at level debug.
pub(super) fn exchange_span(topic: &TopicName, kind: MessageKind) -> Span {
    tracing::debug_span!(
        "publish",
        topic = %OneLine::new(PrivateName::shown(topic)),
        ?kind,
        seq = Empty,
    )
}

/// How an attempt failed.
#[derive(Debug)]
pub(crate) enum AttemptFailure {
    /// Nothing was sent, because the connection is closed. Another one may succeed.
    NotSent,
    /// Another connection may succeed.
    Retry(AttemptEnd, PublishError),
    /// No other connection would succeed.
    Final(PublishError),
}

impl AttemptFailure {
    /// Returns whether a subscriber may have the message.
    pub(super) fn may_have_been_delivered(&self) -> bool {
        match self {
            Self::NotSent => false,
            Self::Retry(_, error) | Self::Final(error) => error.may_have_been_delivered(),
        }
    }
}
