//! Keeps a connection to one configured peer: dials, runs the connection, dials again.

mod peer_target;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use amop_proto::{
    log::with_causes,
    node::{PeerCloseReason, PeerIdentity},
    p2p::NodeId,
};
use amop_tls::{Admitted, HandshakeFailure, Mode, Side, Standing};
use rand::RngExt;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep};
use tokio_rustls::client::TlsStream;

pub(crate) use self::peer_target::{DialError, Dialled, PeerTarget};
use crate::{
    access::admit,
    config::PeerAddr,
    connection::{identify, run_peer},
    context::NodeContext,
    journal::LineKind,
    link_end::LinkEnd,
    tcp::Tcp,
};

/// The delay before the first retry; each further delay is twice as long.
const RETRY_MIN: Duration = Duration::from_millis(200);
/// The longest delay between retries; FISCO nodes retry every 10 s (p2p-v2 section 3.1).
const RETRY_MAX: Duration = Duration::from_secs(5);
/// The time limit for TCP and TLS together.
const DIAL: Duration = Duration::from_secs(10);
/// A connection to an authenticated peer that lasted longer than this was good: the next delay is
/// that of a first retry. A peer that closes at once is not dialled faster than one that is not
/// there.
const GOOD: Duration = Duration::from_secs(1);
/// The delay before a name is resolved again that has only this node's own addresses: a name that
/// all nodes share may get other addresses when they start.
const ALONE: Duration = Duration::from_secs(30);

/// Keeps a connection to one configured peer.
#[derive(Debug)]
pub(crate) struct Dialler {
    context: NodeContext,
    target: PeerTarget,
    /// The node that answered at this address last.
    node: Option<NodeId>,
}

impl Dialler {
    pub(crate) fn new(context: NodeContext, peer: PeerAddr, tls: Arc<ClientConfig>) -> Self {
        let door = context.p2p_door.clone();
        Self {
            target: PeerTarget::new(("peer", peer), door, (tls, Mode::Ec), DIAL),
            context,
            node: None,
        }
    }

    /// Runs until the node stops, or until the peer turns out to be the node itself.
    pub(crate) async fn run(mut self) {
        let stop = self.context.stop.clone();
        let mut delay = RETRY_MIN;
        loop {
            let started = Instant::now();
            tokio::select! {
                () = self.wait_while_connected() => {}
                () = stop.cancelled() => return,
            }
            // A connection that the peer dialled counts, too.
            if started.elapsed() > GOOD {
                delay = RETRY_MIN;
            }
            let dialled = tokio::select! {
                dialled = self.dial() => dialled,
                () = stop.cancelled() => return,
            };
            match dialled {
                Ok(Dialled {
                    address,
                    stream,
                    who: (identity, standing),
                }) => {
                    self.node = Some(identity.node);
                    let started = Instant::now();
                    // It watches the stop signal itself, so that it ends in order.
                    let end = run_peer(&self.context, identity, standing, true, stream).await;
                    if started.elapsed() > GOOD {
                        delay = RETRY_MIN;
                        self.target.order.usable(address);
                    } else {
                        // The node may refuse this one at that address.
                        self.target.order.unusable(address);
                    }
                    if self.is_over(&end) {
                        return;
                    }
                }
                Err(DialError::Itself) => {
                    tracing::debug!("peer {} is this node itself", self.target.peer);
                    if self.target.peer.is_address() {
                        return;
                    }
                    delay = ALONE;
                }
                Err(error) => self.target.report(&self.context.core, &error),
            }
            // Jitter, so that two nodes that dial each other do not keep colliding.
            let jittered = delay.mul_f64(rand::rng().random_range(0.5..1.5));
            delay = (delay * 2).min(RETRY_MAX);
            tokio::select! {
                () = sleep(jittered) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Returns whether there is nothing left to do after a connection ended.
    fn is_over(&self, end: &LinkEnd<PeerCloseReason>) -> bool {
        match end {
            LinkEnd::Shutdown => true,
            LinkEnd::ByMachine(PeerCloseReason::Duplicate) => false,
            end => {
                let (peer, cause) = (&self.target.peer, self.target.cause());
                let text = format!(
                    "connection to the node at {peer} ended: {}",
                    with_causes(end)
                );
                self.context
                    .core
                    .journal
                    .info(LineKind::PeerEnded, cause, text);
                false
            }
        }
    }

    /// Returns once the node behind the address, if it is known, is not connected.
    async fn wait_while_connected(&self) {
        let Some(node) = self.node else {
            return;
        };
        let mut changed = self.context.core.peers_changed();
        loop {
            let connected = self
                .context
                .core
                .lock()
                .machine
                .peers()
                .any(|peer| peer.node == node);
            if !connected || changed.changed().await.is_err() {
                return;
            }
        }
    }

    async fn dial(&mut self) -> Result<Dialled<(PeerIdentity, Standing)>, DialError> {
        let context = self.context.clone();
        let recognise = move |address, stream: &TlsStream<Tcp>| context.recognise(address, stream);
        self.target.dial(&self.context, recognise).await
    }
}

impl NodeContext {
    /// Returns who answers at an address; an error if this node does not connect to it.
    fn recognise(
        &self,
        address: SocketAddr,
        stream: &TlsStream<Tcp>,
    ) -> Result<(PeerIdentity, Standing), DialError> {
        let certificates = stream.get_ref().1.peer_certificates();
        let Admitted { info, standing, .. } = admit(&self.access.peers, certificates, Side::Server)
            .map_err(HandshakeFailure::PeerCertificate)?;
        let identity = identify(info, &standing, address).ok_or(DialError::NoNodeId)?;
        if identity.node == self.node_id {
            return Err(DialError::Itself);
        }
        Ok((identity, standing))
    }
}
