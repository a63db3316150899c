//! Private topics: which remote nodes may be sent messages on them (channel-v2 section 9).
//!
//! A remote node that has a private topic is not a candidate for it until a publisher of this node
//! has verified one of its subscribers. The node asks a publisher to do so (0x37), again every 5 s
//! until it gets the result (0x38). It asks about one subscriber after the other, so that one with
//! a wrong key does not block one with the right key.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::node::{PeerId, SessionId, router::ends::Remote, sooner};

/// The time between two requests to verify the same node for the same topic (channel-v2 section
/// 9.3).
pub(super) const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The state of a remote node's verification for one private topic. It is forgotten when the node
/// drops the topic or can no longer be reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Verification {
    /// The number of its subscribers.
    pub(super) count: u32,
    /// Whether one of them holds a granted key. Once this is set it stays (channel-v2 section 9.2).
    pub(super) good: bool,
    /// The last request, until the good verdict.
    pub(super) asked: Option<VerifyRequestSent>,
    /// The routes of subscribers without such a key, while they stay among the node's topics.
    pub(super) refused: BTreeSet<Bytes>,
}

impl Verification {
    /// Returns whether a publisher may be asked now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        let waits = |asked: &VerifyRequestSent| asked.at + ASK_AGAIN_AFTER > now;
        !self.good && !self.asked.as_ref().is_some_and(waits)
    }
}

/// A request to verify.
#[derive(Debug, Clone)]
pub(super) struct VerifyRequestSent {
    pub(super) at: Instant,
    /// The route on which the subscriber takes its challenge.
    pub(super) route: Bytes,
    /// Whether no verdict on it has come.
    pub(super) open: bool,
    /// The sessions asked about this topic of the node so far, the latest last.
    pub(super) judges: Vec<SessionId>,
}

/// How far the nodes of a topic have been searched for a publisher that came.
#[derive(Debug, Clone, Default)]
pub(super) struct Scan {
    pub(super) after: Option<Remote>,
    /// Whether another publisher came meanwhile.
    pub(super) again: bool,
}

/// The private topics of all remote nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Verifications {
    /// By topic first, because a publisher is asked about all nodes of a topic.
    pub(super) states: BTreeMap<(Bytes, Remote), Verification>,
    /// The topics whose nodes are being searched, in turns.
    pub(super) turns: VecDeque<Bytes>,
    pub(super) scans: BTreeMap<Bytes, Scan>,
    /// When to continue work that was too much at once.
    pub(super) resume: Option<Instant>,
    /// When a publisher must be asked again, and about what.
    pub(super) due: BTreeSet<(Instant, (Bytes, Remote))>,
    /// Counts the requests of this process.
    pub(super) asked: u64,
}

impl Verifications {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let due = self.due.first().map(|&(at, _)| at);
        match self.resume {
            None => due,
            Some(resume) => {
                let due = due.map(|at| at.max(resume));
                sooner(due, (!self.turns.is_empty()).then_some(resume))
            }
        }
    }

    /// Returns the nodes of a topic after `after`, at most `most`.
    pub(super) fn nodes_after(
        &self,
        topic: &Bytes,
        after: Option<Remote>,
        most: usize,
    ) -> Vec<Remote> {
        let least = Remote::Fisco(PeerId(u64::MIN));
        let start = match after {
            Some(after) => Bound::Excluded((topic.clone(), after)),
            None => Bound::Included((topic.clone(), least)),
        };
        let states = self.states.range((start, Bound::Unbounded));
        states
            .map(|(key, _)| key)
            .take_while(|(other, _)| other == topic)
            .map(|&(_, remote)| remote)
            .take(most)
            .collect()
    }

    pub(super) fn is_verified(&self, topic: &Bytes, remote: Remote) -> bool {
        self.states
            .get(&(topic.clone(), remote))
            .is_some_and(|state| state.good)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty() && self.turns.is_empty()
    }
}
