//! [`PeerInfo`]: what a certificate says about its owner.

use rustls::pki_types::CertificateDer;

use crate::cert::{Cert, KeyAlg};
use crate::error::VerifyError;
use crate::key::PublicKey;
use crate::role::Role;

/// The information in a verified peer certificate about its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's key; `None` for RSA certificates and for EC ones that violate the rules of
    /// [`peer_public_key`].
    pub public_key: Option<PublicKey>,
    /// The subject for messages, e.g. `CN=node0, O=agency`.
    pub subject: String,
    /// The common name of the subject ("node name" in a node's RPC answers).
    pub name: Option<String>,
    /// The common name of the issuer ("agency" in a node's RPC answers).
    pub agency: Option<String>,
    /// The end of validity, in seconds since 1970.
    pub not_after: i64,
    /// The role of the owner, according to the certificate.
    pub role: Role,
}

/// Returns the key of the peer with this chain, leaf first, as `peer_certificates()` of a rustls
/// connection returns it.
///
/// Follows p2p-v2 section 2.2: the leaf must have basicConstraints with CA:FALSE and an
/// uncompressed secp256k1 point. It does not verify anything, because the handshake has done this.
///
/// # Errors
/// [`VerifyError::NoPublicKey`] with the violated rule, or [`VerifyError::BadEncoding`] if there is
/// no readable certificate.
pub fn peer_public_key(chain: &[CertificateDer<'_>]) -> Result<PublicKey, VerifyError> {
    public_key_of(&leaf_of(chain)?)
}

/// Returns name, agency and key of the peer with this chain, leaf first.
///
/// # Errors
/// [`VerifyError::BadEncoding`] if there is no readable certificate.
pub fn peer_info(chain: &[CertificateDer<'_>]) -> Result<PeerInfo, VerifyError> {
    Ok(info_of(&leaf_of(chain)?))
}

pub(crate) fn info_of(leaf: &Cert<'_>) -> PeerInfo {
    PeerInfo {
        public_key: public_key_of(leaf).ok(),
        subject: leaf.subject_line(),
        name: leaf.subject_cn(),
        agency: leaf.issuer_cn(),
        not_after: leaf.not_after,
        role: leaf.role(),
    }
}

fn leaf_of<'a>(chain: &'a [CertificateDer<'_>]) -> Result<Cert<'a>, VerifyError> {
    let leaf = chain.first().ok_or_else(|| VerifyError::BadEncoding {
        position: 0,
        detail: "the chain is empty".into(),
    })?;
    Cert::parse(leaf).map_err(|detail| VerifyError::BadEncoding {
        position: 0,
        detail,
    })
}

pub(crate) fn public_key_of(leaf: &Cert<'_>) -> Result<PublicKey, VerifyError> {
    let reason = match (leaf.key_alg, leaf.basic) {
        (Ok(KeyAlg::Secp256k1), Some(basic)) if !basic.ca => {
            return PublicKey::from_point(leaf.key_bits())
                .ok_or_else(|| no_key(leaf, "its point is not uncompressed"));
        }
        (Ok(KeyAlg::Secp256k1), Some(_)) => "it is a CA certificate",
        (Ok(KeyAlg::Secp256k1), None) => "it has no basicConstraints extension",
        _ => "its key is not a secp256k1 one",
    };
    Err(no_key(leaf, reason))
}

fn no_key(leaf: &Cert<'_>, reason: &'static str) -> VerifyError {
    VerifyError::NoPublicKey {
        subject: leaf.subject_line(),
        reason,
    }
}
