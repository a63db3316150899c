//! [`Standing`]: whether a peer that was accepted may stay.

use crate::issuer::IssuerSerial;
use crate::key::PublicKey;
use crate::peer_info::PeerInfo;
use crate::time::UtcSeconds;

/// A peer that was accepted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Admitted {
    /// The peer's identity.
    pub info: PeerInfo,
    /// The data that decide whether it may stay.
    pub standing: Standing,
}

/// The data of an accepted peer's certificates that are checked again when time passes and lists
/// change. It needs about 260 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub(crate) public_key: Option<PublicKey>,
    pub(crate) expires: i64,
    pub(crate) links: Box<[IssuerSerial]>,
    pub(crate) key: [u8; 32],
    pub(crate) agency: [u8; 32],
}

impl Standing {
    /// Returns when the first certificate of the peer's path expires, including that in `ca.crt`;
    /// in seconds since 1970.
    pub fn expires(&self) -> i64 {
        self.expires
    }

    /// Returns the peer's key, if its certificate has one of the kind by which chains identify
    /// peers.
    pub fn public_key(&self) -> Option<PublicKey> {
        self.public_key
    }

    /// Returns a digest of the peer's key, of any kind.
    pub fn key_digest(&self) -> [u8; 32] {
        self.key
    }

    /// Returns a digest that distinguishes the peer's agency from all others: it identifies the
    /// certificate of the path that the lowest one in `ca.crt` signed, or the latter if it signed
    /// the peer's certificate itself. An agency cannot appear as several, whatever authorities and
    /// names it creates below itself.
    pub fn agency_digest(&self) -> [u8; 32] {
        self.agency
    }
}

/// Why a peer that was accepted may no longer stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionLapse {
    /// A certificate on its path has expired.
    #[error("a certificate of its chain expired at {}; renew it", UtcSeconds(*at))]
    Expired {
        /// The end of its validity in seconds since 1970.
        at: i64,
    },
    /// A certificate on its path is on a revocation list.
    #[error("a certificate of its chain has been revoked by its issuer")]
    Revoked,
    /// The black, white or allow list refuses it.
    #[error("the lists of this node do not let it in any longer")]
    Unlisted,
}
