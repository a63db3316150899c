//! Carries frames between the bridge and the node machine, to which the chain is one peer.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use amop_proto::{
    NodeId,
    log::with_causes,
    node::{NodeEvent, PeerId, PeerIdentity, Piece},
};
use tokio::time::{Instant, sleep, timeout};

use super::room::GatewayRoom;
use crate::{
    context::NodeContext,
    journal::{Cause, LineKind},
    outbox::{Outbox, Signals, WriteBatch},
};

/// The pause before the machine gets a new peer after it closed the last one.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the machine's frames wait while a connection has much to write. Then the connection
/// loses messages.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is checked which overlay node carries the chain's messages.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// How often the connections are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// The machine's side of a gateway.
#[derive(Debug, Clone)]
pub(super) struct MachineSide {
    pub(super) context: NodeContext,
    pub(super) room: Arc<GatewayRoom>,
    pub(super) identity: PeerIdentity,
    /// Whether the chain takes part in the overlay.
    pub(super) transit: bool,
}

/// Why the machine has no peer any more.
enum PeerEnd {
    /// There is no connection with a 3.x node.
    Disconnected,
    /// The machine closed it.
    ByMachine,
    /// Another overlay node carries the chain's messages.
    StandingBy,
    Stopping,
}

/// A peer that the machine knows. Dropping it tells the machine that it ended, also after a panic.
struct Entered<'a> {
    side: &'a MachineSide,
    peer: PeerId,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.side.room.close_machine();
        let peer = self.peer;
        self.side.context.core.handle_with(|state| {
            state.peers.remove(&peer);
            [NodeEvent::PeerClosed(peer)]
        });
    }
}

impl MachineSide {
    /// Runs until the node stops.
    pub(super) async fn run(self) {
        let stop = self.context.stop.clone();
        loop {
            tokio::select! {
                () = self.wait_for_turn() => {}
                () = stop.cancelled() => return,
            }
            match self.run_peer().await {
                PeerEnd::Stopping => return,
                PeerEnd::Disconnected | PeerEnd::StandingBy => {}
                PeerEnd::ByMachine => {
                    tokio::select! {
                        () = sleep(AGAIN) => {}
                        () = stop.cancelled() => return,
                    }
                }
            }
        }
    }

    /// Returns once there is a connection and no other overlay node carries the chain's messages.
    async fn wait_for_turn(&self) {
        let mut told = None;
        loop {
            let connected = self.room.look(|bridge| bridge.is_connected());
            let carrier = self.carrier().filter(|_| connected);
            if connected && carrier.is_none() {
                return;
            }
            if let Some(carrier) = carrier.filter(|_| told != carrier) {
                self.log_carrier(carrier);
            }
            told = carrier;
            tokio::select! {
                () = self.room.connected.notified() => {}
                () = sleep(LOOK_AROUND) => {}
            }
        }
    }

    /// Returns the overlay node that carries the chain's messages instead of this one. If several
    /// nodes that reach each other carried them, each message would arrive once over each of them.
    /// What they announce is signed, so that no 3.x node can make this one stand by.
    fn carrier(&self) -> Option<NodeId> {
        if !self.transit {
            return None;
        }
        let (own, chain) = (self.context.node_id, &self.identity.node);
        let borders = self.context.core.lock().machine.router().borders_of(chain);
        borders.into_iter().filter(|border| *border < own).min()
    }

    fn log_carrier(&self, carrier: NodeId) {
        let text = format_args!(
            "the gateway stands by: overlay node {} carries the messages of the 3.x chain",
            carrier.short()
        );
        let journal = &self.context.core.journal;
        journal.info(LineKind::GatewayStandsBy, Cause::Node, text);
    }

    /// Runs the machine's peer until there is no connection, or the machine closes it.
    async fn run_peer(&self) -> PeerEnd {
        let core = &self.context.core;
        let peer = core.next_peer();
        let outbox = Outbox::new(true);
        let signals = outbox.signals.clone();
        let identity = self.identity.clone();
        core.handle_with(|state| {
            state.peers.insert(peer, outbox);
            [NodeEvent::PeerOpened {
                peer,
                identity,
                dialled: true,
            }]
        });
        let entered = Entered { side: self, peer };
        let frames = self.room.open_machine(peer);
        self.room.hand_on(frames).await;
        let end = self.carry(peer, &signals).await;
        if matches!(end, PeerEnd::Stopping) {
            // What the machine sent before the end still leaves.
            self.take(peer, VecDeque::new()).await;
        }
        let reason = core
            .lock()
            .peers
            .get_mut(&peer)
            .and_then(Outbox::close_reason);
        drop(entered);
        if let Some(reason) = reason {
            core.journal.warn(
                LineKind::PeerEnded,
                Cause::Node,
                format_args!(
                    "the peer that stands for the 3.x chain was closed: {}",
                    with_causes(&reason)
                ),
            );
        }
        end
    }

    async fn carry(&self, peer: PeerId, signals: &Signals) -> PeerEnd {
        let mut spare = VecDeque::new();
        let mut looked = Instant::now();
        loop {
            match self.take(peer, std::mem::take(&mut spare)).await {
                Some(emptied) => spare = emptied,
                None => {
                    tokio::select! {
                        () = signals.write.notified() => {}
                        () = self.room.connected.notified() => {}
                        () = sleep(LOOK_AROUND) => {}
                        () = signals.close.cancelled() => return PeerEnd::ByMachine,
                        () = self.context.stop.cancelled() => return PeerEnd::Stopping,
                    }
                }
            }
            if signals.close.is_cancelled() {
                return PeerEnd::ByMachine;
            }
            if !self.room.look(|bridge| bridge.is_connected()) {
                return PeerEnd::Disconnected;
            }
            if looked.elapsed() < LOOK_AROUND {
                continue;
            }
            looked = Instant::now();
            if self.carrier().is_some() {
                return PeerEnd::StandingBy;
            }
        }
    }

    /// Gives the bridge the frames that wait. Returns their queue, empty; `None` if none waited.
    async fn take(&self, peer: PeerId, spare: VecDeque<Piece>) -> Option<VecDeque<Piece>> {
        let core = &self.context.core;
        let taken = core.lock().peers.get_mut(&peer).and_then(|o| o.take(spare));
        let WriteBatch { mut frames, .. } = taken?;
        let mut written = Vec::with_capacity(frames.len());
        let messages: Vec<_> = frames
            .drain(..)
            .map(|piece| {
                written.push(NodeEvent::PeerWritten(peer, piece.lane, piece.counts));
                piece.message.joined()
            })
            .collect();
        let ((), answers) = self.room.with(|bridge, now| {
            for message in messages {
                bridge.handle_frame(now, message);
            }
        });
        self.room.hand_on(answers).await;
        self.wait_for_room().await;
        self.room.give(written).await;
        Some(frames)
    }

    /// Waits a short time while a connection has much to write, so that publishers are slowed down
    /// before messages are lost. A connection that stays behind delays the others at most once in a
    /// minute.
    async fn wait_for_room(&self) {
        let congested = || self.room.look(|bridge| bridge.is_congested());
        if !congested() {
            return;
        }
        let cleared = async {
            while congested() {
                sleep(LOOK).await;
            }
        };
        let waited = tokio::select! {
            waited = timeout(PATIENCE, cleared) => waited,
            () = self.context.stop.cancelled() => return,
        };
        if waited.is_err() {
            let ((), frames) = self.room.with(|bridge, now| bridge.note_behind(now));
            self.room.hand_on(frames).await;
        }
    }
}

/// Returns the identity of the peer that stands for a chain.
pub(super) fn identity(
    node: NodeId,
    (agency, authority): (String, [u8; 32]),
    address: String,
) -> PeerIdentity {
    PeerIdentity {
        node,
        name: "3.x chain".to_owned(),
        agency,
        authority,
        address,
        new_seqs: true,
    }
}
