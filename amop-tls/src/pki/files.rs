//! Certificates in PEM: reads and writes them, and compares them with keys.

use der::{Encode, oid::ObjectIdentifier};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::error::PkiError;
use super::keys::{self, CaKey};
use crate::oids::{EC_PUBLIC_KEY, RSA_ENCRYPTION, SECP256K1};

/// Returns the public key of the first certificate in `cert_pem`: x and y on secp256k1, which is a
/// node's identity, or `None` for RSA.
///
/// # Errors
/// If there is no certificate, or its key is of neither kind.
pub fn public_key(cert_pem: &str) -> Result<Option<[u8; 64]>, PkiError> {
    let certificate = first_certificate(cert_pem)?;
    let spki = certificate.tbs_certificate().subject_public_key_info();
    let oid = spki.algorithm.oid;
    let parameters = spki.algorithm.parameters.as_ref();
    let curve = parameters.and_then(|p| p.decode_as::<ObjectIdentifier>().ok());
    match oid {
        EC_PUBLIC_KEY if curve != Some(SECP256K1) => Err(PkiError::Certificate(
            "its EC key is not on the curve secp256k1".into(),
        )),
        EC_PUBLIC_KEY => keys::point_of(spki.subject_public_key.raw_bytes())
            .map(Some)
            .ok_or_else(|| PkiError::Certificate("its EC key is not an uncompressed point".into())),
        RSA_ENCRYPTION => Ok(None),
        _ => Err(PkiError::Certificate(format!(
            "its key is neither EC nor RSA but of the algorithm {oid}"
        ))),
    }
}

pub(super) fn check_pair(certificate: &Certificate, key: &CaKey) -> Result<(), PkiError> {
    let spki = certificate.tbs_certificate().subject_public_key_info();
    if *spki == key.spki()? {
        Ok(())
    } else {
        Err(PkiError::Mismatch)
    }
}

pub(super) fn first_certificate(pem: &str) -> Result<Certificate, PkiError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| PkiError::Certificate(format!("no PEM certificate found: {e}")))?;
    Ok(Certificate::from_der(&der)?)
}

pub(super) fn cert_pem(certificate: &Certificate) -> Result<String, PkiError> {
    keys::to_pem("CERTIFICATE", &certificate.to_der()?)
}
