//! The account of an agency or a key: what it uses, and its rate.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The time between two measurements, while some key uses much.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// A key that uses this much, in nanoseconds, between two measurements uses much: this is a tenth
/// of a processor.
pub(super) const MUCH: u64 = 1_000_000;

/// While no task waits too long, a rate grows by one part in this number per tick: it doubles in
/// about four seconds, so that sessions that use all they get are too much for short moments only.
const GROWS: u64 = 512;

/// A rate that grows to this value is removed.
const NO_RATE: u64 = 4000;

/// The number of ticks over which use is averaged.
const RECENT: u64 = 8;

/// The time that an agency or a key uses, in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// The time used since the last measurement.
    used: AtomicU64,
    /// The recent use: [`RECENT`] times the average use per tick.
    recent: AtomicU64,
    /// The rate in thousandths of a processor. Zero means that there is no limit.
    pub(super) rate: AtomicU64,
    /// When all use so far is paid for, in nanoseconds since the node started.
    paid: AtomicU64,
}

impl Account {
    /// Counts what was used. Returns whether the use of this tick has just become much.
    pub(super) fn spend(&self, now: u64, work: u64) -> bool {
        let before = self.used.fetch_add(work, Ordering::Relaxed);
        let rate = self.rate.load(Ordering::Relaxed);
        if let Some(cost) = work.saturating_mul(1000).checked_div(rate) {
            let pay = |paid: u64| Some(paid.max(now).saturating_add(cost));
            let _ = self
                .paid
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
        }
        before < MUCH && before + work >= MUCH
    }

    /// Returns when all use so far is paid for.
    pub(super) fn due(&self) -> u64 {
        match self.rate.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.paid.load(Ordering::Relaxed),
        }
    }

    /// Ends a measurement of `elapsed` nanoseconds. Returns the average use per tick.
    pub(super) fn look(&self, elapsed: u64) -> u64 {
        let used = self.used.swap(0, Ordering::Relaxed);
        let used = (u128::from(used) * u128::from(nanos(TICK)) / u128::from(elapsed.max(1))) as u64;
        let before = self.recent.load(Ordering::Relaxed);
        let recent = before - before.div_ceil(RECENT) + used;
        self.recent.store(recent, Ordering::Relaxed);
        recent.div_ceil(RECENT)
    }

    /// Returns whether the use is much now.
    pub(super) fn is_much(&self) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        used + self.recent.load(Ordering::Relaxed) / RECENT >= MUCH
    }

    pub(super) fn is_bounded(&self) -> bool {
        self.rate.load(Ordering::Relaxed) > 0
    }

    fn bound(&self, used: u64, floor: u64) {
        let rate = used * 1000 / nanos(TICK);
        let before = self.rate.load(Ordering::Relaxed);
        let most = if before > 0 { before } else { u64::MAX };
        self.rate
            .store(rate.min(most).max(floor), Ordering::Relaxed);
    }

    pub(super) fn grow(&self) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate > 0 {
            let rate = rate + (rate / GROWS).max(1);
            let rate = if rate < NO_RATE { rate } else { 0 };
            self.rate.store(rate, Ordering::Relaxed);
        }
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns how much each may use so that all together use `total`: those who use less than this are
/// not limited.
pub(super) fn level(used: &[u64], total: u64) -> u64 {
    let mut used = used.to_vec();
    used.sort_unstable();
    let (mut left, mut others) = (total, used.len() as u64);
    for used in used {
        let fair = left / others.max(1);
        if used > fair {
            return fair;
        }
        left -= used;
        others -= 1;
    }
    u64::MAX
}

/// Lowers the rates of those who use most, so that one part in `parts` of the total use remains.
/// Returns the indices of those who were limited.
pub(super) fn lower(accounts: &[(&Account, u64)], parts: u64, floor: u64) -> Vec<usize> {
    let used: Vec<u64> = accounts.iter().map(|&(_, used)| used).collect();
    if used.len() < 2 {
        return Vec::new();
    }
    let level = level(&used, used.iter().sum::<u64>() / parts);
    let over = (0..used.len()).filter(|&n| used[n] > level);
    over.inspect(|&n| accounts[n].0.bound(level, floor))
        .collect()
}
