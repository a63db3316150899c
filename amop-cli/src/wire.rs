//! TLS connections read record by record, for the conformance kit and the tap.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use amop_node::race;
use amop_tls::{HandshakeFailure, Identity, Mode, Side, is_end, rustls::ClientConfig};
use bytes::Bytes;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The maximum time to connect, including TLS.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection to a node failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The TCP connection failed.
    #[error(
        "cannot connect to {endpoint}; check that it is a node's channel port and that \
         the node runs"
    )]
    Tcp {
        /// The address dialled.
        endpoint: String,
        /// The system's error.
        source: io::Error,
    },
    /// TLS failed.
    #[error("TLS with {endpoint} failed")]
    Tls {
        /// The address dialled.
        endpoint: String,
        /// The cause.
        source: HandshakeFailure,
    },
    /// The connection was not complete in time.
    #[error(
        "{endpoint} did not complete TLS within {} s; check that it is a node's channel port",
        CONNECT.as_secs()
    )]
    Timeout {
        /// The address dialled.
        endpoint: String,
    },
}

/// Connects to `host:port` and completes TLS.
pub(crate) async fn connect(
    endpoint: &str,
    tls: Arc<ClientConfig>,
    mode: Mode,
) -> Result<TlsStream<TcpStream>, WireError> {
    let unreachable = |source| WireError::Tcp {
        endpoint: endpoint.to_owned(),
        source,
    };
    let failed = |source| WireError::Tls {
        endpoint: endpoint.to_owned(),
        source,
    };
    let shake = move |_, tcp| {
        let handshake = TlsConnector::from(tls.clone()).connect(Identity::server_name(), tcp);
        let explained = HandshakeFailure::explain(handshake, Side::Client, mode);
        async { explained.await.map_err(StepError::Tls) }
    };
    let connecting = async {
        let addresses = lookup_host(endpoint).await.map_err(unreachable)?.collect();
        let won = race::connect(addresses, tcp, shake, StepError::rank).await;
        won.map(|(_, stream)| stream).map_err(|error| match error {
            Some(StepError::Tls(failure)) => failed(failure),
            Some(StepError::Tcp(error)) => unreachable(error),
            None => unreachable(io::Error::other("the name has no address")),
        })
    };
    timeout(CONNECT, connecting).await.unwrap_or_else(|_| {
        Err(WireError::Timeout {
            endpoint: endpoint.to_owned(),
        })
    })
}

/// Connects to `host:port` without TLS.
pub(crate) async fn connect_tcp(endpoint: &str) -> io::Result<TcpStream> {
    let addresses = lookup_host(endpoint).await?.collect();
    let shake = async |_, stream| Ok(stream);
    let won = race::connect(addresses, TcpStream::connect::<SocketAddr>, shake, |_| 0).await;
    let none = || io::Error::other("the name has no address");
    won.map(|(_, stream)| stream)
        .map_err(|error| error.unwrap_or_else(none))
}

/// The failed step of connecting to one address.
enum StepError {
    Tcp(io::Error),
    Tls(HandshakeFailure),
}

impl StepError {
    /// Returns how much an error says, compared with those of the other addresses of a name.
    fn rank(&self) -> u8 {
        u8::from(matches!(self, Self::Tls(_)))
    }
}

async fn tcp(address: SocketAddr) -> Result<TcpStream, StepError> {
    let connected = TcpStream::connect(address).await;
    let stream = connected.map_err(StepError::Tcp)?;
    // Small frames must not wait for acknowledgements of earlier ones.
    stream.set_nodelay(true).map_err(StepError::Tcp)?;
    Ok(stream)
}

/// Returns the content of the next TLS record, or the rest of it; empty once the peer has closed,
/// with or without a close alert.
///
/// Dropping the future loses nothing.
pub(crate) async fn read_record(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Bytes> {
    // rustls keeps the content of each record separate and returns one at a time.
    let record = match stream.fill_buf().await {
        Ok(content) => Bytes::copy_from_slice(content),
        Err(error) if is_end(&error) => Bytes::new(),
        Err(error) => return Err(error),
    };
    stream.consume(record.len());
    Ok(record)
}

#[cfg(test)]
mod tests;
