//! Puts the fragments of frames together again.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use super::{PeerFrame, mesh, protocol};
use crate::hash::HashMap;

/// The maximum number of frames that may be in transit in fragments at once, in one direction of a
/// connection.
pub const MAX_OPEN: usize = 1024;

/// Reassembles the frames of one connection. A value `H` is kept for each frame until it is
/// complete, such as its share of a budget.
#[derive(Debug)]
pub struct FragmentAssembler<H> {
    open: HashMap<u32, PartialFrame<H>>,
    /// The value kept for the last complete frame, until it is taken.
    held: Option<H>,
    max: usize,
    patience: Duration,
}

/// A frame that is not complete.
#[derive(Debug)]
struct PartialFrame<H> {
    /// The frame; its body is still empty.
    frame: PeerFrame,
    total: usize,
    received: usize,
    /// The bytes that arrived; `None` if the frame is not wanted and its bytes are dropped.
    content: Option<(BytesMut, H)>,
    heard: Instant,
}

/// The result of a fragment for its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembled {
    /// Fragments are missing, or the frame was refused before.
    Nothing,
    /// The frame is complete.
    Whole(PeerFrame),
    /// There is no room for the frame; all of it will be dropped. Its body is what has arrived.
    Refused {
        /// The frame, with the part of its body that the first fragment brought.
        frame: PeerFrame,
        /// The length of its whole body in bytes.
        total: usize,
    },
}

impl<H> FragmentAssembler<H> {
    /// Creates an assembler. It refuses frames whose body is longer than `max` bytes, and gives up
    /// a frame of which no fragment has arrived for `patience`.
    pub fn new(max: usize, patience: Duration) -> Self {
        Self {
            open: HashMap::default(),
            held: None,
            max,
            patience,
        }
    }

    /// Returns whether `frame` is a fragment.
    pub fn is_fragment(frame: &PeerFrame) -> bool {
        (frame.protocol, frame.packet) == (protocol::EXTENSION, mesh::packet::FRAGMENT)
    }

    /// Takes a fragment. `admit` is called once for each frame with its length in bytes, and
    /// returns `None` if there is no room for it.
    ///
    /// # Errors
    ///
    /// [`FragmentError`] if the fragment is malformed or out of place. No overlay node sends that,
    /// and the connection should be closed.
    pub fn take(
        &mut self,
        now: Instant,
        fragment: PeerFrame,
        admit: impl FnOnce(usize) -> Option<H>,
    ) -> Result<Assembled, FragmentError> {
        let (number, mut body) = (fragment.seq, fragment.body);
        let offset = body.try_get_u32().map_err(|_| FragmentError::Malformed)? as usize;
        if offset == 0 {
            return self.first(now, number, body, admit);
        }
        let Some(open) = self.open.get_mut(&number) else {
            return Err(FragmentError::OutOfPlace {
                number,
                offset,
                expected: 0,
            });
        };
        if offset != open.received {
            return Err(FragmentError::OutOfPlace {
                number,
                offset,
                expected: open.received,
            });
        }
        open.add(now, &body)?;
        if open.received < open.total {
            return Ok(Assembled::Nothing);
        }
        let whole = self.open.remove(&number).and_then(PartialFrame::whole);
        let Some((frame, held)) = whole else {
            return Ok(Assembled::Nothing);
        };
        self.held = Some(held);
        Ok(Assembled::Whole(frame))
    }

    /// Returns the value kept for the frame that [`take`](Self::take) completed last, so that the
    /// caller can keep it until the frame is handled. Otherwise it is dropped with the next
    /// complete frame.
    pub fn take_held(&mut self) -> Option<H> {
        self.held.take()
    }

    fn first(
        &mut self,
        now: Instant,
        number: u32,
        mut body: Bytes,
        admit: impl FnOnce(usize) -> Option<H>,
    ) -> Result<Assembled, FragmentError> {
        if body.len() < 14 {
            return Err(FragmentError::Malformed);
        }
        let total = body.get_u32() as usize;
        let mut frame = PeerFrame {
            protocol: body.get_i32(),
            packet: body.get_u16(),
            seq: body.get_u32(),
            body: Bytes::new(),
        };
        if total > self.max {
            let max = self.max;
            return Err(FragmentError::TooLong { len: total, max });
        }
        if Self::is_fragment(&frame) {
            return Err(FragmentError::Malformed);
        }
        if let Some(open) = self.open.get(&number) {
            return Err(FragmentError::OutOfPlace {
                number,
                offset: 0,
                expected: open.received,
            });
        }
        if body.len() == total && total > 0 {
            frame.body = body;
            return Ok(Assembled::Whole(frame));
        }
        if self.open.len() >= MAX_OPEN {
            return Err(FragmentError::TooManyOpen);
        }
        let mut open = PartialFrame {
            frame,
            total,
            received: 0,
            content: admit(total).map(|held| (BytesMut::with_capacity(total), held)),
            heard: now,
        };
        let outcome = if open.content.is_some() {
            Assembled::Nothing
        } else {
            let body = body.clone();
            let frame = PeerFrame {
                body,
                ..open.frame.clone()
            };
            Assembled::Refused { frame, total }
        };
        open.add(now, &body)?;
        self.open.insert(number, open);
        Ok(outcome)
    }

    /// Gives up the frames of which no fragment has arrived for too long. Their bytes are freed,
    /// and later fragments of them are dropped. Returns the number of these frames.
    pub fn give_up(&mut self, now: Instant) -> usize {
        let patience = self.patience;
        let stale = self
            .open
            .values_mut()
            .filter(|open| open.content.is_some())
            .filter(|open| now.saturating_duration_since(open.heard) >= patience);
        stale.map(|open| open.content = None).count()
    }

    /// Returns whether any frame is incomplete.
    pub fn is_busy(&self) -> bool {
        !self.open.is_empty()
    }

    /// Returns the number of bytes held for incomplete frames.
    pub fn bytes(&self) -> usize {
        let held = self.open.values().filter(|open| open.content.is_some());
        held.map(|open| open.received).sum()
    }
}

impl<H> PartialFrame<H> {
    fn add(&mut self, now: Instant, content: &[u8]) -> Result<(), FragmentError> {
        if content.is_empty() || content.len() > self.total - self.received {
            return Err(FragmentError::Malformed);
        }
        self.heard = now;
        self.received += content.len();
        if let Some((held, _)) = &mut self.content {
            held.extend_from_slice(content);
        }
        Ok(())
    }

    fn whole(self) -> Option<(PeerFrame, H)> {
        let (content, held) = self.content?;
        let frame = PeerFrame {
            body: content.freeze(),
            ..self.frame
        };
        Some((frame, held))
    }
}

/// Why fragments cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// The fragment is too short, empty, longer than its frame, or a fragment of a fragment.
    #[error("a malformed fragment; the other side is not an overlay node, or faulty")]
    Malformed,
    /// The fragment does not continue where the previous one of its frame ended.
    #[error(
        "a fragment of frame {number} at byte {offset}, not at {expected}; the other side is faulty"
    )]
    OutOfPlace {
        /// The number of the frame.
        number: u32,
        /// The fragment's offset.
        offset: usize,
        /// The offset at which the next fragment belongs.
        expected: usize,
    },
    /// The frame is over the limit.
    #[error("a frame of {len} bytes in fragments is over the limit of {max}; raise the limit")]
    TooLong {
        /// The length of its body in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Too many frames are incomplete.
    #[error("over {MAX_OPEN} frames are in transit in fragments; the other side is faulty")]
    TooManyOpen,
}

#[cfg(test)]
mod tests;
