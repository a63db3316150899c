//! The `config.ini` of a 3.x chain.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{CertPaths, ConfigError, PeerAddr, Warning, WarningKind, read, read_text};
use crate::{Limits, ListenLimits};

/// The settings of a node of a 3.x chain, read from the `config.ini` and the `nodes.json` that
/// `build_chain.sh` makes.
///
/// Sections and keys are those of ws-v3 section 2.4. Relative paths start from the folder of the
/// file; on a FISCO node they start from its working directory, which is the same folder.
///
/// ```
/// use amop_node::config::ChainV3Config;
///
/// let ini = "[rpc]\nlisten_port=20201\n[cert]\nca_path=./conf\n";
/// assert!(ChainV3Config::is_v3(ini));
/// let (config, _) = ChainV3Config::from_ini_str(ini, "/etc/amop/config.ini").unwrap();
/// assert_eq!(config.sdk_listen.to_string(), "0.0.0.0:20201");
/// assert_eq!(config.certs.cert, std::path::Path::new("/etc/amop/./conf/ssl.crt"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChainV3Config {
    /// The address that SDKs connect to: `rpc.listen_ip` (0.0.0.0) and `rpc.listen_port` (20200).
    pub sdk_listen: SocketAddr,
    /// Whether SDKs connect without TLS: `rpc.disable_ssl`, or `rpc.enable_ssl`, which counts if both
    /// are there (false).
    pub plain: bool,
    /// The address that other nodes connect to: `p2p.listen_ip` (0.0.0.0) and `p2p.listen_port`
    /// (30300).
    pub p2p_listen: SocketAddr,
    /// The longest packet between nodes in bytes: `p2p.allow_max_msg_size` (32 MiB). It must be the
    /// same on all nodes of the chain: a node ends connections over which longer packets arrive.
    pub max_packet: usize,
    /// Whether packets between nodes are compressed: `p2p.enable_compression` (true).
    pub compress: bool,
    /// The nodes to dial, from `p2p.nodes_path` and `p2p.nodes_file` (`nodes.json`), without
    /// duplicates. The chain's script lists the node itself, too. Empty, with a warning, if there is
    /// no such file.
    pub peers: Vec<PeerAddr>,
    /// The certificates, for both ports: `[cert] ca_path` (`./conf`), `node_key` (`ssl.key`),
    /// `node_cert` (`ssl.crt`) and `ca_cert` (`ca.crt`).
    pub certs: CertPaths,
    /// Nodes that may not connect, by their ids in upper case: `[certificate_blacklist] crl.N`.
    pub blacklist: Vec<String>,
    /// The only nodes that may connect, if any are listed: `[certificate_whitelist] cal.N`.
    pub whitelist: Option<Vec<String>>,
    /// The chain's id, as SDKs see it: `[amop] chain_id` (`chain0`), a key that FISCO nodes have in
    /// another file.
    pub chain_id: String,
    /// The groups that the node reports to SDKs: `[amop] groups`, names with commas between; none by
    /// default.
    pub groups: Vec<String>,
    /// `[amop_limits]`, as in the file of a 2.x chain. Has no effect in a file that the one of a 2.x
    /// chain names.
    pub limits: Limits,
    /// The limits of the ports, also in `[amop_limits]`.
    pub listen_limits: ListenLimits,
}

impl ChainV3Config {
    /// Returns whether a text is the `config.ini` of a 3.x chain, and not of a 2.x chain: it has a
    /// section `[cert]`, and no `channel_listen_port`. A text that is not a valid `config.ini` at all
    /// is not.
    pub fn is_v3(text: &str) -> bool {
        read::is_v3(text)
    }

    /// Reads a `config.ini` and the `nodes.json` that it names. Whether the certificate files exist is
    /// not checked.
    ///
    /// # Errors
    /// [`ConfigError`]: a file cannot be read, is not in the chain's syntax, has a value that is not
    /// accepted, or asks for guomi.
    pub fn from_ini_file(path: impl AsRef<Path>) -> Result<(Self, Vec<Warning>), ConfigError> {
        let path = path.as_ref();
        Self::from_ini_str(&read_text(path)?, path)
    }

    /// Reads the text of a `config.ini`, and the `nodes.json` that it names; `path` is the file's path,
    /// used in messages and for relative paths.
    ///
    /// # Errors
    /// As [`from_ini_file`](Self::from_ini_file), except for reading the first file.
    pub fn from_ini_str(
        text: &str,
        path: impl AsRef<Path>,
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        let path = path.as_ref();
        let (mut config, nodes, mut warnings) = read::read_v3(text, path)?;
        match read_nodes(&nodes)? {
            Some(peers) => config.peers = peers,
            None => warnings.push(Warning {
                file: path.to_owned(),
                line: None,
                kind: WarningKind::NoNodesFile(nodes),
            }),
        }
        Ok((config, warnings))
    }
}

/// Reads a `nodes.json`; `None` if it does not exist. A node can do without it: others may dial it,
/// and SDKs need no other node.
fn read_nodes(file: &Path) -> Result<Option<Vec<PeerAddr>>, ConfigError> {
    #[derive(serde::Deserialize)]
    struct Nodes {
        nodes: Vec<String>,
    }
    let text = match read_text(file) {
        Ok(text) => text,
        Err(ConfigError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let wrong = |problem: String| ConfigError::Nodes {
        file: PathBuf::from(file),
        problem,
    };
    let Nodes { nodes } = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let mut peers = Vec::new();
    for node in nodes {
        let peer: PeerAddr = node
            .parse()
            .map_err(|error| wrong(format!("{node:?} is {error}")))?;
        if !peers.contains(&peer) {
            peers.push(peer);
        }
    }
    Ok(Some(peers))
}
