//! A request for the topics or the router table of another node.

use std::time::Instant;

use crate::gateway::config::ASK_AGAIN;

/// The request that was sent last.
///
/// Nothing proves who wrote an answer, so that a forged one may arrive before the true one. So the
/// first answer does not end the request: all that arrive within [`ASK_AGAIN`] count, and the last
/// one is valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    at: Instant,
    number: u32,
    is_answered: bool,
}

impl Asked {
    /// Creates the record of a request that is sent because the other node announced this number.
    pub(super) fn new(now: Instant, number: u32) -> Self {
        Self {
            at: now,
            number,
            is_answered: false,
        }
    }

    /// Returns the number because of which the request was sent.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Returns whether it is too early to ask again.
    pub(super) fn waits(&self, now: Instant) -> bool {
        !self.is_answered && self.is_recent(now)
    }

    /// Records an answer. Returns whether it is one, and not too late after the first one.
    pub(super) fn answer(&mut self, now: Instant) -> bool {
        let counts = !self.is_answered || self.is_recent(now);
        self.is_answered = true;
        counts
    }

    /// Lets the request count as not answered, so that the other node is asked again, but not at once.
    pub(super) fn reopen(&mut self) {
        self.is_answered = false;
    }

    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < ASK_AGAIN
    }
}
