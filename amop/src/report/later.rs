//! The timer of delayed reports, which the client's supervisor runs.

use std::{
    convert::Infallible,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// A source of delayed reports.
pub(crate) trait Tell: Send + Sync {
    /// Makes the reports that are due, or all of them at the `end`. Returns when the rest are due.
    fn tell(&self, now: Instant, end: bool) -> Option<Instant>;
}

/// The sources of delayed reports, with the times when they are due. It is locked only for short
/// times, and no other lock is taken meanwhile.
#[derive(Default)]
pub(crate) struct Later {
    waiting: Mutex<Vec<(Instant, Weak<dyn Tell>)>>,
    news: Notify,
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").finish_non_exhaustive()
    }
}

impl Later {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<(Instant, Weak<dyn Tell>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn at(&self, when: Instant, who: Weak<dyn Tell>) {
        self.lock().push((when, who));
        self.news.notify_one();
    }

    /// Makes each report when it is due.
    pub(crate) async fn run(&self) -> Infallible {
        loop {
            let next = self.lock().iter().map(|&(at, _)| at).min();
            let due = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.tell(Instant::now(), false),
                () = self.news.notified() => {}
            }
        }
    }

    /// Makes all reports now.
    pub(crate) fn finish(&self) {
        self.tell(Instant::now(), true);
    }

    fn tell(&self, now: Instant, end: bool) {
        let due: Vec<_> = self
            .lock()
            .extract_if(.., |(at, _)| end || *at <= now)
            .collect();
        for (_, who) in due {
            let again = who.upgrade().and_then(|teller| teller.tell(now, end));
            if let Some(again) = again {
                self.lock().push((again, who));
            }
        }
    }
}
