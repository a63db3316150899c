//! Dialling with OpenSSL, for [`Tls::legacy_rsa`](crate::Tls::legacy_rsa).

use std::pin::Pin;

use amop_proto::{HostPort, race::AddressOrder};
use amop_tls::{Admitted, HandshakeFailure, Identity, LegacyRsa, TlsError};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::{
    dialer::{Budget, Dialed, Dialer},
    race::connect,
};
use crate::{ConnectError, client::expiry::first_to_expire};

/// Dials with OpenSSL.
pub(crate) struct LegacyDialer {
    pub(crate) endpoints: Vec<HostPort>,
    pub(crate) identity: Identity,
    pub(crate) legacy: LegacyRsa,
}

impl Dialer for LegacyDialer {
    type Stream = SslStream<TcpStream>;

    async fn dial(
        &self,
        index: usize,
        order: &AddressOrder,
        budget: &Budget,
    ) -> Result<Dialed<Self::Stream>, ConnectError> {
        let endpoint = &self.endpoints[index];
        let shake = |tcp| shake(endpoint, &self.legacy, tcp);
        let (address, (stream, admitted)) = connect(endpoint, order, budget, shake).await?;
        Ok(Dialed {
            stream,
            address: Some(address),
            // The key of an RSA certificate is not a node id.
            public_key: None,
            expiry: Some(first_to_expire(&self.identity, &admitted)),
        })
    }
}

/// Does the TLS handshake.
async fn shake(
    endpoint: &HostPort,
    legacy: &LegacyRsa,
    tcp: TcpStream,
) -> Result<(SslStream<TcpStream>, Admitted), ConnectError> {
    let failed = |source: HandshakeFailure| ConnectError::Tls {
        endpoint: endpoint.to_string(),
        source,
    };
    let (ssl, handshake) = legacy.start()?;
    let mut stream = SslStream::new(ssl, tcp).map_err(TlsError::from)?;
    let shaken = Pin::new(&mut stream).connect().await;
    shaken.map_err(|error| failed(handshake.failure(error)))?;
    let admitted = handshake.admit(stream.ssl()).map_err(failed)?;
    Ok((stream, admitted))
}
