//! A running node: its tasks, its addresses, its end.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use amop_proto::{
    channel::FrameDecoder,
    node::{Checker, Counters, Event, Limits},
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

/// Connections get this long at shutdown to take what was sent to them.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Certificates of nodes expire: those that are known are looked at this often.
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

/// What a node is started from.
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
    /// Those of the machine.
    pub(crate) machine_limits: Limits,
}

/// The JSON-RPC port.
#[derive(Debug)]
pub(crate) struct Rpc {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// What the tasks of a node share.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) core: Arc<Core>,
    pub(crate) access: Arc<Access>,
    pub(crate) stop: CancellationToken,
    /// The tasks of connections that are known, and where they run.
    pub(crate) tasks: TaskTracker,
    pub(crate) runtime: Handle,
    /// Where strangers are dealt with.
    pub(crate) ports: Ports,
    pub(crate) p2p_door: Arc<Door>,
    pub(crate) decoder: FrameDecoder,
    pub(crate) codec: PeerCodec,
    pub(crate) checker: Arc<Checker>,
    pub(crate) checking: Checking,
    pub(crate) limits: ListenLimits,
    /// Those of the machine.
    pub(crate) machine_limits: Limits,
    pub(crate) intake: Arc<Intake>,
    pub(crate) efforts: Arc<Efforts>,
    /// How fast texts are read for those who share a key.
    pub(crate) paces: Arc<Paces>,
}

impl Context {
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
    // Without this the thread would outlive a failed start.
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
    // One of the runtime's workers is left to those who use little.
    let places = Handle::current().metrics().num_workers().saturating_sub(1);
    let context = Context {
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
fn spawn_lasting(context: &Context) {
    let spawn = |name, task: fn(Context) -> BoxFuture| {
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
    spawn(
        "the task that closes connections with expired certificates",
        |context| Box::pin(async move { context.access.watch(&context.core).await }),
    );
    spawn(
        "the task that logs the counts of suppressed lines",
        |context| Box::pin(async move { context.core.journal.run().await }),
    );
    spawn(
        "the task that checks the certificates of other nodes",
        |context| {
            Box::pin(async move {
                loop {
                    tokio::time::sleep(LOOK_AT_NODES).await;
                    look_at_nodes(&context.core, &context.checker).await;
                }
            })
        },
    );
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Forgets what nodes said of themselves whose certificates are not believed any longer, and what borders
/// said of FISCO nodes that the lists refuse: those that are no neighbours, whose connections could be
/// closed.
async fn look_at_nodes(core: &Arc<Core>, checker: &Arc<Checker>) {
    let chains: Vec<(Subject, Vec<Bytes>)> = {
        let state = core.lock();
        let chains = state.machine.router().chains();
        chains
            .map(|(subject, chain)| (subject, chain.to_vec()))
            .collect()
    };
    let checker = checker.clone();
    // It may take seconds.
    let nodes = aside(move || checker.disbelieved(chains)).await;
    if !nodes.is_empty() {
        core.handle([Event::Disbelieve(nodes)]);
    }
}

/// The first digits of a node ID, enough to tell nodes apart in a log.
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

    /// Where SDKs connect.
    pub fn channel_address(&self) -> SocketAddr {
        self.channel
    }

    /// Where other nodes connect.
    pub fn p2p_address(&self) -> SocketAddr {
        self.p2p
    }

    /// Where JSON-RPC is answered over HTTP, if it is.
    pub fn rpc_address(&self) -> Option<SocketAddr> {
        self.rpc
    }

    /// The node's ID.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.node_id.0)
    }

    /// The IDs of the nodes connected now.
    pub fn peers(&self) -> Vec<NodeId> {
        self.core
            .lock()
            .machine
            .peers()
            .map(|peer| peer.node)
            .collect()
    }

    /// How many SDKs are connected now.
    pub fn session_count(&self) -> usize {
        self.core.lock().machine.session_count()
    }

    /// Everything the node has counted since it started. What changed is logged once a minute, and
    /// all of it at shutdown.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// Bytes that wait to be written to SDKs now.
    pub fn session_bytes(&self) -> usize {
        self.core.lock().machine.router().session_bytes()
    }

    /// Bytes that wait to be written to other nodes now.
    pub fn peer_bytes(&self) -> usize {
        self.core.lock().machine.router().peer_bytes()
    }

    /// Bytes of what other nodes have told of nodes, as
    /// [`Limits::records_bytes`](crate::Limits::records_bytes) counts them.
    pub fn records_bytes(&self) -> usize {
        self.core.lock().machine.router().records_bytes()
    }

    /// How many overlay nodes can be reached, neighbours included.
    pub fn reachable(&self) -> usize {
        self.core.lock().machine.router().reachable()
    }

    /// How many signatures of nodes have been verified since the start: the dearest of what others can
    /// make a node do.
    pub fn signatures_verified(&self) -> u64 {
        self.checker.verified()
    }

    /// The length of all frames of which a part has come now, as
    /// [`ListenLimits::receiving`](crate::ListenLimits::receiving) counts them.
    pub fn receiving_bytes(&self) -> usize {
        self.intake.bytes()
    }

    /// What the node has counted of messages: a part of [`stats`](Self::stats).
    pub fn counters(&self) -> Counters {
        self.core.lock().machine.router().counters()
    }

    fn peers_in_reach(&self) -> usize {
        let now = std::time::Instant::now();
        self.core.lock().machine.peers_in_reach(now)
    }

    /// Waits until so many peers are connected and messages find their way to them.
    ///
    /// # Errors
    ///
    /// [`StartError::Peers`] if they are not within `patience`.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing, so its future can be dropped at any time.
    pub async fn wait_for_peers(
        &self,
        expected: usize,
        patience: Duration,
    ) -> Result<(), StartError> {
        let reached = async {
            // What two nodes tell each other of their link has no event of its own.
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

    /// Replaces the lists of whom the node lets in, and closes connections that the new ones refuse.
    /// Everything else stays as it was when the node started.
    ///
    /// Revocation lists are read anew, from the same files where they are the same. What nodes that are
    /// no neighbours said of themselves is forgotten where the new lists refuse them. If the future is
    /// dropped before it is ready, either nothing has changed, or the lists are in force and such nodes
    /// are forgotten only as they are stated anew.
    ///
    /// ```no_run
    /// # async fn run(node: amop_node::Node) -> Result<(), amop_node::ReloadError> {
    /// use amop_node::AccessLists;
    ///
    /// let (lists, _warnings) = AccessLists::from_config_file("nodes/127.0.0.1/node0/config.ini")?;
    /// let reloaded = node.reload(lists).await?;
    /// println!("{} SDKs had to go", reloaded.sessions_closed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ReloadError`] if a list cannot be used. The lists in force stay.
    pub async fn reload(&self, lists: AccessLists) -> Result<Reloaded, ReloadError> {
        let (p2p, channel) = self.access.identities();
        let loaded = aside(move || lists.load(p2p, channel)).await?;
        let reloaded = self.access.put(&self.core, loaded);
        self.checker.forget();
        look_at_nodes(&self.core, &self.checker).await;
        Ok(reloaded)
    }

    /// Stops the node: no new connections, what is queued for the others still goes out, then they
    /// are closed. Returns when every task has ended, 10 s at most.
    pub async fn shutdown(mut self) {
        self.stop();
        let ended = async {
            // First, since it may still hand over connections.
            if let Some(ports) = self.ports.take() {
                ports.join().await;
            }
            self.tasks.close();
            self.tasks.wait().await;
            // The tasks were its users.
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
    /// Sessions first: while peers are leaving, no SDK must be told that nobody takes its message.
    fn stop(&self) {
        if !self.stop.is_cancelled() {
            self.core.handle([Event::Stop]);
            self.stop.cancel();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
