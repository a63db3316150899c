//! A message on its way to a connection.

use std::{sync::Arc, time::Duration};

use amop_proto::{
    TopicName,
    channel::Seq,
    client::{AttemptEnd, MessageKind},
};
use bytes::Bytes;
use tokio::time::Instant;

use super::pipeline::{Pipeline, Pipelined};
use crate::PublishError;

/// A message to be published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutgoingMessage<'a> {
    pub(crate) kind: MessageKind,
    /// `None` until it is sent for the first time.
    pub(crate) seq: Option<Seq>,
    pub(crate) topic: &'a TopicName,
    pub(crate) payload: &'a [u8],
    pub(crate) deadline: Instant,
    /// The time allowed for all attempts together, for errors.
    pub(crate) timeout: Duration,
    /// The number of earlier connections that may have ended because of it.
    pub(crate) cut_offs: u32,
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
