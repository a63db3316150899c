//! Prepares the parts of a node: its TLS, its machine, its ports.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use amop_proto::{
    channel::{FrameDecoder, PROTOCOL_MAX_FRAME},
    node::{Checker, MachineConfig, NodeMachine, Timeouts, rpc::NodeFacts},
    p2p::{NodeId, PeerCodec},
    ws::{GroupInfo, bridge::SdkBridgeConfig, server::WsServerConfig},
};
use amop_tls::{Identity, PeerOptions, ServerOptions, pki};
use rand::{
    RngExt, SeedableRng, TryRng,
    rngs::{StdRng, SysRng},
};
use tokio::net::{TcpListener, TcpSocket};

use super::{NodeBuilder, chain_v3::V3Listen, roles::warn_of_roles};
use crate::{
    Node,
    access::Access,
    apart::aside,
    core::Core,
    error::{Port, StartError},
    gateway::{GatewayOptions, PreparedGateway},
    start::{Rpc, Setup, TlsPort, V3Port, start},
    statements::{NodeSigner, NodeVerifier},
};

impl NodeBuilder {
    /// Opens the ports and starts the node. Peers are dialled in the background; see
    /// [`Node::wait_for_peers`].
    ///
    /// # Errors
    ///
    /// [`StartError`] if there are no usable certificates or a port cannot be opened.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the ports are closed and the node does not start.
    pub async fn start(self) -> Result<Node, StartError> {
        // A node of a 3.x chain alone has no ports of 2.x.
        let has_v2 = self.p2p_identity.is_some();
        let p2p_identity = match self.p2p_identity {
            Some(identity) => identity,
            None if self.v3.listen.is_some() => own_identity()?,
            None => return Err(StartError::NoIdentity),
        };
        let channel_identity = self
            .channel_identity
            .unwrap_or_else(|| p2p_identity.clone());
        let tls = |what| move |source| StartError::Tls { what, source };

        if has_v2 {
            warn_of_roles(
                &p2p_identity,
                self.sdks_as_nodes,
                &self.lists,
                &self.version,
            );
        }
        let (lists, p2p, channel) = (self.lists, p2p_identity.clone(), channel_identity.clone());
        // A disk may not answer.
        let loaded = aside(move || lists.load(p2p, channel)).await?;
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

        let bound = |what, at, tls| -> Result<Option<TlsPort>, StartError> {
            let bound = has_v2.then(|| bind(what, at)).transpose()?;
            Ok(bound.map(|(listener, address)| TlsPort {
                listener,
                address,
                tls,
            }))
        };
        let channel = bound(Port::Channel, self.channel, channel_tls)?;
        let p2p = bound(Port::P2p, self.p2p, p2p_server)?;
        let v3 = self.v3.listen.map(V3Port::open).transpose()?;
        let v3_verifier = v3.as_ref().and_then(|port| port.verifier.clone());
        // Without ports of 2.x, the addresses of 3.x are the node's.
        let network = self.gateway.as_ref().map(|gateway| gateway.listen);
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let p2p_address = p2p.as_ref().map(|port| port.address);
        let p2p_address = p2p_address.or(network).unwrap_or(nowhere);
        let channel_address = channel.as_ref().map(|port| port.address);
        let v3_address = v3.as_ref().map(|port| port.address);
        let channel_address = channel_address.or(v3_address).unwrap_or(nowhere);
        let rpc = self.rpc.map(|at| bind(Port::Rpc, at)).transpose()?;

        let mut seed = [0; 32];
        match self.seed {
            Some(given) => seed = given,
            None => SysRng
                .try_fill_bytes(&mut seed)
                .map_err(|error| StartError::Random(error.to_string()))?,
        }
        let options = self.gateway;
        let gateway = options
            .map(|options| prepare_gateway(options, &seed, &self.timeouts))
            .transpose()?;
        let mut transit = self.transit;
        let chain = gateway.as_ref().filter(|gateway| gateway.transit);
        transit.extend(chain.map(|gateway| gateway.chain));
        let facts = NodeFacts {
            fisco_version: self.version.to_string(),
            chain_id: self.chain_id,
            node_id: node_id.to_string(),
            name: p2p_identity.name().unwrap_or_default().to_owned(),
            agency: p2p_identity.agency().unwrap_or_default().to_owned(),
            address: p2p_address.to_string(),
            groups: self.groups.into_iter().collect(),
        };
        let machine = NodeMachine::new(MachineConfig {
            node: NodeId(node_id.0),
            signer: Arc::new(NodeSigner(p2p_identity.clone())),
            facts: facts.clone(),
            limits: self.limits.with(|limits| {
                limits.sessions = self.listen.sessions;
                limits.peers = self.listen.peers;
            }),
            timeouts: self.timeouts,
            stubs: transit.clone(),
            epoch: epoch(),
            seed,
        });
        let verifier = Arc::new(NodeVerifier(peers.clone()));
        let checker = Checker::new(verifier, self.limits.peer_topics);
        let groups = |chain: &str| {
            let name = facts_name(&facts.name);
            let groups = self.v3.groups.iter();
            groups
                .map(|group| GroupInfo::without_chain(chain, group, name))
                .collect()
        };
        let session = WsServerConfig::default().with(|session| {
            session.groups = groups(self.v3.chain_id.as_deref().unwrap_or("chain0"));
            session.max_topics = self.limits.session_topics;
            session.max_in_flight = self.limits.session_in_flight;
            session.max_queued = self.limits.session_queue;
        });
        let sessions_v3 = SdkBridgeConfig::for_node(session, &self.timeouts)
            .with(|config| config.max_frame = self.limits.frame.min(PROTOCOL_MAX_FRAME));
        start(Setup {
            checker: Arc::new(checker.of_node(&NodeId(node_id.0), &transit)),
            access: Arc::new(
                Access::new(p2p_identity, channel_identity, peers, sdks).with_v3(v3_verifier),
            ),
            core: Arc::new(Core::new(machine, facts)),
            node_id,
            channel,
            channel_address,
            p2p,
            p2p_address,
            v3,
            v3_on_channel: self.v3.on_channel,
            sessions_v3,
            rpc: rpc.map(|(listener, address)| Rpc { listener, address }),
            p2p_client,
            peers: self.peers,
            decoder: FrameDecoder::new(self.limits.frame),
            // An SDK anywhere may send the longest frame of the protocol; the link must accept it.
            codec: PeerCodec::new(PROTOCOL_MAX_FRAME).with_compression(self.compress),
            limits: self.listen,
            machine_limits: self.limits,
            gateway,
        })
    }
}

/// Makes the identity of a node that has no certificates of a 2.x chain. No other node sees it.
fn own_identity() -> Result<Identity, StartError> {
    let agency = pki::Authority::new_ec("amop")?.agency("amop")?;
    let issued = agency.issue(pki::Leaf::Node, "amop")?;
    Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        agency.root_pem().as_bytes(),
    )
    .map_err(|source| StartError::Tls {
        what: Port::P2p,
        source,
    })
}

/// Returns the name by which SDKs of 3.x know the node in its groups. They need one.
fn facts_name(name: &str) -> &str {
    if name.is_empty() { "node0" } else { name }
}

impl V3Port {
    fn open(listen: V3Listen) -> Result<Self, StartError> {
        let tls = |source| StartError::Tls {
            what: Port::V3,
            source,
        };
        let mut port = None;
        if let Some(identity) = &listen.identity {
            // All certificates of a 3.x chain come from one CA, which has no agencies.
            let options = ServerOptions::default().check_cert_issuer(false);
            let verifier = identity.verifier_of_sdks(options).map_err(tls)?;
            let config = identity.listening(&verifier).map_err(tls)?;
            port = Some((config, verifier));
        }
        let (listener, address) = bind(Port::V3, listen.address)?;
        let (tls, verifier) = port.unzip();
        Ok(Self {
            listener,
            address,
            tls,
            verifier,
        })
    }
}

fn prepare_gateway(
    options: GatewayOptions,
    seed: &[u8; 32],
    timeouts: &Timeouts,
) -> Result<PreparedGateway, StartError> {
    // The gateway's numbers must not follow from those of the machine.
    let seed = StdRng::from_seed(*seed).random();
    PreparedGateway::new(options, seed, timeouts, bind)
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
