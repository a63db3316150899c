//! The subscribers of each topic: the node's own sessions, other overlay nodes, and peers that are
//! not overlay nodes.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;

use super::weighted::Weighted;
use crate::{
    node::{PeerId, SessionId},
    p2p::mesh::RoutingKey,
    shards::Shards,
};

/// The prefix of topics that ask for block notifications, not for AMOP messages.
const BLOCK_NOTIFY: &[u8] = b"_block_notify_";

/// Subscribers by topic.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct SubscriberTable {
    topics: Shards<Bytes, Box<TopicSubscribers>>,
    /// The number of sessions that hold each topic; ordered, because announcements are.
    local: BTreeMap<Bytes, u32>,
    /// Topics whose local count changed since the last announcement.
    changed: BTreeMap<Bytes, CountChange>,
}

/// The subscribers of one topic.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct TopicSubscribers {
    /// This node's sessions. Each knows its place, so that it is removed without a search.
    pub(in crate::node::router) sessions: Vec<SessionId>,
    /// Overlay nodes with subscribers, weighted by their number.
    pub(in crate::node::router) nodes: Weighted<RoutingKey>,
    /// Other nodes, which say only that they have subscribers.
    pub(in crate::node::router) peers: Vec<PeerId>,
}

/// A topic's count before it changed.
#[derive(Debug, Clone, Copy)]
struct CountChange {
    before: u32,
}

impl SubscriberTable {
    pub(in crate::node::router) fn get(&self, topic: &[u8]) -> Option<&TopicSubscribers> {
        self.topics.get(topic).map(|entry| &**entry)
    }

    pub(in crate::node::router) fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.local.is_empty() && self.changed.is_empty()
    }

    /// Returns this node's own topics and how many sessions hold each, in byte order.
    pub(in crate::node::router) fn local(&self) -> impl Iterator<Item = (&Bytes, u32)> {
        self.local.iter().map(|(topic, &count)| (topic, count))
    }

    /// Returns this node's own topics in byte order: those after `after`, or all.
    pub(in crate::node::router) fn local_after(
        &self,
        after: Option<&Bytes>,
    ) -> impl Iterator<Item = &Bytes> {
        let start = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Unbounded,
        };
        let topics = self.local.range::<Bytes, _>((start, Bound::Unbounded));
        topics.map(|(topic, _)| topic)
    }

    /// Returns whether a session of this node holds a topic.
    pub(in crate::node::router) fn is_local(&self, topic: &[u8]) -> bool {
        self.local.contains_key(topic)
    }

    /// Returns whether a session of this node holds a topic that messages may be for.
    pub(in crate::node::router) fn is_subscribed_here(&self, topic: &[u8]) -> bool {
        let entry = self.topics.get(topic);
        entry.is_some_and(|entry| !entry.sessions.is_empty())
    }

    /// Returns whether no local count has changed since the last
    /// [`take_changes`](Self::take_changes).
    pub(in crate::node::router) fn is_still(&self) -> bool {
        self.changed.is_empty()
    }

    /// Returns the topics whose local count differs from that at the last call, with the count
    /// before and the count now.
    pub(in crate::node::router) fn take_changes(&mut self) -> Vec<(Bytes, u32, u32)> {
        // Called after nearly every event.
        if self.changed.is_empty() {
            return Vec::new();
        }
        let local = &self.local;
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(|(topic, change)| {
                let now = local.get(&topic).copied().unwrap_or(0);
                (topic, change.before, now)
            })
            .filter(|(_, before, now)| before != now)
            .collect()
    }

    /// Adds a session to a topic. Returns its place among those with the topic; `None` if the topic
    /// is not an AMOP topic.
    pub(in crate::node::router) fn add_session(
        &mut self,
        topic: &Bytes,
        session: SessionId,
    ) -> Option<u32> {
        if topic.starts_with(BLOCK_NOTIFY) {
            return None;
        }
        let sessions = &mut self.topics.or_default(topic.clone()).sessions;
        let place = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        sessions.push(session);
        self.count(topic, |count| count + 1);
        Some(place)
    }

    /// Removes a session from its place, which the last one takes. `None` if it is not there.
    pub(in crate::node::router) fn remove_session(
        &mut self,
        topic: &Bytes,
        session: SessionId,
        place: u32,
    ) -> Option<()> {
        let sessions = &mut self.topics.get_mut(topic)?.sessions;
        let at = place as usize;
        if sessions.get(at) != Some(&session) {
            return None;
        }
        sessions.swap_remove(at);
        self.drop_if_empty(topic);
        self.count(topic, |count| count.saturating_sub(1));
        Some(())
    }

    fn count(&mut self, topic: &Bytes, step: impl Fn(u32) -> u32) {
        let before = self.local.get(topic).copied().unwrap_or(0);
        self.changed
            .entry(topic.clone())
            .or_insert(CountChange { before });
        match step(before) {
            0 => self.local.remove(topic),
            count => self.local.insert(topic.clone(), count),
        };
    }

    /// Sets whether a peer that is not an overlay node has subscribers for a topic.
    pub(in crate::node::router) fn set_peer(
        &mut self,
        topic: &Bytes,
        peer: PeerId,
        subscribed: bool,
    ) {
        self.remote(topic, subscribed, |entry| {
            entry.peers.retain(|&held| held != peer);
            if subscribed {
                entry.peers.push(peer);
            }
        });
    }

    /// Sets how many subscribers an overlay node has for a topic; 0 removes it.
    pub(in crate::node::router) fn set_node(
        &mut self,
        topic: &Bytes,
        node: RoutingKey,
        count: u32,
    ) {
        self.remote(topic, count > 0, |entry| {
            entry.nodes.set(node, count.into())
        });
    }

    fn remote(&mut self, topic: &Bytes, adds: bool, set: impl FnOnce(&mut TopicSubscribers)) {
        if topic.starts_with(BLOCK_NOTIFY) {
            return;
        }
        if adds {
            set(self.topics.or_default(topic.clone()));
        } else if let Some(entry) = self.topics.get_mut(topic) {
            set(entry);
            self.drop_if_empty(topic);
        }
    }

    fn drop_if_empty(&mut self, topic: &Bytes) {
        if let Some(entry) = self.topics.get(topic)
            && entry.sessions.is_empty()
            && entry.peers.is_empty()
            && entry.nodes.is_empty()
        {
            self.topics.remove(topic);
        }
    }
}

#[cfg(test)]
mod tests;
