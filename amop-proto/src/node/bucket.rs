//! A rate limit: how often something may be done in a time. The caller passes the time in.

use std::time::{Duration, Instant};

use super::after;

/// A number of things per second, with a burst, stored as the time until which all of them are used
/// up.
#[derive(Debug, Clone)]
pub(super) struct RateBucket {
    /// The time that one thing costs.
    cost: Duration,
    /// The time that can be saved up.
    burst: Duration,
    used_until: Option<Instant>,
}

impl RateBucket {
    /// Creates a bucket that allows `burst` at once, and `per_second` from then on.
    pub(super) fn new(per_second: usize, burst: usize) -> Self {
        let cost = Duration::from_secs(1) / u32::try_from(per_second.max(1)).unwrap_or(u32::MAX);
        // With a cost of zero, the bucket would never be used up.
        let cost = cost.max(Duration::from_nanos(1));
        Self {
            cost,
            burst: times(cost, burst.max(1)),
            used_until: None,
        }
    }

    fn used(&self, now: Instant) -> Duration {
        let until = self.used_until.map_or(now, |until| until.max(now));
        until.duration_since(now)
    }

    /// Returns how many may be used now.
    pub(super) fn available(&self, now: Instant) -> usize {
        let left = self.burst.saturating_sub(self.used(now));
        usize::try_from(left.as_nanos() / self.cost.as_nanos()).unwrap_or(usize::MAX)
    }

    /// Uses `count`, even if fewer are available: the difference is missing later.
    pub(super) fn spend(&mut self, now: Instant, count: usize) {
        let until = self.used_until.map_or(now, |until| until.max(now));
        self.used_until = Some(after(until, times(self.cost, count)));
    }

    /// Returns the time when `count` may be used, or when the bucket is full if `count` is more
    /// than a burst.
    pub(super) fn ready_at(&self, now: Instant, count: usize) -> Instant {
        let wanted = times(self.cost, count).min(self.burst);
        let over = (self.used(now) + wanted).saturating_sub(self.burst);
        after(now, over)
    }
}

fn times(cost: Duration, count: usize) -> Duration {
    let nanos = cost.as_nanos().saturating_mul(count as u128);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
