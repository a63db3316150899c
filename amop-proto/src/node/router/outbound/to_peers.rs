//! Frames that are queued for other nodes, and bytes of them that have left.

use std::time::Instant;

use bytes::Bytes;

use super::{Outbound, groups::group_in, links::Links, queue::QueueLevel, unconfirmed::AT_ONCE};
use crate::{
    channel::Frame,
    node::{
        Action, Lane, NodeNotice, PeerCloseReason, PeerId,
        mesh::Mesh,
        router::ends::{Origin, UnicastId},
    },
    p2p::{
        Body, PEER_HEADER_LEN, PeerFrame, PeerMessage, mesh::decode_confirmed, packet, protocol,
    },
};

impl Outbound {
    /// Queues a frame about the network for a peer.
    pub(in crate::node::router) fn send_peer(
        &mut self,
        mesh: &Mesh,
        peer: PeerId,
        frame: PeerFrame,
    ) {
        self.send_in(mesh, peer, Lane::Control, frame.into());
    }

    /// Queues a multicast for an overlay node, and keeps it until that node confirms it. Returns
    /// whether its queue is filling up.
    pub(in crate::node::router) fn send_multicast(
        &mut self,
        mesh: &Mesh,
        peer: PeerId,
        lane: Lane,
        mut message: PeerMessage,
    ) -> bool {
        if let Some(link) = self.links.peers.get_mut(&peer)
            && let Some(unconfirmed) = &mut link.unconfirmed
        {
            let queued = link.queue.queued();
            self.counters.multicasts_lost += unconfirmed.push(lane, &mut message, queued);
        }
        self.send_in(mesh, peer, lane, message)
    }

    /// Queues a frame for a peer. Returns whether its queue is filling up.
    pub(in crate::node::router) fn send_in(
        &mut self,
        mesh: &Mesh,
        peer: PeerId,
        lane: Lane,
        message: PeerMessage,
    ) -> bool {
        let Some(link) = self.links.peers.get_mut(&peer) else {
            return false;
        };
        let (len, late) = (message.wire_len(), !link.queue.is_open());
        let level = link.push(lane, len);
        let (queued, fills) = (link.queue.queued(), link.queue.is_half_full());
        if fills || self.links.is_counted() {
            let group = |links: &Links, sender| group_in(links, mesh, sender);
            self.links.count_if_filling(peer, (lane, len), late, group);
        }
        match level {
            QueueLevel::Hopeless => {
                self.counters.slow_peers += 1;
                let reason = PeerCloseReason::SlowReader { queued };
                self.close(Action::ClosePeer { peer, reason });
                return fills;
            }
            QueueLevel::Behind => self.notice(NodeNotice::PeerBehind { peer, queued }),
            QueueLevel::Same | QueueLevel::CaughtUp { .. } => {}
        }
        self.actions.push_back(Action::SendPeer {
            peer,
            lane,
            message,
        });
        fills
    }

    pub(in crate::node::router) fn multicast_to_peers(
        &mut self,
        mesh: &Mesh,
        now: Instant,
        origin: Origin,
        peers: &[PeerId],
        body: Body,
    ) {
        let message = amop_message(packet::MULTICAST, self.peer_seq(), body);
        let (lane, len) = (origin.lane(), message.wire_len());
        for &peer in peers {
            let links = &self.links;
            let group = |from| group_in(links, mesh, from);
            if links.peer_takes(peer, lane, len, group) {
                self.send_of(mesh, now, origin, peer, message.clone());
            } else if let Some(link) = self.links.peers.get_mut(&peer) {
                link.queue.count_dropped();
                self.counters.dropped += 1;
            }
        }
    }

    /// Handles a neighbour's confirmation of multicasts of this node.
    pub(in crate::node::router) fn confirmed(&mut self, peer: PeerId, body: Bytes) -> Option<()> {
        let link = self.links.peers.get_mut(&peer)?;
        let unconfirmed = link.unconfirmed.as_mut()?;
        for (first, count) in decode_confirmed(body, AT_ONCE)? {
            unconfirmed.confirmed(first, count);
        }
        Some(())
    }

    /// Records that a peer is asked a unicast, and returns the seq of the request; `None` if it is
    /// gone.
    pub(in crate::node::router) fn ask_peer(&mut self, peer: PeerId, id: UnicastId) -> Option<u32> {
        let link = self.links.peers.get_mut(&peer)?;
        let seq = self.next_peer_seq;
        self.next_peer_seq = seq.wrapping_add(1);
        link.asked.insert(seq, id);
        Some(seq)
    }

    /// Returns the seq of the next message to a peer that needs no answer.
    fn peer_seq(&mut self) -> u32 {
        let seq = self.next_peer_seq;
        self.next_peer_seq = seq.wrapping_add(1);
        seq
    }

    /// Records that this many bytes of a lane of a peer's queue have left.
    pub(in crate::node::router) fn peer_written(&mut self, peer: PeerId, lane: Lane, len: usize) {
        let Some((link, level)) = self.links.peer_written(peer, lane, len) else {
            return;
        };
        if link.queue.is_low() {
            link.stuck = false;
        }
        if link.queue.is_low() && !link.paused.is_empty() {
            let paused = std::mem::take(&mut link.paused);
            self.pauses.remove(&peer);
            self.resume(paused);
        }
        if let QueueLevel::CaughtUp { dropped } = level {
            self.notice(NodeNotice::PeerCaughtUp { peer, dropped });
        }
    }
}

/// Builds a message for a peer that is not an overlay node.
pub(in crate::node::router) fn amop_message(packet: u16, seq: u32, body: Body) -> PeerMessage {
    PeerMessage {
        frame: PeerFrame {
            protocol: protocol::AMOP,
            packet,
            seq,
            body: body.head,
        },
        tail: body.tail,
    }
}

/// Returns the length of a session's frame on its way to another node.
pub(in crate::node::router) fn peer_len(frame: &Frame) -> usize {
    PEER_HEADER_LEN + frame.wire_len()
}
