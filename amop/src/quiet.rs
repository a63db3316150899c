//! Keeps reports of one's own slowness apart: each says how much there was since the one before.

use std::time::Duration;

use tokio::time::Instant;

/// How long nothing more is logged.
const INTERVAL: Duration = Duration::from_secs(10);

/// Tells whether it may be reported again.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    until: Option<Instant>,
}

impl Quiet {
    /// Whether the interval since the last `true` is over; if so, the next one begins.
    pub(crate) fn is_over(&mut self) -> bool {
        self.is_over_after(INTERVAL)
    }

    /// As [`is_over`](Self::is_over), with an interval of its own.
    pub(crate) fn is_over_after(&mut self, interval: Duration) -> bool {
        let now = Instant::now();
        let over = self.until.is_none_or(|until| until <= now);
        if over {
            self.until = Some(now + interval);
        }
        over
    }
}
