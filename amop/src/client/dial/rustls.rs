//! Dialling with rustls.

use amop_proto::HostPort;
use amop_tls::{Admitted, HandshakeFailure, Identity, Side, rustls::pki_types::UnixTime};
use tokio::{io::BufReader, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::target::RustlsSecurity;
use crate::ConnectError;

/// Bytes requested from the operating system at a time; TLS alone would request 4 KiB. Memory that
/// is never filled is not used.
const READ_BUFFER: usize = 64 * 1024;

/// Does the TLS handshake.
pub(super) async fn shake(
    security: &RustlsSecurity,
    endpoint: &HostPort,
    tcp: TcpStream,
) -> Result<(TlsStream<BufReader<TcpStream>>, Admitted), ConnectError> {
    let failed = |source| ConnectError::Tls {
        endpoint: endpoint.to_string(),
        source,
    };
    let tcp = BufReader::with_capacity(READ_BUFFER, tcp);
    let connector = TlsConnector::from(security.config.clone());
    let handshake = connector.connect(Identity::server_name(), tcp);
    let mode = security.identity.mode();
    let stream = HandshakeFailure::explain(handshake, Side::Client, mode)
        .await
        .map_err(failed)?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    // The handshake has already verified the chain; this returns the key and the expiry.
    let admitted = security
        .verifier
        .verify(chain, Side::Server, UnixTime::now())
        .map_err(|error| failed(HandshakeFailure::PeerCertificate(error)))?;
    Ok((stream, admitted))
}
