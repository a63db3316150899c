//! The answer that a message needs.

use std::{sync::Arc, time::Duration};

use amop_proto::{
    TopicName,
    channel::{Seq, result_code},
    client::{CloseReason, MessageKind},
};
use bytes::Bytes;
use tokio::time::Instant;

use super::{incoming::Incoming, reply_path::ReplyPath, subscriptions::Subscriptions};
use crate::ReplyError;

/// Where a message came from. The message must be answered; dropping this answers it, too.
pub(crate) struct Responder {
    kind: MessageKind,
    seq: Seq,
    topic: TopicName,
    reply_path: Arc<dyn ReplyPath>,
    /// When the message came, or its last copy.
    at: std::time::Instant,
    /// How long the node waits for an answer, in milliseconds.
    answer_within: u32,
    /// The table that the answer is recorded in; `None` for a multicast.
    subscriptions: Option<Arc<Subscriptions>>,
    /// Whether the publisher gets an error if there is no reply.
    needs_reply: bool,
    answered: bool,
}

impl Responder {
    pub(crate) fn of(incoming: Incoming, subscriptions: &Arc<Subscriptions>) -> (Self, Bytes) {
        let unicast = incoming.kind == MessageKind::Unicast;
        let responder = Self {
            kind: incoming.kind,
            seq: incoming.seq,
            topic: incoming.topic,
            reply_path: incoming.reply_path,
            at: incoming.at,
            answer_within: u32::try_from(incoming.answer_within.as_millis()).unwrap_or(u32::MAX),
            subscriptions: unicast.then(|| Arc::clone(subscriptions)),
            needs_reply: false,
            answered: false,
        };
        (responder, incoming.payload)
    }

    /// Sets whether the message is a request: without a reply, its publisher gets an error.
    pub(crate) fn set_needs_reply(&mut self, needs_reply: bool) {
        self.needs_reply = needs_reply;
    }

    pub(crate) fn kind(&self) -> MessageKind {
        self.kind
    }

    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    pub(crate) fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Checks that an answer fits into a frame.
    pub(crate) fn check_len(&self, payload: &[u8]) -> Result<(), ReplyError> {
        self.reply_path.check_len(&self.topic, payload)
    }

    /// Answers, unless the message is a multicast.
    pub(crate) fn answer(mut self, result: i32, payload: &[u8]) -> Result<(), ReplyError> {
        if self.kind == MessageKind::Multicast {
            return Err(ReplyError::Multicast {
                topic: self.topic.to_string(),
            });
        }
        // There is a reply: if it cannot be sent, the publisher must not get an empty one instead.
        self.needs_reply = true;
        self.check_len(payload)?;
        self.answered = true;
        self.renew();
        if !self.send(result, payload) {
            return Err(ReplyError::Disconnected {
                topic: self.topic.to_string(),
                endpoint: self.reply_path.endpoint().to_owned(),
                reason: self.reply_path.close_reason().unwrap_or(CloseReason::Local),
            });
        }
        self.check_time()
    }

    /// Takes note of a further copy of the message: the node waits for an answer from then on.
    fn renew(&mut self) {
        let subscriptions = self.subscriptions.as_ref();
        let copy = subscriptions.and_then(|some| some.last_copy(&self.topic, self.seq));
        self.at = copy.unwrap_or(self.at);
    }

    /// Checks that the node was still waiting for an answer.
    fn check_time(&self) -> Result<(), ReplyError> {
        let limit = Duration::from_millis(self.answer_within.into());
        let after = Instant::now().into_std().duration_since(self.at);
        if after <= limit {
            return Ok(());
        }
        Err(ReplyError::Late {
            topic: self.topic.to_string(),
            endpoint: self.reply_path.endpoint().to_owned(),
            after,
            limit,
        })
    }

    /// Sends the answer to every connection that brought the message. Returns whether one of them
    /// was still open.
    fn send(&self, result: i32, payload: &[u8]) -> bool {
        let Some(subscriptions) = &self.subscriptions else {
            return false;
        };
        let ways = subscriptions.answered(&self.topic, self.seq, result, payload);
        let mut sent = false;
        for way in &ways {
            sent |= way.respond(self.seq, &self.topic, result, payload);
        }
        subscriptions.sent();
        sent
    }

    /// Returns the result for a message that the program did not answer.
    fn unanswered(&self) -> i32 {
        if std::thread::panicking() {
            result_code::FAILED
        } else if self.needs_reply {
            result_code::NO_REPLY
        } else {
            result_code::SUCCESS
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.kind == MessageKind::Unicast && !self.answered {
            // This fails only if the connection is lost; then the node has told the publisher.
            self.send(self.unanswered(), b"");
        }
    }
}
