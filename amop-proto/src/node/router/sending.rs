//! Frames that are queued for connections, and bytes of them that have left.

use std::time::Instant;

use super::{Router, links::Links, places::group_in, queue::QueueLevel};
use crate::{
    channel::Frame,
    node::{Action, Lane, NodeNotice, PeerCloseReason, PeerId, SessionCloseReason, SessionId},
    p2p::{PeerFrame, PeerMessage},
};

impl Router {
    /// Queues a frame that is not an AMOP message, for example a heartbeat's answer, for a session.
    pub fn send_session(&mut self, session: SessionId, frame: Frame) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        if link.closing {
            return;
        }
        let level = link.push(&mut self.links.shares, frame.wire_len());
        let queued = link.queue.queued();
        self.queued(session, frame, (level, queued));
    }

    /// Handles the effect of a frame on a session's queue, and sends it.
    pub(super) fn queued(
        &mut self,
        session: SessionId,
        frame: Frame,
        (level, queued): (QueueLevel, usize),
    ) {
        match level {
            QueueLevel::Hopeless => {
                self.counters.slow_sessions += 1;
                return self.cut(session, SessionCloseReason::SlowReader { queued });
            }
            QueueLevel::Behind => self.notice(NodeNotice::SessionBehind { session, queued }),
            QueueLevel::Same | QueueLevel::CaughtUp { .. } => {}
        }
        self.actions
            .push_back(Action::SendSession { session, frame });
        while self.session_bytes() > self.limits.session_queues {
            let Some(longest) = self.links.longest_queue() else {
                return;
            };
            self.counters.queues_cut += 1;
            let (queued, max) = (self.session_bytes(), self.limits.session_queues);
            self.cut(longest, SessionCloseReason::QueuesFull { queued, max });
        }
    }

    /// Closes a session, and stops counting its write queue.
    pub(super) fn cut(&mut self, session: SessionId, reason: SessionCloseReason) {
        if let Some(link) = self.links.sessions.get_mut(&session) {
            link.uncount(&mut self.links.shares);
            link.closing = true;
            self.close(Action::CloseSession { session, reason });
        }
    }

    /// Queues a frame about the network for a peer.
    pub fn send_peer(&mut self, peer: PeerId, frame: PeerFrame) {
        self.send_in(peer, Lane::Control, frame.into());
    }

    /// Queues a multicast for an overlay node, and keeps it until that node confirms it. Returns
    /// whether its queue is filling up.
    pub(super) fn send_multicast(
        &mut self,
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
        self.send_in(peer, lane, message)
    }

    /// Queues a frame for a peer. Returns whether its queue is filling up.
    pub(super) fn send_in(&mut self, peer: PeerId, lane: Lane, message: PeerMessage) -> bool {
        let Some(link) = self.links.peers.get_mut(&peer) else {
            return false;
        };
        let (len, late) = (message.wire_len(), !link.queue.is_open());
        let level = link.push(lane, len);
        let (queued, fills) = (link.queue.queued(), link.queue.is_half_full());
        if fills || self.links.is_counted() {
            let mesh = &self.mesh;
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

    /// Records that this many bytes of the queue of a session have left.
    pub fn session_written(&mut self, session: SessionId, len: usize) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        let level = link.written(&mut self.links.shares, len);
        if let QueueLevel::CaughtUp { dropped } = level {
            self.notice(NodeNotice::SessionCaughtUp { session, dropped });
        }
    }

    /// Records that this many bytes of a lane of a peer's queue have left.
    pub fn peer_written(&mut self, now: Instant, peer: PeerId, lane: Lane, len: usize) {
        if lane == Lane::Control && self.mesh.written(peer, len) {
            self.settle_mesh(now);
        }
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
