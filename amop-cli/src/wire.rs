//! TLS connections seen record by record, as both the conformance kit and the tap look at them.

use std::{io, sync::Arc, time::Duration};

use amop_tls::{HandshakeFailure, Identity, Mode, Side, rustls::ClientConfig};
use bytes::Bytes;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How long connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// A node could not be connected to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No TCP connection.
    #[error("cannot connect to {endpoint}: {source}; check that a node's channel port is there")]
    Tcp {
        /// Whither.
        endpoint: String,
        /// What the system says.
        source: io::Error,
    },
    /// TLS failed.
    #[error("TLS with {endpoint} failed: {source}")]
    Tls {
        /// With whom.
        endpoint: String,
        /// Why.
        source: HandshakeFailure,
    },
    /// It took too long.
    #[error(
        "{endpoint} did not complete TLS within {} s; check that it is a node's channel port",
        CONNECT.as_secs()
    )]
    Timeout {
        /// Who.
        endpoint: String,
    },
}

/// Connects to `host:port` and completes TLS.
pub(crate) async fn connect(
    endpoint: &str,
    tls: Arc<ClientConfig>,
    mode: Mode,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let unreachable = |source| ConnectError::Tcp {
        endpoint: endpoint.to_owned(),
        source,
    };
    let connecting = async {
        let tcp = TcpStream::connect(endpoint).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        TlsConnector::from(tls)
            .connect(Identity::server_name(), tcp)
            .await
            .map_err(|error| ConnectError::Tls {
                endpoint: endpoint.to_owned(),
                source: HandshakeFailure::from_io(error, Side::Client, mode),
            })
    };
    timeout(CONNECT, connecting).await.unwrap_or_else(|_| {
        Err(ConnectError::Timeout {
            endpoint: endpoint.to_owned(),
        })
    })
}

/// The content of the next TLS record, or what is left of it; empty once the other side has closed,
/// with or without a farewell.
///
/// Dropping the future loses nothing.
pub(crate) async fn read_record(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Bytes> {
    // rustls keeps each record's content apart and lends out one at a time.
    let record = match stream.fill_buf().await {
        Ok(content) => Bytes::copy_from_slice(content),
        Err(error) if is_end(&error) => Bytes::new(),
        Err(error) => return Err(error),
    };
    stream.consume(record.len());
    Ok(record)
}

/// Whether an error is no more than the other side leaving without a word.
pub(crate) fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}
