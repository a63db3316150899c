//! An endpoint, with everything that is needed to dial it.

use std::sync::Arc;

use amop_proto::HostPort;
use amop_tls::{ClientOptions, Identity, PeerVerifier, TlsError, rustls::ClientConfig};

use crate::{Generation, Protocol};

/// An endpoint, and how to connect to it.
pub(crate) struct DialTarget {
    pub(crate) endpoint: HostPort,
    pub(crate) generations: &'static [Generation],
    pub(crate) security: Arc<TargetSecurity>,
}

/// How connections to the nodes of a chain are secured.
pub(crate) enum TargetSecurity {
    Rustls(Box<RustlsSecurity>),
    #[cfg(feature = "legacy-rsa")]
    Legacy(Box<super::legacy::LegacySecurity>),
    /// TCP without TLS.
    Plain,
}

/// Certificates, and the settings of rustls made from them.
pub(crate) struct RustlsSecurity {
    pub(crate) identity: Identity,
    pub(crate) verifier: PeerVerifier,
    pub(crate) config: Arc<ClientConfig>,
}

impl RustlsSecurity {
    pub(crate) fn new(identity: Identity, options: ClientOptions) -> Result<Self, TlsError> {
        let verifier = identity.verifier_of_nodes(options);
        Ok(Self {
            config: identity.dialling(&verifier)?,
            identity,
            verifier,
        })
    }
}

impl TargetSecurity {
    /// Returns the generations to try.
    pub(crate) fn generations(&self, protocol: Protocol) -> &'static [Generation] {
        match (self, protocol) {
            (Self::Rustls(rustls), protocol) => protocol.generations(Some(&rustls.identity)),
            // Only nodes of 2.x need it.
            #[cfg(feature = "legacy-rsa")]
            (Self::Legacy(_), Protocol::Auto) => Protocol::V2.generations(None),
            (_, protocol) => protocol.generations(None),
        }
    }
}
