//! The builder of a subscription to a sealed topic.

use std::{fmt, marker::PhantomData, sync::Arc};

use amop_proto::TopicName;
use amop_seal::{ReaderError, ReplayGuard, SealedReader, SealingKey, SealingPublicKey};

use super::{SealedDeliveries, SealedSubscription, SealedTopic, clock::now, unsealer::Unsealer};
use crate::{
    OverflowPolicy, RawSubscription, SubscribeError,
    client::{CallOptions, ClientInner},
    topic::Of,
};

/// A builder of a subscription to a sealed topic, returned by
/// [`Client::sealed_subscription`](crate::Client::sealed_subscription).
#[must_use = "call `subscribe` or `deliveries` to subscribe"]
pub struct SealedSubscriptionBuilder<T> {
    inner: Arc<ClientInner>,
    topic: String,
    options: CallOptions,
    message: Of<T>,
}

// Not derived, because the type of messages need not be `Clone` and `Debug`.
impl<T> Clone for SealedSubscriptionBuilder<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            topic: self.topic.clone(),
            options: self.options,
            message: PhantomData,
        }
    }
}

impl<T> fmt::Debug for SealedSubscriptionBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSubscriptionBuilder")
            .field("topic", &self.topic)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<T: SealedTopic> SealedSubscriptionBuilder<T> {
    pub(crate) fn new(inner: Arc<ClientInner>, options: CallOptions) -> Self {
        Self {
            inner,
            options,
            topic: T::TOPIC.to_owned(),
            message: PhantomData,
        }
    }

    /// Sets the topic. Default: that of the type.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = topic.into();
        self
    }

    /// Sets how many messages may wait. Default: the client's
    /// [`queue`](crate::ClientBuilder::queue); at least 1.
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

    /// As [`Client::subscribe_sealed`](crate::Client::subscribe_sealed).
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`Client::subscribe_sealed`](crate::Client::subscribe_sealed).
    pub async fn subscribe(
        self,
        keys: impl AsRef<[SealingKey]>,
        publishers: &[SealingPublicKey],
        guard: ReplayGuard,
    ) -> Result<SealedSubscription<T>, SubscribeError> {
        let unsealer = self.unsealer(keys.as_ref(), publishers, guard).await?;
        Ok(SealedSubscription::new(unsealer))
    }

    /// As [`Client::deliveries_sealed`](crate::Client::deliveries_sealed).
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`Client::subscribe_sealed`](crate::Client::subscribe_sealed).
    pub async fn deliveries(
        self,
        keys: impl AsRef<[SealingKey]>,
        publishers: &[SealingPublicKey],
        guard: ReplayGuard,
    ) -> Result<SealedDeliveries<T>, SubscribeError> {
        let unsealer = self.unsealer(keys.as_ref(), publishers, guard).await?;
        Ok(SealedDeliveries::new(unsealer))
    }

    async fn unsealer(
        self,
        keys: &[SealingKey],
        publishers: &[SealingPublicKey],
        guard: ReplayGuard,
    ) -> Result<Unsealer, SubscribeError> {
        let topic = TopicName::new(&self.topic)?;
        let sealed = |source: ReaderError| SubscribeError::Sealed {
            topic: self.topic.clone(),
            source,
        };
        // The guard accepts messages from this time on. The messages of this subscription are
        // newer: they are published after the node knows the topic.
        let (window, store) = guard.start(now()).map_err(|error| sealed(error.into()))?;
        let reader = SealedReader::new(&self.topic, keys, publishers, window).map_err(sealed)?;
        self.inner.sealed.add(&topic);
        let raw = RawSubscription::start(topic, self.inner, &self.options, None).await?;
        Ok(Unsealer::new(raw, reader, store))
    }
}
