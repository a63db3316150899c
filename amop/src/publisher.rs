//! Publishing without waiting for each message.

use std::{collections::VecDeque, fmt, marker::PhantomData, pin::pin, sync::Arc};

use amop_proto::{
    TopicName,
    channel::PrivateName,
    client::{Attempt, Attempts, Kind},
};
use bytes::Bytes;
use tokio::{
    task::consume_budget,
    time::{Instant, timeout_at},
};

use crate::{
    Codec, FlushError, PublishError, Topic,
    connection::{Connection, Failed, Message, PipelinedMessage},
    hub::{Hub, Picked},
    pipeline::{Again, Lost, Pipeline},
};

/// Bytes of payload that may wait for their confirmation, per publisher. A longer message waits until
/// nothing else does.
const MAX_UNCONFIRMED: usize = 16 * 1024 * 1024;

/// Publishes multicasts of one type, many at a time. Made by
/// [`Client::publisher`](crate::Client::publisher).
///
/// [`publish`](Self::publish) returns as soon as the message has its place in a connection's send
/// buffer; [`flush`](Self::flush) waits until nodes have taken all messages and tells of those they
/// have not.
///
/// ```no_run
/// # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
/// #[amop::topic("ticks")]
/// struct Tick {
///     price: u64,
/// }
///
/// let mut ticks = client.publisher::<Tick>()?;
/// for price in 0..100_000 {
///     ticks.publish(&Tick { price }).await?;
/// }
/// ticks.flush().await?;
/// # Ok(())
/// # }
/// ```
///
/// * All messages go by way of one connection, in their order, for as long as that stays.
/// * If it is lost, those that are not confirmed are sent again over another one, with the seqs they
///   had, so that subscribers of this crate take them once. That is done by the next call of `publish`
///   or `flush`: a publisher has no task of its own.
/// * `publish` waits while as many messages as
///   [`max_in_flight`](crate::ClientBuilder::max_in_flight) says, or 16 MiB of them, wait for their
///   confirmation, or 4 MiB to be written; within the [`timeout`](crate::ClientBuilder::timeout).
/// * Dropped without a flush, it leaves messages to the connection, which writes them unless it is
///   lost; nobody learns what became of them. [`drain`](crate::Client::drain) waits for them.
/// * It does not keep the client open.
pub struct Publisher<T> {
    raw: RawPublisher,
    messages: PhantomData<fn(T)>,
}

impl<T> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publisher").field(&self.raw).finish()
    }
}

impl<T: Topic> Publisher<T> {
    pub(crate) fn new(raw: RawPublisher) -> Self {
        Self {
            raw,
            messages: PhantomData,
        }
    }

    /// Accepts a message, which is encoded before this returns its future. Dropping the future before
    /// it is over gives the message up.
    ///
    /// # Errors
    ///
    /// [`PublishError`], if this message was not accepted. What becomes of an accepted one is told
    /// by [`flush`](Self::flush).
    pub fn publish<'a>(
        &'a mut self,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        let encoded = T::Codec::encode(message);
        async move {
            let payload = encoded.map_err(|source| PublishError::Encode {
                topic: self.raw.shown().to_owned(),
                source,
            })?;
            self.raw.publish(payload).await
        }
    }

    /// Waits until nodes have taken every message accepted so far, or it is clear that they will
    /// not: at most about as long as the [`timeout`](crate::ClientBuilder::timeout) is. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    ///
    /// [`FlushError`] if messages failed since the last flush: how many, and the first one's error.
    pub async fn flush(&mut self) -> Result<(), FlushError> {
        self.raw.flush().await
    }

    /// Messages that no node has confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.raw.unconfirmed()
    }
}

/// As [`Publisher`], of bytes. Made by [`Client::publisher_raw`](crate::Client::publisher_raw).
pub struct RawPublisher {
    hub: Arc<Hub>,
    private: Option<PrivateName>,
    pipeline: Arc<Pipeline>,
    /// The one in use.
    connection: Option<Connection>,
    /// Those by which copies go, where that is one to a FISCO node.
    others: Vec<Connection>,
    /// Messages so far.
    count: u64,
    /// What was lost and has yet to be sent again.
    again: VecDeque<Lost>,
}

impl fmt::Debug for RawPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawPublisher")
            .field("topic", &self.shown())
            .field("unconfirmed", &self.unconfirmed())
            .finish_non_exhaustive()
    }
}

impl Drop for RawPublisher {
    fn drop(&mut self) {
        self.pipeline.abandon(self.again.drain(..));
    }
}

impl RawPublisher {
    pub(crate) fn new(hub: Arc<Hub>, topic: &TopicName) -> Self {
        let publishing = Arc::clone(&hub.publishing);
        let timeout = hub.options.timeout;
        Self {
            private: PrivateName::of_topic(topic),
            pipeline: Arc::new(Pipeline::new(topic.clone(), timeout, publishing)),
            hub,
            connection: None,
            others: Vec::new(),
            count: 0,
            again: VecDeque::new(),
        }
    }

    fn shown(&self) -> &str {
        PrivateName::shown(self.pipeline.topic())
    }

    /// Messages that no node has confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.pipeline.unconfirmed()
    }

    /// As [`Publisher::publish`].
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`].
    pub async fn publish(&mut self, payload: Bytes) -> Result<(), PublishError> {
        // Somebody who publishes all the time leaves room for the other tasks.
        consume_budget().await;
        self.check_granted()?;
        self.hub.sealed.check(self.pipeline.topic(), &payload)?;
        let mut deadline = None;
        if self.is_full(payload.len()) || self.has_lost() {
            let until = *deadline.insert(Instant::now() + self.pipeline.timeout());
            self.make_room(payload.len(), until).await?;
        }
        self.count += 1;
        let message = PipelinedMessage {
            number: self.count,
            seq: None,
            payload: &payload,
            cut_offs: 0,
            copy: false,
        };
        self.send(message, deadline).await
    }

    /// As [`Publisher::flush`].
    ///
    /// # Errors
    ///
    /// As [`Publisher::flush`].
    pub async fn flush(&mut self) -> Result<(), FlushError> {
        let deadline = Instant::now() + self.pipeline.timeout();
        let pipeline = Arc::clone(&self.pipeline);
        let mut changed = pin!(pipeline.changed());
        loop {
            // Before the looks, so that no change is missed.
            changed.as_mut().enable();
            self.send_again(deadline).await;
            if pipeline.is_settled() {
                return pipeline.take_failures();
            }
            if !self.has_lost() {
                // Every message on a connection ends by its own deadline.
                changed.as_mut().await;
            }
            changed.set(pipeline.changed());
        }
    }

    fn check_granted(&self) -> Result<(), PublishError> {
        self.hub.check_granted(self.private.as_ref())
    }

    fn has_lost(&self) -> bool {
        !self.again.is_empty() || self.pipeline.has_lost()
    }

    fn is_full(&self, len: usize) -> bool {
        let waiting = self.pipeline.bytes();
        waiting > 0 && waiting + len > MAX_UNCONFIRMED
    }

    /// Sends again what was lost, and waits until so many bytes more may wait.
    async fn make_room(&mut self, len: usize, deadline: Instant) -> Result<(), PublishError> {
        let pipeline = Arc::clone(&self.pipeline);
        let mut changed = pin!(pipeline.changed());
        loop {
            changed.as_mut().enable();
            self.send_again(deadline).await;
            if !self.is_full(len) {
                return Ok(());
            }
            if !self.has_lost() && timeout_at(deadline, changed.as_mut()).await.is_err() {
                let connection = self.connection.as_ref();
                return Err(PublishError::Congested {
                    topic: self.shown().to_owned(),
                    endpoint: connection
                        .map_or_else(|| self.hub.names(), |c| c.endpoint().to_owned()),
                    after: pipeline.timeout(),
                });
            }
            changed.set(pipeline.changed());
        }
    }

    /// Sends again what was lost until now. What fails is told by the next flush.
    async fn send_again(&mut self, deadline: Instant) {
        loop {
            if self.again.is_empty() {
                self.again.extend(self.pipeline.take_lost());
            }
            let Some(lost) = self.again.front() else {
                return;
            };
            let payload = lost.payload.clone();
            let message = PipelinedMessage {
                number: lost.number,
                seq: Some(lost.seq),
                payload: &payload,
                cut_offs: lost.cut_offs,
                copy: lost.copy,
            };
            let (again, copy) = (lost.again, lost.copy);
            let sent = match (again, self.check_granted()) {
                (_, Err(revoked)) => Err(revoked),
                // One copy more or less is no error.
                (_, Ok(())) if copy => {
                    self.send_copies(message, Some(deadline)).await;
                    Ok(())
                }
                (Again::Anywhere, _) => self.send(message, Some(deadline)).await,
                (Again::Elsewhere, _) => self.deliver(message, deadline).await,
            };
            // Only now: it is still there if this future is dropped before.
            self.again.pop_front();
            match sent {
                Ok(()) => self.pipeline.settled_one(copy, payload.len()),
                Err(error) => self.pipeline.failed((copy, payload.len()), error),
            }
        }
    }

    /// Puts a message into a connection's send buffer, or has it delivered if there is none yet.
    async fn send(
        &mut self,
        message: PipelinedMessage<'_>,
        deadline: Option<Instant>,
    ) -> Result<(), PublishError> {
        let until = |timeout| deadline.unwrap_or_else(|| Instant::now() + timeout);
        loop {
            let connection = match &self.connection {
                Some(connection) if connection.is_open() => connection,
                _ => match self.pick() {
                    Picked::Connection(connection) => self.connection.insert(connection),
                    Picked::None | Picked::Closed(_) => {
                        let until = until(self.pipeline.timeout());
                        return self.deliver(message, until).await;
                    }
                },
            };
            let overlay = connection.is_overlay();
            let sent = connection.enqueue(&self.pipeline, message, deadline);
            match sent.await {
                Ok(_) if overlay => return Ok(()),
                Ok(seq) => {
                    let seq = Some(seq);
                    let message = PipelinedMessage { seq, ..message };
                    self.send_copies(message, deadline).await;
                    return Ok(());
                }
                Err(Failed::Final(error)) => return Err(error),
                // It is not open any more, and not chosen again.
                Err(Failed::Retry(Attempt::NotSent, _)) => self.connection = None,
                // It is too long for this node; another one may take it.
                Err(Failed::Retry(..)) => {
                    let until = until(self.pipeline.timeout());
                    return self.deliver(message, until).await;
                }
            }
        }
    }

    fn pick(&self) -> Picked {
        let attempts = Attempts::default();
        self.hub
            .pick(&attempts, self.pipeline.topic(), Kind::Multicast)
    }

    /// Puts copies of a message into the send buffers of other connections, as far as there are some: a FISCO
    /// node does not deliver to its own subscribers.
    async fn send_copies(&mut self, message: PipelinedMessage<'_>, deadline: Option<Instant>) {
        let copies = self.hub.options.copies - 1;
        let mut asked: Vec<u64> = self.connection.iter().map(Connection::id).collect();
        self.others.retain(Connection::is_open);
        let mut sent = 0;
        while sent < copies {
            let known = |other: &&Connection| !asked.contains(&other.id());
            let other = match self.others.iter().find(known) {
                Some(other) => other.clone(),
                None => {
                    let topic = self.pipeline.topic();
                    let Some(other) = self.hub.pick_other(topic, Kind::Multicast, &asked) else {
                        return;
                    };
                    self.others.push(other.clone());
                    other
                }
            };
            asked.push(other.id());
            let message = PipelinedMessage {
                copy: true,
                ..message
            };
            match other.enqueue(&self.pipeline, message, deadline).await {
                Ok(_) => sent += 1,
                Err(Failed::Retry(..)) => {}
                Err(Failed::Final(error)) => {
                    let topic = self.shown();
                    tracing::debug!(topic, "a copy of a multicast was not sent: {error}");
                    return;
                }
            }
        }
    }

    /// Publishes a message as one of its own: waits for a connection, if there is none, and for the
    /// node's answer.
    async fn deliver(
        &self,
        message: PipelinedMessage<'_>,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        let PipelinedMessage {
            seq,
            payload,
            cut_offs,
            ..
        } = message;
        // One that is sent again is counted by the pipeline.
        let _counted = seq.is_none().then(|| self.hub.publishing.one());
        let message = Message {
            kind: Kind::Multicast,
            seq,
            topic: self.pipeline.topic(),
            payload,
            deadline,
            timeout: self.pipeline.timeout(),
            cut_offs,
        };
        self.hub.deliver(message, self.private.as_ref()).await?;
        Ok(())
    }
}
