//! What a configuration file says.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use amop_proto::channel::PrivateName;
use amop_tls::PemSource;
use zeroize::Zeroizing;

#[cfg(feature = "private")]
use crate::{KeyError, TopicKey, TopicPublicKey};
use crate::{Protocol, SdkConfigError};

/// The SDK that a configuration file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SdkLayout {
    /// The Java SDK's: `[cryptoMaterial]`, `[network]`, `[[amop]]`. That of version 3 is the same, unless
    /// it has keys of its own.
    Java,
    /// That of the Java SDK of version 3, with keys that only this version has, such as `disableSsl`.
    JavaV3,
    /// The Go SDK's: `[Network]`, `[[Network.Connection]]`.
    Go,
    /// The C SDK's, of version 3, in INI: `[common]`, `[cert]`, `[peers]`.
    C,
}

/// The settings for connecting in a configuration file of another SDK: a `config.toml` of a Java or Go
/// SDK, or an INI of the C SDK.
///
/// A relative path in it is relative to the working directory, as for those SDKs. If nothing is
/// there, it is relative to the folder of the file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SdkConfig {
    /// The file.
    pub path: PathBuf,
    /// The layout of the file.
    pub layout: SdkLayout,
    /// The generation of the nodes: 3.x if only SDKs of 3.x have such a file, 2.x if only the Go SDK of
    /// 2.x has it.
    pub protocol: Protocol,
    /// Whether connections have TLS. Files of 3.x can switch it off.
    pub tls: bool,
    /// How long calls may take; `None` if the file does not say so.
    pub timeout: Option<Duration>,
    /// The nodes, each `host:port`; at least one.
    pub endpoints: Vec<String>,
    /// The CA certificates; text if the file of a Go SDK contains them (`CAContext`).
    pub ca: PemSource,
    /// The SDK's certificate, as above (`CertContext`).
    pub cert: PemSource,
    /// The SDK's private key, as above (`KeyContext`).
    pub key: PemSource,
    /// Private topics. Their keys are not read yet.
    pub private_topics: Vec<PrivateTopic>,
    /// Entries of the file that are unknown or have no effect.
    pub warnings: Vec<ConfigWarning>,
}

/// A private topic of a Java SDK's file. A publisher lists the public keys of the subscribers, a
/// subscriber its private key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrivateTopic {
    /// Its line in the file, from 1.
    pub line: usize,
    /// The topic.
    pub topic: String,
    /// For publishing: the files of the subscribers' public keys, or their hex digits.
    pub public_keys: Vec<PathBuf>,
    /// For subscribing: the file of the private key.
    pub private_key: Option<PrivateKeySource>,
    /// The password of the private key's file. Only PKCS#12 stores have one.
    pub password: Option<String>,
}

/// Where a private topic's private key is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrivateKeySource {
    /// A file in PEM, with hex digits, or in PKCS#12.
    File(PathBuf),
    /// The key itself, in hex digits.
    Hex(Zeroizing<String>),
}

impl fmt::Debug for PrivateKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Hex(_) => f.write_str("Hex(...)"),
        }
    }
}

impl PrivateTopic {
    /// Returns the public keys to grant the topic to.
    #[cfg(feature = "private")]
    pub(crate) fn grants(&self) -> Result<Vec<TopicPublicKey>, KeyError> {
        let key = |place: &PathBuf| match place.to_str().map(str::parse) {
            Some(Ok(key)) => Ok(key),
            _ => TopicPublicKey::load(place),
        };
        self.public_keys.iter().map(key).collect()
    }

    /// Returns the key to subscribe with.
    #[cfg(feature = "private")]
    pub(crate) fn own_key(&self) -> Result<Option<TopicKey>, KeyError> {
        let Some(source) = &self.private_key else {
            return Ok(None);
        };
        match (source, &self.password) {
            (PrivateKeySource::Hex(digits), _) => TopicKey::from_hex(digits),
            (PrivateKeySource::File(path), Some(password)) => {
                TopicKey::load_with_password(path, password)
            }
            (PrivateKeySource::File(path), None) => TopicKey::load(path),
        }
        .map(Some)
    }

    /// Returns the topic's name after checking it.
    pub(crate) fn name(&self, path: &Path) -> Result<PrivateName, SdkConfigError> {
        PrivateName::new(&self.topic).map_err(|error| SdkConfigError::Value {
            path: path.to_owned(),
            line: self.line,
            key: "amop.topicName".to_owned(),
            problem: format!("cannot be used: {error}"),
        })
    }
}

impl fmt::Debug for PrivateTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateTopic")
            .field("line", &self.line)
            .field("topic", &self.topic)
            .field("public_keys", &self.public_keys)
            .field("private_key", &self.private_key)
            .field("password", &self.password.as_ref().map(|_| "..."))
            .finish()
    }
}

/// An entry of a configuration file that has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigWarning {
    /// Its line, from 1.
    pub line: usize,
    /// The description.
    pub message: String,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}
