//! The TLS ports of a node: accepts connections, and does the handshakes.

mod handover;

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use amop_proto::log::with_causes;
use amop_tls::{Admitted, HandshakeFailure, PeerVerifier, Side};
use amop_ws::UpgradeError;
use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, timeout_at},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

pub(crate) use self::handover::Handover;
use crate::{
    access::admit,
    context::NodeContext,
    journal::{Cause, LineKind},
    limits::ListenLimits,
    ports::{Door, Place},
    stats::Refusals,
    supervise::keep,
    tcp::Tcp,
    v3::refused,
};

/// What a port does with its connections.
pub(crate) trait Service: Clone + Send + Sync + 'static {
    /// What a connection begins with after TLS.
    type Beginning: Send;

    /// Reads the beginning of a connection. Meanwhile the connection has its place at the door, and
    /// may lose it to another one.
    fn begin(
        &self,
        context: &NodeContext,
        stream: &mut TlsStream<Tcp>,
    ) -> impl Future<Output = Result<Self::Beginning, UpgradeError>> + Send;

    /// Serves a connection until it ends.
    fn serve(
        self,
        context: NodeContext,
        stream: TlsStream<Tcp>,
        arrived: Arrived<Self::Beginning>,
    ) -> impl Future<Output = ()> + Send;
}

/// Who is at the other end of a connection, and how it begins.
pub(crate) struct Arrived<B> {
    pub(crate) admitted: Admitted,
    pub(crate) address: SocketAddr,
    pub(crate) beginning: B,
}

#[derive(Clone)]
pub(crate) struct AcceptingPort {
    door: Arc<Door>,
    tls: Arc<ServerConfig>,
    verifier: PeerVerifier,
    handover: Handover,
}

/// The reason why a handshake ended without a connection.
enum Unfinished {
    Failed(HandshakeFailure),
    /// TLS was established, but what followed is not what the port serves.
    NotUpgraded(UpgradeError),
    /// It took too long; the text gives details.
    Slow(String),
    /// Its place was given to another connection.
    Displaced,
    /// The connection closed before it sent anything.
    Silent,
    Stopping,
}

impl AcceptingPort {
    /// Creates the port, with `places` places for connections that are let in.
    pub(crate) fn new(
        door: Arc<Door>,
        tls: Arc<ServerConfig>,
        verifier: PeerVerifier,
        places: (&ListenLimits, usize),
        turned_away: fn(&Refusals) -> &AtomicU64,
    ) -> Self {
        let handover = Handover::new(door.who(), places, turned_away);
        Self {
            door,
            tls,
            verifier,
            handover,
        }
    }

    /// Serves connections until the node stops. `name` is that of the port, for the log.
    pub(crate) async fn run(
        self,
        name: &str,
        context: NodeContext,
        listener: TcpListener,
        service: impl Service,
    ) {
        let accepting = || self.accept(&context, &listener, &service);
        keep(name, context.stop.clone(), accepting).await;
    }

    async fn accept(&self, context: &NodeContext, listener: &TcpListener, service: &impl Service) {
        while let Some((stream, address, place)) = self.door.next(listener, &context.stop).await {
            let (port, service, context) = (self.clone(), service.clone(), context.clone());
            let ports = context.ports.clone();
            ports.spawn(async move {
                let begun = port.begin(&context, stream, &place, &service).await;
                let (stream, admitted, beginning) = match begun {
                    Ok(begun) => begun,
                    Err(unfinished) => return port.refused(&context, address, &place, unfinished),
                };
                drop(place);
                let arrived = Arrived {
                    admitted,
                    address,
                    beginning,
                };
                let tcp = |stream: &mut TlsStream<Tcp>| stream.get_mut().0.move_here();
                let serve = |context, stream| service.serve(context, stream, arrived);
                port.handover.run(context, stream, address, tcp, serve);
            });
        }
    }

    /// Does the TLS handshake with an unknown client and reads its beginning, until its time, its
    /// place or the node ends.
    async fn begin<S: Service>(
        &self,
        context: &NodeContext,
        stream: TcpStream,
        place: &Place,
        service: &S,
    ) -> Result<(TlsStream<Tcp>, Admitted, S::Beginning), Unfinished> {
        let beginning = async {
            let mut stream = self.shake(context, stream, place).await?;
            let certificates = stream.get_ref().1.peer_certificates();
            // Lists may have been reloaded after the handshake.
            let admitted = admit(&self.verifier, certificates, Side::Client);
            let admitted = admitted
                .map_err(|error| Unfinished::Failed(HandshakeFailure::PeerCertificate(error)))?;
            let beginning = service.begin(context, &mut stream).await;
            let beginning = beginning.map_err(Unfinished::NotUpgraded)?;
            Ok((stream, admitted, beginning))
        };
        tokio::select! {
            // A connection that has lost its place is already counted.
            biased;
            () = place.lost() => Err(Unfinished::Displaced),
            () = context.stop.cancelled() => Err(Unfinished::Stopping),
            begun = beginning => begun,
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

    fn refused(
        &self,
        context: &NodeContext,
        address: SocketAddr,
        place: &Place,
        unfinished: Unfinished,
    ) {
        let (who, core) = (self.door.who(), &context.core);
        let cause = Cause::Address(place.source());
        match unfinished {
            Unfinished::Failed(failure) => {
                core.refusals.handshake_failed(&failure);
                let text = format!("{who} at {address} refused: {}", with_causes(&failure));
                core.journal.warn(LineKind::Refused(who), cause, text);
            }
            Unfinished::NotUpgraded(error) => refused(context, address, &error),
            Unfinished::Slow(how) => {
                core.refusals.handshake_timed_out();
                let text = format!("{who} at {address} {how}");
                core.journal.warn(LineKind::TimedOut(who), cause, text);
            }
            Unfinished::Displaced => place.log_loss(address),
            Unfinished::Silent => {
                let text = format!(
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
