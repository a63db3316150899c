//! The builder of a client.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use amop_proto::{
    HostPort,
    channel::{DEFAULT_MAX_FRAME, PROTOCOL_MAX_FRAME, PrivateName},
    client::ClientConfig,
};
use amop_tls::{ClientOptions, Identity, NodeKey, PemSource};

use super::{
    api::Client,
    certificates::find_certificates,
    dial::{RustlsDialer, endpoint},
    policy::{ConnectionPolicy, OfflinePolicy, ReconnectPolicy},
    settings::ClientSettings,
    tls::{Backend, Tls},
};
use crate::{
    ConnectError, SdkConfig, SdkConfigError, TopicKey, TopicPublicKey,
    connection::ConnectionSettings,
};

/// The longest time that can be set. It prevents an overflow when deadlines are computed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The shortest time after which a node that a message waits for gets a heartbeat. The time is a
/// quarter of the timeout, but a busy machine needs at least this long.
const SHORTEST_PROBE: Duration = Duration::from_secs(1);

/// The longest time after which such a node gets a heartbeat.
const LONGEST_PROBE: Duration = Duration::from_millis(2500);

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
#[must_use = "call `connect` to get a client"]
pub struct ClientBuilder {
    endpoints: Vec<String>,
    connections: ConnectionPolicy,
    reconnect: ReconnectPolicy,
    offline: OfflinePolicy,
    copies: usize,
    ask_another: Option<Duration>,
    certificates: Certificates,
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
}

impl Default for ClientBuilder {
    fn default() -> Self {
        let session = ClientConfig::default();
        Self {
            endpoints: vec!["127.0.0.1:20200".to_owned()],
            connections: ConnectionPolicy::default(),
            reconnect: ReconnectPolicy::default(),
            offline: OfflinePolicy::default(),
            copies: 2,
            ask_another: None,
            certificates: Certificates::Find,
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
}

impl ClientBuilder {
    /// Reads the nodes, certificates and private topics from the `config.toml` of a Java or Go SDK.
    /// Paths in it are relative to the working directory, as they are for those SDKs.
    ///
    /// The `publicKeys` of an `[[amop]]` entry become a [`grant`](Self::grant), its `privateKey` a
    /// [`topic_key`](Self::topic_key). Keys in the file without an effect are logged as warnings.
    /// [`SdkConfig`] reads the file without logging.
    ///
    /// # Errors
    ///
    /// [`SdkConfigError`] names the line that cannot be used: for instance, a `privateKey` whose
    /// file does not exist.
    pub fn from_config_file(path: impl AsRef<Path>) -> Result<Self, SdkConfigError> {
        let config = SdkConfig::load(path)?;
        for warning in &config.warnings {
            tracing::warn!(file = %config.path.display(), "{warning}");
        }
        let mut builder = Self::default().endpoints(config.endpoints.iter().map(String::as_str));
        for topic in &config.private_topics {
            let failed = |source| SdkConfigError::PrivateTopic {
                path: config.path.clone(),
                line: topic.line,
                topic: topic.topic.clone(),
                source,
            };
            let name = topic.name(&config.path)?;
            let keys = topic.grants().map_err(failed)?;
            if !keys.is_empty() {
                builder = builder.grant(name.clone(), keys);
            }
            if let Some(key) = topic.own_key().map_err(failed)? {
                builder = builder.topic_key(name, &key);
            }
        }
        Ok(Self {
            certificates: Certificates::Sources([config.cert, config.key, config.ca]),
            ..builder
        })
    }

    /// Grants a private topic to subscribers with these keys, as [`Client::grant`] does, but from
    /// the first connection on.
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
    pub fn topic_key(mut self, topic: PrivateName, key: &TopicKey) -> Self {
        self.keys.insert(topic, key.clone());
        self
    }

    /// Sets the only node to connect to: its channel port as `host:port`; an IPv6 address needs
    /// brackets. Default `127.0.0.1:20200`.
    ///
    /// A FISCO node does not deliver to its own subscribers: a client of one such node can only
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
    /// On a chain with FISCO nodes, name at least two: such a node does not deliver to its own
    /// subscribers, so clients of the same node do not get each other's messages. Multicasts are
    /// sent to [two of them](Self::multicast_copies), and unicasts to one unless [another node is
    /// to be asked](Self::ask_another_node_after).
    pub fn endpoints<E: Into<String>>(mut self, endpoints: impl IntoIterator<Item = E>) -> Self {
        self.endpoints = endpoints.into_iter().map(Into::into).collect();
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

    /// Sets what publishing and subscribing do while no node is connected. Default: wait, until the
    /// [`timeout`](Self::timeout).
    pub fn offline(mut self, offline: OfflinePolicy) -> Self {
        self.offline = offline;
        self
    }

    /// Sets how many connections a multicast is sent over, or all if there are fewer, if the first
    /// of them is a connection to a FISCO node. Default 2; at least 1.
    ///
    /// A FISCO node does not deliver to its own subscribers; a copy sent to another node reaches
    /// them. Subscribers that use this crate recognise the copy by its seq; those on other SDKs get
    /// the message twice, as they do from java-sdk, which sends over all of its connections. A
    /// multicast to an overlay node is sent once.
    pub fn multicast_copies(mut self, copies: usize) -> Self {
        self.copies = copies.max(1);
        self
    }

    /// Sets how long a unicast to a FISCO node waits for an answer before it is sent over another
    /// connection as well; the first answer counts. Default: never. One second is a good value;
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

    /// Sets the folder with `ca.crt`, `sdk.crt` and `sdk.key`. Default: see [`find_certificates`].
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

    /// Connects, and returns when the first connection is ready. The others are made in the
    /// background.
    ///
    /// Must be called within a Tokio runtime with I/O and time enabled; the client's tasks are
    /// spawned on it.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says which step failed, and what to do. With several endpoints it is
    /// [`AllFailed`](ConnectError::AllFailed) once each of them failed.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let mut endpoints: Vec<HostPort> = Vec::new();
        for text in &self.endpoints {
            let endpoint = endpoint::parse(text)?;
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        if endpoints.is_empty() {
            return Err(ConnectError::NoEndpoint);
        }
        let identity = match &self.certificates {
            Certificates::Given(identity) => Identity::clone(identity),
            Certificates::Folder(folder) => Identity::load_sdk(folder)?,
            Certificates::Sources([cert, key, ca]) => Identity::load_from(cert, key, ca)?,
            Certificates::Find => Identity::load_sdk(find_certificates()?)?,
        };
        let names: Vec<Arc<str>> = endpoints
            .iter()
            .map(|endpoint| endpoint.to_string().into())
            .collect();
        let options = self.options();
        match &self.tls.0 {
            Backend::Rustls => {
                let dialer = RustlsDialer::new(endpoints, identity, self.nodes.clone())?;
                Client::start(dialer, names, options, rand::random()).await
            }
            #[cfg(feature = "legacy-rsa")]
            Backend::LegacyRsa => {
                let dialer = super::dial::LegacyDialer {
                    endpoints,
                    legacy: identity.legacy_rsa_with(self.nodes.clone())?,
                    identity,
                };
                Client::start(dialer, names, options, rand::random()).await
            }
        }
    }

    pub(crate) fn options(&self) -> ClientSettings {
        let longest_topic = amop_proto::channel::HEADER_LEN + 1 + amop_proto::MAX_TOPIC_LEN;
        let longest = |bytes: usize| bytes.clamp(longest_topic, PROTOCOL_MAX_FRAME);
        ClientSettings {
            timeout: hold(self.timeout),
            connect_timeout: hold(self.connect_timeout),
            drain_timeout: hold(self.drain_timeout),
            queue: self.queue,
            connections: match self.connections {
                ConnectionPolicy::All => usize::MAX,
                ConnectionPolicy::AtMost(most) => most.max(1),
            },
            reconnect: self.reconnect.clone(),
            offline: self.offline,
            copies: self.copies,
            ask_another: self.ask_another,
            connection: ConnectionSettings {
                session: ClientConfig {
                    heartbeat: self.heartbeat,
                    // A node is given up after twice this time, so that there is time for another
                    // node.
                    probe: (hold(self.timeout) / 4).clamp(SHORTEST_PROBE, LONGEST_PROBE),
                    max_in_flight: self.max_in_flight,
                    ..ClientConfig::default()
                },
                max_frame: longest(self.max_frame),
                max_incoming: longest(self.max_incoming),
            },
            grants: self.grants.clone(),
            keys: self.keys.clone(),
        }
    }
}

fn hold(time: Duration) -> Duration {
    time.clamp(Duration::from_millis(1), LONGEST)
}
