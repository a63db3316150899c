//! Hands multicasts to sessions.

use std::time::{Duration, Instant};

use super::{
    Multicasts,
    copies::{AT_ONCE, SessionCopies},
};
use crate::{
    channel::Frame,
    node::{
        Lane, SessionId,
        router::{ends::Origin, outbound::Outbound},
    },
};

/// The pause between two parts, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

impl Multicasts {
    /// Delivers a multicast to sessions.
    #[inline]
    pub(in crate::node::router) fn multicast_to_sessions(
        &mut self,
        out: &mut Outbound,
        now: Instant,
        origin: Origin,
        sessions: &[SessionId],
        frame: &Frame,
    ) {
        if sessions.len() > AT_ONCE || !self.copies.is_empty() {
            return self.multicast_to_many(out, now, origin.lane(), sessions, frame);
        }
        for &session in sessions {
            out.multicast_to_session(session, frame);
        }
    }

    fn multicast_to_many(
        &mut self,
        out: &mut Outbound,
        now: Instant,
        from: Lane,
        sessions: &[SessionId],
        frame: &Frame,
    ) {
        let waits = self.copies.waiting.iter().any(|spread| spread.from == from);
        if sessions.len() <= AT_ONCE && !waits {
            for &session in sessions {
                out.multicast_to_session(session, frame);
            }
            return;
        }
        self.copies.push(SessionCopies {
            from,
            frame: frame.clone(),
            sessions: sessions.to_vec(),
            at: 0,
        });
        self.hand_out(out, now);
        while self.copies.are_too_many() {
            self.hand_out(out, now);
        }
    }

    /// Continues deliveries that were too many at once, when they are due.
    pub(in crate::node::router) fn go_on_handing_out(&mut self, out: &mut Outbound, now: Instant) {
        if self.copies.resume.is_some_and(|at| at <= now) {
            self.hand_out(out, now);
        }
    }

    fn hand_out(&mut self, out: &mut Outbound, now: Instant) {
        let mut left = AT_ONCE;
        while left > 0
            && let Some((frame, sessions)) = self.copies.next(left)
        {
            left -= sessions.len();
            for session in sessions {
                out.multicast_to_session(session, &frame);
            }
        }
        let more = !self.copies.is_empty();
        self.copies.resume = more.then(|| now + PAUSE);
    }
}
