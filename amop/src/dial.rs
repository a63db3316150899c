//! From an endpoint's text to a TLS stream.

use std::{fmt, future::Future, net::Ipv6Addr, sync::Arc, time::Duration};

use amop_tls::{
    ClientOptions, HandshakeFailure, Identity, PeerVerifier, Side, TlsError,
    rustls::{ClientConfig, pki_types::UnixTime},
};
use tokio::{
    io::BufReader,
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    ConnectError, Stage,
    expiry::Expiry,
    supervisor::{Dialed, Dialer},
};

/// Bytes asked of the operating system at a time: TLS by itself asks for 4 KiB. Of the memory only what
/// was filled once is touched.
const READ_BUFFER: usize = 64 * 1024;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name or an address, without brackets.
    host: String,
    port: u16,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectError> {
        let invalid = |problem| ConnectError::InvalidEndpoint {
            endpoint: text.to_owned(),
            problem,
        };
        let (host, port) = text
            .trim()
            .rsplit_once(':')
            .ok_or_else(|| invalid("has no port"))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .filter(|address| address.parse::<Ipv6Addr>().is_ok())
                .ok_or_else(|| invalid("has no IPv6 address in its brackets"))?,
            None if host.contains(':') => {
                return Err(invalid("has an IPv6 address without brackets"));
            }
            None => host,
        };
        if host.is_empty() {
            return Err(invalid("has no host"));
        }
        if host.contains(['/', ' ', '@']) {
            return Err(invalid("has characters that no host name has"));
        }
        let port = match port.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err(invalid("has a port that is not a number from 1 to 65535")),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The time that all steps of connecting share.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    endpoint: Arc<str>,
    after: Duration,
    deadline: Instant,
}

impl Budget {
    pub(crate) fn new(endpoint: Arc<str>, after: Duration) -> Self {
        Self {
            endpoint,
            after,
            deadline: Instant::now() + after,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn timeout(&self, stage: Stage) -> ConnectError {
        ConnectError::Timeout {
            endpoint: self.endpoint.to_string(),
            stage,
            after: self.after,
        }
    }

    /// Runs a step within what is left.
    pub(crate) async fn spend<F: Future>(
        &self,
        stage: Stage,
        step: F,
    ) -> Result<F::Output, ConnectError> {
        timeout_at(self.deadline, step)
            .await
            .map_err(|_| self.timeout(stage))
    }
}

/// Dials by rustls.
pub(crate) struct RustlsDialer {
    endpoints: Vec<Endpoint>,
    identity: Identity,
    verifier: PeerVerifier,
    config: Arc<ClientConfig>,
}

impl RustlsDialer {
    pub(crate) fn new(
        endpoints: Vec<Endpoint>,
        identity: Identity,
        options: ClientOptions,
    ) -> Result<Self, TlsError> {
        let verifier = identity.verifier_of_nodes(options);
        Ok(Self {
            config: identity.dialling(&verifier)?,
            endpoints,
            identity,
            verifier,
        })
    }
}

impl Dialer for RustlsDialer {
    type Stream = TlsStream<BufReader<TcpStream>>;

    async fn dial(
        &self,
        index: usize,
        budget: &Budget,
    ) -> Result<Dialed<Self::Stream>, ConnectError> {
        let endpoint = &self.endpoints[index];
        let failed = |source| ConnectError::Tls {
            endpoint: endpoint.to_string(),
            source,
        };
        let tcp = BufReader::with_capacity(READ_BUFFER, tcp(endpoint, budget).await?);
        let connector = TlsConnector::from(self.config.clone());
        let mode = self.identity.mode();
        let stream = budget
            .spend(Stage::Tls, connector.connect(Identity::server_name(), tcp))
            .await?
            .map_err(|error| failed(HandshakeFailure::from_io(error, Side::Client, mode)))?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        // The handshake has done it; this finds out until when.
        let admitted = self
            .verifier
            .verify(chain, Side::Server, UnixTime::now())
            .map_err(|error| failed(HandshakeFailure::PeerCertificate(error)))?;
        Ok(Dialed {
            public_key: admitted.info.public_key,
            expiry: Some(Expiry::of(&self.identity, &admitted.standing)),
            stream,
        })
    }
}

pub(crate) async fn tcp(endpoint: &Endpoint, budget: &Budget) -> Result<TcpStream, ConnectError> {
    let resolve = lookup_host((endpoint.host.as_str(), endpoint.port));
    let unresolved = |source| ConnectError::Resolve {
        endpoint: endpoint.to_string(),
        source,
    };
    let addresses = budget
        .spend(Stage::Resolve, resolve)
        .await?
        .map_err(unresolved)?;
    let mut last = unresolved(std::io::Error::other("the name has no address"));
    for address in addresses {
        let connected = budget
            .spend(Stage::Tcp, TcpStream::connect(address))
            .await?;
        // Small frames must not wait for acknowledgements of earlier ones.
        match connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => return Ok(stream),
            Err(source) => {
                last = ConnectError::Tcp {
                    endpoint: endpoint.to_string(),
                    address,
                    source,
                };
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_shown() {
        for text in ["127.0.0.1:20200", "node0.example.org:1", "[::1]:65535"] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Endpoint::parse("[::1]:2").unwrap().host, "::1");
    }

    #[test]
    fn what_is_no_endpoint_says_why() {
        let cases = [
            ("127.0.0.1", "no port"),
            (":20200", "no host"),
            ("host:0", "1 to 65535"),
            ("host:65536", "1 to 65535"),
            ("host:", "1 to 65535"),
            ("::1:20200", "without brackets"),
            ("[host]:20200", "no IPv6 address"),
            ("//host:20200", "characters"),
            ("user@host:20200", "characters"),
        ];
        for (text, part) in cases {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
