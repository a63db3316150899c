//! The part of [`Client`] that subscribes.

use std::sync::Arc;

use amop_proto::TopicName;

use super::{
    builder::SubscriptionBuilder, deliveries::Deliveries, raw::RawSubscription,
    subscription::Subscription,
};
use crate::{Client, SubscribeError, Topic, topic::wire_topic};

/// Subscribing.
impl Client {
    /// Returns a builder of a subscription, for its own queue length, overflow policy, topic or
    /// key.
    pub fn subscription<T: Topic>(&self) -> SubscriptionBuilder<T> {
        SubscriptionBuilder::new(Arc::clone(self.inner()), *self.options())
    }

    /// Subscribes to a type's topic. The subscription yields messages and acknowledges each unicast
    /// when it is taken from the stream.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no subscription; nodes that were told of the topic are told
    /// that it is not wanted.
    pub async fn subscribe<T: Topic>(&self) -> Result<Subscription<T>, SubscribeError> {
        self.subscribe_to(T::TOPIC).await
    }

    /// As [`subscribe`](Self::subscribe), to a topic with another name.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn subscribe_to<T: Topic>(
        &self,
        topic: &str,
    ) -> Result<Subscription<T>, SubscribeError> {
        let raw = self.subscribe_raw(&wire_topic::<T>(topic)?).await?;
        Ok(Subscription::new(raw))
    }

    /// Subscribes to a type's topic. The stream yields deliveries: messages with their seq and
    /// topic, which can be replied to.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn deliveries<T: Topic>(&self) -> Result<Deliveries<T>, SubscribeError> {
        self.deliveries_to(T::TOPIC).await
    }

    /// As [`deliveries`](Self::deliveries), of a topic with another name.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn deliveries_to<T: Topic>(
        &self,
        topic: &str,
    ) -> Result<Deliveries<T>, SubscribeError> {
        let raw = self.subscribe_raw(&wire_topic::<T>(topic)?).await?;
        Ok(Deliveries::new(raw))
    }

    /// Subscribes to a topic without decoding its messages: they stay bytes.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn subscribe_raw(
        &self,
        topic: &TopicName,
    ) -> Result<RawSubscription, SubscribeError> {
        let inner = Arc::clone(self.inner());
        RawSubscription::start(topic.clone(), inner, self.options(), None).await
    }
}
