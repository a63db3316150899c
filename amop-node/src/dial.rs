//! Keeps a connection to one configured peer: dials, runs it, dials again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use amop_proto::{
    node::{PeerCloseReason, PeerIdentity},
    p2p::NodeId,
};
use amop_tls::{Admitted, HandshakeFailure, Identity, Mode, Side, Standing};
use rand::RngExt;
use rustls::ClientConfig;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    access::admit,
    config::PeerAddr,
    journal::{Cause, Kind},
    link::LinkEnd,
    listen::{identify, run_peer},
    node::Context,
    ports::Ports,
    tcp::Tcp,
};

/// The first retry comes about this soon, the next after twice as long, and so on.
const RETRY_MIN: Duration = Duration::from_millis(200);
/// Retries come no more seldom than this; on real nodes every 10 s (p2p-v2 section 3.1).
const RETRY_MAX: Duration = Duration::from_secs(5);
/// For TCP and TLS together.
const DIAL: Duration = Duration::from_secs(10);
/// A connection to an authenticated peer that lasted longer was good: the next retry is a first one. A
/// peer that closes at once is not dialled any faster than one that is not there.
const GOOD: Duration = Duration::from_secs(1);

/// Keeps a connection to one configured peer.
#[derive(Debug)]
pub(crate) struct Dialler {
    context: Context,
    peer: PeerAddr,
    tls: Arc<ClientConfig>,
    /// The node that answered there last.
    node: Option<NodeId>,
    /// What went wrong last, so that it is logged once and not at every retry.
    complaint: String,
}

#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("the name does not resolve: {0}")]
    Resolve(std::io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("TLS: {0}")]
    Tls(#[from] HandshakeFailure),
    #[error("no answer within {} s", DIAL.as_secs())]
    Timeout,
    #[error("its certificate gives no node ID")]
    NoNodeId,
}

impl Dialler {
    pub(crate) fn new(context: Context, peer: PeerAddr, tls: Arc<ClientConfig>) -> Self {
        Self {
            context,
            peer,
            tls,
            node: None,
            complaint: String::new(),
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
            // So was one that the peer dialled.
            if started.elapsed() > GOOD {
                delay = RETRY_MIN;
            }
            let dialled = tokio::select! {
                dialled = timeout(DIAL, self.dial()) => dialled.unwrap_or(Err(DialError::Timeout)),
                () = stop.cancelled() => return,
            };
            match dialled {
                Ok((stream, identity, standing)) => {
                    self.complaint.clear();
                    self.node = Some(identity.node);
                    let started = Instant::now();
                    // Sees the stop itself, so that it ends in order.
                    let end = run_peer(&self.context, identity, standing, true, stream).await;
                    if started.elapsed() > GOOD {
                        delay = RETRY_MIN;
                    }
                    if self.is_over(&end) {
                        return;
                    }
                }
                Err(error) => self.complain(&error),
            }
            // Jitter, so that two nodes that dial each other do not collide again.
            let jittered = delay.mul_f64(rand::rng().random_range(0.5..1.5));
            delay = (delay * 2).min(RETRY_MAX);
            tokio::select! {
                () = sleep(jittered) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Whether there is nothing left to do after a connection has ended.
    fn is_over(&self, end: &LinkEnd<PeerCloseReason>) -> bool {
        match end {
            LinkEnd::ByMachine(PeerCloseReason::LocalIdentity) => {
                // The chain's script lists the node itself, too.
                tracing::debug!("peer {} is this node itself", self.peer);
                true
            }
            LinkEnd::Shutdown => true,
            LinkEnd::ByMachine(PeerCloseReason::Duplicate) => false,
            end => {
                let (peer, cause) = (&self.peer, self.cause());
                let text = format_args!("connection to the node at {peer} ended: {end}");
                self.context.core.journal.info(Kind::PeerEnded, cause, text);
                false
            }
        }
    }

    fn cause(&self) -> Cause {
        let mut hasher = DefaultHasher::new();
        self.peer.hash(&mut hasher);
        Cause::Configured(hasher.finish())
    }

    fn complain(&mut self, error: &DialError) {
        let complaint = error.to_string();
        if complaint != self.complaint {
            // Not there yet is the usual state of things when a network starts.
            let (journal, peer, cause) = (&self.context.core.journal, &self.peer, self.cause());
            let text = format_args!("peer {peer}: {complaint}; will keep trying");
            if matches!(error, DialError::Connect(_)) {
                journal.info(Kind::DialFailed, cause, text);
            } else {
                journal.warn(Kind::DialFailed, cause, text);
            }
            self.complaint = complaint;
        }
    }

    /// Returns once the node behind the address, as far as it is known, is not connected.
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

    async fn dial(&self) -> Result<(TlsStream<Tcp>, PeerIdentity, Standing), DialError> {
        let addresses: Vec<SocketAddr> = lookup_host((self.peer.host(), self.peer.port()))
            .await
            .map_err(DialError::Resolve)?
            .collect();
        // The peer may dial this node from there. It finds a place then, however many others want one.
        let door = &self.context.p2p_door;
        door.expect(&self.peer, addresses.iter().map(SocketAddr::ip));
        let address = *addresses.first().ok_or(DialError::NoAddress)?;
        let connecting = connect(self.context.ports.clone(), address, self.tls.clone());
        let connected = self.context.ports.run(connecting).await;
        let mut stream = connected
            .map_err(|gone| DialError::Connect(gone.into()))?
            .inspect_err(|error| {
                if let DialError::Tls(failure) = error {
                    self.context.core.refusals.handshake_failed(failure);
                }
            })?;
        stream.get_mut().0.move_here().map_err(DialError::Connect)?;
        let certificates = stream.get_ref().1.peer_certificates();
        let Admitted { info, standing, .. } =
            admit(&self.context.access.peers, certificates, Side::Server)
                .map_err(HandshakeFailure::PeerCertificate)?;
        let identity = identify(info, address).ok_or(DialError::NoNodeId)?;
        Ok((stream, identity, standing))
    }
}

/// Connects on the thread of the ports: checking certificates takes time there and not from messages.
async fn connect(
    ports: Ports,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<Tcp>, DialError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(DialError::Connect)?;
    let stream = Tcp::new(stream).map_err(DialError::Connect)?;
    let handshake = async {
        let connector = TlsConnector::from(tls);
        connector.connect(Identity::server_name(), stream).await
    };
    let shaken = ports.shake_first(handshake).await;
    shaken.map_err(|error| HandshakeFailure::from_io(error, Side::Client, Mode::Ec).into())
}
