//! [`VerifyError`]: why a peer's certificate is refused.

use std::sync::Arc;

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error, OtherError};

use crate::key::PublicKey;
use crate::time::UtcSeconds;
use crate::{Mode, Side};

/// Why a peer's certificate is refused.
///
/// The handshake reports it as [`HandshakeFailure::PeerCertificate`](crate::HandshakeFailure),
/// except for the first three, which have their own variants in rustls, and so their own alerts on
/// the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No certificate in `ca.crt` issued the chain.
    #[error(
        "no certificate in ca.crt issued the chain of {subject:?}: it is of another chain \
         or agency, or the peer did not send its agency certificate"
    )]
    UnknownIssuer {
        /// The subject of the leaf.
        subject: String,
    },
    /// A certificate has expired.
    #[error("the certificate of {subject:?} expired at {}; renew it", UtcSeconds(*not_after))]
    Expired {
        /// The subject of the expired certificate.
        subject: String,
        /// The end of its validity, in seconds since 1970.
        not_after: i64,
    },
    /// A certificate is not valid yet; perhaps a clock is wrong.
    #[error(
        "the certificate of {subject:?} is valid only from {}; check the clocks of both machines",
        UtcSeconds(*not_before)
    )]
    NotYetValid {
        /// The subject of the certificate.
        subject: String,
        /// The beginning of its validity, in seconds since 1970.
        not_before: i64,
    },
    /// A certificate cannot be read.
    #[error("certificate {position} of the chain: {detail}")]
    BadEncoding {
        /// The position in the chain; 0 is the leaf.
        position: usize,
        /// The problem.
        detail: String,
    },
    /// The peer sent more certificates, or a longer or more complex path, than any chain needs.
    #[error("the chain is too long or too complex: {detail}")]
    TooComplex {
        /// The limit that was exceeded.
        detail: &'static str,
    },
    /// A certificate is not signed by the issuer it names.
    #[error("the signature in the certificate of {subject:?} is wrong")]
    BadSignature {
        /// The subject of the certificate with the wrong signature.
        subject: String,
    },
    /// The key or the signature algorithm of a certificate is not supported.
    #[error("the certificate of {subject:?} uses an unsupported {what}")]
    Unsupported {
        /// The subject of the certificate.
        subject: String,
        /// "key" or "signature algorithm".
        what: &'static str,
    },
    /// A certificate is an SM2 certificate.
    #[error("the certificate of {subject:?} is an SM2 one; guomi TLS is not supported")]
    Guomi {
        /// The subject of the certificate.
        subject: String,
    },
    /// A certificate issued another one without being allowed to.
    #[error("{subject:?} issued a certificate but may not: {reason}")]
    NotAnIssuer {
        /// The subject of the issuing certificate.
        subject: String,
        /// The violated rule.
        reason: &'static str,
    },
    /// The leaf is a CA certificate.
    #[error("the peer identifies itself with the CA certificate {subject:?}")]
    CaAsLeaf {
        /// The subject of the leaf.
        subject: String,
    },
    /// A critical extension is not supported.
    #[error("the certificate of {subject:?} has the extension {oid}, which is not supported")]
    UnhandledExtension {
        /// The subject of the certificate.
        subject: String,
        /// The dotted identifier of the extension.
        oid: String,
    },
    /// The leaf's extendedKeyUsage excludes this use.
    #[error("extendedKeyUsage of {subject:?} does not allow it to be a TLS {peer}")]
    WrongPurpose {
        /// The subject of the leaf.
        subject: String,
        /// The peer's end of this connection.
        peer: Side,
    },
    /// The peer has an RSA certificate in EC mode, or the reverse.
    #[error(
        "the peer is in {found} mode, we in {expected} mode: the folders of the two do not \
         belong together (rsa_crypto_channel on the node)"
    )]
    WrongMode {
        /// This side's mode.
        expected: Mode,
        /// The peer's mode.
        found: Mode,
    },
    /// The leaf's keyUsage excludes a use that TLS needs.
    #[error(
        "keyUsage of {subject:?} lacks {missing}, so that it cannot be used for TLS: issue the \
         certificate again with it"
    )]
    WrongKeyUsage {
        /// The subject of the leaf.
        subject: String,
        /// The missing usage.
        missing: &'static str,
    },
    /// The leaf is an SDK's, where a node's is required.
    #[error(
        "the certificate of {subject:?} is that of an SDK (its OU says so), and no SDK may act as a \
         node: give the node its own node.crt; where nodes of the chain really have such certificates, \
         set [amop] sdk_certificates_as_nodes=true on nodes, sdk_certificates_as_nodes(true) on clients"
    )]
    SdkCertificate {
        /// The subject of the leaf.
        subject: String,
    },
    /// The node's key is not one of those that the client accepts.
    #[error(
        "the node's key is {key}, which is not one of the {pinned} given by node_keys: add it if this is \
         the right node; if it is not, another node answers at this address"
    )]
    NotPinned {
        /// The node's key, in the text form of [`NodeKey`](crate::NodeKey).
        key: String,
        /// The number of keys that were given.
        pinned: usize,
    },
    /// The client's agency is not that of this node (channel-v2 section 2.5, by key instead of by
    /// name).
    #[error(
        "the client's certificate is issued by {found:?}, this node's by {expected:?}{}; use an SDK \
         certificate of this node's agency or set check_cert_issuer=false on the node",
        if found == expected { " with another key" } else { "" }
    )]
    IssuerMismatch {
        /// The issuer of this node's certificate.
        expected: String,
        /// The issuer of the client's certificate.
        found: String,
    },
    /// The leaf does not yield a key of the form by which a chain identifies peers.
    #[error("the certificate of {subject:?} yields no node ID: {reason}")]
    NoPublicKey {
        /// The subject of the leaf.
        subject: String,
        /// The violated rule.
        reason: &'static str,
    },
    /// A certificate was revoked by its issuer.
    #[error(
        "the certificate of {subject:?} with the serial number {serial} has been revoked by its \
         issuer; issue another one if its owner is still welcome"
    )]
    Revoked {
        /// The subject of the revoked certificate.
        subject: String,
        /// Its serial number in hexadecimal digits.
        serial: String,
    },
    /// The black or white list refused the peer.
    #[error("the lists of this node do not let {public_key} in")]
    Filtered {
        /// The peer's node ID.
        public_key: PublicKey,
    },
}

impl VerifyError {
    /// Converts it to an error of rustls, with a variant of rustls where there is one, since it
    /// decides the alert that the peer gets.
    pub(crate) fn into_rustls(self, now: UnixTime) -> Error {
        let at = |secs: i64| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                u64::try_from(secs).unwrap_or(0),
            ))
        };
        Error::InvalidCertificate(match self {
            Self::UnknownIssuer { .. } => CertificateError::UnknownIssuer,
            Self::Expired { not_after, .. } => CertificateError::ExpiredContext {
                time: now,
                not_after: at(not_after),
            },
            Self::NotYetValid { not_before, .. } => CertificateError::NotValidYetContext {
                time: now,
                not_before: at(not_before),
            },
            other => CertificateError::Other(OtherError(Arc::new(other))),
        })
    }
}
