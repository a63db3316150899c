//! Stored messages do not keep the buffer that they were read into.
//!
//! A body is a slice of its connection's read buffer, which may be a thousand times as long. This
//! is acceptable for a moment, and for a few messages. When much waits, stored bodies get memory of
//! their own: once for each message, not for each of its copies.

use bytes::Bytes;

use super::Router;
use crate::{channel::Frame, node::shares::Resource};

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

impl Router {
    /// Copies the body of a unicast that is about to be in flight, if necessary.
    pub(super) fn keep_apart(&self, frame: &mut Frame) {
        let used = self.links.shares.used(Resource::InFlightBytes);
        if used > self.limits.in_flight_bytes / MUCH {
            set_apart(frame, COPIED_OF_MUCH);
        } else if self.unicasts.len() >= UNICASTS {
            set_apart(frame, COPIED);
        }
    }

    /// Copies the body of a frame that is about to be queued for sessions, if necessary.
    pub(super) fn queue_apart(&self, frame: &mut Frame) {
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
