//! Dialling over TCP.

use std::sync::Arc;

use amop_proto::{HostPort, client::ExpiredCertificate, race::AddressOrder};
use amop_tls::PublicKey;
use tokio::{io::BufReader, net::TcpStream};

use super::{
    dialer::{Budget, DialWay, Dialed, Dialer},
    line::NodeLine,
    node_stream::NodeStream,
    race::connect,
    rustls::shake,
    target::{DialTarget, TargetSecurity},
};
use crate::{ConnectError, Generation, client::expiry::first_to_expire};

/// Bytes requested from the operating system at a time.
const READ_BUFFER: usize = 64 * 1024;

/// Dials endpoints over TCP, with the security of each.
pub(crate) struct TcpDialer {
    pub(crate) targets: Vec<DialTarget>,
}

/// A connection after the TLS handshake, if there is one.
type Secured = (NodeLine, Option<PublicKey>, Option<ExpiredCertificate>);

impl Dialer for TcpDialer {
    type Stream = NodeStream<NodeLine>;

    fn generations(&self, index: usize) -> &[Generation] {
        self.targets[index].generations
    }

    fn chain(&self, index: usize) -> usize {
        // The nodes of a chain share its certificates.
        let security = &self.targets[index].security;
        let mut targets = self.targets.iter();
        let first = targets.position(|target| Arc::ptr_eq(&target.security, security));
        first.unwrap_or(index)
    }

    async fn dial(
        &self,
        index: usize,
        way: DialWay,
        order: &AddressOrder,
        budget: &Budget,
    ) -> Result<Dialed<Self::Stream>, ConnectError> {
        let DialTarget {
            endpoint, security, ..
        } = &self.targets[index];
        let name = endpoint.to_string();
        // The upgrade, too: behind another address there may be another program.
        let start = async |tcp| {
            let (line, public_key, expiry) = secure(security, endpoint, tcp).await?;
            let stream = NodeStream::start(line, &name, way, budget).await?;
            Ok((stream, public_key, expiry))
        };
        let (address, started) = connect(endpoint, order, (way, budget), start).await?;
        let (stream, public_key, expiry) = started;
        Ok(Dialed {
            stream,
            address: Some(address),
            public_key,
            expiry,
        })
    }
}

async fn secure(
    security: &TargetSecurity,
    endpoint: &HostPort,
    tcp: TcpStream,
) -> Result<Secured, ConnectError> {
    match security {
        TargetSecurity::Rustls(rustls) => {
            let (stream, admitted) = shake(rustls, endpoint, tcp).await?;
            let expiry = first_to_expire(&rustls.identity, &admitted);
            let line = NodeLine::Tls(Box::new(stream));
            Ok((line, admitted.info.public_key, Some(expiry)))
        }
        #[cfg(feature = "legacy-rsa")]
        TargetSecurity::Legacy(legacy) => {
            let (stream, admitted) = legacy.shake(endpoint, tcp).await?;
            let expiry = first_to_expire(&legacy.identity, &admitted);
            // The key of an RSA certificate is not a node id.
            Ok((NodeLine::Legacy(stream), None, Some(expiry)))
        }
        TargetSecurity::Plain => {
            let tcp = BufReader::with_capacity(READ_BUFFER, tcp);
            Ok((NodeLine::Plain(tcp), None, None))
        }
    }
}
