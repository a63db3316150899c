//! How the node handles its peers: their identities, and what they are told about its topics.

use std::time::{Duration, Instant};

use super::NodeMachine;
use crate::{
    node::{
        Action, NodeNotice, PeerCloseReason, PeerId, PeerIdentity, RouterEvent, after,
        checker::CheckedRecords,
        peer::{Peer, PeerOutput, TopicUpdate, topic_seq_frame},
        peer_input::PeerInput,
    },
    p2p::{mesh::CONFIRMS, protocol},
};

/// Two connections to one node that are made within this time mean that both sides dialled at once.
const DUPLICATE_RACE: Duration = Duration::from_secs(10);

/// After both sides have dialled, the surplus connection ends within this time: the other side
/// closes it as soon as the remaining one is up. A connection that ends later has failed.
const RACE_SEEN: Duration = Duration::from_secs(2);

/// FISCO nodes are told of changed names at once, and then only this often per second, because each
/// of them fetches the whole list each time.
pub(super) const NAMES_RATE: (usize, usize) = (5, 1);

/// How often per second, and how often at once, the node looks up which topics participating FISCO
/// nodes must be told of.
pub(super) const LOOKS_RATE: (usize, usize) = (20, 64);

/// Comparing this many topics for a FISCO node that takes part in the overlay uses up one more
/// look.
const TOPICS_PER_TURN: usize = 10_000;

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
        let link = Peer::new(now, identity, dialled, &self.config.timeouts);
        self.peers.insert(peer, link);
        self.router.handle(
            now,
            RouterEvent::PeerUp {
                peer,
                node,
                authority,
                dialled,
            },
        );
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
            self.router
                .handle(now, RouterEvent::LinkUp(peer, node, confirms));
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
            protocol::AMOP => return self.router.handle(now, RouterEvent::FromPeer(id, input)),
            protocol::EXTENSION if overlay => {
                return self.router.handle(now, RouterEvent::Extension(id, input));
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
                self.router.handle(now, RouterEvent::PeerTopics(id, topics));
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
    pub(super) fn takes_part(&self, peer: &Peer) -> bool {
        peer.is_fisco() && self.config.transit.contains(&peer.identity.node)
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
            let event = RouterEvent::LinkUp(id, node, version >= CONFIRMS);
            return self.router.handle(now, event);
        }
        if self.config.transit.contains(&node) {
            self.router.handle(now, RouterEvent::Transit(id));
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
            self.router.handle(now, RouterEvent::Records(id, records));
        }
    }

    /// Tells the peers at once what changed in this node's topics. FISCO nodes announce changes
    /// only at their next tick, but ask at once when they are told of one (p2p-v2 section 6).
    pub(super) fn announce_changes(&mut self, now: Instant) {
        // Called after nearly every event.
        if self.router.is_still() && !self.renamed && !self.beyond_changed {
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
        self.renamed |= changes
            .iter()
            .any(|&(_, before, now)| before == 0 || now == 0);
        self.beyond_changed |= self.router.take_beyond_changed();
        let waits = self.names_at.is_some_and(|at| now < at);
        if (self.renamed || self.beyond_changed) && !waits {
            self.announce_names(now);
        }
    }

    /// Tells FISCO nodes that the names of topics changed, unless they were told too often: each of
    /// them then asks for all names.
    pub(super) fn announce_names(&mut self, now: Instant) {
        if self.looks_rate.available(now) == 0 {
            self.names_at = Some(self.looks_rate.ready_at(now, 1));
            return;
        }
        self.names_at = None;
        self.looks_rate.spend(now, 1);
        self.beyond_changed = false;
        let mut renamed = std::mem::take(&mut self.renamed);
        let mut topics = 0;
        for (&id, peer) in &mut self.peers {
            if peer.is_fisco() && self.config.transit.contains(&peer.identity.node) {
                let told = self.router.topics_for(id);
                topics += told.len();
                renamed |= told != peer.told;
                peer.told = told;
            }
        }
        // Comparing very many topics takes time that other work needs.
        self.looks_rate.spend(now, topics / TOPICS_PER_TURN);
        if renamed && self.names_rate.available(now) == 0 {
            self.renamed = true;
            self.names_at = Some(self.names_rate.ready_at(now, 1));
        } else if renamed {
            self.names_rate.spend(now, 1);
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
