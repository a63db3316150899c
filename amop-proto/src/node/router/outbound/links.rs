//! The connections of a node as the router sees them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
};

use super::{
    peer_link::{PeerLink, WaitingSenders},
    queue::QueueLevel,
    session_link::SessionLink,
};
use crate::{
    channel::Seq,
    hash::HashMap,
    node::{
        Group, Lane, Limits, PeerId, Sender, SessionId,
        router::ends::Origin,
        shares::{Resource, Shares},
    },
    p2p::mesh::RoutingKey,
};

/// All connections.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct Links {
    /// How much of each resource each holder uses.
    pub(in crate::node::router) shares: Shares,
    pub(in crate::node::router) sessions: HashMap<SessionId, SessionLink>,
    /// Ordered, because the map is iterated.
    pub(in crate::node::router) peers: BTreeMap<PeerId, PeerLink>,
    /// The peers by their names in routing; for a moment there may be two with one name.
    pub(in crate::node::router) by_key: BTreeSet<(RoutingKey, PeerId)>,
    /// The number of neighbours of each agency.
    agencies: BTreeMap<u64, usize>,
    /// The number of peers whose queues are counted by agency and key.
    counted: usize,
}

impl Links {
    pub(in crate::node::router) fn new(limits: &Limits) -> Self {
        Self {
            shares: Shares::new(limits.pools()),
            sessions: HashMap::default(),
            peers: BTreeMap::new(),
            by_key: BTreeSet::new(),
            agencies: BTreeMap::new(),
            counted: 0,
        }
    }

    pub(in crate::node::router) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.peers.is_empty() && self.shares.is_empty()
    }

    pub(in crate::node::router) fn peer_up(
        &mut self,
        peer: PeerId,
        mut link: PeerLink,
        dialled: bool,
    ) {
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

    pub(in crate::node::router) fn peer_down(&mut self, peer: PeerId) -> Option<PeerLink> {
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
    pub(in crate::node::router) fn count_if_filling(
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
    pub(in crate::node::router) fn peer_written(
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
    pub(in crate::node::router) fn is_counted(&self) -> bool {
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
    pub(in crate::node::router) fn peer_with(&self, node: RoutingKey) -> Option<PeerId> {
        let all = (node, PeerId(u64::MIN))..=(node, PeerId(u64::MAX));
        self.by_key.range(all).next().map(|&(_, peer)| peer)
    }

    /// Returns whether a session can be sent a message with this seq: it reads, and no other
    /// message with the same seq waits for its answer.
    pub(in crate::node::router) fn session_takes(&self, session: SessionId, seq: &Seq) -> bool {
        self.sessions
            .get(&session)
            .is_some_and(|link| link.is_open(&self.shares) && !link.asked.contains_key(seq))
    }

    /// Returns whether a message with this seq waits for a session's answer.
    pub(in crate::node::router) fn is_asked(&self, session: SessionId, seq: &Seq) -> bool {
        let link = self.sessions.get(&session);
        link.is_some_and(|link| link.asked.contains_key(seq))
    }

    pub(in crate::node::router) fn has_topic(&self, session: SessionId, topic: &[u8]) -> bool {
        let link = self.sessions.get(&session);
        link.is_some_and(|link| link.topics.contains_key(topic))
    }

    /// Returns the session with the most bytes waiting, the oldest of equal ones, among those of
    /// the holder that is furthest above its fair share.
    pub(in crate::node::router) fn longest_queue(&self) -> Option<SessionId> {
        let holder = self.shares.most_over(Resource::Queued, None);
        self.sessions
            .iter()
            .filter(|(_, link)| !link.closing && holder.is_none_or(|holder| link.holder == holder))
            .max_by_key(|&(&id, link)| (link.queue.queued(), Reverse(id)))
            .map(|(&id, _)| id)
    }

    /// Returns whether no other message is a copy of one that came from there.
    pub(in crate::node::router) fn has_new_seqs(&self, origin: Origin) -> bool {
        let Origin::Fisco(peer, _) = origin else {
            return false;
        };
        self.peers.get(&peer).is_some_and(|link| link.new_seqs)
    }

    /// Returns whether a message of this length may be queued for a peer. `group` returns the group
    /// of its sender.
    pub(in crate::node::router) fn peer_takes(
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
    pub(in crate::node::router) fn is_filled_by(&self, peer: PeerId, session: SessionId) -> bool {
        let (Some(link), Some(of)) = (self.peers.get(&peer), self.sessions.get(&session)) else {
            return false;
        };
        let group = self.shares.identity(of.holder).group();
        link.is_filled_by(Sender::Session(session), group)
    }
}
