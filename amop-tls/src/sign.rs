//! Private keys: reads them and signs handshakes with them.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256K1_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::crypto::KeyProvider;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use zeroize::Zeroizing;

/// The scheme with which a secp256k1 key signs in TLS 1.2, where the curve in the scheme's name has
/// no meaning (RFC 8446 section 4.2.3, RFC 5246 section 7.4.1.4.1).
const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

/// Why a private key is not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PrivateKeyProblem {
    Guomi,
    /// It is on an elliptic curve other than secp256k1.
    Curve(&'static str),
    /// It is neither a secp256k1 nor an RSA key.
    Other(String),
}

/// Reads a secp256k1 key (PKCS#8 or SEC1) or an RSA key (PKCS#8 or PKCS#1).
pub(crate) fn load(der: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, PrivateKeyProblem> {
    let bytes = der.secret_der();
    if !matches!(der, PrivateKeyDer::Pkcs1(_)) {
        // This accepts PKCS#8 and SEC1, the latter also without curve or public key.
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256K1_SHA256_ASN1_SIGNING, bytes);
        if let Ok(pair) = pair {
            return Ok(Arc::new(Secp256k1Key(Arc::new(pair))));
        }
        if let Some(problem) = foreign_curve(bytes) {
            return Err(problem);
        }
    }
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(der)
        .map_err(|e| PrivateKeyProblem::Other(e.to_string()))?;
    match key.algorithm() {
        SignatureAlgorithm::RSA => Ok(key),
        other => Err(PrivateKeyProblem::Other(format!(
            "its algorithm is {other:?}"
        ))),
    }
}

/// Searches for the identifier of a well-known curve, to report the curve of a key. This is precise
/// enough for a message, since the key has already been refused.
fn foreign_curve(der: &[u8]) -> Option<PrivateKeyProblem> {
    let has = |oid: &[u8]| der.windows(oid.len()).any(|window| window == oid);
    let curves: [(&[u8], PrivateKeyProblem); 4] = [
        (
            b"\x06\x08\x2a\x81\x1c\xcf\x55\x01\x82\x2d",
            PrivateKeyProblem::Guomi,
        ),
        (
            b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
            PrivateKeyProblem::Curve("P-256"),
        ),
        (
            b"\x06\x05\x2b\x81\x04\x00\x22",
            PrivateKeyProblem::Curve("P-384"),
        ),
        (
            b"\x06\x05\x2b\x81\x04\x00\x23",
            PrivateKeyProblem::Curve("P-521"),
        ),
    ];
    curves
        .into_iter()
        .find(|(oid, _)| has(oid))
        .map(|(_, problem)| problem)
}

/// A secp256k1 key that signs with ECDSA and SHA-256.
struct Secp256k1Key(Arc<EcdsaKeyPair>);

impl std::fmt::Debug for Secp256k1Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secp256k1Key")
    }
}

impl SigningKey for Secp256k1Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SCHEME)
            .then(|| Box::new(Secp256k1Signer(self.0.clone())) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        let point = self.0.public_key();
        Some(public_key_to_spki(&alg_id::ECDSA_P256K1, point))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

struct Secp256k1Signer(Arc<EcdsaKeyPair>);

impl std::fmt::Debug for Secp256k1Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secp256k1Signer")
    }
}

impl Signer for Secp256k1Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.0
            .sign(&SystemRandom::new(), message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| Error::General("signing with the secp256k1 key failed".into()))
    }

    fn scheme(&self) -> SignatureScheme {
        SCHEME
    }
}

/// Lets programs that use the crypto provider directly [`load`] keys.
#[derive(Debug)]
pub(crate) struct KeyLoader;

impl KeyProvider for KeyLoader {
    fn load_private_key(
        &self,
        key_der: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, Error> {
        load(&Zeroizing::new(key_der)).map_err(|problem| {
            Error::General(match problem {
                PrivateKeyProblem::Guomi => "SM2 private keys are not supported".into(),
                PrivateKeyProblem::Curve(name) => {
                    format!("private keys on {name} are not supported")
                }
                PrivateKeyProblem::Other(detail) => detail,
            })
        })
    }
}
