//! Keeps a connection with one configured 3.x node: dials, runs the connection, dials again.

use std::{sync::Arc, time::Duration};

use amop_proto::gateway::{GatewayAddress, GatewayId, bridge::GatewayRefusal};
use amop_tls::{Admitted, HandshakeFailure, Side};
use rand::RngExt;
use rustls::ClientConfig;
use tokio::time::sleep;
use tokio_rustls::client::TlsStream;

use super::{connection::GatewayEnd, parts::Gateway, prepare::address_of};
use crate::{
    access::admit,
    config::PeerAddr,
    dial::{DialError, Dialled, PeerTarget},
    ports::Door,
    tcp::Tcp,
};

/// The time limit for TCP and TLS together (gateway-v3 section 8).
const DIAL: Duration = Duration::from_secs(50);

/// Keeps a connection with one configured 3.x node.
#[derive(Debug)]
pub(super) struct GatewayDialler {
    gateway: Gateway,
    target: PeerTarget,
    redial: Duration,
    /// The node that answered at this address last.
    node: Option<GatewayId>,
}

/// A 3.x node that answered.
type Known = (GatewayAddress, Admitted);

impl GatewayDialler {
    pub(super) fn new(
        gateway: Gateway,
        door: Arc<Door>,
        peer: PeerAddr,
        tls: Arc<ClientConfig>,
        redial: Duration,
    ) -> Self {
        let tls = (tls, gateway.verifier.mode());
        Self {
            target: PeerTarget::new(("3.x node", peer), door, tls, DIAL),
            gateway,
            redial,
            node: None,
        }
    }

    /// Runs until the node stops. A peer that turns out to be this node itself is not dialled again
    /// if it is an address; a name may get others.
    pub(super) async fn run(mut self) {
        let stop = self.gateway.context.stop.clone();
        loop {
            tokio::select! {
                () = self.wait_while_connected() => {}
                () = stop.cancelled() => return,
            }
            let dialled = tokio::select! {
                dialled = self.dial() => dialled,
                () = stop.cancelled() => return,
            };
            match dialled {
                Ok(dialled) => {
                    self.node = Some(dialled.who.0.id());
                    if self.serve(dialled).await {
                        return;
                    }
                }
                Err(error) => self.target.report(&self.gateway.context.core, &error),
            }
            // Jitter, so that two nodes that dial each other do not keep colliding: 3.x nodes
            // close both connections then.
            let pause = self.redial.mul_f64(rand::rng().random_range(0.7..1.1));
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Runs a connection until it ends. Returns whether the peer need not be dialled again.
    async fn serve(&mut self, dialled: Dialled<Known>) -> bool {
        let Dialled {
            address,
            stream,
            who: (node, admitted),
        } = dialled;
        // It watches the stop signal itself, so that it ends in order.
        let end = self.gateway.run(stream, node, admitted, address).await;
        match end {
            GatewayEnd::Shutdown => true,
            GatewayEnd::Refused(GatewayRefusal::Itself) => {
                self.node = None;
                self.target.peer.is_address()
            }
            GatewayEnd::Refused(_) | GatewayEnd::Unlisted(_) => {
                self.target.order.unusable(address);
                false
            }
            _ => {
                self.target.order.usable(address);
                false
            }
        }
    }

    /// Returns once the node behind the address, if it is known, has no connection.
    async fn wait_while_connected(&self) {
        let Some(node) = self.node else {
            return;
        };
        let room = &self.gateway.room;
        let mut changed = room.neighbours.subscribe();
        while room.look(|bridge| bridge.is_neighbour(node)) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    async fn dial(&mut self) -> Result<Dialled<Known>, DialError> {
        let verifier = self.gateway.verifier.clone();
        let recognise = move |_, stream: &TlsStream<Tcp>| {
            let chain = stream.get_ref().1.peer_certificates();
            let admitted =
                admit(&verifier, chain, Side::Server).map_err(HandshakeFailure::PeerCertificate)?;
            let node = address_of(chain.unwrap_or_default());
            Ok((node.map_err(|_| DialError::NoNodeId)?, admitted))
        };
        self.target.dial(&self.gateway.context, recognise).await
    }
}
