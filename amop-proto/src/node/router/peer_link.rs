//! The connection to another node as the router sees it, and who may queue something for it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    queue::{Level, Queue},
    unconfirmed::{ToConfirm, Unconfirmed},
    unicast::UnicastId,
    waiting::{Held, Waiting},
};
use crate::{
    node::{Group, Lane, Sender, SessionId, SessionIdentity, shares::HolderId},
    p2p::{NodeId, mesh::NodeKey},
};

/// A closed queue keeps room for so many agencies at least, so that the first newcomer takes nothing from
/// others.
const AGENCIES: usize = 2;

/// One connection to another node.
#[derive(Debug, Clone)]
pub(super) struct PeerLink {
    pub(super) queue: Queue,
    /// Who it is, where that is known.
    pub(super) node: Option<NodeId>,
    /// Its name in routing.
    pub(super) key: Option<NodeKey>,
    /// What it did that it should not do, and how often.
    pub(super) complaints: BTreeMap<&'static str, u64>,
    /// The topics it announced, if it is none of ours.
    pub(super) topics: BTreeSet<Bytes>,
    /// Messages sent to it and not yet answered, by P2P seq.
    pub(super) asked: BTreeMap<u32, UnicastId>,
    /// Sessions paused because of its queue.
    pub(super) paused: BTreeSet<SessionId>,
    /// It did not drain while they were paused: they are not paused again until it does.
    pub(super) stuck: bool,
    /// It is none of ours, and takes part in the network of ours by way of this node.
    pub(super) transit: bool,
    /// Multicasts that it was sent, if it is an overlay node that confirms them.
    pub(super) unconfirmed: Option<Unconfirmed>,
    /// Its own that came.
    pub(super) to_confirm: ToConfirm,
    /// Whose it is.
    pub(super) identity: SessionIdentity,
    /// For whom it counts, if it was accepted.
    pub(super) place: Option<HolderId>,
    /// What of `queue` is of whom, without packets about the network.
    pub(super) waiting: Waiting,
}

/// Those who may come and queue something: a closed queue keeps room for each of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowd {
    pub(super) agencies: usize,
    /// Of the agency.
    pub(super) keys: usize,
    /// Of the key.
    pub(super) senders: usize,
}

impl PeerLink {
    pub(super) fn new(node: NodeId, authority: [u8; 32], queue: usize) -> Self {
        let key = NodeKey::from(&node);
        Self {
            queue: Queue::new(queue),
            node: Some(node),
            key: Some(key),
            complaints: BTreeMap::new(),
            topics: BTreeSet::new(),
            asked: BTreeMap::new(),
            paused: BTreeSet::new(),
            stuck: false,
            transit: false,
            unconfirmed: None,
            to_confirm: ToConfirm::default(),
            identity: SessionIdentity::of_node(key, authority),
            place: None,
            waiting: Waiting::default(),
        }
    }

    /// A frame is queued.
    pub(super) fn push(&mut self, lane: Lane, len: usize) -> Level {
        if let Lane::Messages { from, .. } = lane {
            self.waiting.add(from, len);
        }
        self.queue.push(len)
    }

    /// So much of a lane has left.
    pub(super) fn written(&mut self, lane: Lane, len: usize) -> Level {
        if let Lane::Messages { from, .. } = lane {
            self.waiting.take(from, len);
        }
        self.queue.written(len)
    }

    /// Whether there is so little that nobody need be held to a share.
    pub(super) fn needs_no_count(&self) -> bool {
        self.queue.is_low() && self.queue.is_open()
    }

    /// What may be queued beside what there is when the queue is closed, before it is near the length at
    /// which the connection is.
    fn room(&self) -> usize {
        self.queue.limit() - self.queue.limit() / 4
    }

    /// A sender's fair share of half the queue, among those who have something in it.
    fn share(&self, held: &Held) -> usize {
        self.queue.limit() / 2 / held.agencies / held.keys / held.senders
    }

    /// Whether it is this sender that fills the queue.
    pub(super) fn is_filled_by(&self, from: Sender, group: Group) -> bool {
        if !self.queue.is_half_full() {
            return false;
        }
        let held = self.waiting.held(from, group);
        held.sender > self.share(&held)
    }

    /// Whether a message may be queued: always while the queue is open, and from those with less than their
    /// share of it until it is near the length at which the connection is closed.
    pub(super) fn takes(
        &self,
        lane: Lane,
        len: usize,
        whose: impl FnOnce(Sender) -> (Group, Crowd),
    ) -> bool {
        if self.queue.is_open() {
            return true;
        }
        let Lane::Messages { from, .. } = lane else {
            return false;
        };
        if self.queue.queued() + len > self.queue.limit() + self.room() {
            return false;
        }
        let (group, crowd) = whose(from);
        let held = self.waiting.held(from, group);
        held.sender + len <= self.share(&held) && self.keeps_room(&held, len, crowd)
    }

    /// Whether there is room for everybody else, if a sender gets so much while the queue is closed. Of the
    /// room each agency has an equal part. Half of it is for all of the agency; of the other half each of
    /// its keys has an equal part. Half of that is for all of the key, and the rest is shared by its senders.
    fn keeps_room(&self, held: &Held, len: usize, crowd: Crowd) -> bool {
        let agencies = crowd.agencies.max(held.agencies).max(AGENCIES);
        let of_agency = self.room() / agencies / 2;
        let of_key = of_agency / crowd.keys.max(held.keys) / 2;
        let of_sender = of_key / crowd.senders.max(held.senders);
        held.agency_late + len <= of_agency
            || held.key_late + len <= of_key
            || held.sender_late + len <= of_sender
    }
}
