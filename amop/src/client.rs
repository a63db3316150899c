//! The client: what a program publishes and subscribes with.

use std::{collections::HashMap, fmt, future::Future, path::Path, sync::Arc, time::Duration};

use amop_proto::{
    TopicName,
    channel::PrivateName,
    client::{CloseReason, Kind},
};
use amop_seal::{ReplayGuard, SealingKey, SealingPublicKey};
use amop_tls::PublicKey;
use bytes::Bytes;

use crate::{
    ClientBuilder, Codec, ConnectError, Deliveries, DrainError, Events, GrantError, Offline,
    Overflow, PublishError, Publisher, RawPublisher, RawSubscription, Reconnect, Request,
    SealedDeliveries, SealedSubscription, SealedSubscriptionBuilder, SealedTopic, Sealer,
    SubscribeError, Subscription, SubscriptionBuilder, Topic, TopicKey, TopicPublicKey,
    connection::Settings,
    hub::Hub,
    publish::Answer,
    supervisor::{self, Dialer},
    topic::wire_topic,
};

/// A program's connections to nodes, by which messages are published and topics subscribed to.
///
/// Cloning is cheap, and all clones share the connections. [`close`](Self::close) ends them cleanly;
/// dropping the last clone does the same in the background, subscriptions or not. A connection that
/// is lost is made again, see [`Reconnect`], and subscriptions outlive it; [`events`](Self::events)
/// tells.
///
/// See the [crate's documentation](crate) for what is promised when.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Arc<Hub>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoints", &self.hub().endpoints)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

/// What a client is made with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) queue: usize,
    /// How many at a time; at least 1.
    pub(crate) connections: usize,
    pub(crate) reconnect: Reconnect,
    pub(crate) offline: Offline,
    /// By how many connections a multicast goes towards FISCO nodes; at least 1.
    pub(crate) copies: usize,
    /// After how long a unicast goes by another connection as well, towards FISCO nodes.
    pub(crate) ask_another: Option<Duration>,
    pub(crate) connection: Settings,
    pub(crate) grants: Vec<(PrivateName, Vec<TopicPublicKey>)>,
    /// Of subscriptions to private topics.
    pub(crate) keys: HashMap<PrivateName, TopicKey>,
}

/// The answer to a unicast.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The message's seq, by which logs of nodes and subscribers know it.
    pub seq: String,
    /// What the subscriber answered; empty if it merely took the message.
    pub payload: Bytes,
}

/// A node that a client is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its address, `host:port`.
    pub endpoint: String,
    /// The protocol version in use, 1 to 3.
    pub protocol_version: u32,
    /// Its compatibility version, e.g. `2.11.1`; `None` if it did not answer the version handshake.
    pub node_version: Option<String>,
    /// Its public key, which also is its node id; `None` if its certificate is an RSA one.
    pub public_key: Option<PublicKey>,
    /// Whether it is a FISCO node, and no overlay node of this project. See
    /// [the crate's documentation](crate#fisco-nodes) for what that means.
    pub fisco: bool,
}

impl Client {
    /// Starts setting up a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Connects to a node's channel port with everything at its default and the certificates of
    /// [`find_certificates`](crate::find_certificates).
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says which step failed, and what to do.
    pub async fn connect(endpoint: &str) -> Result<Self, ConnectError> {
        Self::builder().endpoint(endpoint).connect().await
    }

    /// Connects as the `config.toml` of a Java or Go SDK says; see
    /// [`ClientBuilder::from_config_file`].
    ///
    /// # Errors
    ///
    /// [`ConnectError::Config`] names the line that cannot be used; the others as for
    /// [`connect`](Self::connect).
    pub async fn from_config(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        ClientBuilder::from_config_file(path)?.connect().await
    }

    /// Keeps connections to the endpoints that `dialer` knows, and waits for the first one.
    pub(crate) async fn start<D: Dialer>(
        dialer: D,
        endpoints: Vec<Arc<str>>,
        options: Options,
        seed: [u8; 32],
    ) -> Result<Self, ConnectError> {
        let hub = Hub::new(endpoints, options, seed);
        supervisor::start(&hub, dialer);
        // Also closes what there is if connecting is given up.
        let client = Self {
            inner: Arc::new(Inner { hub }),
        };
        client.hub().connected().await?;
        Ok(client)
    }

    fn hub(&self) -> &Arc<Hub> {
        &self.inner.hub
    }

    // ---- the connections ----

    /// The first endpoint, `host:port`.
    pub fn endpoint(&self) -> &str {
        self.endpoints().next().unwrap_or_default()
    }

    /// All endpoints, connected or not.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.hub().endpoints.iter().map(|endpoint| &**endpoint)
    }

    /// The nodes connected to now.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.hub().nodes()
    }

    /// The protocol version in use with the first node that is connected, or was last, 1 to 3.
    pub fn protocol_version(&self) -> u32 {
        let node = self.hub().first_node();
        // There was a node, or there would be no client.
        node.map_or(1, |node| node.protocol_version)
    }

    /// The compatibility version of the first node that is connected, or was last, e.g. `2.11.1`;
    /// `None` if it did not answer the version handshake.
    pub fn node_version(&self) -> Option<String> {
        self.hub().first_node()?.node_version
    }

    /// The public key of the first node that is connected, or was last, which also is its node id;
    /// `None` if its certificate is an RSA one.
    pub fn node_public_key(&self) -> Option<PublicKey> {
        self.hub().first_node()?.public_key
    }

    /// Whether a connection is open, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.hub().is_connected()
    }

    /// What happens to the connections and subscriptions from now on, after a
    /// [`Connected`](crate::Event::Connected) for each node that is connected now.
    pub fn events(&self) -> Events {
        self.hub().events()
    }

    /// Waits until the client is closed for good and returns why: because of
    /// [`close`](Self::close), or because every endpoint was given up, see [`Reconnect`].
    pub async fn closed(&self) -> CloseReason {
        self.hub().closed().await
    }

    /// Closes the connections for all clones: what is queued is written, the nodes are told, and the
    /// client's tasks have ended when this returns, after 5 s at most.
    ///
    /// Calls that still wait for an answer fail with `Disconnected`; await them first. Multicasts
    /// that wait in subscriptions can still be read. Unicasts that wait there are left to the
    /// nodes, which give them to another subscriber or tell their publishers.
    /// [`drain`](Self::drain) deals with them before.
    pub async fn close(&self) {
        self.hub().close();
        self.hub().join().await;
    }

    /// Closes without losing anything that was accepted: unsubscribes everywhere, waits until every
    /// message that came before was read and every unicast among them answered, and until messages
    /// that are being published have their answers; then closes.
    ///
    /// Subscriptions end, once read to their end. Replying and publishing work until everything is
    /// dealt with; a program that publishes because of a message should hold that message's
    /// [`Delivery`](crate::Delivery) until then.
    ///
    /// # Errors
    ///
    /// [`DrainError`] if that is not over within
    /// [`drain_timeout`](ClientBuilder::drain_timeout). The client is closed all the same.
    pub async fn drain(&self) -> Result<(), DrainError> {
        let drained = self.hub().drain().await;
        self.close().await;
        drained
    }

    // ---- publishing ----

    /// Sends a message to one subscriber of its type's topic. Returns once the subscriber has
    /// taken it. The message is encoded before this returns its future, which holds nothing of it.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. [The crate's documentation](crate#what-is-promised-when) lists those after which the
    /// message may have been delivered.
    pub fn publish_unicast<'a, T: Topic>(
        &'a self,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish_unicast_to(T::TOPIC, message)
    }

    /// As [`publish_unicast`](Self::publish_unicast), to a topic of another name.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub fn publish_unicast_to<'a, T: Topic>(
        &'a self,
        topic: &str,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish(Kind::Unicast, encode(topic, message))
    }

    /// Sends a message to all subscribers of its type's topic. Returns once a node has taken it;
    /// whether anybody receives it is not known. The message is encoded before this returns its
    /// future, which holds nothing of it.
    ///
    /// For many messages in a row there is [`publisher`](Self::publisher).
    ///
    /// # Errors
    ///
    /// [`PublishError`].
    pub fn publish_multicast<'a, T: Topic>(
        &'a self,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish_multicast_to(T::TOPIC, message)
    }

    /// As [`publish_multicast`](Self::publish_multicast), to a topic of another name.
    ///
    /// # Errors
    ///
    /// As [`publish_multicast`](Self::publish_multicast).
    pub fn publish_multicast_to<'a, T: Topic>(
        &'a self,
        topic: &str,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish(Kind::Multicast, encode(topic, message))
    }

    /// Sends a message to one subscriber of its type's topic and waits for the reply. The message
    /// is encoded before this returns its future, which holds nothing of it.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast), and [`PublishError::Reply`] for a reply that
    /// cannot be read, and [`PublishError::NoReply`] if the subscriber took the message without replying.
    /// Subscribers on other SDKs may acknowledge it with nothing instead, which is an empty reply here.
    pub fn request<'a, R: Request>(
        &'a self,
        message: &R,
    ) -> impl Future<Output = Result<R::Reply, PublishError>> + Send + use<'a, R> {
        self.request_to(R::TOPIC, message)
    }

    /// As [`request`](Self::request), to a topic of another name.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub fn request_to<'a, R: Request>(
        &'a self,
        topic: &str,
        message: &R,
    ) -> impl Future<Output = Result<R::Reply, PublishError>> + Send + use<'a, R> {
        const {
            assert!(
                R::REQUEST,
                "set `const REQUEST: bool = true` where Topic is implemented: without it, a request that nobody \
                 answers gets an empty reply"
            )
        };
        let encoded = encode(topic, message);
        async move {
            let (topic, payload) = encoded?;
            let answer = self.exchange(Kind::Unicast, &topic, &payload).await?;
            R::ReplyCodec::decode(answer.payload).map_err(|source| PublishError::Reply {
                topic: PrivateName::shown(&topic).to_owned(),
                endpoint: answer.connection.endpoint().to_owned(),
                source,
            })
        }
    }

    async fn publish(
        &self,
        kind: Kind,
        encoded: Result<(TopicName, Bytes), PublishError>,
    ) -> Result<(), PublishError> {
        let (topic, payload) = encoded?;
        match self.exchange(kind, &topic, &payload).await {
            // A subscriber has taken it, and nobody asked for the reply that its topic may have.
            Ok(_) | Err(PublishError::NoReply { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends bytes to one subscriber of a topic and returns its answer. An answer without the
    /// topic's framing, as some SDKs send it, is returned as it is.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub async fn unicast(&self, topic: &TopicName, payload: Bytes) -> Result<Reply, PublishError> {
        let answer = self.exchange(Kind::Unicast, topic, &payload).await?;
        Ok(Reply {
            seq: answer.seq.to_string(),
            payload: answer.payload,
        })
    }

    /// Sends bytes to all subscribers of a topic.
    ///
    /// # Errors
    ///
    /// As [`publish_multicast`](Self::publish_multicast).
    pub async fn multicast(&self, topic: &TopicName, payload: Bytes) -> Result<(), PublishError> {
        self.exchange(Kind::Multicast, topic, &payload).await?;
        Ok(())
    }

    /// A publisher of multicasts to its type's topic that does not wait for each of them.
    ///
    /// # Errors
    ///
    /// [`PublishError::InvalidTopic`] never comes of a topic that the macros checked.
    pub fn publisher<T: Topic>(&self) -> Result<Publisher<T>, PublishError> {
        self.publisher_to(T::TOPIC)
    }

    /// As [`publisher`](Self::publisher), to a topic of another name.
    ///
    /// # Errors
    ///
    /// [`PublishError::InvalidTopic`].
    pub fn publisher_to<T: Topic>(&self, topic: &str) -> Result<Publisher<T>, PublishError> {
        Ok(Publisher::new(self.publisher_raw(&wire_topic::<T>(topic)?)))
    }

    /// As [`publisher`](Self::publisher), of bytes.
    pub fn publisher_raw(&self, topic: &TopicName) -> RawPublisher {
        RawPublisher::new(Arc::clone(self.hub()), topic)
    }

    async fn exchange(
        &self,
        kind: Kind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<Answer, PublishError> {
        self.hub().publish(kind, topic, payload).await
    }

    // ---- subscribing ----

    /// Starts setting up a subscription with a queue of its own length, or its own way with a full
    /// queue.
    pub fn subscription<T: Topic>(&self) -> SubscriptionBuilder<T> {
        SubscriptionBuilder::new(Arc::clone(self.hub()))
    }

    /// Subscribes to a type's topic. The subscription yields messages and acknowledges each
    /// unicast as it is taken.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn subscribe<T: Topic>(&self) -> Result<Subscription<T>, SubscribeError> {
        self.subscribe_to(T::TOPIC).await
    }

    /// Subscribes to a topic of another name.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn subscribe_to<T: Topic>(
        &self,
        topic: &str,
    ) -> Result<Subscription<T>, SubscribeError> {
        let raw = self.subscribe_raw(&wire_topic::<T>(topic)?).await?;
        Ok(Subscription::new(raw))
    }

    /// Subscribes to a type's topic. The stream yields messages with where they came from, and a
    /// way to reply.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn deliveries<T: Topic>(&self) -> Result<Deliveries<T>, SubscribeError> {
        self.deliveries_of(T::TOPIC).await
    }

    /// As [`deliveries`](Self::deliveries), of a topic of another name.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn deliveries_of<T: Topic>(
        &self,
        topic: &str,
    ) -> Result<Deliveries<T>, SubscribeError> {
        let raw = self.subscribe_raw(&wire_topic::<T>(topic)?).await?;
        Ok(Deliveries::new(raw))
    }

    /// Subscribes to a topic whose messages are to stay bytes.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn subscribe_raw(
        &self,
        topic: &TopicName,
    ) -> Result<RawSubscription, SubscribeError> {
        let hub = Arc::clone(self.hub());
        let queue = hub.options.queue;
        RawSubscription::start(topic.clone(), hub, queue, Overflow::default(), None).await
    }

    // ---- private topics ----

    /// Lets subscribers with these keys have the messages of a type's private topic, besides those
    /// that were granted it before. Returns once every node connected to knows that this client
    /// verifies subscribers of the topic; they are verified as they come, on this connection and
    /// those that follow it. See [the crate's documentation](crate#private-topics).
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
    /// [`GrantError`]. After [`Unconfirmed`](GrantError::Unconfirmed) the grant stands.
    pub async fn grant<T: Topic>(&self, keys: &[TopicPublicKey]) -> Result<(), GrantError> {
        self.grant_to(&private_name::<T>()?, keys).await
    }

    /// As [`grant`](Self::grant), of a topic of another name, or without a type.
    ///
    /// # Errors
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
        self.hub().routes.grant(topic, keys);
        let push_topic = std::slice::from_ref(topic.push_topic());
        self.announced(topic, self.hub().subscribed(push_topic).await)
    }

    /// Ends what [`grant`](Self::grant) began, for all keys: this client verifies nobody any more and
    /// publishes nothing to the topic. Returns whether it was granted.
    ///
    /// Nodes that verified a subscriber before let other publishers send to it until it leaves: there
    /// is no message by which they could be told otherwise.
    ///
    /// # Errors
    ///
    /// [`GrantError`]. After [`Unconfirmed`](GrantError::Unconfirmed) the grant is over all the same.
    pub async fn revoke<T: Topic>(&self) -> Result<bool, GrantError> {
        self.revoke_of(&private_name::<T>()?).await
    }

    /// As [`revoke`](Self::revoke), of a topic of another name, or without a type.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_of(&self, topic: &PrivateName) -> Result<bool, GrantError> {
        let granted = self.hub().routes.revoke(topic);
        if granted {
            let push_topic = std::slice::from_ref(topic.push_topic());
            self.announced(topic, self.hub().unsubscribed(push_topic).await)?;
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

    /// Subscribes to a type's private topic. `key` proves to publishers that this side may have the
    /// messages; nothing comes from those that did not grant the topic to it, unless they share a
    /// node with one that did, or with this client.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn subscribe_private<T: Topic>(
        &self,
        key: &TopicKey,
    ) -> Result<Subscription<T>, SubscribeError> {
        self.subscription().key(key).subscribe().await
    }

    /// As [`subscribe_private`](Self::subscribe_private), as a stream of messages with where they
    /// came from, and a way to reply.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn deliveries_private<T: Topic>(
        &self,
        key: &TopicKey,
    ) -> Result<Deliveries<T>, SubscribeError> {
        self.subscription().key(key).deliveries().await
    }

    /// Subscribes to a private topic whose messages are to stay bytes. They are published by
    /// [`unicast`](Self::unicast) and [`multicast`](Self::multicast) to
    /// [`topic.topic()`](PrivateName::topic).
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn subscribe_private_raw(
        &self,
        topic: &PrivateName,
        key: &TopicKey,
    ) -> Result<RawSubscription, SubscribeError> {
        let hub = Arc::clone(self.hub());
        let (topic, key) = (topic.topic().clone(), Some(key.clone()));
        let queue = hub.options.queue;
        RawSubscription::start(topic, hub, queue, Overflow::default(), key).await
    }

    // ---- sealed topics ----

    /// Grants a type's sealed topic to subscribers with these keys, and makes what publishes to them. All
    /// that is published by it is sealed to them and signed with `key`. Nothing is sent by this. See
    /// [the crate's documentation](crate#sealed-topics).
    ///
    /// # Errors
    ///
    /// [`PublishError::Seal`] if there is no recipient or more than 256.
    pub fn seal_for<T: SealedTopic>(
        &self,
        key: &SealingKey,
        recipients: &[SealingPublicKey],
    ) -> Result<Sealer<T>, PublishError> {
        self.seal_for_topic(T::TOPIC, key, recipients)
    }

    /// As [`seal_for`](Self::seal_for), for a topic of another name.
    ///
    /// # Errors
    ///
    /// As [`seal_for`](Self::seal_for), and [`PublishError::InvalidTopic`].
    pub fn seal_for_topic<T: SealedTopic>(
        &self,
        topic: &str,
        key: &SealingKey,
        recipients: &[SealingPublicKey],
    ) -> Result<Sealer<T>, PublishError> {
        Sealer::new(
            Arc::clone(self.hub()),
            TopicName::new(topic)?,
            key,
            recipients,
        )
    }

    /// Subscribes to a type's sealed topic. `keys` are this side's: one, or during a rotation several, the
    /// newest first. Messages are taken from `publishers` alone, and each once, as `guard` remembers.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
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

    /// As [`subscribe_sealed`](Self::subscribe_sealed), as a stream of messages with who made them, and a
    /// way to reply.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
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

    /// Starts setting up a subscription to a sealed topic with a queue of its own length, its own way with
    /// a full queue, or another topic.
    pub fn sealed_subscription<T: SealedTopic>(&self) -> SealedSubscriptionBuilder<T> {
        SealedSubscriptionBuilder::new(Arc::clone(self.hub()))
    }
}

fn private_name<T: Topic>() -> Result<PrivateName, GrantError> {
    if !T::PRIVATE {
        let topic = T::TOPIC.to_owned();
        return Err(GrantError::NotPrivate { topic });
    }
    Ok(PrivateName::new(T::TOPIC)?)
}

fn encode<T: Topic>(name: &str, message: &T) -> Result<(TopicName, Bytes), PublishError> {
    let topic = wire_topic::<T>(name)?;
    let payload = T::Codec::encode(message).map_err(|source| PublishError::Encode {
        topic: name.to_owned(),
        source,
    })?;
    Ok((topic, payload))
}
