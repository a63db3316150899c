//! A running node: its tasks, its addresses, its end.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use amop_proto::{
    channel::FrameDecoder,
    node::{Checker, Counters, Limits, NodeEvent},
    p2p::{NodeId, PeerCodec, mesh::Subject},
};
use amop_tls::PublicKey;
use bytes::Bytes;
use rustls::{ClientConfig, ServerConfig};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    AccessLists, NodeBuilder, ReloadError, Reloaded,
    access::Access,
    apart::aside,
    checking::{Checking, CheckingThread},
    config::PeerAddr,
    core::Core,
    dial::Dialler,
    effort::Efforts,
    error::StartError,
    http::serve_http,
    intake::Intake,
    listen::{ListenLimits, serve_channel, serve_p2p},
    pace::Paces,
    ports::{Door, Ports, PortsThread},
    receive::Patience,
    stats::Stats,
    supervise::{keep, keep_until_stopped},
};

/// How long connections may take at shutdown to accept what was sent to them.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// The certificates of known nodes are checked for expiry this often.
const LOOK_AT_NODES: Duration = Duration::from_secs(60);

/// A running AMOP node.
///
/// Dropping it stops it in the background; [`shutdown`](Self::shutdown) also waits until every task
/// has ended and its ports are free.
#[derive(Debug)]
pub struct Node {
    core: Arc<Core>,
    access: Arc<Access>,
    checker: Arc<Checker>,
    node_id: PublicKey,
    channel: SocketAddr,
    p2p: SocketAddr,
    rpc: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
    ports: Option<PortsThread>,
    checking: Option<CheckingThread>,
    intake: Arc<Intake>,
}

/// The parts from which a node is started.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) core: Arc<Core>,
    pub(crate) access: Arc<Access>,
    pub(crate) node_id: PublicKey,
    pub(crate) channel: TcpListener,
    pub(crate) channel_address: SocketAddr,
    pub(crate) channel_tls: Arc<ServerConfig>,
    pub(crate) p2p: TcpListener,
    pub(crate) p2p_address: SocketAddr,
    pub(crate) rpc: Option<Rpc>,
    pub(crate) p2p_server: Arc<ServerConfig>,
    pub(crate) p2p_client: Arc<ClientConfig>,
    pub(crate) peers: Vec<PeerAddr>,
    pub(crate) decoder: FrameDecoder,
    pub(crate) codec: PeerCodec,
    pub(crate) checker: Arc<Checker>,
    pub(crate) limits: ListenLimits,
    /// The machine's limits.
    pub(crate) machine_limits: Limits,
}

/// The JSON-RPC port.
#[derive(Debug)]
pub(crate) struct Rpc {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// The state that the tasks of a node share.
#[derive(Debug, Clone)]
pub(crate) struct NodeContext {
    pub(crate) core: Arc<Core>,
    pub(crate) access: Arc<Access>,
    pub(crate) stop: CancellationToken,
    /// The tasks of authenticated connections, and the runtime they run on.
    pub(crate) tasks: TaskTracker,
    pub(crate) runtime: Handle,
    /// The thread for connections that are not authenticated yet.
    pub(crate) ports: Ports,
    pub(crate) p2p_door: Arc<Door>,
    pub(crate) decoder: FrameDecoder,
    pub(crate) codec: PeerCodec,
    pub(crate) checker: Arc<Checker>,
    pub(crate) checking: Checking,
    pub(crate) limits: ListenLimits,
    /// The machine's limits.
    pub(crate) machine_limits: Limits,
    pub(crate) intake: Arc<Intake>,
    pub(crate) efforts: Arc<Efforts>,
    /// How fast texts are read for all connections with the same key.
    pub(crate) paces: Arc<Paces>,
}

impl NodeContext {
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            grace: self.limits.frame_time,
            rate: self.limits.frame_rate,
        }
    }
}

pub(crate) fn start(setup: Setup) -> Result<Node, StartError> {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (ports, ports_thread) = Ports::start(stop.clone()).map_err(StartError::Thread)?;
    // Without this guard, the thread would outlive a failed start.
    let failed = stop.clone().drop_guard();
    let adopt = |listener: TcpListener| ports.adopt(listener.into_std()?);
    let channel = adopt(setup.channel).map_err(StartError::Thread)?;
    let p2p = adopt(setup.p2p).map_err(StartError::Thread)?;
    let (limits, core) = (&setup.limits, &setup.core);
    let tls_door = |who| {
        let (places, of_source) = (limits.handshakes, limits.source_handshakes);
        Door::new(who, places, of_source, core.clone(), |refusals| {
            &refusals.handshakes_displaced
        })
    };
    let (channel_door, p2p_door) = (tls_door("SDK"), tls_door("node"));
    let checker = setup.checker;
    let (checking, checking_thread) = Checking::start().map_err(StartError::Thread)?;
    // One of the runtime's workers is kept free for sessions that use little.
    let places = Handle::current().metrics().num_workers().saturating_sub(1);
    let context = NodeContext {
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
    };
    let intake = context.intake.clone();
    spawn_lasting(&context);
    ports.spawn(serve_channel(
        context.clone(),
        channel_door,
        channel,
        setup.channel_tls,
    ));
    ports.spawn(serve_p2p(context.clone(), p2p_door, p2p, setup.p2p_server));
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
    for peer in setup.peers {
        let (context, tls) = (context.clone(), setup.p2p_client.clone());
        let (name, stop) = (format!("the dialler of {peer}"), stop.clone());
        tasks.spawn(keep(name, stop, move || {
            Dialler::new(context.clone(), peer.clone(), tls.clone()).run()
        }));
    }
    tracing::info!(
        "node {} serves SDKs on {} and nodes on {}",
        short(&setup.node_id.to_string()),
        setup.channel_address,
        setup.p2p_address
    );
    failed.disarm();
    Ok(Node {
        core: setup.core,
        access: setup.access,
        checker,
        node_id: setup.node_id,
        channel: setup.channel_address,
        p2p: setup.p2p_address,
        rpc,
        stop,
        tasks,
        ports: Some(ports_thread),
        checking: Some(checking_thread),
        intake,
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

/// Forgets the statements of nodes whose certificates are no longer valid, and the statements of
/// border nodes about FISCO nodes that the lists refuse. This concerns nodes that are not
/// neighbours: a neighbour's connection is closed instead.
async fn look_at_nodes(core: &Arc<Core>, checker: &Arc<Checker>) {
    let chains: Vec<(Subject, Vec<Bytes>)> = {
        let state = core.lock();
        let chains = state.machine.router().chains();
        chains
            .map(|(subject, chain)| (subject, chain.to_vec()))
            .collect()
    };
    let checker = checker.clone();
    // This may take seconds.
    let nodes = aside(move || checker.disbelieved(chains)).await;
    if !nodes.is_empty() {
        core.handle([NodeEvent::Disbelieve(nodes)]);
    }
}

/// Returns the first digits of a node ID, enough to distinguish nodes in a log.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

impl Node {
    /// Configures a node.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use amop_node::Node;
    /// use amop_tls::{Identity, pki};
    ///
    /// let agency = pki::Authority::new_ec("chain")?.agency("agency")?;
    /// let issued = agency.issue(pki::Leaf::Node, "node0")?;
    /// let identity = Identity::from_pem(
    ///     issued.cert_pem.as_bytes(),
    ///     issued.key_pem.as_bytes(),
    ///     agency.root_pem().as_bytes(),
    /// )?;
    /// let node = Node::builder().identity(identity).start().await?;
    /// println!("SDKs connect to {}", node.channel_address());
    /// node.shutdown().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// Returns the address that SDKs connect to.
    pub fn channel_address(&self) -> SocketAddr {
        self.channel
    }

    /// Returns the address that other nodes connect to.
    pub fn p2p_address(&self) -> SocketAddr {
        self.p2p
    }

    /// Returns the address that answers JSON-RPC over HTTP, if there is one.
    pub fn rpc_address(&self) -> Option<SocketAddr> {
        self.rpc
    }

    /// Returns the node's ID.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.node_id.0)
    }

    /// Returns the IDs of the nodes connected now.
    pub fn peers(&self) -> Vec<NodeId> {
        self.core
            .lock()
            .machine
            .peers()
            .map(|peer| peer.node)
            .collect()
    }

    /// Returns how many SDKs are connected now.
    pub fn session_count(&self) -> usize {
        self.core.lock().machine.session_count()
    }

    /// Returns everything that the node has counted since it started. Changes are logged once a
    /// minute, and all counters at shutdown.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// Returns the number of bytes that wait to be written to SDKs now.
    pub fn session_bytes(&self) -> usize {
        self.core.lock().machine.router().session_bytes()
    }

    /// Returns the number of bytes that wait to be written to other nodes now.
    pub fn peer_bytes(&self) -> usize {
        self.core.lock().machine.router().peer_bytes()
    }

    /// Returns the size in bytes of the stored statements about other nodes, as
    /// [`Limits::records_bytes`](crate::Limits::records_bytes) counts them.
    pub fn records_bytes(&self) -> usize {
        self.core.lock().machine.router().records_bytes()
    }

    /// Returns how many overlay nodes can be reached, neighbours included.
    pub fn reachable(&self) -> usize {
        self.core.lock().machine.router().reachable()
    }

    /// Returns how many signatures of nodes have been verified since the start. This is the most
    /// expensive work that other nodes can cause.
    pub fn signatures_verified(&self) -> u64 {
        self.checker.verified()
    }

    /// Returns the total length of all incomplete frames, as
    /// [`ListenLimits::receiving`](crate::ListenLimits::receiving) counts them.
    pub fn receiving_bytes(&self) -> usize {
        self.intake.bytes()
    }

    /// Returns the node's message counters, a part of [`stats`](Self::stats).
    pub fn counters(&self) -> Counters {
        self.core.lock().machine.router().counters()
    }

    fn peers_in_reach(&self) -> usize {
        let now = std::time::Instant::now();
        self.core.lock().machine.peers_in_reach(now)
    }

    /// Waits until `expected` peers are connected and messages can be sent through them.
    ///
    /// # Errors
    ///
    /// [`StartError::Peers`] if this does not happen within `patience`.
    ///
    /// # Cancel safety
    ///
    /// This changes nothing, so its future can be dropped at any time.
    pub async fn wait_for_peers(
        &self,
        expected: usize,
        patience: Duration,
    ) -> Result<(), StartError> {
        let reached = async {
            // There is no event for the greetings that two nodes exchange on a new link.
            let mut often = tokio::time::interval(Duration::from_millis(10));
            while self.peers_in_reach() < expected {
                often.tick().await;
            }
        };
        if tokio::time::timeout(patience, reached).await.is_err() {
            return Err(StartError::Peers {
                connected: self.peers_in_reach(),
                expected,
                seconds: patience.as_secs(),
            });
        }
        Ok(())
    }

    /// Replaces the lists that decide who may connect, and closes connections that the new lists
    /// refuse. Everything else stays as it was when the node started.
    ///
    /// Revocation lists are read again, also from unchanged paths. Statements of nodes that the new
    /// lists refuse are forgotten, also if these nodes are not neighbours. If the future is dropped
    /// before it completes, either nothing has changed, or the lists are in force and such nodes are
    /// forgotten only when they are stated again.
    ///
    /// ```no_run
    /// # async fn run(node: amop_node::Node) -> Result<(), amop_node::ReloadError> {
    /// use amop_node::AccessLists;
    ///
    /// let (lists, _warnings) = AccessLists::from_config_file("nodes/127.0.0.1/node0/config.ini")?;
    /// let reloaded = node.reload(lists).await?;
    /// println!("{} SDKs were disconnected", reloaded.sessions_closed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ReloadError`] if a list cannot be used. The previous lists stay in force.
    pub async fn reload(&self, lists: AccessLists) -> Result<Reloaded, ReloadError> {
        let (p2p, channel) = self.access.identities();
        let loaded = aside(move || lists.load(p2p, channel)).await?;
        let reloaded = self.access.put(&self.core, loaded);
        self.checker.forget();
        look_at_nodes(&self.core, &self.checker).await;
        Ok(reloaded)
    }

    /// Stops the node: it accepts no new connections, writes what is queued, then closes the
    /// connections. Returns when every task has ended, after 10 s at most.
    pub async fn shutdown(mut self) {
        self.stop();
        let ended = async {
            // The thread comes first, because it may still hand over connections.
            if let Some(ports) = self.ports.take() {
                ports.join().await;
            }
            self.tasks.close();
            self.tasks.wait().await;
            // Only the tasks used the thread, and they have ended.
            if let Some(checking) = self.checking.take() {
                checking.join().await;
            }
        };
        if tokio::time::timeout(SHUTDOWN, ended).await.is_err() {
            tracing::warn!("{} tasks did not end in time", self.tasks.len());
        }
        self.core.journal.finish();
        self.core.log_totals();
    }
}

impl Node {
    /// Stops sessions first: while peers are leaving, no SDK must be told that there is no
    /// subscriber.
    fn stop(&self) {
        if !self.stop.is_cancelled() {
            self.core.handle([NodeEvent::Stop]);
            self.stop.cancel();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
