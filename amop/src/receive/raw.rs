//! A subscription to bytes.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use amop_proto::{
    TopicName,
    channel::{PrivateName, result_code},
};
use bytes::Bytes;
use futures::{Stream, StreamExt};

use super::{
    delivery::Delivery,
    incoming::Incoming,
    queue::DeliveryQueue,
    reply_path::wake_all,
    responder::Responder,
    stats::SubscriptionStats,
    subscriptions::{NotAdded, Subscriptions},
};
use crate::{
    SubscribeError,
    client::{CallOptions, ClientInner},
    private::TopicKey,
};

/// A subscription whose messages are not decoded: a stream of deliveries of bytes.
///
/// It ends when it is unsubscribed or the client is closed; a reconnect does not end it. Dropping
/// it unsubscribes in the background and refuses the unicasts that it still holds, so that a node
/// gives them to other subscribers.
#[must_use = "a subscription that is dropped unsubscribes, and refuses the unicasts in its queue"]
pub struct RawSubscription {
    topic: TopicName,
    queue: Arc<DeliveryQueue>,
    inner: Arc<ClientInner>,
    /// How long unsubscribing may take.
    timeout: Duration,
    /// Whether its unicasts are requests.
    needs_reply: bool,
}

impl RawSubscription {
    pub(crate) async fn start(
        topic: TopicName,
        inner: Arc<ClientInner>,
        options: &CallOptions,
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
        let queue = match inner
            .subscriptions
            .add(&topic, proof, options.queue, options.overflow)
        {
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
            timeout: options.timeout,
            needs_reply: false,
        };
        let topics = subscription
            .inner
            .subscriptions
            .topics_of(&subscription.topic);
        subscription.inner.subscribed(&topics, options).await?;
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
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Delivery<Bytes>> {
        StreamExt::next(self).await
    }

    /// Unsubscribes. Messages that were delivered before can still be read; then the stream ends.
    ///
    /// While this call waits, a full queue turns messages away even with
    /// [`OverflowPolicy::Block`](crate::OverflowPolicy::Block),
    /// because the caller cannot read during the call.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if a node did not confirm. The subscription ends in this case, too.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nodes may have removed the topic or not. What was delivered can be read;
    /// call this again, or drop the subscription.
    pub async fn unsubscribe(&mut self) -> Result<(), SubscribeError> {
        self.inner.subscriptions.leave(&self.topic, &self.queue);
        let topics = self.inner.subscriptions.topics_of(&self.topic);
        let result = self.inner.unsubscribed(&topics, self.timeout).await;
        // Messages are accepted until here: a node may have sent them before it removed the topic.
        self.inner.subscriptions.remove(&self.topic, &self.queue);
        wake_all(self.queue.close());
        result
    }

    /// Sets whether its unicasts are requests: if one is dropped without an answer, its publisher
    /// gets an error.
    pub(crate) fn of_requests(mut self, needs_reply: bool) -> Self {
        self.needs_reply = needs_reply;
        self
    }

    pub(crate) fn subscriptions(&self) -> &Arc<Subscriptions> {
        &self.inner.subscriptions
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
        wake_all(blocked);
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
