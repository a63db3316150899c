//! A message that was delivered, and the means to answer it.

use std::{fmt, ops::Deref};

use amop_proto::{
    channel::{PrivateName, Seq, result_code},
    client::MessageKind,
};

use super::responder::Responder;
use crate::{Codec, ReplyError, Request};

/// A message with its seq and topic, and the means to answer it.
///
/// It derefs to the message. A unicast's publisher waits for an answer: reply to it or refuse it.
/// Dropping the delivery acknowledges the message with an empty payload, with two exceptions:
///
/// * on a topic with replies ([`Topic::REQUEST`](crate::Topic::REQUEST)): the publisher gets
///   [`NoReply`](crate::PublishErrorKind::NoReply), since an empty payload could be read as a
///   reply,
/// * while its thread panics, on every topic: the publisher gets
///   [`SubscriberFailed`](crate::PublishErrorKind::SubscriberFailed).
///
/// A delivery that is neither answered nor dropped, for example after `std::mem::forget`, gets no
/// answer: after 5 s a node tries the next subscriber, and a later answer is lost
/// ([`ReplyError::Late`]). Messages of [`Client::subscribe_raw`](crate::Client::subscribe_raw) have
/// no type that says whether they are requests: answer each of them.
#[must_use = "a delivery that is dropped is answered: acknowledged, or on a request topic refused as having no reply"]
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
    pub fn seq(&self) -> Seq {
        self.responder.seq()
    }

    /// Returns the topic that it was published to; for a private topic, its name.
    pub fn topic(&self) -> &str {
        PrivateName::shown(self.responder.topic())
    }

    /// Returns whether it is a unicast or a multicast; only the publisher of a unicast waits for an
    /// answer.
    pub fn kind(&self) -> MessageKind {
        self.responder.kind()
    }

    /// Returns the message alone. A unicast is acknowledged with an empty payload; on a topic with
    /// replies its publisher gets [`NoReply`](crate::PublishErrorKind::NoReply).
    pub fn into_inner(self) -> T {
        self.message
    }

    /// Returns the message, and the means to answer it.
    pub(crate) fn split(self) -> (T, Responder) {
        (self.message, self.responder)
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
    /// [`Rejected`](crate::PublishErrorKind::Rejected), or another variant if the code
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
                let topic = self.responder.topic().to_string();
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
            .field("kind", &self.responder.kind())
            .field("seq", &self.responder.seq())
            .field("topic", self.responder.topic())
            .finish()
    }
}
