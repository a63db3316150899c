//! What waits is not kept in the buffer it was read into.
//!
//! A body is a piece of the buffer its connection was read into, which may be a thousand times as long.
//! That is fine for a moment, and for some. Where much waits, what is kept longer gets memory of its own:
//! once for each message, and not for each of its copies.

use bytes::Bytes;

use super::Router;
use crate::{channel::Frame, node::shares::Pool};

/// Longer bodies keep no more than a few times their length.
const COPIED: usize = 16 * 1024;

/// Where so much is in flight, one part in so many of all that may be, a few times is too much up to this
/// length.
const MUCH: usize = 8;
const COPIED_OF_MUCH: usize = 256 * 1024;

/// So many unicasts in flight may keep the buffers they came in.
const UNICASTS: usize = 256;

/// Up to so many bytes that wait to be written to sessions may.
const QUEUED: usize = 1 << 20;

impl Router {
    /// Of a unicast that is to be in flight.
    pub(super) fn keep_apart(&self, frame: &mut Frame) {
        let used = self.links.shares.used(Pool::InFlightBytes);
        if used > self.limits.in_flight_bytes / MUCH {
            set_apart(frame, COPIED_OF_MUCH);
        } else if self.unicasts.len() >= UNICASTS {
            set_apart(frame, COPIED);
        }
    }

    /// Of a frame that is to be queued for sessions.
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
