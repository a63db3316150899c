//! How the node handles its peers: who they are, and the frames that they send.

use std::time::{Duration, Instant};

use super::NodeMachine;
use crate::{
    node::{
        Action, NodeNotice, PeerCloseReason, PeerId, PeerIdentity,
        checker::CheckedRecords,
        peer::{Peer, PeerOutput, TopicUpdate},
        peer_input::PeerInput,
    },
    p2p::{mesh::CONFIRMS, protocol},
};

/// Two connections to one node that are made within this time mean that both sides dialled at once.
const DUPLICATE_RACE: Duration = Duration::from_secs(10);

/// After both sides have dialled, the surplus connection ends within this time: the other side
/// closes it as soon as the remaining one is up. A connection that ends later has failed.
const RACE_SEEN: Duration = Duration::from_secs(2);

impl NodeMachine {
    pub(super) fn peer_opened(
        &mut self,
        now: Instant,
        peer: PeerId,
        identity: PeerIdentity,
        dialled: bool,
    ) {
        let reject = |reason| Action::ClosePeer { peer, reason };
        if identity.node == self.config.node {
            self.actions
                .push_back(reject(PeerCloseReason::LocalIdentity));
            return;
        }
        let existing = self
            .peers
            .iter()
            .find(|(_, held)| held.identity.node == identity.node)
            .map(|(&id, held)| {
                let (fisco, version) = (held.is_fisco(), held.version());
                (id, held.dialled, held.since, fisco, version)
            });
        let mut replaced = None;
        if let Some((old, old_dialled, since, fisco, version)) = existing {
            // FISCO nodes always close the new connection (p2p-v2 section 3.2). When both sides
            // dial at once, this can close both; two overlay nodes therefore agree to keep the one
            // that the node with the lower ID dialled. No agreement is possible with a FISCO node:
            // it has already closed the new connection.
            let keep_dialled = self.config.node < identity.node;
            let race = now < since + DUPLICATE_RACE && !fisco;
            if !(race && dialled == keep_dialled && old_dialled != keep_dialled) {
                self.actions.push_back(reject(PeerCloseReason::Duplicate));
                return;
            }
            replaced = Some((old, version));
        }
        let (node, authority) = (identity.node, identity.authority);
        // Nodes that this node dials are dialled at this node's own pace.
        if !dialled && !self.visits.admit(now, node) {
            self.router.counters_mut().peers_too_often += 1;
            self.actions.push_back(reject(PeerCloseReason::TooOften));
            return;
        }
        if !dialled && !self.router.admit_peer(&node, authority) {
            let max = self.config.limits.peers;
            self.actions
                .push_back(reject(PeerCloseReason::TooMany { max }));
            return;
        }
        let moves = replaced.and_then(|(_, version)| version);
        self.router.peer_up(now, peer, &identity, dialled);
        let link = Peer::new(now, identity, dialled, &self.config.timeouts);
        self.peers.insert(peer, link);
        for frame in Peer::greeting(self.topic_seq) {
            self.router.send_peer(peer, frame);
        }
        if let Some(version) = moves {
            // The first connection has already shown what the node is; messages on their way there
            // need not wait.
            if let Some(link) = self.peers.get_mut(&peer) {
                link.recognise(now, version, &self.config.timeouts);
            }
            self.actions.push_back(Action::FragmentPeer { peer });
            let confirms = version >= CONFIRMS;
            self.router.link_up(now, peer, &node, confirms);
        }
        self.peer_due(peer);
        if let Some((old, _)) = replaced {
            self.close_peer(now, old, PeerCloseReason::Duplicate);
        }
        self.notice(NodeNotice::PeerUp { peer, node });
    }

    /// Returns whether the connection is one that two overlay nodes give up after both have
    /// dialled: the other side may already have seen the remaining connection and closed this one.
    pub(super) fn loses_race(&self, now: Instant, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|peer| {
            let keep_dialled = self.config.node < peer.identity.node;
            peer.is_overlay() && peer.dialled != keep_dialled && now < peer.since + RACE_SEEN
        })
    }

    pub(super) fn peer_frame(&mut self, now: Instant, id: PeerId, input: PeerInput) {
        let frame = &input.frame;
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let recognised = peer.heard(now, frame, &self.config.timeouts);
        let overlay = peer.is_overlay();
        if recognised {
            self.recognised(now, id);
        }
        match frame.protocol.unsigned_abs() as i32 {
            protocol::AMOP => return self.router.amop_packet(now, id, input),
            protocol::EXTENSION if overlay => {
                return self.router.extension(now, id, input);
            }
            _ => {}
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let mut output = PeerOutput::default();
        let update = peer.topic_packet(now, input, &self.config.timeouts, &mut output);
        if let Some(seq) = output.question {
            self.asked_for_list(now, id, seq);
        }
        for frame in output.frames {
            self.router.send_peer(id, frame);
        }
        if let Some(what) = output.ignored {
            self.router.bad_message(id, what);
        }
        if output.asks_too_much {
            self.router.refuse_question(id);
        }
        match update {
            TopicUpdate::Nothing => {}
            TopicUpdate::Replace(topics) => {
                self.router.peer_topics(now, id, topics);
            }
            TopicUpdate::Close(reason) => {
                if matches!(reason, PeerCloseReason::TooManyTopics { .. }) {
                    self.router.counters_mut().peers_over_topics += 1;
                }
                self.close_peer(now, id, reason);
            }
        }
    }

    /// Returns whether the peer is a FISCO node that takes part in the overlay through this node.
    pub(super) fn is_stub(&self, peer: &Peer) -> bool {
        peer.is_fisco() && self.config.stubs.contains(&peer.identity.node)
    }

    /// Acts on the discovery of which implementation a peer is.
    fn recognised(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let (version, node) = (peer.version(), peer.identity.node);
        self.peer_due(id);
        if let Some(version) = version {
            self.actions.push_back(Action::FragmentPeer { peer: id });
            let confirms = version >= CONFIRMS;
            return self.router.link_up(now, id, &node, confirms);
        }
        if self.config.stubs.contains(&node) {
            self.router.stub_up(now, id);
        }
        self.release_barriers(now);
    }

    pub(super) fn peer_records(&mut self, now: Instant, id: PeerId, records: CheckedRecords) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.heard_no_greeting(now) {
            self.recognised(now, id);
        } else if peer.is_overlay() {
            self.router.records(now, id, records);
        }
    }
}
