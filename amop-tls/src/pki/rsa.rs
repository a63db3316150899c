//! The RSA certificates of channel ports that run with `rsa_crypto_channel=true`.

use std::fmt;

use x509_cert::Certificate;

use super::error::PkiError;
use super::files::{cert_pem, check_pair, first_certificate};
use super::keys::CaKey;
use super::name::check_name;
use super::validity::Validity;
use super::x509::{self, CertificateKind};

/// An agency's RSA authority for the channel: self-signed, X.509 v1, RSA 2048,
/// `CN=<agency>, O=fisco-bcos, OU=chain` (channel-v2 section 2.3).
#[derive(Debug)]
pub struct RsaAuthority {
    certificate: Certificate,
    key: CaKey,
    cert_pem: String,
}

/// An RSA leaf and its key.
#[derive(Clone)]
#[non_exhaustive]
pub struct RsaIssued {
    /// The leaf certificate alone; the peer has the authority in its `ca.crt`.
    pub cert_pem: String,
    /// The key, as unencrypted PKCS#8. A secret.
    pub key_pem: String,
}

impl fmt::Debug for RsaIssued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaIssued")
            .field("cert_pem", &self.cert_pem)
            .finish_non_exhaustive()
    }
}

impl RsaAuthority {
    /// Creates the authority of `agency`, valid from now on for the chain's 36500 days.
    ///
    /// # Errors
    /// If the chain would not accept the name, or the random source fails.
    pub fn new(agency: &str) -> Result<Self, PkiError> {
        Self::new_with(agency, Validity::from_now())
    }

    /// Creates the authority of `agency` with the given dates.
    ///
    /// # Errors
    /// Those of [`RsaAuthority::new`], and dates out of order or outside 1970 to 9999.
    pub fn new_with(agency: &str, validity: Validity) -> Result<Self, PkiError> {
        check_name(agency)?;
        let key = CaKey::generate_rsa()?;
        let subject = x509::name(agency, "chain")?;
        let certificate = x509::certificate(CertificateKind::V1, subject, &key, validity, None)?;
        Self::assemble(certificate, key)
    }

    /// Loads an authority from its `ca.crt` and `ca.key`.
    ///
    /// # Errors
    /// If the texts are not PEM, not RSA, or the key belongs to another certificate.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let certificate = first_certificate(cert_pem)?;
        let key = CaKey::rsa_from_pem(key_pem)?;
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

    /// Creates a leaf for a node or an SDK. The chain gives both the same subject, `CN=FISCO-BCOS,
    /// O=fisco-bcos, OU=agency`.
    ///
    /// # Errors
    /// If the random source fails.
    pub fn issue(&self) -> Result<RsaIssued, PkiError> {
        self.issue_with(Validity::from_now())
    }

    /// Creates a leaf with the given dates.
    ///
    /// # Errors
    /// Those of [`RsaAuthority::issue`], and dates out of order or outside 1970 to 9999.
    pub fn issue_with(&self, validity: Validity) -> Result<RsaIssued, PkiError> {
        let key = CaKey::generate_rsa()?;
        let subject = x509::name("FISCO-BCOS", "agency")?;
        let issuer = Some((&self.certificate, &self.key));
        let leaf = x509::certificate(CertificateKind::V1, subject, &key, validity, issuer)?;
        Ok(RsaIssued {
            cert_pem: cert_pem(&leaf)?,
            key_pem: key.to_pem()?,
        })
    }

    /// Returns the authority's certificate, which peers have as `ca.crt`.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// Returns the authority's key, as unencrypted PKCS#8. A secret.
    ///
    /// # Errors
    /// Only if the key cannot be encoded.
    pub fn key_pem(&self) -> Result<String, PkiError> {
        self.key.to_pem()
    }
}
