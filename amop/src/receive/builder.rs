//! The builder of a subscription.

use std::{fmt, marker::PhantomData, sync::Arc};

use super::{deliveries::Deliveries, raw::RawSubscription, subscription::Subscription};
use crate::{
    OverflowPolicy, SubscribeError, Topic,
    client::{CallOptions, ClientInner},
    private::TopicKey,
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
#[must_use = "call `subscribe` or `deliveries` to subscribe"]
pub struct SubscriptionBuilder<T> {
    inner: Arc<ClientInner>,
    topic: String,
    options: CallOptions,
    key: Option<TopicKey>,
    message: Of<T>,
}

// Not derived, because the type of messages need not be `Clone` and `Debug`.
impl<T> Clone for SubscriptionBuilder<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            topic: self.topic.clone(),
            options: self.options,
            key: self.key.clone(),
            message: PhantomData,
        }
    }
}

impl<T> fmt::Debug for SubscriptionBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionBuilder")
            .field("topic", &self.topic)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<T: Topic> SubscriptionBuilder<T> {
    pub(crate) fn new(inner: Arc<ClientInner>, options: CallOptions) -> Self {
        Self {
            inner,
            options,
            topic: T::TOPIC.to_owned(),
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
        self.options.queue = messages.max(1);
        self
    }

    /// Sets what happens to a message when the queue is full. Default
    /// [`OverflowPolicy::DropNewest`].
    pub fn overflow(mut self, overflow: OverflowPolicy) -> Self {
        self.options.overflow = overflow;
        self
    }

    /// Sets the key that proves that this client may have the messages of a private topic. Default:
    /// that of [`ClientBuilder::topic_key`](crate::ClientBuilder::topic_key).
    #[cfg(feature = "private")]
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
    ///
    /// # Cancel safety
    ///
    /// As [`Client::subscribe`](crate::Client::subscribe).
    pub async fn subscribe(self) -> Result<Subscription<T>, SubscribeError> {
        Ok(Subscription::new(self.raw().await?))
    }

    /// Subscribes. The stream yields deliveries, which can be replied to.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`Client::subscribe`](crate::Client::subscribe).
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
    ///
    /// # Cancel safety
    ///
    /// As [`Client::subscribe`](crate::Client::subscribe).
    pub async fn raw(self) -> Result<RawSubscription, SubscribeError> {
        let topic = wire_topic::<T>(&self.topic)?;
        RawSubscription::start(topic, self.inner, &self.options, self.key)
            .await
            .map(|raw| raw.of_requests(T::REQUEST))
    }
}
