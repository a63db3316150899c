//! The 32-byte sequence identifier that ties a response to its request.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use rand::{Rng, RngExt};

/// The number that tells the messages of an SDK apart: 32 opaque bytes, by convention lower-case hex
/// digits.
///
/// A seq travels from the publisher to the subscriber and back unchanged, so it must be unique
/// among everything in flight in the network (channel-v2 section 3.3). Logs show it in full, so that
/// a message is found in the logs of all programs on its path.
///
/// ```
/// use amop_proto::channel::Seq;
///
/// let seq: Seq = "0123456789abcdef0123456789abcdef".parse()?;
/// assert_eq!(seq.to_string(), "0123456789abcdef0123456789abcdef");
/// # Ok::<(), amop_proto::channel::ParseSeqError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub [u8; Self::LEN]);

impl Seq {
    /// The length of a seq in bytes.
    pub const LEN: usize = 32;

    /// Returns a new seq: 128 random bits as 32 lower-case hex digits.
    ///
    /// It is ASCII because Java SDKs re-encode the field as UTF-8 (channel-v2 section 3.3).
    pub fn random<R: Rng + ?Sized>(rng: &mut R) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Drawn as one number: an array would be drawn byte by byte.
        let bits = rng.random::<u128>().to_le_bytes();
        let mut seq = [0; Self::LEN];
        for (pair, byte) in seq.chunks_exact_mut(2).zip(bits) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(seq)
    }
}

/// Hashes four numbers, which is several times faster than 32 bytes; a seq is looked up for every
/// message.
impl Hash for Seq {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (words, _) = self.0.as_chunks();
        for word in words {
            state.write_u64(u64::from_ne_bytes(*word));
        }
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(digits) if self.0.iter().all(u8::is_ascii_alphanumeric) => f.write_str(digits),
            // Raw hash bytes are legal, too; they are escaped, so that none are lost.
            _ => fmt::Display::fmt(&self.0.escape_ascii(), f),
        }
    }
}

/// Reads the text that `Display` writes.
impl FromStr for Seq {
    type Err = ParseSeqError;

    fn from_str(text: &str) -> Result<Self, ParseSeqError> {
        let bytes = unescape(text).ok_or(ParseSeqError)?;
        Ok(Self(bytes.try_into().map_err(|_| ParseSeqError)?))
    }
}

/// Undoes the escapes of `escape_ascii`. `None` if the text has others.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(Seq::LEN);
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let plain = match byte {
            b'\\' => match rest.next()? {
                b't' => b'\t',
                b'r' => b'\r',
                b'n' => b'\n',
                quoted @ (b'\\' | b'\'' | b'"') => quoted,
                b'x' => {
                    let high = char::from(rest.next()?).to_digit(16)?;
                    let low = char::from(rest.next()?).to_digit(16)?;
                    (high * 16 + low) as u8
                }
                _ => return None,
            },
            byte => byte,
        };
        bytes.push(plain);
    }
    Some(bytes)
}

/// A text is not a seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a seq has 32 characters, usually hex digits; copy all of them from the log")]
pub struct ParseSeqError;

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seq({self})")
    }
}

#[cfg(test)]
mod tests;
