//! The whole node as one machine: sessions and peers around the router.

mod barriers;
mod listing;
mod lists;
mod names;
mod peers;
mod sessions;
mod topic_lists;
mod topic_names;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

pub use self::listing::Listing;
use self::{names::NameNews, topic_lists::PeerTopicLists};
use super::{
    Action, MachineConfig, NodeEvent, NodeNotice, PeerCloseReason, PeerId, PeerIdentity, Router,
    SessionCloseReason, SessionId,
    barrier::{Barriers, Mutes},
    held::LockHeld,
    peer::Peer,
    session::Session,
    sooner,
    visits::Visits,
};
use crate::{channel::result_code, hash::HashMap, p2p::NodeId};

/// The time between two searches for idle sessions.
const SWEEP: Duration = Duration::from_secs(1);

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
    /// The names of topics that FISCO nodes have not been told of.
    names: NameNews,
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
            names: NameNews::default(),
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
        let barrier = sooner(sooner(barrier, self.names.at), self.lists.next_timeout());
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
                self.router.disbelieve(now, &nodes);
            }
            NodeEvent::Restated(restated) => {
                self.router.restated(now, restated);
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
            self.router.session_down(now, session);
        }
    }

    fn close_peer(&mut self, now: Instant, peer: PeerId, reason: PeerCloseReason) {
        self.apply(now, Action::ClosePeer { peer, reason });
    }

    fn notice(&mut self, notice: NodeNotice) {
        self.actions.push_back(Action::Notice(notice));
    }

    fn peer_active(&mut self, now: Instant, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.heard = now;
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
            if moves {
                self.router.peer_moves(now, peer);
            } else {
                self.router.peer_down(now, peer);
            }
            self.notice(NodeNotice::PeerDown {
                peer,
                node: gone.identity.node,
            });
            self.release_barriers(now);
        }
    }

    fn timeout(&mut self, now: Instant) {
        while let Some(&(at, session)) = self.late.first()
            && at <= now
        {
            self.let_go(now, session);
        }
        self.release_barriers(now);
        if self.names.at.is_some_and(|at| at <= now) {
            self.announce_names(now);
        }
        if self.lists.next_timeout().is_some_and(|at| at <= now) {
            self.write_lists(now);
        }
        self.router.timeout(now);
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
}
