//! Publishing to a sealed topic.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use amop_proto::{TopicName, channel::result_code, client::MessageKind};
use amop_seal::{
    OpenedMessage, Recipients, Sealed, SealedKind, SealingKey, SealingPublicKey, open_reply, seal,
};
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{SealedRequest, SealedTopic, clock::now};
use crate::{
    Codec, PublishError, PublishErrorKind as Kind, RawPublisher,
    client::{CallOptions, ClientInner},
    send::ReceivedAnswer,
    topic::Of,
};

/// The first pause before a unicast is sent again after an unproven answer. It doubles each time,
/// up to `LAST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// Publishes to a sealed topic: seals messages of one type to the recipients' keys and signs them.
/// Returned by [`Client::seal_for`](crate::Client::seal_for).
///
/// ```no_run
/// # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use amop::{SealingKey, SealingPublicKey};
///
/// #[amop::topic("settlement", sealed)]
/// struct Settlement {
///     amount: u64,
/// }
///
/// let bank = SealingKey::load("keys/bank.pem")?;
/// let custodian = SealingPublicKey::load("keys/custodian.pub")?;
/// let sealer = client.seal_for::<Settlement>(&bank, &[custodian])?;
/// Settlement { amount: 100 }.publish_unicast(&sealer).await?;
/// # Ok(())
/// # }
/// ```
///
/// * The content is encrypted once, for any number of recipients; each recipient adds 96 bytes and
///   one key agreement (`benches/sealed.rs` measures it). A message has 194 more bytes than its
///   content and recipients.
/// * A unicast is answered by one of the recipients, which signs its answer and seals it to the
///   publisher. After any other answer, from a node or from a subscriber that is not a recipient,
///   the same bytes are sent again until the client's timeout; then the call fails with
///   [`UnprovenAnswer`](crate::PublishErrorKind::UnprovenAnswer), or with the error in that answer. So only a recipient can
///   acknowledge a message. A subscriber without a key can delay the unicasts that a node gives to
///   it, but no more.
/// * A unicast is taken once by *each* recipient, and by each process that uses a recipient's key:
///   each has its own replay guard. A node, or a subscriber that got its bytes, can send it to all
///   of them. If a message must take effect only once, seal it to one key that only one
///   subscription uses.
/// * To change the recipients or the key, create another `Sealer`.
///
/// It does not keep the client open. Cloning is cheap.
#[must_use = "a sealer does nothing until something is published with it"]
pub struct Sealer<T> {
    inner: Arc<ClientInner>,
    options: CallOptions,
    topic: TopicName,
    key: SealingKey,
    recipients: Arc<Recipients>,
    messages: Of<T>,
}

impl<T> Clone for Sealer<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            options: self.options,
            topic: self.topic.clone(),
            key: self.key.clone(),
            recipients: Arc::clone(&self.recipients),
            messages: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Sealer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("topic", &self.topic)
            .field("key", &self.key)
            .field("recipients", &self.recipients.keys().len())
            .finish_non_exhaustive()
    }
}

impl<T: SealedTopic> Sealer<T> {
    pub(crate) fn new(
        inner: Arc<ClientInner>,
        options: CallOptions,
        topic: TopicName,
        key: &SealingKey,
        recipients: &[SealingPublicKey],
    ) -> Result<Self, PublishError> {
        let recipients = Recipients::new(recipients)
            .map_err(|cause| PublishError::new(Kind::Seal(cause), &topic))?;
        inner.sealed.add(&topic);
        Ok(Self {
            inner,
            options,
            topic,
            key: key.clone(),
            recipients: Arc::new(recipients),
            messages: PhantomData,
        })
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        self.topic.as_str()
    }

    /// Returns the keys that can open the sealed messages.
    pub fn recipients(&self) -> &[SealingPublicKey] {
        self.recipients.keys()
    }

    /// Sends a message to one subscriber. Returns once a recipient has proven that it has taken it. The
    /// message is sealed before this returns its future.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; [`may_have_been_delivered`](PublishError::may_have_been_delivered) tells
    /// whether a subscriber may have the message nevertheless.
    ///
    /// # Cancel safety
    ///
    /// As [`Client::publish_unicast`](crate::Client::publish_unicast).
    pub fn publish_unicast<'a>(
        &'a self,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        let sealed = self.seal(SealedKind::Unicast, message);
        async move { self.ask(sealed?).await.map(drop) }
    }

    /// Sends a message to all subscribers. Returns once a node has taken it; it is not known
    /// whether a subscriber receives it. The message is sealed before this returns its future.
    ///
    /// # Errors
    ///
    /// [`PublishError`].
    ///
    /// # Cancel safety
    ///
    /// As [`Client::publish_multicast`](crate::Client::publish_multicast).
    pub fn publish_multicast<'a>(
        &'a self,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        let sealed = self.seal(SealedKind::Multicast, message);
        async move {
            let sealed = sealed?;
            self.inner
                .publish(
                    &self.options,
                    MessageKind::Multicast,
                    &self.topic,
                    &sealed.bytes,
                )
                .await
                .map(drop)
        }
    }

    /// Returns a publisher of bytes to the topic, which must be sealed.
    pub(super) fn raw_publisher(&self) -> RawPublisher {
        RawPublisher::new(Arc::clone(&self.inner), self.options, &self.topic)
    }

    pub(super) fn seal(&self, kind: SealedKind, message: &T) -> Result<Sealed, PublishError> {
        let content = T::Codec::encode(message)
            .map_err(|cause| PublishError::new(Kind::Encode(cause), &self.topic))?;
        let rng = &mut rand::rng();
        let topic = self.topic.as_str();
        let sealed = seal(
            &self.key,
            &self.recipients,
            topic,
            kind,
            now(),
            &content,
            rng,
        );
        sealed.map_err(|cause| PublishError::new(Kind::Seal(cause), &self.topic))
    }

    /// Sends a unicast, and sends the same bytes again as long as the answer is not from a
    /// recipient: a node may give it to a subscriber without a key. This is safe, because
    /// recipients refuse a message that they have taken before.
    async fn ask(&self, sealed: Sealed) -> Result<(OpenedMessage, ReceivedAnswer), PublishError> {
        let deadline = Instant::now() + self.options.timeout;
        let mut pause = FIRST_PAUSE;
        let mut unproven = None;
        loop {
            match self.ask_once(deadline, &sealed).await {
                Ok((opened, answer)) => match opened.refusal() {
                    Some(code) => return Err(self.refused(code, &answer)),
                    None => return Ok((opened, answer)),
                },
                Err(error) if is_unproven(&error) => unproven = Some(error),
                // It may have been delivered before.
                Err(error) => return Err(unproven.unwrap_or(error)),
            }
            if let Some(error) = unproven.take_if(|_| deadline <= Instant::now() + pause) {
                return Err(error);
            }
            sleep(pause).await;
            pause = (2 * pause).min(LAST_PAUSE);
        }
    }

    async fn ask_once(
        &self,
        deadline: Instant,
        sealed: &Sealed,
    ) -> Result<(OpenedMessage, ReceivedAnswer), PublishError> {
        let answer = self
            .inner
            .publish_until(
                deadline,
                &self.options,
                MessageKind::Unicast,
                &self.topic,
                &sealed.bytes,
            )
            .await?;
        let recipients = self.recipients.keys();
        let topic = self.topic.as_str();
        let opened = open_reply(
            &answer.payload,
            &self.key,
            recipients,
            topic,
            &sealed.digest,
        );
        match opened {
            Ok(opened) => Ok((opened, answer)),
            Err(cause) => Err(self.error(Kind::UnprovenAnswer(cause), &answer)),
        }
    }

    /// Returns the error for a refusal that a recipient has signed.
    fn refused(&self, code: i32, answer: &ReceivedAnswer) -> PublishError {
        let kind = match code {
            result_code::DECODE => Kind::Undecodable,
            result_code::NO_REPLY => Kind::NoReply,
            result_code::FAILED => Kind::SubscriberFailed,
            code => Kind::Rejected {
                code,
                payload: Bytes::new(),
            },
        };
        self.error(kind, answer)
    }

    /// Returns the error of a message that got this answer.
    fn error(&self, kind: Kind, answer: &ReceivedAnswer) -> PublishError {
        PublishError::new(kind, &self.topic)
            .at(answer.connection.endpoint())
            .with_seq(Some(answer.seq))
    }
}

/// Returns whether an error comes from an answer that is not proven to be from a recipient. This is
/// true for all refusals that nodes pass on, because a recipient sends its refusals as signed
/// answers.
fn is_unproven(error: &PublishError) -> bool {
    matches!(
        error.kind(),
        Kind::UnprovenAnswer(_)
            | Kind::Undecodable
            | Kind::NoReply
            | Kind::SubscriberFailed
            | Kind::Rejected { .. }
    )
}

impl<T: SealedRequest> Sealer<T> {
    /// Sends a message to one subscriber and waits for the reply, which a recipient has signed. The
    /// message is sealed before this returns its future.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast), [`NoReply`](crate::PublishErrorKind::NoReply)
    /// for an acknowledgement without a reply, and [`Reply`](crate::PublishErrorKind::Reply) for a
    /// reply that cannot be decoded.
    ///
    /// # Cancel safety
    ///
    /// As [`Client::request`](crate::Client::request).
    pub fn request<'a>(
        &'a self,
        message: &T,
    ) -> impl Future<Output = Result<T::Reply, PublishError>> + Send + use<'a, T> {
        let sealed = self.seal(SealedKind::Unicast, message);
        async move {
            let (opened, answer) = self.ask(sealed?).await?;
            if opened.kind != SealedKind::Reply {
                return Err(self.error(Kind::NoReply, &answer));
            }
            T::ReplyCodec::decode(opened.content.into())
                .map_err(|cause| self.error(Kind::Reply(cause), &answer))
        }
    }
}
