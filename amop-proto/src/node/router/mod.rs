//! Decides who gets a message, and brings the answer back.
//!
//! Deterministic: the same configuration, seed and events give the same actions.

mod counters;
mod ends;
mod handles;
mod in_flight;
mod multicasts;
mod outbound;
mod overlay;
mod path;
mod topics;
mod view;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;

pub use self::counters::Counters;
use self::{
    ends::Origin,
    in_flight::InFlight,
    multicasts::Multicasts,
    outbound::{Outbound, PeerLink, SessionLink, UnconfirmedMulticasts},
    topics::{Topics, rate_of_session},
};
use super::{
    HashedFrame, Lane, Limits, MachineConfig, PeerId, PeerIdentity, PeerInput, SessionId,
    SessionIdentity, Timeouts, TopicSet,
    checker::CheckedRecords,
    dice::Dice,
    mesh::{Mesh, Restated, SeenMessages},
    shares::Resource,
    sooner,
};
use crate::{
    channel::Verdict,
    p2p::{NodeId, mesh::Subject},
};

/// How long a neighbour that had two connections is waited for after one of them ends: TLS may not
/// have finished on both sides of the other.
const HANDOVER: Duration = Duration::from_secs(2);

/// The router of a node. Each of its parts has its own fields and methods; here and in `path` and
/// `overlay` is what concerns several of them.
#[derive(Debug, Clone)]
pub struct Router {
    limits: Limits,
    timeouts: Timeouts,
    rng: Dice,
    /// Connections, and what must be written to them.
    out: Outbound,
    /// Unicasts that wait for an answer.
    in_flight: InFlight,
    /// Multicasts that wait.
    multicasts: Multicasts,
    /// Who has which topics.
    topics: Topics,
    /// The other overlay nodes, and the paths to them.
    mesh: Mesh,
    /// Messages of other overlay nodes that came recently.
    seen_messages: SeenMessages,
    /// Whether a neighbour has acknowledged something.
    acknowledged: bool,
    /// Whether a unicast of a local publisher found no subscriber.
    unfound: bool,
}

impl Router {
    /// Creates a router without connections.
    pub(in crate::node) fn new(config: &MachineConfig) -> Self {
        let (limits, timeouts) = (config.limits, config.timeouts);
        let mut rng = Dice::new(config.seed);
        Self {
            limits,
            timeouts,
            out: Outbound::new(&limits),
            in_flight: InFlight::new(&mut rng, config.epoch),
            rng,
            multicasts: Multicasts::new(&limits),
            topics: Topics::new(&limits),
            mesh: Mesh::new(config),
            seen_messages: SeenMessages::default(),
            acknowledged: false,
            unfound: false,
        }
    }

    /// Notes the time, before an event is handled.
    fn tick(&mut self, now: Instant) {
        self.mesh.tick(now);
    }

    /// Does what follows from an event in the overlay.
    fn settle(&mut self, now: Instant) {
        self.settle_mesh(now);
        // After the news of the lost links.
        self.multicasts
            .send_stranded(&mut self.out, &mut self.mesh, now);
    }

    /// Adds a session, which [`admit`](Self::admit) has accepted.
    pub(in crate::node) fn session_up(
        &mut self,
        now: Instant,
        session: SessionId,
        identity: SessionIdentity,
    ) {
        self.tick(now);
        let holder = self.out.links.shares.join(identity);
        self.out.links.shares.take(holder, Resource::Sessions, 1);
        let rate = rate_of_session(&self.limits);
        let link = SessionLink::new(self.limits.session_queue, rate, holder);
        self.out.links.sessions.insert(session, link);
        self.settle(now);
    }

    /// Handles a session's request for another set of topics. `refused` has the first of the
    /// strings that were already left out of the set.
    pub(in crate::node) fn session_topics(
        &mut self,
        now: Instant,
        session: SessionId,
        topics: TopicSet,
        refused: Vec<String>,
    ) {
        self.tick(now);
        self.topics
            .set_topics(&mut self.out, &self.mesh, now, session, topics, refused);
        self.settle(now);
    }

    /// Handles a unicast or a multicast of a session.
    pub(in crate::node) fn session_message(
        &mut self,
        now: Instant,
        session: SessionId,
        message: HashedFrame,
    ) {
        self.tick(now);
        self.unicast_or_multicast(now, Origin::Session(session), message);
        self.settle(now);
    }

    /// Removes a session that has ended.
    pub(in crate::node) fn session_down(&mut self, now: Instant, session: SessionId) {
        self.tick(now);
        self.session_gone(now, session);
        self.settle(now);
    }

    /// Handles a session's verdict on a remote node's subscribers of a private topic (0x38); `None`
    /// if the verdict could not be read.
    pub(in crate::node) fn verdict(
        &mut self,
        now: Instant,
        session: SessionId,
        verdict: Option<Verdict>,
    ) {
        self.tick(now);
        self.topics
            .judge(&mut self.out, &self.mesh, session, verdict);
        self.settle(now);
    }

    /// Adds a connection to a node. `authority` is a digest that identifies its agency. If this
    /// node did not dial it, [`admit_peer`](Self::admit_peer) has accepted it.
    pub(in crate::node) fn peer_up(
        &mut self,
        now: Instant,
        peer: PeerId,
        identity: &PeerIdentity,
        dialled: bool,
    ) {
        self.tick(now);
        let link = PeerLink::new(identity, self.limits.peer_queue);
        self.out.links.peer_up(peer, link, dialled);
        self.settle(now);
    }

    /// Handles the topics of a peer that is not an overlay node; each counts as one subscriber.
    pub(in crate::node) fn peer_topics(
        &mut self,
        now: Instant,
        peer: PeerId,
        topics: BTreeSet<Bytes>,
    ) {
        self.tick(now);
        self.topics
            .set_peer_topics(&mut self.out, &mut self.mesh, now, peer, topics);
        self.settle(now);
    }

    /// Records that a peer proved to be an overlay node, and whether it confirms multicasts.
    pub(in crate::node) fn link_up(
        &mut self,
        now: Instant,
        peer: PeerId,
        node: &NodeId,
        confirms: bool,
    ) {
        self.tick(now);
        if let Some(link) = self.out.links.peers.get_mut(&peer) {
            link.unconfirmed = confirms.then(UnconfirmedMulticasts::default);
        }
        self.mesh.link_up(now, peer, node);
        self.settle(now);
    }

    /// Records that a peer proved to be a FISCO node that takes part in the overlay through this
    /// node.
    pub(in crate::node) fn stub_up(&mut self, now: Instant, peer: PeerId) {
        self.tick(now);
        self.add_stub(now, peer);
        self.settle(now);
    }

    /// Handles an AMOP message of a peer, or an answer to one.
    pub(in crate::node) fn amop_packet(&mut self, now: Instant, peer: PeerId, input: PeerInput) {
        self.tick(now);
        self.peer_message(now, peer, input);
        self.settle(now);
    }

    /// Handles a neighbour's packet of the extension protocol other than records.
    pub(in crate::node) fn extension(&mut self, now: Instant, peer: PeerId, input: PeerInput) {
        self.tick(now);
        self.extension_packet(now, peer, input);
        self.settle(now);
    }

    /// Handles records of a neighbour, which have been checked.
    pub(in crate::node) fn records(&mut self, now: Instant, peer: PeerId, records: CheckedRecords) {
        self.tick(now);
        self.mesh.records(now, peer, records);
        self.settle(now);
    }

    /// Forgets nodes that are no longer believed.
    pub(in crate::node) fn disbelieve(&mut self, now: Instant, nodes: &[Subject]) {
        self.tick(now);
        self.mesh.disbelieve(now, nodes);
        self.settle(now);
    }

    /// Handles a statement of this node that was built outside the machine.
    pub(in crate::node) fn restated(&mut self, now: Instant, restated: Restated) {
        self.tick(now);
        self.mesh.restated(now, restated);
        self.settle(now);
    }

    /// Removes a peer whose connection has ended.
    pub(in crate::node) fn peer_down(&mut self, now: Instant, peer: PeerId) {
        self.tick(now);
        self.peer_gone(now, peer);
        self.mesh.link_down(now, peer);
        self.settle(now);
    }

    /// Removes a peer whose connection has ended, when another one to the same node may follow
    /// soon. Between overlay nodes, messages that have no other path wait for it.
    pub(in crate::node) fn peer_moves(&mut self, now: Instant, peer: PeerId) {
        self.tick(now);
        self.peer_gone(now, peer);
        self.mesh.suspend(now, peer, now + HANDOVER);
        self.settle(now);
    }

    /// Does what is due.
    pub(in crate::node) fn timeout(&mut self, now: Instant) {
        self.tick(now);
        self.mesh.age(now);
        self.seen_messages.forget(now);
        self.topics
            .verifications_due(&mut self.out, &self.mesh, now);
        self.go_on_working(now);
        self.multicasts.go_on_handing_out(&mut self.out, now);
        self.multicasts.confirm_due(&mut self.out, &self.mesh, now);
        self.unicasts_due(now);
        self.topics.change_topics(&mut self.out, &self.mesh, now);
        if self.topics.peer_lists_due(now) {
            self.topics
                .change_peer_topics(&mut self.out, &mut self.mesh, now);
        }
        self.settle(now);
    }

    /// Records that this many bytes of a lane of a peer's queue have left.
    pub(in crate::node) fn peer_written(
        &mut self,
        now: Instant,
        peer: PeerId,
        lane: Lane,
        len: usize,
    ) {
        if lane == Lane::Control && self.mesh.written(peer, len) {
            self.settle_mesh(now);
        }
        self.out.peer_written(peer, lane, len);
    }

    /// Returns when [`timeout`](Self::timeout) is due.
    pub(in crate::node) fn next_timeout(&self) -> Option<Instant> {
        let messages = sooner(
            self.in_flight.next_timeout(),
            self.multicasts.next_timeout(),
        );
        let connections = sooner(self.out.next_timeout(), self.topics.next_timeout());
        let overlay = sooner(self.mesh.next_age(), self.seen_messages.next_forget());
        sooner(messages, sooner(connections, overlay))
    }

    /// Returns whether the router holds nothing: no connection, no topic, no message, no timer.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
            && self.in_flight.is_empty()
            && self.multicasts.is_empty()
            && self.topics.is_empty()
    }
}
