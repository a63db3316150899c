//! How fast one connection may have texts read and written: a byte of text costs the node more time
//! than a byte of a message.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;

/// The amount that may be used at once after a pause. An SDK needs less than this when it connects.
const BURST: Duration = Duration::from_secs(2);

/// All connections with the same key together get this many times the rate of one connection,
/// however many they are.
const OF_A_KEY: usize = 2;

/// The amount that all connections with the same key may use at once: the same number of bytes as
/// for one connection.
const BURST_OF_A_KEY: Duration = Duration::from_secs(1);

/// The number of keys that are kept before keys without debt are removed.
const KEYS: usize = 1024;

/// A rate in bytes, stored as the time at which everything used so far is paid for.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// The rate; `None` means that there is no limit.
    bytes_per_second: Option<u64>,
    burst: Duration,
    used_until: Option<Instant>,
    /// The shared pace of its key, and when the connection may go on by that pace.
    shared: Option<(Arc<Paces>, u64)>,
    shared_until: Option<Instant>,
}

/// The shared paces of all keys.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<KeyPaces>);

#[derive(Debug, Default)]
struct KeyPaces {
    of: HashMap<u64, Pace, RandomState>,
    look_at: usize,
}

impl Paces {
    fn lock(&self) -> MutexGuard<'_, KeyPaces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the pace of a connection with this key.
    pub(crate) fn of_one(self: &Arc<Self>, key: u64, bytes_per_second: usize) -> Pace {
        Pace {
            shared: Some((self.clone(), key)),
            ..Pace::new(bytes_per_second)
        }
    }

    fn spend(&self, key: u64, rate: u64, now: Instant, bytes: usize) -> Option<Instant> {
        let mut keys = self.lock();
        if keys.of.len() >= keys.look_at.max(KEYS) {
            keys.of
                .retain(|_, pace| pace.used_until.is_some_and(|until| until > now));
            keys.look_at = 2 * keys.of.len();
        }
        let rate = rate.saturating_mul(OF_A_KEY as u64);
        let pace = keys.of.entry(key).or_insert_with(|| Pace {
            burst: BURST_OF_A_KEY,
            ..Pace::new(usize::try_from(rate).unwrap_or(usize::MAX))
        });
        pace.spend(|| now, bytes);
        pace.next(now)
    }
}

impl Pace {
    pub(crate) fn new(bytes_per_second: usize) -> Self {
        Self {
            bytes_per_second: Some((bytes_per_second as u64).max(1)),
            burst: BURST,
            used_until: None,
            shared: None,
            shared_until: None,
        }
    }

    pub(crate) fn none() -> Self {
        Self {
            bytes_per_second: None,
            burst: BURST,
            used_until: None,
            shared: None,
            shared_until: None,
        }
    }

    /// Counts `bytes` that have been used. Calls `now` only if `bytes` is not 0.
    pub(crate) fn spend<T: Into<Instant>>(&mut self, now: impl FnOnce() -> T, bytes: usize) {
        let Some(rate) = self.bytes_per_second.filter(|_| bytes > 0) else {
            return;
        };
        let now = now().into();
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let until = self.used_until.map_or(now, |until| until.max(now));
        // The cost added is that of one frame or one answer, whose lengths are limited.
        self.used_until = until.checked_add(cost).or(Some(until));
        if let Some((paces, key)) = &self.shared {
            self.shared_until = paces.spend(*key, rate, now, bytes);
        }
    }

    /// Returns when more may be used; `None` if this is not later than `now`.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        let own = self
            .used_until
            .and_then(|until| until.checked_sub(self.burst));
        let at = own.max(self.shared_until)?;
        (at > now).then_some(at)
    }
}

#[cfg(test)]
mod tests;
