//! Connecting to an endpoint, which may have several addresses.

use std::{future::Future, io, net::SocketAddr};

use amop_proto::{
    HostPort,
    race::{AddressOrder, AddressRace},
};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, sleep_until, timeout_at},
};

use super::dialer::{Budget, DialWay};
use crate::{ConnectError, ConnectStage};

/// Connects to the endpoint and returns the first connection that succeeds, including the TLS
/// handshake, which `shake` does.
///
/// If several addresses fail, the error is that of an address that accepted the TCP connection, if
/// there is one: it is the most useful. If one of them shows that the node is of another generation,
/// the others have only the patience of `way` left.
pub(super) async fn connect<S, F>(
    endpoint: &HostPort,
    order: &AddressOrder,
    (way, budget): (DialWay, &Budget),
    shake: impl Fn(TcpStream) -> F,
) -> Result<(SocketAddr, S), ConnectError>
where
    F: Future<Output = Result<S, ConnectError>>,
{
    let resolve = lookup_host((endpoint.host(), endpoint.port()));
    let unresolved = |source| ConnectError::Resolve {
        endpoint: endpoint.to_string(),
        source,
    };
    let addresses = budget
        .spend(ConnectStage::Resolve, resolve)
        .await?
        .map_err(unresolved)?;
    let mut race = Race::new(endpoint, way, order.sorted(addresses));
    let won = timeout_at(budget.deadline(), race.run(shake)).await;
    match won {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(Some(error))) => Err(error),
        Ok(Err(None)) => Err(unresolved(io::Error::other("the name has no address"))),
        Err(_) => {
            let told = race.last.take().filter(|error| !is_tcp(error));
            Err(told.unwrap_or_else(|| budget.timeout(race.stage)))
        }
    }
}

/// Tries several addresses at the same time.
struct Race<'a> {
    endpoint: &'a HostPort,
    way: DialWay,
    addresses: AddressRace,
    /// The furthest step that one of them has reached.
    stage: ConnectStage,
    /// The error of an address.
    last: Option<ConnectError>,
    /// Until when the others are tried, because `last` shows that the node is of another generation.
    until: Option<Instant>,
}

/// A finished step of one of the addresses.
enum ConnectStep<S> {
    Connected(SocketAddr, io::Result<TcpStream>),
    Shaken(SocketAddr, Result<S, ConnectError>),
}

impl<'a> Race<'a> {
    fn new(endpoint: &'a HostPort, way: DialWay, addresses: Vec<SocketAddr>) -> Self {
        Self {
            endpoint,
            way,
            addresses: AddressRace::new(addresses),
            stage: ConnectStage::Tcp,
            last: None,
            until: None,
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
        loop {
            while let Some(address) = self.addresses.poll(Instant::now().into_std()) {
                connecting.push(async move { ConnectStep::Connected(address, tcp(address).await) });
            }
            let over = self.until.is_some_and(|until| until <= Instant::now());
            if over || connecting.is_empty() && shaking.is_empty() {
                return Err(self.last.take());
            }
            let due = self.addresses.next_timeout().map(Instant::from_std);
            let due = due.into_iter().chain(self.until).min();
            let due = async {
                match due {
                    Some(due) => sleep_until(due).await,
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
                    if self.last.as_ref().is_none_or(is_tcp) {
                        self.last = Some(error);
                    }
                }
                ConnectStep::Shaken(address, Ok(stream)) => return Ok((address, stream)),
                ConnectStep::Shaken(_, Err(error)) => {
                    self.addresses.failed();
                    self.note(error);
                }
            }
        }
    }

    /// Takes note of the error of an address that accepted the TCP connection.
    fn note(&mut self, error: ConnectError) {
        if self.until.is_some() {
            return;
        }
        if let Some(patience) = self.way.patience
            && error.suggests_another_than(self.way.generation)
        {
            self.until = Some(Instant::now() + patience);
        }
        self.last = Some(error);
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
mod tests;
