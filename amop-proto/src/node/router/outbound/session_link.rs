//! The connection to an SDK as the router sees it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::queue::{QueueLevel, QueuedBytes};
use crate::{
    channel::{Seq, Shortage},
    hash::HashMap,
    node::{
        bucket::RateBucket,
        router::{ends::UnicastId, topics::WantedTopics},
        shares::{HolderId, Resource, Shares},
    },
};

/// The memory that a waiting frame takes in addition to its bytes.
const BESIDE: usize = 128;

/// One SDK connection.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct SessionLink {
    /// Whether it is a native client, which does not need the bodies of acknowledgements of its
    /// multicasts.
    pub(in crate::node::router) native: bool,
    /// Whether it drops multicasts that come twice by itself, as a native client does.
    pub(in crate::node::router) drops_repeats: bool,
    /// Whether a unicast that it has is never given to another session, because its silence does not
    /// say that it has not handled it: an SDK of 3.x.
    pub(in crate::node::router) keeps_unicasts: bool,
    pub(in crate::node::router) queue: QueuedBytes,
    /// The memory that the frames of `queue` take in addition to their bytes.
    pub(in crate::node::router) beside: usize,
    /// Its topics, with its place among the sessions of each.
    pub(in crate::node::router) topics: BTreeMap<Bytes, u32>,
    /// The set that will replace them.
    pub(in crate::node::router) wanted: Option<WantedTopics>,
    /// Limits its changes of topics.
    pub(in crate::node::router) rate: RateBucket,
    /// The topics of its set that it did not get.
    pub(in crate::node::router) shortage: Shortage,
    /// The encoded form of `shortage`, once it has been sent.
    pub(in crate::node::router) told: Option<Bytes>,
    /// The holder of its key.
    pub(in crate::node::router) holder: HolderId,
    /// Messages pushed to it and not yet answered, by seq.
    pub(in crate::node::router) asked: HashMap<Seq, UnicastId>,
    /// Its own unicasts that wait for an answer; of several with one seq, the latest.
    pub(in crate::node::router) asking: HashMap<Seq, UnicastId>,
    /// The number of its unicasts that wait for an answer, those with the same seq included.
    pub(in crate::node::router) in_flight: usize,
    /// Bytes of their frames.
    pub(in crate::node::router) in_flight_bytes: usize,
    /// The number of peers' queues it is paused for.
    pub(in crate::node::router) pauses: usize,
    /// Whether it is about to be closed and gets nothing more.
    pub(in crate::node::router) closing: bool,
}

impl SessionLink {
    pub(in crate::node::router) fn new(queue: usize, rate: RateBucket, holder: HolderId) -> Self {
        Self {
            native: false,
            drops_repeats: false,
            keeps_unicasts: false,
            queue: QueuedBytes::new(queue),
            beside: 0,
            topics: BTreeMap::new(),
            wanted: None,
            rate,
            shortage: Shortage::default(),
            told: None,
            holder,
            asked: HashMap::default(),
            asking: HashMap::default(),
            in_flight: 0,
            in_flight_bytes: 0,
            pauses: 0,
            closing: false,
        }
    }

    /// Records that its latest set does not come into force.
    pub(in crate::node::router) fn keeps_topics(&mut self) {
        self.shortage.kept = true;
        self.told = None;
        if let Some(wanted) = &mut self.wanted {
            wanted.is_kept();
        }
    }

    /// Counts a frame that is queued.
    pub(in crate::node::router) fn push(&mut self, shares: &mut Shares, len: usize) -> QueueLevel {
        self.beside += BESIDE;
        shares.take(self.holder, Resource::Queued, len + BESIDE);
        self.queue.push(len)
    }

    /// Counts bytes that have left. How many frames they were is not known, so the additional
    /// memory is released in proportion to the bytes.
    pub(in crate::node::router) fn written(
        &mut self,
        shares: &mut Shares,
        len: usize,
    ) -> QueueLevel {
        let before = self.queue.queued();
        let level = self.queue.written(len);
        let written = before - self.queue.queued();
        let beside = match self.queue.queued() {
            0 => self.beside,
            _ => (self.beside as u64 * written as u64 / before.max(1) as u64) as usize,
        };
        self.beside -= beside;
        if !self.closing {
            shares.give(self.holder, Resource::Queued, written + beside);
        }
        level
    }

    /// Stops counting the queue, because the session ends.
    pub(in crate::node::router) fn uncount(&self, shares: &mut Shares) {
        if !self.closing {
            let queued = self.queue.queued() + self.beside;
            shares.give(self.holder, Resource::Queued, queued);
        }
    }

    /// Returns whether it can be sent a message. While much waits to be written, holders whose
    /// waiting bytes exceed their share get no more.
    pub(in crate::node::router) fn is_open(&self, shares: &Shares) -> bool {
        self.queue.is_open()
            && !self.closing
            && shares.excess(self.holder, Resource::Queued, None) == 0
    }
}
