//! The port for SDKs of 3.x without TLS.

use std::sync::Arc;

use amop_ws::UpgradeError;
use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};

use super::{refused, run_upgraded, upgrade};
use crate::{
    accept::Handover,
    connection::Visitor,
    context::NodeContext,
    ports::{Door, Place},
    supervise::keep,
    tcp::Tcp,
};

/// Serves SDKs of 3.x without TLS until the node stops.
pub(crate) async fn serve_plain(context: NodeContext, door: Arc<Door>, listener: TcpListener) {
    let limits = &context.limits;
    let handover = Handover::new(door.who(), (limits, limits.sessions), |refusals| {
        &refusals.sessions_turned_away
    });
    let accepting = || accept(&context, &door, &listener, &handover);
    let stop = context.stop.clone();
    keep("the port for SDKs of 3.x", stop, accepting).await;
}

async fn accept(
    context: &NodeContext,
    door: &Arc<Door>,
    listener: &TcpListener,
    handover: &Handover,
) {
    while let Some((stream, address, place)) = door.next(listener, &context.stop).await {
        let (context, handover) = (context.clone(), handover.clone());
        let ports = context.ports.clone();
        ports.spawn(async move {
            let upgraded = tokio::select! {
                biased;
                () = place.lost() => return place.log_loss(address),
                () = context.stop.cancelled() => return,
                upgraded = begin(&context, stream, &place) => upgraded,
            };
            let (stream, rest) = match upgraded {
                Ok(upgraded) => upgraded,
                Err(error) => return refused(&context, address, &error),
            };
            drop(place);
            let serve = async move |context: NodeContext, stream| {
                let visitor = Visitor::plain(context.core.next_session(), address);
                run_upgraded(&context, stream, visitor, address, &rest).await;
            };
            handover.run(context, stream, address, Tcp::move_here, serve);
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
