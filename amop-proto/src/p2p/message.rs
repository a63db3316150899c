//! Frames whose bodies are in two parts.

use bytes::{Bytes, BytesMut};

use super::PeerFrame;

/// A body in two parts: an address, say, and a long content that is not copied behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The beginning, or all of it.
    pub head: Bytes,
    /// The rest, mostly empty.
    pub tail: Bytes,
}

impl From<Bytes> for Body {
    fn from(head: Bytes) -> Self {
        let tail = Bytes::new();
        Self { head, tail }
    }
}

impl Body {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }
}

/// A frame on its way to another node. Its body is that of `frame` and then `tail`: a long content is
/// not copied behind its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerMessage {
    /// The header, and the beginning of the body or all of it.
    pub frame: PeerFrame,
    /// The rest of the body, mostly empty.
    pub tail: Bytes,
}

impl From<PeerFrame> for PeerMessage {
    fn from(frame: PeerFrame) -> Self {
        Self {
            frame,
            tail: Bytes::new(),
        }
    }
}

impl PeerMessage {
    /// The length of the body in bytes.
    pub fn body_len(&self) -> usize {
        self.frame.body.len() + self.tail.len()
    }

    /// The frame's length on the wire in bytes, uncompressed.
    pub fn wire_len(&self) -> usize {
        self.frame.wire_len() + self.tail.len()
    }

    /// The frame with its whole body, which is copied if it is in two parts.
    #[inline]
    pub fn joined(self) -> PeerFrame {
        if self.tail.is_empty() {
            return self.frame;
        }
        let mut body = BytesMut::with_capacity(self.body_len());
        body.extend_from_slice(&self.frame.body);
        body.extend_from_slice(&self.tail);
        PeerFrame {
            body: body.freeze(),
            ..self.frame
        }
    }
}
