//! The certificate verifier, one for both ends and both modes.
//!
//! webpki cannot be used: it refuses X.509 v1 leaves, which RSA mode has
//! (channel-v2 section 2.3), and names it cannot check. What is checked here
//! is in the crate documentation, "Verification".

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
use crate::revoke::KeyId;
use crate::time::Utc;
use crate::{Mode, Side};

/// Why a peer's certificate is refused.
///
/// The handshake reports it as
/// [`HandshakeFailure::PeerCertificate`](crate::HandshakeFailure), except that
/// the first three have variants of their own in rustls, and so an alert of
/// their own on the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No certificate in `ca.crt` issued the chain.
    #[error(
        "no certificate in ca.crt issued the chain of {subject:?}: it is of another chain \
         or agency, or the peer did not send its agency certificate"
    )]
    UnknownIssuer {
        /// Subject of the leaf.
        subject: String,
    },
    /// A certificate has expired.
    #[error("the certificate of {subject:?} expired at {}; renew it", Utc(*not_after))]
    Expired {
        /// Subject of the expired certificate.
        subject: String,
        /// End of its validity, in seconds since 1970.
        not_after: i64,
    },
    /// A certificate is not valid yet; perhaps a clock is wrong.
    #[error(
        "the certificate of {subject:?} is valid only from {}; check the clocks of both machines",
        Utc(*not_before)
    )]
    NotYetValid {
        /// Subject of the certificate.
        subject: String,
        /// Begin of its validity, in seconds since 1970.
        not_before: i64,
    },
    /// A certificate cannot be read.
    #[error("certificate {position} of the chain: {detail}")]
    BadEncoding {
        /// Place in the chain, 0 is the leaf.
        position: usize,
        /// What is wrong.
        detail: String,
    },
    /// The peer sent more certificates, or a longer or more tangled path, than
    /// any chain needs.
    #[error("the chain is too long or too tangled: {detail}")]
    TooComplex {
        /// The limit that was met.
        detail: &'static str,
    },
    /// A certificate is not signed by the issuer it names.
    #[error("the signature in the certificate of {subject:?} is wrong")]
    BadSignature {
        /// Subject of the certificate with the wrong signature.
        subject: String,
    },
    /// The key or the signature algorithm of a certificate is not supported.
    #[error("the certificate of {subject:?} uses an unsupported {what}")]
    Unsupported {
        /// Subject of the certificate.
        subject: String,
        /// "key" or "signature algorithm".
        what: &'static str,
    },
    /// An SM2 certificate.
    #[error("the certificate of {subject:?} is an SM2 one; guomi TLS is not supported")]
    Guomi {
        /// Subject of the certificate.
        subject: String,
    },
    /// A certificate was used to issue another, which it may not.
    #[error("{subject:?} issued a certificate but may not: {reason}")]
    NotAnIssuer {
        /// Subject of the issuing certificate.
        subject: String,
        /// The rule that is broken.
        reason: &'static str,
    },
    /// The leaf is a CA certificate.
    #[error("the peer identifies itself with the CA certificate {subject:?}")]
    CaAsLeaf {
        /// Subject of the leaf.
        subject: String,
    },
    /// An extension that must be understood is not.
    #[error("the certificate of {subject:?} has the extension {oid}, which is not supported")]
    UnhandledExtension {
        /// Subject of the certificate.
        subject: String,
        /// The extension, dotted.
        oid: String,
    },
    /// The leaf's extendedKeyUsage excludes this use.
    #[error("extendedKeyUsage of {subject:?} does not allow it to be a TLS {peer}")]
    WrongPurpose {
        /// Subject of the leaf.
        subject: String,
        /// What the peer is in this connection.
        peer: Side,
    },
    /// An RSA certificate in EC mode or the reverse.
    #[error(
        "the peer is in {found} mode, we in {expected} mode: the folders of the two do not \
         belong together (rsa_crypto_channel on the node)"
    )]
    WrongMode {
        /// Our mode.
        expected: Mode,
        /// The peer's.
        found: Mode,
    },
    /// The leaf's keyUsage excludes what TLS needs it for.
    #[error(
        "keyUsage of {subject:?} lacks {missing}, so that it cannot be used for TLS: issue the \
         certificate again with it"
    )]
    WrongKeyUsage {
        /// Subject of the leaf.
        subject: String,
        /// What is missing.
        missing: &'static str,
    },
    /// The leaf is an SDK's, where a node's is wanted.
    #[error(
        "the certificate of {subject:?} is that of an SDK (its OU says so), and no SDK may act as a \
         node: give the node its own node.crt; where nodes of the chain really have such certificates, \
         set [amop] sdk_certificates_as_nodes=true on nodes, sdk_certificates_as_nodes(true) on clients"
    )]
    SdkCertificate {
        /// Subject of the leaf.
        subject: String,
    },
    /// The node's key is none of those that the client insists on.
    #[error(
        "the node's key is {key}, which is none of the {pinned} given by node_keys: add it if this is \
         the right node; if it is not, another one answers at this address"
    )]
    NotPinned {
        /// The node's key as [`NodeKey`](crate::NodeKey) reads it.
        key: String,
        /// How many keys were given.
        pinned: usize,
    },
    /// The client's agency is not ours (channel-v2 section 2.5, by key instead of by name).
    #[error(
        "the client's certificate is issued by {found:?}, this node's by {expected:?}{}; use an SDK \
         certificate of this node's agency or set check_cert_issuer=false on the node",
        if found == expected { " with another key" } else { "" }
    )]
    IssuerMismatch {
        /// Issuer of our certificate.
        expected: String,
        /// Issuer of the client's.
        found: String,
    },
    /// The leaf does not yield a key in the form a chain identifies peers by.
    #[error("the certificate of {subject:?} yields no node ID: {reason}")]
    NoPublicKey {
        /// Subject of the leaf.
        subject: String,
        /// The rule that is broken.
        reason: &'static str,
    },
    /// Its issuer has revoked a certificate.
    #[error(
        "the certificate of {subject:?} with the serial number {serial} has been revoked by its \
         issuer; issue another one if its owner is still welcome"
    )]
    Revoked {
        /// Subject of the revoked certificate.
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
    /// As rustls wants it: with its own variants where they exist, because
    /// they choose the alert the peer sees.
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

/// The issuer of our own first certificate.
#[derive(Clone)]
pub(crate) struct OwnIssuer {
    pub(crate) key: KeyId,
    pub(crate) line: String,
}

/// What rustls asks about the certificates of one side.
pub(crate) struct Verifier {
    peers: PeerVerifier,
    /// What the peer is.
    peer: Side,
    algs: &'static WebPkiSupportedAlgorithms,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("peers", &self.peers)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl Verifier {
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

    /// Done here because rustls' own helper parses the certificate with
    /// webpki, which refuses version 1.
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

impl ServerCertVerifier for Verifier {
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

impl ClientCertVerifier for Verifier {
    /// Empty, as real nodes send it (channel-v2 section 2.4).
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
