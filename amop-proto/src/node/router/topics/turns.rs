//! The order of turns: agencies take turns, then the certificate keys of each, then the sessions of
//! each key.

use std::{collections::VecDeque, hash::Hash};

use crate::{
    hash::HashMap,
    node::{SessionId, shares::HolderId},
};

/// A session that has something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionTurn {
    /// The place of its agency.
    pub(super) agency: usize,
    pub(super) holder: HolderId,
    pub(super) session: SessionId,
}

/// Sessions with something to do.
#[derive(Debug, Clone, Default)]
pub(super) struct SessionTurns {
    agencies: VecDeque<usize>,
    holders: HashMap<usize, VecDeque<HolderId>>,
    sessions: HashMap<HolderId, VecDeque<SessionId>>,
}

impl SessionTurns {
    pub(super) fn is_empty(&self) -> bool {
        self.agencies.is_empty()
    }

    /// Puts a job behind the others of its key, its agency and all, or before them.
    pub(super) fn push(&mut self, job: SessionTurn, first: bool) {
        if !put(&mut self.sessions, job.holder, job.session, first) {
            return;
        }
        if !put(&mut self.holders, job.agency, job.holder, first) {
            return;
        }
        match first {
            true => self.agencies.push_front(job.agency),
            false => self.agencies.push_back(job.agency),
        }
    }

    /// Takes the job whose turn it is.
    pub(super) fn pop(&mut self) -> Option<SessionTurn> {
        let agency = self.agencies.pop_front()?;
        let (holder, _) = take(&mut self.holders, agency)?;
        let (session, more) = take(&mut self.sessions, holder)?;
        if more {
            put(&mut self.holders, agency, holder, false);
        }
        if self.holders.contains_key(&agency) {
            self.agencies.push_back(agency);
        }
        Some(SessionTurn {
            agency,
            holder,
            session,
        })
    }
}

/// Adds an item to a key's queue. Returns whether it is the only one there.
fn put<K: Hash + Eq, T>(all: &mut HashMap<K, VecDeque<T>>, key: K, one: T, first: bool) -> bool {
    let of_key = all.entry(key).or_default();
    match first {
        true => of_key.push_front(one),
        false => of_key.push_back(one),
    }
    of_key.len() == 1
}

/// Takes the first item of a key's queue. Also returns whether there are more.
fn take<K: Hash + Eq, T>(all: &mut HashMap<K, VecDeque<T>>, key: K) -> Option<(T, bool)> {
    let of_key = all.get_mut(&key)?;
    let one = of_key.pop_front()?;
    let more = !of_key.is_empty();
    if !more {
        all.remove(&key);
    }
    Some((one, more))
}
