//! The builder of a subscription.

use std::{marker::PhantomData, sync::Arc};

use super::{deliveries::Deliveries, raw::RawSubscription, subscription::Subscription};
use crate::{
    OverflowPolicy, SubscribeError, Topic, TopicKey,
    client::ClientInner,
    topic::{Of, wire_topic},
};

/// A builder of a subscription, returned by [`Client::subscription`](crate::Client::subscription).
///
/// ```no_run
/// # async fn run(client: amop::Client) -> Result<(), amop::SubscribeError> {
/// #[amop::topic("ticks")]
/// struct Tick {
///     price: f64,
/// }
///
/// // Only the newest prices matter.
/// let mut ticks = client
///     .subscription::<Tick>()
///     .queue(16)
///     .overflow(amop::OverflowPolicy::DropOldest)
///     .subscribe()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "call `subscribe` or `deliveries` to subscribe"]
pub struct SubscriptionBuilder<T> {
    inner: Arc<ClientInner>,
    topic: String,
    queue: usize,
    overflow: OverflowPolicy,
    key: Option<TopicKey>,
    message: Of<T>,
}

impl<T: Topic> SubscriptionBuilder<T> {
    pub(crate) fn new(inner: Arc<ClientInner>) -> Self {
        Self {
            queue: inner.options.queue,
            inner,
            topic: T::TOPIC.to_owned(),
            overflow: OverflowPolicy::default(),
            key: None,
            message: PhantomData,
        }
    }

    /// Sets the topic. Default: that of the type.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = topic.into();
        self
    }

    /// Sets how many messages may wait. Default: the client's
    /// [`queue`](crate::ClientBuilder::queue); at least 1. The waiting messages may also have 256
    /// MiB at most, but an empty queue takes any message.
    pub fn queue(mut self, messages: usize) -> Self {
        self.queue = messages.max(1);
        self
    }

    /// Sets what happens to a message when the queue is full. Default
    /// [`OverflowPolicy::DropNewest`].
    pub fn overflow(mut self, overflow: OverflowPolicy) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets the key that proves that this client may have the messages of a private topic. Default:
    /// that of [`ClientBuilder::topic_key`](crate::ClientBuilder::topic_key).
    pub fn key(mut self, key: &TopicKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Subscribes. The subscription yields messages and acknowledges each unicast when it is taken
    /// from the stream.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn subscribe(self) -> Result<Subscription<T>, SubscribeError> {
        Ok(Subscription::new(self.raw().await?))
    }

    /// Subscribes. The stream yields deliveries, which can be replied to.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn deliveries(self) -> Result<Deliveries<T>, SubscribeError> {
        Ok(Deliveries::new(self.raw().await?))
    }

    /// Subscribes. The stream yields bytes. On a topic with replies ([`Topic::REQUEST`]) the
    /// publisher of a unicast that is dropped without an answer gets an error, as with
    /// [`deliveries`](Self::deliveries).
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn raw(self) -> Result<RawSubscription, SubscribeError> {
        let topic = wire_topic::<T>(&self.topic)?;
        RawSubscription::start(topic, self.inner, self.queue, self.overflow, self.key)
            .await
            .map(|raw| raw.of_requests(T::REQUEST))
    }
}
