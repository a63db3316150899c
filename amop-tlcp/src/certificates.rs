//! The certificates of a peer, and what the caller says of them.

use std::fmt;
use std::time::SystemTime;

use der::Decode;
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use crate::codec::{Reader, put_prefixed};
use crate::{Alert, Error, PublicKey, Refusal, limits};

/// The two public keys of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerKeys {
    /// The one that signs. Chains identify nodes by it.
    pub signature: PublicKey,
    /// The one that takes part in the key exchange.
    pub encryption: PublicKey,
}

/// Decides whether a peer is let in. It is called once in a handshake, with the machine's caller waiting: it does
/// not block.
///
/// It has to find a path from a trusted authority to each of the two certificates, with right signatures
/// ([`PublicKey::verifies`]), at a time when all are valid, and none revoked. [`PeerCertificates`] has made
/// sure that the certificates can be read and are one for signatures and one for encryption by their keyUsage;
/// the handshake makes sure that the peer has the keys, and that they differ.
///
/// ```
/// use std::time::SystemTime;
/// use amop_tlcp::{Alert, PeerCertificates, PeerKeys, Refusal, Verifier};
///
/// /// Lets in one peer alone, by its very certificates.
/// struct Pinned {
///     signature: Vec<u8>,
///     encryption: Vec<u8>,
/// }
///
/// impl Verifier for Pinned {
///     fn verify(&self, peer: &PeerCertificates, _: SystemTime) -> Result<PeerKeys, Refusal> {
///         if peer.signature() != self.signature || peer.encryption() != self.encryption {
///             return Err(Refusal::new(Alert::CERTIFICATE_UNKNOWN, "it is another peer"));
///         }
///         peer.public_keys()
///     }
/// }
/// ```
pub trait Verifier: Send + Sync {
    /// The peer's public keys, if it is let in at the time `now`.
    ///
    /// # Errors
    ///
    /// Why it is not, and the alert that tells it.
    fn verify(&self, peer: &PeerCertificates, now: SystemTime) -> Result<PeerKeys, Refusal>;
}

/// What a peer has sent: at least a certificate for signatures and one for encryption.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificates {
    /// As they came. The first one is for signatures.
    list: Vec<Vec<u8>>,
    /// Where the one for encryption is.
    encryption: usize,
}

impl PeerCertificates {
    /// Reads the body of a Certificate message. `None` if the list is empty.
    pub(crate) fn read(body: &[u8]) -> Result<Option<Self>, Error> {
        let mut reader = Reader::new("the peer's Certificate", body);
        let mut entries = reader.nested(3)?;
        reader.end()?;
        let mut list = Vec::new();
        while !entries.is_empty() {
            if list.len() == limits::CERTIFICATES {
                return Err(Refusal::bad("there are more than 10 certificates").into());
            }
            list.push(entries.prefixed(3)?.to_vec());
        }
        if list.is_empty() {
            return Ok(None);
        }
        let encryption = find_encryption(&list)?;
        Ok(Some(Self { list, encryption }))
    }

    /// The certificate for signatures, in DER.
    pub fn signature(&self) -> &[u8] {
        &self.list[0]
    }

    /// The certificate for encryption, in DER. Peers send it in different places; it is found by its keyUsage.
    pub fn encryption(&self) -> &[u8] {
        &self.list[self.encryption]
    }

    /// All other certificates, in DER and in the order that they came in: authorities in between, perhaps the
    /// root. No more than that is known of them.
    pub fn others(&self) -> impl Iterator<Item = &[u8]> {
        let others = self.list.iter().enumerate().skip(1);
        others
            .filter(|(i, _)| *i != self.encryption)
            .map(|(_, certificate)| &certificate[..])
    }

    /// The public keys of both certificates, for a [`Verifier`] to give.
    ///
    /// # Errors
    ///
    /// If one of them is no key of SM2.
    pub fn public_keys(&self) -> Result<PeerKeys, Refusal> {
        Ok(PeerKeys {
            signature: PublicKey::from_certificate(self.signature())?,
            encryption: PublicKey::from_certificate(self.encryption())?,
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

/// A Certificate message's body.
pub(crate) fn certificate_message<'a>(list: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut entries = Vec::new();
    for certificate in list {
        put_prefixed(&mut entries, 3, certificate);
    }
    let mut body = Vec::new();
    put_prefixed(&mut body, 3, &entries);
    body
}

/// What a certificate's key may do, of the things that tell the two kinds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Signature,
    Encryption,
    Other,
}

pub(crate) fn parse(certificate: &[u8]) -> Result<Certificate, Refusal> {
    Certificate::from_der(certificate).map_err(|e| Refusal::new(Alert::BAD_CERTIFICATE, e))
}

/// By keyUsage. A certificate that allows both is for neither.
pub(crate) fn purpose(certificate: &Certificate) -> Result<Purpose, Refusal> {
    let tbs = certificate.tbs_certificate();
    let unreadable = |e| Refusal::new(Alert::BAD_CERTIFICATE, e);
    let constraints = tbs.get_extension::<BasicConstraints>();
    let is_authority = constraints
        .map_err(unreadable)?
        .is_some_and(|(_, constraints)| constraints.ca);
    let usage = tbs.get_extension::<KeyUsage>().map_err(unreadable)?;
    let Some((_, usage)) = usage else {
        return Ok(Purpose::Other);
    };
    let encrypts = usage.key_encipherment() || usage.data_encipherment() || usage.key_agreement();
    Ok(match (usage.digital_signature(), encrypts) {
        _ if is_authority || usage.key_cert_sign() => Purpose::Other,
        (true, false) => Purpose::Signature,
        (false, true) => Purpose::Encryption,
        _ => Purpose::Other,
    })
}

/// Where in a list the certificate for encryption is. The first one has to be for signatures.
fn find_encryption(list: &[Vec<u8>]) -> Result<usize, Refusal> {
    let unsupported = |reason: &'static str| Refusal::new(Alert::UNSUPPORTED_CERTIFICATE, reason);
    let mut found: Option<usize> = None;
    for (i, certificate) in list.iter().enumerate() {
        let purpose = purpose(&parse(certificate)?)?;
        if i == 0 {
            if purpose != Purpose::Signature {
                return Err(unsupported(
                    "the first certificate is not one for signatures by its keyUsage",
                ));
            }
        } else if purpose == Purpose::Encryption {
            if found.is_some_and(|found| list[found] != *certificate) {
                return Err(unsupported("there are two certificates for encryption"));
            }
            found.get_or_insert(i);
        }
    }
    found.ok_or_else(|| unsupported("there is no certificate for encryption by its keyUsage"))
}
