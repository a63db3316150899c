//! The topics of a session.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use bytes::Bytes;

use super::ListMeaning;
use crate::ws::WsTopicList;

/// The topics of a session. They need not be text.
#[derive(Debug)]
pub(super) struct SdkTopics {
    meaning: ListMeaning,
    max: usize,
    max_bytes: usize,
    /// With the time of the last list that had it.
    topics: BTreeMap<Bytes, Instant>,
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
            topics: BTreeMap::new(),
            bytes: 0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.topics.keys()
    }

    pub(super) fn contains(&self, topic: &[u8]) -> bool {
        self.topics.contains_key(topic)
    }

    pub(super) fn clear(&mut self) {
        self.topics.clear();
        self.bytes = 0;
    }

    pub(super) fn apply(&mut self, now: Instant, list: WsTopicList) -> TopicChanges {
        let mut changes = TopicChanges {
            left_out: list.left_out,
            ..TopicChanges::default()
        };
        let mut only_listed = self.meaning == ListMeaning::Replaces;
        match self.meaning {
            ListMeaning::Adds => {}
            ListMeaning::Replaces => changes.removed = self.remove_others(&list.topics, |_| true),
            ListMeaning::ReplacesSettled(after) => {
                let settled = |listed| now.saturating_duration_since(listed) >= after;
                changes.removed = self.remove_others(&list.topics, settled);
            }
        }
        for topic in &list.topics {
            if let Some(listed) = self.topics.get_mut(topic) {
                *listed = now;
                continue;
            }
            // A list is always complete (ws-v3 section 10.1), so the SDK does not want the others any
            // more. They stay while there is room, because lists may come in the wrong order.
            if !self.has_room(topic) && !only_listed && topic.len() <= self.max_bytes {
                only_listed = true;
                changes
                    .removed
                    .extend(self.remove_others(&list.topics, |_| true));
            }
            if !self.has_room(topic) {
                changes.left_out += 1;
                continue;
            }
            self.bytes += topic.len();
            self.topics.insert(topic.clone(), now);
            changes.added.push(topic.clone());
        }
        changes
    }

    fn has_room(&self, topic: &Bytes) -> bool {
        self.topics.len() < self.max && self.bytes + topic.len() <= self.max_bytes
    }

    /// Removes the topics that are not in a list, as far as `which` says so by the time of the last
    /// list that had them, and returns them.
    fn remove_others(&mut self, list: &[Bytes], which: impl Fn(Instant) -> bool) -> Vec<Bytes> {
        let listed: BTreeSet<&Bytes> = list.iter().collect();
        let others = self.topics.iter();
        let others = others.filter(|&(topic, &at)| which(at) && !listed.contains(topic));
        let others: Vec<Bytes> = others.map(|(topic, _)| topic.clone()).collect();
        for topic in &others {
            self.topics.remove(topic);
            self.bytes -= topic.len();
        }
        others
    }
}
