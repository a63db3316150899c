//! The certificates of one side, and their keys.

use std::fmt;

use der::pem;

use crate::certificates::{KeyPurpose, certificate_message, parse, purpose};
use crate::crypto::keys::{Decrypter, Sm2Signer};
use crate::{PrivateKey, Sm2KeyError, Sm2PublicKey, limits};

/// The two certificates of one side with their keys and the authorities above them. Guomi chains
/// require both certificates of clients, too.
pub struct TlcpIdentity {
    /// The body of the Certificate message.
    message: Vec<u8>,
    encryption_certificate: Vec<u8>,
    pub(crate) signer: Sm2Signer,
    pub(crate) decrypter: Decrypter,
    signature_key: Sm2PublicKey,
}

/// Why certificates and keys cannot be used as an [`TlcpIdentity`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file has no certificate.
    #[error("there is no certificate for {0}; give the PEM text of the file that has it")]
    Missing(&'static str),
    /// A certificate cannot be read.
    #[error("a certificate for {0} cannot be read: {1}")]
    Unreadable(&'static str, String),
    /// A key cannot be read.
    #[error("the key for {0} cannot be used")]
    Key(&'static str, #[source] Sm2KeyError),
    /// keyUsage does not allow this use.
    #[error(
        "the certificate for {0} is not for {0} by its keyUsage; check that the two files are not swapped"
    )]
    Usage(&'static str),
    /// The key does not belong to the certificate.
    #[error(
        "the key for {0} does not belong to the certificate; check that both are from the same folder"
    )]
    OtherKey(&'static str),
    /// Both certificates have the same key.
    #[error(
        "the certificates for signatures and for encryption have the same key; peers refuse that"
    )]
    SameKey,
    /// The list is longer than peers accept.
    #[error(
        "there are too many certificates, or they are too long; send at most 10 with a total of 32 KiB"
    )]
    TooLong,
}

const SIGNATURES: &str = "signatures";
const ENCRYPTION: &str = "encryption";

impl TlcpIdentity {
    /// Creates an identity. `signature` and `encryption` are lists of certificates in DER: first
    /// the certificate itself, then the authorities above it that peers do not have. On chains of
    /// 2.x the agency is sent; on chains of 3.x none is needed.
    ///
    /// # Errors
    ///
    /// If certificates and keys do not belong together.
    pub fn new(
        signature: &[Vec<u8>],
        signature_key: PrivateKey,
        encryption: &[Vec<u8>],
        encryption_key: PrivateKey,
    ) -> Result<Self, IdentityError> {
        let own = check(signature, &signature_key, SIGNATURES, KeyPurpose::Signature)?;
        check(
            encryption,
            &encryption_key,
            ENCRYPTION,
            KeyPurpose::Encryption,
        )?;
        if signature_key.public_key() == encryption_key.public_key() {
            return Err(IdentityError::SameKey);
        }
        // The order of the standard, which all peers accept.
        let mut list = vec![&signature[0][..], &encryption[0]];
        for certificate in signature[1..].iter().chain(&encryption[1..]) {
            if !list.contains(&&certificate[..]) {
                list.push(certificate);
            }
        }
        let message = certificate_message(list.iter().copied());
        if list.len() > limits::CERTIFICATES || message.len() > limits::CERTIFICATE_LIST {
            return Err(IdentityError::TooLong);
        }
        let unusable = |_| IdentityError::OtherKey(SIGNATURES);
        Ok(Self {
            message,
            encryption_certificate: encryption[0].clone(),
            signer: Sm2Signer::new(&signature_key).map_err(unusable)?,
            decrypter: Decrypter::new(encryption_key),
            signature_key: own,
        })
    }

    /// Creates an identity from the PEM texts of four files of a chain, for example `sm_sdk.crt`,
    /// `sm_sdk.key`, `sm_ensdk.crt` and `sm_ensdk.key`.
    ///
    /// # Errors
    ///
    /// If a text cannot be read, or for the reasons of [`new`](Self::new).
    pub fn from_pem(
        signature: &str,
        signature_key: &str,
        encryption: &str,
        encryption_key: &str,
    ) -> Result<Self, IdentityError> {
        let key = |pem, of| PrivateKey::from_pem(pem).map_err(|e| IdentityError::Key(of, e));
        Self::new(
            &certificates(signature, SIGNATURES)?,
            key(signature_key, SIGNATURES)?,
            &certificates(encryption, ENCRYPTION)?,
            key(encryption_key, ENCRYPTION)?,
        )
    }

    /// Returns the key by which peers identify this side.
    pub fn public_key(&self) -> &Sm2PublicKey {
        &self.signature_key
    }

    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    pub(crate) fn encryption_certificate(&self) -> &[u8] {
        &self.encryption_certificate
    }
}

impl fmt::Debug for TlcpIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlcpIdentity")
            .field("public_key", &self.signature_key)
            .finish_non_exhaustive()
    }
}

/// Checks that the first certificate is for this use and has this key.
fn check(
    chain: &[Vec<u8>],
    key: &PrivateKey,
    what: &'static str,
    expected: KeyPurpose,
) -> Result<Sm2PublicKey, IdentityError> {
    let unreadable = |e: crate::CertificateRefusal| IdentityError::Unreadable(what, e.to_string());
    let leaf = chain.first().ok_or(IdentityError::Missing(what))?;
    let leaf = parse(leaf).map_err(unreadable)?;
    if purpose(&leaf).map_err(unreadable)? != expected {
        return Err(IdentityError::Usage(what));
    }
    let public = Sm2PublicKey::of(&leaf).map_err(unreadable)?;
    if public != key.public_key() {
        return Err(IdentityError::OtherKey(what));
    }
    Ok(public)
}

/// Returns all certificates in a PEM text, in DER. Text between them is ignored.
fn certificates(text: &str, of: &'static str) -> Result<Vec<Vec<u8>>, IdentityError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let unreadable = |reason: String| IdentityError::Unreadable(of, reason);
    let mut list = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        rest = &rest[begin..];
        let end = rest
            .find(END)
            .ok_or_else(|| unreadable("its PEM text has no end".into()))?;
        let (block, after) = rest.split_at(end + END.len());
        let (_, der) = pem::decode_vec(block.as_bytes()).map_err(|e| unreadable(e.to_string()))?;
        list.push(der);
        rest = after;
    }
    if list.is_empty() {
        return Err(IdentityError::Missing(of));
    }
    Ok(list)
}
