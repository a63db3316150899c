//! Decides who gets a message, and brings the answer back.
//!
//! Deterministic: the same configuration, seed and events give the same actions.

mod deliver;
mod links;
mod table;
mod unicast;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::{SeedableRng, rngs::StdRng};

use self::{
    links::{Level, Links, PeerLink, Queue, SessionLink},
    table::{Table, needs_verification},
    unicast::{Origin, Unicast, UnicastId},
};
use super::{Action, CloseReason, Limits, Notice, PeerCloseReason, PeerId, SessionId, Timeouts};
use crate::{
    MAX_TOPIC_LEN,
    channel::{Frame, FrameType, Seq, code},
    p2p::PeerFrame,
};

/// How long publishers stay paused for a peer's queue before it counts as stuck.
const PAUSE_LIMIT: Duration = Duration::from_secs(2);

/// What happens to a router.
#[derive(Debug)]
pub enum RouterEvent {
    /// An SDK connected.
    SessionUp(SessionId),
    /// It replaced its topics. The caller has checked them.
    SessionTopics(SessionId, BTreeSet<Bytes>),
    /// It sent a unicast or a multicast.
    FromSession(SessionId, Frame),
    /// It is gone.
    SessionDown(SessionId),
    /// A node connected.
    PeerUp(PeerId),
    /// The node's whole topic set changed; each topic counts as one subscriber.
    PeerTopics(PeerId, BTreeSet<Bytes>),
    /// The node's subscriber count for a topic changed; 0 is none.
    PeerCount(PeerId, Bytes, u32),
    /// It sent an AMOP message or an answer to one.
    FromPeer(PeerId, PeerFrame),
    /// It is gone.
    PeerDown(PeerId),
    /// Time may have passed.
    Timeout,
}

/// What a router has counted since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Unicasts that came from this node's sessions and from peers: each is answered, ends with an
    /// error or is in flight.
    pub unicasts: u64,
    /// Unicasts answered by a subscriber.
    pub answered: u64,
    /// Attempts that failed and were followed by another or by an error.
    pub failed_attempts: u64,
    /// Unicasts that ended with an error.
    pub errors: u64,
    /// Multicasts accepted from this node's sessions and from peers.
    pub multicasts: u64,
    /// Copies of multicasts handed to sessions.
    pub delivered: u64,
    /// Copies of multicasts not sent because a session or peer does not keep up.
    pub dropped: u64,
    /// Unicasts refused with result 103.
    pub over_limit: u64,
}

/// The router of a node.
#[derive(Debug)]
pub struct Router {
    limits: Limits,
    timeouts: Timeouts,
    rng: StdRng,
    table: Table,
    links: Links,
    unicasts: HashMap<UnicastId, Unicast>,
    /// Bytes of the frames in `unicasts`.
    in_flight_bytes: usize,
    timers: BTreeSet<(Instant, UnicastId)>,
    /// When the pauses for a peer's queue end.
    pauses: BTreeMap<PeerId, Instant>,
    next_unicast: UnicastId,
    next_peer_seq: u32,
    counters: Counters,
    actions: VecDeque<Action>,
}

impl Router {
    /// A router without connections.
    pub fn new(limits: Limits, timeouts: Timeouts, seed: [u8; 32]) -> Self {
        Self {
            limits,
            timeouts,
            rng: StdRng::from_seed(seed),
            table: Table::default(),
            links: Links::default(),
            unicasts: HashMap::new(),
            in_flight_bytes: 0,
            timers: BTreeSet::new(),
            pauses: BTreeMap::new(),
            next_unicast: 0,
            // As on real nodes (p2p-v2 section 4.6).
            next_peer_seq: 2,
            counters: Counters::default(),
            actions: VecDeque::new(),
        }
    }

    /// Takes one event in. What follows from it is then fetched with
    /// [`poll_action`](Self::poll_action).
    pub fn handle(&mut self, now: Instant, event: RouterEvent) {
        match event {
            RouterEvent::SessionUp(session) => {
                let link = SessionLink {
                    queue: Queue::new(self.limits.session_queue),
                    topics: BTreeSet::new(),
                    asked: BTreeMap::new(),
                    pauses: 0,
                };
                self.links.sessions.insert(session, link);
            }
            RouterEvent::SessionTopics(session, topics) => self.set_topics(session, topics),
            RouterEvent::FromSession(session, frame) => {
                self.unicast_or_multicast(now, Origin::Session(session), frame);
            }
            RouterEvent::SessionDown(session) => self.session_down(now, session),
            RouterEvent::PeerUp(peer) => {
                let link = PeerLink {
                    queue: Queue::new(self.limits.peer_queue),
                    topics: BTreeMap::new(),
                    asked: BTreeMap::new(),
                    paused: BTreeSet::new(),
                    stuck: false,
                };
                self.links.peers.insert(peer, link);
            }
            RouterEvent::PeerTopics(peer, topics) => self.peer_topics(peer, &topics),
            RouterEvent::PeerCount(peer, topic, count) => self.peer_count(peer, topic, count),
            RouterEvent::FromPeer(peer, frame) => self.peer_message(now, peer, frame),
            RouterEvent::PeerDown(peer) => self.peer_down(now, peer),
            RouterEvent::Timeout => self.timeout(now),
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`RouterEvent::Timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let unicast = self.timers.first().map(|&(at, _)| at);
        let pause = self.pauses.values().min().copied();
        [unicast, pause].into_iter().flatten().min()
    }

    /// What it has counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether it holds nothing: no connection, no topic, no message, no timer.
    pub fn is_empty(&self) -> bool {
        self.links.sessions.is_empty()
            && self.links.peers.is_empty()
            && self.table.is_empty()
            && self.unicasts.is_empty()
            && self.in_flight_bytes == 0
            && self.timers.is_empty()
            && self.pauses.is_empty()
            && self.actions.is_empty()
    }

    /// Unicasts waiting for an answer now.
    pub fn in_flight(&self) -> usize {
        self.unicasts.len()
    }

    /// This node's own topics with their subscriber counts, in byte order.
    pub fn local_topics(&self) -> impl Iterator<Item = (&Bytes, u32)> {
        self.table.local()
    }

    /// The topics whose local count changed since the last call: topic, count before, count now.
    pub fn take_topic_changes(&mut self) -> Vec<(Bytes, u32, u32)> {
        self.table.take_changes()
    }

    /// A peer's topics, in byte order, without those it is not verified for (channel-v2 section 11.7).
    pub fn peer_topic_names(&self, peer: PeerId) -> impl Iterator<Item = &Bytes> {
        self.links
            .peers
            .get(&peer)
            .into_iter()
            .flat_map(|link| link.topics.keys())
            .filter(|topic| !needs_verification(topic))
    }

    /// Queues a frame that is no AMOP message (a heartbeat's answer, say) for a session.
    pub fn send_session(&mut self, session: SessionId, frame: Frame) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        let level = link.queue.push(frame.wire_len());
        let queued = link.queue.queued();
        match level {
            Level::Hopeless => {
                self.actions.push_back(Action::CloseSession {
                    session,
                    reason: CloseReason::SlowReader { queued },
                });
                return;
            }
            Level::Behind => self.notice(Notice::SessionBehind { session, queued }),
            Level::Same | Level::CaughtUp { .. } => {}
        }
        self.actions
            .push_back(Action::SendSession { session, frame });
    }

    /// Queues a frame for a peer.
    pub fn send_peer(&mut self, peer: PeerId, frame: PeerFrame) {
        let Some(link) = self.links.peers.get_mut(&peer) else {
            return;
        };
        let level = link.queue.push(frame.wire_len());
        let queued = link.queue.queued();
        match level {
            Level::Hopeless => {
                self.actions.push_back(Action::ClosePeer {
                    peer,
                    reason: PeerCloseReason::SlowReader { queued },
                });
                return;
            }
            Level::Behind => self.notice(Notice::PeerBehind { peer, queued }),
            Level::Same | Level::CaughtUp { .. } => {}
        }
        self.actions.push_back(Action::SendPeer { peer, frame });
    }

    /// So many bytes of what was queued for a session have left.
    pub fn session_written(&mut self, session: SessionId, len: usize) {
        if let Some(link) = self.links.sessions.get_mut(&session)
            && let Level::CaughtUp { dropped } = link.queue.written(len)
        {
            self.notice(Notice::SessionCaughtUp { session, dropped });
        }
    }

    /// So many bytes of what was queued for a peer have left.
    pub fn peer_written(&mut self, peer: PeerId, len: usize) {
        let Some(link) = self.links.peers.get_mut(&peer) else {
            return;
        };
        let level = link.queue.written(len);
        if link.queue.is_low() {
            link.stuck = false;
            let paused = std::mem::take(&mut link.paused);
            self.pauses.remove(&peer);
            self.resume(paused);
        }
        if let Level::CaughtUp { dropped } = level {
            self.notice(Notice::PeerCaughtUp { peer, dropped });
        }
    }

    /// If a message with this frame's seq was pushed to the session and waits for its answer, takes
    /// the frame as that answer, whatever its type (channel-v2 section 4), and says so.
    pub fn take_answer(&mut self, now: Instant, session: SessionId, frame: &Frame) -> bool {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return false;
        };
        let Some(id) = link.asked.remove(&frame.seq) else {
            return false;
        };
        if frame.kind == FrameType::RESPONSE && frame.result == code::NO_SESSION {
            // A client of ours that cannot take the message now says so, and another may.
            self.attempt_failed(now, id, true);
        } else {
            self.finish(id, Ok(frame.clone()));
        }
        true
    }

    fn notice(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notice(notice));
    }

    fn set_topics(&mut self, session: SessionId, topics: BTreeSet<Bytes>) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        let old = std::mem::replace(&mut link.topics, topics.clone());
        for gone in old.difference(&topics) {
            self.table.remove_session(gone, session);
        }
        for new in topics.difference(&old) {
            self.table.add_session(new, session);
        }
    }

    fn session_down(&mut self, now: Instant, session: SessionId) {
        let Some(link) = self.links.sessions.remove(&session) else {
            return;
        };
        for topic in &link.topics {
            self.table.remove_session(topic, session);
        }
        for (id, peer) in &mut self.links.peers {
            if peer.paused.remove(&session) && peer.paused.is_empty() {
                self.pauses.remove(id);
            }
        }
        for id in link.asked.into_values() {
            self.attempt_failed(now, id, true);
        }
    }

    fn peer_topics(&mut self, peer: PeerId, topics: &BTreeSet<Bytes>) {
        let Some(link) = self.links.peers.get(&peer) else {
            return;
        };
        let gone: Vec<Bytes> = link
            .topics
            .keys()
            .filter(|&held| !topics.contains(held))
            .cloned()
            .collect();
        for topic in gone {
            self.peer_count(peer, topic, 0);
        }
        for topic in topics {
            self.peer_count(peer, topic.clone(), 1);
        }
    }

    fn peer_count(&mut self, peer: PeerId, topic: Bytes, count: u32) {
        let Some(link) = self.links.peers.get_mut(&peer) else {
            return;
        };
        if let Some(held) = link.topics.get_mut(&topic) {
            *held = count;
            self.table.set_peer(&topic, peer, count);
            if count == 0 {
                link.topics.remove(&topic);
            }
            return;
        }
        // Nothing longer can be addressed.
        if count == 0 || topic.len() > MAX_TOPIC_LEN {
            return;
        }
        // A topic is a slice of the packet it came in, and would keep all of that in memory.
        let topic = Bytes::copy_from_slice(&topic);
        self.table.set_peer(&topic, peer, count);
        link.topics.insert(topic, count);
        if link.topics.len() == self.limits.peer_topics.saturating_add(1) {
            self.actions.push_back(Action::ClosePeer {
                peer,
                reason: PeerCloseReason::TooManyTopics {
                    max: self.limits.peer_topics,
                },
            });
        }
    }

    fn peer_down(&mut self, now: Instant, peer: PeerId) {
        let Some(link) = self.links.peers.remove(&peer) else {
            return;
        };
        for topic in link.topics.keys() {
            self.table.set_peer(topic, peer, 0);
        }
        self.pauses.remove(&peer);
        self.resume(link.paused);
        for id in link.asked.into_values() {
            self.attempt_failed(now, id, false);
        }
    }

    fn resume(&mut self, paused: BTreeSet<SessionId>) {
        for session in paused {
            if let Some(link) = self.links.sessions.get_mut(&session) {
                link.pauses = link.pauses.saturating_sub(1);
                if link.pauses == 0 {
                    self.actions.push_back(Action::ResumeSession { session });
                }
            }
        }
    }

    /// Pauses a publisher while what it sends fills a peer's queue.
    fn pause_if_filling(&mut self, now: Instant, origin: Origin, peer: PeerId) {
        let Origin::Session(session) = origin else {
            return;
        };
        let (Some(peer_link), Some(link)) = (
            self.links.peers.get_mut(&peer),
            self.links.sessions.get_mut(&session),
        ) else {
            return;
        };
        if !peer_link.queue.is_half_full() || peer_link.stuck || !peer_link.paused.insert(session) {
            return;
        }
        link.pauses += 1;
        if link.pauses == 1 {
            self.actions.push_back(Action::PauseSession { session });
        }
        self.pauses.entry(peer).or_insert(now + PAUSE_LIMIT);
    }

    /// Whether a message with this seq waits for the session's answer.
    pub fn is_asked(&self, session: SessionId, seq: &Seq) -> bool {
        self.links
            .sessions
            .get(&session)
            .is_some_and(|link| link.asked.contains_key(seq))
    }
}
