//! The part of [`Client`] that is about private topics.

use std::sync::Arc;

use amop_proto::channel::PrivateName;

use super::keys::{TopicKey, TopicPublicKey};
use crate::{Client, Deliveries, GrantError, RawSubscription, SubscribeError, Subscription, Topic};

/// Private topics.
impl Client {
    /// Grants a type's private topic to subscribers with these keys, in addition to the keys that
    /// were granted before. Returns once every connected node knows that this client verifies
    /// subscribers of the topic; subscribers are verified as they come, on these connections and on
    /// later ones. See [the crate's documentation](crate#private-topics).
    ///
    /// ```no_run
    /// # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// #[amop::topic("settlement", private)]
    /// struct Settlement {
    ///     amount: u64,
    /// }
    ///
    /// let key = amop::TopicPublicKey::load("keys/custodian.pem")?;
    /// client.grant::<Settlement>(&[key]).await?;
    /// // Waits for a verified subscriber, within the timeout.
    /// Settlement { amount: 100 }.publish_unicast(&client).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`GrantError`]. After [`Unconfirmed`](GrantError::Unconfirmed) the topic is granted.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after its first poll, the topic is granted, and nodes are told in the
    /// background.
    pub async fn grant<T: Topic>(&self, keys: &[TopicPublicKey]) -> Result<(), GrantError> {
        self.grant_to(&private_name::<T>()?, keys).await
    }

    /// As [`grant`](Self::grant), for a topic with another name, or without a type.
    ///
    /// # Errors
    ///
    /// As [`grant`](Self::grant).
    ///
    /// # Cancel safety
    ///
    /// As [`grant`](Self::grant).
    pub async fn grant_to(
        &self,
        topic: &PrivateName,
        keys: &[TopicPublicKey],
    ) -> Result<(), GrantError> {
        if keys.is_empty() {
            let topic = topic.to_string();
            return Err(GrantError::NoKeys { topic });
        }
        self.inner().private.grant(topic, keys);
        let push_topic = std::slice::from_ref(topic.push_topic());
        self.announced(
            topic,
            self.inner().subscribed(push_topic, self.options()).await,
        )
    }

    /// Ends the [`grant`](Self::grant) of a type's private topic for all keys: this client verifies
    /// no more subscribers and publishes nothing to the topic. Returns whether the topic was
    /// granted.
    ///
    /// Other publishers can still send to a subscriber that a node has verified, until it leaves:
    /// the protocol has no message that takes a verification back.
    ///
    /// # Errors
    ///
    /// [`GrantError`]. After [`Unconfirmed`](GrantError::Unconfirmed) the grant has ended, too.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after its first poll, the grant has ended, and nodes are told in the
    /// background.
    pub async fn revoke<T: Topic>(&self) -> Result<bool, GrantError> {
        self.revoke_to(&private_name::<T>()?).await
    }

    /// As [`revoke`](Self::revoke), for a topic with another name, or without a type.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    ///
    /// # Cancel safety
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_to(&self, topic: &PrivateName) -> Result<bool, GrantError> {
        let granted = self.inner().private.revoke(topic);
        if granted {
            let push_topic = std::slice::from_ref(topic.push_topic());
            self.announced(
                topic,
                self.inner()
                    .unsubscribed(push_topic, self.options().timeout)
                    .await,
            )?;
        }
        Ok(granted)
    }

    fn announced(
        &self,
        topic: &PrivateName,
        result: Result<(), SubscribeError>,
    ) -> Result<(), GrantError> {
        result.map_err(|source| GrantError::Unconfirmed {
            topic: topic.to_string(),
            source,
        })
    }

    /// Subscribes to a type's private topic. `key` proves to publishers that this client may have
    /// the messages. Messages of a publisher that did not grant the topic to this key arrive only
    /// if that publisher is connected to the same node as one that did, or to the same node as this
    /// client.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn subscribe_private<T: Topic>(
        &self,
        key: &TopicKey,
    ) -> Result<Subscription<T>, SubscribeError> {
        self.subscription().key(key).subscribe().await
    }

    /// As [`subscribe_private`](Self::subscribe_private), as a stream of deliveries, which can be
    /// replied to.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn deliveries_private<T: Topic>(
        &self,
        key: &TopicKey,
    ) -> Result<Deliveries<T>, SubscribeError> {
        self.subscription().key(key).deliveries().await
    }

    /// Subscribes to a private topic without decoding its messages: they stay bytes. They are
    /// published by [`publish_unicast_raw`](Self::publish_unicast_raw) and
    /// [`publish_multicast_raw`](Self::publish_multicast_raw) to
    /// [`topic.topic()`](PrivateName::topic).
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn subscribe_private_raw(
        &self,
        topic: &PrivateName,
        key: &TopicKey,
    ) -> Result<RawSubscription, SubscribeError> {
        let inner = Arc::clone(self.inner());
        let (topic, key) = (topic.topic().clone(), Some(key.clone()));
        RawSubscription::start(topic, inner, self.options(), key).await
    }
}

fn private_name<T: Topic>() -> Result<PrivateName, GrantError> {
    if !T::PRIVATE {
        let topic = T::TOPIC.to_owned();
        return Err(GrantError::NotPrivate { topic });
    }
    Ok(PrivateName::new(T::TOPIC)?)
}
