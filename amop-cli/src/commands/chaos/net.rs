//! The network under test: node processes, and the proxies between them and to their clients.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};

use amop_node::layout::{DevnetSpec, write_devnet};
use anyhow::{Context, Result, bail};
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    node::NodeProcess,
    plan::Fault,
    proxy::{Proxy, WireState},
    topology::Topology,
};

/// A connection between nodes counts as up after this time: then it is stable, and the nodes have
/// exchanged their records.
const SETTLED: Duration = Duration::from_secs(1);

/// The time that all links have to come up.
const MESH: Duration = Duration::from_secs(60);

/// The network under test.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) topology: Topology,
    nodes: Vec<Mutex<NodeProcess>>,
    /// For each node, the address for SDKs.
    channels: Vec<watch::Receiver<Option<SocketAddr>>>,
    /// For each link, the proxies through which its two nodes dial each other.
    links: Vec<[Proxy; 2]>,
    broken: StdMutex<Broken>,
}

/// The parts that are broken on purpose.
#[derive(Debug)]
struct Broken {
    nodes: Vec<bool>,
    links: Vec<bool>,
    /// Connections of clients, as pairs of client and connection.
    ways: BTreeSet<(usize, usize)>,
}

impl Net {
    /// Creates a network in a folder, with its logs in another folder, and starts it.
    pub(crate) async fn start(topology: Topology, dir: &Path, logs: &Path) -> Result<Self> {
        let count = u16::try_from(topology.nodes).context("too many nodes")?;
        let layout = write_devnet(&DevnetSpec::new(dir, count))?;
        fs::create_dir_all(logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let (mut nodes, mut channels, mut p2p) = (Vec::new(), Vec::new(), Vec::new());
        for node in layout.nodes {
            let (channel_at, p2p_at) = (watch::Sender::new(None), watch::Sender::new(None));
            channels.push(channel_at.subscribe());
            p2p.push(p2p_at.subscribe());
            let name = format!("node{}", node.index);
            let log = logs.join(format!("{name}.log"));
            nodes.push(NodeProcess::new(
                name,
                node.config,
                log,
                channel_at,
                p2p_at,
            )?);
        }
        let mut links = Vec::new();
        for &(a, b) in &topology.links {
            let there = Proxy::start(p2p[b].clone()).await?;
            let back = Proxy::start(p2p[a].clone()).await?;
            nodes[a].add_peer(there.address());
            nodes[b].add_peer(back.address());
            links.push([there, back]);
        }
        for node in &mut nodes {
            node.start().await?;
        }
        let net = Self {
            broken: StdMutex::new(Broken {
                nodes: vec![false; nodes.len()],
                links: vec![false; links.len()],
                ways: BTreeSet::new(),
            }),
            nodes: nodes.into_iter().map(Mutex::new).collect(),
            topology,
            channels,
            links,
        };
        net.wait_for_links().await?;
        Ok(net)
    }

    /// Waits until every link is up.
    pub(crate) async fn wait_for_links(&self) -> Result<()> {
        let deadline = Instant::now() + MESH;
        loop {
            let up = (0..self.links.len())
                .filter(|&link| self.is_up(link))
                .count();
            if up == self.links.len() {
                return Ok(());
            }
            if deadline <= Instant::now() {
                let (all, seconds) = (self.links.len(), MESH.as_secs());
                bail!("only {up} of {all} links between nodes are up after {seconds} s");
            }
            sleep(super::poll::LOOK).await;
        }
    }

    /// Starts a proxy from a client to a node.
    pub(crate) async fn wire(&self, node: usize) -> Result<Proxy> {
        Ok(Proxy::start(self.channels[node].clone()).await?)
    }

    fn broken(&self) -> MutexGuard<'_, Broken> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether two nodes have been connected for a while.
    fn is_up(&self, link: usize) -> bool {
        let mut wires = self.links[link].iter();
        wires.any(|wire| wire.open_for().is_some_and(|time| time >= SETTLED))
    }

    /// Returns whether the target of a fault is not broken.
    pub(crate) fn is_whole(&self, fault: Fault) -> bool {
        let broken = self.broken();
        match fault {
            Fault::Kill { node } | Fault::Stop { node } => !broken.nodes[node],
            Fault::Cut { link } | Fault::Hold { link, .. } | Fault::Slow { link, .. } => {
                let (a, b) = self.topology.links[link];
                !broken.links[link] && !broken.nodes[a] && !broken.nodes[b] && self.is_up(link)
            }
            Fault::CutClient { client, way } => !broken.ways.contains(&(client, way)),
        }
    }

    /// Returns whether the remaining nodes can reach each other after a fault.
    pub(crate) fn stays_connected(&self, fault: Fault) -> bool {
        let broken = self.broken();
        let node = |at: usize| {
            let hit = matches!(fault, Fault::Kill { node } | Fault::Stop { node } if node == at);
            !broken.nodes[at] && !hit
        };
        let link = |at: usize| {
            // A slow link is still a path.
            let hit = match fault {
                Fault::Cut { link } | Fault::Hold { link, .. } => link == at,
                _ => false,
            };
            !broken.links[at] && !hit && self.is_up(at)
        };
        self.topology.is_connected(node, link)
    }

    /// Marks a node as stopped on purpose, or as running again.
    pub(crate) fn mark_node(&self, node: usize, down: bool) {
        self.broken().nodes[node] = down;
    }

    /// Marks a link as broken on purpose, or as repaired.
    pub(crate) fn mark_link(&self, link: usize, broken: bool) {
        self.broken().links[link] = broken;
    }

    /// Marks a client's connection as broken on purpose, or as repaired.
    pub(crate) fn mark_way(&self, client: usize, way: usize, is_broken: bool) {
        let mut broken = self.broken();
        if is_broken {
            broken.ways.insert((client, way));
        } else {
            broken.ways.remove(&(client, way));
        }
    }

    /// Returns whether a client's connection to a node is about to break, even if the client does
    /// not know yet.
    pub(crate) fn is_doomed(&self, client: usize, way: usize, node: usize) -> bool {
        let broken = self.broken();
        broken.nodes[node] || broken.ways.contains(&(client, way))
    }

    pub(crate) fn set_link(&self, link: usize, wire: WireState) {
        for proxy in &self.links[link] {
            proxy.set(wire);
        }
    }

    pub(crate) async fn kill(&self, node: usize) -> Result<()> {
        self.nodes[node].lock().await.kill().await
    }

    pub(crate) async fn stop_node(&self, node: usize) -> Result<()> {
        self.nodes[node].lock().await.stop().await
    }

    pub(crate) async fn restart(&self, node: usize) -> Result<()> {
        self.nodes[node].lock().await.start().await
    }

    /// Returns how a node ended that was not stopped on purpose.
    pub(crate) async fn crashed(&self) -> Result<Option<String>> {
        for node in &self.nodes {
            // A node in use is checked next time.
            if let Ok(mut node) = node.try_lock()
                && let Some(how) = node.has_ended()?
            {
                return Ok(Some(how));
            }
        }
        Ok(None)
    }

    /// Stops all nodes in an orderly way, and every proxy.
    pub(crate) async fn shutdown(self) -> Result<()> {
        let stopping: JoinSet<Result<()>> = self
            .nodes
            .into_iter()
            .map(|node| async move { node.into_inner().stop().await })
            .collect();
        let stopped = stopping.join_all().await;
        for proxy in self.links.into_iter().flatten() {
            proxy.stop().await;
        }
        stopped.into_iter().collect()
    }
}
