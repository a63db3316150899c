//! The whole node as one machine: sessions and peers around the router.

mod listing;
mod lists;
mod peers;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

pub use self::listing::{Listing, Question};
use bytes::Bytes;

use self::{
    lists::PeerTopicLists,
    peers::{LOOKS_RATE, NAMES_RATE},
};
use super::{
    Action, CertificateLapse, HashedFrame, Lane, MachineConfig, NodeNotice, PeerCloseReason,
    PeerId, Router, RouterEvent, SessionCloseReason, SessionId, SessionIdentity, after,
    barrier::{Barriers, Mutes},
    bucket::RateBucket,
    checker::CheckedRecords,
    held::LockHeld,
    input::{FrameText, SessionInput},
    mesh::Restated,
    peer::Peer,
    peer_input::PeerInput,
    session::Session,
    sooner,
    topic_set::{Ignored, ReadTopics},
    visits::Visits,
};
use crate::{
    channel::{
        CLIENT_TYPE, Frame, FrameType, HandshakeError, HandshakeRequest, HandshakeResponse,
        PROTOCOL_MAX_FRAME, frame_topic, heartbeat_answer, result_code,
    },
    hash::HashMap,
    p2p::{NodeId, mesh::Subject},
};

/// The time between two searches for idle sessions.
const SWEEP: Duration = Duration::from_secs(1);

/// The number of heartbeats of one session that may wait for its topics; further ones get no
/// answer. Native clients remember the same number.
const MAX_HELD: usize = 8;

/// How long a native client waits for its topics: after this time it would treat the node as dead.
const NATIVE_WAIT: Duration = Duration::from_secs(15);

/// How long other SDKs wait: their heartbeats do not ask about topics, and Java SDKs drop a node
/// that does not answer for 10 s.
const OTHERS_WAIT: Duration = Duration::from_secs(1);

/// The answer to event-log registrations: an AMOP node has no groups (channel-v2 section 11.7).
const NO_SUCH_GROUP: &[u8] = b"{\"result\":-41002}\n";

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The identity of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The node's ID, from its certificate.
    pub node: NodeId,
    /// The node's name, from its certificate.
    pub name: String,
    /// The agency's name, from the certificate: agencies choose their own names.
    pub agency: String,
    /// A digest that identifies the agency.
    pub authority: [u8; 32],
    /// The address that the connection was made to or came from.
    pub address: String,
}

/// What happens to a node.
#[derive(Debug)]
pub enum NodeEvent {
    /// An SDK completed TLS.
    SessionOpened {
        /// The number of the new session.
        session: SessionId,
        /// The key and agency of its certificate.
        identity: SessionIdentity,
    },
    /// A session sent a frame.
    SessionFrame(SessionId, SessionInput),
    /// A session sends a message for which the shell has no room; this is its header. The machine
    /// refuses the message, and the shell drops its body.
    SessionRefused(SessionId, Frame),
    /// An [`Action::Answer`](super::Action::Answer) was carried out: the frame is for the session.
    SessionReply(SessionId, Frame),
    /// Bytes came from a session that are not a whole frame yet.
    SessionActive(SessionId),
    /// This many bytes of the frames for a session have been written.
    SessionWritten(SessionId, usize),
    /// A session's connection has ended.
    SessionClosed(SessionId),
    /// A peer completed TLS.
    PeerOpened {
        /// The number of the new connection.
        peer: PeerId,
        /// The identity of the peer.
        identity: PeerIdentity,
        /// Whether this node made the connection.
        dialled: bool,
    },
    /// A peer sent a frame that does not bring records: [`Checker::event`](super::Checker::event)
    /// tells the two kinds apart, and reads what must be read.
    PeerFrame(PeerId, PeerInput),
    /// A peer sent records of nodes, which have been checked.
    PeerRecords(PeerId, CheckedRecords),
    /// These nodes are no longer believed: their statements are forgotten. The
    /// [`Checker`](super::Checker) must refuse their later statements. See
    /// [`Router::chains`](super::Router::chains).
    Disbelieve(Vec<Subject>),
    /// An [`Action::Restate`](super::Action::Restate) was carried out.
    Restated(Restated),
    /// A peer sends an AMOP message for which the shell has no room; these are its P2P seq and the
    /// header of its frame. The machine refuses the message, and the shell drops its body.
    PeerRefused(PeerId, u32, Frame),
    /// Bytes came from a peer that are not a whole frame yet.
    PeerActive(PeerId),
    /// This many bytes of a lane's frames for a peer have been written, uncompressed and without
    /// the bytes that [cutting](super::LinkQueue) adds.
    PeerWritten(PeerId, Lane, usize),
    /// A peer's connection has ended.
    PeerClosed(PeerId),
    /// A session's certificate is no longer accepted: the session is closed.
    SessionLapsed(SessionId, CertificateLapse),
    /// A peer's certificate is no longer accepted: the peer is closed.
    PeerLapsed(PeerId, CertificateLapse),
    /// The time asked for with [`NodeMachine::next_timeout`] has come.
    Timeout,
    /// The node is about to stop while its peers are still connected. All sessions are closed, and
    /// none is answered any more, so that an SDK asks another node instead of concluding that its
    /// message has no subscriber.
    Stop,
}

/// A node without I/O.
///
/// The shell feeds [`NodeEvent`]s in with [`handle`](Self::handle), fetches [`Action`]s with
/// [`poll_action`](Self::poll_action) until there are none, and feeds [`NodeEvent::Timeout`] in at
/// [`next_timeout`](Self::next_timeout).
///
/// A clone continues from the same state as the node itself would; searches through all orders of
/// events use this.
#[derive(Debug, Clone)]
pub struct NodeMachine {
    config: MachineConfig,
    router: Router,
    sessions: HashMap<SessionId, Session>,
    /// Ordered, because the map is iterated.
    peers: BTreeMap<PeerId, Peer>,
    topic_seq: u32,
    lists: PeerTopicLists,
    /// The names of this node's topics changed, and FISCO nodes have not been told.
    renamed: bool,
    /// The names of topics beyond this node may have changed as well.
    beyond_changed: bool,
    names_rate: RateBucket,
    /// Limits how often changed names are looked for.
    looks_rate: RateBucket,
    /// When FISCO nodes are told of changed names.
    names_at: Option<Instant>,
    /// Sessions with heartbeat answers held back until their topics are in force, ordered by when
    /// the holding ends.
    late: BTreeSet<(Instant, SessionId)>,
    barriers: Barriers,
    /// A peer that heartbeat answers wait for.
    blocker: Option<(PeerId, NodeId)>,
    mutes: Mutes,
    visits: Visits,
    /// No peer is due before this time. It may be too early, because every frame of a peer
    /// postpones that peer's own time: the cost of a message must not depend on the number of
    /// peers.
    peers_due: Option<Instant>,
    sweep_at: Option<Instant>,
    stopping: bool,
    /// Set when a connection is closed, because the router may have queued actions for it before.
    closed: bool,
    actions: VecDeque<Action>,
}

impl NodeMachine {
    /// Creates a node without connections.
    pub fn new(config: MachineConfig) -> Self {
        Self {
            router: Router::new(&config),
            config,
            sessions: HashMap::default(),
            peers: BTreeMap::new(),
            topic_seq: 0,
            lists: PeerTopicLists::default(),
            renamed: false,
            beyond_changed: false,
            names_rate: RateBucket::new(NAMES_RATE.0, NAMES_RATE.1),
            looks_rate: RateBucket::new(LOOKS_RATE.0, LOOKS_RATE.1),
            names_at: None,
            late: BTreeSet::new(),
            barriers: Barriers::default(),
            blocker: None,
            mutes: Mutes::default(),
            visits: Visits::default(),
            peers_due: None,
            sweep_at: None,
            stopping: false,
            closed: false,
            actions: VecDeque::new(),
        }
    }

    /// Returns the router, for its counters.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Returns the number of connected SDKs.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Returns the connected nodes, in the order they connected.
    pub fn peers(&self) -> impl Iterator<Item = &PeerIdentity> {
        self.peers.values().map(|peer| &peer.identity)
    }

    /// Returns the number of peers that messages can reach: an overlay node counts once both ends
    /// have announced the link, a FISCO node at once.
    pub fn peers_in_reach(&self, now: Instant) -> usize {
        let peers = self.peers.keys();
        peers.filter(|&&id| self.is_in_reach(now, id)).count()
    }

    /// Returns the next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when [`NodeEvent::Timeout`] is due; `None` if nothing is. The time is worked out by each
    /// call: call this once after many events.
    pub fn next_timeout(&self) -> Option<Instant> {
        let late = self.late.first().map(|&(at, _)| at);
        let barrier = sooner(self.barriers.next_timeout(), late);
        let barrier = sooner(sooner(barrier, self.names_at), self.lists.next_timeout());
        sooner(
            sooner(self.router.next_timeout(), self.sweep_at),
            sooner(self.peers_due, barrier),
        )
    }

    /// Updates when the next peer is due, after this peer's time may have become earlier.
    fn peer_due(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get(&peer) {
            let due = peer.due_at(&self.config.timeouts);
            self.peers_due = Some(self.peers_due.map_or(due, |other| other.min(due)));
        }
    }

    /// Handles one event.
    pub fn handle(&mut self, now: Instant, event: NodeEvent) {
        let _held = LockHeld::new();
        match event {
            NodeEvent::SessionOpened { session, .. } if self.stopping => {
                let reason = SessionCloseReason::Stopping;
                self.actions
                    .push_back(Action::CloseSession { session, reason });
            }
            NodeEvent::SessionOpened { session, identity } => {
                self.session_opened(now, session, identity);
            }
            NodeEvent::SessionFrame(session, input) => self.session_frame(now, session, input),
            NodeEvent::SessionReply(session, frame) => self.router.send_session(session, frame),
            NodeEvent::SessionRefused(session, frame) => {
                self.session_active(now, session);
                let refusal = frame.respond(result_code::OVER_LIMIT, Bytes::new());
                self.router.send_session(session, refusal);
            }
            NodeEvent::SessionActive(session) => {
                self.session_active(now, session);
                return;
            }
            NodeEvent::SessionWritten(session, len) => {
                self.session_active(now, session);
                self.router.session_written(session, len);
                if self.is_settled() {
                    return;
                }
            }
            NodeEvent::SessionClosed(session) => self.forget_session(now, session),
            NodeEvent::PeerOpened {
                peer,
                identity,
                dialled,
            } => {
                self.peer_opened(now, peer, identity, dialled);
            }
            NodeEvent::PeerFrame(peer, frame) => self.peer_frame(now, peer, frame),
            NodeEvent::PeerRecords(peer, records) => self.peer_records(now, peer, records),
            NodeEvent::Disbelieve(nodes) => {
                self.router.handle(now, RouterEvent::Disbelieve(nodes));
            }
            NodeEvent::Restated(restated) => {
                self.router.handle(now, RouterEvent::Restated(restated));
            }
            NodeEvent::PeerRefused(peer, seq, frame) => {
                self.peer_active(now, peer);
                self.router.refuse_peer(peer, seq, &frame);
            }
            NodeEvent::PeerActive(peer) => {
                self.peer_active(now, peer);
                return;
            }
            NodeEvent::PeerWritten(peer, lane, len) => {
                self.router.peer_written(now, peer, lane, len);
                if self.is_settled() {
                    return;
                }
            }
            NodeEvent::PeerClosed(peer) => {
                let moves = self.loses_race(now, peer);
                self.forget_peer(now, peer, moves);
            }
            NodeEvent::SessionLapsed(session, lapse) => {
                self.close_session(now, session, SessionCloseReason::Lapsed(lapse));
            }
            NodeEvent::PeerLapsed(peer, lapse) => {
                self.close_peer(now, peer, PeerCloseReason::Lapsed(lapse));
            }
            NodeEvent::Timeout => self.timeout(now),
            NodeEvent::Stop => self.stop(now),
        }
        self.settle(now);
    }

    fn session_opened(&mut self, now: Instant, session: SessionId, identity: SessionIdentity) {
        if self.router.admit(identity) {
            self.sessions.insert(session, Session::new(now, identity));
            let event = RouterEvent::SessionUp(session, identity);
            return self.router.handle(now, event);
        }
        let max = self.config.limits.sessions;
        let reason = SessionCloseReason::TooManySessions { max };
        self.actions
            .push_back(Action::CloseSession { session, reason });
    }

    /// Carries out the router's actions until no more follow.
    fn settle(&mut self, now: Instant) {
        loop {
            // Usually no connection was closed, and all actions can be moved as they are.
            if self.closed || !self.router.move_actions(&mut self.actions) {
                while let Some(action) = self.router.poll_action() {
                    self.apply(now, action);
                }
            }
            self.announce_changes(now);
            if self.router.take_unfound() {
                self.ask_for_lists(now);
            }
            if self.router.take_acknowledged() {
                self.release_barriers(now);
            }
            if !self.router.has_actions() {
                break;
            }
        }
        self.closed = false;
        if self.sweep_at.is_none() && !self.sessions.is_empty() {
            self.sweep_at = Some(now + SWEEP);
        }
    }

    /// Returns whether the written bytes caused no actions, which is the usual case; nothing is due
    /// earlier then.
    fn is_settled(&self) -> bool {
        !self.router.has_actions()
    }

    fn apply(&mut self, now: Instant, action: Action) {
        match action {
            Action::CloseSession { session, .. } => {
                if self.sessions.contains_key(&session) {
                    self.actions.push_back(action);
                    self.forget_session(now, session);
                }
            }
            Action::ClosePeer { peer, ref reason } => {
                if self.peers.contains_key(&peer) {
                    let moves = *reason == PeerCloseReason::Duplicate;
                    self.actions.push_back(action);
                    self.forget_peer(now, peer, moves);
                }
            }
            // Actions decided before a connection was closed may come after the close.
            Action::SendSession { session, .. }
            | Action::PauseSession { session }
            | Action::ResumeSession { session } => {
                if self.sessions.contains_key(&session) {
                    self.actions.push_back(action);
                }
            }
            Action::SendPeer { peer, .. } | Action::FragmentPeer { peer } => {
                if self.peers.contains_key(&peer) {
                    self.actions.push_back(action);
                }
            }
            action @ (Action::CoalesceSession { .. }
            | Action::Answer { .. }
            | Action::Restate(_)
            | Action::Notice(_)) => {
                self.actions.push_back(action);
            }
        }
    }

    fn stop(&mut self, now: Instant) {
        self.stopping = true;
        self.closed = true;
        let sessions: BTreeSet<SessionId> = self.sessions.drain().map(|(id, _)| id).collect();
        for &session in &sessions {
            let reason = SessionCloseReason::Stopping;
            self.actions
                .push_back(Action::CloseSession { session, reason });
        }
        // Forget all sessions before the router learns of the first one, so that messages that it
        // would send to another session go nowhere. Nodes that wait for an answer get result 104.
        for session in sessions {
            self.router.handle(now, RouterEvent::SessionDown(session));
        }
    }

    fn close_session(&mut self, now: Instant, session: SessionId, reason: SessionCloseReason) {
        self.apply(now, Action::CloseSession { session, reason });
    }

    fn close_peer(&mut self, now: Instant, peer: PeerId, reason: PeerCloseReason) {
        self.apply(now, Action::ClosePeer { peer, reason });
    }

    fn notice(&mut self, notice: NodeNotice) {
        self.actions.push_back(Action::Notice(notice));
    }

    fn session_active(&mut self, now: Instant, session: SessionId) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.active = now;
        }
    }

    fn peer_active(&mut self, now: Instant, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.heard = now;
        }
    }

    fn forget_session(&mut self, now: Instant, session: SessionId) {
        if let Some(gone) = self.sessions.remove(&session) {
            self.closed = true;
            if let Some(until) = gone.held_until {
                self.late.remove(&(until, session));
            }
            self.router.handle(now, RouterEvent::SessionDown(session));
        }
    }

    /// Forgets a peer. `moves` means that another connection to the same node replaces this one.
    fn forget_peer(&mut self, now: Instant, peer: PeerId, moves: bool) {
        if let Some(gone) = self.peers.remove(&peer) {
            self.closed = true;
            self.lists.peer_gone(peer);
            if self.peers.is_empty() {
                self.peers_due = None;
                self.lists.clear();
            }
            let event = if moves {
                RouterEvent::PeerMoves(peer)
            } else {
                RouterEvent::PeerDown(peer)
            };
            self.router.handle(now, event);
            self.notice(NodeNotice::PeerDown {
                peer,
                node: gone.identity.node,
            });
            self.release_barriers(now);
        }
    }

    fn session_frame(&mut self, now: Instant, id: SessionId, input: SessionInput) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.active = now;
        let SessionInput { message, text } = input;
        if let Some(asked) = self.router.answered_by(id, &message.frame) {
            return self.router.take_answer(now, asked, message);
        }
        let Some(text) = text else {
            return self.plain_frame(now, id, message);
        };
        match *text {
            FrameText::Handshake(request) => self.handshake(now, id, message.frame, request),
            FrameText::Topics(topics) => self.topics(now, id, topics),
            FrameText::Rpc(request) => {
                let seq = message.frame.seq;
                self.actions.push_back(Action::Answer {
                    session: id,
                    question: Question { seq, request },
                });
            }
            FrameText::Verdict(verdict) => {
                self.router.handle(now, RouterEvent::Verdict(id, verdict));
            }
        }
    }

    /// Handles a frame without a text.
    fn plain_frame(&mut self, now: Instant, id: SessionId, message: HashedFrame) {
        let frame = &message.frame;
        match frame.kind {
            FrameType::UNICAST | FrameType::MULTICAST => {
                self.router
                    .handle(now, RouterEvent::FromSession(id, message));
            }
            FrameType::HEARTBEAT => self.heartbeat(now, id, message.frame),
            FrameType::EVENT_REGISTER | FrameType::EVENT_UNREGISTER => {
                let body = frame_topic(b"", NO_SUCH_GROUP);
                let result = 0;
                let answer = Frame {
                    body,
                    result,
                    ..message.frame
                };
                self.router.send_session(id, answer);
            }
            // The acknowledgement of a request to verify; only the verdict counts.
            FrameType::VERIFY_PEER => {}
            FrameType::RESPONSE => {
                self.notice(NodeNotice::UnsolicitedResponse {
                    session: id,
                    seq: frame.seq,
                });
            }
            kind => self.notice(NodeNotice::UnknownFrame { session: id, kind }),
        }
    }

    fn heartbeat(&mut self, now: Instant, id: SessionId, frame: Frame) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(body) = heartbeat_answer(session.version, &frame.body) else {
            return;
        };
        let answer = Frame { body, ..frame };
        if self.router.is_changing(id) {
            return self.hold(now, id, answer);
        }
        self.answer_heartbeat(now, id, answer);
    }

    /// Answers a heartbeat once the neighbours know the session's topics, which are already in
    /// force here.
    fn answer_heartbeat(&mut self, now: Instant, id: SessionId, mut answer: Frame) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if let Some(shortage) = self.router.shortage(id) {
            answer.body = shortage;
        }
        let version = session.topics_version;
        let until = after(now, self.config.timeouts.neighbours);
        if let Some((session, oldest)) = self.barriers.push((now, until), id, version, answer) {
            self.router.send_session(session, oldest);
        }
        self.release_barriers(now);
    }

    /// Holds an answer back until the session's topics are in force, or until a timeout.
    fn hold(&mut self, now: Instant, id: SessionId, answer: Frame) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.held.len() == MAX_HELD {
            return;
        }
        session.held.push_back(answer);
        if session.held_until.is_none() {
            let until = after(
                now,
                if session.native {
                    NATIVE_WAIT
                } else {
                    OTHERS_WAIT
                },
            );
            session.held_until = Some(until);
            self.late.insert((until, id));
        }
    }

    /// Releases the answers that were held back.
    fn let_go(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(until) = session.held_until.take() {
            self.late.remove(&(until, id));
        }
        for answer in std::mem::take(&mut session.held) {
            self.answer_heartbeat(now, id, answer);
        }
    }

    fn topics(&mut self, now: Instant, session: SessionId, topics: Option<ReadTopics>) {
        let Some(ReadTopics { set, ignored }) = topics else {
            self.router.counters_mut().bad_topics += 1;
            self.router.keep_topics(session);
            return self.notice(NodeNotice::BadTopics { session });
        };
        let mut refused = Vec::new();
        if let Some(Ignored {
            first,
            others,
            names,
        }) = ignored
        {
            refused = names;
            let identity = self.sessions.get(&session).map(|session| session.identity);
            self.router.counters_mut().topics_ignored += 1 + others as u64;
            self.notice(NodeNotice::TopicIgnored {
                session,
                identity: identity.unwrap_or_default(),
                topic: first,
                others,
            });
        }
        self.router
            .handle(now, RouterEvent::SessionTopics(session, set, refused));
    }

    fn handshake(
        &mut self,
        now: Instant,
        id: SessionId,
        frame: Frame,
        request: Result<HandshakeRequest, HandshakeError>,
    ) {
        let request = match request {
            Ok(request) => request,
            Err(error) => return self.notice(NodeNotice::BadHandshake { session: id, error }),
        };
        let version = match request.negotiate() {
            Ok(version) => version,
            Err(error) => return self.close_session(now, id, SessionCloseReason::Handshake(error)),
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.version = version;
        }
        let native = request.client_type == CLIENT_TYPE;
        let response = HandshakeResponse {
            node_version: self.config.facts.fisco_version.clone(),
            protocol: version.number(),
            quiet_multicasts: native,
            answer_within: native.then(|| millis(self.config.timeouts.session_answer)),
            max_frame: native.then_some(self.config.limits.frame.min(PROTOCOL_MAX_FRAME)),
        };
        self.router.send_session(
            id,
            Frame {
                body: response.to_body(),
                ..frame
            },
        );
        if native {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.native = true;
            }
            self.router.session_is_native(id);
            self.actions
                .push_back(Action::CoalesceSession { session: id });
        }
    }

    fn timeout(&mut self, now: Instant) {
        while let Some(&(at, session)) = self.late.first()
            && at <= now
        {
            self.let_go(now, session);
        }
        self.release_barriers(now);
        if self.names_at.is_some_and(|at| at <= now) {
            self.announce_names(now);
        }
        if self.lists.next_timeout().is_some_and(|at| at <= now) {
            self.write_lists(now);
        }
        self.router.handle(now, RouterEvent::Timeout);
        let timeouts = self.config.timeouts;
        let mut silent = Vec::new();
        for (&id, peer) in &mut self.peers {
            if peer.idle_at(&timeouts) <= now {
                silent.push(id);
            } else if peer.announce_at <= now {
                let frame = peer.sign_of_life(now, self.topic_seq, &timeouts);
                self.router.send_peer(id, frame);
            }
        }
        for peer in silent {
            self.close_peer(now, peer, PeerCloseReason::Idle);
        }
        self.peers_due = self.peers.values().map(|peer| peer.due_at(&timeouts)).min();
        if self.sweep_at.is_some_and(|at| at <= now) {
            // Send the answers that became due now before their sessions are closed.
            self.settle(now);
            self.sweep_at = None;
            self.sweep(now);
        }
    }

    /// Closes sessions that have been idle for too long.
    fn sweep(&mut self, now: Instant) {
        let timeouts = self.config.timeouts;
        let idle: BTreeSet<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| after(session.active, timeouts.session_idle) <= now)
            .map(|(&id, _)| id)
            .collect();
        for session in idle {
            self.close_session(now, session, SessionCloseReason::Idle);
        }
    }
}
