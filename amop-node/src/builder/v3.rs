//! Sets how a node serves SDKs of 3.x.

use std::{collections::HashSet, net::SocketAddr};

use amop_tls::Identity;

use super::{NodeBuilder, chain_v3::V3Listen, load};
use crate::{
    config::ChainV3Config,
    error::{Port, StartError},
    gateway::{GatewayKey, GatewayOptions},
};

impl NodeBuilder {
    /// Serves SDKs of FISCO BCOS 3.x on a port of their own, with the certificates of a 3.x chain. SDKs
    /// of both generations then share topics.
    ///
    /// Certificates of 3.x chains do not distinguish SDKs from nodes, and SDKs have no keys to list:
    /// everything that the chain's CA has signed may connect.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// use amop_node::Node;
    /// use amop_tls::{CertFiles, Identity};
    ///
    /// let files = CertFiles::node("node0/conf", "ssl.key", "ssl.crt", "ca.crt");
    /// let identity = Identity::load(&files)?;
    /// let builder = Node::builder().v3_listen("0.0.0.0:20200".parse()?, identity);
    /// # Ok(())
    /// # }
    /// ```
    pub fn v3_listen(mut self, address: SocketAddr, identity: Identity) -> Self {
        let identity = Some(identity);
        self.v3.listen = Some(V3Listen { address, identity });
        self
    }

    /// Serves SDKs of 3.x on a port of their own without TLS, as FISCO nodes do with
    /// `rpc.disable_ssl=true`. Everybody who can reach the port may connect, read and change
    /// everything: use it only where the network itself is protected.
    pub fn v3_listen_plain(mut self, address: SocketAddr) -> Self {
        let identity = None;
        self.v3.listen = Some(V3Listen { address, identity });
        self
    }

    /// Sets whether SDKs of 3.x are served on the channel port, too. It works if they trust its
    /// certificates. They are recognised by the first bytes that they send; an SDK of 2.x that sends
    /// nothing for a second is served from then on. Default: no.
    pub fn v3_on_channel_port(mut self, serve: bool) -> Self {
        self.v3.on_channel = serve;
        self
    }

    /// Sets the chain and the groups that SDKs of 3.x are told. Default: none, which is enough for
    /// AMOP. SDKs in Java create a client only for a group that is among these. There is no chain
    /// behind the groups: their height is 0.
    pub fn v3_groups<S: Into<String>>(
        mut self,
        chain_id: impl Into<String>,
        groups: impl IntoIterator<Item = S>,
    ) -> Self {
        self.v3.chain_id = Some(chain_id.into());
        self.v3.groups = groups.into_iter().map(Into::into).collect();
        self
    }

    /// Adds the port for SDKs and the groups of a 3.x chain, makes the node a
    /// [gateway peer](Self::gateway) of the chain's nodes, and loads the certificates that its
    /// configuration names.
    ///
    /// # Errors
    ///
    /// [`StartError`] if a certificate or a list of nodes cannot be used.
    pub fn v3_chain(mut self, config: &ChainV3Config) -> Result<Self, StartError> {
        let identity = load(Port::V3, &config.certs)?;
        self = self.gateway(gateway_options(config, identity.clone())?);
        self = if config.plain {
            self.v3_listen_plain(config.sdk_listen)
        } else {
            self.v3_listen(config.sdk_listen, identity)
        };
        Ok(self.v3_groups(config.chain_id.clone(), config.groups.iter().cloned()))
    }

    /// Takes everything from the configuration of a 3.x chain, and loads the certificates it names.
    /// Such a node has no ports of 2.x. It makes a new node ID each time it starts: an ID of 2.x is a
    /// secp256k1 key, which a 3.x chain does not have, and no other node sees it.
    ///
    /// # Errors
    ///
    /// [`StartError`] if a certificate cannot be used.
    pub fn from_v3_config(config: &ChainV3Config) -> Result<Self, StartError> {
        Self {
            limits: config.limits,
            listen: config.listen_limits,
            ..Self::default()
        }
        .v3_chain(config)
    }
}

/// Returns the settings of the gateway of a chain.
fn gateway_options(
    config: &ChainV3Config,
    identity: Identity,
) -> Result<GatewayOptions, StartError> {
    let keys = |keys: &[String]| -> Result<HashSet<GatewayKey>, StartError> {
        let parse = |key: &String| {
            key.parse().map_err(|source| StartError::GatewayKey {
                key: key.clone(),
                source,
            })
        };
        keys.iter().map(parse).collect()
    };
    let blacklist = keys(&config.blacklist)?;
    let whitelist = config.whitelist.as_deref().map(keys).transpose()?;
    Ok(GatewayOptions::new(identity).with(|gateway| {
        gateway.listen = config.p2p_listen;
        gateway.peers = config.peers.clone();
        gateway.blacklist = blacklist;
        gateway.whitelist = whitelist;
        gateway.compress = config.compress;
        gateway.limits.connection.max_packet = config.max_packet;
    }))
}
