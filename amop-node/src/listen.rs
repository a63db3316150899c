//! The TLS ports of a node: handshakes, and the life of an accepted connection.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use amop_proto::{
    log::OneLine,
    node::{NodeEvent, PeerId, PeerIdentity, SessionCloseReason, SessionId, SessionIdentity},
    p2p::NodeId,
};
use amop_tls::{Admitted, HandshakeFailure, PeerInfo, PeerVerifier, Side, Standing};
use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use crate::{
    access::{ConnectionId, admit},
    core::CoreState,
    intake::IntakePort,
    journal::{Cause, LineKind},
    link::{self, Channel, LinkEnd, P2p},
    node::{NodeContext, short},
    outbox::Outbox,
    ports::{self, Door, Place},
    receive::{ChannelReading, PeerReading},
    stats::Refusals,
    supervise::keep,
    tcp::Tcp,
};

/// The limits of a node's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenLimits {
    /// SDK connections at once.
    pub sessions: usize,
    /// Connections accepted from other nodes at once, shared fairly by agency and node.
    pub peers: usize,
    /// TLS handshakes in progress at once, on each of the two TLS ports. When all are in use, the
    /// address with the most of them loses the one that has kept the node waiting longest.
    pub handshakes: usize,
    /// TLS handshakes in progress at once from one IPv4 address or IPv6 /64 network, on each of the
    /// two TLS ports.
    pub source_handshakes: usize,
    /// How long a new connection to a port may send nothing.
    pub first_byte_time: Duration,
    /// How long the first TLS message of a connection may take.
    pub hello_time: Duration,
    /// How long a TLS handshake may take.
    pub handshake_time: Duration,
    /// How long any frame may take to arrive, from its first byte to its last.
    pub frame_time: Duration,
    /// A frame gets one more second each time this number of bytes has arrived. If a frame arrives
    /// more slowly, its connection is closed.
    pub frame_rate: usize,
    /// Bytes of incomplete frames, over all SDKs and nodes, each counted with its whole length;
    /// frames up to 4 KiB from SDKs and 68 KiB from nodes are not counted. An agency gets at most
    /// as much as it leaves free, and a key at most as much as it and its agency leave free. Set it
    /// to several times [`Limits::frame`](crate::Limits::frame).
    pub receiving: usize,
    /// How long a long frame of an overlay node may wait for its next fragment.
    pub fragment_time: Duration,
    /// How long tasks of the node may wait for a processor. While they wait longer, SDKs of the
    /// agencies and keys that cause most work are read from more slowly; each key keeps at least a
    /// twentieth of a processor.
    pub lag: Duration,
    /// HTTP requests at once.
    pub http: usize,
    /// HTTP requests per second; four times this number at once. The addresses that sent requests
    /// lately share it equally. Every 64 KiB read or written count as one more request.
    pub http_rate: usize,
    /// Bytes of HTTP answers that wait to be read, counting only answers over 4 KiB. All answers of
    /// an address get at most half of what is free; a longer answer is refused (503).
    pub http_answers: usize,
    /// How long an HTTP request may take, from the connection to the end of the answer.
    pub http_time: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            sessions: 20_000,
            peers: 1_000,
            handshakes: 1_024,
            source_handshakes: 1_024,
            first_byte_time: Duration::from_secs(3),
            hello_time: Duration::from_secs(5),
            handshake_time: Duration::from_secs(10),
            frame_time: Duration::from_secs(10),
            // This is 2 Mb/s: the longest frame of an SDK has 138 s.
            frame_rate: 256 * 1024,
            receiving: 512 << 20,
            fragment_time: Duration::from_secs(60),
            lag: Duration::from_millis(1),
            http: 64,
            http_rate: 200,
            http_answers: 64 << 20,
            http_time: Duration::from_secs(10),
        }
    }
}

/// Serves SDKs until the node stops.
pub(crate) async fn serve_channel(
    context: NodeContext,
    door: Arc<Door>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) {
    let port = AcceptingPort {
        door,
        tls,
        verifier: context.access.sdks.clone(),
        // When all places are taken, a newcomer may get a place that another key or agency has
        // beyond its share. The machine decides this, and it must know the newcomer's certificate,
        // so the handshake comes first.
        connections: Arc::new(Semaphore::new(
            context
                .limits
                .sessions
                .saturating_add(context.limits.handshakes),
        )),
        turned_away: |refusals| &refusals.sessions_turned_away,
    };
    let serve = |context: NodeContext, stream: TlsStream<Tcp>, admitted, address| async move {
        let id = context.core.next_session();
        run_session(&context, id, stream, admitted, address).await;
    };
    let accepting = || port.clone().run(context.clone(), &listener, serve);
    keep("the port for SDKs", context.stop.clone(), accepting).await;
}

/// Serves other nodes until the node stops.
pub(crate) async fn serve_p2p(
    context: NodeContext,
    door: Arc<Door>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) {
    let port = AcceptingPort {
        door,
        tls,
        verifier: context.access.peers.clone(),
        // For the same reason as in `serve_channel`.
        connections: Arc::new(Semaphore::new(
            context
                .limits
                .peers
                .saturating_add(context.limits.handshakes),
        )),
        turned_away: |refusals| &refusals.peers_turned_away,
    };
    let serve = |context: NodeContext, stream: TlsStream<Tcp>, admitted, address: SocketAddr| async move {
        let Admitted { info, standing, .. } = admitted;
        if let Some(identity) = identify(info, &standing, address) {
            let node = identity.node.to_string();
            let end = run_peer(&context, identity, standing, false, stream).await;
            context.core.journal.info(
                LineKind::PeerEnded,
                Cause::Address(ports::source(address.ip())),
                format_args!(
                    "connection from node {} at {address} ended: {end}",
                    short(&node)
                ),
            );
        }
    };
    let accepting = || port.clone().run(context.clone(), &listener, serve);
    keep("the port for nodes", context.stop.clone(), accepting).await;
}

#[derive(Clone)]
struct AcceptingPort {
    door: Arc<Door>,
    tls: Arc<ServerConfig>,
    verifier: PeerVerifier,
    connections: Arc<Semaphore>,
    turned_away: fn(&Refusals) -> &AtomicU64,
}

/// The reason why a handshake ended without a connection.
enum Unfinished {
    Failed(HandshakeFailure),
    /// It took too long; the text gives details.
    Slow(String),
    /// Its place was given to another connection.
    Displaced,
    /// The connection closed before it sent anything.
    Silent,
    Stopping,
}

impl AcceptingPort {
    async fn run<F, Fut>(self, context: NodeContext, listener: &TcpListener, serve: F)
    where
        F: Fn(NodeContext, TlsStream<Tcp>, Admitted, SocketAddr) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        while let Some((stream, address, place)) = self.door.next(listener, &context.stop).await {
            let (port, serve, context) = (self.clone(), serve.clone(), context.clone());
            let ports = context.ports.clone();
            ports.spawn(async move {
                match port.handshake(&context, stream, &place).await {
                    Ok((stream, admitted)) => {
                        drop(place);
                        port.hand_over(context, stream, admitted, address, serve);
                    }
                    Err(unfinished) => port.refused(&context, address, &place, &unfinished),
                }
            });
        }
    }

    /// Does the TLS handshake with an unknown client, until its time, its place or the node ends.
    async fn handshake(
        &self,
        context: &NodeContext,
        stream: TcpStream,
        place: &Place,
    ) -> Result<(TlsStream<Tcp>, Admitted), Unfinished> {
        let stream = tokio::select! {
            // A connection that has lost its place is already counted.
            biased;
            () = place.lost() => Err(Unfinished::Displaced),
            () = context.stop.cancelled() => Err(Unfinished::Stopping),
            shaken = self.shake(context, stream, place) => shaken,
        }?;
        let certificates = stream.get_ref().1.peer_certificates();
        match admit(&self.verifier, certificates, Side::Client) {
            Ok(admitted) => Ok((stream, admitted)),
            // Lists were reloaded after the handshake.
            Err(error) => Err(Unfinished::Failed(HandshakeFailure::PeerCertificate(error))),
        }
    }

    async fn shake(
        &self,
        context: &NodeContext,
        stream: TcpStream,
        place: &Place,
    ) -> Result<TlsStream<Tcp>, Unfinished> {
        let (limits, start) = (&context.limits, Instant::now());
        let due = |patience: Duration| start.checked_add(patience.min(limits.handshake_time));
        let failed = |error| {
            Unfinished::Failed(HandshakeFailure::from_io(
                error,
                Side::Server,
                self.verifier.mode(),
            ))
        };
        let late = |patience: Duration, what: &str| {
            if patience < limits.handshake_time {
                return Unfinished::Slow(format!("{what} within {} s", patience.as_secs_f64()));
            }
            let seconds = limits.handshake_time.as_secs_f64();
            Unfinished::Slow(format!("did not complete TLS within {seconds} s"))
        };
        let first = within(due(limits.first_byte_time), stream.peek(&mut [0])).await;
        let first = first.ok_or_else(|| late(limits.first_byte_time, "sent nothing"))?;
        // Load balancers and monitors only check whether the port is open.
        if !matches!(first, Ok(1)) {
            return Err(Unfinished::Silent);
        }
        let stream = Tcp::new(stream).map_err(failed)?;
        // This only reads and parses; it does no cryptography.
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let hello = within(due(limits.hello_time), hello)
            .await
            .ok_or_else(|| late(limits.hello_time, "did not send a whole ClientHello"))?
            .map_err(failed)?;
        place.spoke();
        let tls = self.tls.clone();
        let rest = context
            .ports
            .shake(place, async { hello.into_stream(tls).await });
        within(due(limits.handshake_time), rest)
            .await
            .ok_or_else(|| late(limits.handshake_time, ""))?
            .map_err(failed)
    }

    /// Hands an authenticated connection over to the node's runtime.
    fn hand_over<F, Fut>(
        &self,
        context: NodeContext,
        mut stream: TlsStream<Tcp>,
        admitted: Admitted,
        address: SocketAddr,
        serve: F,
    ) where
        F: Fn(NodeContext, TlsStream<Tcp>, Admitted, SocketAddr) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let who = self.door.who();
        let Ok(connection) = self.connections.clone().try_acquire_owned() else {
            let turned_away = (self.turned_away)(&context.core.refusals);
            let count = turned_away.fetch_add(1, Ordering::Relaxed) + 1;
            let text = format_args!(
                "turned away a {who} from {address}: all connections are in use \
                 (turned away so far: {count})"
            );
            let cause = Cause::Address(ports::source(address.ip()));
            return context
                .core
                .journal
                .warn(LineKind::TurnedAway(who), cause, text);
        };
        let (tasks, runtime) = (context.tasks.clone(), context.runtime.clone());
        let serving = async move {
            let _connection = connection;
            if let Err(error) = stream.get_mut().0.move_here() {
                return tracing::warn!("{who} at {address} cannot be served: {error}");
            }
            serve(context, stream, admitted, address).await;
        };
        tasks.spawn_on(serving, &runtime);
    }

    fn refused(
        &self,
        context: &NodeContext,
        address: SocketAddr,
        place: &Place,
        unfinished: &Unfinished,
    ) {
        let (who, core) = (self.door.who(), &context.core);
        let cause = Cause::Address(place.source());
        match unfinished {
            Unfinished::Failed(failure) => {
                core.refusals.handshake_failed(failure);
                let text = format_args!("{who} at {address} refused: {failure}");
                core.journal.warn(LineKind::Refused(who), cause, text);
            }
            Unfinished::Slow(how) => {
                core.refusals.handshake_timed_out();
                let text = format_args!("{who} at {address} {how}");
                core.journal.warn(LineKind::TimedOut(who), cause, text);
            }
            Unfinished::Displaced => place.log_loss(address),
            Unfinished::Silent => {
                let text = format_args!(
                    "a connection from {address} to the port for {who}s was closed before it sent \
                     anything, as health checks do"
                );
                core.journal.debug(LineKind::Silent(who), cause, text);
            }
            Unfinished::Stopping => {}
        }
    }
}

/// Returns the output of a future if it is ready before the deadline. A deadline too far away to
/// represent counts as none.
async fn within<F: Future>(due: Option<Instant>, future: F) -> Option<F::Output> {
    match due {
        Some(due) => timeout_at(due, future).await.ok(),
        None => Some(future.await),
    }
}

async fn run_session(
    context: &NodeContext,
    id: SessionId,
    stream: impl AsyncRead + AsyncWrite,
    admitted: Admitted,
    address: SocketAddr,
) {
    let Admitted { info, standing, .. } = admitted;
    let by_sha1 = context.access.sdks.signed_with_sha1(&standing);
    let share = context.intake.share(IntakePort::Sdks, &standing);
    let effort = context.efforts.session(&standing);
    let identity = SessionIdentity {
        key: standing.key_digest(),
        agency: standing.agency_digest(),
    };
    let outbox = Outbox::new(false);
    let signals = outbox.signals.clone();
    let entered = Entered::new(context, ConnectionId::Session(id), standing, |state| {
        state.sessions.insert(id, outbox);
        NodeEvent::SessionOpened {
            session: id,
            identity,
        }
    });
    let name = OneLine::new(info.name.as_deref().unwrap_or("unnamed")).max(64);
    let (journal, cause) = (
        &context.core.journal,
        Cause::Address(ports::source(address.ip())),
    );
    journal.info(
        LineKind::SessionOpened,
        cause,
        format_args!(
            "session {} from {address} ({name}, key {identity}) opened",
            id.0
        ),
    );
    if by_sha1 {
        journal.warn(
            LineKind::Sha1Signature,
            cause,
            format_args!(
                "session {} from {address} ({name}) signed its TLS handshake with SHA-1, as Java before 16 \
                 does with secp256k1 keys; sha1_client_signatures=false in [amop] would refuse it: see \
                 docs/security.md",
                id.0
            ),
        );
    }
    let reading = ChannelReading {
        core: &context.core,
        decoder: context.decoder,
        max_topics: context.machine_limits.session_topics,
        text: context
            .paces
            .of_one(share.party(id.0).key, context.machine_limits.session_text),
        effort,
    };
    let end = link::run(
        &context.core,
        (&Channel, reading),
        id,
        &signals,
        stream,
        (context.patience(), &share),
        &context.stop,
    )
    .await;
    drop(entered);
    match end {
        LinkEnd::Closed | LinkEnd::Shutdown | LinkEnd::ByMachine(SessionCloseReason::Stopping) => {
            journal.info(
                LineKind::SessionClosed,
                cause,
                format_args!("session {} closed: {end}", id.0),
            );
        }
        end => journal.warn(
            LineKind::SessionClosed,
            cause,
            format_args!("session {} from {address} closed: {end}", id.0),
        ),
    }
}

/// Runs a peer connection after TLS, whichever side dialled.
pub(crate) async fn run_peer(
    context: &NodeContext,
    identity: PeerIdentity,
    standing: Standing,
    dialled: bool,
    stream: impl AsyncRead + AsyncWrite,
) -> LinkEnd<amop_proto::node::PeerCloseReason> {
    let peer: PeerId = context.core.next_peer();
    // FISCO nodes accept any number of frames in one read (p2p-v2 section 4.4).
    let outbox = Outbox::new(true);
    let signals = outbox.signals.clone();
    let share = context.intake.share(IntakePort::Nodes, &standing);
    let _entered = Entered::new(context, ConnectionId::Peer(peer), standing, |state| {
        state.peers.insert(peer, outbox);
        NodeEvent::PeerOpened {
            peer,
            identity,
            dialled,
        }
    });
    let fragment_time = context.limits.fragment_time;
    let reading = PeerReading::new(
        (&context.core, peer),
        context.codec,
        share.clone(),
        fragment_time,
        (context.checker.clone(), context.checking.clone()),
    );
    link::run(
        &context.core,
        (&P2p(context.codec), reading),
        peer,
        &signals,
        stream,
        (context.patience(), &share),
        &context.stop,
    )
    .await
}

/// A connection that the machine knows. Dropping it tells the machine that it ended, so that a
/// connection whose task panics is not left behind.
struct Entered<'a> {
    context: &'a NodeContext,
    link: ConnectionId,
}

impl<'a> Entered<'a> {
    fn new(
        context: &'a NodeContext,
        link: ConnectionId,
        standing: Standing,
        open: impl FnOnce(&mut CoreState) -> NodeEvent,
    ) -> Self {
        // Create this first, because the steps below may log and panic.
        let entered = Self { context, link };
        context.core.handle_with(|state| [open(state)]);
        context.access.enter(&context.core, link, standing);
        entered
    }

    fn leave(&self) {
        let NodeContext { core, access, .. } = self.context;
        access.leave(self.link);
        core.handle_with(|state| match self.link {
            ConnectionId::Session(id) => {
                state.sessions.remove(&id);
                [NodeEvent::SessionClosed(id)]
            }
            ConnectionId::Peer(id) => {
                state.peers.remove(&id);
                [NodeEvent::PeerClosed(id)]
            }
        });
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        match thread::panicking() {
            // A second panic that escaped from here would abort the process.
            true => drop(catch_unwind(AssertUnwindSafe(|| self.leave()))),
            false => self.leave(),
        }
    }
}

/// Returns a peer's identity from its certificate.
pub(crate) fn identify(
    info: PeerInfo,
    standing: &Standing,
    address: SocketAddr,
) -> Option<PeerIdentity> {
    let Some(key) = info.public_key else {
        // The verifier requires one, so this does not happen.
        tracing::warn!("the certificate of the node at {address} gives no node ID");
        return None;
    };
    Some(PeerIdentity {
        node: NodeId(key.0),
        name: info.name.unwrap_or_default(),
        agency: info.agency.unwrap_or_default(),
        authority: standing.agency_digest(),
        address: address.to_string(),
    })
}
