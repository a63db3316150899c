//! Decides who gets a message, and brings the answer back.
//!
//! Deterministic: the same configuration, seed and events give the same actions.

mod backlog;
mod changes;
mod copies;
mod counters;
mod credit;
mod deliver;
mod keep;
mod late;
mod links;
mod members;
mod network;
mod newest;
mod peer_link;
mod peer_lists;
mod places;
mod queue;
mod repeats;
mod sending;
mod spread;
mod stranded;
mod table;
mod transit;
mod turns;
mod unconfirmed;
mod unicast;
mod verifications;
mod waiting;
mod weighted;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::RngExt;

pub use self::counters::Counters;
use self::{
    backlog::Backlog,
    changes::{Changes, rate_of_session},
    copies::PendingCopies,
    credit::Credits,
    links::{Links, SessionLink},
    newest::Newest,
    peer_link::PeerLink,
    peer_lists::PeerLists,
    repeats::Repeats,
    stranded::StrandedMulticasts,
    table::SubscriberTable,
    transit::Audience,
    unconfirmed::UnconfirmedMulticasts,
    unicast::{Origin, Unicast, UnicastId},
    verifications::{NEED_VERIFY, Remote, Verifications},
};
use super::{
    Action, HashedFrame, Limits, MachineConfig, NodeNotice, PeerId, PeerInput, SessionId,
    SessionIdentity, Timeouts, TopicSet,
    bandwidth::Bandwidth,
    checker::CheckedRecords,
    dice::Dice,
    mesh::{Mesh, Restated, SeenMessages},
    shares::{HolderId, Resource},
    sooner,
};
use crate::{
    channel::{Frame, FrameType, Seq, Verdict, heartbeat_shortage, result_code},
    p2p::{
        NodeId,
        mesh::{RoutingKey, Subject},
    },
    shards::Shards,
};

/// How long a neighbour that had two connections is waited for after one of them ends: TLS may not
/// have finished on both sides of the other.
const HANDOVER: Duration = Duration::from_secs(2);

/// What happens to a router.
#[derive(Debug)]
pub enum RouterEvent {
    /// An SDK of this identity connected. [`Router::admit`] has accepted it.
    SessionUp(SessionId, SessionIdentity),
    /// A session wants other topics. The strings are the first of the topics that were already left
    /// out of the set.
    SessionTopics(SessionId, TopicSet, Vec<String>),
    /// A session sent a unicast or a multicast.
    FromSession(SessionId, HashedFrame),
    /// A session has ended.
    SessionDown(SessionId),
    /// A node connected. If this node did not dial it, [`Router::admit_peer`] has accepted it.
    PeerUp {
        /// The number of the connection.
        peer: PeerId,
        /// The ID of the node.
        node: NodeId,
        /// A digest that identifies its agency.
        authority: [u8; 32],
        /// Whether this node made the connection.
        dialled: bool,
    },
    /// A session sends its verdict on a remote node's subscribers of a private topic (0x38); `None`
    /// if the verdict could not be read.
    Verdict(SessionId, Option<Verdict>),
    /// The topics of a peer that is not an overlay node; each counts as one subscriber.
    PeerTopics(PeerId, BTreeSet<Bytes>),
    /// A peer proved to be an overlay node; the flag says whether it confirms multicasts.
    LinkUp(PeerId, NodeId, bool),
    /// A peer proved to be a FISCO node that takes part in the overlay through this node.
    Transit(PeerId),
    /// A peer sent an AMOP message or an answer to one.
    FromPeer(PeerId, PeerInput),
    /// A neighbour sent a packet of the extension protocol other than records.
    Extension(PeerId, PeerInput),
    /// A neighbour sent records, which have been checked.
    Records(PeerId, CheckedRecords),
    /// These nodes are no longer believed.
    Disbelieve(Vec<Subject>),
    /// A statement of this node was built.
    Restated(Restated),
    /// A peer's connection has ended.
    PeerDown(PeerId),
    /// A peer's connection has ended, and another one to the same node may follow soon. Between
    /// overlay nodes, messages that have no other path wait for it.
    PeerMoves(PeerId),
    /// Time may have passed.
    Timeout,
}

/// The router of a node.
#[derive(Debug, Clone)]
pub struct Router {
    limits: Limits,
    timeouts: Timeouts,
    rng: Dice,
    table: SubscriberTable,
    links: Links,
    unicasts: Shards<UnicastId, Box<Unicast>>,
    changes: Changes,
    bandwidth: Bandwidth,
    timers: BTreeSet<(Instant, UnicastId)>,
    backlog: Backlog,
    copies: PendingCopies,
    /// Multicasts that wait for a path.
    stranded: StrandedMulticasts,
    /// When received multicasts are confirmed.
    confirm_at: Option<Instant>,
    credits: Credits,
    newest: Newest,
    /// The holder whose unicasts were ended last in favour of others; it may still have more than
    /// its fair share.
    greedy: Option<HolderId>,
    /// When the pauses of publishers for a peer's queue end.
    pauses: BTreeMap<PeerId, Instant>,
    next_unicast: UnicastId,
    next_peer_seq: u32,
    counters: Counters,
    mesh: Mesh,
    /// Messages of other overlay nodes that came recently.
    seen_messages: SeenMessages,
    /// Whether a neighbour has acknowledged something.
    acknowledged: bool,
    /// Whether the topics announced to participating FISCO nodes may have changed.
    beyond_changed: bool,
    /// Whether a unicast of a local publisher found no subscriber.
    unfound: bool,
    /// Multicasts that may come over several connections.
    repeats: Repeats,
    verifications: Verifications,
    peer_lists: PeerLists,
    /// An empty buffer for the next multicast.
    audience: Audience,
    actions: VecDeque<Action>,
    /// Whether `actions` contains one that closes a connection.
    closes: bool,
}

impl Router {
    /// Creates a router without connections.
    pub fn new(config: &MachineConfig) -> Self {
        let (limits, timeouts) = (config.limits, config.timeouts);
        let mut rng = Dice::new(config.seed);
        // Other nodes remember the ids of this node's messages for longer than a restart takes.
        let next_unicast = (rng.random::<u64>() >> 2) + config.epoch.min(u64::MAX >> 2);
        Self {
            mesh: Mesh::new(config),
            seen_messages: SeenMessages::default(),
            acknowledged: false,
            beyond_changed: false,
            unfound: false,
            repeats: Repeats::default(),
            verifications: Verifications::default(),
            peer_lists: PeerLists::default(),
            audience: Audience::default(),
            limits,
            timeouts,
            rng,
            table: SubscriberTable::default(),
            links: Links::new(&limits),
            unicasts: Shards::default(),
            changes: Changes::new(&limits),
            bandwidth: Bandwidth::new(limits.outgoing_bandwidth),
            timers: BTreeSet::new(),
            backlog: Backlog::default(),
            copies: PendingCopies::default(),
            stranded: StrandedMulticasts::default(),
            confirm_at: None,
            credits: Credits::default(),
            newest: Newest::default(),
            greedy: None,
            pauses: BTreeMap::new(),
            next_unicast,
            // As on FISCO nodes (p2p-v2 section 4.6).
            next_peer_seq: 2,
            counters: Counters::default(),
            actions: VecDeque::new(),
            closes: false,
        }
    }

    /// Handles one event. Fetch the resulting actions with [`poll_action`](Self::poll_action).
    pub fn handle(&mut self, now: Instant, event: RouterEvent) {
        self.mesh.tick(now);
        match event {
            RouterEvent::SessionUp(session, identity) => {
                let holder = self.links.shares.join(identity);
                self.links.shares.take(holder, Resource::Sessions, 1);
                let rate = rate_of_session(&self.limits);
                let link = SessionLink::new(self.limits.session_queue, rate, holder);
                self.links.sessions.insert(session, link);
            }
            RouterEvent::SessionTopics(session, topics, refused) => {
                self.set_topics(now, session, topics, refused);
            }
            RouterEvent::FromSession(session, frame) => {
                self.unicast_or_multicast(now, Origin::Session(session), frame);
            }
            RouterEvent::SessionDown(session) => self.session_down(now, session),
            RouterEvent::Verdict(session, verdict) => self.verdict(session, verdict),
            RouterEvent::PeerUp {
                peer,
                node,
                authority,
                dialled,
            } => {
                let link = PeerLink::new(node, authority, self.limits.peer_queue);
                self.links.peer_up(peer, link, dialled);
            }
            RouterEvent::PeerTopics(peer, topics) => self.peer_topics(now, peer, topics),
            RouterEvent::LinkUp(peer, node, confirms) => {
                if let Some(link) = self.links.peers.get_mut(&peer) {
                    link.unconfirmed = confirms.then(UnconfirmedMulticasts::default);
                }
                self.mesh.link_up(now, peer, &node);
            }
            RouterEvent::Transit(peer) => self.transit(now, peer),
            RouterEvent::FromPeer(peer, frame) => self.peer_message(now, peer, frame),
            RouterEvent::Extension(peer, frame) => self.extension_packet(now, peer, frame),
            RouterEvent::Records(peer, records) => self.records(now, peer, records),
            RouterEvent::Disbelieve(nodes) => self.disbelieve(now, &nodes),
            RouterEvent::Restated(restated) => self.mesh.restated(now, restated),
            RouterEvent::PeerDown(peer) => {
                self.peer_gone(now, peer);
                self.mesh.link_down(now, peer);
            }
            RouterEvent::PeerMoves(peer) => {
                self.peer_gone(now, peer);
                self.mesh.suspend(now, peer, now + HANDOVER);
            }
            RouterEvent::Timeout => {
                self.mesh.age(now);
                self.seen_messages.forget(now);
                self.verifications_due(now);
                self.go_on_working(now);
                self.go_on_handing_out(now);
                self.confirm_due(now);
                self.timeout(now);
                self.change_topics(now);
                if self.peer_lists.next_timeout().is_some_and(|at| at <= now) {
                    self.change_peer_topics(now);
                }
            }
        }
        self.settle_mesh(now);
        // After the news of the lost links.
        self.send_stranded(now);
    }

    /// Returns the heartbeat body that tells a native client which wanted topics it did not get;
    /// `None` if there are none. It is written once, however often it is asked for.
    pub(in crate::node) fn shortage(&mut self, session: SessionId) -> Option<Bytes> {
        let link = self.links.sessions.get_mut(&session)?;
        if !link.native || link.shortage.is_none() {
            return None;
        }
        let SessionLink { shortage, told, .. } = link;
        let told = told.get_or_insert_with(|| heartbeat_shortage(shortage));
        Some(told.clone())
    }

    /// Returns the next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        self.closes &= !self.actions.is_empty();
        action
    }

    pub(in crate::node) fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Moves all actions to the end of `actions`, unless one of them closes a connection. Returns
    /// whether it moved them.
    pub(in crate::node) fn move_actions(&mut self, actions: &mut VecDeque<Action>) -> bool {
        if self.closes {
            return false;
        }
        if actions.is_empty() {
            std::mem::swap(actions, &mut self.actions);
        } else {
            actions.append(&mut self.actions);
        }
        true
    }

    /// Queues an action that closes a connection.
    fn close(&mut self, action: Action) {
        self.closes = true;
        self.actions.push_back(action);
    }

    /// Returns when [`RouterEvent::Timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let unicast = self.timers.first().map(|&(at, _)| at);
        let unicast = self.backlog.next_timeout(unicast);
        let pause = self.pauses.values().min().copied();
        let verifications = self.verifications.next_timeout();
        let seen = sooner(self.seen_messages.next_forget(), self.copies.next_timeout());
        let multicasts = sooner(self.confirm_at, self.stranded.next_timeout());
        sooner(
            sooner(sooner(unicast, pause), self.mesh.next_age()),
            sooner(
                sooner(sooner(seen, multicasts), verifications),
                sooner(self.changes.next_timeout(), self.peer_lists.next_timeout()),
            ),
        )
    }

    /// Returns the router's counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub(in crate::node) fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// Returns whether the router holds nothing: no connection, no topic, no message, no timer.
    pub fn is_empty(&self) -> bool {
        self.links.sessions.is_empty()
            && self.links.peers.is_empty()
            && self.table.is_empty()
            && self.unicasts.is_empty()
            && self.links.shares.is_empty()
            && self.changes.is_empty()
            && self.peer_lists.is_empty()
            && self.timers.is_empty()
            && self.backlog.is_empty()
            && self.copies.is_empty()
            && self.stranded.is_empty()
            && self.pauses.is_empty()
            && self.links.asked_nodes.is_empty()
            && self.links.asking_nodes.is_empty()
            && self.verifications.is_empty()
            && self.actions.is_empty()
    }

    /// Returns the number of unicasts that wait for an answer now.
    pub fn in_flight(&self) -> usize {
        self.unicasts.len()
    }

    /// Returns the memory, in bytes, of the frames that wait to be written to this node's sessions
    /// now.
    pub fn session_bytes(&self) -> usize {
        self.links.shares.used(Resource::Queued)
    }

    /// Returns the bytes that wait to be written to other nodes now.
    pub fn peer_bytes(&self) -> usize {
        let peers = self.links.peers.values();
        peers.map(|peer| peer.queue.queued()).sum()
    }

    /// Returns the bytes of multicasts that overlay nodes have not confirmed, or that wait for a
    /// path to their node. They share memory with the frames that wait to be written.
    pub fn unconfirmed_bytes(&self) -> usize {
        let peers = self.links.peers.values();
        let sent = peers.filter_map(|peer| Some(peer.unconfirmed.as_ref()?.bytes()));
        sent.sum::<usize>() + self.stranded.bytes()
    }

    /// Returns this node's own topics with their subscriber counts, in byte order.
    pub fn local_topics(&self) -> impl Iterator<Item = (&Bytes, u32)> {
        self.table.local()
    }

    /// Returns this node's own topics in byte order: those after `after`, or all.
    pub(in crate::node) fn local_topics_after(
        &self,
        after: Option<&Bytes>,
    ) -> impl Iterator<Item = &Bytes> {
        self.table.local_after(after)
    }

    /// Returns the topics of a peer in byte order, those after `after` or all, and whether each is
    /// shown: private topics for which the peer is not verified are not shown. `node` is the ID of
    /// the peer if it is an overlay node.
    pub(in crate::node) fn topics_of_peer(
        &self,
        peer: PeerId,
        node: Option<&NodeId>,
        after: Option<&Bytes>,
    ) -> impl Iterator<Item = (Bytes, bool)> {
        let remote = match node {
            Some(node) => Remote::Node(RoutingKey::from(node)),
            None => Remote::Fisco(peer),
        };
        let from = after.map_or_else(Bytes::new, |after| [after, &b"\0"[..]].concat().into());
        self.routes(remote, b"", from).map(move |topic| {
            let shown = self.is_shown(&topic, remote);
            (topic, shown)
        })
    }

    /// Returns the topics whose local count changed since the last call: topic, count before, count
    /// now.
    ///
    /// It also passes the changes on to the overlay nodes.
    pub fn take_topic_changes(&mut self, now: Instant) -> Vec<(Bytes, u32, u32)> {
        let changes = self.table.take_changes();
        if !changes.is_empty() {
            let counts: Vec<_> = changes
                .iter()
                .map(|(topic, _, count)| (topic.clone(), *count))
                .collect();
            self.mesh.topics_changed(&counts);
            self.settle_mesh(now);
        }
        changes
    }

    /// Returns whether there is no change of topics to tell others of.
    pub(in crate::node) fn is_still(&self) -> bool {
        self.changes.is_still() && self.table.is_still() && !self.beyond_changed
    }

    /// Returns the number of the statement to the overlay that covers the current state.
    pub fn statement(&self) -> u64 {
        self.mesh.statement()
    }

    /// Returns the number of the last such statement that a neighbour has acknowledged, and whether
    /// the link to it counts by now; `None` if there is no link.
    pub fn acknowledged_by(&self, peer: PeerId) -> Option<(u64, bool)> {
        self.mesh.acknowledged_by(peer)
    }

    /// Returns the bytes of the records that neighbours brought and that are held here.
    pub fn records_bytes(&self) -> usize {
        self.mesh.used()
    }

    /// Returns the known nodes with their certificates (in DER, each node's own first; FISCO nodes
    /// behind others have none): for callers that check whether they are still believed. See
    /// [`RouterEvent::Disbelieve`].
    pub fn chains(&self) -> impl Iterator<Item = (Subject, &[Bytes])> {
        self.mesh.chains()
    }

    /// Returns whether a neighbour has acknowledged something since the last call.
    pub fn take_acknowledged(&mut self) -> bool {
        std::mem::take(&mut self.acknowledged)
    }

    /// Returns whether there are overlay nodes that are not neighbours: messages for them are
    /// proven with a hash, which is best computed before the machine gets the message. See
    /// [`SessionInput::digested`](super::SessionInput::digested).
    pub fn has_distant(&self) -> bool {
        self.mesh.has_distant()
    }

    /// Returns the number of other overlay nodes that can be reached.
    pub fn reachable(&self) -> usize {
        self.mesh.reachable()
    }

    /// Returns how many links away an overlay node is, if it can be reached.
    pub fn distance(&self, node: &NodeId) -> Option<u32> {
        self.mesh.distance(RoutingKey::from(node))
    }

    /// Returns the topics of an overlay node that can be reached, in byte order, without private
    /// topics for which it is not verified (channel-v2 section 11.7).
    pub fn node_topic_names(&self, node: &NodeId) -> impl Iterator<Item = &Bytes> {
        let key = RoutingKey::from(node);
        self.mesh
            .topics_of(key)
            .filter(move |topic| self.is_shown(topic, Remote::Node(key)))
    }

    /// Returns the topics of an overlay node that can be reached, private ones included, with their
    /// subscriber counts, in byte order.
    pub fn node_topics(&self, node: &NodeId) -> impl Iterator<Item = (&Bytes, u32)> {
        self.mesh.counts_of(RoutingKey::from(node))
    }

    /// Returns the number of overlay nodes whose records are held: those that can be reached, and
    /// for a while those that can no longer be reached.
    pub fn known_nodes(&self) -> usize {
        self.mesh.known_nodes()
    }

    fn is_shown(&self, topic: &Bytes, remote: Remote) -> bool {
        !topic.starts_with(NEED_VERIFY) || self.verifications.is_verified(topic, remote)
    }

    /// Like [`node_topic_names`](Self::node_topic_names), for a peer that is not an overlay node.
    pub fn peer_topic_names(&self, peer: PeerId) -> impl Iterator<Item = &Bytes> {
        self.links
            .peers
            .get(&peer)
            .into_iter()
            .flat_map(|link| &link.topics)
            .filter(move |topic| self.is_shown(topic, Remote::Fisco(peer)))
    }

    /// Marks a session as a native client: its multicasts are acknowledged without their bodies,
    /// which FISCO nodes send back (channel-v2 section 7.3).
    pub fn session_is_native(&mut self, session: SessionId) {
        if let Some(link) = self.links.sessions.get_mut(&session) {
            self.repeats.native += usize::from(!link.native);
            link.native = true;
        }
    }

    /// Returns the unicast that a frame from a session answers: if a message with the frame's seq
    /// was pushed to the session and waits for its answer, the frame is that answer, whatever its
    /// type (channel-v2 section 4). Pass it to [`take_answer`](Self::take_answer).
    pub(in crate::node) fn answered_by(
        &self,
        session: SessionId,
        frame: &Frame,
    ) -> Option<UnicastId> {
        let link = self.links.sessions.get(&session)?;
        let &id = link.asked.get(&frame.seq)?;
        // A frame is not an answer if the session publishes the same message that was pushed to it,
        // having published it over another connection before.
        let pushed = || self.unicasts.get(&id).map(|unicast| &unicast.frame);
        let published = frame.kind == FrameType::UNICAST && pushed() == Some(frame);
        (!published).then_some(id)
    }

    /// Handles the answer to a message.
    pub(in crate::node) fn take_answer(
        &mut self,
        now: Instant,
        id: UnicastId,
        answer: HashedFrame,
    ) {
        let frame = &answer.frame;
        if frame.kind == FrameType::RESPONSE && frame.result == result_code::NO_SESSION {
            // A native client that cannot take the message now refuses it this way; another
            // subscriber may take it.
            self.attempt_failed(now, id, true);
        } else {
            self.finish(id, Ok(answer));
        }
    }

    fn notice(&mut self, notice: NodeNotice) {
        self.actions.push_back(Action::Notice(notice));
    }

    /// Returns whether a message with this seq waits for the session's answer.
    pub fn is_asked(&self, session: SessionId, seq: &Seq) -> bool {
        self.links
            .sessions
            .get(&session)
            .is_some_and(|link| link.asked.contains_key(seq))
    }
}
