//! Changes of sessions' topics: how fast, in which order, and how much at once.
//!
//! A change is work for this node and for all others, so it has a price. Each session may make some
//! changes at once and a number per second after that, and so may all sessions together. A set that
//! arrives while the one before it is not in force yet replaces it. Waiting changes are made a
//! little at a time, and the holders of certificates take turns, so that neither messages nor other
//! sessions wait long for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use bytes::Bytes;

use super::turns::{SessionTurn, SessionTurns};
use crate::{
    hash::HashMap,
    node::{Limits, SessionId, bucket::RateBucket, shares::HolderId, sooner},
};

/// The number of changes made for one event: some 100 microseconds. The machine is busy with
/// changes for about a fifth of the time, however many there are.
pub(super) const SLICE: usize = 64;

/// The number of changes of all sessions that events at the same time may cause.
const AT_ONCE: usize = 512;

/// How much of its rate a session may save up, in seconds: the topics of a client that connects are
/// not delayed.
const SAVED: usize = 5;

/// How much of the node's rate may be saved up, in seconds.
const NODE_SAVED: usize = 10;

/// The sessions with changes to make, and how many changes may be made.
#[derive(Debug, Clone)]
pub(super) struct Changes {
    /// The changes of all sessions.
    pub(super) node: RateBucket,
    /// The same over short times, to spread the changes evenly.
    pub(super) smooth: RateBucket,
    /// Sessions with changes to make.
    turns: SessionTurns,
    /// Sessions that have used up their own rate, ordered by when they continue.
    pub(super) waiting: BTreeSet<(Instant, SessionId)>,
    /// Sessions that are gone, whose topics must still be removed.
    pub(super) leaving: HashMap<SessionId, LeavingSession>,
    pub(super) next: Option<Instant>,
    /// Sessions whose topics changed, and whether their set is in force.
    pub(super) news: Vec<(SessionId, bool)>,
}

/// Returns a session's rate of changes.
pub(in crate::node::router) fn rate_of_session(limits: &Limits) -> RateBucket {
    let rate = limits.session_topic_changes;
    RateBucket::new(rate, rate.saturating_mul(SAVED))
}

impl Changes {
    pub(super) fn new(limits: &Limits) -> Self {
        let rate = limits.topic_changes;
        Self {
            node: RateBucket::new(rate, rate.saturating_mul(NODE_SAVED)),
            smooth: RateBucket::new(SLICE * 1000, AT_ONCE),
            turns: SessionTurns::default(),
            waiting: BTreeSet::new(),
            leaving: HashMap::default(),
            next: None,
            news: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.waiting.is_empty() && self.leaving.is_empty()
    }

    /// Returns whether there is no news.
    pub(super) fn is_still(&self) -> bool {
        self.news.is_empty()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting.first().map(|&(at, _)| at);
        sooner(self.next, waiting)
    }

    pub(super) fn push(&mut self, job: SessionTurn) {
        self.turns.push(job, false);
    }

    /// Takes the job whose turn it is.
    pub(super) fn pop(&mut self) -> Option<SessionTurn> {
        self.turns.pop()
    }

    /// Puts back a job whose turn it was and that cannot continue now.
    pub(super) fn unpop(&mut self, job: SessionTurn) {
        self.turns.push(job, true);
    }
}

/// A session that is gone.
#[derive(Debug, Clone)]
pub(super) struct LeavingSession {
    pub(super) holder: HolderId,
    pub(super) topics: BTreeMap<Bytes, u32>,
}
