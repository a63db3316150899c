//! The lists of a node: which files and settings they come from, and how they are loaded.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use amop_proto::{NodeId, log::Utc};
use amop_tls::{Identity, Mode, PeerFilter, PublicKey, TlsError};

use crate::{
    config::{ChainV3Config, NodeConfig, Warning, read_text},
    error::{Port, StartError},
};

/// Lists that restrict who may connect, in addition to certificates.
/// [`Node::reload`](crate::Node::reload) can replace them while the node runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessLists {
    /// Nodes that may not connect.
    pub blacklist: HashSet<NodeId>,
    /// The only nodes that may connect; `None`: all nodes of the chain.
    pub whitelist: Option<HashSet<NodeId>>,
    /// The only SDKs that may connect, by their public keys; `None`: all SDKs of the chain.
    pub sdk_allowlist: Option<HashSet<PublicKey>>,
    /// Files of certificate revocation lists.
    pub revocation_lists: Vec<PathBuf>,
}

impl AccessLists {
    /// Returns the lists of a configuration.
    pub fn from_config(config: &NodeConfig) -> Self {
        let set = |list: &Vec<NodeId>| list.iter().copied().collect();
        Self {
            blacklist: set(&config.blacklist),
            whitelist: config.whitelist.as_ref().map(set),
            sdk_allowlist: config.sdk_allowlist.clone().map(HashSet::from_iter),
            revocation_lists: config.revocation_lists.clone(),
        }
    }

    /// Reads the lists from a `config.ini`, as it is now. The rest of the file has no effect, but
    /// all of it must be valid. The file of a 3.x chain has no lists for SDKs.
    ///
    /// # Errors
    ///
    /// [`ReloadError`] if it cannot be read.
    pub fn from_config_file(path: impl AsRef<Path>) -> Result<(Self, Vec<Warning>), ReloadError> {
        let path = path.as_ref();
        let text = read_text(path).map_err(StartError::from)?;
        if ChainV3Config::is_v3(&text) {
            let read = ChainV3Config::from_ini_str(&text, path);
            let (_, warnings) = read.map_err(StartError::from)?;
            return Ok((Self::default(), warnings));
        }
        let read = NodeConfig::from_ini_str(&text, path);
        let (config, warnings) = read.map_err(StartError::from)?;
        Ok((Self::from_config(&config), warnings))
    }

    /// Reads the files and prepares everything for TLS. Nothing is in force yet.
    pub(crate) fn load(self, p2p: Identity, channel: Identity) -> Result<Loaded, StartError> {
        if self.sdk_allowlist.is_some() && channel.mode() == Mode::Rsa {
            return Err(StartError::AllowListOfRsa);
        }
        let (p2p, channel) = revoke(&self.revocation_lists, p2p, channel)?;
        let sdks = self.sdk_allowlist.map(|list| -> Arc<dyn PeerFilter> {
            Arc::new(move |sdk: &PublicKey| list.contains(sdk))
        });
        Ok(Loaded {
            p2p,
            channel,
            peers: filter(self.blacklist, self.whitelist),
            sdks,
        })
    }
}

/// Lists that were read and are valid.
pub(crate) struct Loaded {
    /// The identities with the revocation lists.
    pub(crate) p2p: Identity,
    pub(crate) channel: Identity,
    /// The filters that decide on nodes and on SDKs.
    pub(crate) peers: Option<Arc<dyn PeerFilter>>,
    pub(crate) sdks: Option<Arc<dyn PeerFilter>>,
}

/// The immediate effects of a reload. After it the new lists apply to every handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// SDK connections closed because the new lists refuse them.
    pub sessions_closed: usize,
    /// Connections to nodes closed because the new lists refuse them.
    pub peers_closed: usize,
}

/// The reason why lists were not reloaded. The previous lists stay in force.
#[derive(Debug, thiserror::Error)]
#[error("cannot reload the lists, so the previous ones stay in force")]
pub struct ReloadError(#[from] StartError);

/// Gives each identity the lists of the authorities that it knows: in RSA mode each knows one of
/// them.
fn revoke(
    files: &[PathBuf],
    mut p2p: Identity,
    mut channel: Identity,
) -> Result<(Identity, Identity), StartError> {
    for file in files {
        let mut known = false;
        let mut unknown = None;
        for (what, identity) in [(Port::P2p, &mut p2p), (Port::Channel, &mut channel)] {
            match identity.clone().with_revocation_file(file) {
                Ok(with) => {
                    *identity = with;
                    known = true;
                }
                Err(source @ TlsError::CrlIssuer { .. }) => {
                    unknown = Some(StartError::Tls { what, source });
                }
                Err(source) => return Err(StartError::Tls { what, source }),
            }
        }
        if let Some(error) = unknown.filter(|_| !known) {
            return Err(error);
        }
    }
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |now| now.as_secs());
    let due = [&p2p, &channel].map(Identity::revocation_update);
    if let Some(due) = due.into_iter().flatten().min()
        && u64::try_from(due).is_ok_and(|due| due < now)
    {
        tracing::warn!(
            "a revocation list has been out of date since {}: what it lists stays revoked, but \
             later revocations are not known; get a newer list",
            Utc(due)
        );
    }
    Ok((p2p, channel))
}

/// Returns the node's lists as a rule for TLS (p2p-v2 section 2.2).
fn filter(
    blacklist: HashSet<NodeId>,
    whitelist: Option<HashSet<NodeId>>,
) -> Option<Arc<dyn PeerFilter>> {
    if blacklist.is_empty() && whitelist.is_none() {
        return None;
    }
    Some(Arc::new(move |peer: &PublicKey| {
        let peer = NodeId(peer.0);
        !blacklist.contains(&peer) && whitelist.as_ref().is_none_or(|list| list.contains(&peer))
    }))
}
