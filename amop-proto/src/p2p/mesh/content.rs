//! The channel frame that a packet carries.

use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use crate::{
    channel::Frame,
    p2p::{Body, FRAGMENT},
};

/// The content of packets: a channel frame, either parsed or as bytes.
#[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
pub trait FrameContent {
    /// Returns the frame's length in bytes.
    fn len(&self) -> usize;
    /// Appends the frame's bytes.
    fn put(&self, out: &mut BytesMut);
    /// Returns the SHA-256 of the frame's bytes.
    fn digest(&self) -> [u8; 32];
    /// Returns the end of a long frame, which is shared instead of copied; it is empty if the frame
    /// is short.
    fn tail(&self) -> Bytes {
        Bytes::new()
    }
    /// Appends the bytes before the [`tail`](Self::tail).
    fn put_head(&self, out: &mut BytesMut) {
        self.put(out);
    }
}

/// Returns the bytes if they are long, otherwise nothing: short ones are copied, since a slice of a
/// few bytes would keep the whole read buffer in memory.
fn if_long(bytes: &Bytes) -> Bytes {
    if bytes.len() > FRAGMENT {
        bytes.clone()
    } else {
        Bytes::new()
    }
}

impl FrameContent for Frame {
    fn len(&self) -> usize {
        self.wire_len()
    }

    fn put(&self, out: &mut BytesMut) {
        self.encode(out);
    }

    fn digest(&self) -> [u8; 32] {
        let hash = Sha256::new().chain_update(self.header());
        hash.chain_update(&self.body).finalize().into()
    }

    fn tail(&self) -> Bytes {
        if_long(&self.body)
    }

    fn put_head(&self, out: &mut BytesMut) {
        if self.body.len() > FRAGMENT {
            out.put_slice(&self.header());
        } else {
            self.put(out);
        }
    }
}

impl FrameContent for [u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(self);
    }

    fn digest(&self) -> [u8; 32] {
        content_digest(self)
    }
}

impl FrameContent for Bytes {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(self);
    }

    fn digest(&self) -> [u8; 32] {
        content_digest(self)
    }

    fn tail(&self) -> Bytes {
        if_long(self)
    }

    fn put_head(&self, out: &mut BytesMut) {
        if <[u8]>::len(self) <= FRAGMENT {
            out.put_slice(self);
        }
    }
}

impl FrameContent for Body {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(&self.head);
        out.put_slice(&self.tail);
    }

    fn digest(&self) -> [u8; 32] {
        let hash = Sha256::new().chain_update(&self.head);
        hash.chain_update(&self.tail).finalize().into()
    }

    fn tail(&self) -> Bytes {
        if_long(&self.tail)
    }

    fn put_head(&self, out: &mut BytesMut) {
        out.put_slice(&self.head);
        if self.tail.len() <= FRAGMENT {
            out.put_slice(&self.tail);
        }
    }
}

/// Returns the SHA-256 of the bytes of a channel frame, for its seals.
#[must_use]
pub fn content_digest(frame: &[u8]) -> [u8; 32] {
    Sha256::digest(frame).into()
}

/// Returns an address, which `start` makes with room for the given number of bytes, with a channel
/// frame after it.
pub(super) fn encoded(
    frame: &(impl FrameContent + ?Sized),
    start: impl FnOnce(usize) -> BytesMut,
) -> Bytes {
    let mut out = start(frame.len());
    frame.put(&mut out);
    out.freeze()
}

/// Does the same as [`encoded`]; a long frame is not copied.
pub(super) fn encoded_parts(
    frame: &impl FrameContent,
    start: impl FnOnce(usize) -> BytesMut,
) -> Body {
    let tail = frame.tail();
    let mut head = start(frame.len() - tail.len());
    frame.put_head(&mut head);
    Body {
        head: head.freeze(),
        tail,
    }
}
