//! The settings of a node.

mod chain_v3;
mod prepare;
mod roles;
mod v3;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use amop_proto::{
    NodeId,
    node::{Limits, Timeouts},
};
use amop_tls::{CertFiles, Identity, PublicKey};

use self::chain_v3::ChainV3;
use crate::{
    AccessLists, Node,
    config::{CertPaths, ChainV3Config, ChainVersion, NodeConfig, PeerAddr, Warning, read_text},
    error::{Port, StartError},
    gateway::GatewayOptions,
    limits::ListenLimits,
};

/// Configures a [`Node`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `start` is called"]
pub struct NodeBuilder {
    channel: SocketAddr,
    p2p: SocketAddr,
    rpc: Option<SocketAddr>,
    peers: Vec<PeerAddr>,
    transit: BTreeSet<NodeId>,
    p2p_identity: Option<Identity>,
    channel_identity: Option<Identity>,
    check_cert_issuer: bool,
    sha1_client_signatures: bool,
    sdks_as_nodes: bool,
    lists: AccessLists,
    compress: bool,
    chain_id: String,
    groups: BTreeSet<u16>,
    version: ChainVersion,
    v3: ChainV3,
    limits: Limits,
    timeouts: Timeouts,
    listen: ListenLimits,
    seed: Option<[u8; 32]>,
    gateway: Option<GatewayOptions>,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            channel: any_port,
            p2p: any_port,
            rpc: None,
            peers: Vec::new(),
            transit: BTreeSet::new(),
            p2p_identity: None,
            channel_identity: None,
            check_cert_issuer: true,
            sha1_client_signatures: true,
            sdks_as_nodes: false,
            lists: AccessLists::default(),
            compress: false,
            chain_id: "1".to_owned(),
            groups: BTreeSet::new(),
            version: ChainVersion::DEFAULT,
            v3: ChainV3::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            listen: ListenLimits::default(),
            seed: None,
            gateway: None,
        }
    }
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
}

impl NodeBuilder {
    /// Takes everything from a `config.ini` in a folder made by `build_chain.sh`, and loads the
    /// certificates it names. The file is that of a 2.x chain, or that of a 3.x chain: the node then
    /// serves SDKs of 3.x only (see [`from_v3_config`](Self::from_v3_config)).
    ///
    /// # Errors
    ///
    /// [`StartError`] if the file or a certificate cannot be used.
    pub fn from_config_file(path: impl AsRef<Path>) -> Result<Self, StartError> {
        let path = path.as_ref();
        let text = read_text(path)?;
        if ChainV3Config::is_v3(&text) {
            let (config, warnings) = ChainV3Config::from_ini_str(&text, path)?;
            log_all(warnings);
            return Self::from_v3_config(&config);
        }
        let (config, warnings) = NodeConfig::from_ini_str(&text, path)?;
        log_all(warnings);
        Self::from_config(&config)
    }

    /// Takes everything from a configuration, and loads the certificates it names, and those of the
    /// 3.x chain that it names.
    ///
    /// # Errors
    ///
    /// [`StartError`] if a certificate, or the file of the 3.x chain, cannot be used.
    pub fn from_config(config: &NodeConfig) -> Result<Self, StartError> {
        let p2p = load(Port::P2p, &config.p2p_certs)?;
        let channel = if config.channel_certs == config.p2p_certs {
            p2p.clone()
        } else {
            load(Port::Channel, &config.channel_certs)?
        };
        let mut builder = Self {
            channel: config.channel_listen,
            p2p: config.p2p_listen,
            rpc: config.jsonrpc_listen,
            peers: config.peers.clone(),
            transit: config.transit.iter().copied().collect(),
            check_cert_issuer: config.check_cert_issuer,
            sha1_client_signatures: config.sha1_client_signatures,
            sdks_as_nodes: config.sdk_certificates_as_nodes,
            lists: AccessLists::from_config(config),
            limits: config
                .limits
                .with(|limits| limits.outgoing_bandwidth = bandwidth(config)),
            listen: config.listen_limits,
            compress: config.send_compressed,
            chain_id: config.chain_id.clone(),
            groups: config.groups.clone(),
            version: config.supported_version.clone(),
            ..Self::default()
        };
        builder.p2p_identity = Some(p2p);
        builder.channel_identity = Some(channel);
        builder = builder.v3_on_channel_port(config.v3_on_channel_port);
        if let Some(file) = &config.v3_config {
            let (v3, warnings) = ChainV3Config::from_ini_file(file)?;
            log_all(warnings);
            builder = builder.v3_chain(&v3)?;
        }
        Ok(builder)
    }

    /// Sets the address that SDKs connect to. Default: a free port of 127.0.0.1.
    pub fn channel_listen(mut self, address: SocketAddr) -> Self {
        self.channel = address;
        self
    }

    /// Sets the address that other nodes connect to. Default: a free port of 127.0.0.1.
    pub fn p2p_listen(mut self, address: SocketAddr) -> Self {
        self.p2p = address;
        self
    }

    /// Sets the address that answers JSON-RPC over HTTP, to anyone and without TLS. Default: none.
    pub fn rpc_listen(mut self, address: SocketAddr) -> Self {
        self.rpc = Some(address);
        self
    }

    /// Sets the chain's id, which some SDKs compare with their own. Default: 1. SDKs read it as a
    /// signed 64-bit number.
    pub fn chain_id(mut self, id: u64) -> Self {
        self.chain_id = id.to_string();
        self
    }

    /// Sets the groups that the node reports to SDKs. Default: none. Java SDKs create a client for
    /// a group only if it is among these, as the chain's own demos do before they publish. There is
    /// no chain behind the groups.
    pub fn groups(mut self, groups: impl IntoIterator<Item = u16>) -> Self {
        self.groups = groups.into_iter().collect();
        self
    }

    /// Sets the version that the node reports to SDKs. Default: 2.11.1.
    pub fn fisco_version(mut self, version: ChainVersion) -> Self {
        self.version = version;
        self
    }

    /// Adds a node to dial. Nodes that dial this one need not be named.
    pub fn peer(mut self, address: PeerAddr) -> Self {
        self.peers.push(address);
        self
    }

    /// Lets a FISCO node take part in the overlay while it is a peer of this node. It learns all
    /// topics of the overlay, and all overlay nodes learn its topics. Messages go both ways, except
    /// on private topics. Default: no FISCO node takes part; FISCO nodes reach only their direct
    /// neighbours, as they do among themselves. Has no effect for an overlay node.
    ///
    /// Several nodes may name the same FISCO node. It still gets and sends each message once, if
    /// all nodes that it is a peer of name it.
    pub fn transit(mut self, node: NodeId) -> Self {
        self.transit.insert(node);
        self
    }

    /// Sets the node's certificates for both ports.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.p2p_identity = Some(identity);
        self
    }

    /// Sets certificates for the channel port alone, as in RSA mode.
    pub fn channel_identity(mut self, identity: Identity) -> Self {
        self.channel_identity = Some(identity);
        self
    }

    /// Sets whether an SDK's certificate must be signed by the same key as this node's certificate,
    /// which is the key of its agency. Default: yes (channel-v2 section 2.5).
    pub fn check_cert_issuer(mut self, check: bool) -> Self {
        self.check_cert_issuer = check;
        self
    }

    /// Sets whether SDKs with secp256k1 keys may sign their TLS handshakes with SHA-1, as Java SDKs
    /// on JDK 8 to 15 must. SDKs that support a better hash use that one; each of the others is
    /// logged. Nodes may never use SHA-1, and no certificate signed with SHA-1 is accepted.
    /// Default: yes, as on FISCO nodes.
    pub fn sha1_client_signatures(mut self, allow: bool) -> Self {
        self.sha1_client_signatures = allow;
        self
    }

    /// Sets the only SDKs that may connect, by the keys of their certificates. Default: all that
    /// the CA admits.
    pub fn sdk_allowlist(mut self, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        self.lists.sdk_allowlist = Some(keys.into_iter().collect());
        self
    }

    /// Sets the only nodes that may connect and that this node dials. Default: all that the CA
    /// admits and whose certificate is not an SDK certificate.
    pub fn node_whitelist(mut self, nodes: impl IntoIterator<Item = NodeId>) -> Self {
        self.lists.whitelist = Some(nodes.into_iter().collect());
        self
    }

    /// Sets the nodes that may not connect and that this node does not dial.
    pub fn node_blacklist(mut self, nodes: impl IntoIterator<Item = NodeId>) -> Self {
        self.lists.blacklist = nodes.into_iter().collect();
        self
    }

    /// Sets whether an SDK certificate (OU=sdk) is accepted for a node, too. Default: no, so that
    /// no SDK can act as a node. This is meant for chains whose nodes have such certificates; list
    /// the nodes in this case ([`node_whitelist`](Self::node_whitelist)).
    pub fn sdk_certificates_as_nodes(mut self, allow: bool) -> Self {
        self.sdks_as_nodes = allow;
        self
    }

    /// Adds a file of certificate revocation lists, which the certificates of SDKs and nodes are
    /// checked against; see [`Identity::with_revocation_file`] for what it may contain.
    pub fn revocation_list(mut self, file: impl Into<PathBuf>) -> Self {
        self.lists.revocation_lists.push(file.into());
        self
    }

    /// Sets the longest frame accepted from an SDK, or from another node for an SDK, in bytes
    /// including the header. Default: 32 MiB; FISCO nodes accept 100 MiB. Part of
    /// [`limits`](Self::limits).
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.limits.frame = bytes;
        self
    }

    /// Sets the node's limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the node's timeouts.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets the limits of the node's ports.
    pub fn listen_limits(mut self, limits: ListenLimits) -> Self {
        self.listen = limits;
        self
    }

    /// Makes the node a gateway peer of the nodes of a 3.x chain. By default it is not one.
    ///
    /// Subscribers and publishers at 3.x nodes and those at this node reach each other then; with
    /// [`GatewayOptions::transit`], so do those at all overlay nodes.
    ///
    /// ```no_run
    /// use amop_node::{GatewayOptions, Node};
    /// use amop_tls::{CertFiles, Identity};
    ///
    /// # async fn run(builder: amop_node::NodeBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// let conf = |file: &str| format!("nodes/127.0.0.1/node0/conf/{file}");
    /// let files = CertFiles::new(conf("ssl.crt"), conf("ssl.key"), conf("ca.crt"));
    /// let gateway = GatewayOptions::new(Identity::load(&files)?).with(|gateway| {
    ///     gateway.listen = ([0, 0, 0, 0], 30300).into();
    ///     gateway.peers = vec!["10.0.0.7:30300".parse().expect("an address")];
    /// });
    /// let node = builder.gateway(gateway).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn gateway(mut self, gateway: GatewayOptions) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// Makes the node's random choices repeatable. Default: seeded by the operating system.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }
}

fn log_all(warnings: Vec<Warning>) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

fn load(what: Port, paths: &CertPaths) -> Result<Identity, StartError> {
    let files = CertFiles::new(&paths.cert, &paths.key, &paths.ca);
    Identity::load(&files).map_err(|source| StartError::Tls { what, source })
}

/// Converts a limit in Mb/s to bytes per second. FISCO nodes count a quarter of a message's length,
/// because they assume that it is compressed to this size (p2p-v2 section 7.4); this node does so
/// only if it compresses at all.
fn bandwidth(config: &NodeConfig) -> Option<u64> {
    let bytes = config.outgoing_bandwidth_limit? * 1e6 / 8.0;
    let factor = if config.send_compressed { 4.0 } else { 1.0 };
    // At least 1, and saturating.
    Some(((bytes * factor) as u64).max(1))
}

#[cfg(test)]
mod tests;
