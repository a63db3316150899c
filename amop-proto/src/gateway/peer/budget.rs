//! How fast the texts of one neighbour are read.

use std::time::{Duration, Instant};

/// Bytes of lists and router tables that are read per second.
const PER_SECOND: usize = 1024 * 1024;

/// The most bytes that may be read at once. One longer text may follow.
const AT_ONCE: usize = 8 * 1024 * 1024;

/// The bytes of topic lists and router tables that may be read now. A few bytes cause a text of up
/// to megabytes, and anybody can be named as the source of many.
#[derive(Debug)]
pub(super) struct TextBudget {
    /// The bytes that were read and are not paid for.
    debt: usize,
    at: Instant,
}

impl TextBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self { debt: 0, at: now }
    }

    /// Returns whether another text may be read.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        self.pay(now);
        self.debt < AT_ONCE
    }

    /// Records that a text was read.
    pub(super) fn spend(&mut self, now: Instant, len: usize) {
        self.pay(now);
        self.debt = self.debt.saturating_add(len);
    }

    fn pay(&mut self, now: Instant) {
        /// Shorter times pay nothing, and are not lost.
        const STEP: Duration = Duration::from_millis(1);
        let since = now.saturating_duration_since(self.at);
        if since < STEP {
            return;
        }
        self.at = now;
        let millis = usize::try_from(since.as_millis()).unwrap_or(usize::MAX);
        let paid = millis.saturating_mul(PER_SECOND / 1000);
        self.debt = self.debt.saturating_sub(paid);
    }
}
