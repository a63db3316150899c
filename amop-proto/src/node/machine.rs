//! The whole node as one machine: sessions and peers around the router.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Action, CloseReason, NodeConfig, Notice, PeerCloseReason, PeerId, Router, RouterEvent,
    SessionId,
    barrier::Barriers,
    peer::{NodeTopics, Output, Peer, TopicUpdate, topic_seq_frame},
    session::{Session, read_topics},
};
use crate::{
    channel::{
        CLIENT_TYPE, Frame, FrameType, HandshakeRequest, HandshakeResponse, frame_topic,
        heartbeat_answer, rpc,
    },
    p2p::{NodeId, PeerFrame, protocol},
};

/// Idle connections are looked for this often.
const SWEEP: Duration = Duration::from_secs(1);

/// Two connections to one node that are made within this time are a race of both sides' dialling.
const DUPLICATE_RACE: Duration = Duration::from_secs(10);

/// What an AMOP node answers to event-log registrations: it has no groups (channel-v2 section 11.7).
const NO_SUCH_GROUP: &[u8] = b"{\"result\":-41002}\n";

/// Who a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its ID, from its certificate.
    pub node: NodeId,
    /// Its name, from its certificate.
    pub name: String,
    /// Its agency, from its certificate.
    pub agency: String,
    /// The address the connection was made to or came from.
    pub address: String,
}

/// What happens to a node.
#[derive(Debug)]
pub enum Event {
    /// An SDK completed TLS.
    SessionOpened(SessionId),
    /// A session sent a frame.
    SessionFrame(SessionId, Frame),
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
    /// A peer sent a frame.
    PeerFrame(PeerId, PeerFrame),
    /// Bytes came from a peer that are no whole frame yet.
    PeerActive(PeerId),
    /// So many bytes of the frames for a peer have been written, uncompressed.
    PeerWritten(PeerId, usize),
    /// A peer's connection is gone.
    PeerClosed(PeerId),
    /// The time asked for with [`Node::next_timeout`] has come.
    Timeout,
}

/// A node without I/O.
///
/// The shell feeds [`Event`]s in with [`handle`](Self::handle), fetches [`Action`]s with
/// [`poll_action`](Self::poll_action) until there are none, and feeds [`Event::Timeout`] in at
/// [`next_timeout`](Self::next_timeout).
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    own_id: Option<NodeId>,
    router: Router,
    sessions: HashMap<SessionId, Session>,
    /// Ordered, because they are walked.
    peers: BTreeMap<PeerId, Peer>,
    topic_seq: u32,
    /// Counts the changes of this node's topics and subscriber counts.
    topics_version: u64,
    /// Whose topics are being replaced by the event at hand.
    changing: Option<SessionId>,
    barriers: Barriers,
    sweep_at: Option<Instant>,
    actions: VecDeque<Action>,
}

impl Node {
    /// A node without connections.
    pub fn new(config: NodeConfig) -> Self {
        Self {
            router: Router::new(config.limits, config.timeouts, config.seed),
            own_id: config.facts.node_id.parse().ok(),
            config,
            sessions: HashMap::new(),
            peers: BTreeMap::new(),
            topic_seq: 0,
            topics_version: 0,
            changing: None,
            barriers: Barriers::default(),
            sweep_at: None,
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

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Event::Timeout`] is due; `None` while there is nothing to wait for.
    pub fn next_timeout(&self) -> Option<Instant> {
        let announce = self.peers.values().map(|peer| peer.announce_at).min();
        let barrier = self.barriers.next_timeout();
        [self.router.next_timeout(), self.sweep_at, announce, barrier]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes one event in.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::SessionOpened(session) => {
                self.sessions.insert(session, Session::new(now));
                self.router.handle(now, RouterEvent::SessionUp(session));
            }
            Event::SessionFrame(session, frame) => self.session_frame(now, session, frame),
            Event::SessionActive(session) => self.session_active(now, session),
            Event::SessionWritten(session, len) => {
                self.session_active(now, session);
                self.router.session_written(session, len);
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
            Event::PeerActive(peer) => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.heard = now;
                }
            }
            Event::PeerWritten(peer, len) => self.router.peer_written(peer, len),
            Event::PeerClosed(peer) => self.forget_peer(now, peer),
            Event::Timeout => self.timeout(now),
        }
        self.settle(now);
    }

    /// Carries out what the router decided, until nothing follows from it any more.
    fn settle(&mut self, now: Instant) {
        loop {
            let Some(action) = self.router.poll_action() else {
                self.announce_changes();
                if let Some(action) = self.router.poll_action() {
                    self.apply(now, action);
                    continue;
                }
                break;
            };
            self.apply(now, action);
        }
        if self.sweep_at.is_none() && !(self.sessions.is_empty() && self.peers.is_empty()) {
            self.sweep_at = Some(now + SWEEP);
        }
    }

    fn apply(&mut self, now: Instant, action: Action) {
        match action {
            Action::CloseSession { session, .. } => {
                if self.sessions.contains_key(&session) {
                    self.actions.push_back(action);
                    self.forget_session(now, session);
                }
            }
            Action::ClosePeer { peer, .. } => {
                if self.peers.contains_key(&peer) {
                    self.actions.push_back(action);
                    self.forget_peer(now, peer);
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
            Action::SendPeer { peer, .. } => {
                if self.peers.contains_key(&peer) {
                    self.actions.push_back(action);
                }
            }
            action @ (Action::CoalesceSession { .. } | Action::Notice(_)) => {
                self.actions.push_back(action);
            }
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

    fn forget_session(&mut self, now: Instant, session: SessionId) {
        if self.sessions.remove(&session).is_some() {
            self.router.handle(now, RouterEvent::SessionDown(session));
        }
    }

    fn forget_peer(&mut self, now: Instant, peer: PeerId) {
        if let Some(gone) = self.peers.remove(&peer) {
            self.router.handle(now, RouterEvent::PeerDown(peer));
            self.notice(Notice::PeerDown {
                peer,
                node: gone.identity.node,
            });
            self.release_barriers(now);
        }
    }

    fn session_frame(&mut self, now: Instant, id: SessionId, frame: Frame) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.active = now;
        if self.router.take_answer(now, id, &frame) {
            return;
        }
        match frame.kind {
            FrameType::UNICAST | FrameType::MULTICAST => {
                self.router.handle(now, RouterEvent::FromSession(id, frame));
            }
            FrameType::HEARTBEAT => {
                if let Some(body) = heartbeat_answer(session.version, &frame.body) {
                    let version = session.topics_version;
                    self.barriers
                        .push(now, id, version, Frame { body, ..frame });
                    self.release_barriers(now);
                }
            }
            FrameType::HANDSHAKE => self.handshake(now, id, frame),
            FrameType::SET_TOPICS => {
                let max = self.config.limits.session_topics;
                let actions = &mut self.actions;
                let notice = |notice| actions.push_back(Action::Notice(notice));
                if let Some(topics) = read_topics(id, &frame.body, max, notice) {
                    self.router
                        .handle(now, RouterEvent::SessionTopics(id, topics));
                    self.changing = Some(id);
                }
            }
            FrameType::RPC => {
                let body = rpc::answer(
                    &frame.body,
                    &self.config.facts,
                    || self.peer_infos(),
                    || self.own_topics(),
                );
                self.router.send_session(
                    id,
                    Frame {
                        body,
                        result: 0,
                        ..frame
                    },
                );
            }
            FrameType::EVENT_REGISTER | FrameType::EVENT_UNREGISTER => {
                let body = frame_topic(b"", NO_SUCH_GROUP);
                self.router.send_session(
                    id,
                    Frame {
                        body,
                        result: 0,
                        ..frame
                    },
                );
            }
            FrameType::RESPONSE => {
                self.notice(Notice::UnsolicitedResponse {
                    session: id,
                    seq: frame.seq,
                });
            }
            kind => self.notice(Notice::UnknownFrame { session: id, kind }),
        }
    }

    fn handshake(&mut self, now: Instant, id: SessionId, frame: Frame) {
        let request = match HandshakeRequest::parse(&frame.body) {
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
        let response = HandshakeResponse {
            node_version: self.config.facts.fisco_version.clone(),
            protocol: version.number(),
        };
        self.router.send_session(
            id,
            Frame {
                body: response.to_body(),
                ..frame
            },
        );
        if request.client_type == CLIENT_TYPE {
            self.actions
                .push_back(Action::CoalesceSession { session: id });
        }
    }

    /// What `getPeers` tells of the nodes connected.
    pub fn peer_infos(&self) -> Vec<rpc::PeerInfo> {
        let info = |(&id, peer): (&PeerId, &Peer)| rpc::PeerInfo {
            agency: peer.identity.agency.clone(),
            address: peer.identity.address.clone(),
            name: peer.identity.name.clone(),
            node_id: peer.identity.node.to_string(),
            topics: names(self.router.peer_topic_names(id)),
        };
        self.peers.iter().map(info).collect()
    }

    /// The topics that this node's sessions hold, as `getNodeInfo` tells them.
    pub fn own_topics(&self) -> Vec<String> {
        names(self.router.local_topics().map(|(topic, _)| topic))
    }

    fn peer_opened(&mut self, now: Instant, peer: PeerId, identity: PeerIdentity, dialled: bool) {
        let reject = |reason| Action::ClosePeer { peer, reason };
        if Some(identity.node) == self.own_id {
            self.actions
                .push_back(reject(PeerCloseReason::LocalIdentity));
            return;
        }
        let existing = self
            .peers
            .iter()
            .find(|(_, held)| held.identity.node == identity.node)
            .map(|(&id, held)| (id, held.dialled, held.since, held.is_foreign()));
        if let Some((old, old_dialled, since, foreign)) = existing {
            // Real nodes always close the new connection (p2p-v2 section 3.2). When both sides dial
            // at once that can close both; two of ours agree to keep the one the lower ID dialled.
            // With a real node there is nothing to agree: it has closed the new one already.
            let keep_dialled = self.own_id.is_some_and(|own| own < identity.node);
            let race = now < since + DUPLICATE_RACE && !foreign;
            if !(race && dialled == keep_dialled && old_dialled != keep_dialled) {
                self.actions.push_back(reject(PeerCloseReason::Duplicate));
                return;
            }
            self.close_peer(now, old, PeerCloseReason::Duplicate);
        }
        self.notice(Notice::PeerUp {
            peer,
            node: identity.node,
        });
        let mut link = Peer::new(now, identity, dialled, &self.config.timeouts);
        self.router.handle(now, RouterEvent::PeerUp(peer));
        let local = self.router.local_topics();
        for frame in link.greeting(self.topics_version, self.topic_seq, local) {
            self.router.send_peer(peer, frame);
        }
        self.peers.insert(peer, link);
    }

    fn peer_frame(&mut self, now: Instant, id: PeerId, frame: PeerFrame) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.heard(now, &frame) {
            self.release_barriers(now);
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if frame.protocol.unsigned_abs() == protocol::AMOP.unsigned_abs() {
            return self.router.handle(now, RouterEvent::FromPeer(id, frame));
        }
        let node = NodeTopics {
            topic_seq: self.topic_seq,
            local: self.router.local_topics(),
            limits: &self.config.limits,
            timeouts: &self.config.timeouts,
        };
        let mut output = Output::default();
        let update = peer.topic_packet(now, id, &frame, node, &mut output);
        for frame in output.frames {
            self.router.send_peer(id, frame);
        }
        if let Some(notice) = output.notice {
            self.notice(notice);
        }
        match update {
            TopicUpdate::Nothing => {}
            TopicUpdate::Replace(topics) => {
                self.router.handle(now, RouterEvent::PeerTopics(id, topics));
            }
            TopicUpdate::Counts(counts) => {
                for change in counts {
                    self.router
                        .handle(now, RouterEvent::PeerCount(id, change.topic, change.count));
                }
            }
            TopicUpdate::Acknowledged => self.release_barriers(now),
            TopicUpdate::Close(reason) => self.close_peer(now, id, reason),
        }
    }

    /// Tells the peers at once what changed in this node's topics. Real nodes wait for the next
    /// tick but ask at once when they are told (p2p-v2 section 6).
    fn announce_changes(&mut self) {
        let changing = self.changing.take();
        let changes = self.router.take_topic_changes();
        if changes.is_empty() {
            return;
        }
        self.topics_version += 1;
        let version = self.topics_version;
        if let Some(session) = changing.and_then(|id| self.sessions.get_mut(&id)) {
            session.topics_version = version;
        }
        // The number grows only when the names really changed; counts are our own affair.
        let renamed = changes
            .iter()
            .any(|&(_, before, now)| before == 0 || now == 0);
        if renamed {
            self.topic_seq = self.topic_seq.wrapping_add(1);
        }
        let topic_seq = renamed.then_some(self.topic_seq);
        for (&id, peer) in &mut self.peers {
            for frame in peer.topics_changed(version, topic_seq, &changes) {
                self.router.send_peer(id, frame);
            }
        }
    }

    /// Answers the heartbeats whose session's topics are known to all peers of ours.
    fn release_barriers(&mut self, now: Instant) {
        let peers = &self.peers;
        let known = |version| !peers.values().any(|peer| peer.lags_behind(version));
        for (session, answer) in self.barriers.release(now, known) {
            self.router.send_session(session, answer);
        }
    }

    fn timeout(&mut self, now: Instant) {
        self.release_barriers(now);
        self.router.handle(now, RouterEvent::Timeout);
        let topic_seq = self.topic_seq;
        for (&id, peer) in &mut self.peers {
            if peer.announce_at <= now {
                peer.announce_at = now + self.config.timeouts.announce;
                self.router.send_peer(id, topic_seq_frame(topic_seq));
            }
        }
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
            .filter(|(_, session)| session.active + timeouts.session_idle <= now)
            .map(|(&id, _)| id)
            .collect();
        for session in idle {
            self.close_session(now, session, CloseReason::Idle);
        }
        let silent: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.heard + timeouts.peer_idle <= now)
            .map(|(&id, _)| id)
            .collect();
        for peer in silent {
            self.close_peer(now, peer, PeerCloseReason::Idle);
        }
    }
}

fn names<'a>(topics: impl Iterator<Item = &'a Bytes>) -> Vec<String> {
    topics
        .map(|topic| String::from_utf8_lossy(topic).into_owned())
        .collect()
}
