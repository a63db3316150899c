//! The certificate verifier, the same for both ends and both modes.
//!
//! webpki is not usable: it refuses X.509 v1 leaves, which RSA mode has (channel-v2 section 2.3),
//! and names that it cannot check. The crate documentation, "Verification", lists all checks.

use std::fmt;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    SignatureScheme,
};

use crate::algs;
use crate::cert::Cert;
use crate::error::VerifyError;
use crate::peers::PeerVerifier;
use crate::refusal;
use crate::side::Side;
use crate::standing::Admitted;

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

fn refuse(refusal: VerifyError, now: UnixTime) -> Error {
    refusal::leave(&refusal);
    refusal.into_rustls(now)
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
            Err(refusal) => Err(refuse(refusal, now)),
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
            Err(refusal) => Err(refuse(refusal, now)),
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
