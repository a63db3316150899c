//! Connecting to an endpoint, which may have several addresses.

use std::{future::Future, io, net::SocketAddr};

use amop_proto::race::{AddressOrder, AddressRace};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, sleep_until, timeout_at},
};

use super::{dialer::Budget, endpoint::Endpoint};
use crate::{ConnectError, ConnectStage};

/// Connects to the endpoint and returns the first connection that succeeds, including the TLS
/// handshake, which `shake` does.
///
/// If several addresses fail, the error is that of an address that accepted the TCP connection, if
/// there is one: it is the most useful.
pub(super) async fn connect<S, F>(
    endpoint: &Endpoint,
    order: &AddressOrder,
    budget: &Budget,
    shake: impl Fn(TcpStream) -> F,
) -> Result<(SocketAddr, S), ConnectError>
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
    let mut race = Race::new(endpoint, order.sorted(addresses));
    let won = timeout_at(budget.deadline(), race.run(shake)).await;
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
    Shaken(SocketAddr, Result<S, ConnectError>),
}

impl<'a> Race<'a> {
    fn new(endpoint: &'a Endpoint, addresses: Vec<SocketAddr>) -> Self {
        Self {
            endpoint,
            addresses: AddressRace::new(addresses),
            stage: ConnectStage::Tcp,
        }
    }

    async fn run<S, F>(
        &mut self,
        shake: impl Fn(TcpStream) -> F,
    ) -> Result<(SocketAddr, S), Option<ConnectError>>
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
                Some(step) = shaking.next() => step,
                () = due => continue,
            };
            match step {
                ConnectStep::Connected(address, Ok(stream)) => {
                    self.stage = ConnectStage::Tls;
                    self.addresses.connected(Instant::now().into_std());
                    let shaken = shake(stream);
                    shaking.push(async move { ConnectStep::Shaken(address, shaken.await) });
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
                ConnectStep::Shaken(address, Ok(stream)) => return Ok((address, stream)),
                ConnectStep::Shaken(_, Err(error)) => {
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
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

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
        let mut race = Race::new(&endpoint, addresses);
        let won = race.run(async |stream| {
            let address = stream.peer_addr().unwrap();
            if address == good {
                return Ok(());
            }
            Err(ConnectError::NotANode {
                endpoint: address.to_string(),
                source: amop_proto::channel::FrameError::TooShort { len: 0 },
            })
        });
        let won = timeout(Duration::from_secs(60), won).await.unwrap();
        let won = won.map(|(address, ())| address);
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
        let mut race = Race::new(&endpoint, addresses);
        let won = race.run(async |stream| {
            let address = stream.peer_addr().unwrap();
            if address != good {
                std::future::pending::<()>().await;
            }
            Ok(())
        });
        let won = timeout(Duration::from_secs(60), won).await.unwrap();
        assert_eq!(won.ok(), Some((good, ())));
    }
}
