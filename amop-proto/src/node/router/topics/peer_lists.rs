//! Applies topic lists of FISCO nodes a little at a time, so that messages and other work do not
//! wait for a long one.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::Bound,
    time::Instant,
};

use bytes::Bytes;

use crate::{hash::HashMap, node::PeerId};

/// Lists that are not in force yet.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerLists {
    pub(super) jobs: HashMap<PeerId, PeerListJob>,
    /// The order of turns.
    pub(super) turns: VecDeque<PeerId>,
    pub(super) next: Option<Instant>,
}

#[derive(Debug, Clone)]
pub(super) struct PeerListJob {
    wanted: BTreeSet<Bytes>,
    step: PeerListStep,
    /// The topics of a node that is gone; those of a connected node are stored with its connection.
    pub(super) left: Option<BTreeSet<Bytes>>,
}

/// First, topics that are not in the list are removed, then new ones are added; each step continues
/// after this topic.
#[derive(Debug, Clone)]
enum PeerListStep {
    Out(Option<Bytes>),
    In(Option<Bytes>),
}

/// The changes of one slice.
#[derive(Debug, Default)]
pub(super) struct PeerListChanges {
    pub(super) gone: Vec<Bytes>,
    pub(super) new: Vec<Bytes>,
    pub(super) looks: usize,
    /// Whether nothing is left to do.
    pub(super) all: bool,
}

impl PeerListJob {
    pub(super) fn part(
        &mut self,
        held: &BTreeSet<Bytes>,
        changes: usize,
        looks: usize,
    ) -> PeerListChanges {
        let mut part = PeerListChanges::default();
        if let PeerListStep::Out(after) = &mut self.step {
            let over = pick(
                (held, &self.wanted),
                after,
                (changes, looks),
                &mut part.looks,
                &mut part.gone,
            );
            if !over {
                return part;
            }
            self.step = PeerListStep::In(None);
        }
        if let PeerListStep::In(after) = &mut self.step {
            let left = (changes - part.gone.len(), looks);
            part.all = pick(
                (&self.wanted, held),
                after,
                left,
                &mut part.looks,
                &mut part.new,
            );
        }
        part
    }
}

/// Collects topics of one set that are not in the other, starting after `after`, within the limits.
/// Returns whether these were all.
fn pick(
    (of, not_in): (&BTreeSet<Bytes>, &BTreeSet<Bytes>),
    after: &mut Option<Bytes>,
    (max, max_looks): (usize, usize),
    looks: &mut usize,
    found: &mut Vec<Bytes>,
) -> bool {
    let from = match after {
        Some(topic) => Bound::Excluded(topic.clone()),
        None => Bound::Unbounded,
    };
    for topic in of.range((from, Bound::Unbounded)) {
        if found.len() >= max || *looks >= max_looks {
            return false;
        }
        *looks += 1;
        *after = Some(topic.clone());
        if !not_in.contains(topic) {
            found.push(topic.clone());
        }
    }
    true
}

impl PeerLists {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn push(
        &mut self,
        peer: PeerId,
        wanted: BTreeSet<Bytes>,
        left: Option<BTreeSet<Bytes>>,
    ) {
        let step = PeerListStep::Out(None);
        let job = PeerListJob { wanted, step, left };
        if self.jobs.insert(peer, job).is_none() {
            self.turns.push_back(peer);
        }
    }
}
