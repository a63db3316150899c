//! Heartbeat answers that wait until the neighbours know a session's topics.

use std::time::Instant;

use super::NodeMachine;
use crate::node::{PeerId, after};

impl NodeMachine {
    /// Returns whether messages reach a peer: an overlay node and this one must have told each
    /// other of the link. A peer that has not shown yet which kind of node it is has
    /// [`Timeouts::neighbours`](crate::node::Timeouts::neighbours) to do so.
    pub(super) fn is_in_reach(&self, now: Instant, id: PeerId) -> bool {
        let Some(peer) = self.peers.get(&id) else {
            return false;
        };
        match self.router.acknowledged_by(id) {
            Some((_, settled)) => settled,
            None => {
                let known_at = after(peer.since, self.config.timeouts.neighbours);
                !peer.is_unknown() || known_at <= now
            }
        }
    }

    /// Answers the heartbeats of sessions whose topics are known to all neighbours.
    pub(super) fn release_barriers(&mut self, now: Instant) {
        let Some(first) = self.barriers.first() else {
            return;
        };
        let due = self.barriers.is_due(now);
        // Usually all the others wait for one peer, so there is no need to check each of them at
        // each acknowledgement.
        if !due
            && self
                .blocker
                .is_some_and(|(id, _)| self.blocks(now, id, first))
        {
            return;
        }
        if let Some((id, node)) = self.blocker
            && let Some(since) = self.barriers.first_since()
            && !self.blocks(now, id, first)
        {
            self.mutes.waited(now, node, since);
        }
        if due {
            let ids = self.peers.keys().copied();
            let late: Vec<PeerId> = ids.filter(|&id| self.blocks(now, id, first)).collect();
            for peer in late.iter().filter_map(|id| self.peers.get(id)) {
                self.mutes.insert(now, peer.identity.node);
            }
        }
        let mut released = self.barriers.take_due(now);
        let ids = self.peers.keys().copied();
        let blocker = ids
            .min_by_key(|&id| self.known_to(now, id))
            .filter(|&id| self.known_to(now, id).is_none_or(|known| known < u64::MAX));
        self.blocker = blocker.and_then(|id| Some((id, self.peers.get(&id)?.identity.node)));
        let known = match blocker {
            Some(id) => self.known_to(now, id),
            None => Some(u64::MAX),
        };
        if let Some(known) = known {
            released.extend(self.barriers.take_known(known));
        }
        for (session, answer) in released {
            self.router.send_session(session, answer);
        }
    }

    fn blocks(&self, now: Instant, id: PeerId, statement: u64) -> bool {
        self.known_to(now, id).is_none_or(|known| known < statement)
    }

    /// Returns up to which statement a peer knows this node's statements; `None` if this is
    /// unknown, the maximum if the peer is not waited for.
    fn known_to(&self, now: Instant, id: PeerId) -> Option<u64> {
        const ALL: Option<u64> = Some(u64::MAX);
        let Some(peer) = self.peers.get(&id) else {
            return ALL;
        };
        if self.mutes.contains(now, &peer.identity.node) {
            return ALL;
        }
        let is_new = now < after(peer.since, self.config.timeouts.neighbours);
        let settled = match self.router.acknowledged_by(id) {
            _ if peer.is_unknown() => None,
            // A FISCO node.
            None => return ALL,
            Some((known, settled)) => settled.then_some(known),
        };
        // The peer has some time to show what it is and what it knows.
        if settled.is_none() && !is_new {
            ALL
        } else {
            settled
        }
    }
}
