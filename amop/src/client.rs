//! The client: what a program publishes and subscribes with.

use std::{fmt, sync::Arc, time::Duration};

use amop_proto::{
    TopicName,
    channel::Seq,
    client::{CloseReason, Kind},
};
use amop_tls::PublicKey;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    ClientBuilder, Codec, ConnectError, Deliveries, PublishError, RawSubscription, Request, Stage,
    SubscribeError, Subscription, Topic,
    connection::{Connection, Settings},
    dial::Budget,
    routes::Routes,
};

/// A connection to a node, by which messages are published and topics subscribed to.
///
/// Cloning is cheap, and all clones share the connection. [`close`](Self::close) ends it cleanly;
/// dropping the last clone does the same in the background, subscriptions or not. When the
/// connection is lost, what is outstanding fails with `Disconnected`, subscriptions end, and
/// [`closed`](Self::closed) says why.
///
/// See the [crate's documentation](crate) for what is promised when.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    routes: Arc<Routes>,
    node_key: Option<PublicKey>,
    node_version: Option<String>,
    timeout: Duration,
    queue: usize,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.connection.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint())
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

/// What a client is made with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) timeout: Duration,
    pub(crate) queue: usize,
    pub(crate) connection: Settings,
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

    /// Shakes hands over a stream that is there already.
    pub(crate) async fn over<S>(
        stream: S,
        endpoint: Arc<str>,
        node_key: Option<PublicKey>,
        options: Options,
        seed: [u8; 32],
        budget: &Budget,
    ) -> Result<Self, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = Arc::new(Routes::default());
        let (connection, hello) = Connection::start(
            stream,
            endpoint,
            &options.connection,
            seed,
            Arc::clone(&routes),
        );
        // Also closes the connection if connecting is given up.
        let mut inner = Inner {
            connection,
            routes,
            node_key,
            node_version: None,
            timeout: options.timeout,
            queue: options.queue,
        };
        match budget.spend(Stage::Handshake, hello).await? {
            Ok(hello) => inner.node_version = hello.node_version,
            Err(_) => {
                let endpoint = inner.connection.endpoint().to_owned();
                return Err(failed(endpoint, inner.connection.close_reason()));
            }
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    // ---- the connection ----

    /// The node's address, `host:port`.
    pub fn endpoint(&self) -> &str {
        self.inner.connection.endpoint()
    }

    /// The protocol version in use, 1 to 3.
    pub fn protocol_version(&self) -> u32 {
        self.inner.connection.protocol_version()
    }

    /// The node's compatibility version, e.g. `2.11.1`; `None` if it did not answer the version
    /// handshake.
    pub fn node_version(&self) -> Option<&str> {
        self.inner.node_version.as_deref()
    }

    /// The node's public key, which also is its node id; `None` if its certificate is an RSA one.
    pub fn node_public_key(&self) -> Option<&PublicKey> {
        self.inner.node_key.as_ref()
    }

    /// Whether the connection is open, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.inner.connection.close_reason().is_none()
    }

    /// Waits until the connection is closed for good and returns why.
    pub async fn closed(&self) -> CloseReason {
        self.inner.connection.done().await
    }

    /// Closes the connection for all clones: what is queued is written, the node is told, and the
    /// connection's task has ended when this returns, after 5 s at most.
    ///
    /// Calls that still wait for an answer fail with `Disconnected`; await them first. Multicasts
    /// that wait in subscriptions can still be read. Unicasts that wait there are left to the
    /// node, which gives them to another subscriber or tells their publishers.
    pub async fn close(&self) {
        self.inner.connection.close();
        self.inner.connection.join().await;
    }

    // ---- publishing ----

    /// Sends a message to one subscriber of its type's topic. Returns once the subscriber has
    /// taken it.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; after [`Timeout`](PublishError::Timeout),
    /// [`Unanswered`](PublishError::Unanswered) and [`Disconnected`](PublishError::Disconnected)
    /// it is not known whether the message was delivered.
    pub async fn publish_unicast<T: Topic>(&self, message: &T) -> Result<(), PublishError> {
        self.publish_unicast_to(T::TOPIC, message).await
    }

    /// As [`publish_unicast`](Self::publish_unicast), to a topic of another name.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub async fn publish_unicast_to<T: Topic>(
        &self,
        topic: &str,
        message: &T,
    ) -> Result<(), PublishError> {
        let (topic, payload) = encode(topic, message)?;
        self.exchange(Kind::Unicast, &topic, &payload).await?;
        Ok(())
    }

    /// Sends a message to all subscribers of its type's topic. Returns once the node has taken
    /// it; whether anybody receives it is not known.
    ///
    /// # Errors
    ///
    /// [`PublishError`].
    pub async fn publish_multicast<T: Topic>(&self, message: &T) -> Result<(), PublishError> {
        self.publish_multicast_to(T::TOPIC, message).await
    }

    /// As [`publish_multicast`](Self::publish_multicast), to a topic of another name.
    ///
    /// # Errors
    ///
    /// As [`publish_multicast`](Self::publish_multicast).
    pub async fn publish_multicast_to<T: Topic>(
        &self,
        topic: &str,
        message: &T,
    ) -> Result<(), PublishError> {
        let (topic, payload) = encode(topic, message)?;
        self.exchange(Kind::Multicast, &topic, &payload).await?;
        Ok(())
    }

    /// Sends a message to one subscriber of its type's topic and waits for the reply.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast), and [`PublishError::Reply`] for a reply that
    /// cannot be read; an empty acknowledgement mostly is one.
    pub async fn request<R: Request>(&self, message: &R) -> Result<R::Reply, PublishError> {
        self.request_to(R::TOPIC, message).await
    }

    /// As [`request`](Self::request), to a topic of another name.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn request_to<R: Request>(
        &self,
        topic: &str,
        message: &R,
    ) -> Result<R::Reply, PublishError> {
        let (topic, payload) = encode(topic, message)?;
        let (_, reply) = self.exchange(Kind::Unicast, &topic, &payload).await?;
        R::ReplyCodec::decode(reply).map_err(|source| PublishError::Reply {
            topic: topic.to_string(),
            endpoint: self.endpoint().to_owned(),
            source,
        })
    }

    /// Sends bytes to one subscriber of a topic and returns its answer. An answer without the
    /// topic's framing, as some SDKs send it, is returned as it is.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub async fn unicast(&self, topic: &TopicName, payload: Bytes) -> Result<Reply, PublishError> {
        let (seq, payload) = self.exchange(Kind::Unicast, topic, &payload).await?;
        Ok(Reply {
            seq: seq.to_string(),
            payload,
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

    async fn exchange(
        &self,
        kind: Kind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<(Seq, Bytes), PublishError> {
        let timeout = self.inner.timeout;
        let connection = &self.inner.connection;
        let answer = connection.exchange(kind, topic, payload, timeout).await?;
        Ok((answer.seq, answer.payload))
    }

    // ---- subscribing ----

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
        let raw = self.subscribe_raw(&TopicName::new(topic)?).await?;
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
        let raw = self.subscribe_raw(&TopicName::new(topic)?).await?;
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
        let inner = &self.inner;
        RawSubscription::start(
            topic.clone(),
            inner.connection.clone(),
            Arc::clone(&inner.routes),
            inner.queue,
            inner.timeout,
        )
        .await
    }
}

fn encode<T: Topic>(topic: &str, message: &T) -> Result<(TopicName, Bytes), PublishError> {
    let topic = TopicName::new(topic)?;
    let payload = T::Codec::encode(message).map_err(|source| PublishError::Encode {
        topic: topic.to_string(),
        source,
    })?;
    Ok((topic, payload))
}

/// Why a session ended before its handshake was over.
fn failed(endpoint: String, reason: Option<CloseReason>) -> ConnectError {
    match reason {
        Some(CloseReason::Frame(source)) => ConnectError::NotANode { endpoint, source },
        Some(reason @ (CloseReason::Handshake(_) | CloseReason::Version(_))) => {
            ConnectError::HandshakeRejected { endpoint, reason }
        }
        reason => ConnectError::ClosedDuringHandshake {
            endpoint,
            reason: reason.unwrap_or(CloseReason::DuringHandshake),
        },
    }
}
