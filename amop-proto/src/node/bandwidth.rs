//! How much a node may send to other nodes: bytes per second. The caller passes the time in.

use std::time::{Duration, Instant};

use super::after;

/// Unused bandwidth of this much time is saved up and may be used at once later.
const BURST: Duration = Duration::from_secs(1);

/// A limit in bytes per second, stored as the time until which all of it is used up.
#[derive(Debug, Clone)]
pub(super) struct Bandwidth {
    /// `None`: there is no limit.
    bytes_per_second: Option<u64>,
    spent_until: Option<Instant>,
}

impl Bandwidth {
    pub(super) fn new(bytes_per_second: Option<u64>) -> Self {
        Self {
            bytes_per_second,
            spent_until: None,
        }
    }

    /// Takes the right to send `bytes`; returns `false` if that is too much now. A message longer
    /// than one second's worth may go if nothing was sent for a second, and then nothing else may
    /// follow until it is paid for.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let Some(rate) = self.bytes_per_second else {
            return true;
        };
        let cost = time_for(bytes, rate);
        let spent_until = self.spent_until.map_or(now, |until| until.max(now));
        if spent_until.duration_since(now) + cost.min(BURST) > BURST {
            return false;
        }
        self.spent_until = Some(after(spent_until, cost));
        true
    }
}

fn time_for(bytes: usize, rate: u64) -> Duration {
    let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_goes_at_once_and_the_rest_at_the_rate() {
        let (mut bandwidth, start) = (Bandwidth::new(Some(1000)), Instant::now());
        for _ in 0..10 {
            assert!(bandwidth.take(start, 100));
        }
        assert!(!bandwidth.take(start, 1));
        let later = start + Duration::from_millis(99);
        assert!(!bandwidth.take(later, 100));
        assert!(bandwidth.take(later, 99), "what was refused cost nothing");
        // After any idle time, no more than one second's worth has been saved up.
        let later = start + Duration::from_secs(100);
        assert!(bandwidth.take(later, 1000));
        assert!(!bandwidth.take(later, 1));
    }

    #[test]
    fn a_long_message_goes_alone_and_is_paid_for() {
        let (mut bandwidth, start) = (Bandwidth::new(Some(1000)), Instant::now());
        assert!(bandwidth.take(start, 1));
        assert!(!bandwidth.take(start, 5000));
        let start = start + Duration::from_millis(1);
        assert!(bandwidth.take(start, 5000));
        assert!(!bandwidth.take(start + Duration::from_millis(4000), 1));
        assert!(bandwidth.take(start + Duration::from_millis(4001), 1));
    }

    #[test]
    fn absurd_numbers_do_no_harm() {
        let now = Instant::now();
        for rate in [0, 1, u64::MAX] {
            let mut bandwidth = Bandwidth::new(Some(rate));
            assert!(bandwidth.take(now, usize::MAX));
            assert!(bandwidth.take(now + Duration::from_secs(1 << 33), 0));
        }
        assert!(Bandwidth::new(None).take(now, usize::MAX));
    }
}
