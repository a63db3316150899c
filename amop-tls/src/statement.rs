//! Statements that a node signs with the key of its certificate, outside TLS.

use aws_lc_rs::signature::{
    ECDSA_P256K1_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use der::Decode;
use rustls::{SignatureScheme, pki_types::CertificateDer};
use x509_cert::certificate::Certificate;

use crate::{Identity, Mode, PublicKey, oids::RSA_ENCRYPTION};

/// The prefix of every statement. The same key signs TLS 1.2 handshakes, where the client chooses
/// the first 32 signed bytes and the server draws the next 32 at random. Because this prefix is
/// longer, a signature of one kind is never valid as the other.
const PREFIX: &[u8; 65] = b"AMOP: what a node says of itself, signed by its certificate's key";

impl Identity {
    /// Signs a statement of this side for nodes without a TLS connection to it: with ECDSA on
    /// secp256k1 and SHA-256, in DER; in RSA mode with PKCS#1 v1.5 and SHA-256. `None` if the
    /// random source fails.
    pub fn sign_statement(&self, statement: &[u8]) -> Option<Vec<u8>> {
        let scheme = match self.mode() {
            Mode::Ec => SignatureScheme::ECDSA_NISTP256_SHA256,
            _ => SignatureScheme::RSA_PKCS1_SHA256,
        };
        let signer = self.signing_key().choose_scheme(&[scheme])?;
        signer.sign(&prefixed(statement)).ok()
    }
}

/// Returns the public key of an RSA certificate, in DER as in the certificate. Nodes of 3.x RSA
/// chains use it as their ID. `None` if the certificate has another kind of key.
#[must_use]
pub fn rsa_public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    if key.algorithm.oid != RSA_ENCRYPTION {
        return None;
    }
    key.subject_public_key.as_bytes().map(<[u8]>::to_vec)
}

/// Returns whether the owner of an RSA key (in DER, see [`rsa_public_key`]) signed a statement with
/// [`Identity::sign_statement`].
#[must_use]
pub fn rsa_signed_statement(key: &[u8], statement: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(&prefixed(statement), signature)
        .is_ok()
}

impl PublicKey {
    /// Returns whether the owner of this key signed a statement with [`Identity::sign_statement`].
    pub fn signed_statement(&self, statement: &[u8], signature: &[u8]) -> bool {
        let point = [&[4], &self.0[..]].concat();
        UnparsedPublicKey::new(&ECDSA_P256K1_SHA256_ASN1, point)
            .verify(&prefixed(statement), signature)
            .is_ok()
    }
}

fn prefixed(statement: &[u8]) -> Vec<u8> {
    [&PREFIX[..], statement].concat()
}

#[cfg(all(test, feature = "pki"))]
mod tests;
