//! The peer of the node machine that stands for the chain.

use std::{sync::Arc, time::Duration};

use amop_proto::{
    NodeId,
    log::with_causes,
    node::{NodeEvent, PeerId, PeerIdentity},
};
use tokio::time::sleep;

use super::room::GatewayRoom;
use crate::{
    context::NodeContext,
    journal::{Cause, LineKind},
    outbox::{Outbox, Signals},
};

/// The pause before the machine gets a new peer after it closed the last one.
const AGAIN: Duration = Duration::from_secs(1);

/// How often it is checked which overlay node carries the chain's messages, and whether frames wait.
const LOOK_AROUND: Duration = Duration::from_secs(1);

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
        let text = format!(
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
        let frames = self.room.open_machine(peer, signals.clone());
        self.room.hand_on(frames).await;
        let end = self.watch(&signals).await;
        if matches!(end, PeerEnd::Stopping) {
            // What the machine sent before the end still leaves.
            self.room.carry_rest().await;
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

    /// Watches over the peer until it ends. The tasks of the connections carry its frames.
    async fn watch(&self, signals: &Signals) -> PeerEnd {
        let stop = &self.context.stop;
        loop {
            tokio::select! {
                () = self.room.connected.notified() => {}
                () = sleep(LOOK_AROUND) => {}
                () = signals.close.cancelled() => return PeerEnd::ByMachine,
                () = stop.cancelled() => return PeerEnd::Stopping,
            }
            if !self.room.look(|bridge| bridge.is_connected()) {
                return PeerEnd::Disconnected;
            }
            if self.carrier().is_some() {
                return PeerEnd::StandingBy;
            }
            self.room.give_up_waiting().await;
            // All connections may be busy with writing.
            self.room.carry().await;
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
