//! The requests that are answered individually.

use std::{hash::Hash, time::Instant};

use super::RefusalReason;
use crate::{TopicName, channel::Seq, hash::HashMap};

#[derive(Debug)]
struct PendingRequest<T, W> {
    what: W,
    deadline: Instant,
    token: T,
    /// The length of its frame in bytes.
    len: usize,
}

/// A request that has ended, with the length of its frame.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    pub(crate) token: T,
    pub(crate) len: usize,
}

/// Requests by seq, with what was asked: usually the topic.
#[derive(Debug)]
pub(crate) struct Requests<T, W = TopicName, K = Seq> {
    by_seq: HashMap<K, PendingRequest<T, W>>,
    /// No request expires before this. A request that set it may have been answered since.
    earliest: Option<Instant>,
}

impl<T, W, K: Hash + Ord> Requests<T, W, K> {
    pub(crate) fn new() -> Self {
        Self {
            by_seq: HashMap::default(),
            earliest: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_seq.len()
    }

    pub(crate) fn is_free(&self, seq: &K) -> Result<(), RefusalReason> {
        if self.by_seq.contains_key(seq) {
            return Err(RefusalReason::SeqInUse);
        }
        Ok(())
    }

    pub(crate) fn insert(
        &mut self,
        seq: K,
        what: W,
        deadline: Instant,
        Ended { token, len }: Ended<T>,
    ) {
        let request = PendingRequest {
            what,
            deadline,
            token,
            len,
        };
        self.by_seq.insert(seq, request);
        lower(&mut self.earliest, deadline);
    }

    pub(crate) fn take(&mut self, seq: &K) -> Option<(W, Ended<T>)> {
        let request = self.by_seq.remove(seq)?;
        if self.by_seq.is_empty() {
            self.earliest = None;
        }
        let PendingRequest { token, len, .. } = request;
        Some((request.what, Ended { token, len }))
    }

    /// Returns when to call [`take_expired`](Self::take_expired): something may have expired then.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.earliest
    }

    /// Takes the requests that have expired, in the order of their deadlines.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Vec<T> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let expired = self.take_if(|request| request.deadline <= now);
        let expired = expired.into_iter().map(|ended| ended.token).collect();
        self.earliest = self.by_seq.values().map(|request| request.deadline).min();
        expired
    }

    /// Takes all requests, in the order of their deadlines.
    pub(crate) fn take_all(&mut self) -> Vec<Ended<T>> {
        self.earliest = None;
        self.take_if(|_| true)
    }

    fn take_if(&mut self, which: impl Fn(&PendingRequest<T, W>) -> bool) -> Vec<Ended<T>> {
        let taken = self.by_seq.extract_if(|_, request| which(request));
        let mut taken: Vec<_> = taken.collect();
        // The order of a hash map differs from run to run.
        taken.sort_unstable_by(|(seq, a), (other, b)| (a.deadline, seq).cmp(&(b.deadline, other)));
        let ended = taken.into_iter().map(|(_, request)| {
            let PendingRequest { token, len, .. } = request;
            Ended { token, len }
        });
        ended.collect()
    }
}

/// Lowers a lower bound of deadlines, if the new deadline is earlier.
pub(super) fn lower(earliest: &mut Option<Instant>, deadline: Instant) {
    if earliest.is_none_or(|earliest| deadline < earliest) {
        *earliest = Some(deadline);
    }
}

#[cfg(test)]
mod tests;
