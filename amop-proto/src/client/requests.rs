//! The requests that wait for an answer, by seq and by deadline.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use super::RefusedWhy;
use crate::{TopicName, channel::Seq};

#[derive(Debug)]
struct Request<T> {
    topic: TopicName,
    deadline: Instant,
    token: T,
}

#[derive(Debug)]
pub(super) struct Requests<T> {
    by_seq: HashMap<Seq, Request<T>>,
    /// The same requests in the order they expire, which also is the order they fail in when the
    /// session closes: a hash map's own order would differ from run to run.
    by_deadline: BTreeSet<(Instant, Seq)>,
}

impl<T> Requests<T> {
    pub(super) fn new() -> Self {
        Self {
            by_seq: HashMap::new(),
            by_deadline: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_seq.len()
    }

    pub(super) fn is_free(&self, seq: &Seq) -> Result<(), RefusedWhy> {
        if self.by_seq.contains_key(seq) {
            return Err(RefusedWhy::SeqInUse);
        }
        Ok(())
    }

    pub(super) fn insert(&mut self, seq: Seq, topic: TopicName, deadline: Instant, token: T) {
        let request = Request {
            topic,
            deadline,
            token,
        };
        self.by_seq.insert(seq, request);
        self.by_deadline.insert((deadline, seq));
    }

    pub(super) fn take(&mut self, seq: &Seq) -> Option<(TopicName, T)> {
        let request = self.by_seq.remove(seq)?;
        self.by_deadline.remove(&(request.deadline, *seq));
        Some((request.topic, request.token))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// The request that expires first, if it has expired.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<T> {
        self.next_deadline().filter(|deadline| *deadline <= now)?;
        self.take_first()
    }

    /// The request that expires first.
    pub(super) fn take_first(&mut self) -> Option<T> {
        let (_, seq) = self.by_deadline.pop_first()?;
        self.by_seq.remove(&seq).map(|request| request.token)
    }
}
