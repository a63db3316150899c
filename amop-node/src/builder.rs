//! Configuring and starting a node.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use amop_proto::{
    channel::{FrameDecoder, PROTOCOL_MAX_FRAME, rpc::NodeFacts},
    node::{Checker, Limits, MachineConfig, NodeMachine, Timeouts},
    p2p::{NodeId, PeerCodec},
};
use amop_tls::{CertFiles, Identity, PeerOptions, PublicKey, Role, ServerOptions};
use rand::{TryRng, rngs::SysRng};
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    AccessLists, Node,
    access::Access,
    config::{CertPaths, ChainVersion, NodeConfig, NodeIdBytes, PeerAddr},
    core::Core,
    error::{Port, StartError},
    listen::ListenLimits,
    node::{self, Rpc, Setup},
    statements::{NodeSigner, NodeVerifier},
};

/// Configures a [`Node`].
#[derive(Debug, Clone)]
pub struct NodeBuilder {
    channel: SocketAddr,
    p2p: SocketAddr,
    rpc: Option<SocketAddr>,
    peers: Vec<PeerAddr>,
    transit: BTreeSet<NodeIdBytes>,
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
    limits: Limits,
    timeouts: Timeouts,
    listen: ListenLimits,
    seed: Option<[u8; 32]>,
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
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            listen: ListenLimits::default(),
            seed: None,
        }
    }
}

impl NodeBuilder {
    /// Takes everything from a `config.ini` in a folder made by `build_chain.sh`, and loads the
    /// certificates it names.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the file or a certificate cannot be used.
    pub fn from_config_file(path: impl AsRef<Path>) -> Result<Self, StartError> {
        let (config, warnings) = NodeConfig::from_ini_file(path)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Self::from_config(&config)
    }

    /// Takes everything from a configuration, and loads the certificates it names.
    ///
    /// # Errors
    ///
    /// [`StartError`] if a certificate cannot be used.
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
            limits: Limits {
                outgoing_bandwidth: bandwidth(config),
                ..config.limits
            },
            listen: config.listen_limits,
            compress: config.send_compressed,
            chain_id: config.chain_id.clone(),
            groups: config.groups.clone(),
            version: config.supported_version.clone(),
            ..Self::default()
        };
        builder.p2p_identity = Some(p2p);
        builder.channel_identity = Some(channel);
        Ok(builder)
    }

    /// Sets the address that SDKs connect to. Default: a free port of 127.0.0.1.
    #[must_use]
    pub fn channel_listen(mut self, address: SocketAddr) -> Self {
        self.channel = address;
        self
    }

    /// Sets the address that other nodes connect to. Default: a free port of 127.0.0.1.
    #[must_use]
    pub fn p2p_listen(mut self, address: SocketAddr) -> Self {
        self.p2p = address;
        self
    }

    /// Sets the address that answers JSON-RPC over HTTP, to anyone and without TLS. Default: none.
    #[must_use]
    pub fn rpc_listen(mut self, address: SocketAddr) -> Self {
        self.rpc = Some(address);
        self
    }

    /// Sets the chain's id, which some SDKs compare with their own. Default: 1. SDKs read it as a
    /// signed 64-bit number.
    #[must_use]
    pub fn chain_id(mut self, id: u64) -> Self {
        self.chain_id = id.to_string();
        self
    }

    /// Sets the groups that the node reports to SDKs. Default: none. Java SDKs create a client for
    /// a group only if it is among these, as the chain's own demos do before they publish. There is
    /// no chain behind the groups.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = u16>) -> Self {
        self.groups = groups.into_iter().collect();
        self
    }

    /// Sets the version that the node reports to SDKs. Default: 2.11.1.
    #[must_use]
    pub fn fisco_version(mut self, version: ChainVersion) -> Self {
        self.version = version;
        self
    }

    /// Adds a node to dial. Nodes that dial this one need not be named.
    #[must_use]
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
    #[must_use]
    pub fn transit(mut self, node: NodeIdBytes) -> Self {
        self.transit.insert(node);
        self
    }

    /// Sets the node's certificates for both ports.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.p2p_identity = Some(identity);
        self
    }

    /// Sets certificates for the channel port alone, as in RSA mode.
    #[must_use]
    pub fn channel_identity(mut self, identity: Identity) -> Self {
        self.channel_identity = Some(identity);
        self
    }

    /// Sets whether an SDK's certificate must be signed by the same key as this node's certificate,
    /// which is the key of its agency. Default: yes (channel-v2 section 2.5).
    #[must_use]
    pub fn check_cert_issuer(mut self, check: bool) -> Self {
        self.check_cert_issuer = check;
        self
    }

    /// Sets whether SDKs with secp256k1 keys may sign their TLS handshakes with SHA-1, as Java SDKs
    /// on JDK 8 to 15 must. SDKs that support a better hash use that one; each of the others is
    /// logged. Nodes may never use SHA-1, and no certificate signed with SHA-1 is accepted.
    /// Default: yes, as on FISCO nodes.
    #[must_use]
    pub fn sha1_client_signatures(mut self, allow: bool) -> Self {
        self.sha1_client_signatures = allow;
        self
    }

    /// Sets the only SDKs that may connect, by the keys of their certificates. Default: all that
    /// the CA admits.
    #[must_use]
    pub fn sdk_allowlist(mut self, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        self.lists.sdk_allowlist = Some(keys.into_iter().map(|key| key.0).collect());
        self
    }

    /// Sets the only nodes that may connect and that this node dials. Default: all that the CA
    /// admits and whose certificate is not an SDK certificate.
    #[must_use]
    pub fn node_whitelist(mut self, nodes: impl IntoIterator<Item = NodeIdBytes>) -> Self {
        self.lists.whitelist = Some(nodes.into_iter().collect());
        self
    }

    /// Sets the nodes that may not connect and that this node does not dial.
    #[must_use]
    pub fn node_blacklist(mut self, nodes: impl IntoIterator<Item = NodeIdBytes>) -> Self {
        self.lists.blacklist = nodes.into_iter().collect();
        self
    }

    /// Sets whether an SDK certificate (OU=sdk) is accepted for a node, too. Default: no, so that
    /// no SDK can act as a node. This is meant for chains whose nodes have such certificates; list
    /// the nodes in this case ([`node_whitelist`](Self::node_whitelist)).
    #[must_use]
    pub fn sdk_certificates_as_nodes(mut self, allow: bool) -> Self {
        self.sdks_as_nodes = allow;
        self
    }

    /// Adds a file of certificate revocation lists, which the certificates of SDKs and nodes are
    /// checked against; see [`Identity::with_revocation_file`] for what it may contain.
    #[must_use]
    pub fn revocation_list(mut self, file: impl Into<PathBuf>) -> Self {
        self.lists.revocation_lists.push(file.into());
        self
    }

    /// Sets the longest frame accepted from an SDK, or from another node for an SDK, in bytes
    /// including the header. Default: 32 MiB; FISCO nodes accept 100 MiB. Part of
    /// [`limits`](Self::limits).
    #[must_use]
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.limits.frame = bytes;
        self
    }

    /// Sets the node's limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the node's timeouts.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets the limits of the node's ports.
    #[must_use]
    pub fn listen_limits(mut self, limits: ListenLimits) -> Self {
        self.listen = limits;
        self
    }

    /// Makes the node's random choices repeatable. Default: seeded by the operating system.
    #[must_use]
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Opens the ports and starts the node. Peers are dialled in the background; see
    /// [`Node::wait_for_peers`].
    ///
    /// # Errors
    ///
    /// [`StartError`] if there are no usable certificates or a port cannot be opened.
    pub async fn start(self) -> Result<Node, StartError> {
        let p2p_identity = self.p2p_identity.ok_or(StartError::NoIdentity)?;
        let channel_identity = self
            .channel_identity
            .unwrap_or_else(|| p2p_identity.clone());
        let tls = |what| move |source| StartError::Tls { what, source };

        warn_of_roles(
            &p2p_identity,
            self.sdks_as_nodes,
            &self.lists,
            &self.version,
        );
        let loaded = self
            .lists
            .load(p2p_identity.clone(), channel_identity.clone())?;
        let mut options = ServerOptions::default()
            .check_cert_issuer(self.check_cert_issuer)
            .sha1_client_signatures(self.sha1_client_signatures);
        options.filter = loaded.sdks;
        let sdks = loaded
            .channel
            .verifier_of_sdks(options)
            .map_err(tls(Port::Channel))?;
        let channel_tls = channel_identity
            .listening(&sdks)
            .map_err(tls(Port::Channel))?;
        let options = PeerOptions::default()
            .filter(loaded.peers)
            .sdk_certificates_as_nodes(self.sdks_as_nodes);
        let peers = loaded
            .p2p
            .verifier_of_peers(options)
            .map_err(tls(Port::P2p))?;
        let p2p_server = p2p_identity.listening(&peers).map_err(tls(Port::P2p))?;
        let p2p_client = p2p_identity.dialling(&peers).map_err(tls(Port::P2p))?;
        // Checked last: the errors above name the file, and they distinguish an RSA identity from a
        // damaged one.
        let node_id = p2p_identity.public_key().ok_or(StartError::NoNodeId)?;

        let (channel, channel_address) = bind(Port::Channel, self.channel)?;
        let (p2p, p2p_address) = bind(Port::P2p, self.p2p)?;
        let rpc = self.rpc.map(|at| bind(Port::Rpc, at)).transpose()?;

        let mut seed = [0; 32];
        match self.seed {
            Some(given) => seed = given,
            None => SysRng
                .try_fill_bytes(&mut seed)
                .map_err(|error| StartError::Random(error.to_string()))?,
        }
        let facts = NodeFacts {
            fisco_version: self.version.to_string(),
            chain_id: self.chain_id,
            node_id: node_id.to_string(),
            name: p2p_identity.name().unwrap_or_default().to_owned(),
            agency: p2p_identity.agency().unwrap_or_default().to_owned(),
            address: p2p_address.to_string(),
            groups: self.groups.into_iter().collect(),
        };
        let transit: BTreeSet<NodeId> = self.transit.into_iter().map(NodeId).collect();
        let machine = NodeMachine::new(MachineConfig {
            node: NodeId(node_id.0),
            signer: Arc::new(NodeSigner(p2p_identity.clone())),
            facts: facts.clone(),
            limits: Limits {
                sessions: self.listen.sessions,
                peers: self.listen.peers,
                ..self.limits
            },
            timeouts: self.timeouts,
            transit: transit.clone(),
            epoch: epoch(),
            seed,
        });
        let verifier = Arc::new(NodeVerifier(peers.clone()));
        let checker = Checker::new(verifier, self.limits.peer_topics);
        node::start(Setup {
            checker: Arc::new(checker.of_node(&NodeId(node_id.0), &transit)),
            access: Arc::new(Access::new(p2p_identity, channel_identity, peers, sdks)),
            core: Arc::new(Core::new(machine, facts)),
            node_id,
            channel,
            channel_address,
            channel_tls,
            p2p,
            p2p_address,
            rpc: rpc.map(|(listener, address)| Rpc { listener, address }),
            p2p_server,
            p2p_client,
            peers: self.peers,
            decoder: FrameDecoder::new(self.limits.frame),
            // An SDK anywhere may send the longest frame of the protocol; the link must accept it.
            codec: PeerCodec::new(PROTOCOL_MAX_FRAME).with_compression(self.compress),
            limits: self.listen,
            machine_limits: self.limits,
        })
    }
}

/// Returns the microseconds since 1970, so that other nodes accept the statements of a node that
/// starts again. A clock before 1970 gives 0; in this case the network tells the node its last
/// version, and the node continues from there.
fn epoch() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_micros().try_into().unwrap_or(u64::MAX))
}

/// Binds a port. A stopped node's port may stay in use for a time that this program cannot
/// influence; binding it again at once must work.
fn bind(what: Port, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    const BACKLOG: u32 = 1024;
    let open = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    };
    open().map_err(|source| StartError::Bind {
        what,
        address,
        source,
    })
}

fn load(what: Port, paths: &CertPaths) -> Result<Identity, StartError> {
    let files = CertFiles {
        key: paths.key.clone(),
        cert: paths.cert.clone(),
        ca: paths.ca.clone(),
    };
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

/// Logs what certificates of the chain do not distinguish, and what to do about it.
fn warn_of_roles(p2p: &Identity, sdks_as_nodes: bool, lists: &AccessLists, version: &ChainVersion) {
    if p2p.role() == Role::Sdk && !sdks_as_nodes {
        tracing::error!(
            "this node's own P2P certificate ({}) is an SDK certificate, as its OU says: other \
             overlay nodes and native clients refuse it; use node.crt and node.key, or set [amop] \
             sdk_certificates_as_nodes=true on every node if the chain has no node certificates",
            p2p.subject()
        );
    }
    let why = match p2p.role() {
        _ if lists.whitelist.is_some() => return,
        _ if sdks_as_nodes => "sdk_certificates_as_nodes is on",
        Role::Unknown => "the certificates of this chain do not tell nodes from SDKs",
        Role::Node if !version.has_sdk_certificates() => {
            "in chains made before 2.1, SDKs have node certificates"
        }
        _ => return,
    };
    tracing::warn!(
        "ANY SDK OF THE CHAIN MAY ACT AS A NODE HERE: {why} ({}), and there is no white list; list the \
         nodes that may connect in [certificate_whitelist] cal.N, see docs/security.md",
        p2p.subject()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabits_become_bytes_and_compression_counts_a_quarter() {
        let limit = |lines: &str| {
            let version = "[compatibility]\nsupported_version=2.11.1\n";
            let read = NodeConfig::from_ini_str(&format!("{version}{lines}"), "config.ini");
            bandwidth(&read.unwrap().0)
        };
        assert_eq!(limit(""), None);
        let set = "[flow_control]\noutgoing_bandwidth_limit=2.5\n";
        assert_eq!(limit(set), Some(312_500));
        let compressing = format!("{set}[p2p]\nenable_compress=true\n");
        assert_eq!(limit(&compressing), Some(1_250_000));
        let tiny = "[flow_control]\noutgoing_bandwidth_limit=0.000001\n";
        assert_eq!(limit(tiny), Some(1));
    }
}
