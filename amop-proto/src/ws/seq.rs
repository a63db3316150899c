//! The seq of a message: an opaque key that its sender chooses (ws-v3 section 5).

use std::fmt;

use bytes::Bytes;

use crate::{channel::Seq, log::OneLine};

/// How many characters of a seq that no SDK sends are shown.
const MAX_SHOWN: usize = 256;

/// The key that ties an answer to its message on one connection: 0 to 65,535 bytes, compared
/// exactly.
///
/// SDKs and nodes send 32 lower-case hex digits, like [`Seq`]. Messages that nobody asked for have an
/// empty one. A decoded seq owns its bytes: it does not keep the rest of its message alive.
///
/// ```
/// use amop_proto::{channel::Seq, ws::WsSeq};
///
/// let seq: Seq = "0123456789abcdef0123456789abcdef".parse()?;
/// assert_eq!(WsSeq::from(seq).as_seq(), Some(seq));
/// assert!(WsSeq::EMPTY.as_bytes().is_empty());
/// # Ok::<(), amop_proto::channel::ParseSeqError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WsSeq(Inner);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Inner {
    /// Exactly 32 bytes.
    Usual(Seq),
    /// Any other length.
    Other(Bytes),
}

impl WsSeq {
    /// The seq of messages that nobody asked for.
    pub const EMPTY: Self = Self(Inner::Other(Bytes::new()));

    /// The length of the longest seq in bytes.
    pub const MAX_LEN: usize = u16::MAX as usize;

    /// Copies a seq; `None` if it is longer than [`MAX_LEN`](Self::MAX_LEN).
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if let Ok(usual) = bytes.try_into() {
            return Some(Self(Inner::Usual(Seq(usual))));
        }
        let fits = bytes.len() <= Self::MAX_LEN;
        fits.then(|| Self(Inner::Other(Bytes::copy_from_slice(bytes))))
    }

    /// Returns the bytes, as they are on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Inner::Usual(seq) => &seq.0,
            Inner::Other(bytes) => bytes,
        }
    }

    /// Returns the seq if it has the usual length, 32 bytes.
    pub fn as_seq(&self) -> Option<Seq> {
        match self.0 {
            Inner::Usual(seq) => Some(seq),
            Inner::Other(_) => None,
        }
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Seq> for WsSeq {
    fn from(seq: Seq) -> Self {
        Self(Inner::Usual(seq))
    }
}

impl fmt::Display for WsSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Usual(seq) => seq.fmt(f),
            Inner::Other(bytes) => OneLine::new(bytes.escape_ascii()).max(MAX_SHOWN).fmt(f),
        }
    }
}

impl fmt::Debug for WsSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WsSeq({self})")
    }
}
