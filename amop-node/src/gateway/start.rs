//! Starts the tasks of a gateway.

use std::{future::Future, net::SocketAddr, sync::Arc};

use amop_proto::log::ShortId;
use tokio_util::task::TaskTracker;

use super::{
    dial::GatewayDialler,
    listen::serve_gateway,
    machine::{MachineSide, identity},
    parts::Gateway,
    prepare::PreparedGateway,
    room::GatewayRoom,
};
use crate::{
    context::NodeContext,
    error::StartError,
    ports::Door,
    supervise::{keep, keep_until_stopped},
};

/// Starts a gateway. Its tasks are among those of the node.
pub(crate) fn start_gateway(
    context: &NodeContext,
    prepared: PreparedGateway,
) -> Result<(Arc<GatewayRoom>, SocketAddr), StartError> {
    let PreparedGateway {
        own,
        chain,
        authority,
        agency,
        bridge,
        codec,
        verifier,
        server,
        client,
        listener,
        address,
        peers,
        lists,
        redial,
        transit,
    } = prepared;
    let (core, checker) = (context.core.clone(), context.checker.clone());
    let room = Arc::new(GatewayRoom::new(bridge, core.clone(), checker));
    let gateway = Gateway {
        context: context.clone(),
        room: room.clone(),
        codec,
        verifier,
        lists: Arc::new(lists),
    };
    let listener = listener.into_std().and_then(|it| context.ports.adopt(it));
    let listener = listener.map_err(StartError::Thread)?;
    let (places, of_source) = (context.limits.handshakes, context.limits.source_handshakes);
    let door = Door::new("3.x node", places, of_source, core, |refusals| {
        &refusals.handshakes_displaced
    });
    spawn_lasting(context, &room);
    let side = MachineSide {
        context: context.clone(),
        room: room.clone(),
        identity: identity(chain, (agency, authority), address.to_string()),
        transit,
    };
    spawn_machine_side(&context.tasks, side);
    context.ports.spawn(serve_gateway(
        gateway.clone(),
        door.clone(),
        listener,
        server,
    ));
    for peer in peers {
        let (gateway, door, client) = (gateway.clone(), door.clone(), client.clone());
        let (name, stop) = (
            format!("the dialler of 3.x node {peer}"),
            context.stop.clone(),
        );
        context.tasks.spawn(keep(name, stop, move || {
            let (gateway, door) = (gateway.clone(), door.clone());
            GatewayDialler::new(gateway, door, peer.clone(), client.clone(), redial).run()
        }));
    }
    tracing::info!(
        "the gateway serves 3.x nodes on {address} as node {}; their chain is node {} here{}",
        own.id().short(),
        ShortId(&chain.0),
        match transit {
            true => " and takes part in the overlay",
            false => "",
        }
    );
    Ok((room, address))
}

/// Starts the task that carries frames to and from the node machine. Whatever happens to it, the
/// connections need not wait for it at the end.
fn spawn_machine_side(tasks: &TaskTracker, side: MachineSide) {
    let (stop, drained) = (side.context.stop.clone(), side.room.drained.clone());
    let name = "the task between the gateway and the node";
    tasks.spawn(async move {
        let _done = drained.drop_guard();
        keep(name, stop, move || side.clone().run()).await;
    });
}

/// Starts the tasks that last as long as the gateway and belong to no connection.
fn spawn_lasting(context: &NodeContext, room: &Arc<GatewayRoom>) {
    let (tasks, stop) = (&context.tasks, &context.stop);
    let timer = room.clone();
    spawn(tasks, "the timer task of the gateway", stop, move || {
        let room = timer.clone();
        async move { room.run_timer().await }
    });
    let counts = room.clone();
    spawn(
        tasks,
        "the task that logs the gateway's counters",
        stop,
        move || {
            let room = counts.clone();
            async move { room.log_counters().await }
        },
    );
}

fn spawn<F: Future<Output = ()> + Send + 'static>(
    tasks: &TaskTracker,
    name: &'static str,
    stop: &tokio_util::sync::CancellationToken,
    task: impl FnMut() -> F + Send + 'static,
) {
    tasks.spawn(keep_until_stopped(name, stop.clone(), task));
}
