//! The builder of a client.

mod connect;
#[cfg(feature = "sdk-config")]
mod sdk_config;

use std::{collections::HashMap, path::PathBuf, time::Duration};

use amop_proto::{
    channel::{DEFAULT_MAX_FRAME, PROTOCOL_MAX_FRAME, PrivateName},
    client::ClientConfig,
};
use amop_tls::{ClientOptions, Identity, NodeAccess, NodeKey, PemSource};

use super::{
    api::Client,
    call::hold,
    policy::{ConnectionPolicy, OfflinePolicy, ReconnectPolicy},
    protocol::Protocol,
    tls::Tls,
};
use crate::{
    ConnectError,
    private::{TopicKey, TopicPublicKey},
};

/// A builder of a [`Client`]. Every setting has a default; the default endpoint is a node on this
/// machine.
///
/// ```no_run
/// use std::time::Duration;
///
/// # async fn run() -> Result<(), amop::ConnectError> {
/// let client = amop::Client::builder()
///     .endpoint("127.0.0.1:20200")
///     .certificates("nodes/127.0.0.1/sdk")
///     .timeout(Duration::from_secs(20))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder connects to nothing until `connect` or `connect_lazy` is called"]
pub struct ClientBuilder {
    endpoints: Vec<String>,
    connections: ConnectionPolicy,
    reconnect: ReconnectPolicy,
    first_connect: Duration,
    offline: OfflinePolicy,
    copies: usize,
    ask_another: Option<Duration>,
    certificates: Certificates,
    protocol: Protocol,
    other_chains: Vec<(NodeAccess, Protocol)>,
    tls: Tls,
    nodes: ClientOptions,
    timeout: Duration,
    connect_timeout: Duration,
    heartbeat: Duration,
    queue: usize,
    max_frame: usize,
    max_incoming: usize,
    max_in_flight: usize,
    drain_timeout: Duration,
    grants: Vec<(PrivateName, Vec<TopicPublicKey>)>,
    keys: HashMap<PrivateName, TopicKey>,
}

#[derive(Debug, Clone)]
enum Certificates {
    Find,
    Folder(PathBuf),
    /// Certificate, key and CA.
    Sources([PemSource; 3]),
    Given(Box<Identity>),
    /// There is no TLS.
    #[cfg_attr(not(feature = "sdk-config"), expect(dead_code))]
    Plain,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        let session = ClientConfig::default();
        Self {
            endpoints: vec!["127.0.0.1:20200".to_owned()],
            connections: ConnectionPolicy::default(),
            reconnect: ReconnectPolicy::default(),
            first_connect: Duration::ZERO,
            offline: OfflinePolicy::default(),
            copies: 2,
            ask_another: None,
            certificates: Certificates::Find,
            protocol: Protocol::default(),
            other_chains: Vec::new(),
            tls: Tls::default(),
            nodes: ClientOptions::default(),
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            heartbeat: session.heartbeat,
            queue: 1024,
            max_frame: DEFAULT_MAX_FRAME,
            max_incoming: PROTOCOL_MAX_FRAME,
            max_in_flight: session.max_in_flight,
            drain_timeout: Duration::from_secs(30),
            grants: Vec::new(),
            keys: HashMap::new(),
        }
    }
}

/// Connecting.
impl Client {
    /// Returns a builder of a client, with every setting at its default.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Connects to a node (2.x: its channel port; 3.x: its RPC port), with every setting at its default and the certificates of
    /// [`find_certificates`](crate::find_certificates).
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says which step failed, and what to do.
    ///
    /// # Cancel safety
    ///
    /// As [`ClientBuilder::connect`].
    pub async fn connect(endpoint: &str) -> Result<Self, ConnectError> {
        Self::builder().endpoint(endpoint).connect().await
    }

    /// Connects to nodes for which access is at hand, with every setting at its default: to those
    /// of an embedded network in tests.
    ///
    /// ```no_run
    /// # async fn run(access: amop::NodeAccess) -> Result<(), amop::ConnectError> {
    /// // let access = network.access(0);
    /// let client = amop::Client::connect_with(access).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`ClientBuilder::connect`].
    pub async fn connect_with(access: NodeAccess) -> Result<Self, ConnectError> {
        Self::builder().access(access).connect().await
    }
}

impl ClientBuilder {
    /// Grants a private topic to subscribers with these keys, as [`Client::grant`] does, but from
    /// the first connection on.
    #[cfg(feature = "private")]
    pub fn grant(
        mut self,
        topic: PrivateName,
        keys: impl IntoIterator<Item = TopicPublicKey>,
    ) -> Self {
        self.grants.push((topic, keys.into_iter().collect()));
        self
    }

    /// Sets the key for subscriptions to a private topic that are made without a key, for example
    /// by [`Client::subscribe`].
    #[cfg(feature = "private")]
    pub fn topic_key(mut self, topic: PrivateName, key: &TopicKey) -> Self {
        self.keys.insert(topic, key.clone());
        self
    }

    /// Sets the only node to connect to as `host:port`: of 2.x its channel port, of 3.x its RPC port; an
    /// IPv6 address needs brackets. Default `127.0.0.1:20200`.
    ///
    /// A FISCO node of 2.x does not deliver to its own subscribers: a client of one such node can only
    /// exchange messages with SDKs that are connected to other nodes. The client logs this when it
    /// connects.
    pub fn endpoint(self, endpoint: impl Into<String>) -> Self {
        self.endpoints([endpoint])
    }

    /// Sets the nodes to connect to, as for [`endpoint`](Self::endpoint). Duplicates are ignored.
    ///
    /// Messages are received over all connections, each message once. A unicast is published over
    /// the connection with the fewest messages in flight. The multicasts of one topic all use the
    /// same connection, so that they keep their order; another one takes over when it is lost.
    ///
    /// On a chain with FISCO nodes of 2.x, name at least two: such a node does not deliver to its own
    /// subscribers, so clients of the same node do not get each other's messages. Multicasts are
    /// sent to [two of them](Self::multicast_copies), and unicasts to one unless [another node is
    /// to be asked](Self::ask_another_node_after).
    pub fn endpoints<E: Into<String>>(mut self, endpoints: impl IntoIterator<Item = E>) -> Self {
        self.endpoints = endpoints.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the nodes to connect to and the certificates, both at once: `network.access(0)` of an
    /// embedded network returns such a value.
    pub fn access(self, access: NodeAccess) -> Self {
        self.endpoints(access.endpoints).identity(access.identity)
    }

    /// Sets which generation of FISCO BCOS the nodes are of. Default [`Protocol::Auto`]: the client
    /// finds it out for each of them, so endpoints of both generations may be mixed.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), amop::ConnectError> {
    /// let client = amop::Client::builder()
    ///     .endpoint("127.0.0.1:20200")
    ///     .protocol(amop::Protocol::V3)
    ///     .connect()
    ///     .await?;
    /// assert_eq!(client.nodes()[0].generation, amop::Generation::V3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Adds nodes of another chain, which have another CA, with the certificates for them. The other
    /// settings are those of all nodes.
    ///
    /// Subscriptions get the messages of both chains. What is published goes to one of them: a
    /// unicast to the other one if nobody there takes it. So this is for chains that a bridge joins,
    /// or for programs that only subscribe; otherwise use a client for each chain.
    pub fn another_chain(mut self, access: NodeAccess, protocol: Protocol) -> Self {
        self.other_chains.push((access, protocol));
        self
    }

    /// Sets how many of the endpoints to connect to. Default: all.
    pub fn connections(mut self, connections: ConnectionPolicy) -> Self {
        self.connections = connections;
        self
    }

    /// Sets when and how often to reconnect. Default: without limit, with pauses of 0.5 s to 20 s.
    pub fn reconnect(mut self, reconnect: ReconnectPolicy) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Lets [`connect`](Self::connect) try again, for this long, if it reaches no node at first: a
    /// program and its node may start at the same time. Default: each endpoint is tried once.
    /// Limited to 24 h.
    ///
    /// The pauses between the tries, and their number, are those of
    /// [`reconnect`](Self::reconnect). A try that is in progress at the end of the time is finished.
    /// A wrong setting, such as an unusable certificate file, is an error at once; what a node says
    /// in the handshake is tried again, too. [`connect_lazy`](Self::connect_lazy) does not wait at
    /// all.
    pub fn retry_on_first_connect(mut self, within: Duration) -> Self {
        self.first_connect = hold(within);
        self
    }

    /// Sets what publishing and subscribing do while no node is connected. Default: wait, until the
    /// [`timeout`](Self::timeout).
    pub fn offline(mut self, offline: OfflinePolicy) -> Self {
        self.offline = offline;
        self
    }

    /// Sets how many connections a multicast is sent over, or all if there are fewer, if the first
    /// of them is a connection to a FISCO node of 2.x. Default 2; at least 1.
    ///
    /// Such a node does not deliver to its own subscribers; a copy sent to another node of 2.x of its chain
    /// reaches them. Subscribers that use this crate recognise the copy by its seq; those on other SDKs get
    /// the message twice, as they do from java-sdk, which sends over all of its connections. A
    /// multicast to an overlay node, or to a node of 3.x, is sent once.
    pub fn multicast_copies(mut self, copies: usize) -> Self {
        self.copies = copies.max(1);
        self
    }

    /// Sets how long a unicast to a FISCO node of 2.x waits for an answer before it is sent over another
    /// such connection of its chain as well; the first answer counts. Default: never. One second is a good value;
    /// values are limited to 1 ms to 24 h.
    ///
    /// If a FISCO node picks one of its own subscribers, it delivers nothing and says so after 30
    /// s. Another node can reach that subscriber. The copy has the same seq, so subscribers that
    /// use this crate take the message once. Subscribers on other SDKs may process it twice, and
    /// two subscribers may get it if the first one is slow; for this reason it is off by default.
    pub fn ask_another_node_after(mut self, pause: Duration) -> Self {
        self.ask_another = Some(hold(pause));
        self
    }

    /// Sets the folder with `ca.crt`, `sdk.crt` and `sdk.key`. Default: see [`find_certificates`](crate::find_certificates).
    pub fn certificates(mut self, folder: impl Into<PathBuf>) -> Self {
        self.certificates = Certificates::Folder(folder.into());
        self
    }

    /// Sets certificates that are not in a folder.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.certificates = Certificates::Given(Box::new(identity));
        self
    }

    /// Sets which TLS implementation to use. Default [`Tls::rustls`]; production nodes in RSA mode
    /// need the other one.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Accepts only the nodes with these ids ([`PublicKey`](crate::PublicKey), the digits of
    /// `node.nodeid`) or, if they have RSA certificates, with these keys. Default: all nodes that
    /// have a node certificate of the chain.
    ///
    /// Without this, an attacker who controls a host name or an address can direct the client to
    /// another node of the chain. The error of a refused connection shows the key of the node.
    ///
    /// ```
    /// # fn main() -> Result<(), amop::ParseNodeKeyError> {
    /// let id: amop::NodeKey = "0a".repeat(64).parse()?;
    /// let builder = amop::Client::builder().node_keys([id]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn node_keys<K: Into<NodeKey>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.nodes = self.nodes.node_keys(keys.into_iter().map(Into::into));
        self
    }

    /// Sets whether a node may use an SDK's certificate (OU=sdk). Default: no, so that no SDK can
    /// act as a node. Use it for chains whose nodes have such certificates, and for a proxy that
    /// has only an SDK's certificates.
    pub fn sdk_certificates_as_nodes(mut self, allow: bool) -> Self {
        self.nodes = self.nodes.sdk_certificates_as_nodes(allow);
        self
    }

    /// Sets how long a publish, a request or a subscribe may take. Default 10 s, twice the 5 s that
    /// a node waits for one subscriber before it tries the next; limited to 1 ms to 24 h.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long connecting to an endpoint may take: name, TCP, TLS and version handshake
    /// together, and the confirmation of the topics if there are any. Default 10 s; limited to 1 ms
    /// to 24 h.
    ///
    /// If a node does not answer the version handshake, the client goes on after 5 s. With a
    /// shorter timeout it cannot connect to such nodes.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the time between heartbeats. A connection is lost if nothing comes from the node for
    /// twice this time. Default 10 s; limited to 1 ms to 20 s.
    ///
    /// A node that a message waits for gets a heartbeat sooner: after a quarter of the
    /// [`timeout`](Self::timeout), between 1 s and 2.5 s. The connection is lost after the same
    /// time again, plus one second for each 64 KiB that was sent and not answered, 3 s at most. A
    /// connection that still sends or receives bytes, however slowly, is not lost.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// Sets how many messages may wait in one subscription. Default 1024; at least 1.
    ///
    /// When it is full, a unicast is refused, so that the node tries another subscriber, and a
    /// multicast is dropped and counted.
    pub fn queue(mut self, messages: usize) -> Self {
        self.queue = messages.max(1);
        self
    }

    /// Sets the length of the longest frame that may be sent, in bytes: payload, topic and 43 bytes
    /// more. Default 32 MiB; limited to 298 bytes (room for the longest topic) to the protocol's
    /// 100 MiB.
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Sets the length of the longest frame that is accepted, in bytes. Default 100 MiB, the
    /// protocol's limit; limited to 298 bytes to 100 MiB.
    ///
    /// A longer frame ends the connection, because a frame cannot be skipped. The publishers of a
    /// topic decide how long its messages are, so with a lower limit they can interrupt this
    /// client.
    pub fn max_incoming_frame(mut self, bytes: usize) -> Self {
        self.max_incoming = bytes;
        self
    }

    /// Sets how long [`Client::drain`] may take. Default 30 s; limited to 1 ms to 24 h.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Sets how many messages may wait for their answers at a time, per connection; publishing
    /// waits while the limit is reached. Default 8192; at least 1.
    pub fn max_in_flight(mut self, messages: usize) -> Self {
        self.max_in_flight = messages.max(1);
        self
    }
}
