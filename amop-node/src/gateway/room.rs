//! What the tasks of a gateway share: the bridge behind its lock.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use amop_proto::{
    gateway::{
        GatewayAddress, GatewayCloseReason,
        bridge::{GatewayBridge, GatewayBridgeEvent, GatewayConnectionId, GatewayRefusal},
    },
    log::with_causes,
    node::{Checker, NodeEvent, PeerId, Piece},
    p2p::PeerFrame,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    apart::aside,
    core::{Core, wait_until_due},
    journal::{Cause, LineKind},
    outbox::Signals,
};

/// Up to this many bytes are read and hashed in place.
const HASHED_HERE: usize = 64 * 1024;

/// The signals by which the holder of the lock reaches the task of a connection.
#[derive(Debug, Default)]
pub(super) struct ConnectionSignals {
    /// Notified when there is something to write.
    pub(super) write: Notify,
    /// Cancelled when the connection must be closed.
    pub(super) ended: CancellationToken,
    reason: Mutex<Option<GatewayCloseReason>>,
}

impl ConnectionSignals {
    /// Returns why the bridge ended the connection, if it did.
    pub(super) fn reason(&self) -> Option<GatewayCloseReason> {
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.take()
    }

    fn end(&self, reason: GatewayCloseReason) {
        let mut held = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        held.get_or_insert(reason);
        self.ended.cancel();
    }
}

/// What the tasks of a gateway share.
#[derive(Debug)]
pub(crate) struct GatewayRoom {
    state: Mutex<RoomState>,
    pub(super) core: Arc<Core>,
    checker: Arc<Checker>,
    /// Notified when the first connection has a handshake or the last one ends.
    pub(super) connected: Notify,
    /// Notified when the bridge's next timeout has become earlier.
    timer: Notify,
    /// Notified when a connection has ended, so that diallers look again.
    pub(super) neighbours: tokio::sync::watch::Sender<u64>,
    /// Locked by the task that carries the machine's frames.
    pub(super) carrying: tokio::sync::Mutex<Carrying>,
    /// Cancelled when the task that carries frames has handed over everything at the end.
    pub(super) drained: CancellationToken,
}

#[derive(Debug)]
struct RoomState {
    bridge: GatewayBridge,
    /// The machine's peer that stands for the chain, and the signals of its frames.
    peer: Option<(PeerId, Arc<Signals>)>,
    connections: HashMap<GatewayConnectionId, Arc<ConnectionSignals>>,
    /// When the timer task will wake by itself.
    armed: Option<Instant>,
    /// Since when the machine's frames wait for connections with much to write.
    waits: Option<Instant>,
}

/// What the task that carries frames has in its hands. If the task is dropped with its connection, the
/// next one goes on.
#[derive(Debug, Default)]
pub(super) struct Carrying {
    /// An empty queue, to be filled again.
    pub(super) spare: VecDeque<Piece>,
    /// What the bridge has answered.
    pub(super) answers: Option<ForMachine>,
    /// What the machine is told of it next.
    pub(super) events: VecDeque<NodeEvent>,
}

/// Frames of the bridge for the node machine.
#[must_use]
#[derive(Debug)]
pub(super) struct ForMachine {
    pub(super) frames: Option<(PeerId, Vec<PeerFrame>)>,
    /// Whether the first connection has a handshake or the last one ended.
    changed: bool,
}

impl GatewayRoom {
    pub(super) fn new(bridge: GatewayBridge, core: Arc<Core>, checker: Arc<Checker>) -> Self {
        Self {
            state: Mutex::new(RoomState {
                bridge,
                peer: None,
                connections: HashMap::new(),
                armed: None,
                waits: None,
            }),
            core,
            checker,
            connected: Notify::new(),
            timer: Notify::new(),
            neighbours: tokio::sync::watch::Sender::new(0),
            carrying: tokio::sync::Mutex::default(),
            drained: CancellationToken::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, RoomState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns something that does not change the bridge.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&GatewayBridge) -> R) -> R {
        look(&self.lock().bridge)
    }

    /// Takes packets out of the bridge, which concerns only the machine's frames that wait for room.
    pub(super) fn take_packets(&self, take: impl FnOnce(&mut GatewayBridge)) {
        let mut state = self.lock();
        take(&mut state.bridge);
        let machine = state.machine_with_room();
        drop(state);
        wake(machine);
    }

    /// Returns whether no connection has much to write. If one has, the signals of the machine's
    /// frames are notified when this is over.
    pub(super) fn has_room(&self) -> bool {
        let mut state = self.lock();
        match state.bridge.is_congested() {
            true => {
                state.waits.get_or_insert_with(Instant::now);
            }
            false => state.waits = None,
        }
        state.waits.is_none()
    }

    /// Returns since when the machine's frames wait for connections with much to write.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.lock().waits
    }

    pub(super) fn machine_peer(&self) -> Option<PeerId> {
        self.lock().peer.as_ref().map(|&(peer, _)| peer)
    }

    /// Returns the signals of the machine's frames, while it has a peer.
    pub(super) fn machine_signals(&self) -> Option<Arc<Signals>> {
        let state = self.lock();
        state.peer.as_ref().map(|(_, signals)| signals.clone())
    }

    /// Records that the transport of a connection accepted some bytes.
    pub(super) fn note_written(&self, connection: GatewayConnectionId) {
        let now = Instant::now();
        self.lock().bridge.note_written(now, connection);
    }

    /// Calls the bridge, and reaches everybody whom this concerns, except the machine: give it the
    /// frames by [`hand_on`](Self::hand_on). The lock is never held across an await.
    pub(super) fn with<R>(
        &self,
        call: impl FnOnce(&mut GatewayBridge, Instant) -> R,
    ) -> (R, ForMachine) {
        let mut state = self.lock();
        let was_connected = state.bridge.is_connected();
        let result = call(&mut state.bridge, Instant::now());
        let mut notices = Vec::new();
        let mut ended = false;
        while let Some(event) = state.bridge.poll_event() {
            match event {
                GatewayBridgeEvent::Writable(id) => {
                    if let Some(signals) = state.connections.get(&id) {
                        signals.write.notify_one();
                    }
                }
                GatewayBridgeEvent::Closed {
                    connection, reason, ..
                } => {
                    ended = true;
                    if let Some(signals) = state.connections.remove(&connection) {
                        signals.end(reason);
                    }
                }
                event => notices.push(event),
            }
        }
        let peer = state.peer.as_ref().map(|&(peer, _)| peer);
        let frames = state.bridge.take_frames();
        let is_connected = state.bridge.is_connected();
        let rearm = state.must_rearm();
        let machine = state.machine_with_room();
        drop(state);
        wake(machine);
        if rearm {
            self.timer.notify_one();
        }
        if ended {
            self.neighbours.send_modify(|count| *count += 1);
        }
        for notice in notices {
            self.log(&notice);
        }
        let frames = match frames.is_empty() {
            true => None,
            false => peer.map(|peer| (peer, frames)),
        };
        let changed = was_connected != is_connected;
        (result, ForMachine { frames, changed })
    }

    /// Gives frames to the node machine. Long ones are read on another thread first.
    pub(super) async fn hand_on(&self, mut frames: ForMachine) {
        if let Some((peer, frames)) = frames.frames.take() {
            let events = self.checked(peer, frames).await;
            self.give(events).await;
        }
        // Only now: the end of the machine's peer must not overtake its last frames.
        self.lose(frames);
    }

    /// Drops frames for the node machine, where nobody can wait until they are handed on.
    pub(super) fn lose(&self, frames: ForMachine) {
        if frames.changed {
            self.connected.notify_one();
        }
    }

    /// Makes events of frames for the node machine. Long ones are read on another thread.
    pub(super) async fn checked(&self, peer: PeerId, frames: Vec<PeerFrame>) -> Vec<NodeEvent> {
        let events = frames
            .into_iter()
            .map(|frame| NodeEvent::PeerFrame(peer, frame.into()));
        let events: Vec<NodeEvent> = events.collect();
        let length: usize = events.iter().map(Checker::length).sum();
        let checker = self.checker.clone();
        let check = move || {
            let checked = events.into_iter().map(|event| checker.checked(event));
            checked.collect::<Vec<NodeEvent>>()
        };
        match length <= HASHED_HERE {
            true => check(),
            false => aside(check).await,
        }
    }

    /// Gives events to the node machine in parts, so that others get their turn in between.
    pub(super) async fn give(&self, events: impl IntoIterator<Item = NodeEvent>) {
        let mut events = events.into_iter();
        // Only sessions cause questions.
        while self.core.handle_some(&mut events).more {
            tokio::task::yield_now().await;
        }
    }

    /// Takes a connection.
    pub(super) fn connect(
        &self,
        neighbour: GatewayAddress,
    ) -> Result<(GatewayConnectionId, Arc<ConnectionSignals>, ForMachine), GatewayRefusal> {
        let signals = Arc::new(ConnectionSignals::default());
        let mut state = self.lock();
        let id = state.bridge.connect(Instant::now(), neighbour)?;
        state.connections.insert(id, signals.clone());
        drop(state);
        // The bridge has packets for it already.
        let ((), frames) = self.with(|_, _| ());
        Ok((id, signals, frames))
    }

    /// Sets the machine's peer that stands for the chain, and the signals of its frames.
    pub(super) fn open_machine(&self, peer: PeerId, signals: Arc<Signals>) -> ForMachine {
        let mut state = self.lock();
        state.peer = Some((peer, signals));
        for connection in state.connections.values() {
            // From now on it waits for the machine's frames, too.
            connection.write.notify_one();
        }
        drop(state);
        self.with(|bridge, now| bridge.open_machine(now)).1
    }

    /// Records that the machine has no peer for the chain any more.
    pub(super) fn close_machine(&self) {
        let ((), frames) = self.with(|bridge, now| bridge.close_machine(now));
        self.lose(frames);
        self.lock().peer = None;
    }

    /// Feeds timeouts to the bridge when they are due; never returns.
    pub(super) async fn run_timer(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                state.armed = state.bridge.next_timeout();
                state.armed
            };
            if wait_until_due(next, &self.timer).await {
                let ((), frames) = self.with(|bridge, now| bridge.handle_timeout(now));
                self.hand_on(frames).await;
            }
        }
    }

    fn log(&self, event: &GatewayBridgeEvent) {
        if let GatewayBridgeEvent::Notice { connection, notice } = event {
            self.core.journal.warn(
                LineKind::GatewayNotice,
                Cause::Peer(connection.0),
                format_args!(
                    "gateway connection {}: {}",
                    connection.0,
                    with_causes(notice)
                ),
            );
        }
    }
}

/// Lets a task that writes to a connection take the machine's frames.
fn wake(machine: Option<Arc<Signals>>) {
    if let Some(machine) = machine {
        machine.write.notify_one();
    }
}

impl RoomState {
    /// Returns, once, the signals of the machine's frames if they wait and there is room now.
    fn machine_with_room(&mut self) -> Option<Arc<Signals>> {
        if self.waits.is_none() || self.bridge.is_congested() {
            return None;
        }
        self.waits = None;
        self.peer.as_ref().map(|(_, signals)| signals.clone())
    }

    fn must_rearm(&mut self) -> bool {
        let Some(next) = self.bridge.next_timeout() else {
            return false;
        };
        let earlier = self.armed.is_none_or(|armed| next < armed);
        if earlier {
            self.armed = Some(next);
        }
        earlier
    }
}
