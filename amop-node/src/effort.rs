//! Fair shares of the processors: sessions that use most of them are read from more slowly while
//! other sessions have to wait.
//!
//! The work that a session causes is estimated from its bytes and from what the machine did for it.
//! The time that tasks wait for a processor is measured, but only while some key uses much. While
//! this time is too long, the agencies that use most, and in each of them the keys that use most,
//! get a rate below what they used. While it is short, rates grow, and are removed in the end. A
//! single agency or key has no rate, because no other one waits. It does not take turns with itself
//! either.

mod account;
mod lag;
#[cfg(test)]
mod tests;
mod work;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use amop_proto::node::SessionIdentity;
use foldhash::fast::RandomState;
use tokio::{sync::Notify, task::yield_now, time::sleep};

pub(crate) use self::work::WorkDone;
use self::{
    account::{Account, MUCH, TICK, lower, nanos},
    lag::{RateChange, TaskLag},
};
use crate::{
    gate::{Gate, WorkPermit},
    turns::Party,
};

/// The lowest rate of a key, in thousandths of a processor.
const KEY_FLOOR: u64 = 50;

/// The lowest rate of an agency.
const AGENCY_FLOOR: u64 = 100;

/// The longest pause in reading: the other side must not appear to be silent.
const LONGEST: Duration = Duration::from_secs(1);

/// A key counts as alone when no other key has used anything for this number of ticks. This is
/// longer than the time between two heartbeats of a client.
const ALONE: u32 = 1500;

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
    pub(crate) fn session(self: &Arc<Self>, sdk: SessionIdentity) -> Effort {
        self.session_of(sdk.agency, sdk.key)
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

impl Effort {
    /// Counts the work, and returns how long to pause reading.
    pub(crate) fn spend(&self, work: WorkDone) -> Duration {
        self.spend_at(self.efforts.now(), work.nanos())
    }

    /// Returns whether its key uses much now while other keys use something, too.
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

/// A place to work, held by a session whose key uses much.
#[derive(Debug)]
pub(crate) struct Worker {
    turn: WorkPermit,
    since: Instant,
}

impl Worker {
    /// Returns whether others wait for their turn.
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
