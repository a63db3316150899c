//! The builder of a subscription to a sealed topic.

use std::{marker::PhantomData, sync::Arc};

use amop_proto::TopicName;
use amop_seal::{ReaderError, ReplayGuard, SealedReader, SealingKey, SealingPublicKey};

use super::{SealedDeliveries, SealedSubscription, SealedTopic, clock::now, unsealer::Unsealer};
use crate::{OverflowPolicy, RawSubscription, SubscribeError, client::ClientInner, topic::Of};

/// A builder of a subscription to a sealed topic, returned by
/// [`Client::sealed_subscription`](crate::Client::sealed_subscription).
#[derive(Debug, Clone)]
#[must_use = "call `subscribe` or `deliveries` to subscribe"]
pub struct SealedSubscriptionBuilder<T> {
    inner: Arc<ClientInner>,
    topic: String,
    queue: usize,
    overflow: OverflowPolicy,
    message: Of<T>,
}

impl<T: SealedTopic> SealedSubscriptionBuilder<T> {
    pub(crate) fn new(inner: Arc<ClientInner>) -> Self {
        Self {
            queue: inner.options.queue,
            inner,
            topic: T::TOPIC.to_owned(),
            overflow: OverflowPolicy::default(),
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
        self.queue = messages.max(1);
        self
    }

    /// Sets what happens to a message when the queue is full. Default
    /// [`OverflowPolicy::DropNewest`].
    pub fn overflow(mut self, overflow: OverflowPolicy) -> Self {
        self.overflow = overflow;
        self
    }

    /// As [`Client::subscribe_sealed`](crate::Client::subscribe_sealed).
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
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
        let (inner, queue) = (self.inner, self.queue);
        let raw = RawSubscription::start(topic, inner, queue, self.overflow, None).await?;
        Ok(Unsealer::new(raw, reader, store))
    }
}
