//! The network of nodes of this project: who is linked to whom, who has which topics, and the
//! shortest ways between them.
//!
//! A link-state protocol. Each node floods its own signed record (its neighbours, its topics with their
//! subscriber counts) as changes with rising versions; a link that comes up is followed by an
//! exchange of what both sides know. A record crosses a link once, a node passes on only what is new
//! to it, so flooding ends. What a node does not trust its neighbours with is in
//! `docs/mesh-protocol.md`.

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
mod recent;
mod restating;
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
    database::{Database, State},
    flood::{MAX_AHEAD, Work},
    pairs::Pairs,
    paths::{Change, Paths},
    speaker::{Speaker, Spoken, When},
    sync::Sync,
};
pub(super) use self::{
    bucket::Bucket,
    pairs::Proof,
    recent::{GivenAnswer, Recent, Seen},
};
use super::{Kept, Limits, NodeConfig, PeerId, checker::RecordsFault, sooner};
use crate::p2p::{
    NodeId, PeerFrame,
    mesh::{
        Agreement, MAX_NEIGHBOURS, MAX_VERSION, NodeKey, Refusal, Seal, Signer, Statement, Subject,
        Whole,
    },
    protocol,
};

/// What the rest of the node is told of topics at once; what is more waits its turn.
const SHOWN_AT_ONCE: usize = 96;
const BACKLOG_PAUSE: Duration = Duration::from_millis(1);
/// Of a backlog longer than this more is told at once, so that it does not grow for ever.
const LONG_BACKLOG: usize = 1 << 19;

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
    /// A neighbour knows more of what this node has stated.
    Acknowledged,
    /// What this node states of itself is long, and is to be put together apart from the machine.
    Restate(Box<Restatement>),
    /// The topics of FISCO nodes behind this one are stated anew.
    Borders,
    /// A neighbour announces more topics than this node takes.
    TooManyTopics(PeerId),
    /// A neighbour sent something malformed.
    Bad(PeerId, &'static str),
    /// A neighbour sent a record that is not taken.
    Refused(PeerId, &'static str),
    /// A neighbour sent what no honest node passes on.
    Fault(PeerId, RecordsFault),
    /// A neighbour sent a record of a node that this node does not believe.
    Disbelieved {
        peer: PeerId,
        node: NodeId,
        why: Refusal,
    },
    /// There was no room for what a neighbour sent.
    OverBudget(PeerId),
    /// So many nodes were forgotten to make room.
    Evicted(usize),
    /// A neighbour sent statements of a node that makes too many.
    TooOften(PeerId),
    /// A neighbour sends what is known, again and again.
    Repeats(PeerId),
    /// A neighbour asks too much.
    AsksTooMuch(PeerId),
}

/// Where a message goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    pub(super) peer: PeerId,
    /// The neighbour there.
    pub(super) key: NodeKey,
}

/// A node, and the one that announces it if it is a FISCO node.
type Whose = (NodeKey, Option<NodeKey>);

/// A link to a neighbour.
#[derive(Debug, Clone)]
struct Link {
    key: NodeKey,
    /// Record frames with this node's own record that are not acknowledged: seq and the number of
    /// the last statement in them.
    awaited: VecDeque<(u32, u64)>,
    /// The number of the last statement of this node that the neighbour has.
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
    /// Until then it does not count all the same: it came and went too often.
    held: Option<Instant>,
    /// The number of this node's statement with which it came to count.
    listed: u64,
    /// How often the neighbour may tell what it knows.
    tells: Bucket,
    /// How much it may ask for.
    asks: Bucket,
    /// How many records that are known already it may send beside those that are an echo of news,
    repeats: Bucket,
    /// and up to which of the news these are.
    echoes: u64,
    sync: Sync,
    /// The connection is gone, and until then another one to the same node is waited for.
    suspended: Option<Instant>,
}

impl Link {
    fn counts(&self) -> bool {
        self.ready && self.held.is_none()
    }
}

/// What this node knows of the network.
#[derive(Debug, Clone)]
pub(super) struct Mesh {
    own_id: NodeId,
    /// What this node states of itself.
    own: Speaker,
    signer: Arc<dyn Signer>,
    /// The time in microseconds since 1970 at a moment.
    epoch: u64,
    born: Option<Instant>,
    /// The last moment this node was told of.
    now: Option<Instant>,
    links: BTreeMap<PeerId, Link>,
    by_key: BTreeMap<NodeKey, PeerId>,
    /// FISCO nodes that take part by way of this one, by the names they are announced under.
    borders: BTreeMap<NodeKey, Border>,
    database: Database,
    pairs: Pairs,
    paths: Paths,
    work: Work,
    /// Which of several equal ways to a node is next.
    turns: HashMap<NodeKey, usize>,
    /// How often links have changed.
    changes: u64,
    /// There are nodes in reach that are not next to this one.
    distant: bool,
    /// No suspended link's time ends before this; it may have gone already.
    suspensions_end: Option<Instant>,
    damping: Damping,
    /// No link that is held down is to count before this.
    holds_end: Option<Instant>,
    /// Packets to neighbours. They leave before anything is done about what they tell: a message that
    /// is sent another way must not overtake the news of why.
    sends: VecDeque<Output>,
    outputs: VecDeque<Output>,
    /// Subscriber counts that have changed and are told of when there is time.
    backlog: VecDeque<(NodeKey, Bytes, u32)>,
    backlog_at: Option<Instant>,
    limits: Limits,
    /// Something that is not a message has been done since `due` was looked up.
    touched: Kept<bool>,
    /// When there is something to do next, as long as nothing else is done: messages do not change it.
    due: Kept<Option<Instant>>,
}

impl Mesh {
    pub(super) fn new(config: &NodeConfig) -> Self {
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
            work: Work::default(),
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

    /// Takes note of the time.
    pub(super) fn tick(&mut self, now: Instant) {
        self.born.get_or_insert(now);
        self.now = Some(now);
    }

    /// Which version a statement of now would have.
    fn clock(&self) -> u64 {
        let lived = self.now.zip(self.born);
        let lived = lived.map_or(Duration::ZERO, |(now, born)| {
            now.saturating_duration_since(born)
        });
        let lived = lived.as_micros() as u64;
        self.epoch.saturating_add(lived).min(MAX_VERSION / 2)
    }

    pub(super) fn own(&self) -> NodeKey {
        self.own.key()
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.sends.pop_front().or_else(|| self.outputs.pop_front())
    }

    /// How often links of the network have changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The number of the statement of this node that says all that is so now.
    pub(super) fn statement(&self) -> u64 {
        self.own.next_number()
    }

    /// The number of the last statement that a neighbour has said it has, and whether the link to it
    /// counts and the neighbour knows so; `None` if there is no link.
    pub(super) fn acknowledged_by(&self, peer: PeerId) -> Option<(u64, bool)> {
        let link = self.links.get(&peer)?;
        let settled = link.counts() && link.acknowledged >= link.listed;
        Some((link.acknowledged, settled))
    }

    /// Bytes that neighbours made this node hold.
    pub(super) fn used(&self) -> usize {
        self.database.used()
    }

    /// How many other nodes can be reached.
    pub(super) fn reachable(&self) -> usize {
        self.database.reachable()
    }

    /// Whether nodes can be reached that are not next to this one.
    pub(super) fn has_distant(&self) -> bool {
        self.distant
    }

    /// How many links away a node is.
    pub(super) fn distance(&self, node: NodeKey) -> Option<u32> {
        self.paths.distance(node)
    }

    /// Whether a node is known, or is this one.
    pub(super) fn is_known(&self, key: NodeKey) -> bool {
        key == self.own() || self.database.get(key).is_some()
    }

    /// The ID of a node that is known.
    pub(super) fn node_id(&self, key: NodeKey) -> Option<NodeId> {
        self.database.get(key).map(|state| state.node)
    }

    /// The FISCO node that a node of ours announces under this name.
    pub(super) fn fisco_at(&self, key: NodeKey) -> Option<NodeId> {
        let state = self.database.get(key)?;
        state.border.map(|_| state.node)
    }

    /// As how many subscribers of a topic a node may count where one may be `claimed` as often as this: a
    /// FISCO node as one, wherever it is announced, and the node that announces FISCO nodes as what these
    /// leave.
    pub(super) fn may_claim(&self, node: NodeKey, topic: &[u8], claimed: u32) -> u32 {
        if self.owner(node) != node {
            return 1;
        }
        let stubs = self.database.stubs_of(node);
        let holding = stubs.filter(|&stub| self.claim(stub, topic) > 0).count();
        claimed.saturating_sub(holding as u32).max(1)
    }

    /// What tells a node, or the one that announces it, from itself after it has started again.
    pub(super) fn life(&self, node: NodeKey) -> Option<[u8; 32]> {
        self.database.get(self.owner(node))?.agreement
    }

    /// Whether a node has said that it has subscribers of a topic, and can be reached or not.
    pub(super) fn says_it_has(&self, node: NodeKey, topic: &[u8]) -> bool {
        let state = self.database.get(node);
        state.is_some_and(|state| state.topics.contains_key(topic))
    }

    /// How many subscribers of a topic a node says it has, if it can be reached.
    fn claim(&self, node: NodeKey, topic: &[u8]) -> u32 {
        let state = self.database.get(node).filter(|state| state.is_reachable());
        let count = state.and_then(|state| state.topics.get(topic));
        count.copied().unwrap_or(0)
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

    /// The neighbour to send something for a node through, and the connection to it: one on a shortest
    /// path, equal ones in turn, among those that `usable` lets pass.
    pub(super) fn next_hop(
        &mut self,
        node: NodeKey,
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

    /// The node whose word a node's messages are taken for: its own, or that of the node that
    /// announces it.
    pub(super) fn owner(&self, key: NodeKey) -> NodeKey {
        let border = self.database.get(key).and_then(|state| state.border);
        border.unwrap_or(key)
    }

    /// Whether what is for a node ends at a neighbour: that is the node, or the node is behind it. Then it
    /// needs no seal.
    pub(super) fn ends_at(&self, neighbour: NodeKey, target: NodeKey) -> bool {
        neighbour == target || neighbour == self.owner(target)
    }

    /// Whether a node may say that a multicast comes from a source: itself, or a FISCO node behind it.
    /// Whoever speaks for itself is nobody's FISCO node, whatever a border announces.
    pub(super) fn vouches(&self, voucher: NodeKey, source: NodeKey) -> bool {
        let speaks = source == self.own() || self.database.get(source).is_some();
        voucher == source || (!speaks && self.database.announces(voucher, source))
    }

    /// Seals a message for its target; `None` if too little is known of that.
    pub(super) fn seal(&mut self, statement: &Statement) -> Option<Seal> {
        let clock = self.clock().max(self.own.version());
        let owner = self.owner(statement.target);
        let state = self.database.get(owner)?;
        let other = (owner, &state.node, &state.agreement?);
        self.pairs.seal(clock, other, statement)
    }

    /// What a message's seal proves.
    pub(super) fn prove(&mut self, statement: &Statement, seal: &Seal) -> Proof {
        // Counters are times, as versions are.
        let latest = self
            .clock()
            .saturating_add(2 * MAX_AHEAD.as_micros() as u64);
        let Some(state) = self.database.get(statement.voucher) else {
            return Proof::None;
        };
        let Some(theirs) = &state.agreement else {
            return Proof::None;
        };
        let other = (statement.voucher, &state.node, theirs);
        let versions = (state.version, latest);
        self.pairs.open(versions, other, statement, seal)
    }

    /// The certificates of all nodes that are known, for those who look whether they still hold. Those
    /// behind a border, this node excepted, have none.
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

    /// A neighbour turned out to be a node of this project. A link to the same node that is there
    /// already goes over to this connection.
    pub(super) fn link_up(&mut self, now: Instant, peer: PeerId, node: &NodeId) {
        self.touched.0 = true;
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
            // Nobody was there to be told before.
            self.speak_of_own(now, When::AtOnce);
        }
        if ready {
            // What told the neighbour of this node may be lost, and it must know the way back before
            // it is asked something.
            let records = self.own.records().concat().into();
            self.send_records(peer, records, Some(self.own.number()));
            self.outputs.push_back(Output::Moved(key));
        }
        self.tell_known(peer);
    }

    /// States what is new, where it is time.
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
            let keys: Vec<NodeKey> = self.borders.keys().copied().collect();
            for key in keys {
                if self.speak_of(now, key, false) {
                    self.outputs.push_back(Output::Borders);
                }
            }
        }
        if !self.backlog.is_empty() && self.backlog_at.is_none_or(|at| at <= now) {
            let behind = self.backlog.len().saturating_sub(LONG_BACKLOG);
            let shown = SHOWN_AT_ONCE.max(behind / 16);
            let shown = self.backlog.drain(..shown.min(self.backlog.len()));
            self.outputs
                .extend(shown.map(|(key, topic, count)| Output::Topic(key, topic, count)));
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
                self.outputs.push_back(Output::Restate(restatement));
            }
            None => {}
        }
    }

    /// What this node states of itself was put together.
    pub(super) fn restated(&mut self, now: Instant, restated: Restated) {
        self.touched.0 = true;
        if let Some(record) = self.own.restated(now, restated) {
            self.flood_own(&record, self.own.number());
        }
    }

    /// Lets a link count once it may.
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

    /// A link counts from now on.
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

    /// A link that counted for both ends does not any more. If that happens too often it is held down, and
    /// this node does not state it for a while.
    fn uncount(&mut self, now: Instant, key: NodeKey) {
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

    /// The neighbours of the links that count.
    fn neighbours(&self) -> Vec<NodeKey> {
        let counts = |peer: &PeerId| self.links.get(peer).is_some_and(Link::counts);
        self.by_key
            .iter()
            .filter(|(_, peer)| counts(peer))
            .map(|(&key, _)| key)
            .chain(self.borders.keys().copied())
            .take(MAX_NEIGHBOURS)
            .collect()
    }

    /// A link is gone.
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

    /// A connection is gone, and another one to the same node may be about to take its place. If there
    /// is another way to that node it is taken. Otherwise the network is not told until then, and what
    /// is to go there waits.
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

    /// This node's own subscriber counts changed.
    pub(super) fn topics_changed(&mut self, changes: &[(Bytes, u32)]) {
        self.touched.0 = true;
        for (topic, count) in changes {
            self.own.set_topic(topic, *count);
        }
    }

    fn reports_link_to_us(&self, key: NodeKey) -> bool {
        self.database
            .get(key)
            .is_some_and(|state| state.reports(self.own.key()))
    }

    /// What follows from the links of a record.
    fn links_changed(
        &mut self,
        now: Instant,
        key: NodeKey,
        linked: &[NodeKey],
        unlinked: &[NodeKey],
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
        // Who lets a link come and go pays for what that shows and hides: its two ends for their own
        // topics, the one that states it for those of the nodes behind it.
        let mut rest = 0;
        for (node, topics) in self.relink(now, &added, &removed) {
            let is_end = |ends: &[NodeKey]| ends.binary_search(&node).is_ok();
            if is_end(linked) || is_end(unlinked) {
                self.database.owe(now, node, topics);
            } else {
                rest += topics;
            }
        }
        self.database.owe(now, key, rest);
    }

    /// Tells the rest of the node what subscribers a node has for a topic, and what the one that announces
    /// it has: what that may claim is another number now.
    fn show(&mut self, (key, border): Whose, topic: Bytes, count: u32) {
        let of_border = border.map(|border| (border, self.claim(border, &topic)));
        let of_border = of_border.filter(|&(_, count)| count > 0);
        let of_border = of_border.map(|(border, count)| (border, topic.clone(), count));
        self.show_one(key, topic, count);
        if let Some((border, topic, count)) = of_border {
            self.show_one(border, topic, count);
        }
    }

    fn show_one(&mut self, key: NodeKey, topic: Bytes, count: u32) {
        if self.backlog.is_empty() {
            self.outputs.push_back(Output::Topic(key, topic, count));
        } else {
            // What was said before must not be said after.
            self.backlog.push_back((key, topic, count));
        }
    }

    fn show_all(&mut self, (key, border): Whose, mut topics: Vec<(Bytes, u32)>) {
        if topics.len() > SHOWN_AT_ONCE {
            // What is shown after the first of them waits behind it.
            self.backlog
                .extend(topics.pop().map(|(topic, count)| (key, topic, count)));
        }
        for (topic, count) in topics {
            self.show((key, border), topic, count);
        }
    }

    /// A digest of what tells the agency of a node from all others, or of the node that speaks for it.
    pub(super) fn authority(&self, node: NodeKey) -> Option<[u8; 32]> {
        let state = self.database.get(node)?;
        match state.border {
            Some(border) => self.database.get(border)?.authority,
            None => state.authority,
        }
    }

    /// Forgets what a node said.
    fn forget(&mut self, now: Instant, key: NodeKey) {
        let forgotten = self.database.forget(key, false);
        self.forgotten(now, forgotten);
    }

    /// These nodes are no longer believed.
    pub(super) fn disbelieve(&mut self, now: Instant, nodes: &[Subject]) {
        self.touched.0 = true;
        for node in nodes {
            self.forget(now, node.key());
        }
    }

    /// What follows when nodes have been forgotten, reachable or not.
    fn forgotten(&mut self, now: Instant, nodes: Vec<(NodeKey, State)>) {
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
            // A record that comes when the node is back says nothing of links it lost meanwhile.
            links.extend(state.neighbours.iter().map(|&other| (key, other)));
        }
        if links.is_empty() {
            self.look_for_distant();
        } else {
            self.relink(now, &[], &links);
        }
    }

    /// Whether `from` reports a link to `to`.
    fn is_linked(&self, from: NodeKey, to: NodeKey) -> bool {
        if from == self.own.key() {
            let link = self.by_key.get(&to).and_then(|peer| self.links.get(peer));
            return link.is_some_and(Link::counts) || self.borders.contains_key(&to);
        }
        self.database
            .get(from)
            .is_some_and(|state| state.reports(to))
    }

    /// Adds and removes links. Returns the nodes that came into reach or went out of it, with the number
    /// of their topics, one more each.
    fn relink(
        &mut self,
        now: Instant,
        added: &[(NodeKey, NodeKey)],
        removed: &[(NodeKey, NodeKey)],
    ) -> Vec<(NodeKey, usize)> {
        let mut shown = Vec::new();
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
            self.outputs.push_back(Output::Lost(key));
        }
        if cut {
            self.outputs.push_back(Output::Cut { shaken, changes });
        }
        self.look_for_distant();
        shown
    }

    /// Looks whether there are nodes in reach that are not next to this one.
    fn look_for_distant(&mut self) {
        let near = |&&key: &&NodeKey| self.database.get(key).is_some_and(State::is_reachable);
        self.distant = self.database.reachable() > self.by_key.keys().filter(near).count();
    }

    /// Forgets nodes that have been out of reach for long, and links whose place nothing has taken.
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

    /// When [`age`](Self::age) or [`speak`](Self::speak) has something to do next.
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

/// What it costs to show or hide a node: the one that announces it is shown anew as well.
fn shown_for((_, border): Whose, topics: &[(Bytes, u32)]) -> usize {
    1 + topics.len() * (1 + usize::from(border.is_some()))
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
