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
    lists::Lists,
    peers::{LOOKS_RATE, NAMES_RATE},
};
use super::{
    Action, CloseReason, Lane, Lapse, Message, NodeConfig, Notice, PeerCloseReason, PeerId,
    Router, RouterEvent, SessionId, SessionIdentity, after,
    barrier::{Barriers, Mutes},
    bucket::Bucket,
    checker::CheckedRecords,
    held::Held,
    input::{SessionInput, Text},
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
        PROTOCOL_MAX_FRAME, code, frame_topic, heartbeat_answer,
    },
    hash::HashMap,
    p2p::{NodeId, mesh::Subject},
};

/// Idle connections are looked for this often.
const SWEEP: Duration = Duration::from_secs(1);

/// So many heartbeats of a session wait for its topics at most; others get no answer. Our clients
/// remember as many.
const MAX_HELD: usize = 8;

/// Our clients wait so long for their topics: then they would take the node for dead.
const OURS_WAIT: Duration = Duration::from_secs(15);

/// Others mean nothing by a heartbeat that has to do with topics, and Java SDKs drop a node that does
/// not answer for 10 s.
const OTHERS_WAIT: Duration = Duration::from_secs(1);

/// What an AMOP node answers to event-log registrations: it has no groups (channel-v2 section 11.7).
const NO_SUCH_GROUP: &[u8] = b"{\"result\":-41002}\n";

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Who a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its ID, from its certificate.
    pub node: NodeId,
    /// Its name, from its certificate.
    pub name: String,
    /// Its agency, from its certificate: a name, which agencies give themselves.
    pub agency: String,
    /// A digest of what tells its agency from all others.
    pub authority: [u8; 32],
    /// The address the connection was made to or came from.
    pub address: String,
}

/// What happens to a node.
#[derive(Debug)]
pub enum Event {
    /// An SDK completed TLS.
    SessionOpened {
        /// Its name here.
        session: SessionId,
        /// Who is behind it, by its certificate.
        identity: SessionIdentity,
    },
    /// A session sent a frame.
    SessionFrame(SessionId, SessionInput),
    /// A session sends a message for which the shell has no room; here is its header. What comes of it is
    /// dropped.
    SessionRefused(SessionId, Frame),
    /// An [`Action::Answer`](super::Action::Answer) was carried out: the frame is for the session.
    SessionReply(SessionId, Frame),
    /// Bytes came from a session that are no whole frame yet.
    SessionActive(SessionId),
    /// So many bytes of the frames for a session have been written.
    SessionWritten(SessionId, usize),
    /// A session's connection is gone.
    SessionClosed(SessionId),
    /// A peer completed TLS. `dialled` is whether this node made the connection.
    PeerOpened {
        /// Its name here.
        peer: PeerId,
        /// Who it is.
        identity: PeerIdentity,
        /// Whether this node made the connection.
        dialled: bool,
    },
    /// A peer sent a frame, other than one of records: [`Checker::event`](super::Checker::event)
    /// knows which, and reads what there is to be read.
    PeerFrame(PeerId, PeerInput),
    /// A peer sent records of nodes, which have been checked.
    PeerRecords(PeerId, CheckedRecords),
    /// These nodes are no longer believed: what they said of themselves is forgotten. What they say
    /// from now on is for the [`Checker`](super::Checker) to refuse. See
    /// [`Router::chains`](super::Router::chains).
    Disbelieve(Vec<Subject>),
    /// An [`Action::Restate`](super::Action::Restate) was carried out.
    Restated(Restated),
    /// A peer sends an AMOP message for which the shell has no room; here are its P2P seq and the header
    /// of its frame. What comes of it is dropped.
    PeerRefused(PeerId, u32, Frame),
    /// Bytes came from a peer that are no whole frame yet.
    PeerActive(PeerId),
    /// So many bytes of a lane's frames for a peer have been written, uncompressed and not counting what
    /// [cutting](super::LinkQueue) adds.
    PeerWritten(PeerId, Lane, usize),
    /// A peer's connection is gone.
    PeerClosed(PeerId),
    /// A session's certificate does not let it in any longer: it is closed.
    SessionLapsed(SessionId, Lapse),
    /// A peer's certificate does not let it in any longer: it is closed.
    PeerLapsed(PeerId, Lapse),
    /// The time asked for with [`Node::next_timeout`] has come.
    Timeout,
    /// The node is about to stop, its peers still there: all sessions are closed, and none is answered
    /// any more, so that an SDK asks another node instead of believing that nobody takes its message.
    Stop,
}

/// A node without I/O.
///
/// The shell feeds [`Event`]s in with [`handle`](Self::handle), fetches [`Action`]s with
/// [`poll_action`](Self::poll_action) until there are none, and feeds [`Event::Timeout`] in at
/// [`next_timeout`](Self::next_timeout).
///
/// A clone goes on from the same state as the node itself would; searches through all orders of events
/// make use of that.
#[derive(Debug, Clone)]
pub struct Node {
    config: NodeConfig,
    router: Router,
    sessions: HashMap<SessionId, Session>,
    /// Ordered, because they are walked.
    peers: BTreeMap<PeerId, Peer>,
    topic_seq: u32,
    lists: Lists,
    /// Names of this node's topics changed, and real nodes have not been told.
    renamed: bool,
    /// So may have those beyond it.
    beyond_changed: bool,
    names_rate: Bucket,
    /// How often it is looked whether there are any.
    looks_rate: Bucket,
    /// When they are told.
    names_at: Option<Instant>,
    /// Sessions with answers held back until their topics are in force, by when that ends.
    late: BTreeSet<(Instant, SessionId)>,
    barriers: Barriers,
    /// The peer that heartbeat answers wait for, or one of them.
    blocker: Option<(PeerId, NodeId)>,
    mutes: Mutes,
    visits: Visits,
    /// No peer is due before this. It may be too early, since every frame of a peer puts its own off:
    /// what a message costs must not depend on how many peers there are.
    peers_due: Option<Instant>,
    sweep_at: Option<Instant>,
    stopping: bool,
    /// A connection was closed, and the router may have decided something about it before.
    closed: bool,
    actions: VecDeque<Action>,
}

impl Node {
    /// A node without connections.
    pub fn new(config: NodeConfig) -> Self {
        Self {
            router: Router::new(&config),
            config,
            sessions: HashMap::default(),
            peers: BTreeMap::new(),
            topic_seq: 0,
            lists: Lists::default(),
            renamed: false,
            beyond_changed: false,
            names_rate: Bucket::new(NAMES_RATE.0, NAMES_RATE.1),
            looks_rate: Bucket::new(LOOKS_RATE.0, LOOKS_RATE.1),
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

    /// The router, for its counters.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// How many SDKs are connected.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// The nodes connected, in the order they came.
    pub fn peers(&self) -> impl Iterator<Item = &PeerIdentity> {
        self.peers.values().map(|peer| &peer.identity)
    }

    /// How many of the peers messages find their way to: overlay nodes count once both ends of the link
    /// have said so, FISCO nodes at once.
    pub fn peers_in_reach(&self, now: Instant) -> usize {
        let peers = self.peers.keys();
        peers.filter(|&&id| self.is_in_reach(now, id)).count()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Event::Timeout`] is due; `None` while there is nothing to wait for. It is worked out anew: ask
    /// once for many events.
    pub fn next_timeout(&self) -> Option<Instant> {
        let late = self.late.first().map(|&(at, _)| at);
        let barrier = sooner(self.barriers.next_timeout(), late);
        let barrier = sooner(sooner(barrier, self.names_at), self.lists.next_timeout());
        sooner(
            sooner(self.router.next_timeout(), self.sweep_at),
            sooner(self.peers_due, barrier),
        )
    }

    /// Looks when a peer is due next, after that may have become earlier.
    fn peer_due(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get(&peer) {
            let due = peer.due_at(&self.config.timeouts);
            self.peers_due = Some(self.peers_due.map_or(due, |other| other.min(due)));
        }
    }

    /// Takes one event in.
    pub fn handle(&mut self, now: Instant, event: Event) {
        let _held = Held::new();
        match event {
            Event::SessionOpened { session, .. } if self.stopping => {
                let reason = CloseReason::Stopping;
                self.actions
                    .push_back(Action::CloseSession { session, reason });
            }
            Event::SessionOpened { session, identity } => {
                self.session_opened(now, session, identity);
            }
            Event::SessionFrame(session, input) => self.session_frame(now, session, input),
            Event::SessionReply(session, frame) => self.router.send_session(session, frame),
            Event::SessionRefused(session, frame) => {
                self.session_active(now, session);
                let refusal = frame.respond(code::OVER_LIMIT, Bytes::new());
                self.router.send_session(session, refusal);
            }
            Event::SessionActive(session) => {
                self.session_active(now, session);
                return;
            }
            Event::SessionWritten(session, len) => {
                self.session_active(now, session);
                self.router.session_written(session, len);
                if self.is_settled() {
                    return;
                }
            }
            Event::SessionClosed(session) => self.forget_session(now, session),
            Event::PeerOpened {
                peer,
                identity,
                dialled,
            } => {
                self.peer_opened(now, peer, identity, dialled);
            }
            Event::PeerFrame(peer, frame) => self.peer_frame(now, peer, frame),
            Event::PeerRecords(peer, records) => self.peer_records(now, peer, records),
            Event::Disbelieve(nodes) => {
                self.router.handle(now, RouterEvent::Disbelieve(nodes));
            }
            Event::Restated(restated) => {
                self.router.handle(now, RouterEvent::Restated(restated));
            }
            Event::PeerRefused(peer, seq, frame) => {
                self.peer_active(now, peer);
                self.router.refuse_peer(peer, seq, &frame);
            }
            Event::PeerActive(peer) => {
                self.peer_active(now, peer);
                return;
            }
            Event::PeerWritten(peer, lane, len) => {
                self.router.peer_written(now, peer, lane, len);
                if self.is_settled() {
                    return;
                }
            }
            Event::PeerClosed(peer) => {
                let moves = self.loses_race(now, peer);
                self.forget_peer(now, peer, moves);
            }
            Event::SessionLapsed(session, lapse) => {
                self.close_session(now, session, CloseReason::Lapsed(lapse));
            }
            Event::PeerLapsed(peer, lapse) => {
                self.close_peer(now, peer, PeerCloseReason::Lapsed(lapse));
            }
            Event::Timeout => self.timeout(now),
            Event::Stop => self.stop(now),
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
        let reason = CloseReason::TooManySessions { max };
        self.actions
            .push_back(Action::CloseSession { session, reason });
    }

    /// Carries out what the router decided, until nothing follows from it any more.
    fn settle(&mut self, now: Instant) {
        loop {
            // Mostly no connection is closed, and everything is to be done as it was decided.
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

    /// Whether nothing follows from what was written: mostly so, and nothing is due earlier for it.
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
            // What was decided before a connection was closed may come up after it.
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
            let reason = CloseReason::Stopping;
            self.actions
                .push_back(Action::CloseSession { session, reason });
        }
        // All are forgotten before the first is missed: what the router would tell one of them because
        // another is gone goes nowhere. Nodes that wait for an answer get their 104.
        for session in sessions {
            self.router.handle(now, RouterEvent::SessionDown(session));
        }
    }

    fn close_session(&mut self, now: Instant, session: SessionId, reason: CloseReason) {
        self.apply(now, Action::CloseSession { session, reason });
    }

    fn close_peer(&mut self, now: Instant, peer: PeerId, reason: PeerCloseReason) {
        self.apply(now, Action::ClosePeer { peer, reason });
    }

    fn notice(&mut self, notice: Notice) {
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

    /// `moves` is whether another connection to the same node takes this one's place.
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
            self.notice(Notice::PeerDown {
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
            Text::Handshake(request) => self.handshake(now, id, message.frame, request),
            Text::Topics(topics) => self.topics(now, id, topics),
            Text::Rpc(request) => {
                let seq = message.frame.seq;
                self.actions.push_back(Action::Answer {
                    session: id,
                    question: Question { seq, request },
                });
            }
            Text::Verdict(verdict) => {
                self.router.handle(now, RouterEvent::Verdict(id, verdict));
            }
        }
    }

    /// A frame without a text.
    fn plain_frame(&mut self, now: Instant, id: SessionId, message: Message) {
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
            // The acknowledgement of a request to verify; what counts is the verdict.
            FrameType::VERIFY_PEER => {}
            FrameType::RESPONSE => {
                self.notice(Notice::UnsolicitedResponse {
                    session: id,
                    seq: frame.seq,
                });
            }
            kind => self.notice(Notice::UnknownFrame { session: id, kind }),
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

    /// The session's topics are in force here; the nodes around are still to know of them.
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

    /// Holds an answer back until the session's topics are in force, or it takes too long.
    fn hold(&mut self, now: Instant, id: SessionId, answer: Frame) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.held.len() == MAX_HELD {
            return;
        }
        session.held.push_back(answer);
        if session.held_until.is_none() {
            let until = after(now, if session.ours { OURS_WAIT } else { OTHERS_WAIT });
            session.held_until = Some(until);
            self.late.insert((until, id));
        }
    }

    /// Answers what was held back.
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
            return self.notice(Notice::BadTopics { session });
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
            self.notice(Notice::TopicIgnored {
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
            Err(error) => return self.notice(Notice::BadHandshake { session: id, error }),
        };
        let version = match request.negotiate() {
            Ok(version) => version,
            Err(error) => return self.close_session(now, id, CloseReason::Handshake(error)),
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.version = version;
        }
        let ours = request.client_type == CLIENT_TYPE;
        let response = HandshakeResponse {
            node_version: self.config.facts.fisco_version.clone(),
            protocol: version.number(),
            quiet_multicasts: ours,
            answer_within: ours.then(|| millis(self.config.timeouts.session_answer)),
            max_frame: ours.then_some(self.config.limits.frame.min(PROTOCOL_MAX_FRAME)),
        };
        self.router.send_session(
            id,
            Frame {
                body: response.to_body(),
                ..frame
            },
        );
        if ours {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.ours = true;
            }
            self.router.session_is_ours(id);
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
            // Answers that became due now leave before their sessions are closed.
            self.settle(now);
            self.sweep_at = None;
            self.sweep(now);
        }
    }

    /// Closes what has been idle for too long.
    fn sweep(&mut self, now: Instant) {
        let timeouts = self.config.timeouts;
        let idle: BTreeSet<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| after(session.active, timeouts.session_idle) <= now)
            .map(|(&id, _)| id)
            .collect();
        for session in idle {
            self.close_session(now, session, CloseReason::Idle);
        }
    }
}
