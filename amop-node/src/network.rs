//! A whole AMOP network in one process, with newly made certificates: for tests and demos.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use amop_tls::{Identity, NodeAccess, pki};

use crate::{Node, NodeBuilder, apart::aside, config::PeerAddr, error::StartError};

/// A free port of this machine.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

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
    v3: Option<V3Side>,
}

/// What a network has for SDKs of 3.x.
#[derive(Debug)]
struct V3Side {
    authority: pki::ChainV3Authority,
    sdk: Identity,
    endpoints: Vec<String>,
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
        Self::start_some(nodes, configure, None).await
    }

    /// Like [`start`](Self::start), but each node also serves SDKs of 3.x, on a port of its own with
    /// certificates of a 3.x chain. SDKs of both generations share topics.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let network = amop_node::Network::start_bridged(1).await?;
    /// let (v2, v3) = (network.endpoint(0), network.v3_endpoint(0).unwrap());
    /// println!("SDKs of 2.x connect to {v2}, SDKs of 3.x to {v3}");
    /// assert_eq!(network.v3_access(0).unwrap().endpoints, [v3]);
    /// network.shutdown().await;
    /// # Ok::<(), amop_node::StartError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// As [`start`](Self::start).
    pub async fn start_bridged(nodes: usize) -> Result<Self, StartError> {
        Self::start_bridged_with(nodes, |_, builder| builder).await
    }

    /// Like [`start_bridged`](Self::start_bridged), but calls a function that may change each node's
    /// configuration.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// As [`start`](Self::start).
    pub async fn start_bridged_with(
        nodes: usize,
        configure: impl Fn(usize, NodeBuilder) -> NodeBuilder,
    ) -> Result<Self, StartError> {
        let made = aside(|| -> Result<V3Side, StartError> {
            let authority = pki::ChainV3Authority::new("FISCO-BCOS")?;
            let sdk = v3_identity(&authority)?;
            let endpoints = Vec::new();
            Ok(V3Side {
                authority,
                sdk,
                endpoints,
            })
        });
        Self::start_some(nodes, configure, Some(made.await?)).await
    }

    async fn start_some(
        nodes: usize,
        configure: impl Fn(usize, NodeBuilder) -> NodeBuilder,
        v3: Option<V3Side>,
    ) -> Result<Self, StartError> {
        let agency = pki::Authority::new_ec("chain")?.agency("agency")?;
        let sdk = identity(&agency, pki::Leaf::Sdk, "sdk")?;
        let mut network = Self {
            nodes: Vec::new(),
            agency,
            endpoints: Vec::new(),
            sdk,
            v3,
        };
        for index in 0..nodes {
            let identity = identity(&network.agency, pki::Leaf::Node, &format!("node{index}"))?;
            // Each node dials those before it, so that no two dial each other.
            let builder = network
                .running()
                .filter_map(|node| node.p2p_address().to_string().parse::<PeerAddr>().ok())
                .fold(Node::builder().identity(identity), NodeBuilder::peer);
            let builder = match &network.v3 {
                Some(v3) => builder.v3_listen(ANY_PORT, v3_identity(&v3.authority)?),
                None => builder,
            };
            let node = configure(index, builder).start().await?;
            if let (Some(v3), Some(address)) = (&mut network.v3, node.v3_address()) {
                v3.endpoints.push(address.to_string());
            }
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

    /// Returns the address that SDKs of 3.x connect to, for one node. `None` if there never was such a
    /// node, or the network was not started with [`start_bridged`](Self::start_bridged).
    pub fn v3_endpoint(&self, index: usize) -> Option<&str> {
        let endpoints = &self.v3.as_ref()?.endpoints;
        endpoints.get(index).map(String::as_str)
    }

    /// Returns certificates of an SDK of 3.x; `None` if the network does not serve any.
    pub fn v3_sdk(&self) -> Option<Identity> {
        self.v3.as_ref().map(|v3| v3.sdk.clone())
    }

    /// Returns what an SDK of 3.x needs to connect to one node: its endpoint and certificates. `None`
    /// where [`v3_endpoint`](Self::v3_endpoint) is.
    pub fn v3_access(&self, index: usize) -> Option<NodeAccess> {
        Some(NodeAccess::new([self.v3_endpoint(index)?], self.v3_sdk()?))
    }

    /// Returns the authority that issued the certificates of 3.x, to issue more; `None` if the network
    /// serves no SDKs of 3.x.
    pub fn v3_authority(&self) -> Option<&pki::ChainV3Authority> {
        self.v3.as_ref().map(|v3| &v3.authority)
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

fn v3_identity(authority: &pki::ChainV3Authority) -> Result<Identity, StartError> {
    let issued = authority.issue()?;
    Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        authority.cert_pem().as_bytes(),
    )
    .map_err(|source| StartError::Tls {
        what: crate::Port::V3,
        source,
    })
}
