//! The network of overlay nodes: which nodes are linked, which topics they have, and the shortest
//! paths between them.
//!
//! A link-state protocol. Each node floods its own signed record (its neighbours, its topics with
//! their subscriber counts) as changes with rising versions; a link that comes up is followed by an
//! exchange of what both sides know. A record crosses a link once, and a node passes on only
//! records that are new to it, so flooding ends. `docs/mesh-protocol.md` says what a node does not
//! trust its neighbours with.

mod arrivals;
mod borders;
mod bucket;
mod damping;
mod database;
mod flood;
mod inbox;
mod multicasts;
mod pairs;
mod paths;
mod restating;
mod seen_messages;
mod signed;
mod speaker;
mod sync;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::hash::HashMap;

pub use self::restating::{Restated, Restatement};
use self::{
    arrivals::REPEATS,
    borders::Border,
    damping::Damping,
    database::{Database, NodeState},
    flood::{MAX_AHEAD, PendingRecords},
    pairs::Pairs,
    paths::{PathChange, Paths},
    speaker::{Speaker, Spoken, When},
    sync::Sync,
};
pub(super) use self::{
    bucket::TokenBucket,
    pairs::SealProof,
    seen_messages::{GivenAnswer, SeenMessages, SeenStatus},
};
use super::{Kept, Limits, MachineConfig, PeerId, checker::RecordsFault, sooner};
use crate::p2p::{
    NodeId, PeerFrame,
    mesh::{
        Agreement, IdentityRefusal, MAX_NEIGHBOURS, MAX_VERSION, RoutingKey, Seal, Statement,
        StatementSigner, Subject, Whole,
    },
    protocol,
};

/// The number of topic counts reported to the rest of the node at once; further ones wait.
const SHOWN_AT_ONCE: usize = 96;
const BACKLOG_PAUSE: Duration = Duration::from_millis(1);
/// In a backlog longer than this, more are reported at once, so that it does not grow for ever.
const LONG_BACKLOG: usize = 1 << 19;

/// What the mesh asks the router to do, or reports to it.
#[derive(Debug, Clone)]
pub(super) enum MeshOutput {
    Send(PeerId, PeerFrame),
    /// A node's subscriber count for a topic changed; 0 for a node that cannot be reached.
    Topic(RoutingKey, Bytes, u32),
    /// A node can no longer be reached.
    Lost(RoutingKey),
    /// A link is gone, and the messages that were on it may be lost.
    Cut {
        /// Paths to these nodes led over it.
        shaken: BTreeSet<RoutingKey>,
        /// The number of changes of the network before this one: a message that was sent before the
        /// last of them may have gone over the link, whatever its target.
        changes: u64,
    },
    /// Another connection to this neighbour replaced one that is gone; messages that were on their
    /// way there may be lost.
    Moved(RoutingKey),
    /// A neighbour acknowledged further statements of this node.
    Acknowledged,
    /// This node's statement of itself is long, and must be built outside the machine.
    Restate(Box<Restatement>),
    /// The topics of FISCO nodes behind this one were stated again.
    Borders,
    /// A neighbour announces more topics than this node accepts.
    TooManyTopics(PeerId),
    /// A neighbour sent something malformed.
    Bad(PeerId, &'static str),
    /// A neighbour sent a record that is not accepted.
    Refused(PeerId, &'static str),
    /// A neighbour sent records that no honest node passes on.
    Fault(PeerId, RecordsFault),
    /// A neighbour sent a record of a node that this node refuses.
    Disbelieved {
        peer: PeerId,
        node: NodeId,
        why: IdentityRefusal,
    },
    /// There was no room for records that a neighbour sent.
    OverBudget(PeerId),
    /// This many nodes were forgotten to make room.
    Evicted(usize),
    /// A neighbour sent statements of a node that sends too many.
    TooOften(PeerId),
    /// A neighbour keeps sending records that are known.
    Repeats(PeerId),
    /// A neighbour asks too much.
    AsksTooMuch(PeerId),
}

/// The next step of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    pub(super) peer: PeerId,
    /// The name of the neighbour at the other end.
    pub(super) key: RoutingKey,
}

/// A node, and the border node that announces it if it is a FISCO node.
type NodeAndBorder = (RoutingKey, Option<RoutingKey>);

/// A link to a neighbour.
#[derive(Debug, Clone)]
struct Link {
    key: RoutingKey,
    /// Record frames with this node's own record that are not acknowledged: the seq of each, and
    /// the number of the last statement in it.
    awaited: VecDeque<(u32, u64)>,
    /// The number of the last statement of this node that the neighbour has.
    acknowledged: u64,
    next_seq: u32,
    /// The version of its own record that the neighbour said it knows. Until it has said so, it has
    /// not been sent the records of this node.
    known: Option<u64>,
    /// Whether both ends know what the other knew when the link came up. Only then does the link
    /// count. So when a message is passed on, the next node knows at least the links that the
    /// sender relied on: it always finds a path, and no circle lasts. Otherwise a restarted node
    /// would be taken to know paths, because of the record it left before.
    ready: bool,
    /// Until when it does not count although it is ready: it came and went too often.
    held: Option<Instant>,
    /// The number of the statement with which this node started to list it.
    listed: u64,
    /// Limits how often the neighbour may tell what it knows.
    tells: TokenBucket,
    /// Limits how much it may ask for.
    asks: TokenBucket,
    /// Limits the known records it may send beyond those that echo news,
    repeats: TokenBucket,
    /// and the number of the news up to which echoes have been counted.
    echoes: u64,
    sync: Sync,
    /// Until when another connection to the same node is waited for, after this one ended.
    suspended: Option<Instant>,
}

impl Link {
    fn counts(&self) -> bool {
        self.ready && self.held.is_none()
    }
}

/// What this node knows of the overlay.
#[derive(Debug, Clone)]
pub(super) struct Mesh {
    own_id: NodeId,
    /// This node's statements of itself.
    own: Speaker,
    signer: Arc<dyn StatementSigner>,
    /// The time, in microseconds since 1970, at `born`.
    epoch: u64,
    born: Option<Instant>,
    /// The time of the latest event.
    now: Option<Instant>,
    links: BTreeMap<PeerId, Link>,
    by_key: BTreeMap<RoutingKey, PeerId>,
    /// FISCO nodes that take part through this one, by the names under which they are announced.
    borders: BTreeMap<RoutingKey, Border>,
    database: Database,
    pairs: Pairs,
    paths: Paths,
    work: PendingRecords,
    /// For each node, which of several equal paths is next.
    turns: HashMap<RoutingKey, usize>,
    /// The number of changes of links.
    changes: u64,
    /// Whether nodes can be reached that are not neighbours.
    distant: bool,
    /// The earliest time at which a suspension may end; that link may be gone already.
    suspensions_end: Option<Instant>,
    damping: Damping,
    /// The earliest time at which a link that is held down may count.
    holds_end: Option<Instant>,
    /// Packets to neighbours. They are sent before the router acts on the other outputs: a message
    /// that is sent over another path must not overtake the news that explains it.
    sends: VecDeque<MeshOutput>,
    outputs: VecDeque<MeshOutput>,
    /// Changed subscriber counts that are reported when there is time.
    backlog: VecDeque<(RoutingKey, Bytes, u32)>,
    backlog_at: Option<Instant>,
    limits: Limits,
    /// Whether something other than a message was handled since `due` was computed.
    touched: Kept<bool>,
    /// When the next thing is due, as long as `touched` is not set: messages do not change it.
    due: Kept<Option<Instant>>,
}

impl Mesh {
    pub(super) fn new(config: &MachineConfig) -> Self {
        let own = Speaker::new(Subject::Node(config.node));
        let agreement = Agreement::new(config.node, &config.seed, config.epoch);
        Self {
            own_id: config.node,
            signer: config.signer.clone(),
            epoch: config.epoch.clamp(1, MAX_VERSION / 2),
            born: None,
            now: None,
            links: BTreeMap::new(),
            by_key: BTreeMap::new(),
            borders: BTreeMap::new(),
            database: Database::new(own.key(), config.limits),
            pairs: Pairs::new(agreement, config.limits.nodes),
            paths: Paths::new(own.key()),
            own,
            work: PendingRecords::default(),
            turns: HashMap::default(),
            changes: 0,
            distant: false,
            suspensions_end: None,
            damping: Damping::default(),
            holds_end: None,
            sends: VecDeque::new(),
            outputs: VecDeque::new(),
            backlog: VecDeque::new(),
            backlog_at: None,
            limits: config.limits,
            touched: Kept(true),
            due: Kept(None),
        }
    }

    /// Notes the time.
    pub(super) fn tick(&mut self, now: Instant) {
        self.born.get_or_insert(now);
        self.now = Some(now);
    }

    /// Returns the version that a statement made now would have.
    fn clock(&self) -> u64 {
        let lived = self.now.zip(self.born);
        let lived = lived.map_or(Duration::ZERO, |(now, born)| {
            now.saturating_duration_since(born)
        });
        let lived = lived.as_micros() as u64;
        self.epoch.saturating_add(lived).min(MAX_VERSION / 2)
    }

    pub(super) fn own(&self) -> RoutingKey {
        self.own.key()
    }

    pub(super) fn poll_output(&mut self) -> Option<MeshOutput> {
        self.sends.pop_front().or_else(|| self.outputs.pop_front())
    }

    /// Returns how often links of the overlay have changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Returns the number of the statement of this node that covers the current state.
    pub(super) fn statement(&self) -> u64 {
        self.own.next_number()
    }

    /// Returns the number of the last statement that a neighbour has acknowledged, and whether the
    /// link to it counts and the neighbour knows so; `None` if there is no link.
    pub(super) fn acknowledged_by(&self, peer: PeerId) -> Option<(u64, bool)> {
        let link = self.links.get(&peer)?;
        let settled = link.counts() && link.acknowledged >= link.listed;
        Some((link.acknowledged, settled))
    }

    /// Returns the bytes of records that neighbours made this node hold.
    pub(super) fn used(&self) -> usize {
        self.database.used()
    }

    /// Returns the number of other nodes that can be reached.
    pub(super) fn reachable(&self) -> usize {
        self.database.reachable()
    }

    /// Returns whether nodes can be reached that are not neighbours.
    pub(super) fn has_distant(&self) -> bool {
        self.distant
    }

    /// Returns how many links away a node is.
    pub(super) fn distance(&self, node: RoutingKey) -> Option<u32> {
        self.paths.distance(node)
    }

    /// Returns whether a node is known, or is this one.
    pub(super) fn is_known(&self, key: RoutingKey) -> bool {
        key == self.own() || self.database.get(key).is_some()
    }

    /// Returns the ID of a known node.
    pub(super) fn node_id(&self, key: RoutingKey) -> Option<NodeId> {
        self.database.get(key).map(|state| state.node)
    }

    /// Returns the FISCO node that a border node announces under this name.
    pub(super) fn fisco_at(&self, key: RoutingKey) -> Option<NodeId> {
        let state = self.database.get(key)?;
        state.border.map(|_| state.node)
    }

    /// Returns how many subscribers of a topic a node may count as, if a node may claim `claimed`
    /// of them: a FISCO node counts as one wherever it is announced, and a border node as the rest
    /// after its FISCO nodes.
    pub(super) fn may_claim(&self, node: RoutingKey, topic: &[u8], claimed: u32) -> u32 {
        if self.owner(node) != node {
            return 1;
        }
        let stubs = self.database.stubs_of(node);
        let holding = stubs.filter(|&stub| self.claim(stub, topic) > 0).count();
        claimed.saturating_sub(holding as u32).max(1)
    }

    /// Returns the agreement key of a node, or of the border node that announces it: it changes
    /// when that node restarts.
    pub(super) fn life(&self, node: RoutingKey) -> Option<[u8; 32]> {
        self.database.get(self.owner(node))?.agreement
    }

    /// Returns whether a node has stated that it has subscribers of a topic, even if it cannot be
    /// reached now.
    pub(super) fn says_it_has(&self, node: RoutingKey, topic: &[u8]) -> bool {
        let state = self.database.get(node);
        state.is_some_and(|state| state.topics.contains_key(topic))
    }

    /// Returns how many subscribers of a topic a node claims, if it can be reached.
    fn claim(&self, node: RoutingKey, topic: &[u8]) -> u32 {
        let state = self.database.get(node).filter(|state| state.is_reachable());
        let count = state.and_then(|state| state.topics.get(topic));
        count.copied().unwrap_or(0)
    }

    /// Returns the first topic of a node in byte order, starting at `from`.
    pub(super) fn first_topic_from(&self, node: RoutingKey, from: Bytes) -> Option<&Bytes> {
        let mut topics = self.database.get(node)?.topics.range(from..);
        topics.next().map(|(topic, _)| topic)
    }

    /// Returns how many nodes have records here, reachable or not.
    pub(super) fn known_nodes(&self) -> usize {
        self.database.len()
    }

    /// Returns the topics of a node that can be reached.
    pub(super) fn topics_of(&self, node: RoutingKey) -> impl Iterator<Item = &Bytes> {
        self.counts_of(node).map(|(topic, _)| topic)
    }

    /// Returns the topics of a node that can be reached, with their subscriber counts.
    pub(super) fn counts_of(&self, node: RoutingKey) -> impl Iterator<Item = (&Bytes, u32)> {
        self.database
            .get(node)
            .filter(|state| state.is_reachable())
            .into_iter()
            .flat_map(|state| &state.topics)
            .map(|(topic, &count)| (topic, count))
    }

    /// Returns the neighbour through which a message for a node goes next, and the connection to
    /// it: one on a shortest path, equal paths in turn, among those that `usable` accepts.
    pub(super) fn next_hop(
        &mut self,
        node: RoutingKey,
        usable: impl Fn(PeerId) -> bool,
    ) -> Option<Hop> {
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
            .filter_map(|n| {
                let key = steps[(turn + n) % steps.len()];
                let &peer = self.by_key.get(&key)?;
                Some(Hop { peer, key })
            })
            .find(|hop| usable(hop.peer))
    }

    /// Returns whether a shortest path to a node begins with this neighbour.
    pub(super) fn leads_through(&mut self, node: RoutingKey, neighbour: RoutingKey) -> bool {
        self.paths.first_steps(node).contains(&neighbour)
    }

    /// Returns whether the path to a node may be restored soon.
    pub(super) fn is_suspended(&mut self, node: RoutingKey) -> bool {
        let (steps, links) = (self.paths.first_steps(node), &self.links);
        steps
            .iter()
            .filter_map(|step| links.get(self.by_key.get(step)?))
            .any(|link| link.suspended.is_some())
    }

    /// Returns the node that vouches for a node's messages: the node itself, or the border node
    /// that announces it.
    pub(super) fn owner(&self, key: RoutingKey) -> RoutingKey {
        let border = self.database.get(key).and_then(|state| state.border);
        border.unwrap_or(key)
    }

    /// Returns whether messages for a node end at a neighbour, so that they need no seal: the
    /// neighbour is that node, or the node is behind it.
    pub(super) fn ends_at(&self, neighbour: RoutingKey, target: RoutingKey) -> bool {
        neighbour == target || neighbour == self.owner(target)
    }

    /// Returns whether a node may say that a multicast comes from a source: from itself, or from a
    /// FISCO node behind it. A node with a record of its own is not a FISCO node, whatever a border
    /// node announces.
    pub(super) fn vouches(&self, voucher: RoutingKey, source: RoutingKey) -> bool {
        let speaks = || source == self.own() || self.database.get(source).is_some();
        // Mostly the first.
        voucher == source || (self.database.announces(voucher, source) && !speaks())
    }

    /// Seals a message for its target; `None` if too little is known of the target.
    pub(super) fn seal(&mut self, statement: &Statement) -> Option<Seal> {
        let clock = self.clock().max(self.own.version());
        let owner = self.owner(statement.target);
        let state = self.database.get(owner)?;
        let other = (owner, &state.node, &state.agreement?);
        self.pairs.seal(clock, other, statement)
    }

    /// Returns what a message's seal proves.
    pub(super) fn prove(&mut self, statement: &Statement, seal: &Seal) -> SealProof {
        // Counters are times, like versions.
        let latest = self
            .clock()
            .saturating_add(2 * MAX_AHEAD.as_micros() as u64);
        let Some(state) = self.database.get(statement.voucher) else {
            return SealProof::None;
        };
        let Some(theirs) = &state.agreement else {
            return SealProof::None;
        };
        let other = (statement.voucher, &state.node, theirs);
        let versions = (state.version, latest);
        self.pairs.open(versions, other, statement, seal)
    }

    /// Returns the certificates of all known nodes, for callers that check whether they are still
    /// valid. FISCO nodes behind other nodes have none, and those behind this node are left out.
    pub(super) fn chains(&self) -> impl Iterator<Item = (Subject, &[Bytes])> {
        self.database.iter().filter_map(|(_, state)| {
            let subject = match state.border {
                None => Subject::Node(state.node),
                Some(border) => Subject::Stub {
                    fisco: state.node,
                    border: self.database.get(border)?.node,
                },
            };
            Some((subject, &state.chain[..]))
        })
    }

    /// Adds a link to a peer that proved to be an overlay node. An existing link to the same node
    /// moves to this connection.
    pub(super) fn link_up(&mut self, now: Instant, peer: PeerId, node: &NodeId) {
        self.touched.0 = true;
        let key = RoutingKey::from(node);
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
            held: self.damping.held(now, key),
            listed,
            tells: sync::TELLS,
            asks: sync::ASKS,
            repeats: REPEATS,
            echoes: self.work.news,
            sync: Sync::default(),
            suspended: None,
        };
        let first = self.links.is_empty();
        self.holds_end = sooner(self.holds_end, link.held);
        self.links.insert(peer, link);
        if first {
            // There was no neighbour to tell before.
            self.speak_of_own(now, When::AtOnce);
        }
        if ready {
            // Packets that told the neighbour of this node may be lost, and it must know the path
            // back before it is asked something.
            let records = self.own.records().concat().into();
            self.send_records(peer, records, Some(self.own.number()));
            self.outputs.push_back(MeshOutput::Moved(key));
        }
        self.tell_known(peer);
    }

    /// States what is new, if it is time.
    #[inline]
    pub(super) fn speak(&mut self, now: Instant) {
        if self.touched.0 || self.due.0.is_some_and(|due| due <= now) {
            self.speak_now(now);
        }
    }

    fn speak_now(&mut self, now: Instant) {
        if self.own.wants(now) && !self.links.is_empty() {
            self.speak_of_own(now, When::Apart);
        }
        if self
            .borders
            .values()
            .any(|border| border.speaker.wants(now))
        {
            let keys: Vec<RoutingKey> = self.borders.keys().copied().collect();
            for key in keys {
                if self.speak_of(now, key, false) {
                    self.outputs.push_back(MeshOutput::Borders);
                }
            }
        }
        if !self.backlog.is_empty() && self.backlog_at.is_none_or(|at| at <= now) {
            let behind = self.backlog.len().saturating_sub(LONG_BACKLOG);
            let shown = SHOWN_AT_ONCE.max(behind / 16);
            let shown = self.backlog.drain(..shown.min(self.backlog.len()));
            self.outputs
                .extend(shown.map(|(key, topic, count)| MeshOutput::Topic(key, topic, count)));
            self.backlog_at = (!self.backlog.is_empty()).then(|| now + BACKLOG_PAUSE);
        }
        self.due.0 = self.find_due();
        self.touched.0 = false;
    }

    fn speak_of_own(&mut self, now: Instant, when: When) {
        let clock = self.clock();
        let neighbours = self.neighbours();
        let (pairs, signer) = (&self.pairs, &self.signer);
        let whole = || {
            let agreement = pairs.public();
            let chain = signer.chain();
            (Some(Whole { agreement, chain }), Some(neighbours.clone()))
        };
        let changed = || Some(neighbours.clone());
        match self.own.speak(now, clock, when, signer, whole, changed) {
            Some(Spoken::Signed(signed)) => self.flood_own(signed.bytes(), self.own.number()),
            Some(Spoken::Apart(restatement)) => {
                let restatement = Box::new(restatement);
                self.outputs.push_back(MeshOutput::Restate(restatement));
            }
            None => {}
        }
    }

    /// Handles a statement of this node that was built outside the machine.
    pub(super) fn restated(&mut self, now: Instant, restated: Restated) {
        self.touched.0 = true;
        if let Some(record) = self.own.restated(now, restated) {
            self.flood_own(&record, self.own.number());
        }
    }

    /// Lets a link count if it may.
    fn count_if_ready(&mut self, now: Instant, peer: PeerId) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let held = self.database.get(link.key).map(|state| state.version);
        if link.ready || link.known.is_none_or(|known| held < Some(known)) {
            return;
        }
        link.ready = true;
        if link.held.is_none() {
            self.count(now, peer);
        }
    }

    /// Lets a link count from now on.
    fn count(&mut self, now: Instant, peer: PeerId) {
        self.own.neighbours_changed();
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let key = link.key;
        link.listed = self.own.next_number();
        if self.reports_link_to_us(key) {
            self.relink(now, &[(self.own.key(), key)], &[]);
        }
    }

    /// Handles a link that counted for both ends and no longer does. If this happens too often the
    /// link is held down, and this node does not state it for a while.
    fn uncount(&mut self, now: Instant, key: RoutingKey) {
        self.damping.lost(now, key);
        let Some(until) = self.damping.held(now, key) else {
            return;
        };
        let peer = self.by_key.get(&key);
        if let Some(link) = peer.and_then(|peer| self.links.get_mut(peer)) {
            link.held = Some(until);
            self.holds_end = sooner(self.holds_end, Some(until));
            self.own.neighbours_changed();
        }
    }

    /// Lets links count that have been held down for long enough.
    fn end_holds(&mut self, now: Instant) {
        if self.holds_end.is_none_or(|end| now < end) {
            return;
        }
        let links = self.links.iter_mut();
        let over = links.filter(|(_, link)| link.held.is_some_and(|until| until <= now));
        let over = over.map(|(&peer, link)| {
            link.held = None;
            (peer, link.ready)
        });
        let over: Vec<_> = over.collect();
        self.holds_end = self.links.values().filter_map(|link| link.held).min();
        for (peer, _) in over.into_iter().filter(|&(_, ready)| ready) {
            self.count(now, peer);
        }
    }

    /// Returns the neighbours whose links count.
    fn neighbours(&self) -> Vec<RoutingKey> {
        let counts = |peer: &PeerId| self.links.get(peer).is_some_and(Link::counts);
        self.by_key
            .iter()
            .filter(|(_, peer)| counts(peer))
            .map(|(&key, _)| key)
            .chain(self.borders.keys().copied())
            .take(MAX_NEIGHBOURS)
            .collect()
    }

    /// Removes a link.
    pub(super) fn link_down(&mut self, now: Instant, peer: PeerId) {
        self.touched.0 = true;
        let Some(link) = self.links.remove(&peer) else {
            return;
        };
        self.work.peer_gone(peer);
        if self.by_key.get(&link.key) == Some(&peer) {
            if link.counts() && self.reports_link_to_us(link.key) {
                self.uncount(now, link.key);
            }
            self.by_key.remove(&link.key);
            self.work.link_down(link.key);
            self.relink(now, &[], &[(self.own.key(), link.key)]);
        }
        if link.ready {
            self.own.neighbours_changed();
        }
    }

    /// Handles the end of a connection that another one to the same node may soon replace. If there
    /// is another path to that node, the link is removed. Otherwise the overlay is not told until
    /// `until`, and messages to the node wait.
    pub(super) fn suspend(&mut self, now: Instant, peer: PeerId, until: Instant) {
        self.touched.0 = true;
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

    /// Records changes of this node's own subscriber counts.
    pub(super) fn topics_changed(&mut self, changes: &[(Bytes, u32)]) {
        self.touched.0 = true;
        for (topic, count) in changes {
            self.own.set_topic(topic, *count);
        }
    }

    fn reports_link_to_us(&self, key: RoutingKey) -> bool {
        self.database
            .get(key)
            .is_some_and(|state| state.reports(self.own.key()))
    }

    /// Applies the changed links of a record.
    fn links_changed(
        &mut self,
        now: Instant,
        key: RoutingKey,
        linked: &[RoutingKey],
        unlinked: &[RoutingKey],
    ) {
        if linked.is_empty() && unlinked.is_empty() {
            return;
        }
        let own = self.own.key();
        if unlinked.binary_search(&own).is_ok() && self.is_linked(own, key) {
            self.uncount(now, key);
        }
        // A link counts when both ends report it.
        let added: Vec<_> = linked
            .iter()
            .filter(|&&other| self.is_linked(other, key))
            .map(|&other| (key, other))
            .collect();
        let removed: Vec<_> = unlinked.iter().map(|&other| (key, other)).collect();
        // A node that lets a link come and go pays for the topics that this shows and hides: the
        // two ends for their own topics, the one that states the link for those of the nodes behind
        // it.
        let mut rest = 0;
        for (node, topics) in self.relink(now, &added, &removed) {
            let is_end = |ends: &[RoutingKey]| ends.binary_search(&node).is_ok();
            if is_end(linked) || is_end(unlinked) {
                self.database.owe(now, node, topics);
            } else {
                rest += topics;
            }
        }
        self.database.owe(now, key, rest);
    }

    /// Reports how many subscribers a node has for a topic. If a border node announces the node, it
    /// reports the border node's number again, because what that may claim has changed.
    fn show(&mut self, (key, border): NodeAndBorder, topic: Bytes, count: u32) {
        let of_border = border.map(|border| (border, self.claim(border, &topic)));
        let of_border = of_border.filter(|&(_, count)| count > 0);
        let of_border = of_border.map(|(border, count)| (border, topic.clone(), count));
        self.show_one(key, topic, count);
        if let Some((border, topic, count)) = of_border {
            self.show_one(border, topic, count);
        }
    }

    fn show_one(&mut self, key: RoutingKey, topic: Bytes, count: u32) {
        if self.backlog.is_empty() {
            self.outputs.push_back(MeshOutput::Topic(key, topic, count));
        } else {
            // An older count must not be reported after a newer one.
            self.backlog.push_back((key, topic, count));
        }
    }

    fn show_all(&mut self, (key, border): NodeAndBorder, mut topics: Vec<(Bytes, u32)>) {
        if topics.len() > SHOWN_AT_ONCE {
            // Put one count into the backlog first, so that all the others wait behind it.
            self.backlog
                .extend(topics.pop().map(|(topic, count)| (key, topic, count)));
        }
        for (topic, count) in topics {
            self.show((key, border), topic, count);
        }
    }

    /// Returns the digest that identifies the agency of a node, or of the node that speaks for it.
    pub(super) fn authority(&self, node: RoutingKey) -> Option<[u8; 32]> {
        let state = self.database.get(node)?;
        match state.border {
            Some(border) => self.database.get(border)?.authority,
            None => state.authority,
        }
    }

    /// Forgets the records of a node.
    fn forget(&mut self, now: Instant, key: RoutingKey) {
        let forgotten = self.database.forget(key, false);
        self.forgotten(now, forgotten);
    }

    /// Forgets nodes that are no longer believed.
    pub(super) fn disbelieve(&mut self, now: Instant, nodes: &[Subject]) {
        self.touched.0 = true;
        for node in nodes {
            self.forget(now, node.key());
        }
    }

    /// Handles the results of forgetting nodes, reachable or not.
    fn forgotten(&mut self, now: Instant, nodes: Vec<(RoutingKey, NodeState)>) {
        if nodes.is_empty() {
            return;
        }
        let mut links = Vec::new();
        for (key, state) in nodes {
            if state.is_reachable() {
                let topics = state.topics.keys().map(|topic| (topic.clone(), 0));
                self.show_all((key, state.border), topics.collect());
            }
            self.turns.remove(&key);
            self.pairs.forget(key);
            // A record that comes when the node is back does not mention links that it lost
            // meanwhile.
            links.extend(state.neighbours.iter().map(|&other| (key, other)));
        }
        if links.is_empty() {
            self.look_for_distant();
        } else {
            self.relink(now, &[], &links);
        }
    }

    /// Returns whether `from` reports a link to `to`.
    fn is_linked(&self, from: RoutingKey, to: RoutingKey) -> bool {
        if from == self.own.key() {
            let link = self.by_key.get(&to).and_then(|peer| self.links.get(peer));
            return link.is_some_and(Link::counts) || self.borders.contains_key(&to);
        }
        self.database
            .get(from)
            .is_some_and(|state| state.reports(to))
    }

    /// Adds and removes links. Returns the nodes that came into reach or went out of it, each with
    /// the cost of showing or hiding its topics.
    fn relink(
        &mut self,
        now: Instant,
        added: &[(RoutingKey, RoutingKey)],
        removed: &[(RoutingKey, RoutingKey)],
    ) -> Vec<(RoutingKey, usize)> {
        let mut shown = Vec::new();
        let PathChange {
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
                let topics = state.topics.iter();
                let topics = topics.map(|(topic, &count)| (topic.clone(), count));
                let topics: Vec<_> = topics.collect();
                let whose = (key, state.border);
                shown.push((key, shown_for(whose, &topics)));
                self.show_all(whose, topics);
            }
        }
        for &key in &lost {
            if let Some(state) = self.database.set_away(key, Some(now)) {
                let topics = state.topics.keys().map(|topic| (topic.clone(), 0));
                let topics: Vec<_> = topics.collect();
                let whose = (key, state.border);
                shown.push((key, shown_for(whose, &topics)));
                self.show_all(whose, topics);
            }
            self.turns.remove(&key);
            self.outputs.push_back(MeshOutput::Lost(key));
        }
        if cut {
            self.outputs.push_back(MeshOutput::Cut { shaken, changes });
        }
        self.look_for_distant();
        shown
    }

    /// Updates whether nodes can be reached that are not neighbours.
    fn look_for_distant(&mut self) {
        let near =
            |&&key: &&RoutingKey| self.database.get(key).is_some_and(NodeState::is_reachable);
        self.distant = self.database.reachable() > self.by_key.keys().filter(near).count();
    }

    /// Forgets nodes that have been out of reach for long, and suspended links that were not
    /// replaced in time.
    pub(super) fn age(&mut self, now: Instant) {
        self.touched.0 = true;
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
        self.end_holds(now);
        let forgotten = self.database.age(now);
        self.forgotten(now, forgotten);
        self.work_due(now);
    }

    /// Returns when [`age`](Self::age) or [`speak`](Self::speak) has something to do next.
    pub(super) fn next_age(&self) -> Option<Instant> {
        if self.touched.0 {
            return self.find_due();
        }
        debug_assert_eq!(self.due.0, self.find_due(), "a change was not noted");
        self.due.0
    }

    fn find_due(&self) -> Option<Instant> {
        let mut next = sooner(self.suspensions_end, self.database.next_age());
        next = sooner(next, self.holds_end);
        next = sooner(next, self.work.next());
        if !self.links.is_empty() {
            next = sooner(next, self.own.next());
        }
        for border in self.borders.values() {
            next = sooner(next, border.speaker.next());
        }
        sooner(next, self.backlog_at)
    }
}

/// Returns the cost of showing or hiding a node: the border node that announces it is shown again
/// as well.
fn shown_for((_, border): NodeAndBorder, topics: &[(Bytes, u32)]) -> usize {
    1 + topics.len() * (1 + usize::from(border.is_some()))
}

/// Builds a frame of the extension protocol.
pub(super) fn extension(packet: u16, seq: u32, body: Bytes) -> PeerFrame {
    PeerFrame {
        protocol: protocol::EXTENSION,
        packet,
        seq,
        body,
    }
}
