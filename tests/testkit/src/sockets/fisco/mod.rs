//! FISCO nodes over sockets with the behaviour of version 2.11.1; they use nothing of the
//! `amop-node` crate.
//!
//! * Several threads take the frames of a session, and handle them in any order ([`Pool`]).
//! * Subscribers of the publisher's own node get nothing; a unicast that picks one of them stalls.
//! * All random choices within one second have the same result.
//! * Topics are announced by a number, at ticks only; a peer fetches the whole list at every new
//!   number. The cost of this is counted.
//! * All random choices depend on a seed and on the second.

mod machine;
mod peers;
mod pool;
mod rpc;
mod session;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use amop_tls::{
    Identity, ServerOptions,
    pki::{Agency, Leaf},
    rustls::{ClientConfig, ServerConfig},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinSet, yield_now},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use self::{machine::Fetched, pool::Pool};

use self::machine::Machine;
use crate::{PATIENCE, identity, within};

/// The behaviour of a FISCO node.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// The seed of all random choices.
    pub seed: u64,
    /// How often it announces its topics.
    pub tick: Duration,
    /// How long a unicast stalls if it picks a subscriber of the node itself, or a node that does
    /// not answer.
    pub stall: Duration,
    /// How long it waits for the answer of one of its own subscribers.
    pub answer: Duration,
}

impl Default for Habits {
    /// Returns the values of the original.
    fn default() -> Self {
        Self {
            seed: 0,
            tick: Duration::from_secs(5),
            stall: Duration::from_secs(30),
            answer: Duration::from_secs(5),
        }
    }
}

impl Habits {
    /// Like the original, but topics spread sooner, because tests would have to wait for them.
    pub fn quick(seed: u64) -> Self {
        Self {
            seed,
            tick: Duration::from_millis(50),
            ..Self::default()
        }
    }
}

/// A running FISCO node. Dropping it ends it.
#[derive(Debug)]
pub struct FiscoNode {
    shared: Arc<Shared>,
    channel: SocketAddr,
    p2p: SocketAddr,
}

/// The state that the tasks of a node share.
#[derive(Debug)]
struct Shared {
    machine: Mutex<Machine>,
    habits: Habits,
    dialling: Arc<ClientConfig>,
    /// The node's tasks, which end with it.
    tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Remove tasks that have ended.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

impl FiscoNode {
    /// Starts a node on free ports.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub async fn start(identity: &Identity, habits: Habits) -> Self {
        let options = ServerOptions::default();
        let for_sdks = identity.server_config(options).unwrap();
        let for_nodes = identity.peer_server_config(None).unwrap();
        let shared = Arc::new(Shared {
            machine: Mutex::new(Machine::new(habits.seed)),
            habits,
            dialling: identity.peer_client_config(None).unwrap(),
            tasks: Mutex::default(),
        });
        let (channel, p2p) = (listener().await, listener().await);
        let node = Self {
            channel: channel.local_addr().unwrap(),
            p2p: p2p.local_addr().unwrap(),
            shared: Arc::clone(&shared),
        };
        shared.spawn(accept(
            Arc::clone(&shared),
            channel,
            for_sdks,
            |shared, stream| Box::pin(session::run(shared, stream)),
        ));
        shared.spawn(accept(
            Arc::clone(&shared),
            p2p,
            for_nodes,
            |shared, stream| Box::pin(peers::run(shared, stream)),
        ));
        node
    }

    /// Returns the address that SDKs connect to.
    pub fn channel(&self) -> SocketAddr {
        self.channel
    }

    /// Returns the address that nodes connect to.
    pub fn p2p(&self) -> SocketAddr {
        self.p2p
    }

    /// Connects to another node.
    ///
    /// # Panics
    ///
    /// If the connection fails.
    pub async fn dial(&self, address: SocketAddr) {
        let tcp = within("TCP", TcpStream::connect(address)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.shared.dialling));
        let shaken = connector.connect(Identity::server_name(), tcp);
        let stream = within("TLS", shaken).await.unwrap();
        let shared = Arc::clone(&self.shared);
        self.shared.spawn(peers::run(shared, stream));
    }

    /// Returns the topics of all its sessions, which `getNodeInfo` returns as well.
    pub fn topics(&self) -> BTreeSet<String> {
        self.shared.machine().topics()
    }

    /// Returns how many sets of topics it has handled so far.
    pub fn sets(&self) -> u64 {
        self.shared.machine().sets
    }

    /// Returns the topic lists that it has fetched so far.
    pub fn fetched(&self) -> Fetched {
        self.shared.machine().fetched
    }

    /// Returns how many of its neighbours have a topic, as far as it knows.
    pub fn neighbours_with(&self, topic: &str) -> usize {
        self.shared.machine().peers_with(topic.as_bytes()).len()
    }

    /// Waits until it knows that `neighbours` neighbours have a topic.
    ///
    /// # Panics
    ///
    /// If this does not happen in time.
    pub async fn learns(&self, topic: &str, neighbours: usize) {
        let learned = async {
            while self.neighbours_with(topic) != neighbours {
                yield_now().await;
            }
        };
        within(&format!("{neighbours} neighbours with {topic}"), learned).await;
    }

    /// Waits until it has exactly these topics.
    ///
    /// # Panics
    ///
    /// If this does not happen in time; the message shows the topics that it has instead.
    pub async fn has(&self, topics: &BTreeSet<String>) {
        let has = async {
            while self.topics() != *topics {
                yield_now().await;
            }
        };
        if tokio::time::timeout(PATIENCE, has).await.is_err() {
            let has = self.topics();
            let missing: Vec<_> = topics.difference(&has).collect();
            panic!("it has {} topics, without {missing:?}", has.len());
        }
    }
}

impl Drop for FiscoNode {
    fn drop(&mut self) {
        let tasks = self.shared.tasks.lock();
        tasks.unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// FISCO nodes of one agency, each connected to all others.
#[derive(Debug)]
pub struct FiscoChain {
    /// The nodes.
    pub nodes: Vec<FiscoNode>,
    sdk: Identity,
}

impl FiscoChain {
    /// Starts `nodes` nodes; their seeds are consecutive and begin with that of `habits`.
    ///
    /// # Panics
    ///
    /// If they cannot be started.
    pub async fn start(agency: &Agency, nodes: usize, habits: Habits) -> Self {
        let mut chain = Self {
            nodes: Vec::new(),
            sdk: identity(agency, Leaf::Sdk, "sdk"),
        };
        for index in 0..nodes {
            let own = identity(agency, Leaf::Node, &format!("fisco{index}"));
            let seed = habits.seed.wrapping_add(index as u64);
            let node = FiscoNode::start(&own, Habits { seed, ..habits }).await;
            for other in &chain.nodes {
                node.dial(other.p2p()).await;
            }
            chain.nodes.push(node);
        }
        chain
    }

    /// Returns the address that SDKs connect to, for one node.
    pub fn endpoint(&self, node: usize) -> String {
        self.nodes[node].channel().to_string()
    }

    /// Returns an SDK's certificates for this chain.
    pub fn sdk(&self) -> Identity {
        self.sdk.clone()
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap()
}

type Accepted = tokio_rustls::server::TlsStream<TcpStream>;
type Serving = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    config: Arc<ServerConfig>,
    serve: fn(Arc<Shared>, Accepted) -> Serving,
) {
    let acceptor = TlsAcceptor::from(config);
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, of_task) = (acceptor.clone(), Arc::clone(&shared));
        shared.spawn(async move {
            // A client that does not complete TLS is ignored.
            if tcp.set_nodelay(true).is_ok()
                && let Ok(stream) = acceptor.accept(tcp).await
            {
                serve(of_task, stream).await;
            }
        });
    }
}

/// Returns the number of this second, which all draws within it use.
fn second() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
