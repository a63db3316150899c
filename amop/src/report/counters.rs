//! What a client counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// One count. It only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts of a client since its start. [`ClientStats`](crate::ClientStats) says what each of
/// them means.
#[derive(Debug, Default)]
pub(crate) struct ClientCounters {
    pub(crate) unicasts: Count,
    pub(crate) multicasts: Count,
    pub(crate) answered: Count,
    pub(crate) confirmed: Count,
    pub(crate) not_sent: Count,
    pub(crate) no_subscriber: Count,
    pub(crate) not_taken: Count,
    pub(crate) refused: Count,
    pub(crate) timed_out: Count,
    pub(crate) lost: Count,
    pub(crate) cancelled: Count,
    pub(crate) received: Count,
    pub(crate) duplicates: Count,
    pub(crate) dropped: Count,
    pub(crate) turned_away: Count,
    pub(crate) undecodable: Count,
    pub(crate) connections_made: Count,
    pub(crate) connections_lost: Count,
    pub(crate) connections_failed: Count,
    pub(crate) bytes_sent: Count,
    pub(crate) bytes_received: Count,
}
