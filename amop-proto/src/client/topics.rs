//! The session's topic set and how much of it the node has.
//!
//! 0x32 replaces the whole set and has no answer, and real nodes may handle two of them in either
//! order (channel-v2 section 6.3). So changes are numbered, sent as one set, followed by a
//! heartbeat, and the next set waits until a heartbeat sent behind the last one is answered.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{TopicName, channel::encode_topics};

/// How long a set may stay unconfirmed before the next one is sent all the same.
const CONFIRM_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Topics {
    /// The set, with the change that brought each topic in.
    wanted: BTreeMap<TopicName, u64>,
    /// Topics the node may still deliver, with the change that took each out.
    leaving: BTreeMap<TopicName, u64>,
    /// Changes made so far.
    version: u64,
    /// Changes sent so far.
    sent: u64,
    sent_at: Option<Instant>,
    /// Changes confirmed so far.
    settled: u64,
}

impl Topics {
    pub(super) fn subscribe(&mut self, topic: &TopicName) -> u64 {
        if let Some(added) = self.wanted.get(topic) {
            return *added;
        }
        self.version += 1;
        self.leaving.remove(topic);
        self.wanted.insert(topic.clone(), self.version);
        self.version
    }

    pub(super) fn unsubscribe(&mut self, topic: &TopicName) -> u64 {
        if self.wanted.remove(topic).is_none() {
            return self.leaving.get(topic).copied().unwrap_or(self.settled);
        }
        self.version += 1;
        self.leaving.insert(topic.clone(), self.version);
        self.version
    }

    /// The topic with these bytes, if the node may deliver its messages.
    pub(super) fn find(&self, topic: &[u8]) -> Option<&TopicName> {
        let topic = std::str::from_utf8(topic).ok()?;
        self.wanted
            .get_key_value(topic)
            .or_else(|| self.leaving.get_key_value(topic))
            .map(|(topic, _)| topic)
    }

    /// Whether the topic is in the set.
    pub(super) fn wants(&self, topic: &TopicName) -> bool {
        self.wanted.contains_key(topic)
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// The last change a 0x32 carried.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The body of the 0x32 that is due, if one is.
    pub(super) fn take_update(&mut self, now: Instant) -> Option<Bytes> {
        if self.version == self.sent || self.retry_at().is_some_and(|at| now < at) {
            return None;
        }
        self.sent = self.version;
        self.sent_at = Some(now);
        Some(encode_topics(self.wanted.keys().map(TopicName::as_str)))
    }

    /// When a set that waits for the last one's confirmation stops waiting.
    fn retry_at(&self) -> Option<Instant> {
        let unconfirmed = self.sent > self.settled;
        self.sent_at
            .filter(|_| unconfirmed)
            .map(|at| at + CONFIRM_GRACE)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.retry_at().filter(|_| self.version > self.sent)
    }

    /// A heartbeat sent after change `version` was answered. Returns whether that is news.
    pub(super) fn confirm(&mut self, version: u64) -> bool {
        if version <= self.settled {
            return false;
        }
        self.settled = version;
        self.leaving.retain(|_, left| *left > version);
        true
    }
}
