//! Dialling with rustls.

use std::sync::Arc;

use amop_proto::{HostPort, race::AddressOrder};
use amop_tls::{
    ClientOptions, HandshakeFailure, Identity, PeerVerifier, Side, TlsError,
    rustls::{ClientConfig, pki_types::UnixTime},
};
use tokio::{io::BufReader, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    dialer::{Budget, Dialed, Dialer},
    race::connect,
};
use crate::{ConnectError, client::expiry::first_to_expire};

/// Bytes requested from the operating system at a time; TLS alone would request 4 KiB. Memory that
/// is never filled is not used.
const READ_BUFFER: usize = 64 * 1024;

/// Dials with rustls.
pub(crate) struct RustlsDialer {
    endpoints: Vec<HostPort>,
    identity: Identity,
    verifier: PeerVerifier,
    config: Arc<ClientConfig>,
}

impl RustlsDialer {
    pub(crate) fn new(
        endpoints: Vec<HostPort>,
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
        order: &AddressOrder,
        budget: &Budget,
    ) -> Result<Dialed<Self::Stream>, ConnectError> {
        let endpoint = &self.endpoints[index];
        let failed = |source| ConnectError::Tls {
            endpoint: endpoint.to_string(),
            source,
        };
        let mode = self.identity.mode();
        let (address, stream) = connect(endpoint, order, budget, |tcp| {
            let tcp = BufReader::with_capacity(READ_BUFFER, tcp);
            let connector = TlsConnector::from(self.config.clone());
            let handshake = connector.connect(Identity::server_name(), tcp);
            async move {
                let shaken = HandshakeFailure::explain(handshake, Side::Client, mode);
                shaken.await.map_err(failed)
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
            expiry: Some(first_to_expire(&self.identity, &admitted)),
            stream,
            address: Some(address),
        })
    }
}
