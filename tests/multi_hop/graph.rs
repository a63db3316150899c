//! Nodes that are connected as a test says, and not all with each other.

use std::future::Future;

use amop::{Client, PublishError};
use amop_node::Node;
use amop_tests::{PATIENCE, identity, log, patient, within};
use amop_tls::{
    Identity,
    pki::{Agency, Authority, Leaf},
};

pub(crate) struct Graph {
    agency: Agency,
    nodes: Vec<Option<Node>>,
}

impl Graph {
    /// Nodes in a row: each is connected to the one before and the one behind.
    pub(crate) async fn row(count: usize) -> Self {
        Self::start(count, false).await
    }

    /// As a row whose ends are connected, too.
    pub(crate) async fn ring(count: usize) -> Self {
        Self::start(count, true).await
    }

    async fn start(count: usize, closed: bool) -> Self {
        log();
        let chain = Authority::new_ec("chain").unwrap();
        let agency = chain.agency("agency").unwrap();
        let mut nodes: Vec<Option<Node>> = Vec::new();
        for index in 0..count {
            let name = format!("node{index}");
            let mut builder = Node::builder()
                .identity(identity(&agency, Leaf::Node, &name))
                .timeouts(patient());
            let first = (closed && index == count - 1).then_some(0);
            for other in index.checked_sub(1).into_iter().chain(first) {
                let address = nodes[other].as_ref().unwrap().p2p_address();
                builder = builder.peer(address.to_string().parse().unwrap());
            }
            nodes.push(Some(builder.start().await.unwrap()));
        }
        for (index, node) in nodes.iter().flatten().enumerate() {
            let at_an_end = !closed && (index == 0 || index == count - 1);
            let neighbours = if at_an_end { 1 } else { 2 };
            node.wait_for_peers(neighbours, PATIENCE).await.unwrap();
        }
        Self { agency, nodes }
    }

    pub(crate) fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().unwrap()
    }

    pub(crate) async fn stop(&mut self, index: usize) {
        let node = self.nodes[index].take().unwrap();
        within("a node's end", node.shutdown()).await;
    }

    fn sdk(&self) -> Identity {
        identity(&self.agency, Leaf::Sdk, "sdk")
    }

    pub(crate) async fn client(&self, index: usize) -> Client {
        let builder = Client::builder()
            .endpoint(self.node(index).channel_address().to_string())
            .identity(self.sdk())
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE);
        builder.connect().await.unwrap()
    }

    pub(crate) async fn end(self, clients: impl IntoIterator<Item = Client>) {
        for client in clients {
            within("a client's end", client.close()).await;
        }
        for node in self.nodes.into_iter().flatten() {
            within("a node's end", node.shutdown()).await;
        }
    }
}

/// Publishes until the node has heard of a subscriber: it knows of those at its neighbours as soon as
/// they have subscribed, and of others a moment later. Until then nobody gets the message.
pub(crate) async fn once_known<T, F>(mut publish: impl FnMut() -> F) -> Result<T, PublishError>
where
    F: Future<Output = Result<T, PublishError>>,
{
    within("a subscriber to be known", async {
        loop {
            match publish().await {
                Err(PublishError::NoSubscriber { .. }) => tokio::task::yield_now().await,
                outcome => return outcome,
            }
        }
    })
    .await
}
