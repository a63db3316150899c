//! Warnings that may be frequent.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use amop_proto::log::{LogLimits, LogThrottle};
use tokio::time::Instant;

use super::later::{Later, Tell};

/// Warnings of one kind: the first ones are logged, the others only counted.
pub(crate) struct Warnings {
    me: Weak<Self>,
    later: Arc<Later>,
    inner: Mutex<ReportState>,
}

#[derive(Debug)]
struct ReportState {
    log: LogThrottle<(), ()>,
    waits: bool,
}

impl fmt::Debug for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warnings").finish_non_exhaustive()
    }
}

impl Warnings {
    pub(crate) fn new(later: &Arc<Later>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            later: Arc::clone(later),
            inner: Mutex::new(ReportState {
                log: LogThrottle::new(LogLimits::default()),
                waits: false,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ReportState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a warning, the `total`th one, within the log's limits.
    pub(crate) fn warn(&self, total: u64, text: impl fmt::Display) {
        let now = Instant::now();
        let mut inner = self.lock();
        let summary = inner.log.summary(now.into_std(), &());
        let line = inner.log.line(now.into_std(), (), (), text);
        let later = inner.log.next_summary().map(Instant::from_std);
        let later = later.filter(|_| !std::mem::replace(&mut inner.waits, true));
        drop(inner);
        if let Some(summary) = summary {
            tracing::warn!("{summary}");
        }
        if let Some(line) = line {
            tracing::warn!(total, "{line}");
        }
        if let Some(later) = later {
            let me: Weak<dyn Tell> = Weak::<Self>::clone(&self.me);
            self.later.at(later, me);
        }
    }

    /// Logs what was held back.
    pub(crate) fn finish(&self) {
        self.tell(Instant::now(), true);
    }
}

impl Tell for Warnings {
    fn tell(&self, now: Instant, end: bool) -> Option<Instant> {
        let mut inner = self.lock();
        let summaries = match end {
            true => inner.log.finish(now.into_std()),
            false => inner.log.summaries(now.into_std()),
        };
        let again = inner.log.next_summary().map(Instant::from_std);
        inner.waits = again.is_some();
        drop(inner);
        for (_, summary) in summaries {
            tracing::warn!("{summary}");
        }
        again
    }
}

#[cfg(test)]
mod tests;
