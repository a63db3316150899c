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
    race::AddressRace,
};
use amop_tls::{Admitted, HandshakeFailure, Identity, Mode, Side, Standing};
use rand::RngExt;
use rustls::ClientConfig;
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    access::admit,
    config::PeerAddr,
    connection::{identify, run_peer},
    context::NodeContext,
    journal::{Cause, LineKind},
    link::LinkEnd,
    ports::Ports,
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
    /// The last failure, so that it is logged once and not at every retry.
    last_error: String,
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

impl Dialler {
    pub(crate) fn new(context: NodeContext, peer: PeerAddr, tls: Arc<ClientConfig>) -> Self {
        Self {
            context,
            peer,
            tls,
            node: None,
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
                Ok((stream, identity, standing)) => {
                    self.last_error.clear();
                    self.node = Some(identity.node);
                    let started = Instant::now();
                    // It watches the stop signal itself, so that it ends in order.
                    let end = run_peer(&self.context, identity, standing, true, stream).await;
                    if started.elapsed() > GOOD {
                        delay = RETRY_MIN;
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

    async fn dial(&self) -> Result<(TlsStream<Tcp>, PeerIdentity, Standing), DialError> {
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
        let racing = race(ports.clone(), addresses, self.tls.clone(), recognise);
        let won = ports.run(racing).await;
        let (mut stream, (identity, standing)) = won
            .map_err(|gone| DialError::Connect(gone.into()))?
            .inspect_err(|error| {
                if let DialError::Tls(failure) = error {
                    self.context.core.refusals.handshake_failed(failure);
                }
            })?;
        stream.get_mut().0.move_here().map_err(DialError::Connect)?;
        Ok((stream, identity, standing))
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

/// The result of one step for one of several addresses.
enum DialStep {
    Connected(io::Result<Tcp>),
    Shaken(Result<Box<TlsStream<Tcp>>, DialError>),
}

/// Returns the first connection that is established, TLS included, and that `recognise` accepts,
/// with the result of this function. Runs on the thread of the ports, because checking certificates
/// takes time that messages must not lose. The addresses of a name are tried in parallel. If all
/// fail, returns the error of an address that accepted the connection, if there is one: it is the
/// most helpful. That an address is the node's own is the error only if this is so for all.
async fn race<T>(
    ports: Ports,
    addresses: Vec<SocketAddr>,
    tls: Arc<ClientConfig>,
    recognise: impl Fn(SocketAddr, &TlsStream<Tcp>) -> Result<T, DialError>,
) -> Result<(TlsStream<Tcp>, T), DialError> {
    let mut addresses = AddressRace::new(addresses);
    let mut steps = JoinSet::new();
    let mut last = DialError::NoAddress;
    loop {
        while let Some(address) = addresses.poll(Instant::now().into_std()) {
            steps.spawn(async move { (address, DialStep::Connected(connect(address).await)) });
        }
        let due = async {
            match addresses.next_timeout() {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let (address, step) = tokio::select! {
            step = steps.join_next() => match step {
                Some(Ok(over)) => over,
                // It panicked, which counts like an unreachable address.
                Some(Err(_)) => {
                    addresses.failed();
                    continue;
                }
                None => return Err(last),
            },
            () = due => continue,
        };
        match step {
            DialStep::Connected(Ok(stream)) => {
                addresses.connected(Instant::now().into_std());
                let (ports, tls) = (ports.clone(), tls.clone());
                steps.spawn(async move {
                    let shaken = shake(&ports, stream, tls).await;
                    (address, DialStep::Shaken(shaken.map(Box::new)))
                });
            }
            DialStep::Connected(Err(error)) => {
                addresses.failed();
                if matches!(
                    last,
                    DialError::NoAddress | DialError::Itself | DialError::Connect(_)
                ) {
                    last = DialError::Connect(error);
                }
            }
            DialStep::Shaken(shaken) => {
                let recognised = shaken.and_then(|stream| {
                    let known = recognise(address, &stream)?;
                    Ok((*stream, known))
                });
                match recognised {
                    Ok(won) => return Ok(won),
                    Err(DialError::Itself) if !matches!(last, DialError::NoAddress) => {}
                    Err(error) => last = error,
                }
                addresses.failed();
            }
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<Tcp> {
    Tcp::new(TcpStream::connect(address).await?)
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
mod tests {
    use amop_tls::pki::{Authority, Leaf};
    use tokio::net::{TcpListener, TcpSocket};
    use tokio_rustls::TlsAcceptor;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Returns an address whose accept queue is full: connecting to it gets no answer.
    async fn silent() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut held = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(stream) = timeout(patience, TcpStream::connect(address)).await {
            held.push(stream.unwrap());
        }
        (address, held, listener)
    }

    async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.extend(acceptor.accept(stream).await);
        }
    }

    #[tokio::test]
    async fn the_first_address_of_a_name_is_not_the_only_one() {
        let agency = Authority::new_ec("chain")
            .unwrap()
            .agency("agency")
            .unwrap();
        let issued = agency.issue(Leaf::Node, "node0").unwrap();
        let (cert, key) = (issued.cert_pem.as_bytes(), issued.key_pem.as_bytes());
        let identity = Identity::from_pem(cert, key, agency.root_pem().as_bytes()).unwrap();
        let (listener, good) = listen().await;
        let acceptor = TlsAcceptor::from(identity.peer_server_config(None).unwrap());
        let serving = tokio::spawn(serve(listener, acceptor));
        // One address accepts connections and closes them.
        let (other, wrong) = listen().await;
        let hanging_up = tokio::spawn(async move {
            while let Ok((stream, _)) = other.accept().await {
                drop(stream);
            }
        });
        let (silent, _held, _listener) = silent().await;
        let closed = listen().await.1;

        let stop = CancellationToken::new();
        let (ports, thread) = Ports::start(stop.clone()).unwrap();
        let tls = identity.peer_client_config(None).unwrap();
        let (own_listener, own) = listen().await;
        let own_acceptor = TlsAcceptor::from(identity.peer_server_config(None).unwrap());
        let own_serving = tokio::spawn(serve(own_listener, own_acceptor));
        let run = async |addresses: Vec<SocketAddr>| {
            let recognise = move |address, _: &TlsStream<Tcp>| match address == own {
                true => Err(DialError::Itself),
                false => Ok(address),
            };
            let racing = race(ports.clone(), addresses, tls.clone(), recognise);
            let won = timeout(LONG, ports.run(racing)).await.unwrap().unwrap();
            won.map(|(_, address)| address)
        };
        for addresses in [
            vec![silent, good],
            vec![closed, good],
            vec![wrong, good],
            vec![silent, wrong, closed, good],
            vec![good, silent],
            // A name that all nodes share is also this node's.
            vec![own, good],
            vec![own, wrong, silent, good],
        ] {
            assert_eq!(run(addresses).await.unwrap(), good);
        }
        let error = run(vec![own]).await.unwrap_err();
        assert!(matches!(error, DialError::Itself), "{error}");
        // The others may come back.
        for addresses in [
            vec![own, closed],
            vec![closed, own],
            vec![closed, own, closed],
        ] {
            let error = run(addresses).await.unwrap_err();
            assert!(matches!(error, DialError::Connect(_)), "{error}");
        }
        // The error of the address that accepted the connection is the most helpful.
        for addresses in [vec![closed, wrong], vec![wrong, closed]] {
            let error = run(addresses).await.unwrap_err();
            assert!(matches!(error, DialError::Tls(_)), "{error}");
        }
        let error = run(vec![closed]).await.unwrap_err();
        assert!(matches!(error, DialError::Connect(_)), "{error}");
        let error = run(Vec::new()).await.unwrap_err();
        assert!(matches!(error, DialError::NoAddress), "{error}");
        serving.abort();
        own_serving.abort();
        hanging_up.abort();
        stop.cancel();
        thread.join().await;
    }
}
