//! The multicasts that wait for their confirmation, on a session whose node understands quiet ones.
//!
//! The node takes frames in order and answers a quiet multicast only if it refuses it. So an answer
//! to any multicast, a refusal too, says that it took all those before it that it has not refused.

use std::{collections::VecDeque, time::Instant};

use super::requests::{Ended, lower};
use crate::channel::{QUIET, Seq};

/// One in so many multicasts asks for an answer, however fast they come.
const MAX_QUIET: usize = 64;

/// As many bytes of multicasts are sent at most before one asks for an answer.
const MAX_QUIET_BYTES: usize = 64 * 1024;

#[derive(Debug)]
struct Multicast<T> {
    seq: Seq,
    deadline: Instant,
    /// Nothing once it was cancelled or expired. It stays in its place, since its answer still
    /// confirms those before it.
    token: Option<T>,
    /// Its frame's, in bytes.
    len: usize,
}

#[derive(Debug)]
pub(super) struct Multicasts<T> {
    /// In the order they were sent. The first one has its token.
    sent: VecDeque<Multicast<T>>,
    /// Those with tokens.
    waiting: usize,
    /// None expires before that; those that did may be confirmed.
    earliest: Option<Instant>,
    /// Since the last one that asked.
    quiet: usize,
    quiet_bytes: usize,
    /// Where the last one's result field is in what is to be transmitted, if it is quiet.
    last_quiet: Option<usize>,
}

impl<T> Multicasts<T> {
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
        // What is cancelled mostly came late. What is sent again is looked for among all, which is rare.
        let waits = |sent: &Multicast<T>| sent.seq == *seq && sent.token.is_some();
        self.sent.iter().rposition(waits)
    }

    /// Takes note of one of `len` bytes that is about to be sent. Returns the result to send it
    /// with, which will be at `at` of what is to be transmitted.
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
        QUIET
    }

    fn asked(&mut self) {
        (self.quiet, self.quiet_bytes, self.last_quiet) = (0, 0, None);
    }

    /// Everything is transmitted now. Returns where a result is that must be made 0 before, for the
    /// last multicast to ask.
    pub(super) fn transmitted(&mut self) -> Option<usize> {
        let last_quiet = self.last_quiet;
        if last_quiet.is_some() {
            self.asked();
        }
        last_quiet
    }

    /// The node answered one. `confirmed` gets those before it. Returns `None` if there is no such
    /// one, and no token if nobody waits for it any more; and the longest frame that the node took.
    pub(super) fn answered(
        &mut self,
        seq: &Seq,
        mut confirmed: impl FnMut(T),
    ) -> Option<(Option<T>, usize)> {
        // Those passed over are taken out below, so each is looked at about once, unless a node sends
        // answers to nothing.
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

    /// Forgets those nobody waits for, where that is cheap, and when they are too many. An answer to
    /// the last one comes in any case, and confirms the others.
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

    /// When to ask for what has expired: when something may have.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.earliest
    }

    /// Those that have expired, in the order they were sent.
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

    /// All of them, in the order they were sent.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Ended<T>> + use<T> {
        (self.waiting, self.earliest) = (0, None);
        let all = std::mem::take(&mut self.sent).into_iter();
        all.filter_map(|Multicast { token, len, .. }| token.map(|token| Ended { token, len }))
    }
}
