//! The certificates of 3.x chains.

use der::Encode;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;

use super::error::PkiError;
use super::files::{cert_pem, check_pair, first_certificate};
use super::keys::CaKey;
use super::name::check_name;
use super::rsa::RsaIssued;
use super::validity::Validity;
use super::x509::{self, CertificateKind};
use crate::cert::Cert;

/// The authority of a 3.x chain: self-signed, X.509 v1, RSA 2048, `CN=<name>, O=<name>, OU=chain`
/// (ws-v3 section 2.2). It signs all nodes and SDKs itself.
#[derive(Debug)]
pub struct ChainV3Authority {
    certificate: Certificate,
    key: CaKey,
    name: String,
    cert_pem: String,
}

impl ChainV3Authority {
    /// Creates the authority, valid from now on for 36500 days. The chain's script has names like
    /// `FISCO-BCOS-1a2b3c4d`.
    ///
    /// ```
    /// let authority = amop_tls::pki::ChainV3Authority::new("FISCO-BCOS-1")?;
    /// let issued = authority.issue()?;
    /// let [cert, key] = [&issued.cert_pem, &issued.key_pem].map(|pem| pem.as_bytes());
    /// amop_tls::Identity::from_pem(cert, key, authority.cert_pem().as_bytes())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the chain would not accept the name, or the random source fails.
    pub fn new(name: &str) -> Result<Self, PkiError> {
        check_name(name)?;
        let key = CaKey::generate_rsa()?;
        let subject = x509::name_of([name, name, "chain"])?;
        let validity = Validity::from_now();
        let certificate = x509::certificate(CertificateKind::V1, subject, &key, validity, None)?;
        Self::assemble(certificate, key, name.to_owned())
    }

    /// Loads an authority from its `ca.crt` and `ca.key`.
    ///
    /// # Errors
    /// If the texts are not PEM, not RSA, or the key belongs to another certificate.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let certificate = first_certificate(cert_pem)?;
        let key = CaKey::rsa_from_pem(key_pem)?;
        check_pair(&certificate, &key)?;
        let der = CertificateDer::from(certificate.to_der()?);
        let name = Cert::parse(&der).ok().and_then(|cert| cert.subject_cn());
        let name = name.unwrap_or_else(|| "FISCO-BCOS".to_owned());
        Self::assemble(certificate, key, name)
    }

    fn assemble(certificate: Certificate, key: CaKey, name: String) -> Result<Self, PkiError> {
        let cert_pem = cert_pem(&certificate)?;
        Ok(Self {
            certificate,
            key,
            name,
            cert_pem,
        })
    }

    /// Creates a leaf for a node or an SDK, valid from now on for 36500 days. The chain gives both the
    /// same subject, `CN=<name>, O=fisco-bcos, OU=agency`, and basicConstraints CA:FALSE.
    ///
    /// # Errors
    /// If the random source fails.
    pub fn issue(&self) -> Result<RsaIssued, PkiError> {
        let key = CaKey::generate_rsa()?;
        let subject = x509::name(&self.name, "agency")?;
        let issuer = Some((&self.certificate, &self.key));
        let kind = CertificateKind::RsaLeaf;
        let leaf = x509::certificate(kind, subject, &key, Validity::from_now(), issuer)?;
        Ok(RsaIssued {
            cert_pem: cert_pem(&leaf)?,
            key_pem: key.to_pem()?,
        })
    }

    /// Returns the authority's certificate, which everybody has as `ca.crt`.
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
