//! The session's topic set, and which changes of it the node has.
//!
//! A 0x32 frame replaces the whole set and has no answer. So changes are numbered and sent as one
//! set, followed by a heartbeat. The next set waits until a heartbeat sent after the last set is
//! answered.
//!
//! FISCO nodes may handle two sets in either order, and the heartbeat before both (channel-v2
//! section 6.3). For them there is a pause between two sets, so that the later one is handled last.
//! A busy node may need longer than this pause; so a set that followed another one is sent once
//! more if no other set follows it for a while. Overlay nodes handle frames in order, and report
//! the topics of a set that the session did not get.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    TopicName,
    channel::{Shortage, encode_topics},
};

/// How long a set may stay unconfirmed; then the next one is sent anyway.
const CONFIRM_GRACE: Duration = Duration::from_secs(5);

/// The minimum time between two sets for a FISCO node: its threads have handled the first one by
/// then.
const DISTANCE: Duration = Duration::from_millis(100);

/// A FISCO node that answers heartbeats slowly also handles sets slowly: the pause is twice the
/// answer's time, up to this limit.
const MAX_DISTANCE: Duration = Duration::from_secs(1);

/// How long after a set that followed another one a FISCO node is sent the set once more.
const REPEAT: Duration = Duration::from_secs(1);

/// How long after an overlay node had no room for a topic it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct SessionTopics {
    /// The set; each topic has the number of the change that added it.
    wanted: BTreeMap<TopicName, u64>,
    /// Topics that the node may still deliver, with the number of the change that removed each.
    leaving: BTreeMap<TopicName, u64>,
    /// The number of changes made so far.
    version: u64,
    /// The number of changes sent so far.
    sent: u64,
    sent_at: Option<Instant>,
    /// The number of changes confirmed so far.
    settled: u64,
    /// The set that was sent last, in byte order.
    last: Vec<TopicName>,
    /// Topics that did not fit into that set.
    left_out: Vec<TopicName>,
    /// Topics of the last confirmed set that the node does not have.
    refused: BTreeSet<TopicName>,
    /// The pause between two sets, for a FISCO node.
    distance: Option<Duration>,
    /// When the set is sent once more.
    repeat_at: Option<Instant>,
    /// Whether the time of [`next_timeout`](Self::next_timeout) has passed.
    due: bool,
}

/// A set that the node has confirmed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) version: u64,
    /// Topics of the set that the node does not have.
    pub(super) refused: Vec<TopicName>,
}

impl SessionTopics {
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
        self.refused.remove(topic);
        self.leaving.insert(topic.clone(), self.version);
        self.version
    }

    /// Returns the topic with these bytes, if the node may deliver its messages.
    pub(super) fn find(&self, topic: &[u8]) -> Option<&TopicName> {
        let topic = std::str::from_utf8(topic).ok()?;
        self.wanted
            .get_key_value(topic)
            .or_else(|| self.leaving.get_key_value(topic))
            .map(|(topic, _)| topic)
    }

    /// Returns whether the topic is in the set.
    pub(super) fn wants(&self, topic: &TopicName) -> bool {
        self.wanted.contains_key(topic)
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// Returns the number of the last change that was sent in a 0x32 frame.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns whether a set was sent and is not confirmed yet.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.sent > self.settled
    }

    /// Sets whether the node is a FISCO node, which may handle two sets in either order.
    pub(super) fn set_fisco(&mut self, fisco: bool) {
        self.distance = fisco.then_some(DISTANCE);
    }

    /// Returns the body of the 0x32 frame that is due, if there is one. It has at most `max` bytes.
    pub(super) fn take_update(&mut self, now: Instant, max: usize) -> Option<Bytes> {
        let at = self.next_at()?;
        if !self.due && at.is_some_and(|at| now < at) {
            return None;
        }
        let follows = self.distance.is_some() && self.sent_at.is_some();
        let repeated = self.version == self.sent;
        self.due = false;
        self.sent = self.version;
        self.sent_at = Some(now);
        self.repeat_at = (follows && !repeated).then_some(now + REPEAT);
        Some(self.encode(max))
    }

    /// Returns when a set is to be sent: `Some(None)` means at once, `None` means that no set is
    /// due.
    fn next_at(&self) -> Option<Option<Instant>> {
        if self.version == self.sent {
            return self.repeat_at.map(Some);
        }
        let Some(sent_at) = self.sent_at else {
            return Some(None);
        };
        let grace = self.is_unconfirmed().then_some(CONFIRM_GRACE);
        Some(grace.max(self.distance).map(|pause| sent_at + pause))
    }

    /// Writes the set. If it is too long, topics that the node has take precedence over new ones.
    fn encode(&mut self, max: usize) -> Bytes {
        self.left_out.clear();
        self.last = self.wanted.keys().cloned().collect();
        let body = encode_topics(self.last.iter().map(TopicName::as_str));
        if body.len() <= max {
            return body;
        }
        // The last topic has no comma.
        let mut left = (max + 1).saturating_sub("[]".len());
        let mut fitting = BTreeSet::new();
        let mut left_out = Vec::new();
        for held in [true, false] {
            for topic in self.wanted.keys().filter(|topic| self.has(topic) == held) {
                // The encoded topic, with a comma instead of the brackets.
                let len = encode_topics([topic.as_str()]).len() - 1;
                if len <= left {
                    left -= len;
                    fitting.insert(topic.clone());
                } else {
                    left_out.push(topic.clone());
                }
            }
        }
        self.left_out = left_out;
        self.last = fitting.into_iter().collect();
        encode_topics(self.last.iter().map(TopicName::as_str))
    }

    /// Returns whether the node has a topic, according to its confirmations.
    fn has(&self, topic: &TopicName) -> bool {
        let since = self.wanted.get(topic);
        since.is_some_and(|&since| since <= self.settled) && !self.refused.contains(topic)
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        if self.due {
            return None;
        }
        self.next_at().flatten()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.due |= self.next_timeout().is_some_and(|at| at <= now);
    }

    /// Handles the answer to a heartbeat that was sent after change `covers`. Returns the news in
    /// it, if any.
    pub(super) fn confirm(
        &mut self,
        covers: u64,
        shortage: &Shortage,
        now: Instant,
    ) -> Option<Settled> {
        let news = covers > self.settled;
        let is_last = covers == self.sent;
        if !is_last {
            // The topics that are missing now belong to the last set, which has its own heartbeat.
            if !news || !shortage.is_none() {
                return None;
            }
            self.settle(covers);
            let refused = Vec::new();
            return Some(Settled {
                version: covers,
                refused,
            });
        }
        if news && let (Some(distance), Some(sent_at)) = (&mut self.distance, self.sent_at) {
            let took = now.saturating_duration_since(sent_at);
            *distance = (2 * took).clamp(DISTANCE, MAX_DISTANCE);
        }
        let missing = self.missing(shortage);
        if !missing.is_empty() {
            self.repeat_at.get_or_insert(now + ASK_AGAIN);
        }
        if !news && missing == self.refused {
            return None;
        }
        let refused = missing.iter().cloned().collect();
        self.refused = missing;
        if !shortage.kept {
            self.settle(covers);
        } else {
            self.settled = covers;
        }
        Some(Settled {
            version: covers,
            refused,
        })
    }

    fn settle(&mut self, version: u64) {
        self.settled = version;
        self.leaving.retain(|_, left| *left > version);
    }

    /// Returns the topics of the last set that the node does not have.
    fn missing(&self, shortage: &Shortage) -> BTreeSet<TopicName> {
        let left_out = self.left_out.iter().filter(|topic| self.wants(topic));
        let mut missing: BTreeSet<TopicName> = left_out.cloned().collect();
        if !shortage.is_none() {
            let last = self.last.iter().enumerate();
            let without = last.filter(|&(place, topic)| match shortage.kept {
                true => !self.has(topic),
                false => !shortage.spares(place),
            });
            let without = without.map(|(_, topic)| topic);
            missing.extend(without.filter(|topic| self.wants(topic)).cloned());
        }
        missing
    }
}
