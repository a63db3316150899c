//! Who wants which topic: the node's own sessions and its peers.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::node::{PeerId, SessionId};

/// Topics that begin so ask for block notifications, not for AMOP messages.
const BLOCK_NOTIFY: &[u8] = b"_block_notify_";

/// Topics that begin so are private: a peer gets them only once it is verified
/// (channel-v2 section 9.2).
const NEED_VERIFY: &[u8] = b"#!$TopicNeedVerify_";

/// Subscribers by topic.
#[derive(Debug, Default)]
pub(super) struct Table {
    topics: HashMap<Bytes, Entry>,
    /// How many sessions hold each topic; ordered, as announcements are.
    local: BTreeMap<Bytes, u32>,
    /// Topics whose local count changed since the last announcement.
    changed: BTreeMap<Bytes, Change>,
}

/// The subscribers of one topic.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// This node's sessions, in the order of subscription.
    pub(super) sessions: Vec<SessionId>,
    /// Peers with subscribers, and how many they have.
    pub(super) peers: Vec<(PeerId, u32)>,
    /// The sum of the peers' counts.
    pub(super) peer_weight: u64,
}

/// A topic's count before it changed.
#[derive(Debug, Clone, Copy)]
struct Change {
    before: u32,
}

impl Table {
    pub(super) fn get(&self, topic: &[u8]) -> Option<&Entry> {
        self.topics.get(topic)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.local.is_empty() && self.changed.is_empty()
    }

    /// This node's own topics and how many sessions hold each, in byte order.
    pub(super) fn local(&self) -> impl Iterator<Item = (&Bytes, u32)> {
        self.local.iter().map(|(topic, &count)| (topic, count))
    }

    /// The topics whose local count is not what it was at the last call, with the count before and
    /// the count now.
    pub(super) fn take_changes(&mut self) -> Vec<(Bytes, u32, u32)> {
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

    pub(super) fn add_session(&mut self, topic: &Bytes, session: SessionId) {
        if topic.starts_with(BLOCK_NOTIFY) {
            return;
        }
        self.topics
            .entry(topic.clone())
            .or_default()
            .sessions
            .push(session);
        self.count(topic, |count| count + 1);
    }

    pub(super) fn remove_session(&mut self, topic: &Bytes, session: SessionId) {
        let Some(entry) = self.topics.get_mut(topic) else {
            return;
        };
        let Some(at) = entry.sessions.iter().position(|&held| held == session) else {
            return;
        };
        entry.sessions.remove(at);
        self.drop_if_empty(topic);
        self.count(topic, |count| count.saturating_sub(1));
    }

    fn count(&mut self, topic: &Bytes, step: impl Fn(u32) -> u32) {
        let before = self.local.get(topic).copied().unwrap_or(0);
        self.changed
            .entry(topic.clone())
            .or_insert(Change { before });
        match step(before) {
            0 => self.local.remove(topic),
            count => self.local.insert(topic.clone(), count),
        };
    }

    /// Sets how many subscribers a peer has for a topic; 0 removes it.
    pub(super) fn set_peer(&mut self, topic: &Bytes, peer: PeerId, count: u32) {
        if topic.starts_with(BLOCK_NOTIFY) || needs_verification(topic) {
            return;
        }
        if count == 0 && !self.topics.contains_key(topic) {
            return;
        }
        let entry = self.topics.entry(topic.clone()).or_default();
        let at = entry.peers.iter().position(|&(held, _)| held == peer);
        let before = at.map_or(0, |at| entry.peers[at].1);
        match (at, count) {
            (Some(at), 0) => {
                entry.peers.remove(at);
            }
            (Some(at), count) => entry.peers[at].1 = count,
            (None, 0) => {}
            (None, count) => entry.peers.push((peer, count)),
        }
        entry.peer_weight = entry.peer_weight - u64::from(before) + u64::from(count);
        self.drop_if_empty(topic);
    }

    fn drop_if_empty(&mut self, topic: &Bytes) {
        if let Some(entry) = self.topics.get(topic)
            && entry.sessions.is_empty()
            && entry.peers.is_empty()
        {
            self.topics.remove(topic);
        }
    }
}

/// Whether a peer gets this topic's messages only once it is verified. Verification is not there
/// yet, so no peer passes it.
pub(super) fn needs_verification(topic: &[u8]) -> bool {
    topic.starts_with(NEED_VERIFY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_change_only_when_they_end_up_different() {
        let mut table = Table::default();
        let topic = Bytes::from_static(b"hello");
        table.add_session(&topic, SessionId(1));
        assert_eq!(table.take_changes(), [(topic.clone(), 0, 1)]);
        table.add_session(&topic, SessionId(2));
        table.remove_session(&topic, SessionId(1));
        assert_eq!(table.take_changes(), []);
        table.remove_session(&topic, SessionId(2));
        assert_eq!(table.take_changes(), [(topic.clone(), 1, 0)]);
        assert!(table.get(&topic).is_none());
    }

    #[test]
    fn block_notifications_are_no_amop_topics() {
        let mut table = Table::default();
        let topic = Bytes::from_static(b"_block_notify_1");
        table.add_session(&topic, SessionId(1));
        table.set_peer(&topic, PeerId(1), 1);
        assert!(table.get(&topic).is_none());
        assert_eq!(table.take_changes(), []);
    }

    #[test]
    fn an_unverified_peer_is_no_candidate_for_a_private_topic() {
        let mut table = Table::default();
        let topic = Bytes::from_static(b"#!$TopicNeedVerify_secret");
        table.set_peer(&topic, PeerId(1), 1);
        assert!(table.get(&topic).is_none());
        table.add_session(&topic, SessionId(1));
        assert_eq!(table.get(&topic).unwrap().sessions, [SessionId(1)]);
    }
}
