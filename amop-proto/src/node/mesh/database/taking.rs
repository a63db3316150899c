//! Takes records: what is new in them, and what they cost.

use std::{
    collections::BTreeMap,
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Database, LINK_COST, NODE_COST,
    state::{NodeState, RecordOutcome},
};
use crate::{
    node::{
        checker::CheckedRecord,
        mesh::{bucket::TokenBucket, signed::SignedBytes, speaker::MAX_CHANGES},
    },
    p2p::mesh::{Record, RoutingKey, Subject},
};

/// An honest node makes at most 20 statements a second. Statements of a node that makes more than
/// one per this time, on average, are applied later. Topics cost as well: `TOPICS_A_STATEMENT` of
/// them count as one statement.
pub(super) const STATEMENT: Duration = Duration::from_millis(25);
const TOPICS_A_STATEMENT: usize = 128;
pub(super) const STATEMENTS: u32 = 128;

impl Database {
    /// Takes a record that a neighbour brought, without its topics. A new node cannot be reached
    /// until links to it are known. `leads_to` is the node's last version in the same frame: a
    /// whole record may be old while the changes that follow it are new.
    pub(in crate::node::mesh) fn take(
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
    /// all of them together with the node itself as `max_claimed_subscribers` at most.
    pub(super) fn most_stubs(&self) -> usize {
        let claimed = self.limits.max_claimed_subscribers as usize;
        self.limits.stubs.min(claimed.saturating_sub(1))
    }

    /// Returns whether a node is an overlay node, which must not be announced as a FISCO node.
    pub(super) fn speaks_for_itself(&self, node: RoutingKey) -> bool {
        let held = self.states.get(&node);
        node == self.own || held.is_some_and(|held| held.border.is_none())
    }

    pub(super) fn new_bucket(&self) -> TokenBucket {
        let topics = (self.limits.peer_topics / TOPICS_A_STATEMENT) as u32;
        TokenBucket::new(STATEMENTS + 2 * topics, STATEMENT)
    }

    /// Charges a node for topics that its statement caused to be shown or hidden; they count as
    /// statements, too.
    pub(in crate::node::mesh) fn owe(&mut self, now: Instant, key: RoutingKey, topics: usize) {
        if let Some(state) = self.states.get_mut(&key) {
            state.bucket.owe(now, as_statements(topics));
        }
    }

    /// Returns whether a change leaves a node with no more topics than it may have.
    pub(super) fn may_change(&self, held: &NodeState, record: &Record) -> bool {
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

    pub(super) fn enter(
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
                self.announced.insert((border, fisco), key);
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
    pub(in crate::node::mesh) fn apply_topics(
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
