//! The settings of a node that serves SDKs of 3.x.

use std::net::SocketAddr;

use amop_tls::Identity;

use crate::config::PeerAddr;

/// What a node has of a 3.x chain.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChainV3 {
    /// The port of their own for SDKs.
    pub(crate) listen: Option<V3Listen>,
    /// Whether they are served on the channel port, too.
    pub(crate) on_channel: bool,
    /// What SDKs are told.
    pub(crate) chain_id: Option<String>,
    pub(crate) groups: Vec<String>,
    /// The network of nodes.
    pub(crate) network: Option<V3Network>,
}

/// The port for SDKs of 3.x.
#[derive(Debug, Clone)]
pub(crate) struct V3Listen {
    pub(crate) address: SocketAddr,
    /// `None` without TLS.
    pub(crate) identity: Option<Identity>,
}

/// The network of nodes of a 3.x chain, as far as a configuration names it.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "the gateway will use it")]
pub(crate) struct V3Network {
    pub(crate) listen: SocketAddr,
    pub(crate) peers: Vec<PeerAddr>,
    /// The certificates, of both ports.
    pub(crate) identity: Identity,
    /// Ids in upper case.
    pub(crate) blacklist: Vec<String>,
    pub(crate) whitelist: Option<Vec<String>>,
}
