//! Parsing endpoints, and connecting to them with TLS.

use std::{
    fmt,
    future::Future,
    io,
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use amop_proto::race::AddressRace;
use amop_tls::{
    ClientOptions, HandshakeFailure, Identity, PeerVerifier, Side, TlsError,
    rustls::{ClientConfig, pki_types::UnixTime},
};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::BufReader,
    net::{TcpStream, lookup_host},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    ConnectError, ConnectStage,
    expiry::Expiry,
    supervisor::{Dialed, Dialer},
};

/// Bytes requested from the operating system at a time; TLS alone would request 4 KiB. Memory that
/// is never filled is not used.
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
        let text = text.trim();
        if text.contains("://") {
            return Err(invalid("begins like a URL"));
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| invalid("has no port"))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .filter(|address| address.parse::<Ipv6Addr>().is_ok())
                .ok_or_else(|| invalid("has no IPv6 address in its brackets"))?,
            None if host.contains(':') => {
                // An IPv6 address, perhaps with a zone, or something that only looks like one.
                let address = host.split('%').next().unwrap_or(host);
                return Err(invalid(match address.parse::<Ipv6Addr>() {
                    Ok(_) => "has an IPv6 address without brackets",
                    Err(_) => "has several colons, and its host is not an IPv6 address",
                }));
            }
            None => host,
        };
        if host.is_empty() {
            return Err(invalid("has no host"));
        }
        if host.contains(['/', ' ', '@']) {
            return Err(invalid(
                "has characters that are not allowed in a host name",
            ));
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

/// The time limit that all steps of connecting share.
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

    pub(crate) fn timeout(&self, stage: ConnectStage) -> ConnectError {
        ConnectError::Timeout {
            endpoint: self.endpoint.to_string(),
            stage,
            after: self.after,
        }
    }

    /// Runs a step within the time that is left.
    pub(crate) async fn spend<F: Future>(
        &self,
        stage: ConnectStage,
        step: F,
    ) -> Result<F::Output, ConnectError> {
        timeout_at(self.deadline, step)
            .await
            .map_err(|_| self.timeout(stage))
    }
}

/// Dials with rustls.
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
        let mode = self.identity.mode();
        let stream = connect(endpoint, budget, |tcp| {
            let tcp = BufReader::with_capacity(READ_BUFFER, tcp);
            let connector = TlsConnector::from(self.config.clone());
            let handshake = connector.connect(Identity::server_name(), tcp);
            async move {
                let shaken = handshake.await;
                shaken.map_err(|error| failed(HandshakeFailure::from_io(error, Side::Client, mode)))
            }
        })
        .await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        // The handshake has already verified the chain; this returns the key and the expiry.
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

/// Connects to the endpoint and returns the first connection that succeeds, including the TLS
/// handshake, which `shake` does.
///
/// If several addresses fail, the error is that of an address that accepted the TCP connection, if
/// there is one: it is the most useful.
pub(crate) async fn connect<S, F>(
    endpoint: &Endpoint,
    budget: &Budget,
    shake: impl Fn(TcpStream) -> F,
) -> Result<S, ConnectError>
where
    F: Future<Output = Result<S, ConnectError>>,
{
    let resolve = lookup_host((endpoint.host.as_str(), endpoint.port));
    let unresolved = |source| ConnectError::Resolve {
        endpoint: endpoint.to_string(),
        source,
    };
    let addresses = budget
        .spend(ConnectStage::Resolve, resolve)
        .await?
        .map_err(unresolved)?;
    let mut race = Race::new(endpoint, addresses);
    let won = timeout_at(budget.deadline, race.run(shake)).await;
    match won {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(Some(error))) => Err(error),
        Ok(Err(None)) => Err(unresolved(io::Error::other("the name has no address"))),
        Err(_) => Err(budget.timeout(race.stage)),
    }
}

/// Tries several addresses at the same time.
struct Race<'a> {
    endpoint: &'a Endpoint,
    addresses: AddressRace,
    /// The furthest step that one of them has reached.
    stage: ConnectStage,
}

/// A finished step of one of the addresses.
enum ConnectStep<S> {
    Connected(SocketAddr, io::Result<TcpStream>),
    Shaken(Result<S, ConnectError>),
}

impl<'a> Race<'a> {
    fn new(endpoint: &'a Endpoint, addresses: impl Iterator<Item = SocketAddr>) -> Self {
        Self {
            endpoint,
            addresses: AddressRace::new(addresses),
            stage: ConnectStage::Tcp,
        }
    }

    async fn run<S, F>(&mut self, shake: impl Fn(TcpStream) -> F) -> Result<S, Option<ConnectError>>
    where
        F: Future<Output = Result<S, ConnectError>>,
    {
        let (mut connecting, mut shaking) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut last: Option<ConnectError> = None;
        loop {
            while let Some(address) = self.addresses.poll(Instant::now().into_std()) {
                connecting.push(async move { ConnectStep::Connected(address, tcp(address).await) });
            }
            if connecting.is_empty() && shaking.is_empty() {
                return Err(last);
            }
            let due = self.addresses.next_timeout();
            let due = async {
                match due {
                    Some(due) => sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                Some(step) = connecting.next() => step,
                Some(shaken) = shaking.next() => ConnectStep::Shaken(shaken),
                () = due => continue,
            };
            match step {
                ConnectStep::Connected(_, Ok(stream)) => {
                    self.stage = ConnectStage::Tls;
                    self.addresses.connected(Instant::now().into_std());
                    shaking.push(shake(stream));
                }
                ConnectStep::Connected(address, Err(source)) => {
                    self.addresses.failed();
                    let endpoint = self.endpoint.to_string();
                    let error = ConnectError::Tcp {
                        endpoint,
                        address,
                        source,
                    };
                    if last.as_ref().is_none_or(is_tcp) {
                        last = Some(error);
                    }
                }
                ConnectStep::Shaken(Ok(stream)) => return Ok(stream),
                ConnectStep::Shaken(Err(error)) => {
                    self.addresses.failed();
                    last = Some(error);
                }
            }
        }
    }
}

fn is_tcp(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Tcp { .. })
}

async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Small frames must not wait for acknowledgements of earlier ones.
    stream.set_nodelay(true)?;
    Ok(stream)
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

    /// Returns an address whose queue of connections is full, so that it does not answer.
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

    /// Returns which address wins if only `good` completes the handshake, or the error if none
    /// does.
    async fn race(addresses: Vec<SocketAddr>, good: SocketAddr) -> Result<SocketAddr, String> {
        let endpoint = Endpoint::parse("node.example.org:1").unwrap();
        let mut race = Race::new(&endpoint, addresses.into_iter());
        let won = race.run(async |stream| {
            let address = stream.peer_addr().unwrap();
            if address == good {
                return Ok(address);
            }
            Err(ConnectError::NotANode {
                endpoint: address.to_string(),
                source: amop_proto::channel::FrameError::TooShort { len: 0 },
            })
        });
        let won = timeout(Duration::from_secs(60), won).await.unwrap();
        won.map_err(|error| error.map_or_else(String::new, |error| error.to_string()))
    }

    #[tokio::test]
    async fn an_address_that_does_not_do_takes_no_other_one_s_place() {
        let (silent, _held, _listener) = silent().await;
        let closed = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        // Something else listens there.
        let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wrong = other.local_addr().unwrap();
        for addresses in [
            vec![silent, good],
            vec![closed, silent, good],
            vec![silent, closed, good],
            vec![wrong, good],
            vec![silent, wrong, closed, good],
            vec![good, silent],
        ] {
            assert_eq!(race(addresses, good).await.unwrap(), good);
        }
        let error = race(vec![closed], good).await.unwrap_err();
        assert!(error.contains(&closed.to_string()), "{error}");
        for addresses in [vec![closed, wrong], vec![wrong, closed]] {
            let error = race(addresses, good).await.unwrap_err();
            assert!(
                error.contains("does not speak the channel protocol"),
                "{error}"
            );
        }
        assert_eq!(race(Vec::new(), good).await.unwrap_err(), "");
    }

    /// An address that accepts the connection but never answers must not block the others forever.
    #[tokio::test]
    async fn an_address_that_says_nothing_is_not_waited_for() {
        let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let addresses = vec![mute.local_addr().unwrap(), good];
        let endpoint = Endpoint::parse("node.example.org:1").unwrap();
        let mut race = Race::new(&endpoint, addresses.into_iter());
        let won = race.run(async |stream| {
            let address = stream.peer_addr().unwrap();
            if address != good {
                std::future::pending::<()>().await;
            }
            Ok(address)
        });
        let won = timeout(Duration::from_secs(60), won).await.unwrap();
        assert_eq!(won.ok(), Some(good));
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
            ("fe80::1%eth0:20200", "without brackets"),
            ("tcp://127.0.0.1:20200", "like a URL"),
            (" https://node0.example.org:20200/", "like a URL"),
            ("channel://[::1]:20200", "like a URL"),
            ("node0:30300:20200", "several colons"),
            ("127.0.0.1:20200:", "several colons"),
            ("127.0.0.1:20200,127.0.0.1:20201", "several colons"),
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
