//! Starts the tasks of a node.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use amop_proto::{
    channel::FrameDecoder,
    log::ShortId,
    node::{Checker, Limits},
    p2p::{NodeId, PeerCodec},
    ws::bridge::SdkBridgeConfig,
};
use amop_tls::{PeerVerifier, PublicKey};
use rustls::{ClientConfig, ServerConfig};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Node,
    access::Access,
    checking::Checking,
    config::PeerAddr,
    context::NodeContext,
    core::Core,
    dial::Dialler,
    effort::Efforts,
    error::StartError,
    gateway::{PreparedGateway, start_gateway},
    http::serve_http,
    intake::Intake,
    limits::ListenLimits,
    ports::{Door, Ports},
    refused_nodes::look_at_nodes,
    services::{Generations, serve_p2p, serve_sdks},
    supervise::{keep, keep_until_stopped},
    v3::serve_plain,
};

/// The certificates of known nodes are checked for expiry this often.
const LOOK_AT_NODES: Duration = Duration::from_secs(60);

/// The parts from which a node is started.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) core: Arc<Core>,
    pub(crate) access: Arc<Access>,
    pub(crate) node_id: PublicKey,
    /// The ports of 2.x; a node of a 3.x chain alone has none.
    pub(crate) channel: Option<TlsPort>,
    pub(crate) channel_address: SocketAddr,
    pub(crate) p2p: Option<TlsPort>,
    pub(crate) p2p_address: SocketAddr,
    pub(crate) v3: Option<V3Port>,
    pub(crate) v3_on_channel: bool,
    pub(crate) sessions_v3: SdkBridgeConfig,
    pub(crate) rpc: Option<Rpc>,
    pub(crate) p2p_client: Arc<ClientConfig>,
    pub(crate) peers: Vec<PeerAddr>,
    pub(crate) decoder: FrameDecoder,
    pub(crate) codec: PeerCodec,
    pub(crate) checker: Arc<Checker>,
    pub(crate) limits: ListenLimits,
    /// The machine's limits.
    pub(crate) machine_limits: Limits,
    pub(crate) gateway: Option<PreparedGateway>,
}

/// A port of 2.x.
#[derive(Debug)]
pub(crate) struct TlsPort {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ServerConfig>,
}

/// The port for SDKs of 3.x.
#[derive(Debug)]
pub(crate) struct V3Port {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    /// `None` without TLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) verifier: Option<PeerVerifier>,
}

/// The JSON-RPC port.
#[derive(Debug)]
pub(crate) struct Rpc {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

pub(crate) fn start(setup: Setup) -> Result<Node, StartError> {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (ports, ports_thread) = Ports::start(stop.clone()).map_err(StartError::Thread)?;
    // Without this guard, the thread would outlive a failed start.
    let failed = stop.clone().drop_guard();
    let adopt = |listener: TcpListener| ports.adopt(listener.into_std()?);
    let (limits, core) = (&setup.limits, &setup.core);
    let tls_door = |who| {
        let (places, of_source) = (limits.handshakes, limits.source_handshakes);
        Door::new(who, places, of_source, core.clone(), |refusals| {
            &refusals.handshakes_displaced
        })
    };
    let (channel_door, p2p_door) = (tls_door("SDK"), tls_door("node"));
    let v3_door = tls_door("3.x SDK");
    let checker = setup.checker;
    let (checking, checking_thread) = Checking::start().map_err(StartError::Thread)?;
    // One of the runtime's workers is kept free for sessions that use little.
    let places = Handle::current().metrics().num_workers().saturating_sub(1);
    let context = NodeContext {
        node_id: NodeId(setup.node_id.0),
        core: setup.core.clone(),
        access: setup.access.clone(),
        stop: stop.clone(),
        tasks: tasks.clone(),
        runtime: Handle::current(),
        ports: ports.clone(),
        p2p_door: p2p_door.clone(),
        decoder: setup.decoder,
        codec: setup.codec,
        checker: checker.clone(),
        checking,
        limits: setup.limits,
        intake: Intake::new(setup.limits.receiving),
        efforts: Efforts::new(setup.limits.lag, places),
        machine_limits: setup.machine_limits,
        paces: Arc::default(),
        sessions_v3: setup.sessions_v3,
    };
    let intake = context.intake.clone();
    spawn_lasting(&context);
    if let Some(TlsPort { listener, tls, .. }) = setup.channel {
        let listener = adopt(listener).map_err(StartError::Thread)?;
        let context = context.clone();
        let generations = match setup.v3_on_channel {
            true => Generations::Both,
            false => Generations::V2,
        };
        ports.spawn(serve_sdks(
            context,
            generations,
            channel_door,
            listener,
            tls,
        ));
    }
    if let Some(TlsPort { listener, tls, .. }) = setup.p2p {
        let listener = adopt(listener).map_err(StartError::Thread)?;
        ports.spawn(serve_p2p(context.clone(), p2p_door, listener, tls));
        tracing::info!(
            "node {} serves SDKs on {} and nodes on {}",
            ShortId(&setup.node_id.0),
            setup.channel_address,
            setup.p2p_address
        );
    }
    let v3_address = setup.v3.as_ref().map(|port| port.address);
    if let Some(port) = setup.v3 {
        let listener = adopt(port.listener).map_err(StartError::Thread)?;
        match port.tls {
            Some(tls) => {
                let (context, generations) = (context.clone(), Generations::V3);
                ports.spawn(serve_sdks(context, generations, v3_door, listener, tls));
                tracing::info!("SDKs of 3.x are served on {}", port.address);
                tracing::warn!(
                    "ANY CERTIFICATE OF THE 3.x CHAIN MAY ACT AS AN SDK HERE: the certificates of 3.x \
                     chains do not distinguish SDKs from nodes, and cannot be listed; see \
                     docs/security.md"
                );
            }
            None => {
                ports.spawn(serve_plain(context.clone(), v3_door, listener));
                tracing::warn!(
                    "SDKs OF 3.x ARE SERVED WITHOUT TLS ON {}: everybody who can reach it may connect, \
                     and read and change messages on the way; remove disable_ssl=true from [rpc] to \
                     prevent this",
                    port.address
                );
            }
        }
    }
    let rpc = setup.rpc.map(|rpc| {
        let places = context.limits.http;
        let core = context.core.clone();
        let door = Door::new("HTTP client", places, places, core, |refusals| {
            &refusals.http_displaced
        });
        let listener = adopt(rpc.listener).map_err(StartError::Thread)?;
        ports.spawn(serve_http(context.clone(), door, listener));
        tracing::info!("JSON-RPC over HTTP is answered on {}", rpc.address);
        if !rpc.address.ip().is_loopback() {
            tracing::warn!(
                "{} is not a loopback address: anyone who can reach it can ask for peers and \
                 topics without a certificate; set rpc.jsonrpc_listen_ip=127.0.0.1 to prevent this",
                rpc.address
            );
        }
        Ok::<_, StartError>(rpc.address)
    });
    let rpc = rpc.transpose()?;
    let gateway = setup
        .gateway
        .map(|gateway| start_gateway(&context, gateway));
    let gateway = gateway.transpose()?;
    for peer in setup.peers {
        let (context, tls) = (context.clone(), setup.p2p_client.clone());
        let (name, stop) = (format!("the dialler of {peer}"), stop.clone());
        tasks.spawn(keep(name, stop, move || {
            Dialler::new(context.clone(), peer.clone(), tls.clone()).run()
        }));
    }
    failed.disarm();
    Ok(Node {
        core: setup.core,
        access: setup.access,
        checker,
        node_id: setup.node_id,
        channel: setup.channel_address,
        p2p: setup.p2p_address,
        v3: v3_address,
        rpc,
        stop,
        tasks,
        ports: Some(ports_thread),
        checking: Some(checking_thread),
        intake,
        gateway,
    })
}

/// Starts the tasks that last as long as the node and belong to no connection.
fn spawn_lasting(context: &NodeContext) {
    let spawn = |name, task: fn(NodeContext) -> BoxFuture| {
        let (context, stop) = (context.clone(), context.stop.clone());
        let tasks = context.tasks.clone();
        tasks.spawn(keep_until_stopped(name, stop, move || {
            task(context.clone())
        }));
    };
    spawn("the task that shares the processors", |context| {
        Box::pin(async move { context.efforts.watch().await })
    });
    spawn("the timer task", |context| {
        Box::pin(async move { context.core.run_timer().await })
    });
    spawn("the task that builds long statements", |context| {
        Box::pin(async move { context.core.run_restating().await })
    });
    spawn("the task that logs counters", |context| {
        Box::pin(async move { context.core.log_stats().await })
    });
    spawn("the task that closes expired connections", |context| {
        Box::pin(async move { context.access.watch(&context.core).await })
    });
    spawn("the task that reports suppressed lines", |context| {
        Box::pin(async move { context.core.journal.run().await })
    });
    spawn("the task that checks nodes' certificates", |context| {
        Box::pin(async move {
            loop {
                tokio::time::sleep(LOOK_AT_NODES).await;
                look_at_nodes(&context.core, &context.checker).await;
            }
        })
    });
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
