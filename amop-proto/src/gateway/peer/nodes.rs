//! The nodes that are reached through a neighbour, and their topics.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use bytes::Bytes;

use super::asked::Asked;
use crate::gateway::{
    config::{GatewayLimits, LIST_INTERVAL, SILENCE, TOPIC_SEQ_AT_ONCE},
    event::{GatewayNode, GatewaySource},
    id::{GatewayAddress, GatewayId},
    topics::{GatewayTopicList, GatewayTopicListError},
};

/// What a topic takes in addition to its bytes.
const TOPIC_OVERHEAD: usize = 64;

/// The number of hops to the neighbour.
const NEIGHBOUR: u32 = 1;

#[derive(Debug)]
struct NodeRecord {
    address: GatewayAddress,
    /// The number of hops, if the neighbour's router table has the node.
    distance: Option<u32>,
    /// When the node last announced its topics.
    heard: Instant,
    /// The number of the list that the node sent last.
    seq: Option<u32>,
    /// The request for its topics.
    asked: Option<Asked>,
    topics: Arc<[Bytes]>,
    topic_bytes: usize,
    /// This node's list that was sent to it last.
    listed: Option<Listed>,
    /// Whether another connection announces this node's topics to it.
    elsewhere: bool,
}

/// A list of this node's topics that was sent.
#[derive(Debug, Clone, Copy)]
struct Listed {
    at: Instant,
    /// Its number.
    seq: u32,
}

impl Listed {
    /// Returns whether it is too early to send the list with this number.
    fn bars(&self, now: Instant, seq: u32) -> bool {
        let interval = match self.seq == seq {
            true => LIST_INTERVAL,
            false => TOPIC_SEQ_AT_ONCE,
        };
        now.saturating_duration_since(self.at) < interval
    }
}

impl NodeRecord {
    fn new(now: Instant, address: &GatewayAddress, distance: Option<u32>) -> Self {
        Self {
            address: address.detached(),
            distance,
            heard: now,
            seq: None,
            asked: None,
            topics: [].into(),
            topic_bytes: 0,
            listed: None,
            elsewhere: false,
        }
    }
}

/// What became of a node that was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sighting {
    /// It was known.
    Known,
    /// It was not known, or had another distance.
    News,
    /// There is no room for it.
    NoRoom,
}

#[derive(Debug)]
pub(super) struct Nodes {
    neighbour: GatewayId,
    by_id: BTreeMap<GatewayId, NodeRecord>,
    /// The sum over all nodes.
    topic_bytes: usize,
    /// This node's list that was sent last to a node that is not known. Any number of them can be
    /// made up.
    listed_to_unknown: Option<Listed>,
}

impl Nodes {
    /// Creates the set with only the neighbour, which is reachable from the start.
    pub(super) fn new(now: Instant, neighbour: &GatewayAddress) -> Self {
        let record = NodeRecord::new(now, neighbour, Some(NEIGHBOUR));
        let id = neighbour.id();
        Self {
            neighbour: id,
            by_id: BTreeMap::from([(id, record)]),
            topic_bytes: 0,
            listed_to_unknown: None,
        }
    }

    /// Returns a node as events name it.
    pub(super) fn source(&self, id: GatewayId) -> GatewaySource {
        let claimed = id != self.neighbour;
        GatewaySource { id, claimed }
    }

    pub(super) fn address(&self, id: GatewayId) -> Option<&GatewayAddress> {
        self.by_id.get(&id).map(|record| &record.address)
    }

    /// Returns the nodes to which this node's topics are announced over this connection.
    pub(super) fn announced(&self) -> impl Iterator<Item = &GatewayAddress> {
        let records = self.by_id.values().filter(|record| !record.elsewhere);
        records.map(|record| &record.address)
    }

    pub(super) fn set_elsewhere(&mut self, id: GatewayId, elsewhere: bool) {
        if let Some(record) = self.by_id.get_mut(&id) {
            record.elsewhere = elsewhere;
        }
    }

    pub(super) fn list(&self) -> impl Iterator<Item = GatewayNode> {
        self.by_id.iter().map(|(&id, record)| GatewayNode {
            source: self.source(id),
            distance: record.distance,
            topics: record.topics.clone(),
        })
    }

    /// Records that a node announced its topics.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        address: &GatewayAddress,
        limits: &GatewayLimits,
    ) -> Sighting {
        match self.by_id.get_mut(&address.id()) {
            Some(record) => {
                record.heard = now;
                if record.address.raw().is_none() {
                    record.address = address.detached();
                }
                Sighting::Known
            }
            None => self.add(now, address, None, limits),
        }
    }

    /// Records that the neighbour's table has a node.
    pub(super) fn route(
        &mut self,
        now: Instant,
        address: &GatewayAddress,
        distance: u32,
        limits: &GatewayLimits,
    ) -> Sighting {
        match self.by_id.get_mut(&address.id()) {
            Some(record) => {
                if record.address.raw().is_none() {
                    record.address = address.detached();
                }
                match record.distance.replace(distance) {
                    Some(before) if before == distance => Sighting::Known,
                    _ => Sighting::News,
                }
            }
            None => self.add(now, address, Some(distance), limits),
        }
    }

    /// Returns the nodes that only their own announcements made known, which can give their places
    /// to nodes of the neighbour's table: anybody can announce nodes that do not exist. The node
    /// that was silent for the longest time is the last one.
    pub(super) fn replaceable(&self, is_routed: impl Fn(GatewayId) -> bool) -> Vec<GatewayId> {
        let records = self.by_id.iter();
        let records = records.filter(|&(&id, record)| record.distance.is_none() && !is_routed(id));
        let mut heard: Vec<_> = records.map(|(&id, record)| (record.heard, id)).collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        heard.into_iter().map(|(_, id)| id).collect()
    }

    /// Returns whether there is no room for this node.
    pub(super) fn lacks_room(&self, id: GatewayId, limits: &GatewayLimits) -> bool {
        self.by_id.len() >= limits.nodes && !self.by_id.contains_key(&id)
    }

    pub(super) fn remove(&mut self, id: GatewayId) {
        if let Some(record) = self.by_id.remove(&id) {
            self.topic_bytes -= record.topic_bytes;
        }
    }

    fn add(
        &mut self,
        now: Instant,
        address: &GatewayAddress,
        distance: Option<u32>,
        limits: &GatewayLimits,
    ) -> Sighting {
        if self.lacks_room(address.id(), limits) {
            return Sighting::NoRoom;
        }
        let record = NodeRecord::new(now, address, distance);
        self.by_id.insert(address.id(), record);
        Sighting::News
    }

    /// Removes the nodes that only the neighbour's table had and that it has no more. The others
    /// of them stay as long as they announce topics.
    pub(super) fn unroute(
        &mut self,
        now: Instant,
        is_routed: impl Fn(GatewayId) -> bool,
    ) -> Vec<GatewayId> {
        for (&id, record) in &mut self.by_id {
            if id != self.neighbour && !is_routed(id) && record.distance.take().is_some() {
                // A node that the neighbour calls unreachable is so at once.
                record.heard = now.checked_sub(SILENCE).unwrap_or(record.heard);
            }
        }
        self.forget_silent(now)
    }

    /// Removes the nodes that no table has and that are silent.
    pub(super) fn forget_silent(&mut self, now: Instant) -> Vec<GatewayId> {
        let neighbour = self.neighbour;
        let is_gone = |id: &GatewayId, record: &NodeRecord| {
            let silent = now.saturating_duration_since(record.heard) >= SILENCE;
            *id != neighbour && record.distance.is_none() && silent
        };
        let mut ids = Vec::new();
        self.by_id.retain(|id, record| {
            let gone = is_gone(id, record);
            if gone {
                self.topic_bytes -= record.topic_bytes;
                ids.push(*id);
            }
            !gone
        });
        ids
    }

    /// Returns whether this node's list with this number may be sent to a node. A request of a few
    /// bytes causes a list of up to megabytes.
    pub(super) fn may_list(&self, now: Instant, id: GatewayId, seq: u32) -> bool {
        let record = self.by_id.get(&id);
        let listed = record.map_or(self.listed_to_unknown, |record| record.listed);
        !listed.is_some_and(|listed| listed.bars(now, seq))
    }

    /// Records that this node's list was sent to a node.
    pub(super) fn note_listed(&mut self, now: Instant, id: GatewayId, seq: u32) {
        let record = self.by_id.get_mut(&id);
        let listed = record.map_or(&mut self.listed_to_unknown, |record| &mut record.listed);
        *listed = Some(Listed { at: now, seq });
    }

    /// Returns whether a node is to be asked for its topics because it announced this number. It
    /// counts as asked then.
    pub(super) fn must_ask(&mut self, now: Instant, id: GatewayId, seq: u32) -> bool {
        let Some(record) = self.by_id.get_mut(&id) else {
            return false;
        };
        let waits = record.asked.is_some_and(|asked| asked.waits(now));
        if record.seq == Some(seq) || waits {
            return false;
        }
        record.asked = Some(Asked::new(now, seq));
        true
    }

    /// Records that a list arrived in the name of a node. Returns whether the node was asked for it.
    pub(super) fn answer(&mut self, now: Instant, id: GatewayId) -> bool {
        let record = self.by_id.get_mut(&id);
        let asked = record.and_then(|record| record.asked.as_mut());
        asked.is_some_and(|asked| asked.answer(now))
    }

    /// Replaces a node's topics. Returns them, unless they are the same as before.
    pub(super) fn replace_topics(
        &mut self,
        id: GatewayId,
        list: GatewayTopicList,
        limits: &GatewayLimits,
    ) -> Result<Option<Arc<[Bytes]>>, GatewayTopicListError> {
        let GatewayTopicList { seq, mut topics } = list;
        topics.sort_unstable();
        topics.dedup();
        let Some(record) = self.by_id.get_mut(&id) else {
            return Ok(None);
        };
        record.seq = Some(seq);
        if topics[..] == record.topics[..] {
            return Ok(None);
        }
        let bytes = topics
            .iter()
            .map(|topic| topic.len() + TOPIC_OVERHEAD)
            .sum();
        let others = self.topic_bytes - record.topic_bytes;
        let max = limits.topic_bytes;
        if others.saturating_add(bytes) > max {
            return Err(GatewayTopicListError::NoRoom { max });
        }
        record.topics = topics.into();
        record.topic_bytes = bytes;
        self.topic_bytes = others + bytes;
        Ok(Some(record.topics.clone()))
    }

    /// Removes a node's topics, because its list is refused. Returns whether it had any.
    ///
    /// The node is not asked again until it announces another number, unless only the room was
    /// missing: other nodes may make room, and this one need not change its list then.
    pub(super) fn clear_topics(&mut self, id: GatewayId, error: &GatewayTopicListError) -> bool {
        let Some(record) = self.by_id.get_mut(&id) else {
            return false;
        };
        record.seq = record.asked.map(|asked| asked.number());
        if matches!(error, GatewayTopicListError::NoRoom { .. }) {
            record.seq = None;
            record.asked.iter_mut().for_each(Asked::reopen);
        }
        self.topic_bytes -= record.topic_bytes;
        record.topic_bytes = 0;
        let had = !record.topics.is_empty();
        record.topics = [].into();
        had
    }
}
