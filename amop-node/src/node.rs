//! A running node: its addresses, its counters, its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use amop_proto::{
    gateway::{GatewayId, bridge::GatewayBridgeCounters},
    node::{Checker, Counters, NodeEvent},
    p2p::NodeId,
};
use amop_tls::PublicKey;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    AccessLists, ReloadError, Reloaded, access::Access, apart::aside, checking::CheckingThread,
    core::Core, error::StartError, gateway::GatewayRoom, intake::Intake, ports::PortsThread,
    refused_nodes::look_at_nodes, stats::Stats,
};

/// How long connections may take at shutdown to accept what was sent to them.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// A running AMOP node.
///
/// Dropping it stops it in the background; [`shutdown`](Self::shutdown) also waits until every task
/// has ended and its ports are free.
#[derive(Debug)]
#[must_use = "a node that is dropped stops"]
pub struct Node {
    pub(crate) core: Arc<Core>,
    pub(crate) access: Arc<Access>,
    pub(crate) checker: Arc<Checker>,
    pub(crate) node_id: PublicKey,
    pub(crate) channel: SocketAddr,
    pub(crate) p2p: SocketAddr,
    pub(crate) v3: Option<SocketAddr>,
    pub(crate) rpc: Option<SocketAddr>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) ports: Option<PortsThread>,
    pub(crate) checking: Option<CheckingThread>,
    pub(crate) intake: Arc<Intake>,
    /// The gateway, and the address of its port.
    pub(crate) gateway: Option<(Arc<GatewayRoom>, SocketAddr)>,
}

impl Node {
    /// Returns the address that SDKs connect to. In a node of a 3.x chain alone, it is that of
    /// [`v3_address`](Self::v3_address).
    pub fn channel_address(&self) -> SocketAddr {
        self.channel
    }

    /// Returns the address that SDKs of 3.x connect to, if they have a port of their own.
    pub fn v3_address(&self) -> Option<SocketAddr> {
        self.v3
    }

    /// Returns the address that other nodes connect to. In a node of a 3.x chain alone, it is the one
    /// that its configuration names for nodes of 3.x.
    pub fn p2p_address(&self) -> SocketAddr {
        self.p2p
    }

    /// Returns the address that answers JSON-RPC over HTTP, if there is one.
    pub fn rpc_address(&self) -> Option<SocketAddr> {
        self.rpc
    }

    /// Returns the address that 3.x nodes connect to, if the node has a gateway.
    pub fn gateway_address(&self) -> Option<SocketAddr> {
        self.gateway.as_ref().map(|(_, address)| *address)
    }

    /// Returns the 3.x nodes at the other ends of the gateway's connections.
    pub fn gateway_peers(&self) -> Vec<GatewayId> {
        let room = self.gateway.as_ref().map(|(room, _)| room);
        room.map(|room| room.look(|bridge| bridge.neighbours().collect()))
            .unwrap_or_default()
    }

    /// Returns what the gateway counted since it started; `None` if the node has none. Changes are
    /// logged once a minute, and all counters at shutdown.
    pub fn gateway_counters(&self) -> Option<GatewayBridgeCounters> {
        self.gateway.as_ref().map(|(room, _)| room.counters())
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
        wait_for(expected, patience, || self.peers_in_reach()).await
    }

    /// Waits until the gateway has connections with this many 3.x nodes. Without a gateway there are
    /// none.
    ///
    /// # Errors
    ///
    /// [`StartError::Peers`] if it has fewer after `patience`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn wait_for_gateway_peers(
        &self,
        expected: usize,
        patience: Duration,
    ) -> Result<(), StartError> {
        wait_for(expected, patience, || self.gateway_peers().len()).await
    }

    /// Replaces the lists that decide who may connect, and closes connections that the new lists
    /// refuse. Everything else stays as it was when the node started.
    ///
    /// Revocation lists are read again, also from unchanged paths. Statements of nodes that the new
    /// lists refuse are forgotten, also if these nodes are not neighbours.
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
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, either nothing has changed, or the lists are in force and statements of
    /// nodes that they refuse are forgotten only when they are stated again.
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
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the node stops in the background.
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
        if let Some((gateway, _)) = &self.gateway {
            gateway.log_totals();
        }
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

/// Waits until a count reaches `expected`.
async fn wait_for(
    expected: usize,
    patience: Duration,
    count: impl Fn() -> usize,
) -> Result<(), StartError> {
    let reached = async {
        // There is no event for the greetings that two nodes exchange on a new connection.
        let mut often = tokio::time::interval(Duration::from_millis(10));
        while count() < expected {
            often.tick().await;
        }
    };
    let late = |_| StartError::Peers {
        connected: count(),
        expected,
        seconds: patience.as_secs(),
    };
    tokio::time::timeout(patience, reached).await.map_err(late)
}
