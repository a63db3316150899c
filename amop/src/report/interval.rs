//! A limit on how often a warning is logged.

use std::time::Duration;

use tokio::time::Instant;

/// The time between two warnings.
const INTERVAL: Duration = Duration::from_secs(10);

/// Says whether a warning may be logged again.
#[derive(Debug, Default)]
pub(crate) struct WarningInterval {
    until: Option<Instant>,
}

impl WarningInterval {
    /// Returns whether the interval since the last `true` has passed; if so, the next one begins.
    pub(crate) fn is_over(&mut self) -> bool {
        self.is_over_after(INTERVAL)
    }

    /// As [`is_over`](Self::is_over), with another interval.
    pub(crate) fn is_over_after(&mut self, interval: Duration) -> bool {
        let now = Instant::now();
        let over = self.until.is_none_or(|until| until <= now);
        if over {
            self.until = Some(now + interval);
        }
        over
    }
}
