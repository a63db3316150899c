//! The client, with which a program publishes and subscribes.

use std::{collections::HashMap, fmt, future::Future, path::Path, sync::Arc, time::Duration};

use amop_proto::{
    TopicName,
    channel::PrivateName,
    client::{CloseReason, MessageKind},
};
use amop_tls::PublicKey;
use bytes::Bytes;

use crate::{
    ClientBuilder, Codec, ConnectError, Deliveries, DrainError, Events, OfflinePolicy,
    OverflowPolicy, PublishError, Publisher, RawPublisher, RawSubscription, ReconnectPolicy,
    Request, SubscribeError, Subscription, SubscriptionBuilder, Topic, TopicKey, TopicPublicKey,
    connection::ConnectionSettings,
    inner::ClientInner,
    publish::ReceivedAnswer,
    supervisor::{self, Dialer},
    topic::wire_topic,
};

/// A program's connections to nodes, with which it publishes messages and subscribes to topics.
///
/// Cloning is cheap, and all clones share the connections. [`close`](Self::close) ends them
/// cleanly; dropping the last clone does the same in the background, even if subscriptions are
/// left. The client reconnects when a connection is lost, see [`ReconnectPolicy`], and
/// subscriptions continue; [`events`](Self::events) reports it.
///
/// See the [crate's documentation](crate) for what is promised when.
#[derive(Clone)]
pub struct Client {
    guard: Arc<CloseOnDrop>,
}

struct CloseOnDrop {
    inner: Arc<ClientInner>,
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.inner.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoints", &self.inner().endpoints)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

/// The settings of a client.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) queue: usize,
    /// The number of endpoints to connect to at a time; at least 1.
    pub(crate) connections: usize,
    pub(crate) reconnect: ReconnectPolicy,
    pub(crate) offline: OfflinePolicy,
    /// The number of connections that a multicast to FISCO nodes is sent over; at least 1.
    pub(crate) copies: usize,
    /// The time after which a unicast to a FISCO node is sent over another connection as well.
    pub(crate) ask_another: Option<Duration>,
    pub(crate) connection: ConnectionSettings,
    pub(crate) grants: Vec<(PrivateName, Vec<TopicPublicKey>)>,
    /// The keys of subscriptions to private topics.
    pub(crate) keys: HashMap<PrivateName, TopicKey>,
}

/// The answer to a unicast.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The message's seq, which logs of nodes and subscribers show, too.
    pub seq: String,
    /// The payload that the subscriber answered with; empty if it only took the message.
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
    /// Whether it is a FISCO node and not an overlay node. [The crate's
    /// documentation](crate#fisco-nodes) says what follows from that.
    pub fisco: bool,
}

impl Client {
    /// Returns a builder of a client, with every setting at its default.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Connects to a node's channel port, with every setting at its default and the certificates of
    /// [`find_certificates`](crate::find_certificates).
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says which step failed, and what to do.
    pub async fn connect(endpoint: &str) -> Result<Self, ConnectError> {
        Self::builder().endpoint(endpoint).connect().await
    }

    /// Connects with the settings in the `config.toml` of a Java or Go SDK; see
    /// [`ClientBuilder::from_config_file`].
    ///
    /// # Errors
    ///
    /// [`ConnectError::Config`] names the line that cannot be used; the other errors are those of
    /// [`connect`](Self::connect).
    pub async fn from_config(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        ClientBuilder::from_config_file(path)?.connect().await
    }

    /// Keeps connections to the endpoints that `dialer` knows, and waits for the first one.
    pub(crate) async fn start<D: Dialer>(
        dialer: D,
        endpoints: Vec<Arc<str>>,
        options: ClientSettings,
        seed: [u8; 32],
    ) -> Result<Self, ConnectError> {
        let inner = ClientInner::new(endpoints, options, seed);
        supervisor::start(&inner, dialer);
        // Created before the wait, so that the connections are closed if this future is dropped.
        let client = Self {
            guard: Arc::new(CloseOnDrop { inner }),
        };
        client.inner().connected().await?;
        Ok(client)
    }

    pub(crate) fn inner(&self) -> &Arc<ClientInner> {
        &self.guard.inner
    }

    // ---- the connections ----

    /// Returns the first endpoint, `host:port`.
    pub fn endpoint(&self) -> &str {
        self.endpoints().next().unwrap_or_default()
    }

    /// Returns all endpoints, connected or not.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.inner().endpoints.iter().map(|endpoint| &**endpoint)
    }

    /// Returns the nodes that are connected now.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.inner().nodes()
    }

    /// Returns the protocol version, 1 to 3, in use with the first connected node; if none is
    /// connected, with the first node that was.
    pub fn protocol_version(&self) -> u32 {
        let node = self.inner().first_node();
        // There was at least one node: a client exists only after the first connection.
        node.map_or(1, |node| node.protocol_version)
    }

    /// Returns the compatibility version of the first connected node, e.g. `2.11.1`, or if none is
    /// connected, of the first node that was; `None` if it did not answer the version handshake.
    pub fn node_version(&self) -> Option<String> {
        self.inner().first_node()?.node_version
    }

    /// Returns the public key, which also is the node id, of the first connected node, or if none
    /// is connected, of the first node that was; `None` if its certificate is an RSA one.
    pub fn node_public_key(&self) -> Option<PublicKey> {
        self.inner().first_node()?.public_key
    }

    /// Returns whether a connection is open, as far as the client knows.
    pub fn is_connected(&self) -> bool {
        self.inner().is_connected()
    }

    /// Returns a stream of what happens to the connections and subscriptions from now on. It begins
    /// with a [`Connected`](crate::Event::Connected) for each node that is connected now.
    pub fn events(&self) -> Events {
        self.inner().events()
    }

    /// Waits until the client is closed for good and returns why: because of
    /// [`close`](Self::close), or because the client gave up every endpoint, see
    /// [`ReconnectPolicy`].
    pub async fn closed(&self) -> CloseReason {
        self.inner().closed().await
    }

    /// Closes the connections of all clones. Queued messages are written and the connections are
    /// shut down cleanly. When this returns, after 5 s at most, the client's tasks have ended.
    ///
    /// Calls that still wait for an answer fail with `Disconnected`; await them first. Multicasts
    /// that wait in subscriptions can still be read. Unicasts that wait there cannot: the nodes
    /// give them to another subscriber, or their publishers get an error. [`drain`](Self::drain)
    /// lets the program read and answer them before closing.
    pub async fn close(&self) {
        self.inner().close();
        self.inner().join().await;
    }

    /// Closes without losing a message that was accepted. It unsubscribes from every topic, waits
    /// until every message that came before was read and every unicast among them answered, and
    /// until messages that are being published have their answers; then it closes.
    ///
    /// Subscriptions end after their last message. Replying and publishing work until all messages
    /// are read and answered; a program that publishes because of a message should keep that
    /// message's [`Delivery`](crate::Delivery) until it has published.
    ///
    /// # Errors
    ///
    /// [`DrainError`] if this did not finish within
    /// [`drain_timeout`](ClientBuilder::drain_timeout). The client is closed in this case, too.
    pub async fn drain(&self) -> Result<(), DrainError> {
        let drained = self.inner().drain().await;
        self.close().await;
        drained
    }

    // ---- publishing ----

    /// Sends a message to one subscriber of its type's topic. Returns once the subscriber has taken
    /// it. The message is encoded before this returns its future, which does not borrow it.
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

    /// As [`publish_unicast`](Self::publish_unicast), to a topic with another name.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub fn publish_unicast_to<'a, T: Topic>(
        &'a self,
        topic: &str,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish(MessageKind::Unicast, encode(topic, message))
    }

    /// Sends a message to all subscribers of its type's topic. Returns once a node has taken it; it
    /// is not known whether a subscriber receives it. The message is encoded before this returns
    /// its future, which does not borrow it.
    ///
    /// For many messages in a row use a [`publisher`](Self::publisher).
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

    /// As [`publish_multicast`](Self::publish_multicast), to a topic with another name.
    ///
    /// # Errors
    ///
    /// As [`publish_multicast`](Self::publish_multicast).
    pub fn publish_multicast_to<'a, T: Topic>(
        &'a self,
        topic: &str,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish(MessageKind::Multicast, encode(topic, message))
    }

    /// Sends a message to one subscriber of its type's topic and waits for the reply. The message
    /// is encoded before this returns its future, which does not borrow it.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast), and [`PublishError::Reply`] for a reply that
    /// cannot be decoded, and [`PublishError::NoReply`] if the subscriber took the message without
    /// replying. A subscriber on another SDK may acknowledge it with an empty payload instead,
    /// which is an empty reply here.
    pub fn request<'a, R: Request>(
        &'a self,
        message: &R,
    ) -> impl Future<Output = Result<R::Reply, PublishError>> + Send + use<'a, R> {
        self.request_to(R::TOPIC, message)
    }

    /// As [`request`](Self::request), to a topic with another name.
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
                "set `const REQUEST: bool = true` where Topic is implemented: without it, a \
                 request that gets no reply ends with an empty one"
            )
        };
        let encoded = encode(topic, message);
        async move {
            let (topic, payload) = encoded?;
            let answer = self
                .exchange(MessageKind::Unicast, &topic, &payload)
                .await?;
            R::ReplyCodec::decode(answer.payload).map_err(|source| PublishError::Reply {
                topic: PrivateName::shown(&topic).to_owned(),
                endpoint: answer.connection.endpoint().to_owned(),
                source,
            })
        }
    }

    async fn publish(
        &self,
        kind: MessageKind,
        encoded: Result<(TopicName, Bytes), PublishError>,
    ) -> Result<(), PublishError> {
        let (topic, payload) = encoded?;
        match self.exchange(kind, &topic, &payload).await {
            // A subscriber has taken it, and this call does not ask for a reply.
            Ok(_) | Err(PublishError::NoReply { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends bytes to one subscriber of a topic and returns its answer. Some SDKs send answers
    /// without the topic's framing; these are returned unchanged.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub async fn publish_unicast_raw(
        &self,
        topic: &TopicName,
        payload: Bytes,
    ) -> Result<Reply, PublishError> {
        let answer = self.exchange(MessageKind::Unicast, topic, &payload).await?;
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
    pub async fn publish_multicast_raw(
        &self,
        topic: &TopicName,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        self.exchange(MessageKind::Multicast, topic, &payload)
            .await?;
        Ok(())
    }

    /// Returns a publisher of multicasts to a type's topic, which does not wait for each message.
    ///
    /// # Errors
    ///
    /// [`PublishError::InvalidTopic`], which is never returned for a topic checked by the macros.
    pub fn publisher<T: Topic>(&self) -> Result<Publisher<T>, PublishError> {
        self.publisher_to(T::TOPIC)
    }

    /// As [`publisher`](Self::publisher), to a topic with another name.
    ///
    /// # Errors
    ///
    /// [`PublishError::InvalidTopic`].
    pub fn publisher_to<T: Topic>(&self, topic: &str) -> Result<Publisher<T>, PublishError> {
        Ok(Publisher::new(self.publisher_raw(&wire_topic::<T>(topic)?)))
    }

    /// As [`publisher`](Self::publisher), for bytes.
    pub fn publisher_raw(&self, topic: &TopicName) -> RawPublisher {
        RawPublisher::new(Arc::clone(self.inner()), topic)
    }

    async fn exchange(
        &self,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<ReceivedAnswer, PublishError> {
        self.inner().publish(kind, topic, payload).await
    }

    // ---- subscribing ----

    /// Returns a builder of a subscription, for its own queue length, overflow policy, topic or
    /// key.
    pub fn subscription<T: Topic>(&self) -> SubscriptionBuilder<T> {
        SubscriptionBuilder::new(Arc::clone(self.inner()))
    }

    /// Subscribes to a type's topic. The subscription yields messages and acknowledges each unicast
    /// when it is taken from the stream.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn subscribe<T: Topic>(&self) -> Result<Subscription<T>, SubscribeError> {
        self.subscribe_to(T::TOPIC).await
    }

    /// As [`subscribe`](Self::subscribe), to a topic with another name.
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

    /// Subscribes to a type's topic. The stream yields deliveries: messages with their seq and
    /// topic, which can be replied to.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    pub async fn deliveries<T: Topic>(&self) -> Result<Deliveries<T>, SubscribeError> {
        self.deliveries_to(T::TOPIC).await
    }

    /// As [`deliveries`](Self::deliveries), of a topic with another name.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
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
    pub async fn subscribe_raw(
        &self,
        topic: &TopicName,
    ) -> Result<RawSubscription, SubscribeError> {
        let inner = Arc::clone(self.inner());
        let queue = inner.options.queue;
        RawSubscription::start(topic.clone(), inner, queue, OverflowPolicy::default(), None).await
    }
}

fn encode<T: Topic>(name: &str, message: &T) -> Result<(TopicName, Bytes), PublishError> {
    let topic = wire_topic::<T>(name)?;
    let payload = T::Codec::encode(message).map_err(|source| PublishError::Encode {
        topic: name.to_owned(),
        source,
    })?;
    Ok((topic, payload))
}
