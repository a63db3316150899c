//! The port for SDKs of 3.x without TLS.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use amop_ws::UpgradeError;
use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{refused, run_upgraded, upgrade};
use crate::{
    connection::Visitor,
    context::NodeContext,
    journal::{Cause, LineKind},
    ports::{self, Door, Place},
    supervise::keep,
    tcp::Tcp,
};

/// Serves SDKs of 3.x without TLS until the node stops.
pub(crate) async fn serve_plain(context: NodeContext, door: Arc<Door>, listener: TcpListener) {
    let limits = &context.limits;
    let places = limits.sessions.saturating_add(limits.handshakes);
    let connections = Arc::new(Semaphore::new(places));
    let accepting = || {
        run(
            context.clone(),
            door.clone(),
            &listener,
            connections.clone(),
        )
    };
    let stop = context.stop.clone();
    keep("the port for SDKs of 3.x", stop, accepting).await;
}

async fn run(
    context: NodeContext,
    door: Arc<Door>,
    listener: &TcpListener,
    connections: Arc<Semaphore>,
) {
    while let Some((stream, address, place)) = door.next(listener, &context.stop).await {
        let (context, connections) = (context.clone(), connections.clone());
        let ports = context.ports.clone();
        ports.spawn(async move {
            let upgraded = tokio::select! {
                biased;
                () = place.lost() => return place.log_loss(address),
                () = context.stop.cancelled() => return,
                upgraded = begin(&context, stream, &place) => upgraded,
            };
            match upgraded {
                Ok((stream, rest)) => hand_over(context, stream, rest, address, &connections),
                Err(error) => refused(&context, address, &error),
            }
        });
    }
}

async fn begin(
    context: &NodeContext,
    stream: TcpStream,
    place: &Place,
) -> Result<(Tcp, Bytes), UpgradeError> {
    let mut stream = Tcp::new(stream).map_err(UpgradeError::Io)?;
    let rest = upgrade(context, &mut stream, &[]).await?;
    place.spoke();
    Ok((stream, rest))
}

/// Hands a connection over to the node's runtime.
fn hand_over(
    context: NodeContext,
    mut stream: Tcp,
    rest: Bytes,
    address: SocketAddr,
    connections: &Arc<Semaphore>,
) {
    let Ok(connection) = connections.clone().try_acquire_owned() else {
        let turned_away = &context.core.refusals.sessions_turned_away;
        let count = turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        let text = format_args!(
            "turned away a 3.x SDK from {address}: all connections are in use (turned away so far: \
             {count})"
        );
        let cause = Cause::Address(ports::source(address.ip()));
        let kind = LineKind::TurnedAway("3.x SDK");
        return context.core.journal.warn(kind, cause, text);
    };
    let (tasks, runtime) = (context.tasks.clone(), context.runtime.clone());
    let serving = async move {
        let _connection = connection;
        if let Err(error) = stream.move_here() {
            return tracing::warn!("3.x SDK at {address} cannot be served: {error}");
        }
        let visitor = Visitor::plain(context.core.next_session(), address);
        run_upgraded(&context, stream, visitor, address, &rest).await;
    };
    tasks.spawn_on(serving, &runtime);
}
