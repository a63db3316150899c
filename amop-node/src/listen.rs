//! The TLS ports of a node: accepting, TLS, and the life of an accepted connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use amop_proto::{
    node::{CloseReason, Event, PeerId, PeerIdentity, SessionId},
    p2p::NodeId,
};
use amop_tls::{Admitted, HandshakeFailure, PeerInfo, PeerVerifier, Side, Standing};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    access::{Link, admit},
    link::{self, Channel, LinkEnd, P2p},
    node::{Context, short},
    outbox::Outbox,
    stats::Refusals,
    tcp::Tcp,
};

/// After a failed accept (no file descriptor left, say) the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bounds of a node's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenLimits {
    /// SDK connections at once.
    pub sessions: usize,
    /// Connections accepted from other nodes at once.
    pub peers: usize,
    /// TLS handshakes under way at once, on each of the two TLS ports.
    pub handshakes: usize,
    /// How long a TLS handshake may take.
    pub handshake_time: Duration,
    /// How long a frame may take to arrive, from its first byte to its last.
    pub frame_time: Duration,
    /// HTTP requests at once.
    pub http: usize,
    /// How long an HTTP request may take, from the connection to the end of the answer.
    pub http_time: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            sessions: 20_000,
            peers: 1_000,
            handshakes: 1_024,
            handshake_time: Duration::from_secs(10),
            // The protocol's longest frame of 100 MiB at 3 Mb/s.
            frame_time: Duration::from_secs(300),
            http: 64,
            http_time: Duration::from_secs(10),
        }
    }
}

/// Serves SDKs until the node stops.
pub(crate) async fn serve_channel(context: Context, listener: TcpListener, tls: Arc<ServerConfig>) {
    let port = AcceptingPort::new(
        "SDK",
        listener,
        tls,
        context.access.sdks.clone(),
        context.limits.sessions,
        &context,
        |refusals| &refusals.sessions_turned_away,
    );
    port.run(context, |context, stream, admitted, address| async move {
        let id = context.core.next_session();
        run_session(&context, id, stream, admitted, address).await;
    })
    .await;
}

/// Serves other nodes until the node stops.
pub(crate) async fn serve_p2p(context: Context, listener: TcpListener, tls: Arc<ServerConfig>) {
    let limit = context.limits.peers;
    let port = AcceptingPort::new(
        "node",
        listener,
        tls,
        context.access.peers.clone(),
        limit,
        &context,
        |refusals| &refusals.peers_turned_away,
    );
    port.run(context, |context, stream, admitted, address| async move {
        let Admitted { info, standing, .. } = admitted;
        if let Some(identity) = identify(info, address) {
            let node = identity.node.to_string();
            let end = run_peer(&context, identity, standing, false, stream).await;
            tracing::info!(
                "connection from node {} at {address} ended: {end}",
                short(&node)
            );
        }
    })
    .await;
}

/// The next connection and a permit to serve it; `None` once the node stops. `who` connects, for the
/// log.
pub(crate) async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    who: &str,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let next = async {
            // Waiting here leaves newcomers in the operating system's queue.
            let permit = permits.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        let (accepted, permit) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => None,
        }?;
        match accepted {
            Ok((stream, address)) => return Some((stream, address, permit)),
            Err(error) => {
                tracing::warn!("cannot accept {who} connections: {error}");
                tokio::select! {
                    () = sleep(ACCEPT_PAUSE) => {}
                    () = stop.cancelled() => return None,
                }
            }
        }
    }
}

struct AcceptingPort {
    /// Who connects, for the log.
    who: &'static str,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    verifier: PeerVerifier,
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    turned_away: fn(&Refusals) -> &AtomicU64,
}

impl AcceptingPort {
    fn new(
        who: &'static str,
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        verifier: PeerVerifier,
        connections: usize,
        context: &Context,
        turned_away: fn(&Refusals) -> &AtomicU64,
    ) -> Self {
        Self {
            who,
            listener,
            acceptor: tls.into(),
            verifier,
            handshakes: Arc::new(Semaphore::new(context.limits.handshakes)),
            connections: Arc::new(Semaphore::new(connections)),
            turned_away,
        }
    }

    async fn run<F, Fut>(self, context: Context, serve: F)
    where
        F: Fn(Context, tokio_rustls::server::TlsStream<Tcp>, Admitted, SocketAddr) -> Fut
            + Clone
            + Send
            + 'static,
        Fut: Future<Output = ()> + Send,
    {
        while let Some((stream, address, handshake)) =
            accept(&self.listener, &self.handshakes, self.who, &context.stop).await
        {
            self.accept(&context, stream, address, handshake, serve.clone());
        }
    }

    fn accept<F, Fut>(
        &self,
        context: &Context,
        stream: TcpStream,
        address: SocketAddr,
        handshake: OwnedSemaphorePermit,
        serve: F,
    ) where
        F: Fn(Context, tokio_rustls::server::TlsStream<Tcp>, Admitted, SocketAddr) -> Fut
            + Send
            + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let Ok(connection) = self.connections.clone().try_acquire_owned() else {
            let turned_away = (self.turned_away)(&context.core.refusals);
            let count = turned_away.fetch_add(1, Ordering::Relaxed) + 1;
            if count.is_power_of_two() {
                tracing::warn!(
                    "turned away a {} from {address}: all connections are in use ({count} so far)",
                    self.who
                );
            }
            return;
        };
        let (acceptor, who) = (self.acceptor.clone(), self.who);
        let verifier = self.verifier.clone();
        let context_of_task = context.clone();
        context.tasks.spawn(async move {
            let context = context_of_task;
            let _connection = connection;
            let patience = context.limits.handshake_time;
            let stop = context.stop.clone();
            let shake = async { acceptor.accept(Tcp::new(stream)?).await };
            let result = tokio::select! {
                result = timeout(patience, shake) => result,
                () = stop.cancelled() => return,
            };
            drop(handshake);
            match result {
                Ok(Ok(stream)) => {
                    let certificates = stream.get_ref().1.peer_certificates();
                    match admit(&verifier, certificates, Side::Client) {
                        Ok(admitted) => serve(context, stream, admitted, address).await,
                        // Lists were reloaded since the handshake.
                        Err(error) => {
                            let failure = HandshakeFailure::PeerCertificate(error);
                            context.core.refusals.handshake_failed(&failure);
                            tracing::warn!("{who} at {address} refused: {failure}");
                        }
                    }
                }
                Ok(Err(error)) => {
                    let failure = HandshakeFailure::from_io(error, Side::Server, verifier.mode());
                    context.core.refusals.handshake_failed(&failure);
                    tracing::warn!("{who} at {address} refused: {failure}");
                }
                Err(_) => {
                    context.core.refusals.handshake_timed_out();
                    tracing::warn!(
                        "{who} at {address} did not complete TLS within {} s",
                        patience.as_secs()
                    );
                }
            }
        });
    }
}

async fn run_session(
    context: &Context,
    id: SessionId,
    stream: impl AsyncRead + AsyncWrite,
    admitted: Admitted,
    address: SocketAddr,
) {
    let Admitted { info, standing, .. } = admitted;
    let outbox = Outbox::new(false);
    let signals = outbox.signals.clone();
    context.core.handle_with(|state| {
        state.sessions.insert(id, outbox);
        [Event::SessionOpened(id)]
    });
    context
        .access
        .enter(&context.core, Link::Session(id), standing);
    let name = info.name.as_deref().unwrap_or("unnamed");
    tracing::info!("session {} from {address} ({name}) opened", id.0);
    let wire = Channel(context.decoder);
    let end = link::run(
        &context.core,
        &wire,
        id,
        &signals,
        stream,
        context.limits.frame_time,
        &context.stop,
    )
    .await;
    context.access.leave(Link::Session(id));
    context.core.handle_with(|state| {
        state.sessions.remove(&id);
        [Event::SessionClosed(id)]
    });
    match end {
        LinkEnd::Closed | LinkEnd::Shutdown | LinkEnd::ByMachine(CloseReason::Stopping) => {
            tracing::info!("session {} closed: {end}", id.0);
        }
        end => tracing::warn!("session {} from {address} closed: {end}", id.0),
    }
}

/// Runs a peer connection after TLS, whichever side made it.
pub(crate) async fn run_peer(
    context: &Context,
    identity: PeerIdentity,
    standing: Standing,
    dialled: bool,
    stream: impl AsyncRead + AsyncWrite,
) -> LinkEnd<amop_proto::node::PeerCloseReason> {
    let peer: PeerId = context.core.next_peer();
    // Real nodes read any number of frames at once (p2p-v2 section 4.4).
    let outbox = Outbox::new(true);
    let signals = outbox.signals.clone();
    context.core.handle_with(|state| {
        state.peers.insert(peer, outbox);
        [Event::PeerOpened {
            peer,
            identity,
            dialled,
        }]
    });
    context
        .access
        .enter(&context.core, Link::Peer(peer), standing);
    let wire = P2p(context.codec);
    let end = link::run(
        &context.core,
        &wire,
        peer,
        &signals,
        stream,
        context.limits.frame_time,
        &context.stop,
    )
    .await;
    context.access.leave(Link::Peer(peer));
    context.core.handle_with(|state| {
        state.peers.remove(&peer);
        [Event::PeerClosed(peer)]
    });
    end
}

/// Who a peer is by its certificate.
pub(crate) fn identify(info: PeerInfo, address: SocketAddr) -> Option<PeerIdentity> {
    let Some(key) = info.public_key else {
        // The verifier demands one.
        tracing::warn!("the certificate of the node at {address} gives no node ID");
        return None;
    };
    Some(PeerIdentity {
        node: NodeId(key.0),
        name: info.name.unwrap_or_default(),
        agency: info.agency.unwrap_or_default(),
        address: address.to_string(),
    })
}
