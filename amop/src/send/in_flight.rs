//! The number of messages that are being published.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// A counter of the messages that are being published.
#[derive(Debug, Default)]
pub(crate) struct InFlightCounter {
    count: AtomicUsize,
    none: Notify,
}

impl InFlightCounter {
    /// Counts one message until the returned value is dropped.
    pub(crate) fn one(&self) -> Counted<'_> {
        self.add();
        Counted(self)
    }

    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, messages: usize) {
        if self.count.fetch_sub(messages, Ordering::AcqRel) == messages {
            self.none.notify_waiters();
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until no message is being published.
    pub(crate) async fn over(&self) {
        let mut none = pin!(self.none.notified());
        loop {
            // Enabled before the check of the count, so that no notification is missed.
            none.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            none.as_mut().await;
            none.set(self.none.notified());
        }
    }
}

pub(crate) struct Counted<'a>(&'a InFlightCounter);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.remove(1);
    }
}
