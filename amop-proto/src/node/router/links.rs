//! The connections of a node as the router sees them: the frames that wait to be written to each,
//! and the messages it was asked and has not answered.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::Bound,
};

use bytes::Bytes;

use super::{
    changes::WantedTopics,
    peer_link::{PeerLink, WaitingSenders},
    queue::{QueueLevel, QueuedBytes},
    unicast::UnicastId,
};
use crate::{
    channel::{Seq, Shortage},
    hash::HashMap,
    node::{
        Group, Lane, Limits, PeerId, Sender, SessionId,
        bucket::RateBucket,
        shares::{HolderId, Resource, Shares},
    },
    p2p::mesh::RoutingKey,
    shards::Shards,
};

/// The memory that a waiting frame takes in addition to its bytes.
const BESIDE: usize = 128;

/// One SDK connection.
#[derive(Debug, Clone)]
pub(super) struct SessionLink {
    /// Whether it is a native client, which does not need the bodies of acknowledgements of its
    /// multicasts.
    pub(super) native: bool,
    pub(super) queue: QueuedBytes,
    /// The memory that the frames of `queue` take in addition to their bytes.
    pub(super) beside: usize,
    /// Its topics, with its place among the sessions of each.
    pub(super) topics: BTreeMap<Bytes, u32>,
    /// The set that will replace them.
    pub(super) wanted: Option<WantedTopics>,
    /// Limits its changes of topics.
    pub(super) rate: RateBucket,
    /// The topics of its set that it did not get.
    pub(super) shortage: Shortage,
    /// The encoded form of `shortage`, once it has been sent.
    pub(super) told: Option<Bytes>,
    /// The holder of its key.
    pub(super) holder: HolderId,
    /// Messages pushed to it and not yet answered, by seq.
    pub(super) asked: HashMap<Seq, UnicastId>,
    /// Its own unicasts that wait for an answer; of several with one seq, the latest.
    pub(super) asking: HashMap<Seq, UnicastId>,
    /// The number of its unicasts that wait for an answer, those with the same seq included.
    pub(super) in_flight: usize,
    /// Bytes of their frames.
    pub(super) in_flight_bytes: usize,
    /// The number of peers' queues it is paused for.
    pub(super) pauses: usize,
    /// Whether it is about to be closed and gets nothing more.
    pub(super) closing: bool,
}

impl SessionLink {
    pub(super) fn new(queue: usize, rate: RateBucket, holder: HolderId) -> Self {
        Self {
            native: false,
            queue: QueuedBytes::new(queue),
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

    /// Records that its latest set does not come into force.
    pub(super) fn keeps_topics(&mut self) {
        self.shortage.kept = true;
        self.told = None;
        if let Some(wanted) = &mut self.wanted {
            wanted.is_kept();
        }
    }

    /// Counts a frame that is queued.
    pub(super) fn push(&mut self, shares: &mut Shares, len: usize) -> QueueLevel {
        self.beside += BESIDE;
        shares.take(self.holder, Resource::Queued, len + BESIDE);
        self.queue.push(len)
    }

    /// Counts bytes that have left. How many frames they were is not known, so the additional
    /// memory is released in proportion to the bytes.
    pub(super) fn written(&mut self, shares: &mut Shares, len: usize) -> QueueLevel {
        let before = self.queue.queued();
        let level = self.queue.written(len);
        let written = before - self.queue.queued();
        let beside = match self.queue.queued() {
            0 => self.beside,
            _ => (self.beside as u64 * written as u64 / before.max(1) as u64) as usize,
        };
        self.beside -= beside;
        if !self.closing {
            shares.give(self.holder, Resource::Queued, written + beside);
        }
        level
    }

    /// Stops counting the queue, because the session ends.
    pub(super) fn uncount(&self, shares: &mut Shares) {
        if !self.closing {
            let queued = self.queue.queued() + self.beside;
            shares.give(self.holder, Resource::Queued, queued);
        }
    }

    /// Returns whether it can be sent a message. While much waits to be written, holders whose
    /// waiting bytes exceed their share get no more.
    pub(super) fn is_open(&self, shares: &Shares) -> bool {
        self.queue.is_open()
            && !self.closing
            && shares.excess(self.holder, Resource::Queued, None) == 0
    }
}

/// All connections.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// How much of each resource each holder uses.
    pub(super) shares: Shares,
    pub(super) sessions: HashMap<SessionId, SessionLink>,
    /// Ordered, because the map is iterated.
    pub(super) peers: BTreeMap<PeerId, PeerLink>,
    /// The peers by their names in routing; for a moment there may be two with one name.
    pub(super) by_key: BTreeSet<(RoutingKey, PeerId)>,
    /// Messages on their way to overlay nodes and not yet answered.
    pub(super) asked_nodes: BTreeSet<(RoutingKey, UnicastId)>,
    /// The number of neighbours of each agency.
    agencies: BTreeMap<u64, usize>,
    /// The number of peers whose queues are counted by agency and key.
    counted: usize,
    /// Unicasts of overlay nodes that wait for an answer here: by the node, the name it sent them
    /// to, and its id of them.
    pub(super) asking_nodes: Shards<(RoutingKey, RoutingKey, u64), UnicastId>,
}

impl Links {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            shares: Shares::new(limits.pools()),
            sessions: HashMap::default(),
            peers: BTreeMap::new(),
            by_key: BTreeSet::new(),
            asked_nodes: BTreeSet::new(),
            asking_nodes: Shards::default(),
            agencies: BTreeMap::new(),
            counted: 0,
        }
    }

    pub(super) fn peer_up(&mut self, peer: PeerId, mut link: PeerLink, dialled: bool) {
        if !dialled {
            let place = self.shares.join(link.identity);
            self.shares.take(place, Resource::Peers, 1);
            link.place = Some(place);
        }
        *self
            .agencies
            .entry(link.identity.group().agency)
            .or_default() += 1;
        self.by_key.extend(link.key.map(|key| (key, peer)));
        self.peers.insert(peer, link);
    }

    pub(super) fn peer_down(&mut self, peer: PeerId) -> Option<PeerLink> {
        let link = self.peers.remove(&peer)?;
        if let Some(key) = link.key {
            self.by_key.remove(&(key, peer));
        }
        self.counted -= usize::from(link.waiting.is_counted());
        if let Some(place) = link.place {
            self.shares.give(place, Resource::Peers, 1);
            self.shares.leave(place);
        }
        let agency = link.identity.group().agency;
        if let Entry::Occupied(mut count) = self.agencies.entry(agency) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(link)
    }

    /// Notes a frame that was queued for a peer; `late` means that the queue was closed before. A
    /// queue that fills up, or has filled up, is counted by agency and key. `group` returns the
    /// group of a sender.
    pub(super) fn count_if_filling(
        &mut self,
        peer: PeerId,
        (lane, len): (Lane, usize),
        late: bool,
        group: impl Fn(&Self, Sender) -> Group,
    ) {
        let Some(link) = self.peers.get_mut(&peer) else {
            return;
        };
        if !link.waiting.is_counted() {
            if link.queue.is_half_full() {
                let mut waiting = std::mem::take(&mut link.waiting);
                waiting.count(|sender| group(self, sender));
                self.counted += 1;
                if let Some(link) = self.peers.get_mut(&peer) {
                    link.waiting = waiting;
                }
            }
            return;
        }
        let Lane::Messages { from, .. } = lane else {
            return;
        };
        let group = group(self, from);
        if let Some(link) = self.peers.get_mut(&peer) {
            link.waiting
                .count_added(from, group, if late { len } else { 0 });
        }
    }

    /// Counts bytes of a lane that were written to a peer.
    pub(super) fn peer_written(
        &mut self,
        peer: PeerId,
        lane: Lane,
        len: usize,
    ) -> Option<(&mut PeerLink, QueueLevel)> {
        let link = self.peers.get_mut(&peer)?;
        let level = link.written(lane, len);
        if link.waiting.is_counted() && link.needs_no_count() {
            link.waiting.uncount();
            self.counted -= 1;
        }
        Some((link, level))
    }

    /// Returns whether the queue of some peer is so long that shares are counted.
    pub(super) fn is_counted(&self) -> bool {
        self.counted > 0
    }

    /// Returns the crowd that a closed queue keeps room for, for one of its senders.
    fn crowd(&self, from: Sender, group: Group) -> WaitingSenders {
        let agencies = self.shares.agencies(Resource::Sessions) + self.agencies.len();
        let (keys, senders) = match from {
            Sender::Session(session) => self.sessions.get(&session).map_or((1, 1), |link| {
                let keys = self.shares.keys(link.holder, Resource::Sessions);
                (keys, self.shares.used_by(link.holder, Resource::Sessions))
            }),
            Sender::Peer(_) | Sender::Node(_) => {
                (self.agencies.get(&group.agency).copied().unwrap_or(1), 1)
            }
        };
        WaitingSenders {
            agencies,
            keys,
            senders,
        }
    }

    /// Returns the connection to a node, the oldest if there are two.
    pub(super) fn peer_with(&self, node: RoutingKey) -> Option<PeerId> {
        let all = (node, PeerId(u64::MIN))..=(node, PeerId(u64::MAX));
        self.by_key.range(all).next().map(|&(_, peer)| peer)
    }

    /// Returns the messages on their way to a node and not yet answered, the oldest first: at most
    /// `most`, after `after` and before `before`.
    pub(super) fn asked_node(
        &self,
        node: RoutingKey,
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

    /// Returns the next node after `after` that was asked something and has not answered.
    pub(super) fn next_asked(&self, after: Option<RoutingKey>) -> Option<RoutingKey> {
        let start = match after {
            Some(after) => Bound::Excluded((after, UnicastId::MAX)),
            None => Bound::Unbounded,
        };
        let mut range = self.asked_nodes.range((start, Bound::Unbounded));
        range.next().map(|&(node, _)| node)
    }

    /// Returns whether a session can be sent a message with this seq: it reads, and no other
    /// message with the same seq waits for its answer.
    pub(super) fn session_takes(&self, session: SessionId, seq: &Seq) -> bool {
        self.sessions
            .get(&session)
            .is_some_and(|link| link.is_open(&self.shares) && !link.asked.contains_key(seq))
    }

    /// Returns whether a message with this seq waits for a session's answer.
    pub(super) fn is_asked(&self, session: SessionId, seq: &Seq) -> bool {
        let link = self.sessions.get(&session);
        link.is_some_and(|link| link.asked.contains_key(seq))
    }

    pub(super) fn has_topic(&self, session: SessionId, topic: &[u8]) -> bool {
        let link = self.sessions.get(&session);
        link.is_some_and(|link| link.topics.contains_key(topic))
    }

    /// Returns the session with the most bytes waiting, the oldest of equal ones, among those of
    /// the holder that is furthest above its fair share.
    pub(super) fn longest_queue(&self) -> Option<SessionId> {
        let holder = self.shares.most_over(Resource::Queued, None);
        self.sessions
            .iter()
            .filter(|(_, link)| !link.closing && holder.is_none_or(|holder| link.holder == holder))
            .max_by_key(|&(&id, link)| (link.queue.queued(), Reverse(id)))
            .map(|(&id, _)| id)
    }

    /// Returns whether a message of this length may be queued for a peer. `group` returns the group
    /// of its sender.
    pub(super) fn peer_takes(
        &self,
        peer: PeerId,
        lane: Lane,
        len: usize,
        group: impl FnOnce(Sender) -> Group,
    ) -> bool {
        let whose = |from| {
            let group = group(from);
            (group, self.crowd(from, group))
        };
        let link = self.peers.get(&peer);
        link.is_some_and(|link| link.takes(lane, len, whose))
    }

    /// Returns whether this session is one that fills a peer's queue.
    pub(super) fn is_filled_by(&self, peer: PeerId, session: SessionId) -> bool {
        let (Some(link), Some(of)) = (self.peers.get(&peer), self.sessions.get(&session)) else {
            return false;
        };
        let group = self.shares.identity(of.holder).group();
        link.is_filled_by(Sender::Session(session), group)
    }
}
