//! The connections of a node as the router sees them: what waits to be written to each, what it
//! was asked and has not answered.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use bytes::Bytes;

use super::{by_lane::ByLane, changes::Wanted, unicast::UnicastId};
use crate::{
    channel::{Seq, Shortage},
    hash::HashMap,
    node::{
        Lane, Limits, PeerId, SessionId,
        bucket::Bucket,
        shares::{HolderId, Pool, Shares},
    },
    p2p::{FRAGMENT, NodeId, mesh::NodeKey},
};

/// What a frame that waits takes in memory beside its bytes.
const BESIDE: usize = 128;

/// Bytes waiting to be written to a connection, held against a limit.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    limit: usize,
    queued: usize,
    /// The longest frame since it was last empty. One frame alone may be longer than the limit, and
    /// what little follows it must not count as if it was too much.
    longest: usize,
    /// Over the limit: no more messages until it is down to half.
    behind: bool,
    /// Multicasts not sent while behind.
    dropped: u64,
}

/// What a step did to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Nothing new.
    Same,
    /// It went over its limit.
    Behind,
    /// It is down again; so many multicasts were not sent.
    CaughtUp { dropped: u64 },
    /// It is over twice its limit.
    Hopeless,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            queued: 0,
            longest: 0,
            behind: false,
            dropped: 0,
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Whether another message may be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.behind
    }

    pub(super) fn is_half_full(&self) -> bool {
        self.queued > self.limit / 2
    }

    pub(super) fn is_low(&self) -> bool {
        self.queued <= self.limit / 4
    }

    pub(super) fn count_dropped(&mut self) {
        self.dropped += 1;
    }

    pub(super) fn push(&mut self, len: usize) -> Level {
        if self.queued == 0 {
            self.longest = 0;
        }
        self.longest = self.longest.max(len);
        self.queued = self.queued.saturating_add(len);
        let limit = self.limit.max(self.longest);
        if self.queued <= limit {
            return Level::Same;
        }
        if self.queued > limit.saturating_mul(2) {
            return Level::Hopeless;
        }
        if self.behind {
            return Level::Same;
        }
        self.behind = true;
        Level::Behind
    }

    pub(super) fn written(&mut self, len: usize) -> Level {
        self.queued = self.queued.saturating_sub(len);
        if self.behind && self.queued <= self.limit / 2 {
            self.behind = false;
            let dropped = std::mem::take(&mut self.dropped);
            return Level::CaughtUp { dropped };
        }
        Level::Same
    }
}

/// One SDK connection.
#[derive(Debug, Clone)]
pub(super) struct SessionLink {
    /// It is a client of ours, which has no use for the body of its multicasts' acknowledgements.
    pub(super) terse: bool,
    pub(super) queue: Queue,
    /// What the frames of `queue` take beside their bytes.
    pub(super) beside: usize,
    /// Its topics, with its place among the sessions of each.
    pub(super) topics: BTreeMap<Bytes, u32>,
    /// The set that is to take their place.
    pub(super) wanted: Option<Wanted>,
    /// How many changes of topics it may make.
    pub(super) rate: Bucket,
    /// What it did not get of its set.
    pub(super) shortage: Shortage,
    /// The same as it is told, once it has been.
    pub(super) told: Option<Bytes>,
    /// Whose it is.
    pub(super) holder: HolderId,
    /// Messages pushed to it and not yet answered, by seq.
    pub(super) asked: HashMap<Seq, UnicastId>,
    /// Its own unicasts that wait for an answer; of several with one seq, the latest.
    pub(super) asking: HashMap<Seq, UnicastId>,
    /// Its unicasts that wait for an answer, those with the same seq too.
    pub(super) in_flight: usize,
    /// Bytes of their frames.
    pub(super) in_flight_bytes: usize,
    /// How many peers' queues it is paused for.
    pub(super) pauses: usize,
    /// It is about to be closed and gets nothing more.
    pub(super) closing: bool,
}

impl SessionLink {
    pub(super) fn new(queue: usize, rate: Bucket, holder: HolderId) -> Self {
        Self {
            terse: false,
            queue: Queue::new(queue),
            beside: 0,
            topics: BTreeMap::new(),
            wanted: None,
            rate,
            shortage: Shortage::default(),
            told: None,
            holder,
            asked: HashMap::default(),
            asking: HashMap::default(),
            in_flight: 0,
            in_flight_bytes: 0,
            pauses: 0,
            closing: false,
        }
    }

    /// Its latest set does not come into force.
    pub(super) fn keeps_topics(&mut self) {
        self.shortage.kept = true;
        self.told = None;
        if let Some(wanted) = &mut self.wanted {
            wanted.is_kept();
        }
    }

    /// A frame is queued.
    pub(super) fn push(&mut self, shares: &mut Shares, len: usize) -> Level {
        self.beside += BESIDE;
        shares.take(self.holder, Pool::Queued, len + BESIDE);
        self.queue.push(len)
    }

    /// So many bytes have left. How many frames they were is not known: what frames take beside their
    /// bytes leaves with as large a part of them.
    pub(super) fn written(&mut self, shares: &mut Shares, len: usize) -> Level {
        let before = self.queue.queued();
        let level = self.queue.written(len);
        let written = before - self.queue.queued();
        let beside = match self.queue.queued() {
            0 => self.beside,
            _ => (self.beside as u64 * written as u64 / before.max(1) as u64) as usize,
        };
        self.beside -= beside;
        if !self.closing {
            shares.give(self.holder, Pool::Queued, written + beside);
        }
        level
    }

    /// What waits to be written counts no longer.
    pub(super) fn uncount(&self, shares: &mut Shares) {
        if !self.closing {
            let queued = self.queue.queued() + self.beside;
            shares.give(self.holder, Pool::Queued, queued);
        }
    }

    /// Whether it can be sent a message. While there is much to be written, those who have more than
    /// their share of it waiting get no more.
    pub(super) fn is_open(&self, shares: &Shares) -> bool {
        self.queue.is_open() && !self.closing && shares.excess(self.holder, Pool::Queued, None) == 0
    }
}

/// One connection to another node.
#[derive(Debug, Clone)]
pub(super) struct PeerLink {
    pub(super) queue: Queue,
    /// Who it is, where that is known.
    pub(super) node: Option<NodeId>,
    /// Its name in routing.
    pub(super) key: Option<NodeKey>,
    /// What it did that it should not do, and how often.
    pub(super) complaints: BTreeMap<&'static str, u64>,
    /// The topics it announced, if it is none of ours.
    pub(super) topics: BTreeSet<Bytes>,
    /// Messages sent to it and not yet answered, by P2P seq.
    pub(super) asked: BTreeMap<u32, UnicastId>,
    /// Sessions paused because of its queue.
    pub(super) paused: BTreeSet<SessionId>,
    /// It did not drain while they were paused: they are not paused again until it does.
    pub(super) stuck: bool,
    /// It is none of ours, and takes part in the network of ours by way of this node.
    pub(super) transit: bool,
    /// What of `queue` is of which lane, without packets about the network.
    lanes: ByLane,
}

impl PeerLink {
    pub(super) fn new(node: NodeId, queue: usize) -> Self {
        Self {
            queue: Queue::new(queue),
            node: Some(node),
            key: Some(NodeKey::from(&node)),
            complaints: BTreeMap::new(),
            topics: BTreeSet::new(),
            asked: BTreeMap::new(),
            paused: BTreeSet::new(),
            stuck: false,
            transit: false,
            lanes: ByLane::default(),
        }
    }

    /// A frame is queued.
    pub(super) fn push(&mut self, lane: Lane, len: usize) -> Level {
        if lane != Lane::Control {
            self.lanes.add(lane, len);
        }
        self.queue.push(len)
    }

    /// So much of a lane has left.
    pub(super) fn written(&mut self, lane: Lane, len: usize) -> Level {
        if lane != Lane::Control {
            self.lanes.take(lane, len);
        }
        self.queue.written(len)
    }

    /// What a lane may have queued even when others have filled the queue, in bytes. All such shares
    /// together are half the limit, or one fragment for each if they are many.
    fn share(&self, lane: Lane) -> usize {
        let limit = self.queue.limit;
        let lanes = self.lanes.len() + usize::from(self.lanes.of(lane) == 0);
        (limit / (2 * lanes)).max(FRAGMENT.min(limit / 16))
    }

    /// Whether a message may be queued: always while the queue is open, and from whoever has less than
    /// his share of it until it is near the length at which the connection is closed.
    pub(super) fn takes(&self, lane: Lane, len: usize) -> bool {
        let Queue { limit, queued, .. } = self.queue;
        self.queue.is_open()
            || (self.lanes.of(lane) + len <= self.share(lane)
                && queued + len <= limit.saturating_mul(2) - limit / 4)
    }

    /// Whether it is who sends in this lane that fills the queue.
    pub(super) fn is_filled_by(&self, lane: Lane) -> bool {
        self.queue.is_half_full() && self.lanes.of(lane) > self.share(lane)
    }
}

/// All connections.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// Who has how much of what the node has.
    pub(super) shares: Shares,
    pub(super) sessions: HashMap<SessionId, SessionLink>,
    /// Ordered, because it is walked.
    pub(super) peers: BTreeMap<PeerId, PeerLink>,
    /// The same by their names in routing; for a moment there may be two of one name.
    pub(super) by_key: BTreeSet<(NodeKey, PeerId)>,
    /// Messages on their way to nodes of ours and not yet answered.
    pub(super) asked_nodes: BTreeSet<(NodeKey, UnicastId)>,
    /// Unicasts of nodes of ours that wait for an answer here, by the node, the name it sent them to,
    /// and its id of them.
    pub(super) asking_nodes: HashMap<(NodeKey, NodeKey, u64), UnicastId>,
}

impl Links {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            shares: Shares::new(limits.pools()),
            sessions: HashMap::default(),
            peers: BTreeMap::new(),
            by_key: BTreeSet::new(),
            asked_nodes: BTreeSet::new(),
            asking_nodes: HashMap::default(),
        }
    }

    /// The connection to a node, the oldest if there are two.
    pub(super) fn peer_with(&self, node: NodeKey) -> Option<PeerId> {
        let all = (node, PeerId(u64::MIN))..=(node, PeerId(u64::MAX));
        self.by_key.range(all).next().map(|&(_, peer)| peer)
    }

    /// The messages on their way to a node and not yet answered, the oldest first: so many at most, behind
    /// one and before another.
    pub(super) fn asked_node(
        &self,
        node: NodeKey,
        after: Option<UnicastId>,
        before: UnicastId,
        most: usize,
    ) -> Vec<UnicastId> {
        let start = match after {
            Some(after) => Bound::Excluded((node, after)),
            None => Bound::Included((node, UnicastId::MIN)),
        };
        let Some(last) = before.checked_sub(1) else {
            return Vec::new();
        };
        if after.is_some_and(|after| after >= last) {
            return Vec::new();
        }
        let range = (start, Bound::Included((node, last)));
        let asked = self.asked_nodes.range(range).map(|&(_, id)| id);
        asked.take(most).collect()
    }

    /// The next node behind one that was asked something and has not answered.
    pub(super) fn next_asked(&self, after: Option<NodeKey>) -> Option<NodeKey> {
        let start = match after {
            Some(after) => Bound::Excluded((after, UnicastId::MAX)),
            None => Bound::Unbounded,
        };
        let mut range = self.asked_nodes.range((start, Bound::Unbounded));
        range.next().map(|&(node, _)| node)
    }

    /// Whether a session can be sent a message with this seq: it reads, and no other message with
    /// the same seq waits for its answer.
    pub(super) fn session_takes(&self, session: SessionId, seq: &Seq) -> bool {
        self.sessions
            .get(&session)
            .is_some_and(|link| link.is_open(&self.shares) && !link.asked.contains_key(seq))
    }

    /// Whether a message with this seq waits for a session's answer.
    pub(super) fn is_asked(&self, session: SessionId, seq: &Seq) -> bool {
        let link = self.sessions.get(&session);
        link.is_some_and(|link| link.asked.contains_key(seq))
    }

    pub(super) fn has_topic(&self, session: SessionId, topic: &[u8]) -> bool {
        let link = self.sessions.get(&session);
        link.is_some_and(|link| link.topics.contains_key(topic))
    }

    /// The session with the most bytes waiting, the oldest of several, of whoever has most beyond its
    /// fair share.
    pub(super) fn longest_queue(&self) -> Option<SessionId> {
        let holder = self.shares.most_over(Pool::Queued, None);
        self.sessions
            .iter()
            .filter(|(_, link)| !link.closing && holder.is_none_or(|holder| link.holder == holder))
            .max_by_key(|&(&id, link)| (link.queue.queued(), Reverse(id)))
            .map(|(&id, _)| id)
    }

    /// Whether a message of this length may be queued for a peer.
    pub(super) fn peer_takes(&self, peer: PeerId, lane: Lane, len: usize) -> bool {
        self.peers
            .get(&peer)
            .is_some_and(|link| link.takes(lane, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_closes_over_its_limit_and_opens_at_half() {
        let mut queue = Queue::new(100);
        assert_eq!(queue.push(100), Level::Same);
        assert_eq!(queue.push(1), Level::Behind);
        assert!(!queue.is_open());
        queue.count_dropped();
        assert_eq!(queue.written(50), Level::Same);
        assert_eq!(queue.written(1), Level::CaughtUp { dropped: 1 });
        assert!(queue.is_open());
    }

    #[test]
    fn a_long_frame_passes_alone() {
        let mut queue = Queue::new(100);
        assert_eq!(queue.push(1000), Level::Same);
        assert_eq!(queue.push(1), Level::Behind);
        assert_eq!(queue.push(998), Level::Same);
        assert_eq!(queue.push(2), Level::Hopeless);
        // Once it is gone the limit is the limit again.
        assert_eq!(queue.written(2001), Level::CaughtUp { dropped: 0 });
        assert_eq!(queue.push(100), Level::Same);
        assert_eq!(queue.push(1), Level::Behind);
        assert_eq!(queue.push(100), Level::Hopeless);
    }
}
