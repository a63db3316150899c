//! The topics of a session.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::ListMeaning;
use crate::ws::WsTopicList;

/// The topics of a session. They need not be text.
#[derive(Debug)]
pub(super) struct SdkTopics {
    meaning: ListMeaning,
    max: usize,
    max_bytes: usize,
    topics: BTreeSet<Bytes>,
    bytes: usize,
}

/// What a list has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TopicChanges {
    pub(super) added: Vec<Bytes>,
    pub(super) removed: Vec<Bytes>,
    pub(super) left_out: usize,
}

impl SdkTopics {
    pub(super) fn new(meaning: ListMeaning, max: usize, max_bytes: usize) -> Self {
        Self {
            meaning,
            max,
            max_bytes,
            topics: BTreeSet::new(),
            bytes: 0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.topics.iter()
    }

    pub(super) fn contains(&self, topic: &[u8]) -> bool {
        self.topics.contains(topic)
    }

    pub(super) fn clear(&mut self) {
        self.topics.clear();
        self.bytes = 0;
    }

    pub(super) fn apply(&mut self, list: WsTopicList) -> TopicChanges {
        let mut changes = TopicChanges {
            left_out: list.left_out,
            ..TopicChanges::default()
        };
        let mut only_listed = self.meaning == ListMeaning::Replaces;
        if only_listed {
            changes.removed = self.remove_others(&list.topics);
        }
        for topic in &list.topics {
            if self.topics.contains(topic) {
                continue;
            }
            // A list is always complete (ws-v3 section 10.1), so the SDK does not want the others any
            // more. They stay while there is room, because lists may come in the wrong order.
            if !self.has_room(topic) && !only_listed && topic.len() <= self.max_bytes {
                only_listed = true;
                changes.removed = self.remove_others(&list.topics);
            }
            if !self.has_room(topic) {
                changes.left_out += 1;
                continue;
            }
            self.bytes += topic.len();
            self.topics.insert(topic.clone());
            changes.added.push(topic.clone());
        }
        changes
    }

    fn has_room(&self, topic: &Bytes) -> bool {
        self.topics.len() < self.max && self.bytes + topic.len() <= self.max_bytes
    }

    /// Removes the topics that are not in a list, and returns them.
    fn remove_others(&mut self, list: &[Bytes]) -> Vec<Bytes> {
        let listed: BTreeSet<&Bytes> = list.iter().collect();
        let others = self.topics.iter().filter(|topic| !listed.contains(topic));
        let others: Vec<Bytes> = others.cloned().collect();
        for topic in &others {
            self.topics.remove(topic);
            self.bytes -= topic.len();
        }
        others
    }
}
