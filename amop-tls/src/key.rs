//! [`PublicKey`]: the 64 bytes by which a chain identifies nodes and SDKs.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;

use crate::cert::{Cert, KeyAlg};
use crate::role::Role;
use crate::verify::VerifyError;

/// The length of a [`PublicKey`] in bytes.
pub const PUBLIC_KEY_LEN: usize = 64;

/// A secp256k1 public key as FISCO BCOS writes it: x and y, 32 bytes each,
/// without the leading `04`.
///
/// It is a node's ID (p2p-v2 section 2.2) and an SDK's entry in an allow list (channel-v2 section
/// 2.6). Text form: 128 lower-case hex digits; parsing accepts upper case, too.
///
/// ```
/// use amop_tls::PublicKey;
///
/// let text = "0A".repeat(64);
/// let key: PublicKey = text.parse()?;
/// assert_eq!(key.to_string(), text.to_lowercase());
/// # Ok::<(), amop_tls::ParsePublicKeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; PUBLIC_KEY_LEN]);

impl PublicKey {
    /// Returns the bytes, x then y.
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_LEN] {
        &self.0
    }

    /// Creates a key from an uncompressed SEC1 point (`04`, x, y).
    pub(crate) fn from_point(point: &[u8]) -> Option<Self> {
        match point.split_first() {
            Some((4, xy)) => xy.try_into().ok().map(Self),
            _ => None,
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = ParsePublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 2 * PUBLIC_KEY_LEN {
            return Err(ParsePublicKeyError::Length {
                found: digits.len(),
            });
        }
        let mut bytes = [0; PUBLIC_KEY_LEN];
        for (i, digit) in digits.iter().enumerate() {
            let value = char::from(*digit)
                .to_digit(16)
                .and_then(|v| u8::try_from(v).ok())
                .ok_or(ParsePublicKeyError::Digit { position: i })?;
            bytes[i / 2] = bytes[i / 2] << 4 | value;
        }
        Ok(Self(bytes))
    }
}

/// Why a text is not a [`PublicKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePublicKeyError {
    /// The text is too long or too short.
    #[error("a public key is 128 hex digits, this text has {found} bytes")]
    Length {
        /// The number of bytes found.
        found: usize,
    },
    /// A character is not a hex digit.
    #[error("character {position} of the public key is not a hex digit")]
    Digit {
        /// The index of the first invalid byte.
        position: usize,
    },
}

/// The information in a verified peer certificate about its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's key; `None` for RSA certificates and for EC ones that violate the rules of
    /// [`peer_public_key`].
    pub public_key: Option<PublicKey>,
    /// The common name of the subject ("node name" in a node's RPC answers).
    pub name: Option<String>,
    /// The common name of the issuer ("agency" in a node's RPC answers).
    pub agency: Option<String>,
    /// The end of validity, in seconds since 1970.
    pub not_after: i64,
    /// The role of the owner, according to the certificate.
    pub role: Role,
}

/// Returns the key of the peer with this chain, leaf first, as `peer_certificates()` of a rustls
/// connection returns it.
///
/// Follows p2p-v2 section 2.2: the leaf must have basicConstraints with CA:FALSE and an
/// uncompressed secp256k1 point. It does not verify anything, because the handshake has done this.
///
/// # Errors
/// [`VerifyError::NoPublicKey`] with the violated rule, or [`VerifyError::BadEncoding`] if there is
/// no readable certificate.
pub fn peer_public_key(chain: &[CertificateDer<'_>]) -> Result<PublicKey, VerifyError> {
    public_key_of(&leaf_of(chain)?)
}

/// Returns name, agency and key of the peer with this chain, leaf first.
///
/// # Errors
/// [`VerifyError::BadEncoding`] if there is no readable certificate.
pub fn peer_info(chain: &[CertificateDer<'_>]) -> Result<PeerInfo, VerifyError> {
    Ok(info_of(&leaf_of(chain)?))
}

pub(crate) fn info_of(leaf: &Cert<'_>) -> PeerInfo {
    PeerInfo {
        public_key: public_key_of(leaf).ok(),
        name: leaf.subject_cn(),
        agency: leaf.issuer_cn(),
        not_after: leaf.not_after,
        role: leaf.role(),
    }
}

fn leaf_of<'a>(chain: &'a [CertificateDer<'_>]) -> Result<Cert<'a>, VerifyError> {
    let leaf = chain.first().ok_or_else(|| VerifyError::BadEncoding {
        position: 0,
        detail: "the chain is empty".into(),
    })?;
    Cert::parse(leaf).map_err(|detail| VerifyError::BadEncoding {
        position: 0,
        detail,
    })
}

pub(crate) fn public_key_of(leaf: &Cert<'_>) -> Result<PublicKey, VerifyError> {
    let reason = match (leaf.key_alg, leaf.basic) {
        (Ok(KeyAlg::Secp256k1), Some(basic)) if !basic.ca => {
            return PublicKey::from_point(leaf.key_bits())
                .ok_or_else(|| no_key(leaf, "its point is not uncompressed"));
        }
        (Ok(KeyAlg::Secp256k1), Some(_)) => "it is a CA certificate",
        (Ok(KeyAlg::Secp256k1), None) => "it has no basicConstraints extension",
        _ => "its key is not a secp256k1 one",
    };
    Err(no_key(leaf, reason))
}

fn no_key(leaf: &Cert<'_>, reason: &'static str) -> VerifyError {
    VerifyError::NoPublicKey {
        subject: leaf.subject_line(),
        reason,
    }
}

/// Decides which keys may connect: the black and white lists of a node, which are applied during
/// the handshake (p2p-v2 section 2.2).
///
/// Any `Fn(&PublicKey) -> bool` is a filter. It is called in every handshake, by the task that runs
/// the handshake, so it must be quick and must not block.
pub trait PeerFilter: Send + Sync {
    /// Returns `true` to accept the peer.
    fn allow(&self, peer: &PublicKey) -> bool;
}

impl<F: Fn(&PublicKey) -> bool + Send + Sync> PeerFilter for F {
    fn allow(&self, peer: &PublicKey) -> bool {
        self(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form() {
        let text = format!("{}{}", "0123456789abcdef".repeat(7), "0123456789ABCDEF");
        let key: PublicKey = text.parse().unwrap();
        assert_eq!(key.to_string(), text.to_lowercase());
        assert_eq!(key.0[0], 0x01);
        assert_eq!(
            text[1..].parse::<PublicKey>(),
            Err(ParsePublicKeyError::Length { found: 127 })
        );
        let bad = text.replacen('3', "g", 1);
        assert_eq!(
            bad.parse::<PublicKey>(),
            Err(ParsePublicKeyError::Digit { position: 3 })
        );
        let wide = "é".repeat(64);
        assert_eq!(
            wide.parse::<PublicKey>(),
            Err(ParsePublicKeyError::Digit { position: 0 })
        );
    }

    #[test]
    fn only_uncompressed_points() {
        let mut point = [7u8; 65];
        point[0] = 4;
        assert_eq!(PublicKey::from_point(&point), Some(PublicKey([7; 64])));
        assert_eq!(PublicKey::from_point(&point[..64]), None);
        assert_eq!(PublicKey::from_point(&[2; 33]), None);
        assert_eq!(PublicKey::from_point(&[]), None);
    }
}
