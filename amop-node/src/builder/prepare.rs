//! Prepares the parts of a node: its TLS, its machine, its ports.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use amop_proto::{
    channel::{FrameDecoder, PROTOCOL_MAX_FRAME},
    node::{Checker, MachineConfig, NodeMachine, Timeouts, rpc::NodeFacts},
    p2p::{NodeId, PeerCodec},
};
use amop_tls::{PeerOptions, ServerOptions};
use rand::{
    RngExt, SeedableRng, TryRng,
    rngs::{StdRng, SysRng},
};
use tokio::net::{TcpListener, TcpSocket};

use super::{NodeBuilder, roles::warn_of_roles};
use crate::{
    Node,
    access::Access,
    apart::aside,
    core::Core,
    error::{Port, StartError},
    gateway::{GatewayOptions, PreparedGateway},
    start::{Rpc, Setup, start},
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
        start(Setup {
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
            gateway,
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
