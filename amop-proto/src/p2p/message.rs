//! Frames whose bodies have two parts.

use bytes::{Bytes, BytesMut};

use super::frame::PeerFrame;

/// A frame to be sent to another node. Its body is that of `frame`, followed by `tail`, so that a
/// long content need not be copied after its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerMessage {
    /// The header, and the beginning of the body or all of it.
    pub frame: PeerFrame,
    /// The rest of the body; usually empty.
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
    /// Returns the length of the body in bytes.
    pub fn body_len(&self) -> usize {
        self.frame.body.len() + self.tail.len()
    }

    /// Returns the frame's length on the wire in bytes, uncompressed.
    pub fn wire_len(&self) -> usize {
        self.frame.wire_len() + self.tail.len()
    }

    /// Returns the frame with its whole body, which is copied if it has two parts.
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
