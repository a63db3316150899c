//! Dialling with OpenSSL, for [`Tls::legacy_rsa`](crate::Tls::legacy_rsa).

use std::pin::Pin;

use amop_proto::HostPort;
use amop_tls::{Admitted, ClientOptions, HandshakeFailure, Identity, LegacyRsa, TlsError};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::ConnectError;

/// Certificates, and the settings of OpenSSL made from them.
pub(crate) struct LegacySecurity {
    pub(crate) identity: Identity,
    legacy: LegacyRsa,
}

impl LegacySecurity {
    pub(crate) fn new(identity: Identity, options: ClientOptions) -> Result<Self, TlsError> {
        Ok(Self {
            legacy: identity.legacy_rsa_with(options)?,
            identity,
        })
    }

    /// Does the TLS handshake.
    pub(super) async fn shake(
        &self,
        endpoint: &HostPort,
        tcp: TcpStream,
    ) -> Result<(SslStream<TcpStream>, Admitted), ConnectError> {
        let failed = |source: HandshakeFailure| ConnectError::Tls {
            endpoint: endpoint.to_string(),
            source,
        };
        let (ssl, handshake) = self.legacy.start()?;
        let mut stream = SslStream::new(ssl, tcp).map_err(TlsError::from)?;
        let shaken = Pin::new(&mut stream).connect().await;
        shaken.map_err(|error| failed(handshake.failure(error)))?;
        let admitted = handshake.admit(stream.ssl()).map_err(failed)?;
        Ok((stream, admitted))
    }
}
