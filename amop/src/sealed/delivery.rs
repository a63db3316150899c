//! A sealed message that was delivered, and its answer.

use std::{fmt, ops::Deref};

use amop_proto::{
    channel::{Seq, result_code},
    client::MessageKind,
    log::with_causes,
};
use amop_seal::{RequestDigest, SealedAnswer, SealingKey, SealingPublicKey, seal_reply};

use super::{SealedRequest, clock::now};
use crate::{Codec, ReplyError, receive::Responder};

/// Where a sealed message came from. It must be answered with a sealed answer; dropping this
/// answers it, too.
pub(super) struct SealedReceipt {
    /// Taken when it is answered.
    responder: Option<Responder>,
    /// The key that opened the message; it also signs the answer.
    key: SealingKey,
    publisher: SealingPublicKey,
    request: RequestDigest,
    time: u64,
}

impl SealedReceipt {
    pub(super) fn new(
        responder: Responder,
        key: SealingKey,
        publisher: SealingPublicKey,
        request: RequestDigest,
        time: u64,
    ) -> Self {
        Self {
            responder: Some(responder),
            key,
            publisher,
            request,
            time,
        }
    }

    pub(super) fn responder(&self) -> Option<&Responder> {
        self.responder.as_ref()
    }

    /// Sends an answer that proves to the publisher that it comes from this recipient.
    fn answer(&mut self, answer: SealedAnswer<'_>) -> Result<(), ReplyError> {
        let Some(responder) = self.responder.take() else {
            return Ok(());
        };
        let topic = responder.topic().to_string();
        let rng = &mut rand::rng();
        let (key, to, request) = (&self.key, &self.publisher, &self.request);
        match seal_reply(key, to, &topic, request, now(), answer, rng) {
            Ok(sealed) => match responder.check_len(&sealed.bytes) {
                Ok(()) => responder.answer(result_code::SUCCESS, &sealed.bytes),
                Err(error) => {
                    self.responder = Some(responder);
                    Err(error)
                }
            },
            Err(source) => {
                responder.answer(result_code::NO_REPLY, b"")?;
                Err(ReplyError::Seal { topic, source })
            }
        }
    }

    /// Refuses the message. The node sees the refusal only if it should ask another subscriber.
    pub(super) fn refuse(mut self, code: i32) -> Result<(), ReplyError> {
        if code != result_code::NO_SESSION {
            return self.answer(SealedAnswer::Refusal(code));
        }
        match self.responder.take() {
            Some(responder) => responder.answer(code, b""),
            None => Ok(()),
        }
    }
}

/// Returns the answer to a message that the program did not answer.
fn unanswered() -> SealedAnswer<'static> {
    if std::thread::panicking() {
        SealedAnswer::Refusal(result_code::FAILED)
    } else {
        SealedAnswer::Acknowledgement
    }
}

impl Drop for SealedReceipt {
    fn drop(&mut self) {
        let kind = self.responder.as_ref().map(Responder::kind);
        // This fails only if the connection is lost; then the node has told the publisher.
        if kind == Some(MessageKind::Unicast)
            && let Err(error) = self.answer(unanswered())
        {
            let error = with_causes(&error);
            tracing::debug!("a sealed unicast could not be acknowledged: {error}");
        }
    }
}

/// A sealed message with its publisher, and the means to answer it.
///
/// It derefs to the message. A unicast's publisher waits for an answer: reply to it, refuse it, or
/// drop the delivery to acknowledge it. If it is dropped, a publisher that asked for a reply gets
/// [`NoReply`](crate::PublishErrorKind::NoReply). If it is dropped while the thread
/// panics, every publisher gets
/// [`SubscriberFailed`](crate::PublishErrorKind::SubscriberFailed). Each of these answers
/// is signed with the key that opened the message and sealed to its publisher, which accepts no
/// other answer.
#[must_use = "a delivery that is dropped is acknowledged without a reply"]
pub struct SealedDelivery<T> {
    message: T,
    kind: MessageKind,
    seq: Seq,
    topic: String,
    responder: SealedReceipt,
}

impl<T> SealedDelivery<T> {
    pub(super) fn new(message: T, responder: SealedReceipt) -> Option<Self> {
        let of = responder.responder()?;
        Some(Self {
            message,
            kind: of.kind(),
            seq: of.seq(),
            topic: of.topic().to_string(),
            responder,
        })
    }

    /// Returns the message's seq, which logs of nodes and publishers show, too.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns whether it is a unicast or a multicast; only the publisher of a unicast waits for an
    /// answer.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the publisher's key, which the message's signature proves.
    pub fn publisher(&self) -> &SealingPublicKey {
        &self.responder.publisher
    }

    /// Returns when it was sealed, in milliseconds since 1970 by the publisher's clock.
    pub fn time(&self) -> u64 {
        self.responder.time
    }

    /// Returns the message alone. A unicast is acknowledged.
    pub fn into_inner(self) -> T {
        self.message
    }

    /// Refuses a unicast: its publisher gets `code` as
    /// [`Rejected`](crate::PublishErrorKind::Rejected), or another variant if the code
    /// has one. Code 0 would mean success, so it is sent as 104, "no subscriber took it": the node
    /// then asks another subscriber. Only this refusal is not signed.
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
        self.responder.refuse(code)
    }
}

impl<T: SealedRequest> SealedDelivery<T> {
    /// Answers a unicast. A reply that is too large is not sent; the publisher gets an acknowledgement.
    ///
    /// # Errors
    ///
    /// [`ReplyError`].
    pub fn reply(mut self, reply: T::Reply) -> Result<(), ReplyError> {
        match T::ReplyCodec::encode(&reply) {
            Ok(content) => self.responder.answer(SealedAnswer::Reply(&content)),
            Err(source) => {
                let topic = self.topic;
                self.responder.refuse(result_code::NO_REPLY)?;
                Err(ReplyError::Encode { topic, source })
            }
        }
    }
}

impl<T> Deref for SealedDelivery<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.message
    }
}

impl<T: fmt::Debug> fmt::Debug for SealedDelivery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedDelivery")
            .field("message", &self.message)
            .field("kind", &self.kind)
            .field("seq", &self.seq)
            .field("topic", &self.topic)
            .field("publisher", &self.publisher().id())
            .finish()
    }
}
