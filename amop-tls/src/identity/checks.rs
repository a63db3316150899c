//! Checks whether certificate, key and trust anchors belong together.

use super::named_pem::NamedPem;
use crate::algs;
use crate::cert::{Cert, KeyAlg, Unusable};
use crate::error::TlsError;
use crate::issuer::KeyDigest;
use crate::key::PublicKey;
use crate::mode::Mode;
use crate::path::Anchor;

pub(super) fn mode_of_leaf(leaf: &Cert<'_>, source: &NamedPem) -> Result<Mode, TlsError> {
    match leaf.key_alg {
        _ if leaf.is_guomi() => Err(source.guomi(Some(leaf.subject_line()))),
        Ok(KeyAlg::Secp256k1) if PublicKey::from_point(leaf.key_bits()).is_none() => {
            // Nodes need an uncompressed point (p2p-v2 section 2.2).
            Err(TlsError::BadCertificate {
                file: source.name.clone(),
                subject: Some(leaf.subject_line()),
                position: 1,
                detail: "its public key is not an uncompressed point, so that nodes cannot \
                         derive an ID from it; issue it with -conv_form uncompressed"
                    .into(),
            })
        }
        Ok(KeyAlg::Secp256k1) => Ok(Mode::Ec),
        Ok(KeyAlg::Rsa) => Ok(Mode::Rsa),
        Ok(other) => Err(TlsError::UnsupportedCurve {
            file: source.name.clone(),
            subject: Some(leaf.subject_line()),
            curve: other.name().into(),
        }),
        Err(Unusable::Guomi) => Err(source.guomi(Some(leaf.subject_line()))),
        Err(Unusable::Unknown) => Err(TlsError::BadCertificate {
            file: source.name.clone(),
            subject: Some(leaf.subject_line()),
            position: 1,
            detail: "its key is neither a secp256k1 nor an RSA one".into(),
        }),
    }
}

/// Returns the key that signed this side's leaf. It is searched for in this side's chain and in
/// `ca.crt`.
pub(super) fn own_issuer(
    leaf: &Cert<'_>,
    chain: &[Cert<'_>],
    anchors: &[Anchor],
) -> Option<KeyDigest> {
    let of_chain = chain.iter().skip(1).filter_map(|cert| {
        let key_alg = cert.key_alg.ok()?;
        (cert.subject() == leaf.issuer()).then(|| (key_alg, cert.key_bits()))
    });
    let of_anchors = anchors.iter().map(Anchor::as_issuer).filter_map(|issuer| {
        (issuer.subject == leaf.issuer()).then_some((issuer.key_alg, issuer.key_bits))
    });
    let sig_alg = leaf.sig_alg.ok()?;
    let signed = |(key_alg, key_bits): &(KeyAlg, &[u8])| {
        algs::for_certificate(key_alg.id(), sig_alg).is_some_and(|alg| {
            alg.verify_signature(key_bits, leaf.tbs(), leaf.signature())
                .is_ok()
        })
    };
    let (key_alg, key_bits) = of_chain.chain(of_anchors).find(signed)?;
    Some(KeyDigest::new(key_alg, key_bits))
}

/// Refuses an EC certificate with an RSA `ca.crt`, or the reverse: these are mixed-up folders of a
/// node with an RSA channel. The exception is a chain that names this CA, since an operator's
/// external root may have a key of the other kind.
pub(super) fn check_modes(
    mode: Mode,
    chain: &[Cert<'_>],
    anchors: &[Anchor],
    cert: &NamedPem,
    ca: &NamedPem,
) -> Result<(), TlsError> {
    let of_anchor = |anchor: &Anchor| match anchor.key_alg() {
        KeyAlg::Rsa => Mode::Rsa,
        _ => Mode::Ec,
    };
    let named = |anchor: &Anchor| chain.iter().any(|cert| anchor.is_named_by(cert));
    match anchors.first().map(of_anchor) {
        Some(ca_mode) if anchors.iter().all(|a| of_anchor(a) != mode && !named(a)) => {
            Err(TlsError::MixedModes {
                cert: cert.name.clone(),
                subject: chain.first().map(Cert::subject_line).unwrap_or_default(),
                cert_mode: mode,
                ca: ca.name.clone(),
                ca_mode,
            })
        }
        _ => Ok(()),
    }
}
