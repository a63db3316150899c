//! How fast one connection may have texts read and written: those are worth more of the node's time than
//! messages are.

use std::time::{Duration, Instant};

/// So much may be used at once after a pause: what an SDK has to say when it connects is far less.
const BURST: Duration = Duration::from_secs(8);

/// A rate of bytes, kept as the moment until which all of them have been used.
#[derive(Debug)]
pub(crate) struct Pace {
    /// `None`: there is no bound.
    bytes_per_second: Option<u64>,
    used_until: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: usize) -> Self {
        Self {
            bytes_per_second: Some((bytes_per_second as u64).max(1)),
            used_until: None,
        }
    }

    pub(crate) fn none() -> Self {
        Self {
            bytes_per_second: None,
            used_until: None,
        }
    }

    /// Counts so many bytes, which have been used. `now` is asked for if that is any.
    pub(crate) fn spend<T: Into<Instant>>(&mut self, now: impl FnOnce() -> T, bytes: usize) {
        let Some(rate) = self.bytes_per_second.filter(|_| bytes > 0) else {
            return;
        };
        let now = now().into();
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let until = self.used_until.map_or(now, |until| until.max(now));
        // What is added is of one frame, or one answer, which have limits of their own.
        self.used_until = until.checked_add(cost).or(Some(until));
    }

    /// Until when nothing more is to be used; `None` if that is not later than now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        let at = self.used_until?.checked_sub(BURST)?;
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
        pace.spend(|| start, 8000);
        assert_eq!(pace.next(start), None);
        pace.spend(|| start, 500);
        let later = start + Duration::from_millis(500);
        assert_eq!(pace.next(start), Some(later));
        assert_eq!(pace.next(later), None);
        // However long it was quiet, no more than a burst has been saved.
        let later = start + Duration::from_secs(100);
        pace.spend(|| later, 9000);
        assert_eq!(pace.next(later), Some(later + Duration::from_secs(1)));
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
