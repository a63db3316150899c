//! Keeps a connection with one configured 3.x node: dials, runs the connection, dials again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use amop_proto::{
    gateway::{GatewayAddress, GatewayId, bridge::GatewayRefusal},
    log::with_causes,
    race::AddressOrder,
};
use amop_tls::{Admitted, HandshakeFailure, Identity, Side};
use rand::RngExt;
use rustls::ClientConfig;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{connection::GatewayEnd, parts::Gateway, prepare::address_of};
use crate::{
    access::admit,
    config::PeerAddr,
    journal::{Cause, LineKind},
    ports::{Door, Ports},
    race,
    tcp::Tcp,
};

/// The time limit for TCP and TLS together (gateway-v3 section 8).
const DIAL: Duration = Duration::from_secs(50);

/// Keeps a connection with one configured 3.x node.
#[derive(Debug)]
pub(super) struct GatewayDialler {
    gateway: Gateway,
    door: Arc<Door>,
    peer: PeerAddr,
    tls: Arc<ClientConfig>,
    redial: Duration,
    /// The node that answered at this address last.
    node: Option<GatewayId>,
    order: AddressOrder,
    /// The last failure, so that it is logged once and not at every attempt.
    last_error: String,
}

struct Dialled {
    address: SocketAddr,
    stream: TlsStream<Tcp>,
    node: GatewayAddress,
    admitted: Admitted,
}

#[derive(Debug, thiserror::Error)]
enum GatewayDialError {
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
}

impl GatewayDialError {
    /// Returns how much an error says, compared with those of the other addresses of a name.
    fn rank(&self) -> u8 {
        match self {
            Self::Resolve(_) | Self::NoAddress | Self::Connect(_) | Self::Timeout => 0,
            Self::Tls(_) | Self::NoNodeId => 1,
        }
    }
}

impl GatewayDialler {
    pub(super) fn new(
        gateway: Gateway,
        door: Arc<Door>,
        peer: PeerAddr,
        tls: Arc<ClientConfig>,
        redial: Duration,
    ) -> Self {
        Self {
            gateway,
            door,
            peer,
            tls,
            redial,
            node: None,
            order: AddressOrder::default(),
            last_error: String::new(),
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
                dialled = timeout(DIAL, self.dial()) => {
                    dialled.unwrap_or(Err(GatewayDialError::Timeout))
                }
                () = stop.cancelled() => return,
            };
            match dialled {
                Ok(dialled) => {
                    self.last_error.clear();
                    self.node = Some(dialled.node.id());
                    if self.serve(dialled).await {
                        return;
                    }
                }
                Err(error) => self.report(&error),
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
    async fn serve(&mut self, dialled: Dialled) -> bool {
        let Dialled {
            address,
            stream,
            node,
            admitted,
        } = dialled;
        // It watches the stop signal itself, so that it ends in order.
        let end = self.gateway.run(stream, node, admitted, address).await;
        match end {
            GatewayEnd::Shutdown => true,
            GatewayEnd::Refused(GatewayRefusal::Itself) => {
                self.node = None;
                self.peer.is_address()
            }
            GatewayEnd::Refused(_) | GatewayEnd::Unlisted(_) => {
                self.order.unusable(address);
                false
            }
            _ => {
                self.order.usable(address);
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

    fn report(&mut self, error: &GatewayDialError) {
        let text = with_causes(error).to_string();
        if text == self.last_error {
            return;
        }
        let mut hasher = DefaultHasher::new();
        self.peer.hash(&mut hasher);
        let (journal, cause) = (
            &self.gateway.context.core.journal,
            Cause::Configured(hasher.finish()),
        );
        let line = format_args!("3.x node {}: {text}; will keep trying", self.peer);
        // When a chain starts, peers are usually not there yet.
        match error {
            GatewayDialError::Connect(_) => journal.info(LineKind::DialFailed, cause, line),
            _ => journal.warn(LineKind::DialFailed, cause, line),
        }
        self.last_error = text;
    }

    async fn dial(&self) -> Result<Dialled, GatewayDialError> {
        let addresses: Vec<SocketAddr> = lookup_host((self.peer.host(), self.peer.port()))
            .await
            .map_err(GatewayDialError::Resolve)?
            .collect();
        // The peer may dial this node from these addresses. It then gets a place, however many
        // others want one.
        self.door
            .expect(&self.peer, addresses.iter().map(SocketAddr::ip));
        let ports = &self.gateway.context.ports;
        let addresses = self.order.sorted(addresses);
        let (gateway, tls) = (self.gateway.clone(), self.tls.clone());
        let won = ports.run(first_usable(gateway, addresses, tls)).await;
        let mut dialled = won
            .map_err(|gone| GatewayDialError::Connect(gone.into()))?
            .inspect_err(|error| {
                if let GatewayDialError::Tls(failure) = error {
                    self.gateway.context.core.refusals.handshake_failed(failure);
                }
            })?;
        let tcp = dialled.stream.get_mut().0;
        tcp.move_here().map_err(GatewayDialError::Connect)?;
        Ok(dialled)
    }
}

/// Returns the first connection that is established, TLS included. Runs on the thread of the ports,
/// because checking certificates takes time that messages must not lose.
async fn first_usable(
    gateway: Gateway,
    addresses: Vec<SocketAddr>,
    tls: Arc<ClientConfig>,
) -> Result<Dialled, GatewayDialError> {
    let shake = move |address, stream| {
        let (gateway, tls) = (gateway.clone(), tls.clone());
        async move {
            let stream = shake(&gateway, stream, tls).await?;
            let chain = stream.get_ref().1.peer_certificates();
            let admitted = admit(&gateway.verifier, chain, Side::Server)
                .map_err(HandshakeFailure::PeerCertificate)?;
            let node = address_of(chain.unwrap_or_default());
            let node = node.map_err(|_| GatewayDialError::NoNodeId)?;
            Ok(Box::new(Dialled {
                address,
                stream,
                node,
                admitted,
            }))
        }
    };
    let won = race::connect(addresses, connect, shake, GatewayDialError::rank).await;
    match won {
        Ok((_, dialled)) => Ok(*dialled),
        Err(error) => Err(error.unwrap_or(GatewayDialError::NoAddress)),
    }
}

async fn connect(address: SocketAddr) -> Result<Tcp, GatewayDialError> {
    let stream = TcpStream::connect(address).await;
    stream.and_then(Tcp::new).map_err(GatewayDialError::Connect)
}

async fn shake(
    gateway: &Gateway,
    stream: Tcp,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<Tcp>, GatewayDialError> {
    let handshake = async {
        let connector = TlsConnector::from(tls);
        connector.connect(Identity::server_name(), stream).await
    };
    let mode = gateway.verifier.mode();
    let explained = HandshakeFailure::explain(handshake, Side::Client, mode);
    let ports: &Ports = &gateway.context.ports;
    Ok(ports.shake_first(explained).await?)
}
