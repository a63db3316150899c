//! A rate limit: a burst at once, and then a number per second.

use std::time::{Duration, Instant};

/// A bucket of tokens that fills up over time.
#[derive(Debug, Clone, Copy)]
pub(in crate::node) struct TokenBucket {
    /// The time in which one token is added.
    interval: Duration,
    size: u32,
    /// When it is full again.
    full: Option<Instant>,
}

impl TokenBucket {
    /// Creates a full bucket.
    pub(in crate::node) const fn new(size: u32, interval: Duration) -> Self {
        Self {
            interval,
            size,
            full: None,
        }
    }

    /// Takes `tokens`, if they are there.
    pub(in crate::node) fn take(&mut self, now: Instant, tokens: u32) -> bool {
        let full = self.full_after(now, tokens);
        let there = full <= now + self.interval * self.size;
        if there {
            self.full = Some(full);
        }
        there
    }

    /// Takes a token even if the bucket is empty: later tokens then come later. Never owes more than the
    /// bucket holds.
    pub(in crate::node) fn take_anyway(&mut self, now: Instant) {
        self.owe(now, 1);
    }

    /// Takes `tokens` even if they are not there: like [`take_anyway`](Self::take_anyway).
    pub(in crate::node) fn owe(&mut self, now: Instant, tokens: u32) {
        let most = now + self.interval * self.size * 2;
        self.full = Some(self.full_after(now, tokens.min(2 * self.size)).min(most));
    }

    /// Returns whether the bucket is full.
    pub(in crate::node) fn is_full(&self, now: Instant) -> bool {
        self.full.is_none_or(|full| full <= now)
    }

    fn full_after(&self, now: Instant, tokens: u32) -> Instant {
        self.full.map_or(now, |full| full.max(now)) + self.interval * tokens
    }

    /// Returns when the next token is there; `None` if it certainly is now.
    pub(in crate::node) fn next(&self) -> Option<Instant> {
        let full = self.full?;
        full.checked_sub(self.interval * (self.size - 1))
    }
}

#[cfg(test)]
mod tests;
