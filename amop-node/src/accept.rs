//! The TLS ports of a node: accepts connections, and does the handshakes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use amop_proto::log::with_causes;
use amop_tls::{Admitted, HandshakeFailure, PeerVerifier, Side};
use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use crate::{
    access::{ConnectionId, admit},
    connection::{Visitor, identify, run_peer, run_session},
    context::NodeContext,
    journal::{Cause, LineKind},
    limits::ListenLimits,
    ports::{self, Door, Place},
    stats::Refusals,
    supervise::keep,
    tcp::Tcp,
    v3::{run_either, run_v3},
};

/// Serves SDKs until the node stops.
pub(crate) async fn serve_channel(
    context: NodeContext,
    door: Arc<Door>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) {
    let (verifier, limits) = (context.access.sdks.clone(), &context.limits);
    let port = AcceptingPort::new(door, tls, verifier, (limits, limits.sessions), |refusals| {
        &refusals.sessions_turned_away
    });
    let serve = |context: NodeContext, stream: TlsStream<Tcp>, admitted, address| async move {
        let visitor = Visitor::v2(context.core.next_session(), admitted);
        run_session(&context, stream, visitor, address).await;
    };
    let accepting = || port.clone().run(context.clone(), &listener, serve);
    keep("the port for SDKs", context.stop.clone(), accepting).await;
}

/// Serves SDKs of both generations until the node stops.
pub(crate) async fn serve_both(
    context: NodeContext,
    door: Arc<Door>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) {
    let (verifier, limits) = (context.access.sdks.clone(), &context.limits);
    let port = AcceptingPort::new(door, tls, verifier, (limits, limits.sessions), |refusals| {
        &refusals.sessions_turned_away
    });
    let serve = |context: NodeContext, stream: TlsStream<Tcp>, admitted, address| async move {
        run_either(&context, stream, admitted, address).await;
    };
    let accepting = || port.clone().run(context.clone(), &listener, serve);
    keep("the port for SDKs", context.stop.clone(), accepting).await;
}

/// Serves SDKs of 3.x until the node stops.
pub(crate) async fn serve_v3(
    context: NodeContext,
    door: Arc<Door>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) {
    // The port has TLS, so there is a verifier.
    let verifier = context.access.v3.clone();
    let verifier = verifier.unwrap_or_else(|| context.access.sdks.clone());
    let limits = &context.limits;
    let port = AcceptingPort::new(door, tls, verifier, (limits, limits.sessions), |refusals| {
        &refusals.sessions_turned_away
    });
    let serve = |context: NodeContext, stream: TlsStream<Tcp>, admitted, address| async move {
        let id = context.core.next_session();
        let visitor = Visitor::v3(id, ConnectionId::V3Session(id), admitted);
        run_v3(&context, stream, visitor, address, &[]).await;
    };
    let accepting = || port.clone().run(context.clone(), &listener, serve);
    keep("the port for SDKs of 3.x", context.stop.clone(), accepting).await;
}

/// Serves other nodes until the node stops.
pub(crate) async fn serve_p2p(
    context: NodeContext,
    door: Arc<Door>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) {
    let (verifier, limits) = (context.access.peers.clone(), &context.limits);
    let port = AcceptingPort::new(door, tls, verifier, (limits, limits.peers), |refusals| {
        &refusals.peers_turned_away
    });
    let serve = |context: NodeContext, stream: TlsStream<Tcp>, admitted, address: SocketAddr| async move {
        let Admitted { info, standing, .. } = admitted;
        if let Some(identity) = identify(info, &standing, address) {
            let node = identity.node;
            let end = run_peer(&context, identity, standing, false, stream).await;
            context.core.journal.info(
                LineKind::PeerEnded,
                Cause::Address(ports::source(address.ip())),
                format_args!(
                    "connection from node {} at {address} ended: {}",
                    node.short(),
                    with_causes(&end)
                ),
            );
        }
    };
    let accepting = || port.clone().run(context.clone(), &listener, serve);
    keep("the port for nodes", context.stop.clone(), accepting).await;
}

#[derive(Clone)]
pub(crate) struct AcceptingPort {
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
    /// Creates the port. When all `places` are taken, a newcomer may get a place that another key or
    /// agency has beyond its share. The machine decides this, and it must know the newcomer's
    /// certificate, so the handshake comes first.
    pub(crate) fn new(
        door: Arc<Door>,
        tls: Arc<ServerConfig>,
        verifier: PeerVerifier,
        (limits, places): (&ListenLimits, usize),
        turned_away: fn(&Refusals) -> &AtomicU64,
    ) -> Self {
        let connections = places.saturating_add(limits.handshakes);
        Self {
            door,
            tls,
            verifier,
            connections: Arc::new(Semaphore::new(connections)),
            turned_away,
        }
    }

    pub(crate) async fn run<F, Fut>(self, context: NodeContext, listener: &TcpListener, serve: F)
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
        let (we, mode) = (Side::Server, self.verifier.mode());
        let failed = |error| Unfinished::Failed(HandshakeFailure::from_io(error, we, mode));
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
        let rest = context.ports.shake(place, async {
            HandshakeFailure::explain(hello.into_stream(tls), we, mode).await
        });
        within(due(limits.handshake_time), rest)
            .await
            .ok_or_else(|| late(limits.handshake_time, ""))?
            .map_err(Unfinished::Failed)
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
                let text = format_args!("{who} at {address} refused: {}", with_causes(failure));
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
