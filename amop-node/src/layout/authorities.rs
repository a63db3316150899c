//! The authorities of a layout, `<dir>/cert/`: created once, loaded when nodes are added.

use std::path::{Path, PathBuf};

use amop_tls::pki::{Agency, Authority, RsaAuthority};

use super::LayoutError;
use super::files::{Staged, read_pem};
use crate::config::CertPaths;

/// The authorities that sign the certificates of new nodes and of the SDK.
pub(super) struct Authorities {
    pub(super) agency: Agency,
    /// Present only with RSA on the channel.
    pub(super) channel: Option<RsaAuthority>,
    paths: AuthorityPaths,
}

/// The names that the chain's script uses.
struct AuthorityPaths {
    root: PathBuf,
    agency: PathBuf,
    agency_key: PathBuf,
    channel: PathBuf,
    channel_key: PathBuf,
}

impl AuthorityPaths {
    fn new(cert: &Path, agency: &str) -> Self {
        let folder = cert.join(agency);
        Self {
            root: cert.join("ca.crt"),
            agency: folder.join("agency.crt"),
            agency_key: folder.join("agency.key"),
            channel: folder.join("channel/ca.crt"),
            channel_key: folder.join("channel/ca.key"),
        }
    }
}

impl Authorities {
    /// Creates the authorities of a new layout.
    pub(super) fn create(cert: &Path, agency: &str, rsa: bool) -> Result<Self, LayoutError> {
        let root = Authority::new_ec("chain")?;
        let made = root.agency(agency)?;
        let channel = rsa.then(|| RsaAuthority::new(agency)).transpose()?;

        let staged = Staged::new(cert.parent().unwrap_or(Path::new(".")))?;
        staged.file("ca.crt", root.cert_pem())?;
        staged.secret("ca.key", &root.key_pem()?)?;
        staged.file(&format!("{agency}/ca.crt"), root.cert_pem())?;
        staged.file(&format!("{agency}/agency.crt"), made.cert_pem())?;
        staged.secret(&format!("{agency}/agency.key"), &made.key_pem()?)?;
        if let Some(channel) = &channel {
            staged.file(&format!("{agency}/channel/ca.crt"), channel.cert_pem())?;
            staged.secret(&format!("{agency}/channel/ca.key"), &channel.key_pem()?)?;
        }
        staged.publish(cert)?;
        Ok(Self {
            agency: made,
            channel,
            paths: AuthorityPaths::new(cert, agency),
        })
    }

    /// Loads the authorities of an existing layout. The root's own key is not needed, because the
    /// agency signs.
    pub(super) fn load(cert: &Path, agency: &str, rsa: bool) -> Result<Self, LayoutError> {
        let paths = AuthorityPaths::new(cert, agency);
        let root = required(&paths.root)?;
        let agency_cert = required(&paths.agency)?;
        let loaded = Agency::from_pem(&root, &agency_cert, &required(&paths.agency_key)?)
            .map_err(|e| LayoutError::load(&paths.agency_key, e))?;
        let channel = if rsa {
            let cert = required(&paths.channel)?;
            let loaded = RsaAuthority::from_pem(&cert, &required(&paths.channel_key)?)
                .map_err(|e| LayoutError::load(&paths.channel_key, e))?;
            Some(loaded)
        } else {
            None
        };
        Ok(Self {
            agency: loaded,
            channel,
            paths,
        })
    }

    /// Adds the RSA authority to a layout in which nothing has been issued yet.
    pub(super) fn add_channel(cert: &Path, agency: &str) -> Result<(), LayoutError> {
        let paths = AuthorityPaths::new(cert, agency);
        let folder = cert.join(agency);
        if paths.channel.exists() || paths.channel_key.exists() || !folder.is_dir() {
            return Ok(());
        }
        let channel = RsaAuthority::new(agency)?;
        let staged = Staged::new(&folder)?;
        staged.file("ca.crt", channel.cert_pem())?;
        staged.secret("ca.key", &channel.key_pem()?)?;
        staged.publish(&folder.join("channel"))
    }

    /// Checks that existing nodes or SDKs will accept newly issued certificates.
    pub(super) fn check_trusted_by(
        &self,
        p2p: Option<&CertPaths>,
        channel: &CertPaths,
    ) -> Result<(), LayoutError> {
        let root = self.agency.root_pem();
        let rsa = self.channel.as_ref();
        let (channel_pem, channel_path) = match rsa {
            Some(rsa) => (rsa.cert_pem(), &self.paths.channel),
            None => (root, &self.paths.root),
        };
        let pairs = p2p.map(|certs| (root, &self.paths.root, &certs.ca));
        let pairs = pairs
            .into_iter()
            .chain([(channel_pem, channel_path, &channel.ca)]);
        for (pem, authority, trusted) in pairs {
            if !read_pem(trusted)?
                .split_whitespace()
                .eq(pem.split_whitespace())
            {
                return Err(LayoutError::ForeignAuthority {
                    authority: authority.clone(),
                    trusted: trusted.clone(),
                });
            }
        }
        Ok(())
    }
}

fn required(path: &Path) -> Result<String, LayoutError> {
    if !path.exists() {
        return Err(LayoutError::AuthorityMissing {
            file: path.to_owned(),
        });
    }
    read_pem(path)
}
