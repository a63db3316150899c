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
mod tests;
