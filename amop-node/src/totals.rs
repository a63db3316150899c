//! Collects a node's counters, and logs them.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::{core::Core, stats::Stats};

/// Counters that changed are logged this often.
const LOG: Duration = Duration::from_secs(60);

impl Core {
    pub(crate) fn stats(&self) -> Stats {
        let messages = self.lock().machine.router().counters();
        self.refusals.stats(messages)
    }

    /// Logs the counters that changed, once a minute; never returns.
    pub(crate) async fn log_stats(&self) {
        let mut logged = self.stats();
        let mut minutes = interval(LOG);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        minutes.tick().await;
        loop {
            minutes.tick().await;
            let now = self.stats();
            let changes = now.changes_since(&logged);
            if !changes.is_empty() {
                tracing::info!("in the last minute: {changes}");
            }
            logged = now;
        }
    }

    /// Logs all counters that are not 0.
    pub(crate) fn log_totals(&self) {
        let totals = self.stats().changes_since(&Stats::default());
        if !totals.is_empty() {
            tracing::info!("since the start: {totals}");
        }
    }
}
