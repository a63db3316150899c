//! [`Agency`]: an agency of a chain.

use x509_cert::Certificate;

use super::error::PkiError;
use super::files::{cert_pem, check_pair, first_certificate};
use super::keys::CaKey;
use super::leaf::{Issued, Leaf};
use super::name::check_name;
use super::validity::Validity;
use super::x509::{self, CertificateKind};

/// An agency below a chain's root: secp256k1, X.509 v3, CA:TRUE.
#[derive(Debug)]
pub struct Agency {
    certificate: Certificate,
    key: CaKey,
    cert_pem: String,
    /// The agencies between this one and the root, if there are any.
    above_pem: String,
    root_pem: String,
}

impl Agency {
    /// Loads an agency from `agency.crt`, `agency.key` and the root's `ca.crt`.
    ///
    /// If a certificate file has several certificates, the first one is used.
    ///
    /// # Errors
    /// If the texts are not PEM, not secp256k1, the key belongs to another certificate, or the
    /// agency to another root.
    pub fn from_pem(root_pem: &str, agency_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let root = first_certificate(root_pem)?;
        let certificate = first_certificate(agency_pem)?;
        let key = CaKey::ec_from_pem(key_pem)?;
        check_pair(&certificate, &key)?;
        if certificate.tbs_certificate().issuer() != root.tbs_certificate().subject() {
            return Err(PkiError::Certificate(format!(
                "the agency was issued by {}, not by {}",
                certificate.tbs_certificate().issuer(),
                root.tbs_certificate().subject()
            )));
        }
        Self::assemble(certificate, key, cert_pem(&root)?)
    }

    pub(super) fn assemble(
        certificate: Certificate,
        key: CaKey,
        root_pem: String,
    ) -> Result<Self, PkiError> {
        let cert_pem = cert_pem(&certificate)?;
        Ok(Self {
            certificate,
            key,
            cert_pem,
            above_pem: String::new(),
            root_pem,
        })
    }

    /// Creates an agency below this one; the chains of the deployment script do not have this.
    ///
    /// # Errors
    /// If the chain would not accept the name, or the random source fails.
    pub fn agency(&self, name: &str) -> Result<Self, PkiError> {
        check_name(name)?;
        let key = CaKey::generate_ec()?;
        let subject = x509::name(name, "agency")?;
        let issuer = Some((&self.certificate, &self.key));
        let validity = Validity::from_now();
        let certificate =
            x509::certificate(CertificateKind::Agency, subject, &key, validity, issuer)?;
        let below = Self::assemble(certificate, key, self.root_pem.clone())?;
        Ok(Self {
            above_pem: [self.cert_pem.as_str(), &self.above_pem].concat(),
            ..below
        })
    }

    /// Creates a leaf for a node or an SDK, valid from now on for 36500 days.
    ///
    /// # Errors
    /// If the chain would not accept the name, or the random source fails.
    pub fn issue(&self, leaf: Leaf, name: &str) -> Result<Issued, PkiError> {
        self.issue_with(leaf, name, Validity::from_now())
    }

    /// Creates a leaf with the given dates, for example an expired one.
    ///
    /// # Errors
    /// Those of [`Agency::issue`], and dates out of order or outside 1970 to 9999.
    pub fn issue_with(
        &self,
        leaf: Leaf,
        name: &str,
        validity: Validity,
    ) -> Result<Issued, PkiError> {
        self.issue_as(leaf.unit(), name, validity)
    }

    /// Creates a leaf with any OU, for owners other than `node` and `sdk`.
    ///
    /// # Errors
    /// Those of [`Agency::issue_with`].
    pub fn issue_as(&self, unit: &str, name: &str, validity: Validity) -> Result<Issued, PkiError> {
        check_name(name)?;
        self.issue_unchecked(unit, name, validity)
    }

    /// Does the same as [`Agency::issue_as`], with any text as the name, as another agency may use
    /// it.
    ///
    /// # Errors
    /// Those of [`Agency::issue_with`], except for the name.
    pub fn issue_unchecked(
        &self,
        unit: &str,
        name: &str,
        validity: Validity,
    ) -> Result<Issued, PkiError> {
        let key = CaKey::generate_ec_leaf()?;
        let subject = x509::name(name, unit)?;
        let issuer = Some((&self.certificate, &self.key));
        let certificate =
            x509::certificate(CertificateKind::Leaf, subject, &key, validity, issuer)?;
        let leaf_pem = cert_pem(&certificate)?;
        Ok(Issued {
            cert_pem: [&leaf_pem, &self.cert_pem, &self.above_pem, &self.root_pem]
                .map(String::as_str)
                .concat(),
            key_pem: key.to_pem()?,
            public_key: key
                .public_point()
                .ok_or(PkiError::Crypto("read a public key"))?,
        })
    }

    /// Creates the list of certificates that this agency has revoked: the first certificate of each
    /// text, in PEM. `validity` is the period from the date of this list to the date of the next.
    ///
    /// # Errors
    /// If a text has no certificate, or dates are out of order or outside 1970 to 9999.
    pub fn revoke(&self, revoked: &[&str], validity: Validity) -> Result<String, PkiError> {
        let revoked = revoked.iter().map(|pem| first_certificate(pem));
        let revoked = revoked.collect::<Result<Vec<_>, _>>()?;
        x509::revocation_list(&self.certificate, &self.key, &revoked, validity)
    }

    /// Returns the agency's own certificate.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// Returns the root certificate above it, the content of every `ca.crt` of the chain.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Returns the agency's key, as unencrypted PKCS#8. A secret.
    ///
    /// # Errors
    /// Only if the key cannot be encoded.
    pub fn key_pem(&self) -> Result<String, PkiError> {
        self.key.to_pem()
    }
}
