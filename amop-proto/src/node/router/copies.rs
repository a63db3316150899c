//! Multicasts to very many sessions: their copies are delivered in parts, so that messages of
//! others do not wait long. What the same publisher sends after such a multicast waits behind it,
//! because its messages must arrive in order; messages of others do not wait.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Router, unicast::Origin};
use crate::{
    channel::Frame,
    node::{Lane, SessionId},
};

/// The number of copies delivered for one event: some 300 microseconds.
pub(super) const AT_ONCE: usize = 1024;

/// The pause between two parts, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

/// The number of copies that may wait, and the bytes of their messages, each counted once. Above
/// these limits, copies are delivered at once.
const MOST: usize = 64 * 1024;
const MOST_BYTES: usize = 16 << 20;

/// The copies still to be delivered, the first message first.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingCopies {
    waiting: VecDeque<SessionCopies>,
    copies: usize,
    bytes: usize,
    resume: Option<Instant>,
}

/// A message and the sessions it is for.
#[derive(Debug, Clone)]
struct SessionCopies {
    from: Lane,
    frame: Frame,
    sessions: Vec<SessionId>,
    /// The sessions before this position have it.
    at: usize,
}

impl PendingCopies {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.resume
    }

    fn push(&mut self, spread: SessionCopies) {
        self.copies += spread.sessions.len();
        self.bytes += spread.frame.wire_len();
        self.waiting.push_back(spread);
    }

    fn are_too_many(&self) -> bool {
        self.copies > MOST || self.bytes > MOST_BYTES
    }

    /// Takes copies of the first message.
    fn next(&mut self, most: usize) -> Option<(Frame, Vec<SessionId>)> {
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

impl Router {
    /// Delivers a multicast to sessions.
    #[inline]
    pub(super) fn multicast_to_sessions(
        &mut self,
        now: Instant,
        origin: Origin,
        sessions: &[SessionId],
        frame: &Frame,
    ) {
        if sessions.len() > AT_ONCE || !self.copies.is_empty() {
            return self.multicast_to_many(now, origin.lane(), sessions, frame);
        }
        for &session in sessions {
            self.multicast_to_session(session, frame);
        }
    }

    fn multicast_to_many(
        &mut self,
        now: Instant,
        from: Lane,
        sessions: &[SessionId],
        frame: &Frame,
    ) {
        let waits = self.copies.waiting.iter().any(|spread| spread.from == from);
        if sessions.len() <= AT_ONCE && !waits {
            for &session in sessions {
                self.multicast_to_session(session, frame);
            }
            return;
        }
        self.copies.push(SessionCopies {
            from,
            frame: frame.clone(),
            sessions: sessions.to_vec(),
            at: 0,
        });
        self.hand_out(now);
        while self.copies.are_too_many() {
            self.hand_out(now);
        }
    }

    /// Continues deliveries that were too many at once, when they are due.
    pub(super) fn go_on_handing_out(&mut self, now: Instant) {
        if self.copies.resume.is_some_and(|at| at <= now) {
            self.hand_out(now);
        }
    }

    fn hand_out(&mut self, now: Instant) {
        let mut left = AT_ONCE;
        while left > 0
            && let Some((frame, sessions)) = self.copies.next(left)
        {
            left -= sessions.len();
            for session in sessions {
                self.multicast_to_session(session, &frame);
            }
        }
        let more = !self.copies.is_empty();
        self.copies.resume = more.then(|| now + PAUSE);
    }
}
