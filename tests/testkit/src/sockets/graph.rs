//! Nodes that are connected as a test says, not all with each other.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
};

use amop::{Client, ClientBuilder, PublishError, PublishErrorKind};
use amop_node::{Node, NodeBuilder};
use amop_tls::{
    Identity,
    pki::{Agency, Leaf},
};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    P2P_OFFSET, PATIENCE, agency,
    attack::{Field, Target},
    free_ports, identity, log, patient,
    topology::Topology,
    within,
};

/// Nodes of one agency in one process. Each keeps its certificates and its ports when it stops and
/// starts again.
pub struct Graph {
    agency: Agency,
    identities: Vec<Identity>,
    nodes: Vec<Option<Node>>,
    /// The channel and the P2P port of each.
    ports: Vec<(SocketAddr, SocketAddr)>,
    /// The connected pairs; the first node of each dials the second.
    links: Vec<(usize, usize)>,
    configure: Box<dyn Fn(usize, NodeBuilder) -> NodeBuilder + Send + Sync>,
}

impl Graph {
    /// Starts nodes in a row: each is connected to the one before and the one after it.
    pub async fn row(count: usize) -> Self {
        Self::start(count, Topology::Line).await
    }

    /// Starts nodes in a row whose ends are connected, too.
    pub async fn ring(count: usize) -> Self {
        Self::start(count, Topology::Ring).await
    }

    /// Starts nodes that are all connected with each other.
    pub async fn full(count: usize) -> Self {
        Self::full_with(count, agency(), |_, builder| builder).await
    }

    /// Like [`full`](Self::full), with certificates of this agency, and with a function that may
    /// change each node's configuration.
    pub async fn full_with(
        count: usize,
        agency: Agency,
        configure: impl Fn(usize, NodeBuilder) -> NodeBuilder + Send + Sync + 'static,
    ) -> Self {
        let links = links(count, Topology::Full);
        Self::start_with(count, links, agency, Box::new(configure)).await
    }

    /// Starts nodes that are not connected at all.
    pub async fn apart(count: usize) -> Self {
        let configure = Box::new(|_, builder| builder);
        Self::start_with(count, Vec::new(), agency(), configure).await
    }

    async fn start(count: usize, shape: Topology) -> Self {
        let configure = Box::new(|_, builder| builder);
        Self::start_with(count, links(count, shape), agency(), configure).await
    }

    async fn start_with(
        count: usize,
        links: Vec<(usize, usize)>,
        agency: Agency,
        configure: Box<dyn Fn(usize, NodeBuilder) -> NodeBuilder + Send + Sync>,
    ) -> Self {
        log();
        let names = (0..count).map(|index| format!("node{index}"));
        let identities = names.map(|name| identity(&agency, Leaf::Node, &name));
        // Not ports that the system might give to other programs while a node is stopped.
        let base = free_ports(count as u16);
        let ports = (base..base + count as u16).map(|port| {
            let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            (at(port), at(port + P2P_OFFSET))
        });
        let mut graph = Self {
            identities: identities.collect(),
            agency,
            nodes: Vec::new(),
            ports: ports.collect(),
            links,
            configure,
        };
        for index in 0..count {
            let node = graph.begin(index).await;
            graph.nodes.push(Some(node));
        }
        graph.connected().await;
        graph
    }

    async fn begin(&self, index: usize) -> Node {
        let (channel, p2p) = self.ports[index];
        let builder = Node::builder()
            .identity(self.identities[index].clone())
            .channel_listen(channel)
            .p2p_listen(p2p)
            .timeouts(patient());
        let dialled = self.links.iter().filter(|(from, _)| *from == index);
        let addresses = dialled.map(|&(_, to)| self.ports[to].1.to_string().parse().unwrap());
        let builder = addresses.fold(builder, NodeBuilder::peer);
        (self.configure)(index, builder).start().await.unwrap()
    }

    /// Waits until every running node is connected to all its neighbours that run.
    ///
    /// # Panics
    ///
    /// If this does not happen in time.
    pub async fn connected(&self) {
        let runs = |index: usize| self.nodes[index].is_some();
        for (index, node) in self.nodes.iter().enumerate() {
            let has = |&&(one, other): &&(usize, usize)| {
                (one == index && runs(other)) || (other == index && runs(one))
            };
            let count = self.links.iter().filter(has).count();
            if let Some(node) = node {
                node.wait_for_peers(count, PATIENCE).await.unwrap();
            }
        }
    }

    /// Returns a node.
    ///
    /// # Panics
    ///
    /// If it was stopped.
    pub fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().unwrap()
    }

    /// Returns the nodes that are running.
    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// Stops a node.
    ///
    /// # Panics
    ///
    /// If it was stopped before.
    pub async fn stop(&mut self, index: usize) {
        let node = self.nodes[index].take().unwrap();
        within("a node's end", node.shutdown()).await;
    }

    /// Starts a node that was stopped, and returns before it is connected.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub async fn resume(&mut self, index: usize) {
        let node = self.begin(index).await;
        self.nodes[index] = Some(node);
    }

    /// Starts a node that was stopped, and waits until it is connected as before.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub async fn start_again(&mut self, index: usize) {
        self.resume(index).await;
        self.connected().await;
    }

    /// Returns the agency of all nodes.
    pub fn agency(&self) -> &Agency {
        &self.agency
    }

    /// Returns a field with these nodes for an attacker.
    ///
    /// # Panics
    ///
    /// If one of them is not running.
    pub fn field(&self, attacked: impl IntoIterator<Item = usize>) -> Field {
        let sdk = identity(&self.agency, Leaf::Sdk, "attacker");
        let attacked = attacked.into_iter().map(|index| Target {
            channel: self.node(index).channel_address().to_string(),
            p2p: self.node(index).p2p_address().to_string(),
            sdk: sdk.clone(),
        });
        let members = self.running().map(Node::node_id).collect();
        Field::new(attacked.collect(), members, &self.agency)
    }

    /// Returns the address that SDKs connect to, also of a node that was stopped.
    pub fn endpoint(&self, index: usize) -> String {
        self.ports[index].0.to_string()
    }

    /// Returns a client builder with these nodes as endpoints.
    pub fn builder(&self, endpoints: &[usize]) -> ClientBuilder {
        Client::builder()
            .endpoints(endpoints.iter().map(|&index| self.endpoint(index)))
            .identity(identity(&self.agency, Leaf::Sdk, "sdk"))
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE)
    }

    /// Connects a client to a node.
    ///
    /// # Panics
    ///
    /// If it cannot connect.
    pub async fn client(&self, index: usize) -> Client {
        self.builder(&[index]).connect().await.unwrap()
    }

    /// Closes clients and stops all nodes.
    pub async fn end(self, clients: impl IntoIterator<Item = Client>) {
        for client in clients {
            within("a client's end", client.close()).await;
        }
        for node in self.nodes.into_iter().flatten() {
            within("a node's end", node.shutdown()).await;
        }
    }
}

/// Returns the links of a network of this shape; the later node of each dials.
fn links(count: usize, shape: Topology) -> Vec<(usize, usize)> {
    let edges = shape.edges(count, &mut StdRng::seed_from_u64(0));
    edges.into_iter().map(|(one, other)| (other, one)).collect()
}

/// Publishes until the node has learned of a subscriber: it knows those at its neighbours as soon
/// as they have subscribed, and others a moment later. Until then no subscriber gets the message.
///
/// # Errors
///
/// Returns the error of the message, unless it is that there is no subscriber.
pub async fn once_known<T, F>(mut publish: impl FnMut() -> F) -> Result<T, PublishError>
where
    F: Future<Output = Result<T, PublishError>>,
{
    within("a subscriber to be known", async {
        loop {
            match publish().await {
                Err(error) if matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }) => {
                    tokio::task::yield_now().await
                }
                outcome => return outcome,
            }
        }
    })
    .await
}
