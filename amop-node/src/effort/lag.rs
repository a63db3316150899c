//! How long tasks wait for a processor, and what to do about it.

use std::time::Duration;

use super::account::nanos;

/// Rates are lowered once per this number of ticks, so that the effect is seen first.
const HOLD: u32 = 2;

/// When rates are lowered, at least one part in this number of the use remains, and at most half of
/// it.
const REMAINS: u64 = 20;

/// What to do with the rates.
pub(super) enum RateChange {
    Grow,
    /// The last change has not had its effect yet.
    Wait,
    /// Lower the use to one part in this number.
    Lower(u64),
}

/// The measured waiting time of tasks.
#[derive(Debug, Default)]
pub(super) struct TaskLag {
    /// The average wait.
    lag: Duration,
    /// Ticks since rates were lowered.
    ticks: u32,
    /// Ticks in which at most one key used anything.
    pub(super) alone: u32,
}

impl TaskLag {
    /// Ends a tick. Returns what to do with the rates.
    pub(super) fn look(&mut self, lag: Duration, patience: Duration) -> RateChange {
        self.lag = (self.lag + lag) / 2;
        self.ticks += 1;
        if self.lag <= patience {
            return RateChange::Grow;
        }
        if self.ticks < HOLD {
            return RateChange::Wait;
        }
        self.ticks = 0;
        let parts = nanos(self.lag) / nanos(patience).max(1);
        RateChange::Lower(parts.clamp(2, REMAINS))
    }
}
