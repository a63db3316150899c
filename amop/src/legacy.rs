//! Dialling by OpenSSL, for [`Tls::legacy_rsa`](crate::Tls::legacy_rsa).

use std::pin::Pin;

use amop_tls::{HandshakeFailure, LegacyRsa, PublicKey, TlsError};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::{
    ConnectError, Stage,
    dial::{Budget, Endpoint, tcp},
    supervisor::Dialer,
};

/// Dials by OpenSSL.
pub(crate) struct LegacyDialer {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) legacy: LegacyRsa,
}

impl Dialer for LegacyDialer {
    type Stream = SslStream<TcpStream>;

    async fn dial(
        &self,
        index: usize,
        budget: &Budget,
    ) -> Result<(Self::Stream, Option<PublicKey>), ConnectError> {
        // RSA certificates have no key that a chain knows nodes by.
        let stream = dial(&self.endpoints[index], &self.legacy, budget).await?;
        Ok((stream, None))
    }
}

/// Connects and shakes hands.
async fn dial(
    endpoint: &Endpoint,
    legacy: &LegacyRsa,
    budget: &Budget,
) -> Result<SslStream<TcpStream>, ConnectError> {
    let tcp = tcp(endpoint, budget).await?;
    let (ssl, handshake) = legacy.start()?;
    let mut stream = SslStream::new(ssl, tcp).map_err(TlsError::from)?;
    let failed = |source: HandshakeFailure| ConnectError::Tls {
        endpoint: endpoint.to_string(),
        source,
    };
    budget
        .spend(Stage::Tls, Pin::new(&mut stream).connect())
        .await?
        .map_err(|error| failed(handshake.failure(error)))?;
    handshake.verify(stream.ssl()).map_err(failed)?;
    Ok(stream)
}
