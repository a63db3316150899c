//! Multicasts to very many sessions: their copies are handed out a part at a time, so that messages of
//! others do not wait long for it. What one publisher sends after such a multicast waits behind it, since
//! its messages arrive in their order; what others send does not.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Router, unicast::Origin};
use crate::{
    channel::Frame,
    node::{Lane, SessionId},
};

/// So many copies are handed out for one event: some 300 microseconds.
pub(super) const AT_ONCE: usize = 1024;

/// Between two parts others have their turn.
const PAUSE: Duration = Duration::from_millis(1);

/// So many copies wait at most, and so many bytes of messages, of which each counts once. What is more is
/// handed out at once.
const MOST: usize = 64 * 1024;
const MOST_BYTES: usize = 16 << 20;

/// What is still to be handed out, the first message first.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies {
    waiting: VecDeque<Spread>,
    copies: usize,
    bytes: usize,
    resume: Option<Instant>,
}

/// A message and those it is for.
#[derive(Debug, Clone)]
struct Spread {
    from: Lane,
    frame: Frame,
    sessions: Vec<SessionId>,
    /// Those before this one have it.
    at: usize,
}

impl Copies {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.resume
    }

    fn push(&mut self, spread: Spread) {
        self.copies += spread.sessions.len();
        self.bytes += spread.frame.wire_len();
        self.waiting.push_back(spread);
    }

    fn are_too_many(&self) -> bool {
        self.copies > MOST || self.bytes > MOST_BYTES
    }

    /// Takes some of the first message's.
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
    /// Hands a multicast out to sessions.
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
        self.copies.push(Spread {
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

    /// Goes on with what was too much at once, when it is time.
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
