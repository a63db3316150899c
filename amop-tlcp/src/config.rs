//! The common settings of the connections of one side.

use std::fmt;
use std::sync::Arc;

use crate::{CertificateVerifier, Flavour, TlcpIdentity};

/// The common settings of all connections of one side, as client or as server.
pub struct Config {
    pub(crate) flavour: Flavour,
    pub(crate) identity: TlcpIdentity,
    pub(crate) verifier: Arc<dyn CertificateVerifier>,
    pub(crate) encrypt_then_mac: bool,
}

impl Config {
    /// Creates a configuration. `identity` has the certificates of this side, `verifier` decides
    /// which peers are accepted.
    pub fn new(
        flavour: Flavour,
        identity: TlcpIdentity,
        verifier: Arc<dyn CertificateVerifier>,
    ) -> Self {
        Self {
            flavour,
            identity,
            verifier,
            encrypt_then_mac: true,
        }
    }

    /// Sets whether the MAC over the ciphertext (RFC 7366) is offered and, as a server, accepted.
    /// It is by default, and it is the safer choice; peers that do not support it ignore the offer.
    #[must_use]
    pub fn encrypt_then_mac(mut self, offered: bool) -> Self {
        self.encrypt_then_mac = offered;
        self
    }

    /// Returns the protocol of the connections.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Returns the certificates of this side.
    pub fn identity(&self) -> &TlcpIdentity {
        &self.identity
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("flavour", &self.flavour)
            .field("identity", &self.identity)
            .field("encrypt_then_mac", &self.encrypt_then_mac)
            .finish_non_exhaustive()
    }
}
