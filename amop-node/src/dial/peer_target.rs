//! Dials an address of the configuration.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use amop_proto::{log::with_causes, race::AddressOrder};
use amop_tls::{HandshakeFailure, Identity, Mode, Side};
use rustls::ClientConfig;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    config::PeerAddr,
    context::NodeContext,
    core::Core,
    journal::{Cause, LineKind},
    ports::{Door, Ports},
    race,
    tcp::Tcp,
};

/// An address of the configuration, and what is known about it.
#[derive(Debug)]
pub(crate) struct PeerTarget {
    pub(crate) peer: PeerAddr,
    /// How the log calls what answers there.
    what: &'static str,
    /// The door that it comes through if it dials this node.
    door: Arc<Door>,
    tls: Arc<ClientConfig>,
    mode: Mode,
    /// The time limit for TCP and TLS together.
    limit: Duration,
    /// Which of its addresses to try first.
    pub(crate) order: AddressOrder,
    /// The last failure, so that it is logged once and not at every attempt.
    last_error: String,
}

/// An established connection.
pub(crate) struct Dialled<T> {
    pub(crate) address: SocketAddr,
    pub(crate) stream: TlsStream<Tcp>,
    /// The other side.
    pub(crate) who: T,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the name does not resolve")]
    Resolve(#[source] io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Tls(#[from] HandshakeFailure),
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
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
            Self::Resolve(_) | Self::NoAddress | Self::Connect(_) | Self::Timeout(_) => 1,
            Self::Tls(_) | Self::NoNodeId => 2,
        }
    }
}

impl PeerTarget {
    /// Creates a target. `what` is how the log calls it.
    pub(crate) fn new(
        (what, peer): (&'static str, PeerAddr),
        door: Arc<Door>,
        (tls, mode): (Arc<ClientConfig>, Mode),
        limit: Duration,
    ) -> Self {
        Self {
            peer,
            what,
            door,
            tls,
            mode,
            limit,
            order: AddressOrder::default(),
            last_error: String::new(),
        }
    }

    /// Returns the first connection that is established, TLS included, and that `recognise` accepts,
    /// with the result of this function.
    pub(crate) async fn dial<T: Send + 'static>(
        &mut self,
        context: &NodeContext,
        recognise: impl Fn(SocketAddr, &TlsStream<Tcp>) -> Result<T, DialError> + Clone + Send + 'static,
    ) -> Result<Dialled<T>, DialError> {
        let dialled = timeout(self.limit, self.connect(context, recognise)).await;
        let dialled = dialled.unwrap_or(Err(DialError::Timeout(self.limit)))?;
        self.last_error.clear();
        Ok(dialled)
    }

    async fn connect<T: Send + 'static>(
        &self,
        context: &NodeContext,
        recognise: impl Fn(SocketAddr, &TlsStream<Tcp>) -> Result<T, DialError> + Clone + Send + 'static,
    ) -> Result<Dialled<T>, DialError> {
        let addresses: Vec<SocketAddr> = lookup_host((self.peer.host(), self.peer.port()))
            .await
            .map_err(DialError::Resolve)?
            .collect();
        // The peer may dial this node from these addresses. It then gets a place, however many
        // others want one.
        let sources = addresses.iter().map(SocketAddr::ip);
        self.door.expect(&self.peer, sources);
        let addresses = self.order.sorted(addresses);
        let (ports, tls) = (&context.ports, (self.tls.clone(), self.mode));
        let racing = first_usable(ports.clone(), addresses, tls, recognise);
        let won = ports.run(racing).await;
        let (address, (mut stream, who)) = won
            .map_err(|gone| DialError::Connect(gone.into()))?
            .inspect_err(|error| {
                if let DialError::Tls(failure) = error {
                    context.core.refusals.handshake_failed(failure);
                }
            })?;
        stream.get_mut().0.move_here().map_err(DialError::Connect)?;
        Ok(Dialled {
            address,
            stream: *stream,
            who,
        })
    }

    /// Logs a failure, once.
    pub(crate) fn report(&mut self, core: &Core, error: &DialError) {
        let text = with_causes(error).to_string();
        if text == self.last_error {
            return;
        }
        let (what, peer, cause) = (self.what, &self.peer, self.cause());
        let line = format!("{what} {peer}: {text}; will keep trying");
        // When a network starts, peers are usually not there yet.
        match error {
            DialError::Connect(_) => core.journal.info(LineKind::DialFailed, cause, line),
            _ => core.journal.warn(LineKind::DialFailed, cause, line),
        }
        self.last_error = text;
    }

    /// Returns what its lines in the log are counted for.
    pub(crate) fn cause(&self) -> Cause {
        let mut hasher = DefaultHasher::new();
        self.peer.hash(&mut hasher);
        Cause::Configured(hasher.finish())
    }
}

/// Returns the first connection that is established, TLS included, and that `recognise` accepts,
/// with the result of this function. Runs on the thread of the ports, because checking certificates
/// takes time that messages must not lose.
async fn first_usable<T: Send + 'static>(
    ports: Ports,
    addresses: Vec<SocketAddr>,
    tls: (Arc<ClientConfig>, Mode),
    recognise: impl Fn(SocketAddr, &TlsStream<Tcp>) -> Result<T, DialError> + Clone + Send + 'static,
) -> Result<(SocketAddr, (Box<TlsStream<Tcp>>, T)), DialError> {
    let shake = move |address, stream| {
        let (ports, tls, recognise) = (ports.clone(), tls.clone(), recognise.clone());
        async move {
            let stream = Box::new(shake(&ports, stream, tls).await?);
            let who = recognise(address, &stream)?;
            Ok((stream, who))
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
    (tls, mode): (Arc<ClientConfig>, Mode),
) -> Result<TlsStream<Tcp>, DialError> {
    let handshake = async {
        let connector = TlsConnector::from(tls);
        connector.connect(Identity::server_name(), stream).await
    };
    let explained = HandshakeFailure::explain(handshake, Side::Client, mode);
    Ok(ports.shake_first(explained).await?)
}

#[cfg(test)]
mod tests;
