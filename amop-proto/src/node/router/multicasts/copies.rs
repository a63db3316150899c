//! Multicasts to very many sessions: their copies are delivered in parts, so that messages of
//! others do not wait long. What the same publisher sends after such a multicast waits behind it,
//! because its messages must arrive in order; messages of others do not wait.

use std::{collections::VecDeque, time::Instant};

use crate::{
    channel::Frame,
    node::{Lane, SessionId},
};

/// The number of copies delivered for one event: some 300 microseconds.
pub(super) const AT_ONCE: usize = 1024;

/// The number of copies that may wait, and the bytes of their messages, each counted once. Above
/// these limits, copies are delivered at once.
const MOST: usize = 64 * 1024;
const MOST_BYTES: usize = 16 << 20;

/// The copies still to be delivered, the first message first.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingCopies {
    pub(super) waiting: VecDeque<SessionCopies>,
    copies: usize,
    bytes: usize,
    pub(super) resume: Option<Instant>,
}

/// A message and the sessions it is for.
#[derive(Debug, Clone)]
pub(super) struct SessionCopies {
    pub(super) from: Lane,
    pub(super) frame: Frame,
    pub(super) sessions: Vec<SessionId>,
    /// The sessions before this position have it.
    pub(super) at: usize,
}

impl PendingCopies {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.resume
    }

    pub(super) fn push(&mut self, spread: SessionCopies) {
        self.copies += spread.sessions.len();
        self.bytes += spread.frame.wire_len();
        self.waiting.push_back(spread);
    }

    pub(super) fn are_too_many(&self) -> bool {
        self.copies > MOST || self.bytes > MOST_BYTES
    }

    /// Takes copies of the first message.
    pub(super) fn next(&mut self, most: usize) -> Option<(Frame, Vec<SessionId>)> {
        let spread = self.waiting.front_mut()?;
        let end = spread.sessions.len().min(spread.at + most);
        let part = spread.sessions[spread.at..end].to_vec();
        spread.at = end;
        self.copies -= part.len();
        let frame = spread.frame.clone();
        if end == spread.sessions.len() {
            self.bytes -= frame.wire_len();
            self.waiting.pop_front();
        }
        Some((frame, part))
    }
}
