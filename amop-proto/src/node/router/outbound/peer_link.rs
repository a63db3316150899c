//! The connection to another node as the router sees it, and which senders may queue frames for it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    queue::{QueueLevel, QueuedBytes},
    unconfirmed::{ToConfirm, UnconfirmedMulticasts},
    waiting::{SenderBytes, WaitingBytes},
};
use crate::{
    node::{
        Group, Lane, PeerIdentity, Sender, SessionId, SessionIdentity, router::ends::UnicastId,
        shares::HolderId,
    },
    p2p::{NodeId, mesh::RoutingKey},
};

/// The number of agencies that a closed queue keeps room for at least, so that the first newcomer
/// takes nothing from others.
const AGENCIES: usize = 2;

/// One connection to another node.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct PeerLink {
    pub(in crate::node::router) queue: QueuedBytes,
    /// The node's ID, if known.
    pub(in crate::node::router) node: Option<NodeId>,
    /// The node's name in routing.
    pub(in crate::node::router) key: Option<RoutingKey>,
    /// Its wrong actions, and how often each occurred.
    pub(in crate::node::router) misbehaviour: BTreeMap<&'static str, u64>,
    /// The topics it announced, if it is not an overlay node.
    pub(in crate::node::router) topics: BTreeSet<Bytes>,
    /// Messages sent to it and not yet answered, by P2P seq.
    pub(in crate::node::router) asked: BTreeMap<u32, UnicastId>,
    /// Sessions paused because of its queue.
    pub(in crate::node::router) paused: BTreeSet<SessionId>,
    /// Whether it did not drain while they were paused: they are not paused again until it does.
    pub(in crate::node::router) stuck: bool,
    /// Whether it is a FISCO node that takes part in the overlay through this node.
    pub(in crate::node::router) stub: bool,
    /// The multicasts that it was sent, if it is an overlay node that confirms them.
    pub(in crate::node::router) unconfirmed: Option<UnconfirmedMulticasts>,
    /// The multicasts that came from it and must be confirmed.
    pub(in crate::node::router) to_confirm: ToConfirm,
    /// The node's key and agency.
    pub(in crate::node::router) identity: SessionIdentity,
    /// Whether its messages have seqs that this node made: no other message is a copy of one.
    pub(in crate::node::router) new_seqs: bool,
    /// The holder that the connection counts for, if it was accepted.
    pub(in crate::node::router) place: Option<HolderId>,
    /// The bytes of `queue` by sender, without packets about the network.
    pub(in crate::node::router) waiting: WaitingBytes,
}

/// The senders that may want to queue something: a closed queue keeps room for each of them.
#[derive(Debug, Clone, Copy)]
pub(in crate::node::router) struct WaitingSenders {
    pub(in crate::node::router) agencies: usize,
    /// The number of keys of the agency.
    pub(in crate::node::router) keys: usize,
    /// The number of senders of the key.
    pub(in crate::node::router) senders: usize,
}

impl PeerLink {
    pub(in crate::node::router) fn new(identity: &PeerIdentity, queue: usize) -> Self {
        let key = RoutingKey::from(&identity.node);
        Self {
            queue: QueuedBytes::new(queue),
            node: Some(identity.node),
            key: Some(key),
            misbehaviour: BTreeMap::new(),
            topics: BTreeSet::new(),
            asked: BTreeMap::new(),
            paused: BTreeSet::new(),
            stuck: false,
            stub: false,
            unconfirmed: None,
            to_confirm: ToConfirm::default(),
            identity: SessionIdentity::of_node(key, identity.authority),
            new_seqs: identity.new_seqs,
            place: None,
            waiting: WaitingBytes::default(),
        }
    }

    /// Counts a frame that is queued.
    pub(in crate::node::router) fn push(&mut self, lane: Lane, len: usize) -> QueueLevel {
        if let Lane::Messages { from, .. } = lane {
            self.waiting.add(from, len);
        }
        self.queue.push(len)
    }

    /// Counts bytes of a lane that have left.
    pub(in crate::node::router) fn written(&mut self, lane: Lane, len: usize) -> QueueLevel {
        if let Lane::Messages { from, .. } = lane {
            self.waiting.take(from, len);
        }
        self.queue.written(len)
    }

    /// Returns whether so little waits that shares need not be applied.
    pub(in crate::node::router) fn needs_no_count(&self) -> bool {
        self.queue.is_low() && self.queue.is_open()
    }

    /// Returns how many bytes may be queued above the limit while the queue is closed. They keep it
    /// below the length at which the connection is closed.
    fn room(&self) -> usize {
        self.queue.limit() - self.queue.limit() / 4
    }

    /// Returns a sender's fair share of half the queue, among the senders that have something in
    /// it.
    fn share(&self, held: &SenderBytes) -> usize {
        self.queue.limit() / 2 / held.agencies / held.keys / held.senders
    }

    /// Returns whether this sender fills the queue.
    pub(in crate::node::router) fn is_filled_by(&self, from: Sender, group: Group) -> bool {
        if !self.queue.is_half_full() {
            return false;
        }
        let held = self.waiting.held(from, group);
        held.sender > self.share(&held)
    }

    /// Returns whether a message may be queued: always while the queue is open; after that, only
    /// from senders below their share, until the queue is near the length at which the connection
    /// is closed.
    pub(in crate::node::router) fn takes(
        &self,
        lane: Lane,
        len: usize,
        whose: impl FnOnce(Sender) -> (Group, WaitingSenders),
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

    /// Returns whether there is room for all others if a sender gets `len` bytes while the queue is
    /// closed. Each agency has an equal part of the room. Half of it is for the whole agency; of
    /// the other half each of its keys has an equal part. Half of that is for the whole key, and
    /// its senders share the rest.
    fn keeps_room(&self, held: &SenderBytes, len: usize, crowd: WaitingSenders) -> bool {
        let agencies = crowd.agencies.max(held.agencies).max(AGENCIES);
        let of_agency = self.room() / agencies / 2;
        let of_key = of_agency / crowd.keys.max(held.keys) / 2;
        let of_sender = of_key / crowd.senders.max(held.senders);
        held.agency_late + len <= of_agency
            || held.key_late + len <= of_key
            || held.sender_late + len <= of_sender
    }
}
