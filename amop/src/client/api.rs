//! The client, with which a program publishes and subscribes.

use std::{fmt, sync::Arc};

use amop_proto::client::CloseReason;
use amop_tls::PublicKey;
use tokio::time::Instant;

use super::{
    call::CallOptions, dial::Dialer, events::Events, inner::ClientInner, node_info::NodeInfo,
    settings::ClientSettings, supervisor,
};
use crate::{ConnectError, DrainError};

/// A program's connections to nodes, with which it publishes messages and subscribes to topics.
///
/// Cloning is cheap, and all clones share the connections. [`close`](Self::close) ends them
/// cleanly; dropping the last clone does the same in the background, even if subscriptions are
/// left. The client reconnects when a connection is lost, see
/// [`ReconnectPolicy`](crate::ReconnectPolicy), and subscriptions continue;
/// [`events`](Self::events) reports it.
///
/// See the [crate's documentation](crate) for what is promised when.
#[derive(Clone)]
#[must_use = "a client closes its connections when its last clone is dropped"]
pub struct Client {
    guard: Arc<CloseOnDrop>,
    options: CallOptions,
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

/// The connections, and their end.
impl Client {
    /// Keeps connections to the endpoints that `dialer` knows.
    pub(crate) fn start<D: Dialer>(
        dialer: D,
        endpoints: Vec<Arc<str>>,
        options: ClientSettings,
        seed: [u8; 32],
    ) -> Self {
        let options_of_calls = options.call;
        let inner = ClientInner::new(endpoints, options, seed);
        supervisor::start(&inner, dialer);
        Self {
            guard: Arc::new(CloseOnDrop { inner }),
            options: options_of_calls,
        }
    }

    /// Waits for the first connection.
    pub(crate) async fn connected(&self) -> Result<(), ConnectError> {
        let retry_until = Instant::now() + self.inner().options.first_connect;
        self.inner().connected(retry_until).await
    }

    pub(crate) fn inner(&self) -> &Arc<ClientInner> {
        &self.guard.inner
    }

    /// Returns the settings of the calls through this handle.
    pub(crate) fn options(&self) -> &CallOptions {
        &self.options
    }

    /// Returns a handle with other settings.
    pub(super) fn with(&self, change: impl FnOnce(&mut CallOptions)) -> Self {
        let mut client = self.clone();
        change(&mut client.options);
        client
    }

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
    /// connected, with the first node that was; 1 if none ever was.
    pub fn protocol_version(&self) -> u32 {
        let node = self.inner().first_node();
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
    /// [`ReconnectPolicy`](crate::ReconnectPolicy).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
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
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after its first poll, the client closes in the background. Call this again
    /// to wait for the end.
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
    /// [`drain_timeout`](crate::ClientBuilder::drain_timeout). The client is closed in this case,
    /// too.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after its first poll, the client accepts no new messages and is not closed
    /// yet. Call this again to go on, or [`close`](Self::close).
    pub async fn drain(&self) -> Result<(), DrainError> {
        let drained = self.inner().drain(self.options.drain_timeout).await;
        self.close().await;
        drained
    }
}
