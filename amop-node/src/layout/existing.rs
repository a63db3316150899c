//! The existing part of a layout: nodes and SDK certificates. They are complete, or refused.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use amop_tls::CertFiles;
use amop_tls::pki::{self, Leaf};

use super::authorities::Authorities;
use super::files::{self, Staged, is_vacant, read_pem};
use super::{DevnetSpec, LayoutError, mode};
use amop_proto::NodeId;

use crate::config::{CertPaths, ChainV3Config, NodeConfig, PeerAddr, read_text};

/// A node that existed before.
pub(super) struct Existing {
    pub(super) dir: PathBuf,
    pub(super) file: PathBuf,
    pub(super) config: NodeConfig,
    pub(super) node_id: NodeId,
}

/// Returns the existing nodes by index, as `load` reads their folders.
pub(super) fn find_nodes<N>(
    root: &Path,
    load: impl Fn(PathBuf) -> Result<N, LayoutError>,
) -> Result<BTreeMap<u16, N>, LayoutError> {
    let mut nodes = BTreeMap::new();
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(nodes),
        Err(e) => return Err(LayoutError::io("read", root, e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| LayoutError::io("read", root, e))?;
        let name = entry.file_name();
        let Some(index) = name.to_str().and_then(node_index) else {
            continue;
        };
        let dir = entry.path();
        if !is_vacant(&dir)? {
            nodes.insert(index, load(dir)?);
        }
    }
    Ok(nodes)
}

/// Parses the name of a node's folder: `node7` is 7; `node07` and `node7.bak` are something else.
pub(super) fn node_index(name: &str) -> Option<u16> {
    let digits = name.strip_prefix("node")?;
    let index: u16 = digits.parse().ok()?;
    (index.to_string() == digits).then_some(index)
}

impl Existing {
    /// Reads a node, which must be complete.
    pub(super) fn load(dir: PathBuf) -> Result<Self, LayoutError> {
        let file = dir.join("config.ini");
        require(&dir, &file)?;
        let text = read_text(&file)?;
        if ChainV3Config::is_v3(&text) {
            return Err(LayoutError::OtherChain {
                found: file,
                wanted: "2.x",
            });
        }
        let (config, _) = NodeConfig::from_ini_str(&text, &file)?;
        for certs in [&config.p2p_certs, &config.channel_certs] {
            for path in [&certs.key, &certs.cert, &certs.ca] {
                require(&dir, path)?;
            }
        }
        let node_id = ec_key(&config.p2p_certs.cert)?;
        Ok(Self {
            dir,
            file,
            config,
            node_id,
        })
    }

    pub(super) fn check_mode(&self, spec: &DevnetSpec) -> Result<(), LayoutError> {
        if self.config.rsa_channel == spec.rsa {
            return Ok(());
        }
        Err(LayoutError::Mode {
            found: self.file.clone(),
            existing: mode(self.config.rsa_channel),
            wanted: spec.mode(),
        })
    }

    /// Returns the address by which other nodes on this machine reach it.
    pub(super) fn peer(&self) -> Option<PeerAddr> {
        let mut listen = self.config.p2p_listen;
        if listen.ip().is_unspecified() {
            listen.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        PeerAddr::from_socket(listen)
    }

    pub(super) fn write_node_id(&self) -> Result<(), LayoutError> {
        let file = self.config.p2p_certs.cert.with_file_name("node.nodeid");
        write_if_missing(&file, &self.node_id)
    }
}

pub(super) struct SdkFiles {
    dir: PathBuf,
    pub(super) certs: CertPaths,
}

impl SdkFiles {
    pub(super) fn new(dir: &Path) -> Self {
        // Chains before 2.1 name the SDK's files like those of a node.
        let files = CertFiles::sdk(dir)
            .unwrap_or_else(|_| CertFiles::node(dir, "sdk.key", "sdk.crt", "ca.crt"));
        Self {
            dir: dir.to_owned(),
            certs: CertPaths {
                key: files.key,
                cert: files.cert,
                ca: files.ca,
            },
        }
    }

    /// Returns whether it exists; if it does, it must be complete and of the right kind.
    pub(super) fn check(&self, spec: &DevnetSpec) -> Result<bool, LayoutError> {
        if is_vacant(&self.dir)? {
            return Ok(false);
        }
        let CertPaths { key, cert, ca } = &self.certs;
        for path in [key, cert, ca] {
            require(&self.dir, path)?;
        }
        let rsa = public_key(cert)?.is_none();
        if rsa == spec.rsa {
            return Ok(true);
        }
        Err(LayoutError::Mode {
            found: cert.clone(),
            existing: mode(rsa),
            wanted: spec.mode(),
        })
    }

    pub(super) fn issue(&self, authorities: &Authorities) -> Result<(), LayoutError> {
        let staged = Staged::new(self.dir.parent().unwrap_or(Path::new(".")))?;
        match &authorities.channel {
            Some(channel) => {
                let sdk = channel.issue()?;
                staged.file("ca.crt", channel.cert_pem())?;
                staged.file("sdk.crt", &sdk.cert_pem)?;
                staged.secret("sdk.key", &sdk.key_pem)?;
            }
            None => {
                let sdk = authorities.agency.issue(Leaf::Sdk, "sdk")?;
                staged.file("ca.crt", authorities.agency.root_pem())?;
                staged.file("sdk.crt", &sdk.cert_pem)?;
                staged.secret("sdk.key", &sdk.key_pem)?;
                staged.file("sdk.publickey", &format!("{}\n", sdk.node_id()))?;
            }
        }
        staged.publish(&self.dir)
    }

    pub(super) fn write_public_key(&self) -> Result<(), LayoutError> {
        let file = self.dir.join("sdk.publickey");
        write_if_missing(&file, &ec_key(&self.certs.cert)?)
    }
}

pub(super) fn require(folder: &Path, file: &Path) -> Result<(), LayoutError> {
    if file.is_file() {
        return Ok(());
    }
    Err(LayoutError::Broken {
        folder: folder.to_owned(),
        missing: file.to_owned(),
    })
}

/// Returns `None` for RSA.
fn public_key(cert: &Path) -> Result<Option<NodeId>, LayoutError> {
    let key = pki::public_key(&read_pem(cert)?).map_err(|e| LayoutError::load(cert, e))?;
    Ok(key.map(NodeId))
}

fn ec_key(cert: &Path) -> Result<NodeId, LayoutError> {
    public_key(cert)?.ok_or_else(|| {
        let reason = "it must have a secp256k1 key, which is the identity".to_owned();
        LayoutError::load(cert, pki::PkiError::Certificate(reason))
    })
}

fn write_if_missing(file: &Path, key: &NodeId) -> Result<(), LayoutError> {
    if file.exists() {
        return Ok(());
    }
    files::replace(file, &format!("{key}\n"))
}
