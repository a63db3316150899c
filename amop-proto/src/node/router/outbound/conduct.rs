//! What a peer does wrong: it is counted, and logged, but not each time.

use super::Outbound;
use crate::node::{NodeNotice, PeerId};

impl Outbound {
    /// Records that a message does not prove its origin.
    pub(in crate::node::router) fn unproven(&mut self, peer: PeerId) {
        self.counters.unproven += 1;
        self.note_misbehaviour(peer, "a message that does not prove where it comes from");
    }

    /// Records that a peer sent something that makes no sense.
    pub(in crate::node::router) fn bad_message(&mut self, peer: PeerId, what: &'static str) {
        self.counters.peer_messages_ignored += 1;
        if let Some(node) = self.links.peers.get(&peer).and_then(|link| link.node) {
            self.notice(NodeNotice::BadPeerMessage { peer, node, what });
        }
    }

    /// Records that a peer asked too much.
    pub(in crate::node::router) fn refuse_question(&mut self, peer: PeerId) {
        self.counters.questions_refused += 1;
        self.note_misbehaviour(peer, "too many questions");
    }

    /// Logs what a peer did, but not each time.
    pub(in crate::node::router) fn note_misbehaviour(&mut self, peer: PeerId, what: &'static str) {
        let Some(link) = self.links.peers.get_mut(&peer) else {
            return;
        };
        let Some(node) = link.node else {
            return;
        };
        let count = link.misbehaviour.entry(what).or_default();
        *count += 1;
        let count = *count;
        if count.is_power_of_two() {
            self.notice(NodeNotice::PeerMisbehaves {
                peer,
                node,
                what,
                count,
            });
        }
    }
}
