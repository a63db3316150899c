//! Setting up a client.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use amop_proto::{
    channel::{DEFAULT_MAX_FRAME, PROTOCOL_MAX_FRAME, PrivateName},
    client::ClientConfig,
};
use amop_tls::{ClientOptions, Identity, NodeKey, PemSource};

use crate::{
    Client, ConfigError, ConnectError, Connections, Offline, Reconnect, SdkConfig, Tls, TopicKey,
    TopicPublicKey,
    client::Options,
    connection::Settings,
    dial::{Endpoint, RustlsDialer},
    find_certificates,
    tls::Backend,
};

/// The longest time that can be set, so that no deadline overflows.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A node that somebody waits for is asked for a sign of life after a quarter of the timeout, but not sooner
/// than a busy machine needs
const SHORTEST_PROBE: Duration = Duration::from_secs(1);

/// and not later than this.
const LONGEST_PROBE: Duration = Duration::from_millis(2500);

/// Sets up a [`Client`]. Everything has a default but the endpoint, and that one is a local
/// node's.
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
    connections: Connections,
    reconnect: Reconnect,
    offline: Offline,
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
            connections: Connections::default(),
            reconnect: Reconnect::default(),
            offline: Offline::default(),
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

impl ClientBuilder {
    /// As the `config.toml` of a Java or Go SDK says: its nodes, certificates and private topics.
    /// Paths in it are relative to the folder of the program, as they are for those SDKs.
    ///
    /// The `publicKeys` of an `[[amop]]` entry become a [`grant`](Self::grant), its `privateKey` a
    /// [`topic_key`](Self::topic_key). Keys that mean nothing are logged as warnings. [`SdkConfig`]
    /// reads the file without that.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the line that cannot be used: a `privateKey` that is not there, for instance.
    pub fn from_config_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let config = SdkConfig::load(path)?;
        for warning in &config.warnings {
            tracing::warn!(file = %config.path.display(), "{warning}");
        }
        let mut builder = Self::default().endpoints(config.endpoints.iter().map(String::as_str));
        for topic in &config.private_topics {
            let failed = |source| ConfigError::PrivateTopic {
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

    /// Grants a private topic to subscribers with these keys from the first connection on, as
    /// [`Client::grant`] does later.
    pub fn grant(
        mut self,
        topic: PrivateName,
        keys: impl IntoIterator<Item = TopicPublicKey>,
    ) -> Self {
        self.grants.push((topic, keys.into_iter().collect()));
        self
    }

    /// The key of subscriptions to a private topic that are made without one, such as
    /// [`Client::subscribe`]'s.
    pub fn topic_key(mut self, topic: PrivateName, key: &TopicKey) -> Self {
        self.keys.insert(topic, key.clone());
        self
    }

    /// The one node to connect to: its channel port as `host:port`; an IPv6 address goes in brackets.
    /// Default `127.0.0.1:20200`.
    ///
    /// A FISCO node does not deliver to its own subscribers: a client of it alone reaches and hears only those
    /// that are connected to other nodes. A line in the log says so at connecting.
    pub fn endpoint(self, endpoint: impl Into<String>) -> Self {
        self.endpoints([endpoint])
    }

    /// The nodes to connect to, as for [`endpoint`](Self::endpoint). One named twice counts once.
    ///
    /// Messages are received by way of all connections, each once. A unicast is published by way of the one
    /// with the fewest messages in flight, the multicasts of one topic by way of the same one, so that they
    /// keep their order; another one takes over when that is lost.
    ///
    /// Of a chain with FISCO nodes, name at least two: such a node does not deliver to its own subscribers, so
    /// a client of one node hears nothing of the others there. Multicasts go by
    /// [two of them](Self::multicast_copies), unicasts by one unless
    /// [another one is to be asked](Self::ask_another_node_after).
    pub fn endpoints<E: Into<String>>(mut self, endpoints: impl IntoIterator<Item = E>) -> Self {
        self.endpoints = endpoints.into_iter().map(Into::into).collect();
        self
    }

    /// To how many of the endpoints to connect. Default: to all.
    pub fn connections(mut self, connections: Connections) -> Self {
        self.connections = connections;
        self
    }

    /// When a lost connection is made again. Default: as often as it takes, with pauses of 0.5 s to
    /// 20 s.
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// What publishing and subscribing do while no node is connected. Default: wait, within the
    /// [`timeout`](Self::timeout).
    pub fn offline(mut self, offline: Offline) -> Self {
        self.offline = offline;
        self
    }

    /// By how many connections a multicast goes at a time where the first is one to a FISCO node, as far as
    /// there are so many. Default 2; at least 1.
    ///
    /// A FISCO node does not deliver to its own subscribers. By another node they are reached, too.
    /// Subscribers on this crate recognise the copy by its seq; those on other SDKs take it twice, as they do
    /// from java-sdk, which sends by all of its connections. Towards overlay nodes there is one copy.
    pub fn multicast_copies(mut self, copies: usize) -> Self {
        self.copies = copies.max(1);
        self
    }

    /// After how long without an answer a unicast goes by another connection as well, where the first is one
    /// to a FISCO node; the first answer counts. Default: never. A second does well; held between 1 ms and
    /// 24 h.
    ///
    /// Where a FISCO node picks a subscriber of its own, it delivers nothing and says so after 30 s. By another
    /// node that subscriber is reached. The copy has the message's seq, by which subscribers on this crate take
    /// it once. Subscribers on other SDKs may process it twice, and two subscribers may get it where the first
    /// one is slow; so it has to be asked for.
    pub fn ask_another_node_after(mut self, pause: Duration) -> Self {
        self.ask_another = Some(hold(pause));
        self
    }

    /// The folder with `ca.crt`, `sdk.crt` and `sdk.key`. Default: see [`find_certificates`].
    pub fn certificates(mut self, folder: impl Into<PathBuf>) -> Self {
        self.certificates = Certificates::Folder(folder.into());
        self
    }

    /// Certificates that do not lie in a folder.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.certificates = Certificates::Given(Box::new(identity));
        self
    }

    /// Which TLS implementation to use. Default [`Tls::rustls`]; production nodes in RSA mode need
    /// another one.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// The only nodes to connect to, by their ids ([`PublicKey`](crate::PublicKey), the digits of
    /// `node.nodeid`) or, where nodes have RSA certificates, by their keys. Default: all that have a
    /// node's certificate of the chain.
    ///
    /// Whoever controls a name or an address can otherwise put another node of the chain there. The
    /// error of a refused connection tells the key that came.
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

    /// Whether an SDK's certificate (OU=sdk) does for a node, too. Default: no, so that no SDK can act
    /// as a node. For chains whose nodes have such certificates, and for a proxy that has only those of
    /// an SDK.
    pub fn sdk_certificates_as_nodes(mut self, allow: bool) -> Self {
        self.nodes = self.nodes.sdk_certificates_as_nodes(allow);
        self
    }

    /// How long a publish, a request or a subscribe may take. Default 10 s, twice the 5 s a node
    /// waits for one subscriber before it tries the next; held between 1 ms and 24 h.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long connecting to an endpoint may take: name, TCP, TLS and version handshake together,
    /// and the confirmation of the topics if there are any. Default 10 s; held between 1 ms and 24 h.
    ///
    /// A node that does not answer the version handshake is waited for for 5 s, so a shorter time
    /// shuts such nodes out.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Time between heartbeats. A node without a sign of life for two of them counts as
    /// lost. Default 10 s; held between 1 ms and 20 s.
    ///
    /// A node that somebody waits for is asked sooner: after a quarter of the [`timeout`](Self::timeout),
    /// between 1 s and 2.5 s, and counts as lost after the same again, and a second more for each 64 KiB that it
    /// was sent and has not answered, 3 s at most. A connection that still takes or brings bytes is not lost,
    /// however slowly it does.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// Messages that may wait in one subscription. Default 1024; at least 1.
    ///
    /// When it is full, a unicast is refused, so that the node tries another subscriber, and a
    /// multicast is dropped and counted.
    pub fn queue(mut self, messages: usize) -> Self {
        self.queue = messages.max(1);
        self
    }

    /// The longest frame sent, in bytes: payload, topic and 43 bytes more. Default 32 MiB; held
    /// between 298 bytes (the longest topic) and the protocol's 100 MiB.
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// The longest frame taken, in bytes. Default 100 MiB, the most the protocol allows; held between
    /// 298 bytes and that.
    ///
    /// A longer frame ends the connection: where frames follow each other, one cannot be left out.
    /// Whoever may send to a topic decides how long its messages are, so a lower limit lets others
    /// interrupt this client.
    pub fn max_incoming_frame(mut self, bytes: usize) -> Self {
        self.max_incoming = bytes;
        self
    }

    /// How long [`Client::drain`] may take. Default 30 s; held between 1 ms and 24 h.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Messages that may wait for their answers at a time; publishing waits while it is reached.
    /// Default 8192; at least 1.
    pub fn max_in_flight(mut self, messages: usize) -> Self {
        self.max_in_flight = messages.max(1);
        self
    }

    /// Connects: waits for the first connection to be ready. The others come about in the
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
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for text in &self.endpoints {
            let endpoint = Endpoint::parse(text)?;
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
                let dialer = crate::legacy::LegacyDialer {
                    endpoints,
                    legacy: identity.legacy_rsa_with(self.nodes.clone())?,
                    identity,
                };
                Client::start(dialer, names, options, rand::random()).await
            }
        }
    }

    pub(crate) fn options(&self) -> Options {
        let longest_topic = amop_proto::channel::HEADER_LEN + 1 + amop_proto::MAX_TOPIC_LEN;
        let longest = |bytes: usize| bytes.clamp(longest_topic, PROTOCOL_MAX_FRAME);
        Options {
            timeout: hold(self.timeout),
            connect_timeout: hold(self.connect_timeout),
            drain_timeout: hold(self.drain_timeout),
            queue: self.queue,
            connections: match self.connections {
                Connections::All => usize::MAX,
                Connections::AtMost(most) => most.max(1),
            },
            reconnect: self.reconnect.clone(),
            offline: self.offline,
            copies: self.copies,
            ask_another: self.ask_another,
            connection: Settings {
                session: ClientConfig {
                    heartbeat: self.heartbeat,
                    // Twice that, and there is time for another node.
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
