//! A node's configuration, read from the chain's own `config.ini`.
//!
//! The same file serves a FISCO node 2.x and this one: sections and keys are those of channel-v2
//! section 2.1 and p2p-v2 section 1. Keys about groups, consensus, storage and logging are ignored.
//! Differences from FISCO nodes, all deliberate:
//!
//! | | FISCO node | here |
//! | --- | --- | --- |
//! | relative paths | from the working directory | from the folder of the file |
//! | `compatibility.supported_version` missing | 2.0.0-rc1 | 2.11.1, with a warning |
//! | `p2p.enable_compress` missing | compresses | sends uncompressed (always safe) |
//! | `p2p.enable_compress=false` | does not understand compressed frames | still does |
//! | `rpc.jsonrpc_listen_port` missing | listens on 8545 | does not listen |
//! | `rpc.jsonrpc_listen_ip` and `rpc.listen_ip` missing | 0.0.0.0 | 127.0.0.1, since clients are not authenticated |
//! | wrong value | often the default, silently | an error that names the line |
//! | unknown key | ignored | ignored, with a warning |
//! | `[sdk_allowlist]` | in `group.N.ini`, for JSON-RPC | here, for all SDK connections |
//! | `network_security.revocation_list.N`, `[amop_limits]` | unknown | revoked certificates, limits |
//! | `[amop]` | unknown | `transit.N`, `sdk_certificates_as_nodes`, `sha1_client_signatures`, `groups`, `v3_config`, `v3_on_channel_port` |
//!
//! [`ChainV3Config`] reads the file of a 3.x chain.
//!
//! ```
//! use amop_node::config::NodeConfig;
//!
//! let ini = "[rpc]\nchannel_listen_port=20201\n[compatibility]\nsupported_version=2.11.1\n";
//! let (config, warnings) = NodeConfig::from_ini_str(ini, "/etc/amop/config.ini").unwrap();
//! assert_eq!(config.channel_listen.port(), 20201);
//! assert_eq!(config.p2p_certs.key, std::path::Path::new("/etc/amop/./conf/node.key"));
//! assert!(warnings.is_empty());
//! ```

mod error;
mod ini;
mod peer;
mod read;
mod v3;
mod version;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use self::error::{ConfigError, Warning, WarningKind};
pub(crate) use self::ini::{IniLine, lines};
pub use self::peer::{ParsePeerError, PeerAddr};
pub use self::v3::ChainV3Config;
pub use self::version::{ChainVersion, ParseVersionError};
use amop_proto::NodeId;
use amop_tls::PublicKey;

use crate::{Limits, ListenLimits};

/// No valid `config.ini` is larger; with thousands of peers it has about 100 kB.
const MAX_FILE: u64 = 1 << 20;

/// The settings that a node needs before it starts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeConfig {
    /// The address that SDKs connect to: `rpc.channel_listen_ip` (else `rpc.listen_ip`, else
    /// 0.0.0.0) and `rpc.channel_listen_port` (20200). Port 0 lets the system choose.
    pub channel_listen: SocketAddr,
    /// The address that answers JSON-RPC over HTTP: `rpc.jsonrpc_listen_ip` (else `rpc.listen_ip`,
    /// else 127.0.0.1) and `rpc.jsonrpc_listen_port`. Without the port there is no HTTP. Port 0
    /// lets the system choose.
    pub jsonrpc_listen: Option<SocketAddr>,
    /// The address that other nodes connect to: `p2p.listen_ip` (0.0.0.0) and `p2p.listen_port`
    /// (30300). Port 0 lets the system choose.
    pub p2p_listen: SocketAddr,
    /// The nodes to dial, `p2p.node.N`, in file order without duplicates. The chain's script lists
    /// the node itself, too.
    pub peers: Vec<PeerAddr>,
    /// Whether P2P frames above 1024 bytes are sent compressed: `p2p.enable_compress`,
    /// off when the key is missing. Compressed frames are understood in any case.
    pub send_compressed: bool,
    /// Certificates of the channel port: the P2P ones, or the RSA ones in
    /// `<data_path>/channel_cert/`.
    pub channel_certs: CertPaths,
    /// Whether the channel uses RSA: `chain.rsa_crypto_channel`, from version 2.9.0.
    pub rsa_channel: bool,
    /// Certificates of the P2P port; always secp256k1.
    pub p2p_certs: CertPaths,
    /// Whether an SDK's certificate must come from the agency of this node:
    /// `network_security.check_cert_issuer` (true).
    pub check_cert_issuer: bool,
    /// Whether SDKs with secp256k1 keys may sign their handshakes with SHA-1: `[amop]
    /// sha1_client_signatures` (true), a key that FISCO nodes do not have. See
    /// [`NodeBuilder::sha1_client_signatures`](crate::NodeBuilder::sha1_client_signatures).
    pub sha1_client_signatures: bool,
    /// The groups that the node reports to SDKs: `[amop] groups`, ids with commas between; none by
    /// default. A key that FISCO nodes do not have. See
    /// [`NodeBuilder::groups`](crate::NodeBuilder::groups).
    pub groups: BTreeSet<u16>,
    /// The `config.ini` of a 3.x chain whose SDKs this node serves, too, on the port named there:
    /// `[amop] v3_config`, relative to the folder of this file. A key that FISCO nodes do not have. See
    /// [`NodeBuilder::v3_chain`](crate::NodeBuilder::v3_chain).
    pub v3_config: Option<PathBuf>,
    /// Whether SDKs of 3.x are served on the channel port, too: `[amop] v3_on_channel_port` (false), a
    /// key that FISCO nodes do not have. See
    /// [`NodeBuilder::v3_on_channel_port`](crate::NodeBuilder::v3_on_channel_port).
    pub v3_on_channel_port: bool,
    /// Nodes that may not connect: `[certificate_blacklist] crl.N`.
    pub blacklist: Vec<NodeId>,
    /// The only nodes that may connect, if any are listed: `[certificate_whitelist]
    /// cal.N`.
    pub whitelist: Option<Vec<NodeId>>,
    /// The only SDKs that may connect, if any are listed: `[sdk_allowlist] public_key.N`. FISCO
    /// nodes have this section in `group.N.ini`, where it restricts JSON-RPC of that group
    /// (channel-v2 section 2.6); here it is in `config.ini`, and other SDKs cannot connect.
    pub sdk_allowlist: Option<Vec<PublicKey>>,
    /// Files of certificate revocation lists: `network_security.revocation_list.N`, relative to
    /// `data_path`. FISCO nodes have none.
    pub revocation_lists: Vec<PathBuf>,
    /// `[amop_limits]`, with keys named like the fields; FISCO nodes ignore this section.
    pub limits: Limits,
    /// The limits of the ports, also in `[amop_limits]`; times in seconds.
    pub listen_limits: ListenLimits,
    /// FISCO nodes that take part in the overlay through this node: `[amop] transit.N`, a key that
    /// FISCO nodes do not have. See [`NodeBuilder::transit`](crate::NodeBuilder::transit).
    pub transit: Vec<NodeId>,
    /// Whether an SDK certificate is accepted for a node, too: `[amop] sdk_certificates_as_nodes`
    /// (false), a key that FISCO nodes do not have. See
    /// [`NodeBuilder::sdk_certificates_as_nodes`](crate::NodeBuilder::sdk_certificates_as_nodes).
    pub sdk_certificates_as_nodes: bool,
    /// `chain.id` (1) in decimal, as SDKs compare it.
    pub chain_id: String,
    /// `compatibility.supported_version`, reported to SDKs.
    pub supported_version: ChainVersion,
    /// `flow_control.outgoing_bandwidth_limit` in Mb/s (10^6 bits); `None`: no limit.
    pub outgoing_bandwidth_limit: Option<f64>,
}

/// The files of a key, its certificate chain and the trusted root.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertPaths {
    /// The private key.
    pub key: PathBuf,
    /// The certificate chain, leaf first.
    pub cert: PathBuf,
    /// The trusted root.
    pub ca: PathBuf,
}

impl CertPaths {
    /// Names the files.
    pub fn new(key: impl Into<PathBuf>, cert: impl Into<PathBuf>, ca: impl Into<PathBuf>) -> Self {
        Self {
            key: key.into(),
            cert: cert.into(),
            ca: ca.into(),
        }
    }
}

impl NodeConfig {
    /// Reads a `config.ini`. The warnings are for the operator; none is fatal.
    ///
    /// Whether the certificate files exist is not checked.
    ///
    /// # Errors
    /// [`ConfigError`]: the file cannot be read, is not in the chain's syntax, has a
    /// value that its key does not accept, or asks for guomi or 2.0.0-rc1.
    pub fn from_ini_file(path: impl AsRef<Path>) -> Result<(Self, Vec<Warning>), ConfigError> {
        let path = path.as_ref();
        Self::from_ini_str(&read_text(path)?, path)
    }

    /// Reads the text of a `config.ini`; `path` is the file's path, used in messages and for
    /// relative paths.
    ///
    /// # Errors
    /// As [`NodeConfig::from_ini_file`], except for reading.
    pub fn from_ini_str(
        text: &str,
        path: impl AsRef<Path>,
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        read::read(text, path.as_ref())
    }
}

/// Reads a file that is expected to be a `config.ini`.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read {
        file: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ConfigError::TooLarge {
            file: path.to_owned(),
            limit: MAX_FILE,
        });
    }
    String::from_utf8(bytes).map_err(|e| {
        let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        ConfigError::NotText {
            file: path.to_owned(),
            line: 1 + valid.iter().filter(|&&b| b == b'\n').count(),
        }
    })
}

/// Classifies a line of a file that has been parsed before.
pub(crate) fn classify(line: &str) -> IniLine<'_> {
    ini::classify(line).unwrap_or(IniLine::Blank)
}
