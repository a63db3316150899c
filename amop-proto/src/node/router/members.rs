//! Sessions and peers that come and go, their topics, and the pauses of publishers.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    Router,
    unicast::{Origin, UnicastId, UnicastTarget},
};
use crate::{
    node::{Action, PeerId, SessionId, shares::Resource},
    p2p::PeerMessage,
};

/// How long publishers stay paused for a peer's queue before it counts as stuck.
const PAUSE_LIMIT: Duration = Duration::from_secs(2);

impl Router {
    pub(super) fn session_down(&mut self, now: Instant, session: SessionId) {
        let Some(link) = self.links.sessions.remove(&session) else {
            return;
        };
        self.repeats.native -= usize::from(link.native);
        link.uncount(&mut self.links.shares);
        self.links.shares.give(link.holder, Resource::Sessions, 1);
        if let Some(wanted) = &link.wanted {
            let waits = wanted.bytes();
            self.links.shares.give(link.holder, Resource::Sets, waits);
        }
        let topics = link.topics.len();
        self.links
            .shares
            .give(link.holder, Resource::Subscriptions, topics);
        self.topics_left(now, session, link.holder, link.topics);
        for (id, peer) in &mut self.links.peers {
            if peer.paused.remove(&session) && peer.paused.is_empty() {
                self.pauses.remove(id);
            }
        }
        // The order of events must not depend on a hash.
        let mut asked: Vec<UnicastId> = link.asked.into_values().collect();
        asked.sort_unstable();
        self.attempts_failed(now, UnicastTarget::Session(session), true, asked);
    }

    pub(super) fn peer_gone(&mut self, now: Instant, peer: PeerId) {
        let Some(link) = self.links.peer_down(peer) else {
            return;
        };
        if link.transit {
            self.mesh.border_down(now, peer);
            self.beyond_changed = true;
        }
        if let Some((key, unconfirmed)) = link.key.zip(link.unconfirmed) {
            self.strand_unconfirmed(now, key, unconfirmed);
        }
        self.peer_topics_left(now, peer, link.topics);
        self.pauses.remove(&peer);
        self.resume(link.paused);
        let asked = link.asked.into_values();
        self.attempts_failed(now, UnicastTarget::Fisco(peer), false, asked);
    }

    pub(super) fn resume(&mut self, paused: BTreeSet<SessionId>) {
        for session in paused {
            if let Some(link) = self.links.sessions.get_mut(&session) {
                link.pauses = link.pauses.saturating_sub(1);
                if link.pauses == 0 {
                    self.actions.push_back(Action::ResumeSession { session });
                }
            }
        }
    }

    /// Queues a message for a peer, and pauses its publisher while the publisher's messages fill
    /// the queue.
    pub(super) fn send_of(
        &mut self,
        now: Instant,
        origin: Origin,
        peer: PeerId,
        message: PeerMessage,
    ) {
        if self.send_in(peer, origin.lane(), message) {
            self.pause_if_filling(now, origin, peer);
        }
    }

    pub(super) fn pause_if_filling(&mut self, now: Instant, origin: Origin, peer: PeerId) {
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
}
