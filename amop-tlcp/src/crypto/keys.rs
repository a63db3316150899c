//! Public and private SM2 keys.

use std::fmt;
use std::hint::black_box;
use std::sync::LazyLock;

use der::Decode;
use rand_core::CryptoRng;
use sm2::dsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use sm2::dsa::signature::{MultipartSigner, MultipartVerifier};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm2::elliptic_curve::sec1::ToSec1Point;
use sm2::pkcs8::{DecodePrivateKey, EncodePublicKey};
use sm2::pke::{Cipher, DecryptingKey, EncryptingKey};
use sm2::{ProjectivePoint, SecretKey};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use x509_cert::Certificate;
use zeroize::Zeroizing;

use super::IDENTITY;
use super::prf::PREMASTER;
use crate::{Alert, CertificateRefusal, TlcpError};

/// A public SM2 key: a point on the curve, not the infinite one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sm2PublicKey(sm2::PublicKey);

impl Sm2PublicKey {
    /// Reads an uncompressed point of 65 bytes, beginning with `04`. Returns `None` for any other
    /// bytes, or if the point is not on the curve.
    ///
    /// ```
    /// use amop_tlcp::Sm2PublicKey;
    ///
    /// assert!(Sm2PublicKey::from_sec1(&[4; 65]).is_none());
    /// ```
    pub fn from_sec1(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 65 || bytes[0] != 4 {
            return None;
        }
        sm2::PublicKey::from_sec1_bytes(bytes).ok().map(Self)
    }

    /// Returns the uncompressed point: `04`, x, y. Chains identify a node by these bytes without
    /// the first one.
    pub fn to_sec1(&self) -> [u8; 65] {
        let mut bytes = [0; 65];
        bytes.copy_from_slice(self.0.to_sec1_point(false).as_bytes());
        bytes
    }

    /// Reads the public key of an X.509 certificate.
    ///
    /// # Errors
    ///
    /// If the certificate cannot be read, or its key is not an SM2 key.
    pub fn from_certificate(certificate: &[u8]) -> Result<Self, CertificateRefusal> {
        let certificate = Certificate::from_der(certificate)
            .map_err(|e| CertificateRefusal::new(Alert::BAD_CERTIFICATE, e))?;
        Self::of(&certificate)
    }

    pub(crate) fn of(certificate: &Certificate) -> Result<Self, CertificateRefusal> {
        let not_sm2 = || {
            CertificateRefusal::new(
                Alert::UNSUPPORTED_CERTIFICATE,
                "a certificate has another key than one of SM2",
            )
        };
        let info = certificate.tbs_certificate().subject_public_key_info();
        let bytes = info.subject_public_key.as_bytes().ok_or_else(not_sm2)?;
        let key = Self::from_sec1(bytes).ok_or_else(not_sm2)?;
        // The algorithm and the curve must be right, too.
        let expected = key.0.to_public_key_der().map_err(|_| not_sm2())?;
        let found = der::Encode::to_der(info).map_err(|_| not_sm2())?;
        if expected.as_bytes() == found {
            Ok(key)
        } else {
            Err(not_sm2())
        }
    }

    /// Returns whether this key made `signature`, in DER, for the concatenated parts of `message`,
    /// with the identity of guomi chains, `1234567812345678`. Certificates are signed in this way.
    pub fn verifies(&self, message: &[&[u8]], signature: &[u8]) -> bool {
        self.verifies_by(signature, |key, signature| {
            key.multipart_verify(message, signature).is_ok()
        })
    }

    /// Does the same for a hash that is signed directly, without the identity.
    pub(crate) fn verifies_hash(&self, hash: &[u8; 32], signature: &[u8]) -> bool {
        self.verifies_by(signature, |key, signature| {
            key.verify_prehash(hash, signature).is_ok()
        })
    }

    fn verifies_by(
        &self,
        signature: &[u8],
        verify: impl FnOnce(&VerifyingKey, &Signature) -> bool,
    ) -> bool {
        let signature = Signature::from_der(signature);
        let key = VerifyingKey::new(IDENTITY, self.0);
        matches!((key, signature), (Ok(key), Ok(signature)) if verify(&key, &signature))
    }

    /// Encrypts a premaster secret to this key (GB/T 32918.4 in DER: C1, C3, C2).
    pub(crate) fn encrypt(
        &self,
        premaster: &[u8; PREMASTER],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TlcpError> {
        let mut rng = rng;
        EncryptingKey::new(self.0)
            .encrypt_der(&mut rng, premaster)
            .map_err(|_| TlcpError::Computation)
    }

    pub(crate) fn point(&self) -> ProjectivePoint {
        self.0.to_projective()
    }

    pub(crate) fn from_point(point: &ProjectivePoint) -> Option<Self> {
        sm2::PublicKey::from_affine(point.to_affine())
            .ok()
            .map(Self)
    }
}

impl From<sm2::PublicKey> for Sm2PublicKey {
    fn from(key: sm2::PublicKey) -> Self {
        Self(key)
    }
}

impl fmt::Debug for Sm2PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex::encode(&self.to_sec1()[1..]))
    }
}

/// A private SM2 key. It is zeroed when dropped and never printed.
pub struct PrivateKey(SecretKey);

impl PrivateKey {
    /// Reads a key in PEM, PKCS#8 (`BEGIN PRIVATE KEY`) or SEC1 (`BEGIN EC PRIVATE KEY`), unencrypted.
    ///
    /// # Errors
    ///
    /// If the text cannot be read, or is not an SM2 key. The error reveals nothing about the key.
    pub fn from_pem(pem: &str) -> Result<Self, Sm2KeyError> {
        SecretKey::from_pem(pem)
            .map(Self)
            .map_err(|e| Sm2KeyError(e.to_string()))
    }

    /// Reads a key in PKCS#8 DER.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem).
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, Sm2KeyError> {
        SecretKey::from_pkcs8_der(der)
            .map(Self)
            .map_err(|e| Sm2KeyError(e.to_string()))
    }

    /// Returns the public key that belongs to it.
    pub fn public_key(&self) -> Sm2PublicKey {
        Sm2PublicKey(self.0.public_key())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Why a private key cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the private key cannot be read as an unencrypted key of SM2: {0}")]
pub struct Sm2KeyError(String);

/// Signs messages. The key is overwritten when dropped, which the wrapped type does not do.
pub(crate) struct Sm2Signer(Box<SigningKey>);

impl Sm2Signer {
    pub(crate) fn new(key: &PrivateKey) -> Result<Self, TlcpError> {
        SigningKey::new(IDENTITY, &key.0)
            .map(|key| Self(Box::new(key)))
            .map_err(|_| TlcpError::Computation)
    }

    /// Signs the parts of a message; the nonce follows RFC 6979.
    pub(crate) fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, TlcpError> {
        let signature = self.0.try_multipart_sign(message);
        Ok(signature
            .map_err(|_| TlcpError::Computation)?
            .to_der()
            .to_vec())
    }

    /// Signs a hash directly, without the identity.
    pub(crate) fn sign_hash(&self, hash: &[u8; 32]) -> Result<Vec<u8>, TlcpError> {
        let signature = self.0.sign_prehash(hash);
        Ok(signature
            .map_err(|_| TlcpError::Computation)?
            .to_der()
            .to_vec())
    }
}

impl Drop for Sm2Signer {
    fn drop(&mut self) {
        static NOBODYS: LazyLock<SigningKey> =
            LazyLock::new(|| SigningKey::from_slice(IDENTITY, &ONE).expect("one is a private key"));
        *self.0 = NOBODYS.clone();
        // Otherwise the compiler may omit the write, because the value is not read again.
        black_box(&*self.0);
    }
}

/// The smallest private key.
const ONE: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[31] = 1;
    bytes
};

/// Decrypts premaster secrets, and takes part in key exchanges.
pub(crate) struct Decrypter {
    /// The private key, which is zeroed when dropped.
    secret: SecretKey,
    public: Sm2PublicKey,
    /// The private key for decryption, which is overwritten when dropped.
    key: Box<DecryptingKey>,
}

impl Decrypter {
    pub(crate) fn new(key: PrivateKey) -> Self {
        Self {
            public: key.public_key(),
            key: Box::new(DecryptingKey::new(key.0.clone())),
            secret: key.0.clone(),
        }
    }

    pub(crate) fn secret(&self) -> &SecretKey {
        &self.secret
    }

    pub(crate) fn public(&self) -> &Sm2PublicKey {
        &self.public
    }

    /// Returns the premaster secret in `ciphertext`, or `instead` if the ciphertext holds no secret of
    /// this `version`. The only visible difference between the two cases is that the handshake fails
    /// later.
    pub(crate) fn premaster(
        &self,
        ciphertext: &[u8],
        version: u16,
        instead: Zeroizing<[u8; PREMASTER]>,
    ) -> Zeroizing<[u8; PREMASTER]> {
        let mut premaster = instead;
        // Anyone can see that the bytes are not a ciphertext, so this need not be hidden.
        let Ok(cipher) = Cipher::from_der(ciphertext) else {
            return premaster;
        };
        if cipher.c2().len() != PREMASTER {
            return premaster;
        }
        let mut opened = Zeroizing::new([0; PREMASTER]);
        // If it fails, it also fills the buffer and takes the same path.
        let result = self
            .key
            .decrypt_cipher_with_buf::<sm3::Sm3>(&cipher, &mut *opened);
        let good = Choice::from(u8::from(black_box(result.is_ok())))
            & opened[..2].ct_eq(&version.to_be_bytes());
        for (byte, opened) in premaster.iter_mut().zip(opened.iter()) {
            byte.conditional_assign(opened, good);
        }
        premaster
    }
}

impl Drop for Decrypter {
    fn drop(&mut self) {
        static NOBODYS: LazyLock<DecryptingKey> =
            LazyLock::new(|| DecryptingKey::from_slice(&ONE).expect("one is a private key"));
        *self.key = NOBODYS.clone();
        black_box(&*self.key);
    }
}
