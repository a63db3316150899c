//! What connections of one side have in common.

use std::fmt;
use std::sync::Arc;

use crate::{Flavour, Identity, Verifier};

/// What all connections of one side have in common, as client or as server.
pub struct Config {
    pub(crate) flavour: Flavour,
    pub(crate) identity: Identity,
    pub(crate) verifier: Arc<dyn Verifier>,
    pub(crate) encrypt_then_mac: bool,
}

impl Config {
    /// `identity` is what this side shows, `verifier` decides who is let in.
    pub fn new(flavour: Flavour, identity: Identity, verifier: Arc<dyn Verifier>) -> Self {
        Self {
            flavour,
            identity,
            verifier,
            encrypt_then_mac: true,
        }
    }

    /// Whether the MAC over the ciphertext (RFC 7366) is offered and, as server, taken. It is by default, and is
    /// the safer way; peers that do not know it pass over the offer.
    #[must_use]
    pub fn encrypt_then_mac(mut self, offered: bool) -> Self {
        self.encrypt_then_mac = offered;
        self
    }

    /// Which protocol connections speak.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// What this side shows.
    pub fn identity(&self) -> &Identity {
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
