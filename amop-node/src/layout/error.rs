//! Errors while writing a layout.

use std::io;
use std::path::{Path, PathBuf};

use amop_tls::pki::PkiError;
use thiserror::Error;

use crate::config::ConfigError;

/// The reason why a layout could not be written or extended. Nothing that existed was lost.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The number of nodes is out of range.
    #[error("cannot make {nodes} nodes; ask for 1 to {max}")]
    Nodes {
        /// The number asked for.
        nodes: u16,
        /// The limit.
        max: u16,
    },
    /// The port ranges leave 1 to 65535, or they overlap.
    #[error(
        "the ports do not fit: {nodes} each from channel {channel}, P2P {p2p} and RPC {rpc} must \
         lie in 1 to 65535 and not overlap; choose other base ports"
    )]
    Ports {
        /// The number of nodes.
        nodes: u16,
        /// First channel port.
        channel: u16,
        /// First P2P port.
        p2p: u16,
        /// First JSON-RPC port.
        rpc: u16,
    },
    /// The port ranges of a 3.x chain leave 1 to 65535, or they overlap.
    #[error(
        "the ports do not fit: {nodes} each from {sdks} for SDKs and {p2p} for nodes must lie in 1 to \
         65535 and not overlap; choose other base ports"
    )]
    V3Ports {
        /// The number of nodes.
        nodes: u16,
        /// First port for SDKs.
        sdks: u16,
        /// First port for nodes.
        p2p: u16,
    },
    /// The existing layout is that of a chain of the other generation.
    #[error(
        "{} does not belong to a chain of FISCO BCOS {wanted}; use another folder", found.display()
    )]
    OtherChain {
        /// The file that shows this.
        found: PathBuf,
        /// The generation that was asked for.
        wanted: &'static str,
    },
    /// A new node would use a port of an existing one.
    #[error("port {port} for the new node{node} is taken by {}; choose other base ports", config.display())]
    PortTaken {
        /// The port.
        port: u16,
        /// Index of the new node.
        node: u16,
        /// The existing node's `config.ini`.
        config: PathBuf,
    },
    /// The existing layout has the other kind of channel certificates.
    #[error(
        "{} belongs to a layout with {existing} certificates on the channel, but {wanted} was \
         requested; use another folder, or request {existing}", found.display()
    )]
    Mode {
        /// The file or folder that shows this.
        found: PathBuf,
        /// `RSA` or `EC`.
        existing: &'static str,
        /// `RSA` or `EC`.
        wanted: &'static str,
    },
    /// A folder contains only some of its files.
    #[error(
        "{} is incomplete: {} is missing; restore it, or delete the folder to have it made again",
        folder.display(), missing.display()
    )]
    Broken {
        /// The folder of a node or of the SDK.
        folder: PathBuf,
        /// The missing file.
        missing: PathBuf,
    },
    /// Something new must be signed, but the authority for it is missing.
    #[error(
        "{} is missing, and without it nothing can be added to the existing layout; restore it, or \
         make a new layout in another folder", file.display()
    )]
    AuthorityMissing {
        /// The missing file.
        file: PathBuf,
    },
    /// The authority is not the one that existing nodes trust.
    #[error(
        "{} is not the authority that {} trusts, so a node signed by it could not connect; restore \
         the right one, or make a new layout in another folder", authority.display(), trusted.display()
    )]
    ForeignAuthority {
        /// The certificate of the authority.
        authority: PathBuf,
        /// The existing `ca.crt`.
        trusted: PathBuf,
    },
    /// The configuration of an existing node cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Issue(#[from] PkiError),
    /// A certificate or key of the existing layout cannot be used.
    #[error("cannot use {}", file.display())]
    Load {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: PkiError,
    },
    /// The file system refused something.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl LayoutError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn load(file: &Path, source: PkiError) -> Self {
        Self::Load {
            file: file.to_owned(),
            source,
        }
    }
}
