//! Errors and warnings about a `config.ini`.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The reason why a `config.ini` cannot be used.
///
/// Lines are counted from 1.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}; give the path of a node's config.ini", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is too large to be a configuration.
    #[error("{}: larger than {limit} bytes, so not a config.ini; check the path", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is not text.
    #[error("{}:{line}: not UTF-8 text, but GBK perhaps; save the file as UTF-8", file.display())]
    NotText {
        /// The file.
        file: PathBuf,
        /// The first line that is not UTF-8.
        line: usize,
    },
    /// A line that is not valid in the chain's configuration syntax.
    #[error("{}:{line}: {problem}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A value that its key does not accept.
    #[error(
        "{}:{line}: {}={value:?} is not accepted; expected {expected}",
        file.display(),
        key.escape_debug()
    )]
    Value {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// Section and key, as `section.key`.
        key: String,
        /// The value, cut if it is very long.
        value: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// A `nodes.json` of a 3.x chain is not valid.
    #[error(
        "{}: {problem}; expected {{\"nodes\":[\"127.0.0.1:30300\"]}} with the addresses of nodes",
        file.display()
    )]
    Nodes {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The node is configured for guomi (SM2, SM3, SM4).
    #[error(
        "{}:{line}: {key} is on, but guomi (SM) cryptography is not supported; \
         use a chain with standard cryptography, or set {key}=false", file.display()
    )]
    Guomi {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// Section and key, as `section.key`.
        key: &'static str,
    },
    /// The chain uses the P2P header of 2.0.0-rc1.
    #[error(
        "{}:{line}: supported_version is {version}, whose P2P header is not supported; \
         upgrade the chain to 2.0.0-rc2 or later", file.display()
    )]
    Rc1Header {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The configured version.
        version: String,
    },
}

/// Something odd in a `config.ini` that does not keep the node from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; `None` if it is about something missing.
    pub line: Option<usize>,
    /// What is odd.
    pub kind: WarningKind,
}

/// The kinds of [`Warning`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// A section that neither this node nor FISCO nodes know, perhaps a typing error.
    UnknownSection(String),
    /// A key, as `section.key`, that is not known, perhaps a typing error.
    UnknownKey(String),
    /// A key, as `section.key`, that has an effect on FISCO nodes but not on this one.
    NoEffect(String),
    /// A section is ignored because the section with the newer name exists.
    ShadowedSection {
        /// The ignored section.
        ignored: &'static str,
        /// The section that is used.
        used: &'static str,
    },
    /// `compatibility.supported_version` is missing.
    NoVersion,
    /// `chain.rsa_crypto_channel` is on, for a version that does not know it.
    RsaTooOld(String),
    /// `storage_security.enable` is on: FISCO nodes have encrypted key files in this case.
    EncryptedStorage,
    /// The file with the nodes of a 3.x chain does not exist. A FISCO node does not start without it.
    NoNodesFile(PathBuf),
    /// `p2p.enable_ssl_verify` of a 3.x chain is off: FISCO nodes accept any certificate in this case.
    AlwaysVerified,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSection(name) => {
                let name = name.escape_debug();
                write!(f, "unknown section [{name}] is ignored; check its spelling")
            }
            Self::UnknownKey(key) => {
                let key = key.escape_debug();
                write!(f, "unknown key {key} is ignored; check its spelling")
            }
            Self::NoEffect(key) => write!(f, "{} has no effect on this node", key.escape_debug()),
            Self::ShadowedSection { ignored, used } => write!(
                f,
                "section [{ignored}] is ignored, because [{used}] means the same; merge the two"
            ),
            Self::NoVersion => write!(
                f,
                "compatibility.supported_version is missing, {} is assumed (FISCO nodes assume \
                 2.0.0-rc1); add the version of the chain",
                super::ChainVersion::DEFAULT
            ),
            Self::RsaTooOld(version) => write!(
                f,
                "chain.rsa_crypto_channel is ignored, because supported_version is {version} and \
                 RSA on the channel exists since 2.9.0"
            ),
            Self::EncryptedStorage => f.write_str(
                "storage_security.enable is on: this node cannot read encrypted key files, \
                 so network_security.key must name a plain PEM file",
            ),
            Self::NoNodesFile(file) => write!(
                f,
                "{} does not exist, so this node dials no other node; copy it from the chain's \
                 deployment, or correct p2p.nodes_path and p2p.nodes_file",
                file.display()
            ),
            Self::AlwaysVerified => f.write_str(
                "p2p.enable_ssl_verify=false is ignored: this node accepts only nodes whose \
                 certificates it can verify",
            ),
        }
    }
}
