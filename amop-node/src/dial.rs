//! Keeps a connection to one configured peer: dials, runs the connection, dials again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use amop_proto::{
    log::with_causes,
    node::{PeerCloseReason, PeerIdentity},
    p2p::NodeId,
    race::AddressOrder,
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
    connection::{identify, run_peer},
    context::NodeContext,
    journal::{Cause, LineKind},
    link_end::LinkEnd,
    ports::Ports,
    race,
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
    peer: PeerAddr,
    tls: Arc<ClientConfig>,
    /// The node that answered at this address last.
    node: Option<NodeId>,
    /// Which of its addresses to try first.
    order: AddressOrder,
    /// The last failure, so that it is logged once and not at every retry.
    last_error: String,
}

/// A connection to a peer.
struct Dialled {
    address: SocketAddr,
    stream: TlsStream<Tcp>,
    identity: PeerIdentity,
    standing: Standing,
}

#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("the name does not resolve")]
    Resolve(#[source] io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Tls(#[from] HandshakeFailure),
    #[error("no answer within {} s", DIAL.as_secs())]
    Timeout,
    #[error("its certificate gives no node ID")]
    NoNodeId,
    /// The chain's script lists the node itself, too, and a name may be that of all nodes.
    #[error("it is this node itself")]
    Itself,
}

impl DialError {
    /// Returns how much an error says, compared with those of the other addresses of a name. One of
    /// an address that accepted the connection says most. A name may also have this node's own
    /// address.
    fn rank(&self) -> u8 {
        match self {
            Self::Itself => 0,
            Self::Resolve(_) | Self::NoAddress | Self::Connect(_) | Self::Timeout => 1,
            Self::Tls(_) | Self::NoNodeId => 2,
        }
    }
}

impl Dialler {
    pub(crate) fn new(context: NodeContext, peer: PeerAddr, tls: Arc<ClientConfig>) -> Self {
        Self {
            context,
            peer,
            tls,
            node: None,
            order: AddressOrder::default(),
            last_error: String::new(),
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
                dialled = timeout(DIAL, self.dial()) => dialled.unwrap_or(Err(DialError::Timeout)),
                () = stop.cancelled() => return,
            };
            match dialled {
                Ok(Dialled {
                    address,
                    stream,
                    identity,
                    standing,
                }) => {
                    self.last_error.clear();
                    self.node = Some(identity.node);
                    let started = Instant::now();
                    // It watches the stop signal itself, so that it ends in order.
                    let end = run_peer(&self.context, identity, standing, true, stream).await;
                    if started.elapsed() > GOOD {
                        delay = RETRY_MIN;
                        self.order.usable(address);
                    } else {
                        // The node may refuse this one at that address.
                        self.order.unusable(address);
                    }
                    if self.is_over(&end) {
                        return;
                    }
                }
                Err(DialError::Itself) => {
                    tracing::debug!("peer {} is this node itself", self.peer);
                    if self.peer.is_address() {
                        return;
                    }
                    delay = ALONE;
                }
                Err(error) => self.report(&error),
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
                let (peer, cause) = (&self.peer, self.cause());
                let text = format_args!(
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

    fn cause(&self) -> Cause {
        let mut hasher = DefaultHasher::new();
        self.peer.hash(&mut hasher);
        Cause::Configured(hasher.finish())
    }

    fn report(&mut self, error: &DialError) {
        let text_of_error = with_causes(error).to_string();
        if text_of_error != self.last_error {
            // When a network starts, peers are usually not there yet.
            let (journal, peer, cause) = (&self.context.core.journal, &self.peer, self.cause());
            let text = format_args!("peer {peer}: {text_of_error}; will keep trying");
            if matches!(error, DialError::Connect(_)) {
                journal.info(LineKind::DialFailed, cause, text);
            } else {
                journal.warn(LineKind::DialFailed, cause, text);
            }
            self.last_error = text_of_error;
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

    async fn dial(&self) -> Result<Dialled, DialError> {
        let addresses: Vec<SocketAddr> = lookup_host((self.peer.host(), self.peer.port()))
            .await
            .map_err(DialError::Resolve)?
            .collect();
        // The peer may dial this node from these addresses. It then gets a place, however many
        // others want one.
        let door = &self.context.p2p_door;
        door.expect(&self.peer, addresses.iter().map(SocketAddr::ip));
        let context = self.context.clone();
        let recognise = move |address, stream: &TlsStream<Tcp>| context.recognise(address, stream);
        let ports = &self.context.ports;
        let addresses = self.order.sorted(addresses);
        let racing = first_usable(ports.clone(), addresses, self.tls.clone(), recognise);
        let won = ports.run(racing).await;
        let (address, (mut stream, (identity, standing))) = won
            .map_err(|gone| DialError::Connect(gone.into()))?
            .inspect_err(|error| {
                if let DialError::Tls(failure) = error {
                    self.context.core.refusals.handshake_failed(failure);
                }
            })?;
        stream.get_mut().0.move_here().map_err(DialError::Connect)?;
        Ok(Dialled {
            address,
            stream: *stream,
            identity,
            standing,
        })
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

/// Returns the first connection that is established, TLS included, and that `recognise` accepts,
/// with the result of this function. Runs on the thread of the ports, because checking certificates
/// takes time that messages must not lose.
async fn first_usable<T: Send + 'static>(
    ports: Ports,
    addresses: Vec<SocketAddr>,
    tls: Arc<ClientConfig>,
    recognise: impl Fn(SocketAddr, &TlsStream<Tcp>) -> Result<T, DialError> + Clone + Send + 'static,
) -> Result<(SocketAddr, (Box<TlsStream<Tcp>>, T)), DialError> {
    let shake = move |address, stream| {
        let (ports, tls, recognise) = (ports.clone(), tls.clone(), recognise.clone());
        async move {
            let stream = Box::new(shake(&ports, stream, tls).await?);
            let known = recognise(address, &stream)?;
            Ok((stream, known))
        }
    };
    let won = race::connect(addresses, connect, shake, DialError::rank).await;
    won.map_err(|error| error.unwrap_or(DialError::NoAddress))
}

async fn connect(address: SocketAddr) -> Result<Tcp, DialError> {
    let stream = TcpStream::connect(address).await;
    stream.and_then(Tcp::new).map_err(DialError::Connect)
}

async fn shake(
    ports: &Ports,
    stream: Tcp,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<Tcp>, DialError> {
    let handshake = async {
        let connector = TlsConnector::from(tls);
        connector.connect(Identity::server_name(), stream).await
    };
    let explained = HandshakeFailure::explain(handshake, Side::Client, Mode::Ec);
    Ok(ports.shake_first(explained).await?)
}

#[cfg(test)]
mod tests;
