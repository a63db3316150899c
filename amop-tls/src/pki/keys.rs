//! Private keys of generated certificates: secp256k1 and RSA 2048.

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256K1_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use der::asn1::AnyRef;
use der::pem::LineEnding;
use der::{Decode, pem};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::error::PkiError;
use crate::oids::{ECDSA_SHA256, RSA_SHA256};

/// The number of attempts to draw a key. One key in 256 begins with a zero byte; this many in a row
/// mean that the random source is broken.
const MAX_REROLLS: usize = 32;

/// A private key that can sign certificates.
pub(super) enum CaKey {
    Ec(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl CaKey {
    pub(super) fn generate_ec() -> Result<Self, PkiError> {
        EcdsaKeyPair::generate(&ECDSA_P256K1_SHA256_ASN1_SIGNING)
            .map(Self::Ec)
            .map_err(|_| PkiError::Crypto("generate a secp256k1 key"))
    }

    /// Generates a key for a leaf. FISCO nodes refuse to start with a key whose scalar begins with
    /// a zero byte, so this draws again, as the chain's script does (channel-v2 section 2.3).
    pub(super) fn generate_ec_leaf() -> Result<Self, PkiError> {
        first_with_full_scalar(Self::generate_ec)
    }

    pub(super) fn generate_rsa() -> Result<Self, PkiError> {
        rsa::KeyPair::generate(KeySize::Rsa2048)
            .map(Self::Rsa)
            .map_err(|_| PkiError::Crypto("generate an RSA key"))
    }

    /// Reads an unencrypted secp256k1 key: PKCS#8, or SEC1 as old tools write it.
    pub(super) fn ec_from_pem(pem: &str) -> Result<Self, PkiError> {
        let alg = &ECDSA_P256K1_SHA256_ASN1_SIGNING;
        let key = match private_key_der(pem)? {
            PrivateKeyDer::Pkcs8(der) => EcdsaKeyPair::from_pkcs8(alg, der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(der) => {
                EcdsaKeyPair::from_private_key_der(alg, der.secret_sec1_der())
            }
            _ => {
                return Err(PkiError::Key(
                    "it is an RSA key, and a secp256k1 key is needed".into(),
                ));
            }
        };
        key.map(Self::Ec)
            .map_err(|e| PkiError::Key(format!("not a usable secp256k1 key: {e}")))
    }

    /// Reads an unencrypted RSA key: PKCS#8 or PKCS#1.
    pub(super) fn rsa_from_pem(pem: &str) -> Result<Self, PkiError> {
        let key = match private_key_der(pem)? {
            PrivateKeyDer::Pkcs8(der) => rsa::KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => rsa::KeyPair::from_der(der.secret_pkcs1_der()),
            _ => {
                return Err(PkiError::Key(
                    "it is an EC key, and an RSA key is needed".into(),
                ));
            }
        };
        key.map(Self::Rsa)
            .map_err(|e| PkiError::Key(format!("not a usable RSA key: {e}")))
    }

    /// Returns the key as unencrypted PKCS#8 PEM.
    pub(super) fn to_pem(&self) -> Result<String, PkiError> {
        const ENCODE: PkiError = PkiError::Crypto("encode a private key");
        match self {
            Self::Ec(key) => {
                let der = key.to_pkcs8v1().map_err(|_| ENCODE)?;
                to_pem("PRIVATE KEY", der.as_ref())
            }
            Self::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| ENCODE)?;
                to_pem("PRIVATE KEY", der.as_ref())
            }
        }
    }

    pub(super) fn spki(&self) -> Result<SubjectPublicKeyInfoOwned, PkiError> {
        let der: Result<PublicKeyX509Der<'_>, _> = match self {
            Self::Ec(key) => key.public_key().as_der(),
            Self::Rsa(key) => key.public_key().as_der(),
        };
        let der = der.map_err(|_| PkiError::Crypto("encode a public key"))?;
        Ok(SubjectPublicKeyInfoOwned::from_der(der.as_ref())?)
    }

    /// Returns x and y of an EC key.
    pub(super) fn public_point(&self) -> Option<[u8; 64]> {
        match self {
            Self::Ec(key) => point_of(key.public_key().as_ref()),
            Self::Rsa(_) => None,
        }
    }

    /// Returns the identifier of the signatures made by [`CaKey::sign`].
    pub(super) fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        match self {
            Self::Ec(_) => AlgorithmIdentifierOwned {
                oid: ECDSA_SHA256,
                parameters: None,
            },
            Self::Rsa(_) => AlgorithmIdentifierOwned {
                oid: RSA_SHA256,
                parameters: Some(AnyRef::NULL.into()),
            },
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PkiError> {
        const SIGN: PkiError = PkiError::Crypto("sign a certificate");
        let random = SystemRandom::new();
        match self {
            Self::Ec(key) => {
                let signature = key.sign(&random, message).map_err(|_| SIGN)?;
                Ok(signature.as_ref().to_vec())
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| SIGN)?;
                Ok(signature)
            }
        }
    }

    fn scalar_begins_with_zero(&self) -> Result<bool, PkiError> {
        let Self::Ec(key) = self else {
            return Ok(false);
        };
        let scalar: EcPrivateKeyBin<'_> = key
            .private_key()
            .as_be_bytes()
            .map_err(|_| PkiError::Crypto("read a private scalar"))?;
        Ok(scalar.as_ref().first() == Some(&0))
    }
}

impl fmt::Debug for CaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ec(_) => "Key::Ec(..)",
            Self::Rsa(_) => "Key::Rsa(..)",
        })
    }
}

/// Returns x and y of an uncompressed point.
pub(super) fn point_of(sec1: &[u8]) -> Option<[u8; 64]> {
    match sec1 {
        [4, rest @ ..] => rest.try_into().ok(),
        _ => None,
    }
}

pub(super) fn to_pem(label: &str, der: &[u8]) -> Result<String, PkiError> {
    pem::encode_string(label, LineEnding::LF, der).map_err(|e| PkiError::Encoding(e.into()))
}

fn private_key_der(pem: &str) -> Result<PrivateKeyDer<'static>, PkiError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| PkiError::Key(format!("no unencrypted PEM private key found: {e}")))
}

fn first_with_full_scalar(
    mut next: impl FnMut() -> Result<CaKey, PkiError>,
) -> Result<CaKey, PkiError> {
    for _ in 0..MAX_REROLLS {
        let key = next()?;
        if !key.scalar_begins_with_zero()? {
            return Ok(key);
        }
    }
    Err(PkiError::Crypto(
        "draw a private key that does not begin with a zero byte",
    ))
}

#[cfg(test)]
mod tests;
