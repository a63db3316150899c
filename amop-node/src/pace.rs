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
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_what_follows_is_paid_for() {
        let start = Instant::now();
        let mut pace = Pace::new(1000);
        assert_eq!(pace.next(start), None);
        pace.spend(|| start, 2000);
        assert_eq!(pace.next(start), None);
        pace.spend(|| start, 500);
        let later = start + Duration::from_millis(500);
        assert_eq!(pace.next(start), Some(later));
        assert_eq!(pace.next(later), None);
        // After a pause of any length, at most one burst is saved.
        let later = start + Duration::from_secs(100);
        pace.spend(|| later, 3000);
        assert_eq!(pace.next(later), Some(later + Duration::from_secs(1)));
    }

    #[test]
    fn connections_with_one_key_have_a_pace_together() {
        let (start, paces) = (Instant::now(), Arc::<Paces>::default());
        // Each of them has some burst left when all of them together have none.
        let mut many: Vec<Pace> = (0..100).map(|_| paces.of_one(1, 1000)).collect();
        for pace in &mut many {
            pace.spend(|| start, 800);
        }
        let last = many.last_mut().unwrap();
        // 80,000 bytes at 2,000 a second, of which 1 s was saved.
        assert_eq!(last.next(start), Some(start + Duration::from_secs(39)));
        let mut other = paces.of_one(2, 1000);
        other.spend(|| start, 800);
        assert_eq!(other.next(start), None);
    }

    #[test]
    fn nothing_is_kept_of_keys_that_owe_nothing() {
        let (start, paces) = (Instant::now(), Arc::<Paces>::default());
        for key in 0..10 * KEYS as u64 {
            let now = start + Duration::from_secs(key);
            paces.of_one(key, 1000).spend(|| now, 1000);
        }
        assert!(paces.lock().of.len() <= KEYS);
    }

    #[test]
    fn messages_cost_nothing_and_other_connections_have_no_bound() {
        let start = Instant::now();
        let mut pace = Pace::new(1);
        pace.spend(|| -> Instant { unreachable!("no need to know") }, 0);
        assert_eq!(pace.next(start), None);
        let mut pace = Pace::none();
        pace.spend(|| start, usize::MAX);
        assert_eq!(pace.next(start), None);
        let mut pace = Pace::new(0);
        pace.spend(|| start, usize::MAX);
        assert!(pace.next(start).is_some());
    }
}
