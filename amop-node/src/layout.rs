//! Writes the folder layout of the chain's own script for a development network.
//!
//! ```text
//! <dir>/127.0.0.1/node0/config.ini
//!                       conf/{ca.crt,node.crt,node.key,node.nodeid}
//!                       conf/channel_cert/{ca.crt,node.crt,node.key}   RSA only
//!                 node1/...
//!                 sdk/{ca.crt,sdk.crt,sdk.key,sdk.publickey}           RSA: no publickey
//! <dir>/cert/{ca.crt,ca.key}
//!           <agency>/{ca.crt,agency.crt,agency.key}
//!                    channel/{ca.crt,ca.key}                           RSA only
//! ```
//!
//! [`write_devnet`] can be called again and again: what exists is kept, what is
//! missing is added, and each folder appears under its name only when it is
//! complete, so that an interrupted run is simply repeated. A layout that the
//! chain's script made can be extended, too. [`write_devnet_v3`] does the same for 3.x chains, whose
//! layout is another one.
//!
//! ```
//! use amop_node::config::NodeConfig;
//! use amop_node::layout::{DevnetSpec, write_devnet};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let devnet = write_devnet(&DevnetSpec::new(dir.path(), 2))?;
//! let (config, _) = NodeConfig::from_ini_file(&devnet.nodes[1].config)?;
//! assert_eq!(config.channel_listen.to_string(), "127.0.0.1:20201");
//! # Ok(())
//! # }
//! ```

mod authorities;
mod error;
mod existing;
mod files;
mod ini;
mod v3;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use amop_tls::pki::{self, Leaf};

use self::authorities::Authorities;
pub use self::error::LayoutError;
use self::existing::{Existing, SdkFiles, find_nodes};
use self::files::{Staged, is_vacant};
use self::ini::NodeIni;
pub use self::v3::{DevnetV3Layout, DevnetV3Node, DevnetV3Spec, write_devnet_v3};
use amop_proto::NodeId;

use crate::config::{CertPaths, ChainVersion, PeerAddr, read_text};

/// The largest number of nodes, which is more than makes sense on one machine.
const MAX_NODES: u16 = 256;

/// The folder named after the address of the machine, as the chain's script does.
const HOST: &str = "127.0.0.1";

/// The network to write.
///
/// Node `i` gets each base port plus `i`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DevnetSpec {
    /// The folder to write to; it is created if missing.
    pub dir: PathBuf,
    /// The number of nodes that should exist, 1 to 256. Existing nodes count; if there are more,
    /// they are kept.
    pub nodes: u16,
    /// Channel port of node 0 (20200).
    pub base_channel_port: u16,
    /// P2P port of node 0 (30300).
    pub base_p2p_port: u16,
    /// JSON-RPC port of node 0 (8545), for HTTP.
    pub base_rpc_port: u16,
    /// Whether the channel uses RSA certificates (no).
    pub rsa: bool,
    /// Name of the agency that signs nodes and the SDK (`agency`).
    pub agency: String,
    /// The chain id that new nodes report to SDKs (1).
    pub chain_id: u64,
    /// The version that new nodes report to SDKs (2.11.1).
    pub version: ChainVersion,
}

impl DevnetSpec {
    /// A network with the ports of the chain's script and secp256k1 certificates.
    pub fn new(dir: impl Into<PathBuf>, nodes: u16) -> Self {
        Self {
            dir: dir.into(),
            nodes,
            base_channel_port: 20200,
            base_p2p_port: 30300,
            base_rpc_port: 8545,
            rsa: false,
            agency: "agency".to_owned(),
            chain_id: 1,
            version: ChainVersion::DEFAULT,
        }
    }

    fn check(&self) -> Result<(), LayoutError> {
        pki::check_name(&self.agency)?;
        let nodes = self.nodes;
        if nodes == 0 || nodes > MAX_NODES {
            let max = MAX_NODES;
            return Err(LayoutError::Nodes { nodes, max });
        }
        let bases = [
            self.base_channel_port,
            self.base_p2p_port,
            self.base_rpc_port,
        ];
        let fits = |base: u16| base != 0 && base.checked_add(nodes - 1).is_some();
        let apart = |a: u16, b: u16| a.abs_diff(b) >= nodes;
        let [channel, p2p, rpc] = bases;
        if bases.into_iter().all(fits)
            && apart(channel, p2p)
            && apart(channel, rpc)
            && apart(p2p, rpc)
        {
            return Ok(());
        }
        Err(LayoutError::Ports {
            nodes,
            channel,
            p2p,
            rpc,
        })
    }

    /// Returns the channel, P2P and JSON-RPC ports of a node. They are valid because
    /// [`DevnetSpec::check`] passed.
    fn ports(&self, node: u16) -> [u16; 3] {
        [
            self.base_channel_port,
            self.base_p2p_port,
            self.base_rpc_port,
        ]
        .map(|base| base + node)
    }

    fn mode(&self) -> &'static str {
        mode(self.rsa)
    }
}

fn mode(rsa: bool) -> &'static str {
    if rsa { "RSA" } else { "EC" }
}

/// A layout on disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DevnetLayout {
    /// `<dir>/127.0.0.1`, the folder of nodes and SDK.
    pub root: PathBuf,
    /// All nodes by index, including those that existed before.
    pub nodes: Vec<DevnetNode>,
    /// Certificates for SDKs.
    pub sdk: CertPaths,
    /// Whether the channel uses RSA certificates.
    pub rsa: bool,
}

/// A node of a layout.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DevnetNode {
    /// The number in the name of its folder.
    pub index: u16,
    /// Its folder.
    pub dir: PathBuf,
    /// Its `config.ini`.
    pub config: PathBuf,
    /// Its identity.
    pub node_id: NodeId,
    /// The address that SDKs connect to.
    pub channel: SocketAddr,
    /// The address that other nodes connect to.
    pub p2p: SocketAddr,
    /// Whether this call made it.
    pub created: bool,
}

/// Writes a network, or adds what is missing to an existing one.
///
/// The `config.ini` of an existing node is changed only when nodes are added: they are appended to
/// its list of peers, and everything else stays as it is.
///
/// # Errors
/// [`LayoutError`]: the network asked for is not possible, an existing layout is damaged or has the
/// other kind of channel certificates, an authority is missing, or the file system failed. After
/// fixing the cause, call again.
pub fn write_devnet(spec: &DevnetSpec) -> Result<DevnetLayout, LayoutError> {
    spec.check()?;
    let root = spec.dir.join(HOST);
    let sdk_dir = root.join("sdk");
    let existing = find_nodes(&root, Existing::load)?;
    for node in existing.values() {
        node.check_mode(spec)?;
    }
    let sdk = SdkFiles::new(&sdk_dir);
    let sdk_exists = sdk.check(spec)?;
    let missing: Vec<u16> = (0..spec.nodes)
        .filter(|index| !existing.contains_key(index))
        .collect();
    for &index in &missing {
        check_ports(spec, index, &existing)?;
    }

    if !missing.is_empty() || !sdk_exists {
        let authorities = authorities(spec, &existing, sdk_exists.then_some(&sdk.certs))?;
        if !sdk_exists {
            sdk.issue(&authorities)?;
        }
        // Change the existing nodes first: a peer that is not there yet is harmless, but the next
        // run would not notice a node that no other node dials.
        let peers = add_to_existing(spec, &existing, &missing)?;
        for &index in &missing {
            issue_node(spec, &root, index, &peers, &authorities)?;
        }
    }

    let mut nodes = Vec::new();
    for (index, node) in find_nodes(&root, Existing::load)? {
        node.write_node_id()?;
        nodes.push(DevnetNode {
            index,
            channel: node.config.channel_listen,
            p2p: node.config.p2p_listen,
            dir: node.dir,
            config: node.file,
            node_id: node.node_id,
            created: missing.contains(&index),
        });
    }
    if !spec.rsa {
        sdk.write_public_key()?;
    }
    Ok(DevnetLayout {
        root,
        nodes,
        sdk: sdk.certs,
        rsa: spec.rsa,
    })
}

/// Creates the authorities of a new layout, or loads those of an existing one.
fn authorities(
    spec: &DevnetSpec,
    existing: &BTreeMap<u16, Existing>,
    sdk: Option<&CertPaths>,
) -> Result<Authorities, LayoutError> {
    let cert = spec.dir.join("cert");
    if existing.is_empty() && sdk.is_none() {
        if is_vacant(&cert)? {
            return Authorities::create(&cert, &spec.agency, spec.rsa);
        }
        // For example, an EC run was interrupted before it issued anything.
        if spec.rsa {
            Authorities::add_channel(&cert, &spec.agency)?;
        }
    }
    let authorities = Authorities::load(&cert, &spec.agency, spec.rsa)?;
    for Existing { config, .. } in existing.values() {
        authorities.check_trusted_by(Some(&config.p2p_certs), &config.channel_certs)?;
    }
    if let Some(sdk) = sdk {
        authorities.check_trusted_by(None, sdk)?;
    }
    Ok(authorities)
}

fn check_ports(
    spec: &DevnetSpec,
    node: u16,
    existing: &BTreeMap<u16, Existing>,
) -> Result<(), LayoutError> {
    for other in existing.values() {
        let config = &other.config;
        let taken = [
            Some(config.channel_listen),
            Some(config.p2p_listen),
            config.jsonrpc_listen,
        ];
        let taken = taken.map(|listen| listen.map(|listen| listen.port()));
        let is_taken = |port: &u16| taken.contains(&Some(*port));
        if let Some(port) = spec.ports(node).into_iter().find(is_taken) {
            return Err(LayoutError::PortTaken {
                port,
                node,
                config: other.file.clone(),
            });
        }
    }
    Ok(())
}

/// Adds the new nodes to the peers of the existing nodes. Returns the peers of the new nodes: all
/// peers that any node knows.
fn add_to_existing(
    spec: &DevnetSpec,
    existing: &BTreeMap<u16, Existing>,
    missing: &[u16],
) -> Result<Vec<PeerAddr>, LayoutError> {
    let new: Vec<PeerAddr> = missing
        .iter()
        .map(|&index| SocketAddr::from((Ipv4Addr::LOCALHOST, spec.ports(index)[1])))
        .filter_map(PeerAddr::from_socket)
        .collect();
    let mut all = Vec::new();
    let mut add = |peer: &PeerAddr| {
        if !all.contains(peer) {
            all.push(peer.clone());
        }
    };
    for node in existing.values() {
        let known = &node.config.peers;
        let unknown: Vec<PeerAddr> = new.iter().filter(|p| !known.contains(p)).cloned().collect();
        if !unknown.is_empty() {
            let text = read_text(&node.file)?;
            files::replace(&node.file, &ini::add_peers(&text, &unknown))?;
        }
        known.iter().for_each(&mut add);
        // If the system chooses the port, it is not known in advance.
        if let Some(own) = node.peer() {
            add(&own);
        }
    }
    new.iter().for_each(&mut add);
    Ok(all)
}

fn issue_node(
    spec: &DevnetSpec,
    root: &Path,
    index: u16,
    peers: &[PeerAddr],
    authorities: &Authorities,
) -> Result<(), LayoutError> {
    let name = format!("node{index}");
    let [channel_port, p2p_port, rpc_port] = spec.ports(index);
    let node = authorities.agency.issue(Leaf::Node, &name)?;
    let staged = Staged::new(root)?;
    staged.file("conf/ca.crt", authorities.agency.root_pem())?;
    staged.file("conf/node.crt", &node.cert_pem)?;
    staged.secret("conf/node.key", &node.key_pem)?;
    staged.file("conf/node.nodeid", &format!("{}\n", node.node_id()))?;
    if let Some(channel) = &authorities.channel {
        let leaf = channel.issue()?;
        staged.file("conf/channel_cert/ca.crt", channel.cert_pem())?;
        staged.file("conf/channel_cert/node.crt", &leaf.cert_pem)?;
        staged.secret("conf/channel_cert/node.key", &leaf.key_pem)?;
    }
    let ini = NodeIni {
        ip: HOST,
        channel_port,
        rpc_port,
        p2p_port,
        peers,
        rsa: spec.rsa,
        chain_id: spec.chain_id,
        version: &spec.version,
    };
    staged.file("config.ini", &ini.text())?;
    staged.publish(&root.join(name))
}
