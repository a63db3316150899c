//! Which endpoints to be connected to, and when to try again.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// A connection that lived this long was a good one: its endpoint's failures are forgotten.
const STABLE: Duration = Duration::from_secs(5);

/// What a [`Pool`] is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// Connections to have at a time; endpoints beyond that are spares. At least 1.
    pub target: usize,
    /// The pause after an endpoint's first failure, jitter aside. It doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub max_pause: Duration,
    /// Failures of an endpoint in a row, the loss of its connection among them, that are followed
    /// by another try; `None` for any number.
    pub retries: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It may be tried from then on.
    Idle(Instant),
    Dialing,
    Up(Instant),
    GivenUp,
}

#[derive(Debug)]
struct Slot {
    state: State,
    /// Failures in a row.
    failures: u32,
}

/// Decides which of a client's endpoints, known by their index, to dial and when, and which
/// connection is next to carry a message. Owns no clock: instants come in.
///
/// A failure is followed by a pause of half to all of `first_pause * 2^n`, at most `max_pause`.
/// Endpoints that failed least are dialled first, so spares come before what has just failed.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    rng: StdRng,
    slots: Vec<Slot>,
    /// Where picking goes on among connections that are equally busy.
    next: usize,
}

impl Pool {
    /// A pool of `endpoints` endpoints, none of them connected. `seed` decides the jitter.
    pub fn new(config: PoolConfig, endpoints: usize, seed: [u8; 32], now: Instant) -> Self {
        let slots = (0..endpoints).map(|_| Slot {
            state: State::Idle(now),
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

    /// The next endpoint to dial now, which counts as being dialled from here on.
    pub fn take_due(&mut self, now: Instant) -> Option<usize> {
        if self.busy() >= self.config.target {
            return None;
        }
        let due = |slot: &Slot| matches!(slot.state, State::Idle(at) if at <= now);
        let (index, _) = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| due(slot))
            .min_by_key(|(_, slot)| slot.failures)?;
        self.slots[index].state = State::Dialing;
        Some(index)
    }

    /// When [`take_due`](Self::take_due) has something next, if time alone decides.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.busy() >= self.config.target {
            return None;
        }
        let times = self.slots.iter().filter_map(|slot| match slot.state {
            State::Idle(at) => Some(at),
            _ => None,
        });
        times.min()
    }

    /// The endpoint is connected and ready.
    pub fn up(&mut self, index: usize, now: Instant) {
        self.slots[index].state = State::Up(now);
    }

    /// Dialling failed, or the connection was lost. Returns after what pause the endpoint may be
    /// tried again; `None` if it is given up.
    pub fn failed(&mut self, index: usize, now: Instant) -> Option<Duration> {
        let slot = &mut self.slots[index];
        if matches!(slot.state, State::Up(since) if since + STABLE <= now) {
            slot.failures = 0;
        }
        slot.failures = slot.failures.saturating_add(1);
        if self.config.retries.is_some_and(|most| slot.failures > most) {
            slot.state = State::GivenUp;
            return None;
        }
        let doublings = (slot.failures - 1).min(31);
        let longest = self
            .config
            .first_pause
            .saturating_mul(1 << doublings)
            .min(self.config.max_pause);
        // All clients of a node that restarts would otherwise come back at one moment.
        let pause = longest.mul_f64(self.rng.random_range(0.5..=1.0));
        slot.state = State::Idle(now + pause);
        Some(pause)
    }

    /// Whether every endpoint is given up.
    pub fn is_over(&self) -> bool {
        self.slots.iter().all(|slot| slot.state == State::GivenUp)
    }

    /// Chooses among connections, given as index and messages in flight: the least busy one, in
    /// turn among equals.
    pub fn pick(&mut self, loads: impl IntoIterator<Item = (usize, usize)>) -> Option<usize> {
        let count = self.slots.len();
        let (index, _) = loads
            .into_iter()
            .min_by_key(|&(index, load)| (load, (index + count - self.next) % count))?;
        self.next = (index + 1) % count;
        Some(index)
    }

    fn busy(&self) -> usize {
        let busy = |slot: &&Slot| matches!(slot.state, State::Dialing | State::Up(_));
        self.slots.iter().filter(busy).count()
    }
}
