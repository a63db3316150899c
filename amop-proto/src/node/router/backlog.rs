//! What happens to many unicasts at once is done a little at a time, so that messages of others do not
//! wait long for it: somebody who was asked much is gone, or what was asked is to be sent again.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    Router,
    credit::Outcome,
    unicast::{Target, UnicastId},
};
use crate::{
    node::{mesh::Bucket, sooner},
    p2p::mesh::NodeKey,
};

/// So many unicasts are dealt with for one event: some 300 microseconds.
pub(super) const SLICE: usize = 256;

/// Between two slices others have their turn.
const PAUSE: Duration = Duration::from_millis(1);

/// When links come and go, so much is sent again at once and then 10,000 messages or 160 MiB a second: so
/// many bytes are one message more. What is left out its timer sends again in some seconds.
const AGAIN_BYTES: usize = 16 * 1024;
const AGAIN_TOKENS: u32 = 20_000;
const AGAIN: Bucket = Bucket::new(AGAIN_TOKENS, Duration::from_micros(100));

/// What is still to be done.
#[derive(Debug, Clone)]
pub(super) struct Backlog {
    failed: VecDeque<Failed>,
    jobs: BTreeMap<NodeKey, Job>,
    resume: Option<Instant>,
    /// More timers are due than were dealt with.
    timers: Option<Instant>,
    again: Bucket,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            failed: VecDeque::new(),
            jobs: BTreeMap::new(),
            resume: None,
            timers: None,
            again: AGAIN,
        }
    }
}

/// An attempt that came to nothing, if it is still the last one.
#[derive(Debug, Clone)]
struct Failed {
    id: UnicastId,
    at: Target,
    refused: bool,
}

/// What is to become of the unicasts that a node was asked.
#[derive(Debug, Clone)]
struct Job {
    /// Those behind this one,
    after: Option<UnicastId>,
    /// and before this one.
    before: UnicastId,
    kind: JobKind,
}

#[derive(Debug, Clone, Copy)]
enum JobKind {
    /// It cannot be reached any more.
    Lost,
    /// They may be lost on the way if they were sent before this many changes of the network, or one more
    /// if the node is `shaken`.
    Again { changes: u64, shaken: bool },
}

impl JobKind {
    /// What both of them come to.
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

    /// Whether timers may be looked at.
    pub(super) fn timers_may(&mut self, now: Instant) -> bool {
        let may = self.timers.is_none_or(|from| from <= now);
        if may {
            self.timers = None;
        }
        may
    }

    /// More timers are due.
    pub(super) fn timers_wait(&mut self, now: Instant) {
        self.timers = Some(now + PAUSE);
    }

    fn set(&mut self, node: NodeKey, before: UnicastId, kind: JobKind) {
        let job = self.jobs.entry(node).or_insert(Job {
            after: None,
            before,
            kind,
        });
        // From the beginning, since more may be meant now.
        *job = Job {
            after: None,
            before,
            kind: job.kind.with(kind),
        };
    }
}

impl Router {
    /// Whoever had these unicasts is gone.
    pub(super) fn attempts_failed(
        &mut self,
        now: Instant,
        at: Target,
        refused: bool,
        ids: impl IntoIterator<Item = UnicastId>,
    ) {
        let failed = ids.into_iter().map(|id| Failed { id, at, refused });
        self.backlog.failed.extend(failed);
        self.work_off(now);
    }

    /// A node cannot be reached any more.
    pub(super) fn node_lost(&mut self, now: Instant, node: NodeKey) {
        self.backlog.set(node, self.next_unicast, JobKind::Lost);
        self.work_off(now);
    }

    /// Sends once more what was asked, has not been answered, and may be lost: it was sent to a node of
    /// which `shaken` says so before this many changes of the network and one more, or so long ago
    /// that nobody knows which way it or its answer went. A node takes it once, and answers it again.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        changes: u64,
        mut shaken: impl FnMut(&mut Self, NodeKey) -> bool,
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

    /// Goes on with what was too much at once, when it is time.
    pub(super) fn go_on_working(&mut self, now: Instant) {
        if self.backlog.resume.is_some_and(|at| at <= now) {
            self.work_off(now);
        }
    }

    fn work_off(&mut self, now: Instant) {
        let mut left = SLICE;
        while left > 0
            && let Some(Failed { id, at, refused }) = self.backlog.failed.pop_front()
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
            JobKind::Lost => self.attempt_ended(now, id, false, Outcome::Ended),
            JobKind::Again { changes, shaken } => {
                let sent = self.unicasts.get(&id).and_then(|unicast| unicast.sent_at());
                let lost = |sent| sent < changes || (shaken && sent == changes);
                // If there is no way just now the timer tries again.
                if sent.is_some_and(lost)
                    && self.may_send_again(now, id)
                    && let Some(mut unicast) = self.unicasts.remove(&id)
                {
                    self.send_enveloped(now, id, &mut unicast);
                    self.unicasts.insert(id, unicast);
                }
            }
        }
    }
    fn may_send_again(&mut self, now: Instant, id: UnicastId) -> bool {
        let unicast = self.unicasts.get(&id);
        let len = unicast.map_or(0, |unicast| unicast.frame.wire_len());
        let tokens = u32::try_from(1 + len / AGAIN_BYTES).unwrap_or(u32::MAX);
        self.backlog.again.take(now, tokens.min(AGAIN_TOKENS))
    }
}
