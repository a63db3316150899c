//! [`PkiError`]: why a certificate could not be created or loaded.

use thiserror::Error;

/// Why a certificate could not be created or loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PkiError {
    /// The cryptographic library failed, which does not happen on a sound machine.
    #[error("could not {0}: the cryptographic library reported an unspecified failure")]
    Crypto(&'static str),
    /// A structure could not be encoded or decoded.
    #[error("a part of a certificate cannot be encoded or read")]
    Encoding(#[from] der::Error),
    /// A certificate file has the wrong content.
    #[error("certificate: {0}")]
    Certificate(String),
    /// A key file has the wrong content.
    #[error("private key: {0}")]
    Key(String),
    /// A certificate and a key do not belong together.
    #[error(
        "the private key does not belong to the certificate; check that both come from the same folder"
    )]
    Mismatch,
    /// The name is invalid; the chain's script would refuse it, too.
    #[error(
        "the name {0:?} is not allowed in a certificate; use 1 to 64 of A-Z a-z 0-9 . _ - and not only dots"
    )]
    Name(String),
    /// The dates cannot be expressed in a certificate.
    #[error("validity: {0}")]
    Validity(&'static str),
}
