//! Spreads work that concerns many unicasts at once, so that messages of others do not wait long
//! for it: a target of many unicasts is gone, or many unicasts must be sent again.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    node::{
        mesh::TokenBucket,
        router::ends::{UnicastId, UnicastTarget},
        sooner,
    },
    p2p::mesh::RoutingKey,
};

/// The number of unicasts handled for one event: some 300 microseconds.
pub(in crate::node::router) const SLICE: usize = 256;

/// The pause between two slices, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

/// The rate at which messages are sent again when links come and go: a burst, and then 10,000
/// messages or 160 MiB a second. Each message costs one token, and one more for this many bytes.
/// Messages above the rate are sent again by their timers some seconds later.
const RESEND_BYTES: usize = 16 * 1024;
const RESEND_BURST: u32 = 20_000;
const RESEND_RATE: TokenBucket = TokenBucket::new(RESEND_BURST, Duration::from_micros(100));

/// The work that is left.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct Backlog {
    failed: VecDeque<FailedAttempt>,
    /// The work for each node; [`InFlight`](super::InFlight) knows its unicasts.
    pub(in crate::node::router) jobs: BTreeMap<RoutingKey, LostNodeJob>,
    resume: Option<Instant>,
    /// Set when more timers are due than were handled.
    timers: Option<Instant>,
    again: TokenBucket,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            failed: VecDeque::new(),
            jobs: BTreeMap::new(),
            resume: None,
            timers: None,
            again: RESEND_RATE,
        }
    }
}

/// A failed attempt; it counts only if it is still the unicast's last one.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct FailedAttempt {
    pub(in crate::node::router) id: UnicastId,
    pub(in crate::node::router) at: UnicastTarget,
    pub(in crate::node::router) refused: bool,
    /// The result with which the unicast is answered; without it, the next subscriber is asked.
    pub(in crate::node::router) ends: Option<i32>,
}

/// What to do with the unicasts that a node was asked.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct LostNodeJob {
    /// The unicasts after this one,
    pub(in crate::node::router) after: Option<UnicastId>,
    /// and before this one.
    pub(in crate::node::router) before: UnicastId,
    pub(in crate::node::router) kind: JobKind,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::node::router) enum JobKind {
    /// The node can no longer be reached.
    Lost,
    /// The unicasts may be lost if they were sent before this many changes of the network, or one
    /// more if the node is `shaken`.
    Again { changes: u64, shaken: bool },
}

impl JobKind {
    /// Combines two kinds of work for the same node.
    fn with(self, other: Self) -> Self {
        let (
            Self::Again { changes, shaken },
            Self::Again {
                changes: c,
                shaken: s,
            },
        ) = (self, other)
        else {
            return Self::Lost;
        };
        let shaken = (shaken && changes >= c) || (s && c >= changes);
        let changes = changes.max(c);
        Self::Again { changes, shaken }
    }
}

impl Backlog {
    pub(in crate::node::router) fn is_empty(&self) -> bool {
        self.failed.is_empty() && self.jobs.is_empty()
    }

    pub(in crate::node::router) fn next_timeout(&self, timer: Option<Instant>) -> Option<Instant> {
        let timer = timer.map(|at| self.timers.map_or(at, |from| at.max(from)));
        sooner(self.resume, timer)
    }

    /// Returns whether timers may be handled now.
    pub(in crate::node::router) fn timers_may(&mut self, now: Instant) -> bool {
        let may = self.timers.is_none_or(|from| from <= now);
        if may {
            self.timers = None;
        }
        may
    }

    /// Records that more timers are due.
    pub(in crate::node::router) fn timers_wait(&mut self, now: Instant) {
        self.timers = Some(now + PAUSE);
    }

    /// Adds failed attempts.
    pub(in crate::node::router) fn push_failed(
        &mut self,
        failed: impl Iterator<Item = FailedAttempt>,
    ) {
        self.failed.extend(failed);
    }

    pub(in crate::node::router) fn pop_failed(&mut self) -> Option<FailedAttempt> {
        self.failed.pop_front()
    }

    /// Returns whether work must be continued now.
    pub(in crate::node::router) fn is_due(&self, now: Instant) -> bool {
        self.resume.is_some_and(|at| at <= now)
    }

    /// Sets when the rest of the work is continued.
    pub(in crate::node::router) fn pause(&mut self, now: Instant) {
        let more = !self.is_empty();
        self.resume = more.then(|| now + PAUSE);
    }

    /// Returns whether a message of this many bytes may be sent again now.
    pub(in crate::node::router) fn may_send_again(&mut self, now: Instant, len: usize) -> bool {
        let tokens = u32::try_from(1 + len / RESEND_BYTES).unwrap_or(u32::MAX);
        self.again.take(now, tokens.min(RESEND_BURST))
    }

    /// Plans work for the unicasts that a node has, as far as they are before `before`.
    pub(in crate::node::router) fn set(
        &mut self,
        node: RoutingKey,
        before: UnicastId,
        kind: JobKind,
    ) {
        let job = self.jobs.entry(node).or_insert(LostNodeJob {
            after: None,
            before,
            kind,
        });
        // Start from the beginning, because the job may now cover more unicasts.
        *job = LostNodeJob {
            after: None,
            before,
            kind: job.kind.with(kind),
        };
    }
}
