//! The part of [`Client`] that is about sealed topics.

use std::sync::Arc;

use amop_proto::TopicName;
use amop_seal::{ReplayGuard, SealingKey, SealingPublicKey};

use super::{
    sealer::Sealer,
    subscribe::SealedSubscriptionBuilder,
    subscription::{SealedDeliveries, SealedSubscription},
    topic::SealedTopic,
};
use crate::{Client, PublishError, PublishErrorKind, SubscribeError};

/// Sealed topics.
impl Client {
    /// Returns a [`Sealer`], which publishes to a type's sealed topic: it seals each message to the
    /// `recipients` and signs it with `key`. This call sends nothing. See [the crate's
    /// documentation](crate#sealed-topics).
    ///
    /// # Errors
    ///
    /// [`Seal`](crate::PublishErrorKind::Seal) if there is no recipient or more than 256.
    pub fn seal_for<T: SealedTopic>(
        &self,
        key: &SealingKey,
        recipients: &[SealingPublicKey],
    ) -> Result<Sealer<T>, PublishError> {
        self.seal_for_topic(T::TOPIC, key, recipients)
    }

    /// As [`seal_for`](Self::seal_for), for a topic with another name.
    ///
    /// # Errors
    ///
    /// As [`seal_for`](Self::seal_for), and
    /// [`InvalidTopic`](crate::PublishErrorKind::InvalidTopic).
    pub fn seal_for_topic<T: SealedTopic>(
        &self,
        topic: &str,
        key: &SealingKey,
        recipients: &[SealingPublicKey],
    ) -> Result<Sealer<T>, PublishError> {
        let invalid = |cause| PublishError::of_name(PublishErrorKind::InvalidTopic(cause), topic);
        let topic = TopicName::new(topic).map_err(invalid)?;
        let inner = Arc::clone(self.inner());
        Sealer::new(inner, *self.options(), topic, key, recipients)
    }

    /// Subscribes to a type's sealed topic. `keys` are this subscriber's keys: one, or several
    /// during a rotation, the newest first. It takes messages only from `publishers`, and each
    /// message once: `guard` remembers which ones were taken.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe). The replay guard is used up.
    pub async fn subscribe_sealed<T: SealedTopic>(
        &self,
        keys: impl AsRef<[SealingKey]>,
        publishers: &[SealingPublicKey],
        guard: ReplayGuard,
    ) -> Result<SealedSubscription<T>, SubscribeError> {
        self.sealed_subscription()
            .subscribe(keys, publishers, guard)
            .await
    }

    /// As [`subscribe_sealed`](Self::subscribe_sealed), as a stream of deliveries: messages with
    /// their publishers, which can be replied to.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe). The replay guard is used up.
    pub async fn deliveries_sealed<T: SealedTopic>(
        &self,
        keys: impl AsRef<[SealingKey]>,
        publishers: &[SealingPublicKey],
        guard: ReplayGuard,
    ) -> Result<SealedDeliveries<T>, SubscribeError> {
        self.sealed_subscription()
            .deliveries(keys, publishers, guard)
            .await
    }

    /// Returns a builder of a subscription to a sealed topic, for its own queue length, overflow
    /// policy or topic.
    pub fn sealed_subscription<T: SealedTopic>(&self) -> SealedSubscriptionBuilder<T> {
        SealedSubscriptionBuilder::new(Arc::clone(self.inner()), *self.options())
    }
}
