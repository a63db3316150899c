//! [`Authority`]: the root of a chain.

use x509_cert::Certificate;

use super::agency::Agency;
use super::error::PkiError;
use super::files::{cert_pem, check_pair, first_certificate};
use super::keys::CaKey;
use super::name::check_name;
use super::validity::Validity;
use super::x509::{self, CertificateKind};

/// The root of a chain: secp256k1, X.509 v1, `CN=<name>, O=fisco-bcos, OU=chain`.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    key: CaKey,
    cert_pem: String,
}

impl Authority {
    /// Creates the root of a new chain, valid from now on for the chain's 36500 days.
    ///
    /// # Errors
    /// If the chain would not accept the name, or the random source fails.
    pub fn new_ec(common_name: &str) -> Result<Self, PkiError> {
        Self::new_ec_with(common_name, Validity::from_now())
    }

    /// Creates the root of a new chain with the given dates.
    ///
    /// # Errors
    /// Those of [`Authority::new_ec`], and dates out of order or outside 1970 to 9999.
    pub fn new_ec_with(common_name: &str, validity: Validity) -> Result<Self, PkiError> {
        check_name(common_name)?;
        let key = CaKey::generate_ec()?;
        let subject = x509::name(common_name, "chain")?;
        let certificate = x509::certificate(CertificateKind::V1, subject, &key, validity, None)?;
        Self::assemble(certificate, key)
    }

    /// Loads a root from its `ca.crt` and `ca.key`.
    ///
    /// # Errors
    /// If the texts are not PEM, not secp256k1, or the key belongs to another certificate.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let certificate = first_certificate(cert_pem)?;
        let key = CaKey::ec_from_pem(key_pem)?;
        check_pair(&certificate, &key)?;
        Self::assemble(certificate, key)
    }

    fn assemble(certificate: Certificate, key: CaKey) -> Result<Self, PkiError> {
        let cert_pem = cert_pem(&certificate)?;
        Ok(Self {
            certificate,
            key,
            cert_pem,
        })
    }

    /// Creates an agency below this root.
    ///
    /// # Errors
    /// If the chain would not accept the name, or the random source fails.
    pub fn agency(&self, name: &str) -> Result<Agency, PkiError> {
        self.agency_with(name, Validity::from_now())
    }

    /// Creates an agency with the given dates.
    ///
    /// # Errors
    /// Those of [`Authority::agency`], and dates out of order or outside 1970 to 9999.
    pub fn agency_with(&self, name: &str, validity: Validity) -> Result<Agency, PkiError> {
        check_name(name)?;
        let key = CaKey::generate_ec()?;
        let subject = x509::name(name, "agency")?;
        let issuer = Some((&self.certificate, &self.key));
        let certificate =
            x509::certificate(CertificateKind::Agency, subject, &key, validity, issuer)?;
        Agency::assemble(certificate, key, self.cert_pem.clone())
    }

    /// Creates the list of certificates that this root has revoked: the first certificate of each
    /// text, in PEM. `validity` is the period from the date of this list to the date of the next.
    ///
    /// # Errors
    /// If a text has no certificate, or dates are out of order or outside 1970 to 9999.
    pub fn revoke(&self, revoked: &[&str], validity: Validity) -> Result<String, PkiError> {
        let revoked = revoked.iter().map(|pem| first_certificate(pem));
        let revoked = revoked.collect::<Result<Vec<_>, _>>()?;
        x509::revocation_list(&self.certificate, &self.key, &revoked, validity)
    }

    /// Returns the root certificate, the content of every `ca.crt` of the chain.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// Returns the root's key, as unencrypted PKCS#8. A secret.
    ///
    /// # Errors
    /// Only if the key cannot be encoded.
    pub fn key_pem(&self) -> Result<String, PkiError> {
        self.key.to_pem()
    }
}
