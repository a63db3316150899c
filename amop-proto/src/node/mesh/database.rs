//! What this node knows of every node of the network: its neighbours and its topics.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::borders::is_behind;
use crate::p2p::{
    NodeId,
    mesh::{NodeKey, Record},
};

/// Records of nodes that cannot be reached are dropped after this long.
const AGE: Duration = Duration::from_secs(60);

/// A node's state as its latest record gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) node: NodeId,
    pub(super) version: u64,
    /// In order.
    pub(super) neighbours: Vec<NodeKey>,
    pub(super) topics: BTreeMap<Bytes, u32>,
    /// Since when it cannot be reached, if it cannot.
    away_since: Option<Instant>,
}

impl State {
    /// Whether there is a way to it.
    pub(super) fn is_reachable(&self) -> bool {
        self.away_since.is_none()
    }
}

/// What a record turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was new: pass it on. These topics have another count than before, these links changed.
    New {
        topics: Vec<(Bytes, u32)>,
        linked: Vec<NodeKey>,
        unlinked: Vec<NodeKey>,
    },
    /// It was known.
    Old,
    /// It changes a version that is not there: ask for the whole state.
    Gap,
    /// The node has more topics than are taken; its state stays as it was.
    TooManyTopics,
    /// There are more nodes than are taken.
    TooManyNodes,
}

/// The states of all nodes but this one.
#[derive(Debug, Clone)]
pub(super) struct Database {
    states: BTreeMap<NodeKey, State>,
    /// The nodes that cannot be reached, by since when: asked for after every event.
    away: BTreeSet<(Instant, NodeKey)>,
    /// Those that are real nodes behind one of ours.
    behind: BTreeSet<NodeKey>,
    max_nodes: usize,
    max_topics: usize,
}

impl Database {
    pub(super) fn new(max_nodes: usize, max_topics: usize) -> Self {
        Self {
            states: BTreeMap::new(),
            away: BTreeSet::new(),
            behind: BTreeSet::new(),
            max_nodes,
            max_topics,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn get(&self, key: NodeKey) -> Option<&State> {
        self.states.get(&key)
    }

    /// Notes that a node can be reached, or since when it cannot. Returns its state, if it is known.
    pub(super) fn set_away(&mut self, key: NodeKey, since: Option<Instant>) -> Option<&State> {
        let state = self.states.get_mut(&key)?;
        if let Some(before) = state.away_since {
            self.away.remove(&(before, key));
        }
        if let Some(since) = since {
            self.away.insert((since, key));
        }
        state.away_since = since;
        Some(state)
    }

    /// The real nodes that some node of ours announces, in the order of their keys.
    pub(super) fn behind(&self) -> impl Iterator<Item = &State> {
        self.behind.iter().filter_map(|key| self.states.get(key))
    }

    /// The states in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeKey, &State)> {
        self.states.iter().map(|(&key, state)| (key, state))
    }

    /// Takes a record in. A node that is new cannot be reached until its links say so.
    pub(super) fn take(&mut self, now: Instant, record: &Record) -> Taken {
        let held = self.states.get(&record.key);
        if held.is_some_and(|held| record.version <= held.version) {
            return Taken::Old;
        }
        if held.is_none() && self.states.len() >= self.max_nodes {
            return Taken::TooManyNodes;
        }
        if record.base != 0 && held.is_none_or(|held| held.version != record.base) {
            return Taken::Gap;
        }
        let Some(node) = record.node.or(held.map(|held| held.node)) else {
            return Taken::Gap;
        };
        let state = self.states.entry(record.key).or_insert_with(|| {
            self.away.insert((now, record.key));
            State {
                node,
                version: 0,
                neighbours: Vec::new(),
                topics: BTreeMap::new(),
                away_since: Some(now),
            }
        });
        let mut topics: BTreeMap<Bytes, u32> = BTreeMap::new();
        if record.base == 0 {
            // What the whole state does not name is gone.
            topics.extend(state.topics.keys().map(|topic| (topic.clone(), 0)));
        }
        topics.extend(record.topics.iter().cloned());
        topics.retain(|topic, count| state.topics.get(topic).copied().unwrap_or(0) != *count);
        let added = topics
            .iter()
            .filter(|&(topic, &count)| count > 0 && !state.topics.contains_key(topic))
            .count();
        let removed = topics.values().filter(|&&count| count == 0).count();
        if state.topics.len() + added - removed > self.max_topics {
            if state.version == 0 {
                self.states.remove(&record.key);
                self.away.remove(&(now, record.key));
            }
            return Taken::TooManyTopics;
        }
        // A slice of the packet it came in would keep all of that in memory.
        let topics: Vec<(Bytes, u32)> = topics
            .into_iter()
            .map(|(topic, count)| (Bytes::copy_from_slice(&topic), count))
            .collect();
        state.node = node;
        if is_behind(record.key, &node) {
            self.behind.insert(record.key);
        } else {
            self.behind.remove(&record.key);
        }
        state.version = record.version;
        for (topic, count) in &topics {
            match *count {
                0 => state.topics.remove(topic),
                count => state.topics.insert(topic.clone(), count),
            };
        }
        let (mut linked, mut unlinked) = (Vec::new(), Vec::new());
        if let Some(neighbours) = &record.neighbours {
            let new: BTreeSet<NodeKey> = neighbours.iter().copied().collect();
            let old: BTreeSet<NodeKey> = state.neighbours.iter().copied().collect();
            linked.extend(new.difference(&old));
            unlinked.extend(old.difference(&new));
            state.neighbours = new.into_iter().collect();
        }
        Taken::New {
            topics,
            linked,
            unlinked,
        }
    }

    /// A node's whole state as a record.
    pub(super) fn whole(&self, key: NodeKey) -> Option<Record> {
        let state = self.states.get(&key)?;
        Some(Record {
            key,
            version: state.version,
            base: 0,
            node: Some(state.node),
            neighbours: Some(state.neighbours.clone()),
            topics: state
                .topics
                .iter()
                .map(|(topic, &count)| (topic.clone(), count))
                .collect(),
        })
    }

    /// Forgets nodes that have been out of reach for long. Returns the links they reported.
    pub(super) fn age(&mut self, now: Instant) -> Vec<(NodeKey, NodeKey)> {
        let mut links = Vec::new();
        while let Some(&(since, key)) = self.away.first()
            && since + AGE <= now
        {
            self.away.pop_first();
            if let Some(state) = self.states.remove(&key) {
                self.behind.remove(&key);
                links.extend(state.neighbours.iter().map(|&other| (key, other)));
            }
        }
        links
    }

    /// When [`age`](Self::age) has something to do next.
    pub(super) fn next_age(&self) -> Option<Instant> {
        self.away.first().map(|&(since, _)| since + AGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &'static str) -> Bytes {
        Bytes::from_static(name.as_bytes())
    }

    fn whole(version: u64, neighbours: &[u64], topics: &[(&'static str, u32)]) -> Record {
        Record {
            key: NodeKey(1),
            version,
            base: 0,
            node: Some(NodeId([1; 64])),
            neighbours: Some(neighbours.iter().map(|&key| NodeKey(key)).collect()),
            topics: topics
                .iter()
                .map(|&(name, count)| (topic(name), count))
                .collect(),
        }
    }

    #[test]
    fn changes_apply_to_their_base_only() {
        let now = Instant::now();
        let mut database = Database::new(10, 10);
        let change = Record {
            base: 5,
            node: None,
            neighbours: None,
            ..whole(6, &[], &[("b", 2), ("a", 0)])
        };
        assert_eq!(database.take(now, &change), Taken::Gap);
        assert_eq!(
            database.take(now, &whole(5, &[2], &[("a", 1)])),
            Taken::New {
                topics: vec![(topic("a"), 1)],
                linked: vec![NodeKey(2)],
                unlinked: vec![]
            }
        );
        assert_eq!(
            database.take(now, &change),
            Taken::New {
                topics: vec![(topic("a"), 0), (topic("b"), 2)],
                linked: vec![],
                unlinked: vec![]
            }
        );
        assert_eq!(database.take(now, &change), Taken::Old);
        assert_eq!(
            database.take(now, &whole(9, &[3], &[])),
            Taken::New {
                topics: vec![(topic("b"), 0)],
                linked: vec![NodeKey(3)],
                unlinked: vec![NodeKey(2)]
            }
        );
    }

    #[test]
    fn limits_hold() {
        let now = Instant::now();
        let mut database = Database::new(1, 1);
        let too_many = whole(1, &[], &[("a", 1), ("b", 1)]);
        assert_eq!(database.take(now, &too_many), Taken::TooManyTopics);
        assert!(database.get(NodeKey(1)).is_none());
        assert_eq!(database.next_age(), None);
        assert!(matches!(
            database.take(now, &whole(1, &[], &[("a", 1)])),
            Taken::New { .. }
        ));
        let other = Record {
            key: NodeKey(2),
            ..whole(1, &[], &[])
        };
        assert_eq!(database.take(now, &other), Taken::TooManyNodes);
        // One out, one in is within the limit.
        assert!(matches!(
            database.take(now, &whole(2, &[], &[("b", 1)])),
            Taken::New { .. }
        ));
    }

    #[test]
    fn what_is_out_of_reach_is_forgotten_in_time() {
        let now = Instant::now();
        let mut database = Database::new(10, 10);
        database.take(now, &whole(1, &[], &[]));
        assert_eq!(database.next_age(), Some(now + AGE));
        database.age(now + AGE - Duration::from_millis(1));
        assert!(database.get(NodeKey(1)).is_some());
        database.age(now + AGE);
        assert!(database.get(NodeKey(1)).is_none());
        assert_eq!(database.next_age(), None);
    }

    #[test]
    fn what_was_back_in_between_is_forgotten_later() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut database = Database::new(10, 10);
        database.take(now, &whole(1, &[2], &[]));
        database.set_away(NodeKey(1), None);
        assert_eq!(database.next_age(), None);
        assert_eq!(database.age(now + AGE), []);
        database.set_away(NodeKey(1), Some(now + second));
        assert_eq!(database.next_age(), Some(now + second + AGE));
        let links = database.age(now + second + AGE);
        assert_eq!(links, [(NodeKey(1), NodeKey(2))]);
        assert!(database.set_away(NodeKey(1), None).is_none());
    }
}
