//! What this node knows of every node of the overlay: its neighbours and its topics.
//!
//! Every record is here because a neighbour brought it, and is charged to that neighbour. When all
//! records together are too much, a neighbour above its share can bring no more, and records that
//! another neighbour brought beyond its share make room.

mod room;
#[cfg(all(test, feature = "test-util"))]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    bucket::TokenBucket,
    signed::SignedBytes,
    speaker::{MAX_CHANGES, REFRESH},
};
use crate::{
    hash::HashMap,
    node::{
        Limits,
        checker::{CheckedRecord, topic_cost},
    },
    p2p::{
        NodeId,
        mesh::{Record, RoutingKey, Subject},
    },
};

/// Records of nodes that cannot be reached are dropped after this long.
const UNREACHABLE_FOR: Duration = Duration::from_secs(60);

/// A node that states nothing for this long is gone, whatever its neighbours say: its records may
/// be old ones that another node repeats.
const STALE: Duration = REFRESH.saturating_mul(4);

/// About what a node costs in memory in addition to its records and topics.
const NODE_COST: usize = 1024;

/// An honest node makes at most 20 statements a second. Statements of a node that makes more than
/// one per this time, on average, are applied later. Topics cost as well: `TOPICS_A_STATEMENT` of
/// them count as one statement.
const STATEMENT: Duration = Duration::from_millis(25);
const TOPICS_A_STATEMENT: usize = 128;
const STATEMENTS: u32 = 128;

/// About what a link of a node costs in memory in addition to its name in the record.
const LINK_COST: usize = 32;

/// A node's state according to its latest record.
#[derive(Debug, Clone)]
pub(super) struct NodeState {
    /// The ID of the node.
    pub(super) node: NodeId,
    /// The border node that announces it, if it is a FISCO node.
    pub(super) border: Option<RoutingKey>,
    /// The public half of its key pair; none for a FISCO node.
    pub(super) agreement: Option<[u8; 32]>,
    /// The certificates of its record.
    pub(super) chain: SignedBytes,
    /// A digest that identifies its agency; none for a FISCO node.
    pub(super) authority: Option<[u8; 32]>,
    pub(super) version: u64,
    /// Sorted, without duplicates.
    pub(super) neighbours: Vec<RoutingKey>,
    pub(super) topics: BTreeMap<Bytes, u32>,
    /// The bytes that the topics cost together, stored so that a change need not add them up.
    topics_cost: usize,
    /// The time since which it cannot be reached, if it cannot.
    away_since: Option<Instant>,
    /// When it last stated something, as far as this node knows.
    advanced: Instant,
    /// The last whole record and the changes since, as they were signed.
    pub(super) records: SignedBytes,
    changes_len: usize,
    /// The neighbour that brought the last record.
    bringer: RoutingKey,
    /// The bytes charged for it.
    cost: usize,
    bucket: TokenBucket,
}

impl NodeState {
    /// Returns whether it reports a link to a node.
    pub(super) fn reports(&self, node: RoutingKey) -> bool {
        self.neighbours.binary_search(&node).is_ok()
    }

    /// Returns whether there is a path to it.
    pub(super) fn is_reachable(&self) -> bool {
        self.away_since.is_none()
    }

    fn whole_len(&self) -> usize {
        self.records.first().map_or(0, Bytes::len)
    }

    /// Sets how many subscribers a topic has; 0 removes it.
    fn set_topic(&mut self, topic: Bytes, count: u32) {
        let cost = topic_cost(&topic);
        let before = match count {
            0 => self.topics.remove(&topic),
            count => self.topics.insert(topic, count),
        };
        self.topics_cost -= before.map_or(0, |_| cost);
        self.topics_cost += if count > 0 { cost } else { 0 };
    }
}

/// The result of taking a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RecordOutcome {
    /// It was new: pass it on. Its topics have yet to be applied; these links changed.
    New {
        linked: Vec<RoutingKey>,
        unlinked: Vec<RoutingKey>,
    },
    /// It was known.
    Old,
    /// It changes a version that is not here, or is of a node behind an unknown border node: ask
    /// for the whole state.
    Gap,
    /// The node has more topics than are accepted; its state stays unchanged.
    TooManyTopics,
    /// There is no room for it.
    NoRoom,
    /// Its name belongs to another node: to one that speaks for itself, or to one whose name reads
    /// the same.
    OthersName,
    /// The node sends more statements than are accepted; ask for its whole state later.
    TooOften,
}

/// The amounts charged to one neighbour.
#[derive(Debug, Default, Clone, Copy)]
struct Charge {
    bytes: usize,
    nodes: usize,
}

/// The data kept about a forgotten node, so that its old statements do not count again.
#[derive(Debug, Clone, Copy)]
struct ForgottenNode {
    version: u64,
    /// Whether it could be reached and stated nothing for long: then even its last record does not
    /// count.
    stale: bool,
    /// Limits how often it may state something: being forgotten does not give it more.
    bucket: TokenBucket,
}

/// The states of all nodes but this one.
#[derive(Debug, Clone)]
pub(super) struct Database {
    own: RoutingKey,
    states: BTreeMap<RoutingKey, NodeState>,
    /// The nodes that cannot be reached, by the time since when; read after every event.
    away: BTreeSet<(Instant, RoutingKey)>,
    /// All nodes but FISCO nodes behind this one, by when they last stated something.
    advanced: BTreeSet<(Instant, RoutingKey)>,
    /// The FISCO nodes behind border nodes: by the border node and their own key.
    behind: BTreeMap<(RoutingKey, RoutingKey), RoutingKey>,
    /// The same, by the FISCO nodes.
    stubs: BTreeMap<RoutingKey, Vec<RoutingKey>>,
    graves: HashMap<RoutingKey, ForgottenNode>,
    graves_order: VecDeque<RoutingKey>,
    /// The graves of FISCO nodes by border node, a limited number for each: a border node can
    /// invent FISCO nodes.
    stub_graves: BTreeMap<RoutingKey, VecDeque<(RoutingKey, ForgottenNode)>>,
    /// The costs of all nodes that are charged to a neighbour.
    costs: BTreeSet<(usize, RoutingKey)>,
    charges: BTreeMap<RoutingKey, Charge>,
    used: usize,
    /// The number of nodes that can be reached, without FISCO nodes behind others.
    reachable: usize,
    /// Nodes forgotten to make room.
    evicted: Vec<(RoutingKey, NodeState)>,
    /// FISCO nodes forgotten because a node with their ID speaks for itself.
    displaced: Vec<(RoutingKey, NodeState)>,
    limits: Limits,
}

impl Database {
    pub(super) fn new(own: RoutingKey, limits: Limits) -> Self {
        Self {
            own,
            states: BTreeMap::new(),
            away: BTreeSet::new(),
            advanced: BTreeSet::new(),
            behind: BTreeMap::new(),
            stubs: BTreeMap::new(),
            graves: HashMap::default(),
            graves_order: VecDeque::new(),
            stub_graves: BTreeMap::new(),
            costs: BTreeSet::new(),
            charges: BTreeMap::new(),
            used: 0,
            reachable: 0,
            evicted: Vec::new(),
            displaced: Vec::new(),
            limits,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Returns the number of nodes that can be reached, without FISCO nodes behind others.
    pub(super) fn reachable(&self) -> usize {
        self.reachable
    }

    /// Returns the bytes of records that neighbours made this node hold.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn get(&self, key: RoutingKey) -> Option<&NodeState> {
        self.states.get(&key)
    }

    /// Records that a node can be reached, or since when it cannot. Returns its state, if it is
    /// known.
    pub(super) fn set_away(
        &mut self,
        key: RoutingKey,
        since: Option<Instant>,
    ) -> Option<&NodeState> {
        let state = self.states.get_mut(&key)?;
        if state.border.is_none() {
            self.reachable -= usize::from(state.away_since.is_none());
            self.reachable += usize::from(since.is_none());
        }
        if let Some(before) = state.away_since {
            self.away.remove(&(before, key));
        }
        if let Some(since) = since {
            self.away.insert((since, key));
        }
        state.away_since = since;
        Some(state)
    }

    /// Returns the keys under which border nodes announce a FISCO node, in order.
    pub(super) fn stubs_for(&self, fisco: RoutingKey) -> &[RoutingKey] {
        self.stubs.get(&fisco).map_or(&[], |stubs| &stubs[..])
    }

    /// Returns whether some border node announces a FISCO node.
    pub(super) fn has_stubs(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Returns whether a node announces the FISCO node with this key.
    pub(super) fn announces(&self, border: RoutingKey, fisco: RoutingKey) -> bool {
        self.behind.contains_key(&(border, fisco))
    }

    /// Returns the keys under which a node announces FISCO nodes.
    pub(super) fn stubs_of(&self, border: RoutingKey) -> impl Iterator<Item = RoutingKey> {
        let all = (border, RoutingKey(0))..=(border, RoutingKey(u64::MAX));
        self.behind.range(all).map(|(_, &key)| key)
    }

    /// Returns the states in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RoutingKey, &NodeState)> {
        self.states.iter().map(|(&key, state)| (key, state))
    }

    /// Takes a record that a neighbour brought, without its topics. A new node cannot be reached
    /// until links to it are known. `leads_to` is the node's last version in the same frame: a
    /// whole record may be old while the changes that follow it are new.
    pub(super) fn take(
        &mut self,
        now: Instant,
        bringer: RoutingKey,
        checked: &CheckedRecord,
        leads_to: u64,
    ) -> RecordOutcome {
        let (record, key) = (checked.record(), checked.key());
        let held = self.states.get(&key);
        let border = border_of(&record.subject);
        if held.is_some_and(|held| held.node != *record.subject.node() || held.border != border) {
            return RecordOutcome::OthersName;
        }
        if held.is_some_and(|held| record.version <= held.version) {
            return RecordOutcome::Old;
        }
        let grave = self.grave(border, key);
        if held.is_none()
            && grave.is_some_and(|grave| {
                leads_to < grave.version || (grave.stale && leads_to == grave.version)
            })
        {
            return RecordOutcome::Old;
        }
        if record.base != 0 && held.is_none_or(|held| held.version != record.base) {
            return RecordOutcome::Gap;
        }
        if let Some(border) = border {
            if self.speaks_for_itself(record.subject.node().into()) {
                return RecordOutcome::OthersName;
            }
            if border != self.own && !self.states.contains_key(&border) {
                return RecordOutcome::Gap;
            }
            if held.is_none() && self.stubs_of(border).count() >= self.most_stubs() {
                return RecordOutcome::NoRoom;
            }
        }
        let len = checked.signed().bytes().len();
        if let Some(held) = held
            && record.base != 0
        {
            if held.changes_len + len > MAX_CHANGES + 2 * held.whole_len() {
                return RecordOutcome::Gap;
            }
            if !self.may_change(held, record) {
                return RecordOutcome::TooManyTopics;
            }
        }
        let mut bucket = match self.states.get(&key) {
            Some(held) => held.bucket,
            None => grave.map_or_else(|| self.new_bucket(), |grave| grave.bucket),
        };
        let held_topics = self.states.get(&key).map_or(0, |held| held.topics.len());
        if bringer != self.own && !bucket.take(now, statements(record, held_topics)) {
            return RecordOutcome::TooOften;
        }
        if let Some(held) = self.states.get_mut(&key) {
            held.bucket = bucket;
        }
        let links = LINK_COST * record.neighbours.as_ref().map_or(0, Vec::len);
        let new = links + len + checked.weight();
        let cost = match self.states.get(&key) {
            Some(held) if record.base != 0 => held.cost + new,
            // Both sets of topics are held for a moment.
            Some(held) => NODE_COST + new + held.topics_cost,
            None => NODE_COST + new,
        };
        if !self.charge(now, (key, border), bringer, cost) {
            return RecordOutcome::NoRoom;
        }
        self.enter(now, key, border, (bringer, cost, bucket), checked)
    }

    /// Returns how many FISCO nodes one node may announce. Each of them counts as a subscriber, and
    /// all of them together with the node itself as `claimed` at most.
    fn most_stubs(&self) -> usize {
        let claimed = self.limits.claimed as usize;
        self.limits.stubs.min(claimed.saturating_sub(1))
    }

    /// Returns whether a node is an overlay node, which must not be announced as a FISCO node.
    fn speaks_for_itself(&self, node: RoutingKey) -> bool {
        let held = self.states.get(&node);
        node == self.own || held.is_some_and(|held| held.border.is_none())
    }

    fn new_bucket(&self) -> TokenBucket {
        let topics = (self.limits.peer_topics / TOPICS_A_STATEMENT) as u32;
        TokenBucket::new(STATEMENTS + 2 * topics, STATEMENT)
    }

    fn grave(&self, border: Option<RoutingKey>, key: RoutingKey) -> Option<ForgottenNode> {
        let Some(border) = border else {
            return self.graves.get(&key).copied();
        };
        let graves = self.stub_graves.get(&border)?;
        let grave = graves.iter().find(|&&(stub, _)| stub == key);
        grave.map(|&(_, grave)| grave)
    }

    /// Charges a node for topics that its statement caused to be shown or hidden; they count as
    /// statements, too.
    pub(super) fn owe(&mut self, now: Instant, key: RoutingKey, topics: usize) {
        if let Some(state) = self.states.get_mut(&key) {
            state.bucket.owe(now, as_statements(topics));
        }
    }

    /// Returns whether a change leaves a node with no more topics than it may have.
    fn may_change(&self, held: &NodeState, record: &Record) -> bool {
        let mut count = held.topics.len();
        for (topic, subscribers) in &record.topics {
            match (held.topics.contains_key(topic), subscribers) {
                (false, 1..) => count += 1,
                (true, 0) => count -= 1,
                _ => {}
            }
        }
        count <= self.limits.peer_topics
    }

    fn enter(
        &mut self,
        now: Instant,
        key: RoutingKey,
        border: Option<RoutingKey>,
        (bringer, cost, bucket): (RoutingKey, usize, TokenBucket),
        checked: &CheckedRecord,
    ) -> RecordOutcome {
        let record = checked.record();
        let bytes = checked.signed().bytes().clone();
        let node = *record.subject.node();
        if border.is_none() && !self.states.contains_key(&key) {
            self.displace_stubs(key);
        }
        let state = self.states.entry(key).or_insert_with(|| {
            self.away.insert((now, key));
            if let Some(border) = border {
                let fisco = RoutingKey::from(&node);
                self.behind.insert((border, fisco), key);
                let stubs = self.stubs.entry(fisco).or_default();
                if let Err(at) = stubs.binary_search(&key) {
                    stubs.insert(at, key);
                }
            }
            NodeState {
                node,
                border,
                agreement: None,
                chain: SignedBytes::default(),
                authority: None,
                version: 0,
                neighbours: Vec::new(),
                topics: BTreeMap::new(),
                topics_cost: 0,
                away_since: Some(now),
                advanced: now,
                records: SignedBytes::default(),
                changes_len: 0,
                bringer,
                cost,
                bucket,
            }
        });
        self.advanced.remove(&(state.advanced, key));
        if border != Some(self.own) {
            self.advanced.insert((now, key));
        }
        state.advanced = now;
        state.version = record.version;
        (state.bringer, state.cost) = (bringer, cost);
        if record.base == 0 {
            state.changes_len = 0;
            state.records.clear();
        } else {
            state.changes_len += bytes.len();
        }
        state.records.push(bytes);
        if let Some(whole) = &record.whole {
            state.agreement = Some(whole.agreement);
            state.authority = Some(checked.authority());
            let chain = whole.chain.iter();
            state.chain = chain.map(|der| Bytes::copy_from_slice(der)).collect();
        }
        let neighbours = match border {
            // A FISCO node is linked to its border node by definition.
            Some(border) => Some(vec![border]),
            None => record.neighbours.clone(),
        };
        let (mut linked, mut unlinked) = (Vec::new(), Vec::new());
        if let Some(neighbours) = neighbours {
            let mut new = neighbours;
            new.sort_unstable();
            new.dedup();
            let old = std::mem::take(&mut state.neighbours);
            let not_in = |all: &[RoutingKey], key: &RoutingKey| all.binary_search(key).is_err();
            linked.extend(new.iter().filter(|&key| not_in(&old, key)));
            unlinked.extend(old.iter().filter(|&key| not_in(&new, key)));
            state.neighbours = new;
        }
        RecordOutcome::New { linked, unlinked }
    }

    /// Applies topics of the latest record of a node, starting at `at`, at most `max`. Returns the
    /// counts that changed, and where to continue if there is more.
    pub(super) fn apply_topics(
        &mut self,
        checked: &CheckedRecord,
        at: usize,
        max: usize,
    ) -> (Vec<(Bytes, u32)>, Option<usize>) {
        let mut changes = Vec::new();
        let (record, key) = (checked.record(), checked.key());
        let Some(state) = self.states.get_mut(&key) else {
            return (changes, None);
        };
        if state.version != record.version {
            return (changes, None);
        }
        let topics = &record.topics;
        let end = topics.len().min(at.saturating_add(max));
        if record.base == 0 {
            // Topics that a whole record does not name are gone.
            let from = match topics.get(at).filter(|_| at > 0) {
                Some((topic, _)) => Bound::Included(topic),
                None => Bound::Unbounded,
            };
            let to = match topics.get(end) {
                Some((topic, _)) => Bound::Excluded(topic),
                None => Bound::Unbounded,
            };
            let named = |topic: &Bytes| {
                let part = &topics[at..end];
                part.binary_search_by(|(other, _)| other.cmp(topic)).is_ok()
            };
            let held = state.topics.range::<Bytes, _>((from, to));
            let gone = held.map(|(topic, _)| topic).filter(|topic| !named(topic));
            let gone: Vec<Bytes> = gone.take(max).cloned().collect();
            let more = gone.len() == max;
            for topic in gone {
                state.set_topic(topic.clone(), 0);
                changes.push((topic, 0));
            }
            if more {
                return (changes, Some(at));
            }
        }
        for (topic, count) in &topics[at..end] {
            if state.topics.get(topic).copied().unwrap_or(0) == *count {
                continue;
            }
            state.set_topic(topic.clone(), *count);
            changes.push((topic.clone(), *count));
        }
        if end < topics.len() {
            return (changes, Some(end));
        }
        self.settle_cost(key);
        (changes, None)
    }

    /// Forgets the records of FISCO nodes with the ID of a node that has just spoken for itself. It
    /// does not matter which border node announced them.
    fn displace_stubs(&mut self, node: RoutingKey) {
        for key in self.stubs_for(node).to_vec() {
            let displaced = self.forget(key, false);
            self.displaced.extend(displaced);
        }
    }

    /// Returns the FISCO nodes forgotten since the last call because they speak for themselves.
    pub(super) fn take_displaced(&mut self) -> Vec<(RoutingKey, NodeState)> {
        std::mem::take(&mut self.displaced)
    }

    /// Returns the nodes forgotten since the last call to make room.
    pub(super) fn take_evicted(&mut self) -> Vec<(RoutingKey, NodeState)> {
        std::mem::take(&mut self.evicted)
    }

    /// Forgets a node and those behind it. If `stale`, even its last record no longer counts.
    pub(super) fn forget(&mut self, key: RoutingKey, stale: bool) -> Vec<(RoutingKey, NodeState)> {
        let stubs: Vec<RoutingKey> = self.stubs_of(key).collect();
        let mut forgotten = Vec::new();
        for key in stubs.into_iter().chain([key]) {
            self.set_charge(key, None);
            let Some(state) = self.states.remove(&key) else {
                continue;
            };
            if state.is_reachable() && state.border.is_none() {
                self.reachable -= 1;
            }
            if let Some(since) = state.away_since {
                self.away.remove(&(since, key));
            }
            self.advanced.remove(&(state.advanced, key));
            if let Some(border) = state.border {
                let fisco = RoutingKey::from(&state.node);
                self.behind.remove(&(border, fisco));
                if let Some(stubs) = self.stubs.get_mut(&fisco) {
                    stubs.retain(|&stub| stub != key);
                    if stubs.is_empty() {
                        self.stubs.remove(&fisco);
                    }
                }
            }
            self.bury(key, &state, stale);
            forgotten.push((key, state));
        }
        forgotten
    }

    fn bury(&mut self, key: RoutingKey, state: &NodeState, stale: bool) {
        let grave = ForgottenNode {
            version: state.version,
            stale,
            bucket: state.bucket,
        };
        if let Some(border) = state.border {
            let graves = self.stub_graves.entry(border).or_default();
            graves.retain(|&(stub, _)| stub != key);
            graves.push_back((key, grave));
            if graves.len() > 2 * self.limits.stubs {
                graves.pop_front();
            }
            return;
        }
        if self.graves.insert(key, grave).is_none() {
            self.graves_order.push_back(key);
        }
        if self.graves_order.len() > self.limits.nodes
            && let Some(oldest) = self.graves_order.pop_front()
        {
            self.graves.remove(&oldest);
            if !self.states.contains_key(&oldest) {
                self.stub_graves.remove(&oldest);
            }
        }
    }

    /// Forgets nodes that have been out of reach for long, or silent for longer.
    pub(super) fn age(&mut self, now: Instant) -> Vec<(RoutingKey, NodeState)> {
        let mut forgotten = Vec::new();
        while let Some(&(since, key)) = self.away.first()
            && since + UNREACHABLE_FOR <= now
        {
            forgotten.extend(self.forget(key, false));
        }
        while let Some(&(since, key)) = self.advanced.first()
            && since + STALE <= now
        {
            forgotten.extend(self.forget(key, true));
        }
        forgotten
    }

    /// Returns when [`age`](Self::age) has something to do next.
    pub(super) fn next_age(&self) -> Option<Instant> {
        let away = self.away.first().map(|&(since, _)| since + UNREACHABLE_FOR);
        let stale = self.advanced.first().map(|&(since, _)| since + STALE);
        crate::node::sooner(away, stale)
    }
}

fn as_statements(topics: usize) -> u32 {
    u32::try_from(topics / TOPICS_A_STATEMENT).unwrap_or(u32::MAX)
}

/// Returns how many statements a record counts as, from everything that must be looked at for it.
fn statements(record: &Record, held_topics: usize) -> u32 {
    let whole = record.base == 0;
    let topics = record.topics.len().max(if whole { held_topics } else { 0 });
    let links = record.neighbours.as_ref().map_or(0, Vec::len);
    1 + as_statements(topics + links)
}

fn border_of(subject: &Subject) -> Option<RoutingKey> {
    match subject {
        Subject::Node(_) => None,
        Subject::Stub { border, .. } => Some(border.into()),
    }
}
