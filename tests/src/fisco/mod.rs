//! FISCO nodes over real sockets, with the habits of real ones (version 2.11.1), and nothing of the `amop-node`
//! crate.
//!
//! * Threads take the frames of a session, and deal with them in any order ([`Pool`]).
//! * Subscribers of the publisher's own node get nothing; a unicast that picks one of them stalls.
//! * What is drawn within one second is drawn alike.
//! * Topics are announced by a number, at ticks only; a peer fetches the whole list at every new number. What
//!   that costs is counted.
//! * Whatever is random depends on a seed and on the second.

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

/// What a FISCO node is used to.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Of everything that is random.
    pub seed: u64,
    /// How often it announces its topics.
    pub tick: Duration,
    /// How long a unicast stalls that picks a subscriber of the node itself, or a node that does not answer.
    pub stall: Duration,
    /// How long it waits for the answer of one of its own subscribers.
    pub answer: Duration,
}

impl Default for Habits {
    /// Those of a real node.
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
    /// Those of a real node, but for topics that spread sooner, which tests would wait for.
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

/// What the tasks of a node share.
#[derive(Debug)]
struct Shared {
    machine: Mutex<Machine>,
    habits: Habits,
    dialling: Arc<ClientConfig>,
    /// Ended with the node.
    tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are over go.
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

    /// Where SDKs connect.
    pub fn channel(&self) -> SocketAddr {
        self.channel
    }

    /// Where nodes connect.
    pub fn p2p(&self) -> SocketAddr {
        self.p2p
    }

    /// Connects to another node.
    ///
    /// # Panics
    ///
    /// If it cannot.
    pub async fn dial(&self, address: SocketAddr) {
        let tcp = within("TCP", TcpStream::connect(address)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.shared.dialling));
        let shaken = connector.connect(Identity::server_name(), tcp);
        let stream = within("TLS", shaken).await.unwrap();
        let shared = Arc::clone(&self.shared);
        self.shared.spawn(peers::run(shared, stream));
    }

    /// The topics of all its sessions, which `getNodeInfo` tells as well.
    pub fn topics(&self) -> BTreeSet<String> {
        self.shared.machine().topics()
    }

    /// The sets of topics that it has dealt with so far.
    pub fn sets(&self) -> u64 {
        self.shared.machine().sets
    }

    /// What it has fetched of topic lists so far.
    pub fn fetched(&self) -> Fetched {
        self.shared.machine().fetched
    }

    /// How many of its neighbours have a topic, as far as it knows.
    pub fn neighbours_with(&self, topic: &str) -> usize {
        self.shared.machine().peers_with(topic.as_bytes()).len()
    }

    /// Waits until it knows of so many neighbours with a topic.
    ///
    /// # Panics
    ///
    /// If it does not.
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
    /// If it has not, with what it has instead.
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
    /// Starts so many nodes, whose seeds follow that of the habits.
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

    /// Where SDKs connect to a node.
    pub fn endpoint(&self, node: usize) -> String {
        self.nodes[node].channel().to_string()
    }

    /// An SDK's certificates for this chain.
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
            // Whoever does not get through TLS is nobody.
            if tcp.set_nodelay(true).is_ok()
                && let Ok(stream) = acceptor.accept(tcp).await
            {
                serve(of_task, stream).await;
            }
        });
    }
}

/// What all draws of this second have in common.
fn second() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
