//! The certificate verifier, the same for both ends and both modes.
//!
//! webpki is not usable: it refuses X.509 v1 leaves, which RSA mode has (channel-v2 section 2.3),
//! and names that it cannot check. The crate documentation, "Verification", lists all checks.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerMisbehaved,
    SignatureScheme,
};

use crate::algs;
use crate::cert::Cert;
use crate::key::PublicKey;
use crate::peers::{Admitted, PeerVerifier};
use crate::revoke::KeyDigest;
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

/// The issuer of this side's first certificate.
#[derive(Clone)]
pub(crate) struct OwnIssuer {
    pub(crate) key: KeyDigest,
    pub(crate) line: String,
}

/// Answers the questions of rustls about the certificates of one side.
pub(crate) struct RustlsVerifier {
    peers: PeerVerifier,
    /// The peer's end of the connection.
    peer: Side,
    algs: &'static WebPkiSupportedAlgorithms,
}

impl fmt::Debug for RustlsVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RustlsVerifier")
            .field("peers", &self.peers)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl RustlsVerifier {
    pub(crate) fn new(peers: PeerVerifier, peer: Side) -> Self {
        let algs = peers.handshake_algs(peer);
        Self { peers, peer, algs }
    }

    pub(crate) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Admitted, VerifyError> {
        self.peers.judge(leaf, others, self.peer, now)
    }

    /// Checks a handshake signature. This is done here because the helper of rustls parses the
    /// certificate with webpki, which refuses version 1.
    fn verify_tls12(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let cert = Cert::parse(cert)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let alg = cert
            .key_alg
            .ok()
            .and_then(|key| algs::for_handshake(self.algs, key.id(), dss.scheme))
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        alg.verify_signature(cert.key_bits(), message, dss.signature())
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadSignature))?;
        self.peers.signed(&cert, dss.scheme);
        Ok(HandshakeSignatureValid::assertion())
    }
}

/// TLS 1.3 is not configured, and its schemes do not cover secp256k1.
fn no_tls13() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.3 is not supported".into()))
}

impl ServerCertVerifier for RustlsVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        // Certificates of a chain carry no host name (channel-v2 section 2.3).
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.verify(end_entity, intermediates, now) {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(e) => Err(e.into_rustls(now)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls13()
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algs.supported_schemes()
    }
}

impl ClientCertVerifier for RustlsVerifier {
    /// Returns an empty list, as FISCO nodes send it (channel-v2 section 2.4).
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.verify(end_entity, intermediates, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(e) => Err(e.into_rustls(now)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls13()
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algs.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
