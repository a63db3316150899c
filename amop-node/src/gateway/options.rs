//! The settings of a node's gateway.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use amop_proto::gateway::bridge::GatewayBridgeLimits;
use amop_tls::Identity;

use super::lists::{GatewayKey, GatewayLists};
use crate::config::PeerAddr;

/// 3.x nodes dial those of their peers that have no connection this often (gateway-v3 section 8).
const REDIAL: Duration = Duration::from_secs(10);

/// The settings of a node that is a peer of the nodes of a 3.x chain; see
/// [`NodeBuilder::gateway`](crate::NodeBuilder::gateway).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GatewayOptions {
    /// The node's certificate in the 3.x chain: `ssl.crt`, `ssl.key` and `ca.crt`.
    pub identity: Identity,
    /// The address that 3.x nodes connect to; usually port 30300. Default: a free port of
    /// 127.0.0.1.
    pub listen: SocketAddr,
    /// The 3.x nodes to dial, as in `nodes.json`. Nodes that dial this one need not be named.
    pub peers: Vec<PeerAddr>,
    /// Whether the chain takes part in the overlay: all overlay nodes reach it through this node,
    /// and it reaches them. Of several such nodes that reach each other, the one with the lowest ID
    /// carries the chain's messages, and the others stand by until it is gone; a message may arrive
    /// twice in the second in which this changes. If it is false, only SDKs at this node reach the
    /// chain, and overlay nodes that are its peers should not be linked: a message would arrive
    /// over the link and over the chain. Default true. On chains with a white list of nodes, other
    /// overlay nodes must list the ID that the log tells for the chain.
    pub transit: bool,
    /// The newest version of packets, 0 to 3. Default 3.
    pub max_version: u16,
    /// Whether to compress what is sent. Default true, as on 3.x nodes.
    pub compress: bool,
    /// The time between two attempts to connect with a peer that has no connection. Default 10 s.
    /// A node that ended without closing its connections is refused by 3.x nodes for up to 120 s.
    pub redial: Duration,
    /// The only nodes that may connect and that are dialled. Default: all of the chain.
    pub whitelist: Option<HashSet<GatewayKey>>,
    /// Nodes that may not connect and are not dialled.
    pub blacklist: HashSet<GatewayKey>,
    /// The limits of the gateway.
    pub limits: GatewayBridgeLimits,
}

impl GatewayOptions {
    /// Returns the default settings for a node with this certificate.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            peers: Vec::new(),
            transit: true,
            max_version: 3,
            compress: true,
            redial: REDIAL,
            whitelist: None,
            blacklist: HashSet::new(),
            limits: GatewayBridgeLimits::default(),
        }
    }

    /// Returns the settings with a change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn lists(&self) -> GatewayLists {
        GatewayLists {
            whitelist: self.whitelist.clone(),
            blacklist: self.blacklist.clone(),
        }
    }
}
