//! Publishers that fill a peer's queue are paused.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::Outbound;
use crate::{
    node::{Action, PeerId, SessionId, mesh::Mesh, router::ends::Origin},
    p2p::PeerMessage,
};

/// How long publishers stay paused for a peer's queue before it counts as stuck.
const PAUSE_LIMIT: Duration = Duration::from_secs(2);

impl Outbound {
    /// Queues a message for a peer, and pauses its publisher while the publisher's messages fill
    /// the queue.
    pub(in crate::node::router) fn send_of(
        &mut self,
        mesh: &Mesh,
        now: Instant,
        origin: Origin,
        peer: PeerId,
        message: PeerMessage,
    ) {
        if self.send_in(mesh, peer, origin.lane(), message) {
            self.pause_if_filling(now, origin, peer);
        }
    }

    pub(in crate::node::router) fn pause_if_filling(
        &mut self,
        now: Instant,
        origin: Origin,
        peer: PeerId,
    ) {
        let Origin::Session(session) = origin else {
            return;
        };
        if !self.links.is_filled_by(peer, session) {
            return;
        }
        let Some(peer_link) = self.links.peers.get_mut(&peer) else {
            return;
        };
        if peer_link.stuck {
            return;
        }
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        if !peer_link.paused.insert(session) {
            return;
        }
        link.pauses += 1;
        if link.pauses == 1 {
            self.actions.push_back(Action::PauseSession { session });
        }
        self.pauses.entry(peer).or_insert(now + PAUSE_LIMIT);
    }

    /// Ends pauses that have lasted too long: the queue counts as stuck.
    pub(in crate::node::router) fn end_pauses(&mut self, now: Instant) {
        let stuck: Vec<PeerId> = self
            .pauses
            .iter()
            .filter(|&(_, &at)| at <= now)
            .map(|(&peer, _)| peer)
            .collect();
        for peer in stuck {
            self.pauses.remove(&peer);
            if let Some(link) = self.links.peers.get_mut(&peer) {
                link.stuck = true;
                let paused = std::mem::take(&mut link.paused);
                self.resume(paused);
            }
        }
    }

    pub(in crate::node::router) fn resume(&mut self, paused: BTreeSet<SessionId>) {
        for session in paused {
            if let Some(link) = self.links.sessions.get_mut(&session) {
                link.pauses = link.pauses.saturating_sub(1);
                if link.pauses == 0 {
                    self.actions.push_back(Action::ResumeSession { session });
                }
            }
        }
    }
}
