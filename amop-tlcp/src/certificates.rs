//! The certificates of a peer, and the caller's decision about them.

use std::fmt;
use std::time::SystemTime;

use der::Decode;
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use crate::codec::{MessageReader, put_prefixed};
use crate::{Alert, CertificateRefusal, Sm2PublicKey, TlcpError, limits};

/// The two public keys of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerKeys {
    /// The key for signatures. Chains identify nodes by it.
    pub signature: Sm2PublicKey,
    /// The key for the key exchange.
    pub encryption: Sm2PublicKey,
}

/// Decides whether a peer is accepted. It is called once in a handshake, while the caller of the
/// connection waits, so it must not block.
///
/// It must find a path from a trusted authority to each of the two certificates, with valid
/// signatures ([`Sm2PublicKey::verifies`]), in which all certificates are valid at this time and
/// none is revoked. [`PeerCertificates`] has already checked that the certificates can be read, and
/// that by keyUsage one is for signatures and one for encryption. The handshake checks that the
/// peer has the keys, and that they differ.
///
/// ```
/// use std::time::SystemTime;
/// use amop_tlcp::{Alert, PeerCertificates, PeerKeys, CertificateRefusal, CertificateVerifier};
///
/// /// Lets in one peer alone, by its very certificates.
/// struct Pinned {
///     signature: Vec<u8>,
///     encryption: Vec<u8>,
/// }
///
/// impl CertificateVerifier for Pinned {
///     fn verify(
///         &self,
///         peer: &PeerCertificates,
///         _: SystemTime,
///     ) -> Result<PeerKeys, CertificateRefusal> {
///         if peer.signature() != self.signature || peer.encryption() != self.encryption {
///             return Err(CertificateRefusal::new(Alert::CERTIFICATE_UNKNOWN, "it is another peer"));
///         }
///         peer.public_keys()
///     }
/// }
/// ```
pub trait CertificateVerifier: Send + Sync {
    /// Returns the peer's public keys, if it is accepted at the time `now`.
    ///
    /// # Errors
    ///
    /// The reason why it is refused, and the alert for the peer.
    fn verify(
        &self,
        peer: &PeerCertificates,
        now: SystemTime,
    ) -> Result<PeerKeys, CertificateRefusal>;
}

/// The certificates that a peer has sent: at least one for signatures and one for encryption.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificates {
    /// The certificates in their order. The first one is for signatures.
    list: Vec<Vec<u8>>,
    /// The index of the certificate for encryption.
    encryption: usize,
}

impl PeerCertificates {
    /// Reads the body of a Certificate message. Returns `None` if the list is empty.
    pub(crate) fn read(body: &[u8]) -> Result<Option<Self>, TlcpError> {
        let mut reader = MessageReader::new("the peer's Certificate", body);
        let mut entries = reader.nested(3)?;
        reader.end()?;
        let mut list = Vec::new();
        while !entries.is_empty() {
            if list.len() == limits::CERTIFICATES {
                return Err(CertificateRefusal::bad("there are more than 10 certificates").into());
            }
            list.push(entries.prefixed(3)?.to_vec());
        }
        if list.is_empty() {
            return Ok(None);
        }
        let encryption = find_encryption(&list)?;
        Ok(Some(Self { list, encryption }))
    }

    /// Returns the certificate for signatures, in DER.
    pub fn signature(&self) -> &[u8] {
        &self.list[0]
    }

    /// Returns the certificate for encryption, in DER. Peers send it at different positions; it is
    /// found by its keyUsage.
    pub fn encryption(&self) -> &[u8] {
        &self.list[self.encryption]
    }

    /// Returns all other certificates, in DER and in the order in which they were sent:
    /// intermediate authorities, perhaps the root. They are not checked.
    pub fn others(&self) -> impl Iterator<Item = &[u8]> {
        let others = self.list.iter().enumerate().skip(1);
        others
            .filter(|(i, _)| *i != self.encryption)
            .map(|(_, certificate)| &certificate[..])
    }

    /// Returns the public keys of both certificates, for the result of a [`CertificateVerifier`].
    ///
    /// # Errors
    ///
    /// If one of them is not an SM2 key.
    pub fn public_keys(&self) -> Result<PeerKeys, CertificateRefusal> {
        Ok(PeerKeys {
            signature: Sm2PublicKey::from_certificate(self.signature())?,
            encryption: Sm2PublicKey::from_certificate(self.encryption())?,
        })
    }
}

impl fmt::Debug for PeerCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificates")
            .field("count", &self.list.len())
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

/// Returns the body of a Certificate message.
pub(crate) fn certificate_message<'a>(list: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut entries = Vec::new();
    for certificate in list {
        put_prefixed(&mut entries, 3, certificate);
    }
    let mut body = Vec::new();
    put_prefixed(&mut body, 3, &entries);
    body
}

/// The use of a certificate's key, as far as it distinguishes the two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPurpose {
    Signature,
    Encryption,
    Other,
}

pub(crate) fn parse(certificate: &[u8]) -> Result<Certificate, CertificateRefusal> {
    Certificate::from_der(certificate)
        .map_err(|e| CertificateRefusal::new(Alert::BAD_CERTIFICATE, e))
}

/// Returns the use of the key according to keyUsage. A certificate that allows both uses counts for
/// neither.
pub(crate) fn purpose(certificate: &Certificate) -> Result<KeyPurpose, CertificateRefusal> {
    let tbs = certificate.tbs_certificate();
    let unreadable = |e| CertificateRefusal::new(Alert::BAD_CERTIFICATE, e);
    let constraints = tbs.get_extension::<BasicConstraints>();
    let is_authority = constraints
        .map_err(unreadable)?
        .is_some_and(|(_, constraints)| constraints.ca);
    let usage = tbs.get_extension::<KeyUsage>().map_err(unreadable)?;
    let Some((_, usage)) = usage else {
        return Ok(KeyPurpose::Other);
    };
    let encrypts = usage.key_encipherment() || usage.data_encipherment() || usage.key_agreement();
    Ok(match (usage.digital_signature(), encrypts) {
        _ if is_authority || usage.key_cert_sign() => KeyPurpose::Other,
        (true, false) => KeyPurpose::Signature,
        (false, true) => KeyPurpose::Encryption,
        _ => KeyPurpose::Other,
    })
}

/// Returns the index of the certificate for encryption. The first certificate must be for
/// signatures.
fn find_encryption(list: &[Vec<u8>]) -> Result<usize, CertificateRefusal> {
    let unsupported =
        |reason: &'static str| CertificateRefusal::new(Alert::UNSUPPORTED_CERTIFICATE, reason);
    let mut found: Option<usize> = None;
    for (i, certificate) in list.iter().enumerate() {
        let purpose = purpose(&parse(certificate)?)?;
        if i == 0 {
            if purpose != KeyPurpose::Signature {
                return Err(unsupported(
                    "the first certificate is not one for signatures by its keyUsage",
                ));
            }
        } else if purpose == KeyPurpose::Encryption {
            if found.is_some_and(|found| list[found] != *certificate) {
                return Err(unsupported("there are two certificates for encryption"));
            }
            found.get_or_insert(i);
        }
    }
    found.ok_or_else(|| unsupported("there is no certificate for encryption by its keyUsage"))
}
