//! Why a node could not be started.

use std::{io, net::SocketAddr};

use crate::{ParseGatewayKeyError, config::ConfigError};

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate or key is missing or unusable.
    #[error("the node's {what} certificates cannot be used")]
    Tls {
        /// The port that they are for.
        what: Port,
        /// What is wrong with them.
        source: amop_tls::TlsError,
    },
    /// The builder was given no certificates.
    #[error("the node has no certificates; give the builder an identity or a configuration")]
    NoIdentity,
    /// The P2P certificate gives no node ID.
    #[error(
        "the P2P certificate gives no node ID: it must be a secp256k1 leaf with basicConstraints \
         CA:FALSE, as build_chain.sh makes them"
    )]
    NoNodeId,
    /// The gateway's certificate has a key that gives no ID.
    #[error(
        "the gateway's certificate gives no node ID: use the ssl.crt that build_chain.sh of 3.x makes"
    )]
    NoGatewayId,
    /// A black or white list of a 3.x chain has an entry that is not the key of a node.
    #[error("the list of nodes has the entry {key:?}")]
    GatewayKey {
        /// The entry.
        key: String,
        /// What is wrong with it.
        source: ParseGatewayKeyError,
    },
    /// An allow list is set, but SDK certificates on an RSA channel have no keys to list.
    #[error(
        "sdk_allowlist names secp256k1 keys, but SDKs of an RSA channel have none: remove the list, \
         or set chain.rsa_crypto_channel=false"
    )]
    AllowListOfRsa,
    /// A port could not be listened on.
    #[error("cannot listen on {address} for {what}{}", in_use(source))]
    Bind {
        /// The port.
        what: Port,
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The thread of the ports could not be started, or could not take over the ports.
    #[error("cannot start the thread for the ports")]
    Thread(#[source] io::Error),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(String),
    /// Not all peers were reached in the time given.
    #[error("only {connected} of {expected} peers are connected after {seconds} s")]
    Peers {
        /// The number of connected peers.
        connected: usize,
        /// The number of expected peers.
        expected: usize,
        /// How long the node waited.
        seconds: u64,
    },
    /// Certificates for an embedded network could not be made.
    #[error("cannot make certificates")]
    Pki(#[from] amop_tls::pki::PkiError),
}

fn in_use(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::AddrInUse {
        "; another program (another node?) uses it: stop that one or choose another port"
    } else {
        ""
    }
}

/// One of a node's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Port {
    /// The port for SDKs.
    Channel,
    /// The port for other nodes.
    P2p,
    /// The port for JSON-RPC over HTTP.
    Rpc,
    /// The port for SDKs of 3.x.
    V3,
    /// The port for 3.x nodes.
    Gateway,
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Channel => "channel",
            Self::P2p => "P2P",
            Self::Rpc => "JSON-RPC",
            Self::V3 => "3.x",
            Self::Gateway => "gateway",
        })
    }
}
