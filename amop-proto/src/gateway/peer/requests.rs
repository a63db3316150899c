//! The unicasts that wait for an answer.

use std::{collections::BTreeSet, time::Instant};

use crate::{gateway::id::GatewayId, hash::HashMap};

#[derive(Debug)]
struct Waiting<T> {
    to: GatewayId,
    deadline: Instant,
    token: T,
}

#[derive(Debug)]
pub(super) struct Requests<T> {
    by_seq: HashMap<u32, Waiting<T>>,
    by_deadline: BTreeSet<(Instant, u32)>,
}

impl<T> Requests<T> {
    pub(super) fn new() -> Self {
        Self {
            by_seq: HashMap::default(),
            by_deadline: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_seq.len()
    }

    /// Returns whether a unicast has this number.
    pub(super) fn contains(&self, seq: u32) -> bool {
        self.by_seq.contains_key(&seq)
    }

    pub(super) fn insert(&mut self, seq: u32, to: GatewayId, deadline: Instant, token: T) {
        let waiting = Waiting {
            to,
            deadline,
            token,
        };
        self.by_deadline.insert((deadline, seq));
        if let Some(replaced) = self.by_seq.insert(seq, waiting) {
            self.by_deadline.remove(&(replaced.deadline, seq));
        }
    }

    /// Returns whom the unicast with this number was sent to.
    pub(super) fn asked(&self, seq: u32) -> Option<GatewayId> {
        self.by_seq.get(&seq).map(|waiting| waiting.to)
    }

    pub(super) fn take(&mut self, seq: u32) -> Option<T> {
        let waiting = self.by_seq.remove(&seq)?;
        self.by_deadline.remove(&(waiting.deadline, seq));
        Some(waiting.token)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Takes one unicast whose deadline has passed, the earliest first.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<T> {
        let (deadline, seq) = *self.by_deadline.first()?;
        (deadline <= now).then(|| self.take(seq)).flatten()
    }

    /// Takes one unicast, the one with the earliest deadline.
    pub(super) fn take_any(&mut self) -> Option<T> {
        let (_, seq) = *self.by_deadline.first()?;
        self.take(seq)
    }
}
