//! The connections, and the frames and other actions for them.

mod admission;
mod conduct;
mod groups;
mod hops;
mod keep;
mod links;
mod pausing;
mod peer_link;
mod queue;
mod session_link;
mod to_peers;
mod to_sessions;
mod unconfirmed;
mod waiting;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

pub(super) use self::{
    groups::{agency_of, group_in, identity_of_node},
    keep::keep_in_flight,
    links::Links,
    peer_link::PeerLink,
    session_link::SessionLink,
    to_peers::{amop_message, peer_len},
    unconfirmed::{SentMulticast, UnconfirmedMulticasts},
};
use super::counters::Counters;
use crate::node::{Action, Limits, NodeNotice, PeerId, bandwidth::Bandwidth, shares::Resource};

/// The connections, and what the machine must do about them.
#[derive(Debug, Clone)]
pub(super) struct Outbound {
    pub(super) links: Links,
    pub(super) counters: Counters,
    /// How much may be sent to other nodes.
    pub(super) bandwidth: Bandwidth,
    actions: VecDeque<Action>,
    /// Whether `actions` contains one that closes a connection.
    closes: bool,
    /// When the pauses of publishers for a peer's queue end.
    pub(super) pauses: BTreeMap<PeerId, Instant>,
    next_peer_seq: u32,
    /// The number of bytes that may wait to be written to all sessions.
    session_queues: usize,
}

impl Outbound {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            links: Links::new(limits),
            counters: Counters::default(),
            bandwidth: Bandwidth::new(limits.outgoing_bandwidth),
            actions: VecDeque::new(),
            closes: false,
            pauses: BTreeMap::new(),
            // As on FISCO nodes (p2p-v2 section 4.6).
            next_peer_seq: 2,
            session_queues: limits.session_queues,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty() && self.pauses.is_empty() && self.actions.is_empty()
    }

    /// Returns when the next pause ends.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.pauses.values().min().copied()
    }

    /// Queues an action that closes no connection.
    pub(super) fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Returns the next thing to do.
    pub(super) fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        self.closes &= !self.actions.is_empty();
        action
    }

    pub(super) fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Moves all actions to the end of `actions`, unless one of them closes a connection. Returns
    /// whether it moved them.
    pub(super) fn move_actions(&mut self, actions: &mut VecDeque<Action>) -> bool {
        if self.closes {
            return false;
        }
        if actions.is_empty() {
            std::mem::swap(actions, &mut self.actions);
        } else {
            actions.append(&mut self.actions);
        }
        true
    }

    /// Queues an action that closes a connection.
    pub(super) fn close(&mut self, action: Action) {
        self.closes = true;
        self.actions.push_back(action);
    }

    pub(super) fn notice(&mut self, notice: NodeNotice) {
        self.actions.push_back(Action::Notice(notice));
    }

    /// Returns the memory, in bytes, of the frames that wait to be written to this node's sessions
    /// now.
    pub(super) fn session_bytes(&self) -> usize {
        self.links.shares.used(Resource::Queued)
    }

    /// Returns the bytes that wait to be written to other nodes now.
    pub(super) fn peer_bytes(&self) -> usize {
        let peers = self.links.peers.values();
        peers.map(|peer| peer.queue.queued()).sum()
    }
}
