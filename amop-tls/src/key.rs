//! [`PublicKey`]: the 64 bytes by which a chain identifies nodes and SDKs.

use std::fmt;
use std::str::FromStr;

use hex::FromHexError;

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
        f.write_str(&hex::encode(self.0))
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
        let mut bytes = [0; PUBLIC_KEY_LEN];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(FromHexError::InvalidHexCharacter { index, .. }) => {
                Err(ParsePublicKeyError::Digit { position: index })
            }
            Err(_) => Err(ParsePublicKeyError::Length { found: text.len() }),
        }
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

#[cfg(test)]
mod tests;
