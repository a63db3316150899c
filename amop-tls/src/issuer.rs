//! Identifies issuers by their keys.

use x509_cert::name::Name;

use crate::cert::KeyAlg;
use crate::digest::digest;

/// A certificate authority that may have issued a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issuer<'a> {
    pub(crate) subject: &'a Name,
    pub(crate) key_alg: KeyAlg,
    pub(crate) key_bits: &'a [u8],
    /// Whether its keyUsage allows it to sign lists.
    pub(crate) crl_sign: bool,
}

/// Identifies a key by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyDigest([u8; 32]);

impl KeyDigest {
    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn new(key_alg: KeyAlg, key_bits: &[u8]) -> Self {
        Self(digest(&[key_alg.name().as_bytes(), key_bits]))
    }
}

/// Identifies a certificate by the key that signed it and its serial number, as lists do. The key
/// is used instead of the name: many authorities have the same name ("chain"), and an agency can
/// choose any name for an authority below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct IssuerSerial([u8; 32]);

impl IssuerSerial {
    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn new(issuer_key: &[u8], serial: &[u8]) -> Self {
        Self(digest(&[issuer_key, serial]))
    }
}

/// The issuer of this side's first certificate.
#[derive(Clone)]
pub(crate) struct OwnIssuer {
    pub(crate) key: KeyDigest,
    pub(crate) line: String,
}
