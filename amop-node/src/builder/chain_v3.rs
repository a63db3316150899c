//! The settings of a node that serves SDKs of 3.x.

use std::net::SocketAddr;

use amop_tls::Identity;

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
}

/// The port for SDKs of 3.x.
#[derive(Debug, Clone)]
pub(crate) struct V3Listen {
    pub(crate) address: SocketAddr,
    /// `None` without TLS.
    pub(crate) identity: Option<Identity>,
}
