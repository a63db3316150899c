//! Spreads work that concerns many unicasts at once, so that messages of others do not wait long
//! for it: a target of many unicasts is gone, or many unicasts must be sent again.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    Router,
    credit::CreditOutcome,
    unicast::{UnicastId, UnicastTarget},
};
use crate::{
    node::{mesh::TokenBucket, sooner},
    p2p::mesh::RoutingKey,
};

/// The number of unicasts handled for one event: some 300 microseconds.
pub(super) const SLICE: usize = 256;

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
pub(super) struct Backlog {
    failed: VecDeque<FailedAttempt>,
    jobs: BTreeMap<RoutingKey, LostNodeJob>,
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
struct FailedAttempt {
    id: UnicastId,
    at: UnicastTarget,
    refused: bool,
}

/// What to do with the unicasts that a node was asked.
#[derive(Debug, Clone)]
struct LostNodeJob {
    /// The unicasts after this one,
    after: Option<UnicastId>,
    /// and before this one.
    before: UnicastId,
    kind: JobKind,
}

#[derive(Debug, Clone, Copy)]
enum JobKind {
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
    pub(super) fn is_empty(&self) -> bool {
        self.failed.is_empty() && self.jobs.is_empty()
    }

    pub(super) fn next_timeout(&self, timer: Option<Instant>) -> Option<Instant> {
        let timer = timer.map(|at| self.timers.map_or(at, |from| at.max(from)));
        sooner(self.resume, timer)
    }

    /// Returns whether timers may be handled now.
    pub(super) fn timers_may(&mut self, now: Instant) -> bool {
        let may = self.timers.is_none_or(|from| from <= now);
        if may {
            self.timers = None;
        }
        may
    }

    /// Records that more timers are due.
    pub(super) fn timers_wait(&mut self, now: Instant) {
        self.timers = Some(now + PAUSE);
    }

    fn set(&mut self, node: RoutingKey, before: UnicastId, kind: JobKind) {
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

impl Router {
    /// Fails the attempts of these unicasts, because their target is gone.
    pub(super) fn attempts_failed(
        &mut self,
        now: Instant,
        at: UnicastTarget,
        refused: bool,
        ids: impl IntoIterator<Item = UnicastId>,
    ) {
        let failed = ids.into_iter().map(|id| FailedAttempt { id, at, refused });
        self.backlog.failed.extend(failed);
        self.work_off(now);
    }

    /// Fails the attempts at a node that can no longer be reached.
    pub(super) fn node_lost(&mut self, now: Instant, node: RoutingKey) {
        self.backlog.set(node, self.next_unicast, JobKind::Lost);
        self.work_off(now);
    }

    /// Sends again the unicasts that have not been answered and may be lost: those sent to a node
    /// for which `shaken` is true before this many changes of the network and one more, or so long
    /// ago that it is unknown which path they or their answers took. A node takes each once, and
    /// answers it again.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        changes: u64,
        mut shaken: impl FnMut(&mut Self, RoutingKey) -> bool,
    ) {
        let mut next = self.links.next_asked(None);
        while let Some(node) = next {
            let shaken = shaken(self, node);
            let kind = JobKind::Again { changes, shaken };
            self.backlog.set(node, self.next_unicast, kind);
            next = self.links.next_asked(Some(node));
        }
        self.work_off(now);
    }

    /// Continues work that was too much at once, when it is due.
    pub(super) fn go_on_working(&mut self, now: Instant) {
        if self.backlog.resume.is_some_and(|at| at <= now) {
            self.work_off(now);
        }
    }

    fn work_off(&mut self, now: Instant) {
        let mut left = SLICE;
        while left > 0
            && let Some(FailedAttempt { id, at, refused }) = self.backlog.failed.pop_front()
        {
            left -= 1;
            let unicast = self.unicasts.get(&id);
            let attempt = unicast.and_then(|unicast| unicast.at);
            if attempt.and_then(|attempt| attempt.target()) == Some(at) {
                self.attempt_failed(now, id, refused);
            }
        }
        while left > 0
            && let Some((node, mut job)) = self.backlog.jobs.pop_first()
        {
            let asked = self.links.asked_node(node, job.after, job.before, left);
            let more = asked.len() == left;
            left -= asked.len();
            job.after = asked.last().copied();
            for id in asked {
                self.carry_on(now, id, job.kind);
            }
            if more {
                self.backlog.jobs.insert(node, job);
            }
        }
        let more = !self.backlog.is_empty();
        self.backlog.resume = more.then(|| now + PAUSE);
    }

    fn carry_on(&mut self, now: Instant, id: UnicastId, kind: JobKind) {
        match kind {
            JobKind::Lost => self.attempt_ended(now, id, false, CreditOutcome::Ended),
            JobKind::Again { changes, shaken } => {
                let sent = self.unicasts.get(&id).and_then(|unicast| unicast.sent_at());
                let lost = |sent| sent < changes || (shaken && sent == changes);
                // If there is no path at the moment, the timer tries again.
                if sent.is_some_and(lost)
                    && self.may_send_again(now, id)
                    && let Some(mut unicast) = self.unicasts.remove(&id)
                {
                    self.send_with_header(now, id, &mut unicast);
                    self.unicasts.insert(id, unicast);
                }
            }
        }
    }
    fn may_send_again(&mut self, now: Instant, id: UnicastId) -> bool {
        let unicast = self.unicasts.get(&id);
        let len = unicast.map_or(0, |unicast| unicast.frame.wire_len());
        let tokens = u32::try_from(1 + len / RESEND_BYTES).unwrap_or(u32::MAX);
        self.backlog.again.take(now, tokens.min(RESEND_BURST))
    }
}
