//! The folder layout of a 3.x chain.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use amop_tls::pki::ChainV3Authority;

use super::existing::{find_nodes, require};
use super::files::{self, Staged, is_vacant, read_pem};
use super::{HOST, LayoutError, MAX_NODES};
use crate::config::{CertPaths, ChainV3Config, PeerAddr, read_text};

/// A network of a 3.x chain to write.
///
/// Node `i` gets each base port plus `i`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DevnetV3Spec {
    /// The folder to write to; it is created if missing.
    pub dir: PathBuf,
    /// The number of nodes that should exist, 1 to 256. Existing nodes count; if there are more, they
    /// are kept.
    pub nodes: u16,
    /// The port of node 0 for SDKs (20200).
    pub base_sdk_port: u16,
    /// The port of node 0 for nodes (30300).
    pub base_p2p_port: u16,
}

impl DevnetV3Spec {
    /// A network with the ports of the chain's script.
    pub fn new(dir: impl Into<PathBuf>, nodes: u16) -> Self {
        Self {
            dir: dir.into(),
            nodes,
            base_sdk_port: 20200,
            base_p2p_port: 30300,
        }
    }

    fn check(&self) -> Result<(), LayoutError> {
        let nodes = self.nodes;
        if nodes == 0 || nodes > MAX_NODES {
            let max = MAX_NODES;
            return Err(LayoutError::Nodes { nodes, max });
        }
        let (sdks, p2p) = (self.base_sdk_port, self.base_p2p_port);
        let fits = |base: u16| base != 0 && base.checked_add(nodes - 1).is_some();
        if fits(sdks) && fits(p2p) && sdks.abs_diff(p2p) >= nodes {
            return Ok(());
        }
        Err(LayoutError::V3Ports { nodes, sdks, p2p })
    }

    /// Returns the address of a node for SDKs, and that for nodes.
    fn addresses(&self, node: u16) -> [SocketAddr; 2] {
        let bases = [self.base_sdk_port, self.base_p2p_port];
        bases.map(|base| SocketAddr::from((Ipv4Addr::LOCALHOST, base + node)))
    }
}

/// A layout of a 3.x chain on disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DevnetV3Layout {
    /// `<dir>/127.0.0.1`, the folder of nodes and SDK.
    pub root: PathBuf,
    /// All nodes by index, including those that existed before.
    pub nodes: Vec<DevnetV3Node>,
    /// Certificates for SDKs.
    pub sdk: CertPaths,
}

/// A node of a layout of a 3.x chain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DevnetV3Node {
    /// The number in the name of its folder.
    pub index: u16,
    /// Its folder.
    pub dir: PathBuf,
    /// Its `config.ini`.
    pub config: PathBuf,
    /// The address that SDKs connect to.
    pub sdk_listen: SocketAddr,
    /// The address that other nodes connect to.
    pub p2p_listen: SocketAddr,
    /// Whether this call made it.
    pub created: bool,
}

/// Writes a network of a 3.x chain in the layout of its script, or adds what is missing to an
/// existing one:
///
/// ```text
/// <dir>/127.0.0.1/node0/config.ini
///                       nodes.json
///                       conf/{ca.crt,ssl.crt,ssl.key}
///                 node1/...
///                 sdk/{ca.crt,sdk.crt,sdk.key}
/// <dir>/ca/{ca.crt,ca.key}
/// ```
///
/// Of an existing node, only the `nodes.json` is changed, and only if nodes are added.
///
/// ```
/// use amop_node::config::ChainV3Config;
/// use amop_node::layout::{DevnetV3Spec, write_devnet_v3};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dir = tempfile::tempdir()?;
/// let devnet = write_devnet_v3(&DevnetV3Spec::new(dir.path(), 1))?;
/// let (config, _) = ChainV3Config::from_ini_file(&devnet.nodes[0].config)?;
/// assert_eq!(config.sdk_listen.to_string(), "127.0.0.1:20200");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`LayoutError`]: the network asked for is not possible, an existing layout is damaged or that of a
/// 2.x chain, the authority is missing, or the file system failed. After fixing the cause, call again.
pub fn write_devnet_v3(spec: &DevnetV3Spec) -> Result<DevnetV3Layout, LayoutError> {
    spec.check()?;
    let root = spec.dir.join(HOST);
    let existing = find_nodes(&root, load)?;
    let sdk_dir = root.join("sdk");
    let [key, cert, ca] = ["sdk.key", "sdk.crt", "ca.crt"].map(|name| sdk_dir.join(name));
    let sdk = CertPaths::new(key, cert, ca);
    let sdk_exists = !is_vacant(&sdk_dir)?;
    if sdk_exists {
        for path in [&sdk.key, &sdk.cert, &sdk.ca] {
            require(&sdk_dir, path)?;
        }
    }
    let missing: Vec<u16> = (0..spec.nodes)
        .filter(|index| !existing.contains_key(index))
        .collect();
    for &index in &missing {
        check_ports(spec, index, &existing)?;
    }
    if !missing.is_empty() || !sdk_exists {
        let is_new = existing.is_empty() && !sdk_exists;
        let authority = authority(&spec.dir.join("ca"), is_new)?;
        if !sdk_exists {
            issue_sdk(&authority, &root, &sdk_dir)?;
        }
        let peers = add_peers(spec, &existing, &missing)?;
        for &index in &missing {
            issue_node(spec, &root, index, &peers, &authority)?;
        }
    }
    let nodes = find_nodes(&root, load)?.into_iter().map(|(index, node)| {
        let (dir, config) = (node.dir, node.file);
        DevnetV3Node {
            index,
            dir,
            config,
            sdk_listen: node.config.sdk_listen,
            p2p_listen: node.config.p2p_listen,
            created: missing.contains(&index),
        }
    });
    let nodes = nodes.collect();
    Ok(DevnetV3Layout { root, nodes, sdk })
}

/// A node that existed before.
struct ExistingV3 {
    dir: PathBuf,
    file: PathBuf,
    config: ChainV3Config,
}

/// Reads a node, which must be complete.
fn load(dir: PathBuf) -> Result<ExistingV3, LayoutError> {
    let file = dir.join("config.ini");
    require(&dir, &file)?;
    let text = read_text(&file)?;
    if !ChainV3Config::is_v3(&text) {
        return Err(LayoutError::OtherChain {
            found: file,
            wanted: "3.x",
        });
    }
    let (config, _) = ChainV3Config::from_ini_str(&text, &file)?;
    for path in [&config.certs.key, &config.certs.cert, &config.certs.ca] {
        require(&dir, path)?;
    }
    Ok(ExistingV3 { dir, file, config })
}

fn check_ports(
    spec: &DevnetV3Spec,
    node: u16,
    existing: &BTreeMap<u16, ExistingV3>,
) -> Result<(), LayoutError> {
    for other in existing.values() {
        let taken = [other.config.sdk_listen, other.config.p2p_listen].map(|at| at.port());
        let ports = spec.addresses(node).map(|at| at.port());
        if let Some(port) = ports.into_iter().find(|port| taken.contains(port)) {
            let config = other.file.clone();
            return Err(LayoutError::PortTaken { port, node, config });
        }
    }
    Ok(())
}

/// Creates the authority of a new layout, or loads that of an existing one.
fn authority(folder: &Path, is_new: bool) -> Result<ChainV3Authority, LayoutError> {
    let (cert, key) = (folder.join("ca.crt"), folder.join("ca.key"));
    if is_new && is_vacant(folder)? {
        let number: u32 = rand::random();
        let authority = ChainV3Authority::new(&format!("FISCO-BCOS-{number:08x}"))?;
        let staged = Staged::new(folder.parent().unwrap_or(Path::new(".")))?;
        staged.file("ca.crt", authority.cert_pem())?;
        staged.secret("ca.key", &authority.key_pem()?)?;
        staged.publish(folder)?;
        return Ok(authority);
    }
    for file in [&cert, &key] {
        if !file.is_file() {
            let file = file.clone();
            return Err(LayoutError::AuthorityMissing { file });
        }
    }
    ChainV3Authority::from_pem(&read_pem(&cert)?, &read_pem(&key)?)
        .map_err(|error| LayoutError::load(&key, error))
}

fn issue_sdk(authority: &ChainV3Authority, root: &Path, sdk_dir: &Path) -> Result<(), LayoutError> {
    let sdk = authority.issue()?;
    let staged = Staged::new(root)?;
    staged.file("ca.crt", authority.cert_pem())?;
    staged.file("sdk.crt", &sdk.cert_pem)?;
    staged.secret("sdk.key", &sdk.key_pem)?;
    staged.publish(sdk_dir)
}

/// Adds the new nodes to the peers of the existing nodes. Returns all peers.
fn add_peers(
    spec: &DevnetV3Spec,
    existing: &BTreeMap<u16, ExistingV3>,
    missing: &[u16],
) -> Result<Vec<PeerAddr>, LayoutError> {
    let new = missing.iter().map(|&index| spec.addresses(index)[1]);
    let new: Vec<PeerAddr> = new.filter_map(PeerAddr::from_socket).collect();
    let mut all: Vec<PeerAddr> = Vec::new();
    let known = existing.values().flat_map(|node| node.config.peers.clone());
    for peer in known.chain(new.iter().cloned()) {
        if !all.contains(&peer) {
            all.push(peer);
        }
    }
    for node in existing.values() {
        let mut peers = node.config.peers.clone();
        peers.extend(
            new.iter()
                .filter(|peer| !node.config.peers.contains(peer))
                .cloned(),
        );
        if peers.len() > node.config.peers.len() {
            files::replace(&node.dir.join("nodes.json"), &nodes_json(&peers))?;
        }
    }
    Ok(all)
}

fn nodes_json(peers: &[PeerAddr]) -> String {
    let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
    format!("{}\n", serde_json::json!({ "nodes": peers }))
}

fn issue_node(
    spec: &DevnetV3Spec,
    root: &Path,
    index: u16,
    peers: &[PeerAddr],
    authority: &ChainV3Authority,
) -> Result<(), LayoutError> {
    let node = authority.issue()?;
    let [sdks, p2p] = spec.addresses(index);
    let staged = Staged::new(root)?;
    staged.file("conf/ca.crt", authority.cert_pem())?;
    staged.file("conf/ssl.crt", &node.cert_pem)?;
    staged.secret("conf/ssl.key", &node.key_pem)?;
    staged.file("nodes.json", &nodes_json(peers))?;
    staged.file("config.ini", &ini(sdks, p2p))?;
    staged.publish(&root.join(format!("node{index}")))
}

/// Returns the sections of a node made by the chain's script that concern AMOP.
fn ini(sdks: SocketAddr, p2p: SocketAddr) -> String {
    let (sdk_ip, sdk_port, p2p_ip, p2p_port) = (sdks.ip(), sdks.port(), p2p.ip(), p2p.port());
    format!(
        "\
; Configuration of one node. Paths are relative to this file.
[p2p]
    ; other nodes connect here
    listen_ip={p2p_ip}
    listen_port={p2p_port}
    ; SM (guomi) cryptography
    sm_ssl=false
    ; the file with the nodes of the network
    nodes_path=./
    nodes_file=nodes.json

[certificate_blacklist]
    ; nodes that may not connect, by node id (512 hexadecimal digits)
    ;crl.0=

[certificate_whitelist]
    ; if there is any entry, only these nodes may connect
    ;cal.0=

[rpc]
    ; SDKs connect here
    listen_ip={sdk_ip}
    listen_port={sdk_port}
    ; SM (guomi) cryptography
    sm_ssl=false
    ; without TLS, everybody may connect
    disable_ssl=false

[cert]
    ; folder of the three files below
    ca_path=./conf
    ca_cert=ca.crt
    node_key=ssl.key
    node_cert=ssl.crt

[amop]
    ; read by overlay nodes only
    chain_id=chain0
    ; the groups that this node reports to SDKs; SDKs in Java make clients for these only
    groups=group0
"
    )
}
