//! Bodies that have two parts.

use bytes::Bytes;

/// The length, in bytes, above which bodies are cut, and the length of the fragments.
pub const FRAGMENT: usize = 64 * 1024;

/// A body in two parts, for example an address, and a long content, which then need not be copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The beginning of the body, or all of it.
    pub head: Bytes,
    /// The rest of the body; usually empty.
    pub tail: Bytes,
}

impl From<Bytes> for Body {
    fn from(head: Bytes) -> Self {
        let tail = Bytes::new();
        Self { head, tail }
    }
}

impl Body {
    /// Returns the body's length in bytes.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Returns whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }
}
