//! Stored messages do not keep the buffer that they were read into.
//!
//! A body is a slice of its connection's read buffer, which may be a thousand times as long. This
//! is acceptable for a moment, and for a few messages. When much waits, stored bodies get memory of
//! their own: once for each message, not for each of its copies.

use bytes::Bytes;

use super::Outbound;
use crate::channel::Frame;

/// Bodies longer than this keep a buffer only a few times their length.
const COPIED: usize = 16 * 1024;

/// When more than one part in `MUCH` of the in-flight limit is used, buffers a few times too large
/// cost too much, so bodies up to `COPIED_OF_MUCH` are copied.
const MUCH: usize = 8;
const COPIED_OF_MUCH: usize = 256 * 1024;

/// The number of unicasts in flight that may keep the buffers they came in.
const UNICASTS: usize = 256;

/// The number of bytes waiting for sessions up to which frames may keep their buffers.
const QUEUED: usize = 1 << 20;

/// Copies the body of a unicast that is about to be in flight, if necessary: `used` of `limit`
/// bytes are in flight now, in `count` unicasts.
pub(in crate::node::router) fn keep_in_flight(
    frame: &mut Frame,
    (used, limit): (usize, usize),
    count: usize,
) {
    if used > limit / MUCH {
        set_apart(frame, COPIED_OF_MUCH);
    } else if count >= UNICASTS {
        set_apart(frame, COPIED);
    }
}

impl Outbound {
    /// Copies the body of a frame that is about to be queued for sessions, if necessary.
    pub(in crate::node::router) fn queue_apart(&self, frame: &mut Frame) {
        if self.session_bytes() > QUEUED {
            set_apart(frame, COPIED);
        }
    }
}

fn set_apart(frame: &mut Frame, most: usize) {
    if frame.body.len() <= most {
        frame.body = Bytes::copy_from_slice(&frame.body);
    }
}
