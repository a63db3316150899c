//! The set of topics of a session.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::WsRefusal;
use crate::ws::{WsTopic, WsTopicList};

/// The topics that the program wants, and whether the node has been told.
#[derive(Debug)]
pub(super) struct TopicSet {
    wanted: BTreeSet<WsTopic>,
    /// The length of the list in bytes, as JSON.
    len: usize,
    max: usize,
    changed: bool,
}

impl TopicSet {
    pub(super) fn new(max: usize) -> Self {
        Self {
            wanted: BTreeSet::new(),
            len: WsTopicList::payload_of([]).len(),
            max,
            // A list follows every handshake, even an empty one (ws-v3 section 12.1).
            changed: true,
        }
    }

    /// Adds a topic. Returns whether it is new.
    pub(super) fn subscribe(&mut self, topic: &WsTopic) -> Result<bool, WsRefusal> {
        if self.wanted.contains(topic) {
            return Ok(false);
        }
        let (len, max) = (self.len + written_len(topic), self.max);
        if len > max {
            return Err(WsRefusal::TopicList { len, max });
        }
        self.len = len;
        self.wanted.insert(topic.clone());
        self.changed = true;
        Ok(true)
    }

    /// Removes a topic. Returns whether it was in the set.
    pub(super) fn unsubscribe(&mut self, topic: &WsTopic) -> bool {
        let was = self.wanted.remove(topic);
        if was {
            self.len -= written_len(topic);
            self.changed = true;
        }
        was
    }

    /// Returns the topic with these bytes.
    pub(super) fn find(&self, topic: &[u8]) -> Option<&WsTopic> {
        self.wanted.get(topic)
    }

    /// Lets the node be told of the whole set once more.
    pub(super) fn repeat(&mut self) {
        self.changed = true;
    }

    /// Returns the payload of the list, if the node has not been told of the last change.
    pub(super) fn take_update(&mut self) -> Option<Bytes> {
        std::mem::take(&mut self.changed).then(|| WsTopicList::payload_of(&self.wanted))
    }
}

/// Returns the length of a topic in the list, in bytes, with a comma.
fn written_len(topic: &WsTopic) -> usize {
    let others = WsTopicList::payload_of([]).len();
    WsTopicList::payload_of([topic]).len() - others + 1
}
