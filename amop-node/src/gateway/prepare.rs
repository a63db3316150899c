//! Prepares a gateway: its TLS, its bridge, its port.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use amop_proto::{
    NodeId,
    gateway::{
        GatewayAddress, GatewayCodec, RawIdError,
        bridge::{GatewayBridge, GatewayBridgeConfig},
    },
    node::Timeouts,
};
use amop_tls::{ClientOptions, Identity, PeerVerifier, Side, rsa_public_key};
use rustls::{
    ClientConfig, ServerConfig,
    pki_types::{CertificateDer, UnixTime},
};
use sha2::{Digest, Sha512};
use tokio::net::TcpListener;

use super::{lists::GatewayLists, options::GatewayOptions};
use crate::{
    config::PeerAddr,
    error::{Port, StartError},
};

/// An answer to the node machine is this much earlier than the time after which the machine asks
/// another subscriber.
const EARLIER: Duration = Duration::from_secs(2);

/// The parts from which a gateway is started.
#[derive(Debug)]
pub(crate) struct PreparedGateway {
    pub(super) own: GatewayAddress,
    /// The node that stands for the chain, towards the node machine.
    pub(crate) chain: NodeId,
    /// The digest by which the machine counts what the chain uses.
    pub(super) authority: [u8; 32],
    pub(super) agency: String,
    pub(super) bridge: GatewayBridge,
    pub(super) codec: GatewayCodec,
    pub(super) verifier: PeerVerifier,
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) peers: Vec<PeerAddr>,
    pub(super) lists: GatewayLists,
    pub(super) redial: Duration,
    pub(crate) transit: bool,
}

impl PreparedGateway {
    /// Prepares the gateway with these settings. `bind` opens its port.
    pub(crate) fn new(
        options: GatewayOptions,
        seed: [u8; 32],
        timeouts: &Timeouts,
        bind: impl FnOnce(Port, SocketAddr) -> Result<(TcpListener, SocketAddr), StartError>,
    ) -> Result<Self, StartError> {
        let what = Port::Gateway;
        let tls = |source| StartError::Tls { what, source };
        let identity = &options.identity;
        // Certificates of 3.x do not tell nodes from SDKs, so that both ends have the same rules.
        let verifier = identity.verifier_of_nodes(ClientOptions::default());
        let server = identity.listening(&verifier).map_err(tls)?;
        let client = identity.dialling(&verifier).map_err(tls)?;
        let own = address_of(identity.chain()).map_err(|_| StartError::NoGatewayId)?;
        let authority = authority_of(identity, &verifier, &own);
        let (listener, address) = bind(what, options.listen)?;
        let config = GatewayBridgeConfig::new(own.clone(), first_topic_seq(), seed);
        let config = config.with(|config| {
            config.max_version = options.max_version;
            config.limits = options.limits;
            let answer = timeouts.peer_answer;
            config.answer = answer.saturating_sub(EARLIER).max(answer / 2);
        });
        Ok(Self {
            bridge: GatewayBridge::new(config),
            chain: chain_id(&authority),
            authority,
            agency: identity.agency().unwrap_or_default().to_owned(),
            codec: options
                .limits
                .connection
                .codec()
                .with_compression(options.compress),
            lists: options.lists(),
            redial: options.redial,
            transit: options.transit,
            peers: options.peers,
            own,
            verifier,
            server,
            client,
            listener,
            address,
        })
    }
}

/// Returns the address of the node with this chain of certificates, leaf first: the content of its
/// subjectPublicKey (gateway-v3 section 1.1).
pub(super) fn address_of(chain: &[CertificateDer<'_>]) -> Result<GatewayAddress, RawIdError> {
    let leaf = chain.first();
    let rsa = leaf.and_then(rsa_public_key);
    let point = || {
        let key = amop_tls::peer_public_key(chain).ok()?;
        Some([&[4], &key.0[..]].concat())
    };
    let key = rsa.or_else(point).unwrap_or_default();
    GatewayAddress::of_key(&key)
}

/// Returns a digest of the authority that signs the chain's certificates; if that is not known, of
/// this node.
fn authority_of(identity: &Identity, verifier: &PeerVerifier, own: &GatewayAddress) -> [u8; 32] {
    match verifier.verify(identity.chain(), Side::Server, UnixTime::now()) {
        Ok(admitted) => admitted.standing.agency_digest(),
        Err(error) => {
            tracing::error!(
                "3.x nodes will refuse this node's gateway certificate ({}): {error}",
                identity.subject()
            );
            own.id().0
        }
    }
}

/// Returns the ID of the node that stands for a 3.x chain towards 2.x: a hash of the authority of
/// the chain, so that all overlay nodes that are its peers call it by the same ID.
fn chain_id(authority: &[u8; 32]) -> NodeId {
    let mut hash = Sha512::new();
    hash.update(b"AMOP: the nodes of the 3.x chain of this authority");
    hash.update(authority);
    NodeId(hash.finalize().into())
}

/// Returns the time in seconds, so that a restarted node announces another number than before.
fn first_topic_seq() -> u32 {
    let now = SystemTime::UNIX_EPOCH.elapsed();
    let seconds = now.map_or(1, |now| now.as_secs());
    // Only the lowest bits matter.
    (seconds & u64::from(u32::MAX)) as u32
}
