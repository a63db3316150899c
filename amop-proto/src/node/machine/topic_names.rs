//! Tells FISCO nodes of the names of topics.

use std::time::Instant;

use super::NodeMachine;
use crate::node::peer::topic_seq_frame;

/// Comparing this many topics for a FISCO node that takes part in the overlay uses up one more
/// look.
const TOPICS_PER_TURN: usize = 10_000;

impl NodeMachine {
    /// Tells the peers at once what changed in this node's topics. FISCO nodes announce changes
    /// only at their next tick, but ask at once when they are told of one (p2p-v2 section 6).
    pub(super) fn announce_changes(&mut self, now: Instant) {
        // Called after nearly every event.
        if self.router.is_still() && !self.names.renamed && !self.names.border_changed {
            return;
        }
        let news = self.router.take_topic_news();
        let changes = self.router.take_topic_changes(now);
        let statement = self.router.statement();
        for (id, in_force) in news {
            if !changes.is_empty()
                && let Some(session) = self.sessions.get_mut(&id)
            {
                session.topics_version = statement;
            }
            if in_force {
                self.let_go(now, id);
            }
        }
        // The sequence number grows only when names changed; counts matter only to overlay nodes.
        self.names.renamed |= changes
            .iter()
            .any(|&(_, before, now)| before == 0 || now == 0);
        self.names.border_changed |= self.router.take_border_changed();
        let waits = self.names.at.is_some_and(|at| now < at);
        if (self.names.renamed || self.names.border_changed) && !waits {
            self.announce_names(now);
        }
    }

    /// Tells FISCO nodes that the names of topics changed, unless they were told too often: each of
    /// them then asks for all names.
    pub(super) fn announce_names(&mut self, now: Instant) {
        if self.names.looks.available(now) == 0 {
            self.names.at = Some(self.names.looks.ready_at(now, 1));
            return;
        }
        self.names.at = None;
        self.names.looks.spend(now, 1);
        self.names.border_changed = false;
        let mut renamed = std::mem::take(&mut self.names.renamed);
        let mut topics = 0;
        for (&id, peer) in &mut self.peers {
            if peer.is_fisco() && self.config.stubs.contains(&peer.identity.node) {
                let told = self.router.topics_for(id);
                topics += told.len();
                renamed |= told != peer.told;
                peer.told = told;
            }
        }
        // Comparing very many topics takes time that other work needs.
        self.names.looks.spend(now, topics / TOPICS_PER_TURN);
        if renamed && self.names.rate.available(now) == 0 {
            self.names.renamed = true;
            self.names.at = Some(self.names.rate.ready_at(now, 1));
        } else if renamed {
            self.names.rate.spend(now, 1);
            self.topic_seq = self.topic_seq.wrapping_add(1);
            for (&id, peer) in &self.peers {
                if !peer.is_overlay() {
                    self.router.send_peer(id, topic_seq_frame(self.topic_seq));
                }
            }
        }
    }

    /// Asks FISCO nodes for their topics after a unicast found no subscriber: they announce changes
    /// only every 5 s.
    pub(super) fn ask_for_lists(&mut self, now: Instant) {
        for (&id, peer) in &mut self.peers {
            if let Some(frame) = peer.ask(now, &self.config.timeouts) {
                self.router.send_peer(id, frame);
            }
        }
    }
}
