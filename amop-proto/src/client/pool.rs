//! Decides which endpoints to connect to, and when to try again.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// A connection that lasted this long was good: earlier failures of its endpoint are forgotten.
const STABLE: Duration = Duration::from_secs(5);

/// The settings of a [`EndpointPool`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolConfig {
    /// The number of connections to keep; further endpoints are spares. At least 1.
    pub target: usize,
    /// The pause after an endpoint's first failure, without jitter. It doubles with each further
    /// failure.
    pub first_pause: Duration,
    /// The longest pause.
    pub max_pause: Duration,
    /// The number of failures in a row after which an endpoint is still tried again; the loss of
    /// its connection counts as a failure. `None` for any number.
    pub retries: Option<u32>,
}

impl PoolConfig {
    /// Returns settings for this many connections, with pauses of 1 s to 20 s and any number of
    /// failures.
    pub fn new(target: usize) -> Self {
        Self {
            target,
            first_pause: Duration::from_secs(1),
            max_pause: Duration::from_secs(20),
            retries: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndpointState {
    /// It may be tried from this instant on.
    Idle(Instant),
    Dialing,
    Up(Instant),
    GivenUp,
}

#[derive(Debug)]
struct Slot {
    state: EndpointState,
    /// The number of failures in a row.
    failures: u32,
}

/// Decides which of a client's endpoints to dial and when, and which connection carries the next
/// message. Endpoints are identified by their index. It owns no clock: instants are passed in.
///
/// After a failure there is a pause of half to all of `first_pause * 2^n`, at most `max_pause`.
/// Endpoints with the fewest failures are dialled first, so spares come before an endpoint that has
/// just failed.
#[derive(Debug)]
pub struct EndpointPool {
    config: PoolConfig,
    rng: StdRng,
    slots: Vec<Slot>,
    /// The index at which the search among equally busy connections continues.
    next: usize,
}

impl EndpointPool {
    /// Creates a pool of `endpoints` endpoints, none of them connected. `seed` decides the jitter.
    pub fn new(config: PoolConfig, endpoints: usize, seed: [u8; 32], now: Instant) -> Self {
        let slots = (0..endpoints).map(|_| Slot {
            state: EndpointState::Idle(now),
            failures: 0,
        });
        Self {
            config: PoolConfig {
                target: config.target.max(1),
                ..config
            },
            rng: StdRng::from_seed(seed),
            slots: slots.collect(),
            next: 0,
        }
    }

    /// Returns the next endpoint to dial now. From then on it counts as being dialled.
    pub fn take_due(&mut self, now: Instant) -> Option<usize> {
        if self.busy() >= self.config.target {
            return None;
        }
        let due = |slot: &Slot| matches!(slot.state, EndpointState::Idle(at) if at <= now);
        let (index, _) = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| due(slot))
            .min_by_key(|(_, slot)| slot.failures)?;
        self.slots[index].state = EndpointState::Dialing;
        Some(index)
    }

    /// Returns when [`take_due`](Self::take_due) next has an endpoint, if only time decides this.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.busy() >= self.config.target {
            return None;
        }
        let times = self.slots.iter().filter_map(|slot| match slot.state {
            EndpointState::Idle(at) => Some(at),
            _ => None,
        });
        times.min()
    }

    /// Records that the endpoint is connected and ready.
    pub fn up(&mut self, index: usize, now: Instant) {
        self.slots[index].state = EndpointState::Up(now);
    }

    /// Records that dialling failed, or that the connection was lost. Returns the pause after which
    /// the endpoint may be tried again; `None` if it is given up.
    pub fn failed(&mut self, index: usize, now: Instant) -> Option<Duration> {
        self.failed_for(index, now, Duration::ZERO)
    }

    /// Does the same as [`failed`](Self::failed), with a pause of at least `least` from the second failure
    /// in a row on. With jitter it is up to twice as long.
    pub fn failed_for(&mut self, index: usize, now: Instant, least: Duration) -> Option<Duration> {
        let slot = &mut self.slots[index];
        if matches!(slot.state, EndpointState::Up(since) if since + STABLE <= now) {
            slot.failures = 0;
        }
        slot.failures = slot.failures.saturating_add(1);
        if self.config.retries.is_some_and(|most| slot.failures > most) {
            slot.state = EndpointState::GivenUp;
            return None;
        }
        let doublings = (slot.failures - 1).min(31);
        let longest = self
            .config
            .first_pause
            .saturating_mul(1 << doublings)
            .min(self.config.max_pause);
        // Without jitter all clients of a node that restarts would reconnect at the same moment.
        let least = match slot.failures {
            1 => Duration::ZERO,
            _ => least.saturating_mul(2),
        };
        let longest = longest.max(least);
        let pause = longest.mul_f64(self.rng.random_range(0.5..=1.0));
        slot.state = EndpointState::Idle(now + pause);
        Some(pause)
    }

    /// Returns whether all endpoints are given up.
    pub fn is_over(&self) -> bool {
        self.slots
            .iter()
            .all(|slot| slot.state == EndpointState::GivenUp)
    }

    /// Chooses a connection; `loads` has index and messages in flight for each. It takes the least
    /// busy one, and rotates among equally busy ones.
    pub fn pick(&mut self, loads: impl IntoIterator<Item = (usize, usize)>) -> Option<usize> {
        let count = self.slots.len();
        let (index, _) = loads
            .into_iter()
            .min_by_key(|&(index, load)| (load, (index + count - self.next) % count))?;
        self.next = (index + 1) % count;
        Some(index)
    }

    fn busy(&self) -> usize {
        let busy =
            |slot: &&Slot| matches!(slot.state, EndpointState::Dialing | EndpointState::Up(_));
        self.slots.iter().filter(busy).count()
    }
}
