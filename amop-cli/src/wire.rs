//! TLS connections read record by record, for the conformance kit and the tap.

use std::{io, sync::Arc, time::Duration};

use amop_tls::{HandshakeFailure, Identity, Mode, Side, rustls::ClientConfig};
use bytes::Bytes;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt},
    net::TcpStream,
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
    let connecting = async {
        let tcp = TcpStream::connect(endpoint).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let handshake = TlsConnector::from(tls).connect(Identity::server_name(), tcp);
        HandshakeFailure::explain(handshake, Side::Client, mode)
            .await
            .map_err(|source| WireError::Tls {
                endpoint: endpoint.to_owned(),
                source,
            })
    };
    timeout(CONNECT, connecting).await.unwrap_or_else(|_| {
        Err(WireError::Timeout {
            endpoint: endpoint.to_owned(),
        })
    })
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

/// Returns whether an error only means that the peer closed the connection without a close alert.
pub(crate) fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{generate::GenerateError, tap::TapError};

    #[test]
    fn texts_do_not_repeat_their_causes() {
        let mark = "the marked cause";
        let (system, endpoint) = (|| io::Error::other(mark), || "node:1".to_owned());
        let errors: [Box<dyn std::error::Error>; 5] = [
            Box::new(WireError::Tcp {
                endpoint: endpoint(),
                source: system(),
            }),
            Box::new(WireError::Tls {
                endpoint: endpoint(),
                source: HandshakeFailure::Io(system()),
            }),
            Box::new(TapError::Listen {
                address: ([127, 0, 0, 1], 1).into(),
                source: system(),
            }),
            Box::new(GenerateError::Read {
                path: "file".into(),
                source: system(),
            }),
            Box::new(GenerateError::Write {
                path: "file".into(),
                source: system(),
            }),
        ];
        for error in errors {
            amop_tests::assert_causes_once(&*error, mark);
        }
    }
}
