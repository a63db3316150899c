//! From an endpoint's text to a TLS stream.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io,
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use amop_tls::{
    ClientOptions, HandshakeFailure, Identity, PeerVerifier, Side, TlsError,
    rustls::{ClientConfig, pki_types::UnixTime},
};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::BufReader,
    net::{TcpStream, lookup_host},
    time::{Instant, sleep, timeout_at},
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
    let addresses = interleave(addresses);
    budget
        .spend(Stage::Tcp, first_of(addresses, PAUSE))
        .await?
        .map_err(|failed| match failed {
            Some((address, source)) => ConnectError::Tcp {
                endpoint: endpoint.to_string(),
                address,
                source,
            },
            None => unresolved(io::Error::other("the name has no address")),
        })
}

/// How long an address has to itself before the next one is tried as well (RFC 8305 section 5).
const PAUSE: Duration = Duration::from_millis(250);

/// The addresses in turns of their families, beginning with the resolver's first (RFC 8305 section 4).
fn interleave(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<SocketAddr> = addresses.collect();
    let v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == v6_first);
    let mut queues = [first, second];
    let mut turns = Vec::new();
    while let Some(address) = queues[0].pop_front() {
        turns.push(address);
        let next = usize::from(!queues[1].is_empty());
        queues.swap(0, next);
    }
    turns
}

/// The first connection that comes about. Each address is tried a pause after the one before it, or as soon as
/// that has failed, and those before it go on. The error is that of the address that failed last.
async fn first_of(
    addresses: Vec<SocketAddr>,
    pause: Duration,
) -> Result<TcpStream, Option<(SocketAddr, io::Error)>> {
    let mut waiting = addresses.into_iter();
    let mut trying = FuturesUnordered::new();
    let mut last = None;
    loop {
        match waiting.next() {
            Some(address) => trying.push(async move {
                let connected = TcpStream::connect(address).await;
                // Small frames must not wait for acknowledgements of earlier ones.
                let stream = connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
                (address, stream)
            }),
            None if trying.is_empty() => return Err(last),
            None => {}
        }
        let is_last = waiting.len() == 0;
        tokio::select! {
            Some((address, connected)) = trying.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some((address, error)),
            },
            () = sleep(pause), if !is_last => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn endpoints_are_read_and_shown() {
        for text in ["127.0.0.1:20200", "node0.example.org:1", "[::1]:65535"] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Endpoint::parse("[::1]:2").unwrap().host, "::1");
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(at);
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(at);
        assert_eq!(interleave(given.into_iter()), expected);
        let given = ["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"].map(at);
        let expected = ["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"].map(at);
        assert_eq!(interleave(given.into_iter()), expected);
        assert!(interleave(std::iter::empty()).is_empty());
    }

    /// An address whose queue of connections is full: what comes to it gets no answer.
    async fn silent() -> (SocketAddr, Vec<TcpStream>, tokio::net::TcpListener) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(at("127.0.0.1:0")).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut held = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(stream) = timeout(patience, TcpStream::connect(address)).await {
            held.push(stream.unwrap());
        }
        (address, held, listener)
    }

    #[tokio::test]
    async fn a_silent_address_does_not_use_up_the_time_of_the_others() {
        let (silent, _held, _listener) = silent().await;
        let closed = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        for addresses in [
            vec![silent, good],
            vec![closed, silent, good],
            vec![silent, closed, good],
            vec![good, silent],
        ] {
            let connected = first_of(addresses, Duration::from_millis(10));
            let stream = timeout(Duration::from_secs(60), connected).await;
            assert_eq!(stream.unwrap().unwrap().peer_addr().unwrap(), good);
        }
        let (address, error) = first_of(vec![closed], PAUSE).await.unwrap_err().unwrap();
        assert_eq!(address, closed);
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(first_of(Vec::new(), PAUSE).await.unwrap_err().is_none());
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
