//! `compatibility.supported_version`: the chain version that a node reports.

use std::fmt;
use std::str::FromStr;

/// A chain version such as `2.11.1` or `2.0.0-rc3`.
///
/// ```
/// use amop_node::config::ChainVersion;
///
/// let version: ChainVersion = "2.9.0".parse().unwrap();
/// assert!(version.has_rsa_channel());
/// assert_eq!(version.to_string(), "2.9.0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainVersion {
    numbers: [u16; 3],
    suffix: Option<String>,
}

impl ChainVersion {
    /// The version that this node reports when the key is missing.
    pub const DEFAULT: Self = Self {
        numbers: [2, 11, 1],
        suffix: None,
    };

    /// Returns whether `chain.rsa_crypto_channel` has any effect (channel-v2 section 2.1).
    pub fn has_rsa_channel(&self) -> bool {
        self.numbers >= [2, 9, 0]
    }

    /// Returns whether certificates of this version distinguish SDKs from nodes: before it, both
    /// have OU=node.
    pub(crate) fn has_sdk_certificates(&self) -> bool {
        self.numbers >= [2, 1, 0]
    }

    /// Returns whether nodes of this version use the 12-byte P2P header (p2p-v2 section 4.2).
    pub(super) fn has_rc1_header(&self) -> bool {
        self.numbers == [2, 0, 0] && self.suffix.as_deref() == Some("rc1")
    }
}

impl fmt::Display for ChainVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        match &self.suffix {
            Some(suffix) => write!(f, "-{suffix}"),
            None => Ok(()),
        }
    }
}

/// The text is not a version of a 2.x chain.
#[derive(Debug, thiserror::Error)]
#[error("not a version of a 2.x chain; expected something like 2.11.1")]
pub struct ParseVersionError;

impl FromStr for ChainVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let (numbers, suffix) = match text.split_once('-') {
            Some((numbers, suffix)) => (numbers, Some(suffix)),
            None => (text, None),
        };
        let mut parts = numbers.split('.').map(number);
        let mut next = || parts.next().flatten().ok_or(ParseVersionError);
        let numbers = [next()?, next()?, next()?];
        // The suffix goes into JSON answers of the node: plain words only.
        let plain = |s: &str| {
            (1..=32).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
        };
        if parts.next().is_some() || numbers[0] != 2 || !suffix.is_none_or(plain) {
            return Err(ParseVersionError);
        }
        Ok(Self {
            numbers,
            suffix: suffix.map(str::to_owned),
        })
    }
}

fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
