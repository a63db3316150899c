//! Nodes that are connected as a test says, not all with each other.

use std::future::Future;

use amop::{Client, PublishError, PublishErrorKind};
use amop_node::{Node, NodeBuilder};
use amop_tls::{
    Identity,
    pki::{Agency, Authority, Leaf},
};

use crate::{
    PATIENCE,
    attack::{Field, Target},
    identity, log, patient, within,
};

/// Nodes of one agency in one process.
#[derive(Debug)]
pub struct Graph {
    agency: Agency,
    identities: Vec<Identity>,
    nodes: Vec<Option<Node>>,
    /// The connected pairs; the later node, which dials, comes first.
    links: Vec<(usize, usize)>,
}

impl Graph {
    /// Starts nodes in a row: each is connected to the one before and the one after it.
    pub async fn row(count: usize) -> Self {
        Self::start(count, (1..count).map(|n| (n, n - 1)).collect()).await
    }

    /// Starts nodes in a row whose ends are connected, too.
    pub async fn ring(count: usize) -> Self {
        let row = (1..count).map(|n| (n, n - 1));
        Self::start(count, row.chain([(count - 1, 0)]).collect()).await
    }

    /// Starts nodes that are not connected at all.
    pub async fn apart(count: usize) -> Self {
        Self::start(count, Vec::new()).await
    }

    async fn start(count: usize, links: Vec<(usize, usize)>) -> Self {
        log();
        let chain = Authority::new_ec("chain").unwrap();
        let agency = chain.agency("agency").unwrap();
        let names = (0..count).map(|index| format!("node{index}"));
        let identities = names.map(|name| identity(&agency, Leaf::Node, &name));
        let mut graph = Self {
            identities: identities.collect(),
            agency,
            nodes: Vec::new(),
            links,
        };
        for index in 0..count {
            let node = graph.begin(index).await;
            graph.nodes.push(Some(node));
        }
        for index in 0..count {
            graph.is_connected(index).await;
        }
        graph
    }

    async fn begin(&self, index: usize) -> Node {
        let builder = Node::builder()
            .identity(self.identities[index].clone())
            .timeouts(patient());
        let others = self
            .neighbours(index)
            .filter_map(|other| self.nodes.get(other)?.as_ref());
        let addresses = others.map(|node| node.p2p_address().to_string().parse().unwrap());
        let builder = addresses.fold(builder, NodeBuilder::peer);
        builder.start().await.unwrap()
    }

    fn neighbours(&self, index: usize) -> impl Iterator<Item = usize> {
        let links = self.links.iter();
        links.filter_map(move |&(one, other)| match index {
            _ if index == one => Some(other),
            _ if index == other => Some(one),
            _ => None,
        })
    }

    async fn is_connected(&self, index: usize) {
        let count = self.neighbours(index).count();
        self.node(index)
            .wait_for_peers(count, PATIENCE)
            .await
            .unwrap();
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

    /// Starts a node that was stopped, with its old certificates at another address, and waits until it
    /// is connected as before.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub async fn start_again(&mut self, index: usize) {
        let node = self.begin(index).await;
        self.nodes[index] = Some(node);
        self.is_connected(index).await;
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

    /// Connects a client to a node.
    ///
    /// # Panics
    ///
    /// If it cannot connect.
    pub async fn client(&self, index: usize) -> Client {
        let builder = Client::builder()
            .endpoint(self.node(index).channel_address().to_string())
            .identity(identity(&self.agency, Leaf::Sdk, "sdk"))
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE);
        builder.connect().await.unwrap()
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
