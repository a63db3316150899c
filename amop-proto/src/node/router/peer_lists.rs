//! Applies topic lists of FISCO nodes a little at a time, so that messages and other work do not
//! wait for a long one.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Router, verifications::Remote};
use crate::{hash::HashMap, node::PeerId};

/// The number of topics changed for one event, some 100 microseconds,
const SLICE: usize = 256;

/// and the number of topics compared.
const LOOKS: usize = 2048;

/// The pause between two slices, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

/// Lists that are not in force yet.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerLists {
    jobs: HashMap<PeerId, PeerListJob>,
    /// The order of turns.
    turns: VecDeque<PeerId>,
    next: Option<Instant>,
}

#[derive(Debug, Clone)]
struct PeerListJob {
    wanted: BTreeSet<Bytes>,
    step: PeerListStep,
    /// The topics of a node that is gone; those of a connected node are stored with its connection.
    left: Option<BTreeSet<Bytes>>,
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
struct PeerListChanges {
    gone: Vec<Bytes>,
    new: Vec<Bytes>,
    looks: usize,
    /// Whether nothing is left to do.
    all: bool,
}

impl PeerListJob {
    fn part(&mut self, held: &BTreeSet<Bytes>, changes: usize, looks: usize) -> PeerListChanges {
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

    fn push(&mut self, peer: PeerId, wanted: BTreeSet<Bytes>, left: Option<BTreeSet<Bytes>>) {
        let step = PeerListStep::Out(None);
        let job = PeerListJob { wanted, step, left };
        if self.jobs.insert(peer, job).is_none() {
            self.turns.push_back(peer);
        }
    }
}

impl Router {
    /// Handles a new list of a FISCO node.
    pub(super) fn peer_topics(&mut self, now: Instant, peer: PeerId, topics: BTreeSet<Bytes>) {
        if self.links.peers.contains_key(&peer) {
            self.peer_lists.push(peer, topics, None);
            self.change_peer_topics(now);
        }
    }

    /// Removes the topics of a FISCO node that is gone.
    pub(super) fn peer_topics_left(&mut self, now: Instant, peer: PeerId, topics: BTreeSet<Bytes>) {
        if !topics.is_empty() || self.peer_lists.jobs.contains_key(&peer) {
            self.peer_lists.push(peer, BTreeSet::new(), Some(topics));
            self.change_peer_topics(now);
        }
    }

    /// Continues the changes, within the limits of one event.
    pub(super) fn change_peer_topics(&mut self, now: Instant) {
        let (mut changes, mut looks) = (SLICE, LOOKS);
        self.peer_lists.next = None;
        while let Some(peer) = self.peer_lists.turns.pop_front() {
            if changes == 0 || looks == 0 {
                self.peer_lists.turns.push_front(peer);
                self.peer_lists.next = Some(now + PAUSE);
                return;
            }
            let Some(mut job) = self.peer_lists.jobs.remove(&peer) else {
                continue;
            };
            let left = job.left.take();
            let held = self.links.peers.get(&peer).map(|link| &link.topics);
            let Some(held) = left.as_ref().or(held) else {
                continue;
            };
            let part = job.part(held, changes, looks);
            job.left = left;
            changes -= part.gone.len() + part.new.len();
            looks -= part.looks.min(looks);
            if let Some(link) = self.links.peers.get_mut(&peer) {
                for topic in &part.gone {
                    link.topics.remove(topic);
                }
                link.topics.extend(part.new.iter().cloned());
                self.announce_border(peer, &part.gone, &part.new);
            }
            for topic in part.gone {
                self.set_remote(now, Remote::Fisco(peer), &topic, 0);
            }
            for topic in part.new {
                self.set_remote(now, Remote::Fisco(peer), &topic, 1);
            }
            if !part.all {
                self.peer_lists.jobs.insert(peer, job);
                self.peer_lists.turns.push_back(peer);
            }
        }
    }
}
