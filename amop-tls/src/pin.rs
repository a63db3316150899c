//! [`NodeKey`]: the keys of the only nodes that a client accepts.

use std::fmt;
use std::str::FromStr;

use crate::cert::Cert;
use crate::key::{PUBLIC_KEY_LEN, PublicKey};

/// The longest key in bytes: RSA of 8,192 bits with its encoding.
const MAX_KEY: usize = 2048;

/// The key of a node's certificate, of any kind.
///
/// Text form: for a secp256k1 key the node ID (the 128 hexadecimal digits of `node.nodeid`);
/// otherwise the digits of the certificate's public key, which are shown in the error of a client
/// that accepts only other keys.
///
/// ```
/// let id = "0A".repeat(64);
/// let key: amop_tls::NodeKey = id.parse()?;
/// assert_eq!(key.to_string(), id.to_lowercase());
/// # Ok::<(), amop_tls::ParseNodeKeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(Vec<u8>);

impl NodeKey {
    /// Returns the key: a secp256k1 or P-256 point without the leading `04`; another key as it is
    /// in a certificate, that is an RSA key in PKCS#1 or a P-384 point.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn of(leaf: &Cert<'_>) -> Self {
        Self::of_bits(leaf.key_bits())
    }

    /// A point of a curve of 256 bits is recognised by its length alone, so that a text and a
    /// certificate give the same key.
    fn of_bits(bits: &[u8]) -> Self {
        Self(match bits {
            [4, point @ ..] if point.len() == PUBLIC_KEY_LEN => point.to_vec(),
            _ => bits.to_vec(),
        })
    }
}

impl From<PublicKey> for NodeKey {
    fn from(key: PublicKey) -> Self {
        Self(key.0.to_vec())
    }
}

impl From<[u8; PUBLIC_KEY_LEN]> for NodeKey {
    fn from(id: [u8; PUBLIC_KEY_LEN]) -> Self {
        Self(id.to_vec())
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({self})")
    }
}

impl FromStr for NodeKey {
    type Err = ParseNodeKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let found = digits.len();
        let lengths = 2 * PUBLIC_KEY_LEN..=2 * MAX_KEY;
        if !found.is_multiple_of(2) || !lengths.contains(&found) {
            return Err(ParseNodeKeyError::Length { found });
        }
        let bytes = hex::decode(digits).map_err(|_| ParseNodeKeyError::Digit)?;
        Ok(Self::of_bits(&bytes))
    }
}

/// Why a text is not a [`NodeKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseNodeKeyError {
    /// The text is too long or too short.
    #[error(
        "a node's key is the 128 hexadecimal digits of its node.nodeid, or more for RSA; this text has \
         {found} characters"
    )]
    Length {
        /// The number of bytes found.
        found: usize,
    },
    /// A character is not a hexadecimal digit.
    #[error("a node's key has hexadecimal digits only")]
    Digit,
}

#[cfg(test)]
mod tests;
