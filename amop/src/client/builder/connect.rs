//! Connecting with the settings of a builder.

use std::sync::Arc;

use amop_proto::{channel::PROTOCOL_MAX_FRAME, client::ClientConfig};
use amop_tls::Identity;

use super::{
    super::{
        call::{CallOptions, hold},
        certificates::find_certificates,
        dial::{DialTarget, RustlsSecurity, TargetSecurity, TcpDialer, endpoint},
        policy::ConnectionPolicy,
        settings::ClientSettings,
        tls::Backend,
    },
    *,
};
use crate::{OverflowPolicy, connection::ConnectionSettings};

/// The shortest time after which a node that a message waits for gets a heartbeat. The time is a
/// quarter of the timeout, but a busy machine needs at least this long.
const SHORTEST_PROBE: Duration = Duration::from_secs(1);

/// The longest time after which such a node gets a heartbeat.
const LONGEST_PROBE: Duration = Duration::from_millis(2500);

impl ClientBuilder {
    /// Connects, and returns when the first connection is ready. The others are made in the
    /// background.
    ///
    /// Must be called within a Tokio runtime with I/O and time enabled; the client's tasks are
    /// spawned on it.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says which step failed, and what to do. With several endpoints it is
    /// [`AllFailed`](ConnectError::AllFailed) once each of them failed. With
    /// [`retry_on_first_connect`](Self::retry_on_first_connect) it is the error of the last tries.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connections that were made, in the background.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let client = self.connect_lazy()?;
        client.connected().await?;
        Ok(client)
    }

    /// Returns a client at once, which connects in the background and keeps trying as
    /// [`reconnect`](Self::reconnect) says. [`Client::events`] reports the connections and the
    /// failures; a program can wait for the first [`Event::Connected`](crate::Event::Connected).
    ///
    /// Until a node is connected, publishing and subscribing wait or fail as
    /// [`offline`](Self::offline) says, as they do after a connection is lost: with the default
    /// they wait until their timeout. A subscription is confirmed by the first node that connects.
    ///
    /// Must be called within a Tokio runtime, as [`connect`](Self::connect).
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// #[amop::topic("hello")]
    /// struct Hello(String);
    ///
    /// let client = amop::Client::builder().endpoint("127.0.0.1:20200").connect_lazy()?;
    /// // Waits for the node, within the timeout.
    /// Hello("world".into()).publish_multicast(&client).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if a setting is wrong: an endpoint or a certificate cannot be used. What is
    /// wrong with a node is reported as [`Event::ConnectFailed`](crate::Event::ConnectFailed).
    pub fn connect_lazy(self) -> Result<Client, ConnectError> {
        let targets = self.targets()?;
        let names = targets.iter().map(|target| target.endpoint.to_string());
        let names: Vec<Arc<str>> = names.map(Into::into).collect();
        let (options, dialer) = (self.options(), TcpDialer { targets });
        Ok(Client::start(dialer, names, options, rand::random()))
    }

    /// Returns the endpoints, each once, and how to connect to each.
    fn targets(&self) -> Result<Vec<DialTarget>, ConnectError> {
        let mut targets = Vec::new();
        add_targets(&mut targets, &self.endpoints, self.protocol, || {
            let identity = match &self.certificates {
                Certificates::Given(identity) => Identity::clone(identity),
                Certificates::Folder(folder) => Identity::load_sdk(folder)?,
                Certificates::Sources([cert, key, ca]) => Identity::load_from(cert, key, ca)?,
                Certificates::Find => Identity::load_sdk(find_certificates()?)?,
                Certificates::Plain => return Ok(TargetSecurity::Plain),
            };
            self.security(identity)
        })?;
        for (access, protocol) in &self.other_chains {
            let identity = || self.security(access.identity.clone());
            add_targets(&mut targets, &access.endpoints, *protocol, identity)?;
        }
        if targets.is_empty() {
            return Err(ConnectError::NoEndpoint);
        }
        Ok(targets)
    }

    fn security(&self, identity: Identity) -> Result<TargetSecurity, ConnectError> {
        let nodes = self.nodes.clone();
        Ok(match &self.tls.0 {
            Backend::Rustls => {
                TargetSecurity::Rustls(Box::new(RustlsSecurity::new(identity, nodes)?))
            }
            #[cfg(feature = "legacy-rsa")]
            Backend::LegacyRsa => {
                let security = super::super::dial::LegacySecurity::new(identity, nodes)?;
                TargetSecurity::Legacy(Box::new(security))
            }
        })
    }

    pub(crate) fn options(&self) -> ClientSettings {
        let longest_topic = amop_proto::channel::HEADER_LEN + 1 + amop_proto::MAX_TOPIC_LEN;
        let longest = |bytes: usize| bytes.clamp(longest_topic, PROTOCOL_MAX_FRAME);
        ClientSettings {
            call: CallOptions {
                timeout: hold(self.timeout),
                drain_timeout: hold(self.drain_timeout),
                offline: self.offline,
                queue: self.queue,
                overflow: OverflowPolicy::default(),
                copies: self.copies,
                ask_another: self.ask_another,
            },
            connect_timeout: hold(self.connect_timeout),
            first_connect: self.first_connect,
            connections: match self.connections {
                ConnectionPolicy::All => usize::MAX,
                ConnectionPolicy::AtMost(most) => most.max(1),
            },
            reconnect: self.reconnect.clone(),
            connection: ConnectionSettings {
                session: ClientConfig::default().with(|session| {
                    session.heartbeat = self.heartbeat;
                    // A node is given up after twice this time, so that there is time for another
                    // node.
                    session.probe = (hold(self.timeout) / 4).clamp(SHORTEST_PROBE, LONGEST_PROBE);
                    session.max_in_flight = self.max_in_flight;
                }),
                max_frame: longest(self.max_frame),
                max_incoming: longest(self.max_incoming),
            },
            grants: self.grants.clone(),
            keys: self.keys.clone(),
        }
    }
}

/// Adds the endpoints of a chain that are not there yet.
fn add_targets(
    targets: &mut Vec<DialTarget>,
    endpoints: &[String],
    protocol: Protocol,
    security: impl FnOnce() -> Result<TargetSecurity, ConnectError>,
) -> Result<(), ConnectError> {
    let mut parsed = Vec::new();
    for text in endpoints {
        let endpoint = endpoint::parse(text)?;
        let known = targets.iter().any(|target| target.endpoint == endpoint);
        if !known && !parsed.contains(&endpoint) {
            parsed.push(endpoint);
        }
    }
    if parsed.is_empty() {
        return Ok(());
    }
    let security = Arc::new(security()?);
    targets.extend(parsed.into_iter().map(|endpoint| DialTarget {
        endpoint,
        generations: security.generations(protocol),
        security: Arc::clone(&security),
    }));
    Ok(())
}
