//! Fair shares of the processors: sessions that use most of them are read from more slowly while
//! other sessions have to wait.
//!
//! The work that a session causes is estimated from its bytes and from what the machine did for it.
//! The time that tasks wait for a processor is measured, but only while some key uses much. While
//! this time is too long, the agencies that use most, and in each of them the keys that use most,
//! get a rate below what they used. While it is short, rates grow, and are removed in the end. A
//! single agency or key has no rate, because no other one waits. It does not take turns with itself
//! either.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use amop_tls::Standing;
use foldhash::fast::RandomState;
use tokio::{sync::Notify, task::yield_now, time::sleep};

use crate::{
    gate::{Gate, WorkPermit},
    turns::Party,
};

/// The time between two measurements, while some key uses much.
const TICK: Duration = Duration::from_millis(10);

/// A key that uses this much, in nanoseconds, between two measurements uses much: this is a tenth
/// of a processor.
const MUCH: u64 = 1_000_000;

/// Rates are lowered once per this number of ticks, so that the effect is seen first.
const HOLD: u32 = 2;

/// When rates are lowered, at least one part in this number of the use remains, and at most half of
/// it.
const REMAINS: u64 = 20;

/// While no task waits too long, a rate grows by one part in this number per tick: it doubles in
/// about four seconds, so that sessions that use all they get are too much for short moments only.
const GROWS: u64 = 512;

/// The lowest rate of a key, in thousandths of a processor.
const KEY_FLOOR: u64 = 50;

/// The lowest rate of an agency.
const AGENCY_FLOOR: u64 = 100;

/// A rate that grows to this value is removed.
const NO_RATE: u64 = 4000;

/// The longest pause in reading: the other side must not appear to be silent.
const LONGEST: Duration = Duration::from_secs(1);

/// The number of ticks over which use is averaged.
const RECENT: u64 = 8;

/// A key counts as alone when no other key has used anything for this number of ticks. This is
/// longer than the time between two heartbeats of a client.
const ALONE: u32 = 1500;

/// Nanoseconds for a byte that was read over TLS.
const BYTE: u64 = 1;

/// Nanoseconds for a byte of text that was read or written.
const TEXT_BYTE: u64 = 20;

/// Nanoseconds for a step of the machine.
const STEP: u64 = 200;

type KeyHash = [u8; 32];

/// How much of the node's time each agency and key uses.
#[derive(Debug)]
pub(crate) struct Efforts {
    start: Instant,
    /// The longest acceptable time that tasks wait for a processor.
    patience: Duration,
    agencies: Mutex<HashMap<KeyHash, AgencyAccount, RandomState>>,
    /// Notified when a key uses much.
    busy: Notify,
    /// Whether several keys have used something lately. Only in this case does a key that uses much
    /// give way.
    several: AtomicBool,
    /// The places to work for sessions whose keys use much.
    gate: Gate,
}

#[derive(Debug, Default)]
struct AgencyAccount {
    account: Arc<Account>,
    keys: HashMap<KeyHash, KeyAccount, RandomState>,
}

#[derive(Debug, Default)]
struct KeyAccount {
    account: Arc<Account>,
    sessions: usize,
}

/// The time that an agency or a key uses, in nanoseconds.
#[derive(Debug, Default)]
struct Account {
    /// The time used since the last measurement.
    used: AtomicU64,
    /// The recent use: [`RECENT`] times the average use per tick.
    recent: AtomicU64,
    /// The rate in thousandths of a processor. Zero means that there is no limit.
    rate: AtomicU64,
    /// When all use so far is paid for, in nanoseconds since the node started.
    paid: AtomicU64,
}

impl Account {
    /// Counts what was used. Returns whether the use of this tick has just become much.
    fn spend(&self, now: u64, work: u64) -> bool {
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
    fn due(&self) -> u64 {
        match self.rate.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.paid.load(Ordering::Relaxed),
        }
    }

    /// Ends a measurement of `elapsed` nanoseconds. Returns the average use per tick.
    fn look(&self, elapsed: u64) -> u64 {
        let used = self.used.swap(0, Ordering::Relaxed);
        let used = (u128::from(used) * u128::from(nanos(TICK)) / u128::from(elapsed.max(1))) as u64;
        let before = self.recent.load(Ordering::Relaxed);
        let recent = before - before.div_ceil(RECENT) + used;
        self.recent.store(recent, Ordering::Relaxed);
        recent.div_ceil(RECENT)
    }

    /// Whether the use is much now.
    fn is_much(&self) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        used + self.recent.load(Ordering::Relaxed) / RECENT >= MUCH
    }

    fn is_bounded(&self) -> bool {
        self.rate.load(Ordering::Relaxed) > 0
    }

    fn bound(&self, used: u64, floor: u64) {
        let rate = used * 1000 / nanos(TICK);
        let before = self.rate.load(Ordering::Relaxed);
        let most = if before > 0 { before } else { u64::MAX };
        self.rate
            .store(rate.min(most).max(floor), Ordering::Relaxed);
    }

    fn grow(&self) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate > 0 {
            let rate = rate + (rate / GROWS).max(1);
            let rate = if rate < NO_RATE { rate } else { 0 };
            self.rate.store(rate, Ordering::Relaxed);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns how much each may use so that all together use `total`: those who use less than this are
/// not limited.
fn level(used: &[u64], total: u64) -> u64 {
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
fn lower(accounts: &[(&Account, u64)], parts: u64, floor: u64) -> Vec<usize> {
    let used: Vec<u64> = accounts.iter().map(|&(_, used)| used).collect();
    if used.len() < 2 {
        return Vec::new();
    }
    let level = level(&used, used.iter().sum::<u64>() / parts);
    let over = (0..used.len()).filter(|&n| used[n] > level);
    over.inspect(|&n| accounts[n].0.bound(level, floor))
        .collect()
}

/// What to do with the rates.
enum RateChange {
    Grow,
    /// The last change has not had its effect yet.
    Wait,
    /// Lower the use to one part in this number.
    Lower(u64),
}

/// The measured waiting time of tasks.
#[derive(Debug, Default)]
struct TaskLag {
    /// The average wait.
    lag: Duration,
    /// Ticks since rates were lowered.
    ticks: u32,
    /// Ticks in which at most one key used anything.
    alone: u32,
}

impl TaskLag {
    /// Ends a tick. Returns what to do with the rates.
    fn look(&mut self, lag: Duration, patience: Duration) -> RateChange {
        self.lag = (self.lag + lag) / 2;
        self.ticks += 1;
        if self.lag <= patience {
            return RateChange::Grow;
        }
        if self.ticks < HOLD {
            return RateChange::Wait;
        }
        self.ticks = 0;
        let parts = nanos(self.lag) / nanos(patience).max(1);
        RateChange::Lower(parts.clamp(2, REMAINS))
    }
}

impl Efforts {
    /// Creates an empty table; at most `places` sessions whose keys use much work at once.
    pub(crate) fn new(patience: Duration, places: usize) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            patience,
            agencies: Mutex::default(),
            busy: Notify::new(),
            several: AtomicBool::new(false),
            gate: Gate::new(places),
        })
    }

    /// Opens the account of a session; it lasts as long as the result.
    pub(crate) fn session(self: &Arc<Self>, standing: &Standing) -> Effort {
        self.session_of(standing.agency_digest(), standing.key_digest())
    }

    fn session_of(self: &Arc<Self>, agency: KeyHash, key: KeyHash) -> Effort {
        let mut agencies = self.agencies();
        let of_agency = agencies.entry(agency).or_default();
        let of_key = of_agency.keys.entry(key).or_default();
        of_key.sessions += 1;
        Effort {
            key_account: of_key.account.clone(),
            agency_account: of_agency.account.clone(),
            names: (agency, key),
            efforts: self.clone(),
        }
    }

    fn agencies(&self) -> MutexGuard<'_, HashMap<KeyHash, AgencyAccount, RandomState>> {
        self.agencies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adjusts rates so that tasks do not wait for long; never returns.
    pub(crate) async fn watch(&self) {
        loop {
            self.busy.notified().await;
            let mut waiting = TaskLag::default();
            loop {
                let began = Instant::now();
                sleep(TICK).await;
                // This task runs again after all tasks that are ready now. Timers are too coarse to
                // measure this.
                let since = Instant::now();
                yield_now().await;
                if !self.look(&mut waiting, since.elapsed(), began.elapsed()) {
                    break;
                }
            }
        }
    }

    /// Ends a tick. Returns whether there is reason to look again.
    fn look(&self, waiting: &mut TaskLag, lag: Duration, elapsed: Duration) -> bool {
        let elapsed = nanos(elapsed);
        let mut agencies = self.agencies();
        let mut active = Vec::new();
        let mut busy = false;
        for agency in agencies.values() {
            let accounts = agency.keys.values().map(|key| &*key.account);
            let keys: Vec<(&Account, u64)> = accounts.map(|key| (key, key.look(elapsed))).collect();
            busy |= keys
                .iter()
                .any(|&(key, used)| used >= MUCH || key.is_bounded());
            let used = agency.account.look(elapsed);
            busy |= agency.account.is_bounded();
            if used > 0 {
                let keys: Vec<_> = keys.into_iter().filter(|&(_, used)| used > 0).collect();
                active.push(((&*agency.account, used), keys));
            }
        }
        let keys: usize = active.iter().map(|(_, keys)| keys.len()).sum();
        waiting.alone = if keys > 1 { 0 } else { waiting.alone + 1 };
        if keys > 1 || waiting.alone >= ALONE {
            self.several.store(keys > 1, Ordering::Relaxed);
        }
        match waiting.look(lag, self.patience) {
            RateChange::Lower(parts) => {
                let (accounts, keys): (Vec<_>, Vec<_>) = active.into_iter().unzip();
                let over = match accounts.len() {
                    1 => vec![0],
                    _ => lower(&accounts, parts, AGENCY_FLOOR),
                };
                for agency in over {
                    lower(&keys[agency], parts, KEY_FLOOR);
                }
            }
            RateChange::Grow => {
                for agency in agencies.values() {
                    agency.account.grow();
                    agency.keys.values().for_each(|key| key.account.grow());
                }
                agencies.retain(|_, agency| {
                    let keys = &mut agency.keys;
                    keys.retain(|_, key| key.sessions > 0 || key.account.is_bounded());
                    !keys.is_empty() || agency.account.is_bounded()
                });
            }
            RateChange::Wait => {}
        }
        busy
    }

    fn now(&self) -> u64 {
        nanos(self.start.elapsed())
    }
}

/// The account of one session.
#[derive(Debug)]
pub(crate) struct Effort {
    key_account: Arc<Account>,
    agency_account: Arc<Account>,
    names: (KeyHash, KeyHash),
    efforts: Arc<Efforts>,
}

/// Work done for a session in one step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WorkDone {
    /// Bytes that were read.
    pub(crate) bytes: usize,
    /// Bytes of text that were read or written.
    pub(crate) text: usize,
    /// Steps of the machine.
    pub(crate) steps: usize,
}

impl WorkDone {
    fn nanos(self) -> u64 {
        let of = |count: usize, each: u64| (count as u64).saturating_mul(each);
        of(self.bytes, BYTE)
            .saturating_add(of(self.text, TEXT_BYTE))
            .saturating_add(of(self.steps, STEP))
    }
}

impl Effort {
    /// Counts the work, and returns how long to pause reading.
    pub(crate) fn spend(&self, work: WorkDone) -> Duration {
        self.spend_at(self.efforts.now(), work.nanos())
    }

    /// Whether its key uses much now while other keys use something, too.
    pub(crate) fn is_much(&self) -> bool {
        self.key_account.is_much() && self.efforts.several.load(Ordering::Relaxed)
    }

    /// Waits for a turn to work for the session, if its key uses much: only a few such sessions
    /// work at once, and sessions that use little do not wait for them.
    pub(crate) async fn turn(&self, party: Party) -> Option<Worker> {
        if !self.is_much() {
            return None;
        }
        let turn = self.efforts.gate.turn(party).await;
        Some(Worker {
            turn,
            since: Instant::now(),
        })
    }

    fn spend_at(&self, now: u64, work: u64) -> Duration {
        if self.key_account.spend(now, work) {
            self.efforts.busy.notify_one();
        }
        self.agency_account.spend(now, work);
        let due = self.key_account.due().max(self.agency_account.due());
        Duration::from_nanos(due.saturating_sub(now)).min(LONGEST)
    }
}

/// A place to work, held by a session whose key uses much.
#[derive(Debug)]
pub(crate) struct Worker {
    turn: WorkPermit,
    since: Instant,
}

impl Worker {
    /// Whether others wait for their turn.
    pub(crate) fn is_crowded(&self) -> bool {
        self.turn.is_crowded()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let micros = self.since.elapsed().as_micros();
        self.turn
            .costs(usize::try_from(micros).unwrap_or(usize::MAX));
    }
}

impl Drop for Effort {
    fn drop(&mut self) {
        let (agency_name, key_name) = &self.names;
        let mut agencies = self.efforts.agencies();
        let Some(agency) = agencies.get_mut(agency_name) else {
            return;
        };
        if let Some(key) = agency.keys.get_mut(key_name) {
            key.sessions -= 1;
            // A rate stays, so that connecting again does not remove it.
            if key.sessions == 0 && !key.account.is_bounded() {
                agency.keys.remove(key_name);
            }
        }
        if agency.keys.is_empty() && !agency.account.is_bounded() {
            agencies.remove(agency_name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(20);

    /// A simulated node whose time advances in ticks. Tasks wait while more is used than there is.
    struct Ticks {
        efforts: Arc<Efforts>,
        waiting: TaskLag,
        now: u64,
    }

    /// A user of up to `wants` nanoseconds per tick, and what it used in the last tick.
    struct User {
        session: Effort,
        wants: u64,
        free_at: u64,
        used: u64,
    }

    impl Ticks {
        fn new() -> Self {
            Self {
                efforts: Efforts::new(Duration::from_millis(3), 1),
                waiting: TaskLag::default(),
                now: 0,
            }
        }

        fn user(&self, agency: u8, key: u8, wants: u64) -> User {
            User {
                session: self.efforts.session_of([agency; 32], [key; 32]),
                wants,
                free_at: 0,
                used: 0,
            }
        }

        fn run(&mut self, ticks: u32, capacity: u64, users: &mut [User]) {
            for _ in 0..ticks {
                let mut all = 0;
                for user in &mut *users {
                    user.used = 0;
                    // In pieces, like reads.
                    let piece = (user.wants / 20).max(1);
                    for step in 0..20 {
                        let now = self.now + step * nanos(TICK) / 20;
                        if user.free_at <= now && user.used < user.wants {
                            let pause = user.session.spend_at(now, piece);
                            user.free_at = now + nanos(pause);
                            user.used += piece;
                        }
                    }
                    all += user.used;
                }
                let lag = if all > capacity { LONG } else { Duration::ZERO };
                self.efforts.look(&mut self.waiting, lag, TICK);
                self.now += nanos(TICK);
            }
        }
    }

    fn rate(user: &User) -> u64 {
        user.session.key_account.rate.load(Ordering::Relaxed)
    }

    #[test]
    fn a_level_takes_from_those_who_use_most() {
        assert_eq!(level(&[10, 100, 1], 80), 69);
        assert_eq!(level(&[50, 50], 70), 35);
        assert_eq!(level(&[1, 2], 10), u64::MAX);
        assert_eq!(level(&[], 10), u64::MAX);
    }

    #[test]
    fn one_who_uses_all_gives_way_and_gets_it_back() {
        let mut ticks = Ticks::new();
        let mut users = [ticks.user(1, 1, 20_000_000), ticks.user(1, 2, 100_000)];
        ticks.run(300, 10_000_000, &mut users);
        assert!(users[0].used <= 10_000_000, "{}", users[0].used);
        assert!(users[0].used >= 1_000_000, "{}", users[0].used);
        assert_eq!((users[1].used, rate(&users[1])), (100_000, 0));
        // From here there is enough for both again.
        ticks.run(3000, 100_000_000, &mut users);
        assert_eq!((users[0].used, rate(&users[0])), (20_000_000, 0));
    }

    #[test]
    fn one_who_is_alone_uses_not_too_much() {
        let mut ticks = Ticks::new();
        let mut users = [ticks.user(1, 1, 20_000_000), ticks.user(1, 2, 100_000)];
        ticks.run(3, 100_000_000, &mut users[..1]);
        assert!(!users[0].session.is_much());
        ticks.run(3, 100_000_000, &mut users);
        assert!(users[0].session.is_much() && !users[1].session.is_much());
        // The others may come back in a moment.
        ticks.run(ALONE, 100_000_000, &mut users[..1]);
        assert!(users[0].session.is_much());
        ticks.run(100, 100_000_000, &mut users[..1]);
        assert!(!users[0].session.is_much());
    }

    #[test]
    fn nobody_gives_way_to_nobody() {
        let mut ticks = Ticks::new();
        // Another key is connected, and silent.
        let mut users = [ticks.user(1, 1, 20_000_000), ticks.user(1, 2, 0)];
        ticks.run(300, 10_000_000, &mut users[..1]);
        assert_eq!((users[0].used, rate(&users[0])), (20_000_000, 0));
    }

    #[test]
    fn many_keys_of_an_agency_do_not_outweigh_another_agency() {
        let mut ticks = Ticks::new();
        let mut users: Vec<User> = (0..20).map(|key| ticks.user(1, key, 1_000_000)).collect();
        users.push(ticks.user(2, 100, 1_000_000));
        ticks.run(300, 10_000_000, &mut users);
        let (honest, hogs) = users.split_last().unwrap();
        assert_eq!((honest.used, rate(honest)), (1_000_000, 0));
        let all: u64 = hogs.iter().map(|hog| hog.used).sum();
        assert!(all <= 11_000_000, "{all}");
    }

    #[test]
    fn the_lowest_rate_is_not_nothing_however_long_tasks_wait() {
        let mut ticks = Ticks::new();
        let mut users = [ticks.user(1, 1, 5_000_000), ticks.user(1, 2, 100_000)];
        ticks.run(300, 0, &mut users);
        assert_eq!(rate(&users[0]), KEY_FLOOR);
        // There is enough for those who use little.
        assert_eq!(users[1].used, 100_000);
    }

    #[test]
    fn accounts_go_with_their_sessions_and_rates_stay() {
        let mut ticks = Ticks::new();
        let mut users = [ticks.user(1, 1, 20_000_000), ticks.user(1, 2, 100_000)];
        ticks.run(100, 10_000_000, &mut users);
        let before = rate(&users[0]);
        assert!(before > 0);
        drop(users);
        let again = ticks.user(1, 1, 0);
        assert_eq!(rate(&again), before);
        drop(again);
        ticks.run(3000, 10_000_000, &mut []);
        assert!(ticks.efforts.agencies().is_empty());
    }
}
