//! A set of topics that is coming into force.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;

use crate::{
    channel::Shortage,
    node::{TopicSet, topic_set::Ignored},
};

/// The number of topics compared in one slice, changed or not.
const LOOKS: usize = 2048;

/// A set that is coming into force.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct WantedTopics {
    pub(super) set: TopicSet,
    pub(super) step: TopicSetStep,
    pub(super) ignored: Option<Ignored>,
    /// The topics of the set that the session has not got so far.
    pub(super) shortage: Shortage,
    /// Whether the fixed price of a set has been paid.
    pub(super) begun: bool,
    /// The bytes that it counts for while it waits.
    pub(super) bytes: usize,
}

impl WantedTopics {
    pub(in crate::node::router) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records that the set sent after this one does not come into force.
    pub(in crate::node::router) fn is_kept(&mut self) {
        self.shortage.kept = true;
    }
}

/// First, topics that are not in the set are removed; then new ones are added.
#[derive(Debug, Clone)]
pub(super) enum TopicSetStep {
    Out {
        after: Option<Bytes>,
    },
    /// Continues at this topic of the set.
    In(usize),
}

/// Returns topics that are held and not in the set, at most `may`, and whether these are all.
pub(super) fn gone_from(
    held: &BTreeMap<Bytes, u32>,
    set: &TopicSet,
    after: &mut Option<Bytes>,
    may: usize,
    looks: &mut usize,
) -> (Vec<Bytes>, bool) {
    let mut gone = Vec::new();
    let start = match after {
        Some(after) => Bound::Excluded(after.clone()),
        None => Bound::Unbounded,
    };
    let mut at = after
        .as_ref()
        .map_or(0, |after| set.find(after).unwrap_or_else(|at| at));
    for (topic, _) in held.range((start, Bound::Unbounded)) {
        if gone.len() == may || *looks >= LOOKS {
            return (gone, false);
        }
        *looks += 1;
        while set.get(at).is_some_and(|name| name.as_bytes() < &topic[..]) {
            at += 1;
        }
        if set.get(at).is_none_or(|name| name.as_bytes() != &topic[..]) {
            gone.push(topic.clone());
        }
        *after = Some(topic.clone());
    }
    (gone, true)
}

/// Returns topics of the set that are not held, at most `may`, starting at `at`, with their places.
pub(super) fn new_in(
    held: &BTreeMap<Bytes, u32>,
    set: &TopicSet,
    at: &mut usize,
    may: usize,
    looks: &mut usize,
) -> Vec<(usize, Bytes)> {
    let mut new = Vec::new();
    let Some(first) = set.get(*at) else {
        return new;
    };
    let range = (Bound::Included(first.as_bytes()), Bound::Unbounded);
    let mut held = held.range::<[u8], _>(range).map(|(topic, _)| topic);
    let mut next = held.next();
    while let Some(name) = set.get(*at) {
        if new.len() == may || *looks >= LOOKS {
            break;
        }
        *looks += 1;
        while next.is_some_and(|next| &next[..] < name.as_bytes()) {
            next = held.next();
        }
        if next.is_none_or(|next| &next[..] != name.as_bytes()) {
            new.push((*at, Bytes::copy_from_slice(name.as_bytes())));
        }
        *at += 1;
    }
    new
}
