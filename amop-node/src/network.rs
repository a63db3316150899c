//! A whole AMOP network in one process, with newly made certificates: for tests and demos.

use std::time::Duration;

use amop_tls::{Identity, NodeAccess, pki};

use crate::{Node, NodeBuilder, config::PeerAddr, error::StartError};

/// How long the mesh may take to form.
const MESH: Duration = Duration::from_secs(30);

/// Several nodes of one chain, each connected to all others, on free ports of 127.0.0.1.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let network = amop_node::Network::start(2).await?;
/// println!("an SDK may connect to {} or {}", network.endpoint(0), network.endpoint(1));
/// // A client takes it: `amop::Client::connect_with(network.access(0))`.
/// let access = network.access(0);
/// assert_eq!(access.endpoints, [network.endpoint(0)]);
/// network.shutdown().await;
/// # Ok::<(), amop_node::StartError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "the nodes of a network that is dropped stop"]
pub struct Network {
    nodes: Vec<Option<Node>>,
    agency: pki::Agency,
    endpoints: Vec<String>,
    sdk: Identity,
}

impl Network {
    /// Starts `nodes` nodes and waits until every node is connected to every other.
    ///
    /// # Errors
    ///
    /// [`StartError`] if a node cannot be started or the mesh does not form within 30 s.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the nodes that were started stop in the background.
    pub async fn start(nodes: usize) -> Result<Self, StartError> {
        Self::start_with(nodes, |_, builder| builder).await
    }

    /// Like [`start`](Self::start), but calls a function that may change each node's configuration.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// As [`start`](Self::start).
    pub async fn start_with(
        nodes: usize,
        configure: impl Fn(usize, NodeBuilder) -> NodeBuilder,
    ) -> Result<Self, StartError> {
        let agency = pki::Authority::new_ec("chain")?.agency("agency")?;
        let sdk = identity(&agency, pki::Leaf::Sdk, "sdk")?;
        let mut network = Self {
            nodes: Vec::new(),
            agency,
            endpoints: Vec::new(),
            sdk,
        };
        for index in 0..nodes {
            let identity = identity(&network.agency, pki::Leaf::Node, &format!("node{index}"))?;
            // Each node dials those before it, so that no two dial each other.
            let builder = network
                .running()
                .filter_map(|node| node.p2p_address().to_string().parse::<PeerAddr>().ok())
                .fold(Node::builder().identity(identity), NodeBuilder::peer);
            let node = configure(index, builder).start().await?;
            network.endpoints.push(node.channel_address().to_string());
            network.nodes.push(Some(node));
        }
        for node in network.running() {
            node.wait_for_peers(nodes.saturating_sub(1), MESH).await?;
        }
        Ok(network)
    }

    /// Returns the nodes that are running.
    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// Returns a node, unless it was stopped.
    pub fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)?.as_ref()
    }

    /// Returns the address that SDKs connect to, for one node: `127.0.0.1:port`.
    ///
    /// # Panics
    ///
    /// If there never was such a node.
    pub fn endpoint(&self, index: usize) -> &str {
        &self.endpoints[index]
    }

    /// Returns what an SDK needs to connect to one node: its endpoint and certificates.
    ///
    /// # Panics
    ///
    /// If there never was such a node.
    pub fn access(&self, index: usize) -> NodeAccess {
        NodeAccess::new([self.endpoint(index)], self.sdk())
    }

    /// Returns what an SDK needs to connect to all nodes.
    pub fn access_to_all(&self) -> NodeAccess {
        NodeAccess::new(self.endpoints.iter().cloned(), self.sdk())
    }

    /// Returns certificates of an SDK for this network.
    pub fn sdk(&self) -> Identity {
        self.sdk.clone()
    }

    /// Returns the agency that issued all certificates of the network, to issue more.
    pub fn agency(&self) -> &pki::Agency {
        &self.agency
    }

    /// Stops one node. Its connections end; the other nodes keep running.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after its first poll, the node stops in the background.
    pub async fn stop(&mut self, index: usize) {
        if let Some(node) = self.nodes.get_mut(index).and_then(Option::take) {
            node.shutdown().await;
        }
    }

    /// Stops all nodes.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the nodes stop in the background.
    pub async fn shutdown(self) {
        for node in self.nodes.into_iter().flatten() {
            node.shutdown().await;
        }
    }
}

fn identity(agency: &pki::Agency, leaf: pki::Leaf, name: &str) -> Result<Identity, StartError> {
    let issued = agency.issue(leaf, name)?;
    Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        agency.root_pem().as_bytes(),
    )
    .map_err(|source| StartError::Tls {
        what: crate::Port::P2p,
        source,
    })
}
