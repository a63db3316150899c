//! Hands connections that are let in over from the ports to the node's runtime.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Semaphore;

use crate::{
    context::NodeContext,
    journal::{Cause, LineKind},
    limits::ListenLimits,
    ports,
    stats::Refusals,
};

/// The connections of one port that are let in.
#[derive(Debug, Clone)]
pub(crate) struct Handover {
    /// The kind of client, for the log.
    who: &'static str,
    connections: Arc<Semaphore>,
    turned_away: fn(&Refusals) -> &AtomicU64,
}

impl Handover {
    /// Allows `places` connections, and as many more as may be in a handshake. When all `places` are
    /// taken, a newcomer may get a place that another key or agency has beyond its share. The machine
    /// decides this, and it must know the newcomer's certificate, so the handshake comes first.
    pub(crate) fn new(
        who: &'static str,
        (limits, places): (&ListenLimits, usize),
        turned_away: fn(&Refusals) -> &AtomicU64,
    ) -> Self {
        let connections = places.saturating_add(limits.handshakes);
        Self {
            who,
            connections: Arc::new(Semaphore::new(connections)),
            turned_away,
        }
    }

    /// Starts to serve a connection on the node's runtime, to which `move_here` moves it; or closes
    /// it if there are too many.
    pub(crate) fn run<S, Fut>(
        &self,
        context: NodeContext,
        mut stream: S,
        address: SocketAddr,
        move_here: fn(&mut S) -> io::Result<()>,
        serve: impl FnOnce(NodeContext, S) -> Fut + Send + 'static,
    ) where
        S: Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let who = self.who;
        let Ok(connection) = self.connections.clone().try_acquire_owned() else {
            return self.turn_away(&context, address);
        };
        let (tasks, runtime) = (context.tasks.clone(), context.runtime.clone());
        let serving = async move {
            let _connection = connection;
            if let Err(error) = move_here(&mut stream) {
                return tracing::warn!("{who} at {address} cannot be served: {error}");
            }
            serve(context, stream).await;
        };
        tasks.spawn_on(serving, &runtime);
    }

    fn turn_away(&self, context: &NodeContext, address: SocketAddr) {
        let (who, core) = (self.who, &context.core);
        let turned_away = (self.turned_away)(&core.refusals);
        let count = turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        let text = format!(
            "turned away a {who} from {address}: all connections are in use \
             (turned away so far: {count})"
        );
        let cause = Cause::Address(ports::source(address.ip()));
        core.journal.warn(LineKind::TurnedAway(who), cause, text);
    }
}
