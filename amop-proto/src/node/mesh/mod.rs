//! The network of nodes of this project: who is linked to whom, who has which topics, and the
//! shortest ways between them.
//!
//! A link-state protocol. Each node floods its own record (its neighbours, its topics with their
//! subscriber counts) as changes with rising versions; a link that comes up is followed by an
//! exchange of what both sides know. A record crosses a link once, a node passes on only what is new
//! to it, so flooding ends.

mod borders;
mod database;
mod flood;
mod multicasts;
mod paths;
mod recent;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use bytes::Bytes;

use crate::hash::HashMap;

pub(super) use self::recent::{Recent, Seen};
use self::{
    borders::is_behind,
    database::Database,
    paths::{Change, Paths},
};
use super::{PeerId, sooner};
use crate::p2p::{
    NodeId, PeerFrame,
    mesh::{self, NodeKey, Record, packet},
    protocol,
};

/// What the mesh wants done or tells.
#[derive(Debug, Clone)]
pub(super) enum Output {
    Send(PeerId, PeerFrame),
    /// A node's subscriber count for a topic changed, as far as the node can be reached.
    Topic(NodeKey, Bytes, u32),
    /// A node can no longer be reached.
    Lost(NodeKey),
    /// A link is gone, and with it what was on it.
    Cut {
        /// Ways to these nodes led over it.
        shaken: BTreeSet<NodeKey>,
        /// The number of changes of the network before this one: what was sent earlier than the last
        /// of them may have gone over the link, wherever it went.
        changes: u64,
    },
    /// Another connection to this neighbour took the place of one that is gone, with whatever was on
    /// its way there.
    Moved(NodeKey),
    /// A neighbour knows a newer version of this node's own record.
    Acknowledged,
    /// A neighbour announces more topics than this node takes.
    TooManyTopics(PeerId),
    /// A neighbour sent something malformed or over a limit.
    Bad(PeerId, &'static str),
}

/// A link to a neighbour.
#[derive(Debug, Clone)]
struct Link {
    key: NodeKey,
    /// Record frames with this node's own record that are not acknowledged: seq and version.
    awaited: VecDeque<(u32, u64)>,
    /// The version of this node's own record that the neighbour has.
    acknowledged: u64,
    next_seq: u32,
    /// The version of its own record that the neighbour said it knows. Until it has, it has not been
    /// sent what this node knows.
    known: Option<u64>,
    /// Whether it counts: both ends know what the other knew when it came up. Where a message is sent
    /// on, the next node then knows at least of the links its sender counted on, so that it is never
    /// at a loss, and no circle lasts. A node that starts again would be taken to know ways by the
    /// record it left otherwise.
    ready: bool,
    /// The version of this node's own record with which it came to count.
    listed: u64,
    /// The connection is gone, and until then another one to the same node is waited for.
    suspended: Option<Instant>,
}

/// What this node knows of the network.
#[derive(Debug, Clone)]
pub(super) struct Mesh {
    own: NodeKey,
    own_id: NodeId,
    /// The version of this node's own record.
    version: u64,
    /// This node's own topics.
    topics: BTreeMap<Bytes, u32>,
    links: BTreeMap<PeerId, Link>,
    by_key: BTreeMap<NodeKey, PeerId>,
    /// Real nodes that take part by way of this one, by the names they are announced under.
    borders: BTreeMap<NodeKey, PeerId>,
    database: Database,
    paths: Paths,
    /// Which of several equal ways to a node is next.
    turns: HashMap<NodeKey, usize>,
    /// How often links have changed.
    changes: u64,
    /// No suspended link's time ends before this; it may have gone already.
    suspensions_end: Option<Instant>,
    /// Packets to neighbours. They leave before anything is done about what they tell: a message that
    /// is sent another way must not overtake the news of why.
    sends: VecDeque<Output>,
    outputs: VecDeque<Output>,
    max_topics: usize,
}

impl Mesh {
    /// `epoch` is where the versions of this node's record start. It must be higher than any the
    /// node has used before, so take it from the clock.
    pub(super) fn new(own_id: NodeId, epoch: u64, max_nodes: usize, max_topics: usize) -> Self {
        let own = NodeKey::from(&own_id);
        Self {
            own,
            own_id,
            version: epoch.clamp(1, mesh::MAX_VERSION / 2),
            topics: BTreeMap::new(),
            links: BTreeMap::new(),
            by_key: BTreeMap::new(),
            borders: BTreeMap::new(),
            database: Database::new(max_nodes, max_topics),
            paths: Paths::new(own),
            turns: HashMap::default(),
            changes: 0,
            suspensions_end: None,
            sends: VecDeque::new(),
            outputs: VecDeque::new(),
            max_topics,
        }
    }

    pub(super) fn own(&self) -> NodeKey {
        self.own
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.sends.pop_front().or_else(|| self.outputs.pop_front())
    }

    /// How often links of the network have changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The version of this node's own record.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether a neighbour has not yet said that it has this version of this node's record.
    pub(super) fn lags_behind(&self, peer: PeerId, version: u64) -> bool {
        self.links
            .get(&peer)
            .is_some_and(|link| !link.ready || link.acknowledged < version.max(link.listed))
    }

    /// How many other nodes can be reached.
    pub(super) fn reachable(&self) -> usize {
        self.database
            .iter()
            .filter(|(key, state)| state.is_reachable() && !is_behind(*key, &state.node))
            .count()
    }

    /// How many links away a node is.
    pub(super) fn distance(&self, node: NodeKey) -> Option<u32> {
        self.paths.distance(node)
    }

    /// The ID of a node that is known.
    pub(super) fn node_id(&self, key: NodeKey) -> Option<NodeId> {
        self.database.get(key).map(|state| state.node)
    }

    /// The first topic of a node at or behind this one in byte order.
    pub(super) fn first_topic_from(&self, node: NodeKey, from: Bytes) -> Option<&Bytes> {
        let mut topics = self.database.get(node)?.topics.range(from..);
        topics.next().map(|(topic, _)| topic)
    }

    /// How many nodes have records here, reachable or not.
    pub(super) fn known_nodes(&self) -> usize {
        self.database.len()
    }

    /// The topics of a node that can be reached.
    pub(super) fn topics_of(&self, node: NodeKey) -> impl Iterator<Item = &Bytes> {
        self.counts_of(node).map(|(topic, _)| topic)
    }

    /// The topics of a node that can be reached, with their subscriber counts.
    pub(super) fn counts_of(&self, node: NodeKey) -> impl Iterator<Item = (&Bytes, u32)> {
        self.database
            .get(node)
            .filter(|state| state.is_reachable())
            .into_iter()
            .flat_map(|state| &state.topics)
            .map(|(topic, &count)| (topic, count))
    }

    /// The neighbour to send something for a node through: one on a shortest path, equal ones in
    /// turn, among those that `usable` lets pass.
    pub(super) fn next_hop(
        &mut self,
        node: NodeKey,
        usable: impl Fn(PeerId) -> bool,
    ) -> Option<PeerId> {
        let steps = self.paths.first_steps(node);
        let turn = match steps.len() {
            0 => return None,
            1 => 0,
            _ => {
                let turn = self.turns.entry(node).or_default();
                *turn = turn.wrapping_add(1);
                *turn
            }
        };
        (0..steps.len())
            .filter_map(|n| self.by_key.get(&steps[(turn + n) % steps.len()]))
            .copied()
            .find(|&peer| usable(peer))
    }

    /// Whether a shortest path to a node begins with this neighbour.
    pub(super) fn leads_through(&mut self, node: NodeKey, neighbour: NodeKey) -> bool {
        self.paths.first_steps(node).contains(&neighbour)
    }

    /// Whether the way to a node may be there again in a moment.
    pub(super) fn is_suspended(&mut self, node: NodeKey) -> bool {
        let (steps, links) = (self.paths.first_steps(node), &self.links);
        steps
            .iter()
            .filter_map(|step| links.get(self.by_key.get(step)?))
            .any(|link| link.suspended.is_some())
    }

    /// Whether this connection leads to this node.
    pub(super) fn is_neighbour(&self, peer: PeerId, node: NodeKey) -> bool {
        self.by_key.get(&node) == Some(&peer)
    }

    /// A neighbour turned out to be a node of this project. A link to the same node that is there
    /// already goes over to this connection.
    pub(super) fn link_up(&mut self, peer: PeerId, node: &NodeId) {
        let key = NodeKey::from(node);
        let before = self.by_key.insert(key, peer);
        let before = before.and_then(|before| self.links.remove(&before));
        let (known, ready, listed) = before.map_or((None, false, 0), |before| {
            (before.known, before.ready, before.listed)
        });
        let link = Link {
            key,
            awaited: VecDeque::new(),
            acknowledged: 0,
            next_seq: 1,
            known,
            ready,
            listed,
            suspended: None,
        };
        self.links.insert(peer, link);
        if ready {
            // What told the neighbour of this node may be lost, and it must know the way back before
            // it is asked something.
            self.send_records(peer, &[self.own_record()]);
            self.outputs.push_back(Output::Moved(key));
        }
        let known = self
            .database
            .iter()
            .map(|(key, state)| (key, state.version))
            .chain([(self.own, self.version)]);
        let body = mesh::encode_known(known);
        self.send(peer, packet::KNOWN, 0, body);
    }

    /// Lets a link count once it may.
    fn count_if_ready(&mut self, now: Instant, peer: PeerId) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let key = link.key;
        let held = self.database.get(key).map(|state| state.version);
        if link.ready || link.known.is_none_or(|known| held < Some(known)) {
            return;
        }
        link.ready = true;
        link.listed = self.version + 1;
        self.neighbours_changed();
        if self.reports_link_to_us(key) {
            self.relink(now, &[(self.own, key)], &[]);
        }
    }

    /// The neighbours of the links that count.
    fn neighbours(&self) -> Vec<NodeKey> {
        let ready = |peer: &PeerId| self.links.get(peer).is_some_and(|link| link.ready);
        self.by_key
            .iter()
            .filter(|(_, peer)| ready(peer))
            .map(|(&key, _)| key)
            .chain(self.borders.keys().copied())
            .collect()
    }

    /// A link is gone.
    pub(super) fn link_down(&mut self, now: Instant, peer: PeerId) {
        let Some(link) = self.links.remove(&peer) else {
            return;
        };
        if self.by_key.get(&link.key) == Some(&peer) {
            self.by_key.remove(&link.key);
            self.relink(now, &[], &[(self.own, link.key)]);
        }
        if link.ready {
            self.neighbours_changed();
        }
    }

    /// A connection is gone, and another one to the same node may be about to take its place. If there
    /// is another way to that node it is taken. Otherwise the network is not told until then, and what
    /// is to go there waits.
    pub(super) fn suspend(&mut self, now: Instant, peer: PeerId, until: Instant) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if self.paths.can_spare(link.key) {
            self.link_down(now, peer);
        } else {
            link.suspended = Some(until);
            self.suspensions_end =
                Some(self.suspensions_end.map_or(until, |other| other.min(until)));
        }
    }

    /// This node's own subscriber counts changed.
    pub(super) fn topics_changed(&mut self, changes: &[(Bytes, u32)]) {
        for (topic, count) in changes {
            match count {
                0 => self.topics.remove(topic),
                &count => self.topics.insert(topic.clone(), count),
            };
        }
        let base = self.version;
        self.version += 1;
        let record = Record {
            key: self.own,
            version: self.version,
            base,
            node: None,
            neighbours: None,
            topics: changes.to_vec(),
        };
        self.flood(&[record], None);
    }

    fn neighbours_changed(&mut self) {
        let base = self.version;
        self.version += 1;
        let record = Record {
            key: self.own,
            version: self.version,
            base,
            node: None,
            neighbours: Some(self.neighbours()),
            topics: Vec::new(),
        };
        self.flood(&[record], None);
    }

    fn own_record(&self) -> Record {
        Record {
            key: self.own,
            version: self.version,
            base: 0,
            node: Some(self.own_id),
            neighbours: Some(self.neighbours()),
            topics: self
                .topics
                .iter()
                .map(|(topic, &count)| (topic.clone(), count))
                .collect(),
        }
    }

    fn whole(&self, key: NodeKey) -> Option<Record> {
        if key == self.own {
            return Some(self.own_record());
        }
        self.database.whole(key)
    }

    fn reports_link_to_us(&self, key: NodeKey) -> bool {
        self.database
            .get(key)
            .is_some_and(|state| state.neighbours.contains(&self.own))
    }

    /// What follows from a record.
    fn apply(
        &mut self,
        now: Instant,
        key: NodeKey,
        topics: Vec<(Bytes, u32)>,
        linked: &[NodeKey],
        unlinked: &[NodeKey],
    ) {
        let reachable = |mesh: &Self| {
            mesh.database
                .get(key)
                .is_some_and(|state| state.is_reachable())
        };
        if reachable(self) {
            for (topic, count) in topics {
                self.outputs.push_back(Output::Topic(key, topic, count));
            }
        }
        // A link counts when both ends report it.
        let added: Vec<_> = linked
            .iter()
            .filter(|&&other| self.is_linked(other, key))
            .map(|&other| (key, other))
            .collect();
        let removed: Vec<_> = unlinked.iter().map(|&other| (key, other)).collect();
        self.relink(now, &added, &removed);
    }

    /// Whether `from` reports a link to `to`.
    fn is_linked(&self, from: NodeKey, to: NodeKey) -> bool {
        if from == self.own {
            let link = self.by_key.get(&to).and_then(|peer| self.links.get(peer));
            return link.is_some_and(|link| link.ready) || self.borders.contains_key(&to);
        }
        self.database
            .get(from)
            .is_some_and(|state| state.neighbours.contains(&to))
    }

    fn relink(
        &mut self,
        now: Instant,
        added: &[(NodeKey, NodeKey)],
        removed: &[(NodeKey, NodeKey)],
    ) {
        let Change {
            cut,
            gained,
            lost,
            shaken,
        } = self.paths.change(added, removed);
        let changes = self.changes;
        if cut || !added.is_empty() {
            self.changes += 1;
        }
        for key in gained {
            if let Some(state) = self.database.set_away(key, None) {
                for (topic, &count) in &state.topics {
                    self.outputs
                        .push_back(Output::Topic(key, topic.clone(), count));
                }
            }
        }
        for &key in &lost {
            if let Some(state) = self.database.set_away(key, Some(now)) {
                for topic in state.topics.keys() {
                    self.outputs.push_back(Output::Topic(key, topic.clone(), 0));
                }
            }
            self.turns.remove(&key);
            self.outputs.push_back(Output::Lost(key));
        }
        if cut {
            self.outputs.push_back(Output::Cut { shaken, changes });
        }
    }

    /// Forgets nodes that have been out of reach for long, and links whose place nothing has taken.
    pub(super) fn age(&mut self, now: Instant) {
        let over: Vec<PeerId> = self
            .links
            .iter()
            .filter(|(_, link)| link.suspended.is_some_and(|until| until <= now))
            .map(|(&peer, _)| peer)
            .collect();
        for peer in over {
            self.link_down(now, peer);
        }
        self.suspensions_end = self.links.values().filter_map(|link| link.suspended).min();
        // A record that comes when the node is back says nothing of links it lost meanwhile.
        let links = self.database.age(now);
        if !links.is_empty() {
            self.relink(now, &[], &links);
        }
    }

    /// When [`age`](Self::age) has something to do next.
    pub(super) fn next_age(&self) -> Option<Instant> {
        sooner(self.suspensions_end, self.database.next_age())
    }
}

/// A frame of the extension protocol.
pub(super) fn extension(packet: u16, seq: u32, body: Bytes) -> PeerFrame {
    PeerFrame {
        protocol: protocol::EXTENSION,
        packet,
        seq,
        body,
    }
}
