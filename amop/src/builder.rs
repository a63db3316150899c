//! Setting up a client.

use std::{path::PathBuf, sync::Arc, time::Duration};

use amop_proto::{channel::DEFAULT_MAX_FRAME, client::ClientConfig};
use amop_tls::Identity;

use crate::{
    Client, ConnectError,
    client::Options,
    connection::Settings,
    dial::{Budget, Endpoint, dial},
    find_certificates,
};

/// The longest time that can be set, so that no deadline overflows.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

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
    endpoint: String,
    certificates: Certificates,
    timeout: Duration,
    connect_timeout: Duration,
    heartbeat: Duration,
    queue: usize,
    max_frame: usize,
    max_in_flight: usize,
}

#[derive(Debug, Clone)]
enum Certificates {
    Find,
    Folder(PathBuf),
    Given(Box<Identity>),
}

impl Default for ClientBuilder {
    fn default() -> Self {
        let session = ClientConfig::default();
        Self {
            endpoint: "127.0.0.1:20200".to_owned(),
            certificates: Certificates::Find,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            heartbeat: session.heartbeat,
            queue: 1024,
            max_frame: DEFAULT_MAX_FRAME,
            max_in_flight: session.max_in_flight,
        }
    }
}

impl ClientBuilder {
    /// The node's channel port as `host:port`; an IPv6 address goes in brackets. Default
    /// `127.0.0.1:20200`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
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

    /// How long a publish, a request or a subscribe may take. Default 10 s, twice the 5 s a node
    /// waits for one subscriber before it tries the next; held between 1 ms and 24 h.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long connecting may take: name, TCP, TLS and version handshake together. Default 10 s;
    /// held between 1 ms and 24 h.
    ///
    /// A node that does not answer the version handshake is waited for for 5 s, so a shorter time
    /// shuts such nodes out.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Time between heartbeats. A node without a sign of life for two of them counts as
    /// lost. Default 10 s; held between 1 ms and 20 s.
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

    /// The longest frame sent or taken, in bytes: payload, topic and 43 bytes more. Default
    /// 32 MiB; held between 298 bytes (the longest topic) and the protocol's 100 MiB.
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Messages that may wait for their answers at a time; publishing waits while it is reached.
    /// Default 8192; at least 1.
    pub fn max_in_flight(mut self, messages: usize) -> Self {
        self.max_in_flight = messages.max(1);
        self
    }

    /// Connects.
    ///
    /// Must be called within a Tokio runtime with I/O and time enabled; the connection's driver
    /// is spawned on it.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says which step failed, and what to do.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let endpoint = Endpoint::parse(&self.endpoint)?;
        let identity = match &self.certificates {
            Certificates::Given(identity) => Identity::clone(identity),
            Certificates::Folder(folder) => Identity::load_sdk(folder)?,
            Certificates::Find => Identity::load_sdk(find_certificates()?)?,
        };
        let name: Arc<str> = endpoint.to_string().into();
        let options = self.options();
        let budget = Budget::new(Arc::clone(&name), hold(self.connect_timeout));
        let (stream, node_key) = dial(&endpoint, &identity, &budget).await?;
        Client::over(stream, name, node_key, options, rand::random(), &budget).await
    }

    pub(crate) fn options(&self) -> Options {
        let longest_topic = amop_proto::channel::HEADER_LEN + 1 + amop_proto::MAX_TOPIC_LEN;
        Options {
            timeout: hold(self.timeout),
            queue: self.queue,
            connection: Settings {
                session: ClientConfig {
                    heartbeat: self.heartbeat,
                    max_in_flight: self.max_in_flight,
                    ..ClientConfig::default()
                },
                max_frame: self
                    .max_frame
                    .clamp(longest_topic, amop_proto::channel::PROTOCOL_MAX_FRAME),
            },
        }
    }
}

fn hold(time: Duration) -> Duration {
    time.clamp(Duration::from_millis(1), LONGEST)
}
