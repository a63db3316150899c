//! A message that was delivered, and its answer.

use std::{
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq, result_code},
    client::{CloseReason, MessageKind},
};
use bytes::Bytes;

use crate::{
    Codec, ReplyError, Request, connection::Connection, queue::Incoming,
    subscriptions::Subscriptions,
};

/// Where a message came from. The message must be answered; dropping this answers it, too.
pub(crate) struct Responder {
    kind: MessageKind,
    seq: Seq,
    topic: TopicName,
    connection: Connection,
    /// When the message came.
    at: Instant,
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
            connection: incoming.connection,
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
        self.connection.check_len(&self.topic, payload)
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
        if !self.send(result, payload) {
            return Err(ReplyError::Disconnected {
                topic: self.topic.to_string(),
                endpoint: self.connection.endpoint().to_owned(),
                reason: self.connection.close_reason().unwrap_or(CloseReason::Local),
            });
        }
        self.check_time()
    }

    /// Checks that the node was still waiting for an answer.
    fn check_time(&self) -> Result<(), ReplyError> {
        let limit = Duration::from_millis(self.answer_within.into());
        let after = self.at.elapsed();
        if after <= limit {
            return Ok(());
        }
        Err(ReplyError::Late {
            topic: self.topic.to_string(),
            endpoint: self.connection.endpoint().to_owned(),
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

/// A message with its seq and topic, and the means to answer it.
///
/// It derefs to the message. A unicast's publisher waits for an answer: reply to it or refuse it.
/// Dropping the delivery acknowledges the message with an empty payload, with two exceptions:
///
/// * on a topic with replies ([`Topic::REQUEST`](crate::Topic::REQUEST)): the publisher gets
///   [`PublishError::NoReply`](crate::PublishError::NoReply), since an empty payload could be read as a
///   reply,
/// * while its thread panics, on every topic: the publisher gets
///   [`PublishError::SubscriberFailed`](crate::PublishError::SubscriberFailed).
///
/// A delivery that is neither answered nor dropped, for example after `std::mem::forget`, gets no
/// answer: after 5 s a node tries the next subscriber, and a later answer is lost
/// ([`ReplyError::Late`]). Messages of [`Client::subscribe_raw`](crate::Client::subscribe_raw) have
/// no type that says whether they are requests: answer each of them.
pub struct Delivery<T> {
    message: T,
    responder: Responder,
}

impl<T> Delivery<T> {
    pub(crate) fn new(message: T, responder: Responder) -> Self {
        Self { message, responder }
    }

    /// Returns the message's seq, which logs of nodes and publishers show, too. Copies of one
    /// multicast that come through several nodes have the same seq.
    pub fn seq(&self) -> String {
        self.responder.seq.to_string()
    }

    /// Returns the topic that it was published to; for a private topic, its name.
    pub fn topic(&self) -> &str {
        PrivateName::shown(&self.responder.topic)
    }

    /// Returns whether it is a unicast or a multicast; only the publisher of a unicast waits for an
    /// answer.
    pub fn kind(&self) -> MessageKind {
        self.responder.kind
    }

    /// Returns the message alone. A unicast is acknowledged with an empty payload; on a topic with
    /// replies its publisher gets [`PublishError::NoReply`](crate::PublishError::NoReply).
    pub fn into_inner(self) -> T {
        self.message
    }

    /// Answers a unicast with bytes.
    ///
    /// # Errors
    ///
    /// [`ReplyError`].
    pub fn reply_bytes(self, payload: impl AsRef<[u8]>) -> Result<(), ReplyError> {
        self.responder
            .answer(result_code::SUCCESS, payload.as_ref())
    }

    /// Refuses a unicast: its publisher gets `code` as
    /// [`PublishError::Rejected`](crate::PublishError::Rejected), or another variant if the code
    /// has one. Code 0 would mean success, so it is sent as 104, "no subscriber took it".
    ///
    /// # Errors
    ///
    /// [`ReplyError`].
    pub fn refuse(self, code: i32) -> Result<(), ReplyError> {
        let code = if code == result_code::SUCCESS {
            result_code::NO_SESSION
        } else {
            code
        };
        self.responder.answer(code, b"")
    }
}

impl<T: Request> Delivery<T> {
    /// Answers a unicast.
    ///
    /// # Errors
    ///
    /// [`ReplyError`].
    pub fn reply(self, reply: T::Reply) -> Result<(), ReplyError> {
        const {
            assert!(
                T::REQUEST,
                "implement Request with `reply = ...` in #[amop::topic]"
            )
        };
        match T::ReplyCodec::encode(&reply) {
            Ok(payload) => self.responder.answer(result_code::SUCCESS, &payload),
            Err(source) => {
                let topic = self.responder.topic.to_string();
                self.responder.answer(result_code::NO_REPLY, b"")?;
                Err(ReplyError::Encode { topic, source })
            }
        }
    }
}

impl<T> Deref for Delivery<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.message
    }
}

impl<T: fmt::Debug> fmt::Debug for Delivery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("kind", &self.responder.kind)
            .field("seq", &self.responder.seq)
            .field("topic", &self.responder.topic)
            .finish()
    }
}

/// Marks a type with a message type that it does not own.
pub(crate) type Of<T> = PhantomData<fn() -> T>;
