//! The network of nodes of this project: who is linked to whom, who has which topics, and the
//! shortest ways between them.
//!
//! A link-state protocol. Each node floods its own record (its neighbours, its topics with their
//! subscriber counts) as changes with rising versions; a link that comes up is followed by an
//! exchange of what both sides know. A record crosses a link once, a node passes on only what is new
//! to it, so flooding ends.

mod database;
mod paths;
mod recent;
pub(super) mod wire;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Instant,
};

use bytes::{Bytes, BytesMut};

use self::{
    database::{Database, Taken},
    paths::{Change, Paths},
    wire::{Record, packet},
};
pub(super) use self::recent::Recent;
use super::PeerId;
use crate::p2p::{NodeId, PeerFrame, protocol};

/// A node in routing: the first eight bytes of its ID, which is a random point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeKey(pub u64);

impl From<&NodeId> for NodeKey {
    fn from(id: &NodeId) -> Self {
        let mut key = [0; 8];
        key.copy_from_slice(&id.0[..8]);
        Self(u64::from_be_bytes(key))
    }
}

/// Records are joined up to about this many bytes a frame.
const BATCH: usize = 256 * 1024;

/// More records than this sent and not acknowledged, and the oldest count as acknowledged.
const MAX_AWAITED: usize = 1024;

/// What the mesh wants done or tells.
#[derive(Debug)]
pub(super) enum Output {
    Send(PeerId, PeerFrame),
    /// A node's subscriber count for a topic changed, as far as the node can be reached.
    Topic(NodeKey, Bytes, u32),
    /// A node can no longer be reached.
    Lost(NodeKey),
    /// Something on its way to this node or back may be gone.
    Shaken(NodeKey),
    /// A neighbour knows a newer version of this node's own record.
    Acknowledged,
    /// A neighbour sent something malformed or over a limit.
    Bad(PeerId, &'static str),
}

/// A link to a neighbour.
#[derive(Debug)]
struct Link {
    key: NodeKey,
    /// Record frames with this node's own record that are not acknowledged: seq and version.
    awaited: VecDeque<(u32, u64)>,
    /// The version of this node's own record that the neighbour has.
    acknowledged: u64,
    next_seq: u32,
}

/// What this node knows of the network.
#[derive(Debug)]
pub(super) struct Mesh {
    own: NodeKey,
    own_id: NodeId,
    /// The version of this node's own record.
    version: u64,
    /// This node's own topics.
    topics: BTreeMap<Bytes, u32>,
    links: BTreeMap<PeerId, Link>,
    by_key: BTreeMap<NodeKey, PeerId>,
    database: Database,
    paths: Paths,
    /// Which of several equal ways to a node is next.
    turns: HashMap<NodeKey, usize>,
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
            version: epoch.max(1),
            topics: BTreeMap::new(),
            links: BTreeMap::new(),
            by_key: BTreeMap::new(),
            database: Database::new(max_nodes, max_topics),
            paths: Paths::new(own),
            turns: HashMap::new(),
            outputs: VecDeque::new(),
            max_topics,
        }
    }

    pub(super) fn own(&self) -> NodeKey {
        self.own
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The version of this node's own record.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether a neighbour has not yet said that it has this version of this node's record.
    pub(super) fn lags_behind(&self, peer: PeerId, version: u64) -> bool {
        self.links.get(&peer).is_some_and(|link| link.acknowledged < version)
    }

    /// The ID of a node that is known.
    pub(super) fn node_id(&self, key: NodeKey) -> Option<NodeId> {
        if key == self.own {
            return Some(self.own_id);
        }
        self.database.get(key).map(|state| state.node)
    }

    /// How many other nodes can be reached.
    pub(super) fn reachable(&self) -> usize {
        self.database.iter().filter(|(_, state)| state.away_since.is_none()).count()
    }

    /// How many links away a node is.
    pub(super) fn distance(&self, node: NodeKey) -> Option<u32> {
        self.paths.distance(node)
    }

    /// The topics of a node that can be reached.
    pub(super) fn topics_of(&self, node: NodeKey) -> impl Iterator<Item = &Bytes> {
        self.database
            .get(node)
            .filter(|state| state.away_since.is_none())
            .into_iter()
            .flat_map(|state| state.topics.keys())
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

    /// A neighbour turned out to be a node of this project. A second link to the same node must not
    /// come up.
    pub(super) fn link_up(&mut self, now: Instant, peer: PeerId, node: &NodeId) {
        let key = NodeKey::from(node);
        let link = Link {
            key,
            awaited: VecDeque::new(),
            acknowledged: 0,
            next_seq: 1,
        };
        self.by_key.insert(key, peer);
        // The new neighbour learns of it from the whole record, not from a change.
        self.neighbours_changed();
        self.links.insert(peer, link);
        let known = self
            .database
            .iter()
            .map(|(key, state)| (key, state.version))
            .chain([(self.own, self.version)]);
        let body = wire::encode_known(known);
        self.send(peer, packet::KNOWN, 0, body);
        if self.reports_link_to_us(key) {
            self.relink(now, &[(self.own, key)], &[]);
        }
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
        self.neighbours_changed();
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
            neighbours: Some(self.by_key.keys().copied().collect()),
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
            neighbours: Some(self.by_key.keys().copied().collect()),
            topics: self.topics.iter().map(|(topic, &count)| (topic.clone(), count)).collect(),
        }
    }

    fn whole(&self, key: NodeKey) -> Option<Record> {
        if key == self.own {
            return Some(self.own_record());
        }
        self.database.whole(key)
    }

    fn reports_link_to_us(&self, key: NodeKey) -> bool {
        self.database.get(key).is_some_and(|state| state.neighbours.contains(&self.own))
    }

    /// Handles a packet of the link-state protocol.
    pub(super) fn packet(&mut self, now: Instant, peer: PeerId, frame: &PeerFrame) {
        if !self.links.contains_key(&peer) {
            return;
        }
        let understood = match frame.packet {
            // A sign of life.
            packet::HELLO => Some(()),
            packet::KNOWN => self.known(peer, frame.body.clone()),
            packet::RECORDS => self.records(now, peer, frame),
            packet::TAKEN => {
                self.taken(peer, frame.seq);
                Some(())
            }
            packet::ASK => self.asked(peer, frame.body.clone()),
            // Of a later version of the extension.
            _ => Some(()),
        };
        if understood.is_none() {
            self.outputs.push_back(Output::Bad(peer, "a malformed link-state packet"));
        }
    }

    /// The neighbour told what it knows: send it what is newer here.
    fn known(&mut self, peer: PeerId, body: Bytes) -> Option<()> {
        let known: HashMap<NodeKey, u64> = wire::decode_known(body)?.into_iter().collect();
        let newer = |key: NodeKey, version: u64| {
            known.get(&key).is_none_or(|&theirs| theirs < version)
        };
        if !newer(self.own, self.version) {
            self.acknowledged(peer, self.version);
        }
        let keys: Vec<NodeKey> = self
            .database
            .iter()
            .filter(|&(key, state)| newer(key, state.version))
            .map(|(key, _)| key)
            .chain(newer(self.own, self.version).then_some(self.own))
            .collect();
        let records: Vec<Record> = keys.into_iter().filter_map(|key| self.whole(key)).collect();
        self.send_records(peer, &records);
        Some(())
    }

    fn asked(&mut self, peer: PeerId, body: Bytes) -> Option<()> {
        let keys: BTreeSet<NodeKey> = wire::decode_keys(body)?.into_iter().collect();
        let records: Vec<Record> = keys.into_iter().filter_map(|key| self.whole(key)).collect();
        self.send_records(peer, &records);
        Some(())
    }

    fn taken(&mut self, peer: PeerId, seq: u32) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let mut version = None;
        while let Some(&(sent, held)) = link.awaited.front()
            && sent.wrapping_sub(seq) as i32 <= 0
        {
            version = Some(held);
            link.awaited.pop_front();
        }
        if let Some(version) = version {
            self.acknowledged(peer, version);
        }
    }

    fn acknowledged(&mut self, peer: PeerId, version: u64) {
        if let Some(link) = self.links.get_mut(&peer)
            && link.acknowledged < version
        {
            link.acknowledged = version;
            self.outputs.push_back(Output::Acknowledged);
        }
    }

    fn records(&mut self, now: Instant, peer: PeerId, frame: &PeerFrame) -> Option<()> {
        let records = Record::decode_all(frame.body.clone(), self.max_topics.saturating_mul(2))?;
        let (mut passed_on, mut wanted) = (Vec::new(), Vec::new());
        for record in records {
            if record.key == self.own {
                self.outbid(&record);
                continue;
            }
            match self.database.take(now, &record) {
                Taken::New {
                    topics,
                    linked,
                    unlinked,
                } => {
                    self.apply(now, record.key, topics, &linked, &unlinked);
                    passed_on.push(record);
                }
                Taken::Old => {}
                Taken::Gap => wanted.push(record.key),
                Taken::Refused => {
                    let what = "a record over this node's limits";
                    self.outputs.push_back(Output::Bad(peer, what));
                }
            }
        }
        self.flood(&passed_on, Some(peer));
        if !wanted.is_empty() {
            self.send(peer, packet::ASK, 0, wire::encode_keys(wanted));
        }
        self.send(peer, packet::TAKEN, frame.seq, Bytes::new());
        Some(())
    }

    /// The network holds a record of this very node that is newer than its own: it was here before
    /// with a clock that was ahead. Its state now has to win.
    fn outbid(&mut self, record: &Record) {
        if record.version > self.version {
            self.version = record.version + 1;
            let own = self.own_record();
            self.flood(&[own], None);
        }
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
            mesh.database.get(key).is_some_and(|state| state.away_since.is_none())
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
            return self.by_key.contains_key(&to);
        }
        self.database.get(from).is_some_and(|state| state.neighbours.contains(&to))
    }

    fn relink(
        &mut self,
        now: Instant,
        added: &[(NodeKey, NodeKey)],
        removed: &[(NodeKey, NodeKey)],
    ) {
        let Change {
            gained,
            lost,
            shaken,
        } = self.paths.change(added, removed);
        for key in gained {
            if let Some(state) = self.database.get_mut(key) {
                state.away_since = None;
                for (topic, &count) in &state.topics {
                    self.outputs.push_back(Output::Topic(key, topic.clone(), count));
                }
            }
        }
        for &key in &lost {
            if let Some(state) = self.database.get_mut(key) {
                state.away_since = Some(now);
                for topic in state.topics.keys() {
                    self.outputs.push_back(Output::Topic(key, topic.clone(), 0));
                }
            }
            self.turns.remove(&key);
            self.outputs.push_back(Output::Lost(key));
        }
        for key in shaken.difference(&lost) {
            self.outputs.push_back(Output::Shaken(*key));
        }
    }

    /// Sends records to all neighbours but one.
    fn flood(&mut self, records: &[Record], except: Option<PeerId>) {
        let peers: Vec<PeerId> =
            self.links.keys().copied().filter(|&peer| Some(peer) != except).collect();
        for peer in peers {
            self.send_records(peer, records);
        }
    }

    fn send_records(&mut self, peer: PeerId, records: &[Record]) {
        let mut body = BytesMut::new();
        let mut own_version = None;
        for (n, record) in records.iter().enumerate() {
            record.encode(&mut body);
            if record.key == self.own {
                own_version = Some(record.version);
            }
            if body.len() < BATCH && n + 1 < records.len() {
                continue;
            }
            let Some(link) = self.links.get_mut(&peer) else {
                return;
            };
            let seq = link.next_seq;
            link.next_seq = link.next_seq.wrapping_add(1);
            if let Some(version) = own_version.take() {
                if link.awaited.len() == MAX_AWAITED {
                    link.awaited.pop_front();
                }
                link.awaited.push_back((seq, version));
            }
            self.send(peer, packet::RECORDS, seq, body.split().freeze());
        }
    }

    fn send(&mut self, peer: PeerId, packet: u16, seq: u32, body: Bytes) {
        self.outputs.push_back(Output::Send(peer, extension(packet, seq, body)));
    }

    /// Forgets nodes that have been out of reach for long.
    pub(super) fn age(&mut self, now: Instant) {
        self.database.age(now);
    }

    /// When [`age`](Self::age) has something to do next.
    pub(super) fn next_age(&self) -> Option<Instant> {
        self.database.next_age()
    }

    /// Whether it knows of no other node.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty() && self.database.iter().next().is_none()
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
