//! The node machine behind its lock, and the delivery of its actions to the connections.

use std::{
    collections::{HashMap, VecDeque},
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use amop_proto::{
    channel::Frame,
    node::{
        Action, LinkQueue, LockHeld, NodeEvent, NodeMachine, NodeNotice, PeerCloseReason, PeerId,
        Question, Restatement, SessionCloseReason, SessionId, rpc::NodeFacts,
    },
};
use foldhash::fast::RandomState;
use tokio::sync::{Notify, watch};

use crate::{
    apart::{Apart, aside},
    journal::Journal,
    outbox::{Outbox, Signals},
    stats::Refusals,
};

/// The work done in one turn: each sent frame or similar action counts one, about 200 nanoseconds.
const TURN: usize = 2000;

/// The work that one event counts for.
const PER_EVENT: usize = 4;

/// A turn also ends after this time, because some events are much work but send nothing.
const LONGEST_TURN: Duration = Duration::from_micros(500);

/// The clock is read once per this number of events.
const LOOK: usize = 4;

/// The result of handling a part of some events.
pub(crate) struct SliceOutcome {
    /// Questions for the caller to answer.
    pub(crate) questions: Vec<(SessionId, Question)>,
    /// How much work it was.
    pub(crate) work: usize,
    /// Whether there may be more events.
    pub(crate) more: bool,
}

/// What all tasks of a node share.
#[derive(Debug)]
pub(crate) struct Core {
    state: Mutex<CoreState>,
    next_id: AtomicU64,
    pub(crate) refusals: Refusals,
    pub(crate) journal: Arc<Journal>,
    /// The facts that the node reports about itself.
    pub(crate) facts: NodeFacts,
    pub(crate) apart: Apart,
    /// Wakes the timer task when the machine's next timeout has become earlier.
    timer: Notify,
    /// Increases when a peer comes or goes.
    peers_changed: watch::Sender<u64>,
    /// The latest statement that the machine asked for, until it is built.
    restating: Mutex<Option<Box<Restatement>>>,
    /// Notified when there is a statement to build.
    restate: Notify,
    /// Whether the machine knows nodes that are not neighbours.
    distant: AtomicBool,
}

/// The locked state. Reading texts, hashing long messages and writing log lines must happen before
/// or after; tests check this with [`LockHeld`].
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    state: MutexGuard<'a, CoreState>,
    _held: LockHeld,
}

impl Deref for Locked<'_> {
    type Target = CoreState;

    fn deref(&self) -> &CoreState {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut CoreState {
        &mut self.state
    }
}

#[derive(Debug)]
pub(crate) struct CoreState {
    pub(crate) machine: NodeMachine,
    pub(crate) sessions:
        HashMap<SessionId, Outbox<VecDeque<Frame>, SessionCloseReason>, RandomState>,
    pub(crate) peers: HashMap<PeerId, Outbox<LinkQueue, PeerCloseReason>, RandomState>,
    /// When the timer task will wake by itself.
    armed: Option<Instant>,
}

impl Core {
    pub(crate) fn new(machine: NodeMachine, facts: NodeFacts) -> Self {
        let journal = Arc::new(Journal::new());
        let state = CoreState {
            machine,
            sessions: HashMap::default(),
            peers: HashMap::default(),
            armed: None,
        };
        Self {
            state: Mutex::new(state),
            next_id: AtomicU64::new(1),
            refusals: Refusals::default(),
            journal,
            facts,
            apart: Apart::default(),
            timer: Notify::new(),
            peers_changed: watch::Sender::new(0),
            restating: Mutex::default(),
            restate: Notify::new(),
            distant: AtomicBool::new(false),
        }
    }

    /// Locks the state. The lock is never held across an await.
    pub(crate) fn lock(&self) -> Locked<'_> {
        // The machine keeps its invariants even if a task panicked with the lock held.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked {
            state,
            _held: LockHeld::new(),
        }
    }

    /// Returns whether messages may go to nodes that are not neighbours. If so, long messages are
    /// better hashed before the machine sees them.
    pub(crate) fn has_distant(&self) -> bool {
        self.distant.load(Ordering::Relaxed)
    }

    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn next_peer(&self) -> PeerId {
        PeerId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns a receiver that changes whenever a peer comes or goes.
    pub(crate) fn peers_changed(&self) -> watch::Receiver<u64> {
        self.peers_changed.subscribe()
    }

    /// Feeds events to the machine and hands the resulting actions to the connections. Returns the
    /// questions that are left to the caller; only frames of sessions cause questions.
    pub(crate) fn handle(
        &self,
        events: impl IntoIterator<Item = NodeEvent>,
    ) -> Vec<(SessionId, Question)> {
        self.handle_with(|_| events)
    }

    /// Like [`handle`](Self::handle), with access to the state before the events.
    pub(crate) fn handle_with<I: IntoIterator<Item = NodeEvent>>(
        &self,
        prepare: impl FnOnce(&mut CoreState) -> I,
    ) -> Vec<(SessionId, Question)> {
        let mut state = self.lock();
        let mut events = prepare(&mut state).into_iter();
        let mut part = self.handle_part(state, &mut events);
        let mut questions = part.questions;
        while part.more {
            std::thread::yield_now();
            part = self.handle_part(self.lock(), &mut events);
            questions.append(&mut part.questions);
        }
        questions
    }

    /// Like [`handle`](Self::handle), but for only a part of the events. For callers that wait
    /// between parts, so that others get their turn.
    pub(crate) fn handle_some(&self, events: &mut impl Iterator<Item = NodeEvent>) -> SliceOutcome {
        self.handle_part(self.lock(), events)
    }

    /// Feeds events to the machine until there are none left or the work is enough for one turn.
    /// The results are handed on before others get their turn, so that they never pile up.
    fn handle_part(
        &self,
        mut state: Locked<'_>,
        events: &mut impl Iterator<Item = NodeEvent>,
    ) -> SliceOutcome {
        let mut left = AfterUnlock::default();
        let now = Instant::now();
        let mut work = 0;
        let mut more = true;
        let mut count = 0;
        while work < TURN {
            if count % LOOK == LOOK - 1 && now.elapsed() > LONGEST_TURN {
                break;
            }
            let Some(event) = events.next() else {
                more = false;
                break;
            };
            count += 1;
            state.machine.handle(now, event);
            work += PER_EVENT;
            while let Some(action) = state.machine.poll_action() {
                state.carry_out(action, &mut left);
                work += 1;
            }
        }
        let distant = state.machine.router().has_distant();
        if distant != self.has_distant() {
            self.distant.store(distant, Ordering::Relaxed);
        }
        let rearm = state.must_rearm();
        drop(state);
        SliceOutcome {
            questions: self.hand_on(left, rearm),
            work,
            more,
        }
    }

    /// Does what had to wait until the machine is unlocked.
    fn hand_on(&self, left: AfterUnlock, rearm: bool) -> Vec<(SessionId, Question)> {
        for signals in left.wake {
            signals.write.notify_one();
        }
        if rearm {
            self.timer.notify_one();
        }
        let peers_changed = |notice: &NodeNotice| {
            matches!(
                notice,
                NodeNotice::PeerUp { .. } | NodeNotice::PeerDown { .. }
            )
        };
        if left.notices.iter().any(peers_changed) {
            self.peers_changed.send_modify(|count| *count += 1);
        }
        for notice in &left.notices {
            self.journal.notice(notice);
        }
        if let Some(restatement) = left.restatement {
            *self.restatement() = Some(restatement);
            self.restate.notify_one();
        }
        left.questions
    }

    /// Builds this node's own statements where they are long; never returns.
    pub(crate) async fn run_restating(&self) {
        loop {
            self.restate.notified().await;
            let restatement = self.restatement().take();
            if let Some(restatement) = restatement {
                let event = aside(move || restatement.carry_out()).await;
                self.handle([event]);
            }
        }
    }

    fn restatement(&self) -> MutexGuard<'_, Option<Box<Restatement>>> {
        self.restating
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Feeds timeouts to the machine when they are due; never returns.
    pub(crate) async fn run_timer(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                state.armed = state.machine.next_timeout();
                state.armed
            };
            if wait_until_due(next, &self.timer).await {
                self.handle([NodeEvent::Timeout]);
            }
        }
    }
}

/// Waits until a time, or until `changed` is notified. Returns whether the time has come.
pub(crate) async fn wait_until_due(at: Option<Instant>, changed: &Notify) -> bool {
    let Some(at) = at else {
        changed.notified().await;
        return false;
    };
    tokio::select! {
        () = tokio::time::sleep_until(at.into()) => true,
        () = changed.notified() => false,
    }
}

/// Things to do once the machine is unlocked: before that nothing is woken, written or logged.
#[derive(Debug, Default)]
struct AfterUnlock {
    wake: Vec<Arc<Signals>>,
    notices: Vec<NodeNotice>,
    questions: Vec<(SessionId, Question)>,
    restatement: Option<Box<Restatement>>,
}

impl CoreState {
    fn must_rearm(&mut self) -> bool {
        let Some(next) = self.machine.next_timeout() else {
            return false;
        };
        let earlier = self.armed.is_none_or(|armed| next < armed);
        if earlier {
            self.armed = Some(next);
        }
        earlier
    }

    fn carry_out(&mut self, action: Action, left: &mut AfterUnlock) {
        match action {
            Action::SendSession { session, frame } => {
                if let Some(outbox) = self.sessions.get_mut(&session) {
                    outbox.filling(&mut left.wake).push_back(frame);
                }
            }
            Action::CloseSession { session, reason } => {
                if let Some(outbox) = self.sessions.get_mut(&session) {
                    outbox.close(reason);
                }
            }
            Action::CoalesceSession { session } => {
                if let Some(outbox) = self.sessions.get_mut(&session) {
                    outbox.coalesce = true;
                }
            }
            Action::PauseSession { session } => self.pause(session, true),
            Action::ResumeSession { session } => self.pause(session, false),
            Action::SendPeer {
                peer,
                lane,
                message,
            } => {
                if let Some(outbox) = self.peers.get_mut(&peer) {
                    let router = self.machine.router();
                    let queue = outbox.filling(&mut left.wake);
                    queue.push_of(lane, message, |sender| router.group_of(sender));
                }
            }
            Action::FragmentPeer { peer } => {
                if let Some(outbox) = self.peers.get_mut(&peer) {
                    outbox.queue().allow_fragments();
                }
            }
            Action::ClosePeer { peer, reason } => {
                if let Some(outbox) = self.peers.get_mut(&peer) {
                    outbox.close(reason);
                }
            }
            Action::Answer { session, question } => left.questions.push((session, question)),
            Action::Restate(restatement) => left.restatement = Some(restatement),
            Action::Notice(notice) => left.notices.push(notice),
        }
    }

    fn pause(&mut self, session: SessionId, paused: bool) {
        if let Some(outbox) = self.sessions.get(&session) {
            outbox.signals.paused.send_replace(paused);
        }
    }
}
