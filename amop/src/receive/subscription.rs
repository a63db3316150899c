//! Subscriptions: streams of bytes, of messages, and of deliveries.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use amop_proto::{
    TopicName,
    channel::{PrivateName, result_code},
    log::OneLine,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};

use crate::{
    Codec, DecodeError, Delivery, OverflowPolicy, SubscribeError, SubscriptionStats, Topic,
    TopicKey,
    connection::Connection,
    delivery::{Of, Responder},
    inner::ClientInner,
    queue::{DeliveryQueue, Incoming},
    report::Warnings,
    subscriptions::{NotAdded, Subscriptions},
};

/// A subscription whose messages are not decoded: a stream of deliveries of bytes.
///
/// It ends when it is unsubscribed or the client is closed; a reconnect does not end it. Dropping
/// it unsubscribes in the background and refuses the unicasts that it still holds, so that a node
/// gives them to other subscribers.
pub struct RawSubscription {
    topic: TopicName,
    queue: Arc<DeliveryQueue>,
    inner: Arc<ClientInner>,
    /// Whether its unicasts are requests.
    needs_reply: bool,
}

impl RawSubscription {
    pub(crate) async fn start(
        topic: TopicName,
        inner: Arc<ClientInner>,
        capacity: usize,
        overflow: OverflowPolicy,
        key: Option<TopicKey>,
    ) -> Result<Self, SubscribeError> {
        let name = PrivateName::of_topic(&topic);
        let shown = || PrivateName::shown(&topic).to_owned();
        let configured = |name| inner.options.keys.get(name).cloned();
        let proof = match (&name, key) {
            (None, None) => None,
            (None, Some(_)) => return Err(SubscribeError::NotPrivate { topic: shown() }),
            (Some(name), key) => match key.or_else(|| configured(name)) {
                Some(key) => Some((key, inner.new_route(name))),
                None => return Err(SubscribeError::NoKey { topic: shown() }),
            },
        };
        let proof = proof.as_ref().map(|(key, route)| (key, route.clone()));
        let queue = match inner.subscriptions.add(&topic, proof, capacity, overflow) {
            Ok(queue) => queue,
            Err(NotAdded::Closed) => return Err(inner.unsubscribable(&topic)),
            Err(NotAdded::OtherKey) => return Err(SubscribeError::OtherKey { topic: shown() }),
        };
        // If this future is dropped after this point, the subscription is dropped, which undoes
        // everything.
        let subscription = Self {
            topic,
            queue,
            inner,
            needs_reply: false,
        };
        let topics = subscription
            .inner
            .subscriptions
            .topics_of(&subscription.topic);
        subscription.inner.subscribed(&topics).await?;
        Ok(subscription)
    }

    /// Returns the topic; for a private topic, its name.
    pub fn topic(&self) -> &str {
        PrivateName::shown(&self.topic)
    }

    /// Returns how many messages were turned away because the queue was full: multicasts are lost,
    /// unicasts were refused. [`stats`](Self::stats) counts them separately.
    pub fn lagged(&self) -> u64 {
        let stats = self.stats();
        stats.dropped + stats.refused
    }

    /// Returns the counts of the queue.
    pub fn stats(&self) -> SubscriptionStats {
        self.queue.stats()
    }

    /// Returns the next message; `None` once unsubscribed or closed.
    pub async fn next(&mut self) -> Option<Delivery<Bytes>> {
        StreamExt::next(self).await
    }

    /// Unsubscribes. Messages that were delivered before can still be read; then the stream ends.
    ///
    /// While this call waits, a full queue turns messages away even with [`OverflowPolicy::Block`],
    /// because the caller cannot read during the call.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if a node did not confirm. The subscription ends in this case, too.
    pub async fn unsubscribe(&mut self) -> Result<(), SubscribeError> {
        self.inner.subscriptions.leave(&self.topic, &self.queue);
        let topics = self.inner.subscriptions.topics_of(&self.topic);
        let result = self.inner.unsubscribed(&topics).await;
        // Messages are accepted until here: a node may have sent them before it removed the topic.
        self.inner.subscriptions.remove(&self.topic, &self.queue);
        Connection::wake_all(self.queue.close());
        result
    }

    /// Sets whether its unicasts are requests: if one is dropped without an answer, its publisher
    /// gets an error.
    pub(crate) fn of_requests(mut self, needs_reply: bool) -> Self {
        self.needs_reply = needs_reply;
        self
    }

    pub(crate) fn inner(&self) -> &ClientInner {
        &self.inner
    }

    pub(crate) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.queue.poll_pop(cx)
    }
}

impl Stream for RawSubscription {
    type Item = Delivery<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let incoming = ready!(self.poll_incoming(cx));
        Poll::Ready(incoming.map(|incoming| {
            let (mut responder, payload) = Responder::of(incoming, &self.inner.subscriptions);
            responder.set_needs_reply(self.needs_reply);
            Delivery::new(payload, responder)
        }))
    }
}

impl Drop for RawSubscription {
    fn drop(&mut self) {
        let topics = self.inner.subscriptions.topics_of(&self.topic);
        self.inner.subscriptions.remove(&self.topic, &self.queue);
        let (unread, blocked) = self.queue.close_and_drain();
        for incoming in unread {
            let (responder, _) = Responder::of(incoming, &self.inner.subscriptions);
            // This fails for a multicast, which has no answer, and if the connection is lost, which
            // needs none.
            let _ = responder.answer(result_code::NO_SESSION, b"");
        }
        Connection::wake_all(blocked);
        self.inner.sync_topics(&topics);
    }
}

impl fmt::Debug for RawSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSubscription")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

/// The messages that a subscription could not decode.
#[derive(Debug, Clone, Default)]
pub struct DecodeErrors {
    count: u64,
    last: Option<DecodeError>,
}

impl DecodeErrors {
    /// Returns how many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the error of the last one.
    pub fn last(&self) -> Option<&DecodeError> {
        self.last.as_ref()
    }

    /// Counts one, and logs it within the log's limits.
    pub(crate) fn add(&mut self, error: DecodeError, log: &Warnings) {
        self.count += 1;
        log.warn(self.count, &error);
        self.last = Some(error);
    }
}

/// A subscription to a topic as a stream of deliveries, made by
/// [`Client::deliveries`](crate::Client::deliveries).
///
/// For programs that reply to requests, or that need to know of each message that cannot be
/// decoded; other programs should use [`Subscription`]. It ends, and behaves when it is dropped, as
/// [`RawSubscription`] does.
pub struct Deliveries<T> {
    raw: RawSubscription,
    message: Of<T>,
}

impl<T: Topic> Deliveries<T> {
    pub(crate) fn new(raw: RawSubscription) -> Self {
        Self {
            raw,
            message: PhantomData,
        }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        self.raw.topic()
    }

    /// Returns how many messages were turned away because the queue was full: multicasts are lost,
    /// unicasts were refused.
    pub fn lagged(&self) -> u64 {
        self.raw.lagged()
    }

    /// Returns the counts of the queue.
    pub fn stats(&self) -> SubscriptionStats {
        self.raw.stats()
    }

    /// Returns the next message; `None` once unsubscribed or closed. A message that cannot be
    /// decoded is an error here, and the publisher of a unicast gets result 105.
    pub async fn next(&mut self) -> Option<Result<Delivery<T>, DecodeError>> {
        StreamExt::next(self).await
    }

    /// Unsubscribes. Messages that were delivered before can still be read; then the stream ends.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if a node did not confirm. The subscription ends in this case, too.
    pub async fn unsubscribe(&mut self) -> Result<(), SubscribeError> {
        self.raw.unsubscribe().await
    }
}

impl<T: Topic> Stream for Deliveries<T> {
    type Item = Result<Delivery<T>, DecodeError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let incoming = ready!(self.raw.poll_incoming(cx));
        Poll::Ready(incoming.map(|incoming| decode(incoming, &self.raw.inner.subscriptions)))
    }
}

impl<T> fmt::Debug for Deliveries<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deliveries").field(&self.raw).finish()
    }
}

/// A subscription to a topic as a stream of its messages, made by
/// [`Client::subscribe`](crate::Client::subscribe).
///
/// Each unicast is acknowledged, with an empty payload, when it is taken from the stream; on a
/// topic with replies ([`Topic::REQUEST`]) its publisher gets result 106, "no reply". A message
/// that cannot be decoded is skipped: it is counted in [`errors`](Self::errors) and logged, and the
/// publisher of a unicast gets result 105. It ends, and behaves when it is dropped, as
/// [`RawSubscription`] does.
///
/// ```no_run
/// # async fn run(client: amop::Client) -> Result<(), amop::SubscribeError> {
/// # #[derive(Debug, serde::Serialize, serde::Deserialize)] struct Order { id: u64 }
/// # impl amop::Topic for Order {
/// #     const TOPIC: &'static str = "orders";
/// #     type Codec = amop::codec::Json;
/// # }
/// let mut orders = client.subscribe::<Order>().await?;
/// while let Some(order) = orders.next().await {
///     println!("{}", order.id);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Subscription<T> {
    raw: RawSubscription,
    errors: DecodeErrors,
    log: Arc<Warnings>,
    message: Of<T>,
}

impl<T: Topic> Subscription<T> {
    pub(crate) fn new(raw: RawSubscription) -> Self {
        if T::REQUEST {
            tracing::warn!(
                topic = %OneLine::new(raw.topic()),
                "a plain subscription cannot reply, but the topic's unicasts are requests: their \
                 publishers get the error 'no reply'; use deliveries instead"
            );
        }
        let log = Warnings::new(raw.inner.subscriptions.later());
        Self {
            raw,
            errors: DecodeErrors::default(),
            log,
            message: PhantomData,
        }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        self.raw.topic()
    }

    /// Returns the messages that could not be decoded.
    pub fn errors(&self) -> &DecodeErrors {
        &self.errors
    }

    /// Returns how many messages were turned away because the queue was full: multicasts are lost,
    /// unicasts were refused.
    pub fn lagged(&self) -> u64 {
        self.raw.lagged()
    }

    /// Returns the counts of the queue.
    pub fn stats(&self) -> SubscriptionStats {
        self.raw.stats()
    }

    /// Returns the next message; `None` once unsubscribed or closed.
    pub async fn next(&mut self) -> Option<T> {
        StreamExt::next(self).await
    }

    /// Unsubscribes. Messages that were delivered before can still be read; then the stream ends.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if a node did not confirm. The subscription ends in this case, too.
    pub async fn unsubscribe(&mut self) -> Result<(), SubscribeError> {
        self.raw.unsubscribe().await
    }
}

impl<T: Topic> Stream for Subscription<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            let Some(incoming) = ready!(self.raw.poll_incoming(cx)) else {
                return Poll::Ready(None);
            };
            match decode::<T>(incoming, &self.raw.inner.subscriptions) {
                Ok(delivery) => return Poll::Ready(Some(delivery.into_inner())),
                Err(error) => {
                    let this = &mut *self;
                    this.errors.add(error, &this.log);
                }
            }
        }
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.log.finish();
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription").field(&self.raw).finish()
    }
}

/// Decodes a message, or tells its publisher that it cannot be decoded.
fn decode<T: Topic>(
    incoming: Incoming,
    subscriptions: &Arc<Subscriptions>,
) -> Result<Delivery<T>, DecodeError> {
    let (mut responder, payload) = Responder::of(incoming, subscriptions);
    responder.set_needs_reply(T::REQUEST);
    let len = payload.len();
    match T::Codec::decode(payload) {
        Ok(message) => Ok(Delivery::new(message, responder)),
        Err(source) => {
            let error = DecodeError {
                topic: PrivateName::shown(responder.topic()).to_owned(),
                seq: responder.seq().to_string(),
                kind: responder.kind(),
                len,
                source: Arc::new(source),
            };
            // This fails for a multicast, which has no answer, and if the connection is lost, which
            // needs none.
            let _ = responder.answer(result_code::DECODE, b"");
            Err(error)
        }
    }
}
