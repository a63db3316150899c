//! Sessions and peers that are gone.

use std::time::Instant;

use crate::node::{
    PeerId, SessionId,
    router::{
        Router,
        ends::{UnicastId, UnicastTarget},
    },
};

impl Router {
    pub(in crate::node::router) fn session_gone(&mut self, now: Instant, session: SessionId) {
        let Some(link) = self.out.remove_session(session) else {
            return;
        };
        self.multicasts.repeats.dropping -= usize::from(link.drops_repeats);
        let (holder, topics) = (link.holder, link.topics);
        self.topics
            .topics_left(&mut self.out, &self.mesh, now, session, holder, topics);
        // The order of events must not depend on a hash.
        let mut asked: Vec<UnicastId> = link.asked.into_values().collect();
        asked.sort_unstable();
        let at = UnicastTarget::Session(session);
        match link.keeps_unicasts {
            true => self.unicasts_lost(now, at, asked),
            false => self.attempts_failed(now, at, true, asked),
        }
    }

    pub(in crate::node::router) fn peer_gone(&mut self, now: Instant, peer: PeerId) {
        let Some(link) = self.out.links.peer_down(peer) else {
            return;
        };
        if link.stub {
            self.mesh.stub_down(now, peer);
            self.topics.border_changed = true;
        }
        if let Some((key, unconfirmed)) = link.key.zip(link.unconfirmed) {
            self.multicasts.strand_unconfirmed(now, key, unconfirmed);
        }
        self.topics
            .peer_topics_left(&mut self.out, &mut self.mesh, now, peer, link.topics);
        self.out.pauses.remove(&peer);
        self.out.resume(link.paused);
        let asked = link.asked.into_values();
        self.attempts_failed(now, UnicastTarget::Fisco(peer), false, asked);
    }
}
