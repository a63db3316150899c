//! The multicasts that wait for their confirmation, on a session whose node understands quiet
//! multicasts.
//!
//! The node handles frames in order and answers a quiet multicast only if it refuses it. So an
//! answer to any multicast, even a refusal, confirms all earlier ones that were not refused.

use std::{collections::VecDeque, time::Instant};

use super::requests::{Ended, lower};
use crate::channel::{NO_ACK, Seq};

/// One in this many multicasts asks for an answer, however fast they are sent.
const MAX_QUIET: usize = 64;

/// The maximum number of bytes of multicasts that are sent before one asks for an answer.
const MAX_QUIET_BYTES: usize = 64 * 1024;

#[derive(Debug)]
struct Multicast<T> {
    seq: Seq,
    deadline: Instant,
    /// `None` once it was cancelled or expired. The entry stays in its place, since its answer
    /// still confirms those before it.
    token: Option<T>,
    /// The length of its frame in bytes.
    len: usize,
}

#[derive(Debug)]
pub(super) struct SentMulticasts<T> {
    /// In the order in which they were sent. The first one has its token.
    sent: VecDeque<Multicast<T>>,
    /// The number of entries with a token.
    waiting: usize,
    /// No multicast expires before this. A multicast that set it may have been confirmed since.
    earliest: Option<Instant>,
    /// The number of multicasts since the last one that asked for an answer.
    quiet: usize,
    quiet_bytes: usize,
    /// The position of the last multicast's result field in the bytes to transmit, if it is quiet.
    last_quiet: Option<usize>,
}

impl<T> SentMulticasts<T> {
    pub(super) fn new() -> Self {
        Self {
            sent: VecDeque::new(),
            waiting: 0,
            earliest: None,
            quiet: 0,
            quiet_bytes: 0,
            last_quiet: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn contains(&self, seq: &Seq) -> bool {
        self.waiting(seq).is_some()
    }

    fn waiting(&self, seq: &Seq) -> Option<usize> {
        // A cancelled multicast was usually sent recently, so the search begins at the end. Only a
        // message that is sent again is searched for among all, which is rare.
        let waits = |sent: &Multicast<T>| sent.seq == *seq && sent.token.is_some();
        self.sent.iter().rposition(waits)
    }

    /// Records a multicast of `len` bytes that is about to be sent. Returns the result to send it
    /// with; the result field will be at position `at` of the bytes to transmit.
    pub(super) fn push(
        &mut self,
        seq: Seq,
        deadline: Instant,
        token: T,
        len: usize,
        at: usize,
    ) -> i32 {
        self.sent.push_back(Multicast {
            seq,
            deadline,
            token: Some(token),
            len,
        });
        self.waiting += 1;
        lower(&mut self.earliest, deadline);
        self.quiet += 1;
        self.quiet_bytes += len;
        if self.quiet >= MAX_QUIET || self.quiet_bytes >= MAX_QUIET_BYTES {
            self.asked();
            return 0;
        }
        self.last_quiet = Some(at);
        NO_ACK
    }

    fn asked(&mut self) {
        (self.quiet, self.quiet_bytes, self.last_quiet) = (0, 0, None);
    }

    /// Records that all bytes are transmitted now. Returns the position of a result field that must
    /// be set to 0 first, so that the last multicast asks for an answer.
    pub(super) fn transmitted(&mut self) -> Option<usize> {
        let last_quiet = self.last_quiet;
        if last_quiet.is_some() {
            self.asked();
        }
        last_quiet
    }

    /// Handles the node's answer to a multicast. Passes the tokens of all earlier ones to
    /// `confirmed`. Returns the multicast's token, `None` if nothing waits for it any more, and the
    /// length of the longest frame that this confirms; returns `None` if the multicast is unknown.
    pub(super) fn answered(
        &mut self,
        seq: &Seq,
        mut confirmed: impl FnMut(T),
    ) -> Option<(Option<T>, usize)> {
        // The entries before it are removed below, so each entry is looked at about once, unless a
        // node sends answers to unknown multicasts.
        let at = self.sent.iter().position(|sent| sent.seq == *seq)?;
        let mut longest = self.sent[at].len;
        for sent in self.sent.drain(..at) {
            longest = longest.max(sent.len);
            if let Some(token) = sent.token {
                self.waiting -= 1;
                confirmed(token);
            }
        }
        let token = self.sent.pop_front().and_then(|sent| sent.token);
        self.waiting -= usize::from(token.is_some());
        self.tidy();
        Some((token, longest))
    }

    pub(super) fn cancel(&mut self, seq: &Seq) -> Option<T> {
        let at = self.waiting(seq)?;
        let token = self.sent[at].token.take();
        self.waiting -= usize::from(token.is_some());
        self.tidy();
        token
    }

    /// Removes entries without a token from the front, and all of them if there are too many. The
    /// last entry stays: its answer comes in any case, and confirms the others.
    fn tidy(&mut self) {
        while self.sent.front().is_some_and(|sent| sent.token.is_none()) {
            self.sent.pop_front();
        }
        if self.sent.len() > 2 * self.waiting + 64 {
            let last = self.sent.pop_back();
            self.sent.retain(|sent| sent.token.is_some());
            self.sent.extend(last);
        }
        if self.sent.is_empty() {
            self.earliest = None;
        }
    }

    /// Returns when to call [`take_expired`](Self::take_expired): something may have expired then.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.earliest
    }

    /// Takes the multicasts that have expired, in the order in which they were sent.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<T> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let expired = self.sent.iter_mut().filter(|sent| sent.deadline <= now);
        let expired: Vec<T> = expired.filter_map(|sent| sent.token.take()).collect();
        self.waiting -= expired.len();
        let waiting = self.sent.iter().filter(|sent| sent.token.is_some());
        self.earliest = waiting.map(|sent| sent.deadline).min();
        self.tidy();
        expired
    }

    /// Takes all multicasts, in the order in which they were sent.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Ended<T>> + use<T> {
        (self.waiting, self.earliest) = (0, None);
        let all = std::mem::take(&mut self.sent).into_iter();
        all.filter_map(|Multicast { token, len, .. }| token.map(|token| Ended { token, len }))
    }
}
