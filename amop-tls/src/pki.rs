//! Creates certificates like those of a FISCO BCOS 2.x chain.
//!
//! The chain's deployment script calls OpenSSL; this module creates certificates of the same form
//! without it, for development networks and tests. These certificates are unusual: the roots, and
//! all certificates in RSA mode, are X.509 v1 without extensions, none has a subjectAltName, and
//! they are valid until after 2050 (channel-v2 section 2.3).
//!
//! ```
//! use amop_tls::pki::{Authority, Leaf};
//!
//! # fn main() -> Result<(), amop_tls::pki::PkiError> {
//! let chain = Authority::new_ec("chain")?;
//! let agency = chain.agency("agency")?;
//! let node = agency.issue(Leaf::Node, "node0")?;
//! // Leaf, agency and root, in this order.
//! assert_eq!(node.cert_pem.matches("BEGIN CERTIFICATE").count(), 3);
//! assert_eq!(node.node_id().len(), 128);
//! # Ok(())
//! # }
//! ```
//!
//! Keys are returned as unencrypted PKCS#8. This module writes no files.

mod keys;
mod rsa;
mod x509;

use std::fmt;
use std::time::{Duration, SystemTime};

use der::{Encode, oid::ObjectIdentifier};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use self::keys::CaKey;
pub use self::rsa::{RsaAuthority, RsaIssued};
use self::x509::CertificateKind;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The limit of X.520 for a common name.
const MAX_NAME: usize = 64;

/// Why a certificate could not be created or loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PkiError {
    /// The cryptographic library failed, which does not happen on a sound machine.
    #[error("could not {0}: the cryptographic library reported an unspecified failure")]
    Crypto(&'static str),
    /// A structure could not be encoded or decoded.
    #[error("certificate encoding: {0}")]
    Encoding(#[from] der::Error),
    /// A certificate file has the wrong content.
    #[error("certificate: {0}")]
    Certificate(String),
    /// A key file has the wrong content.
    #[error("private key: {0}")]
    Key(String),
    /// A certificate and a key do not belong together.
    #[error(
        "the private key does not belong to the certificate; check that both come from the same folder"
    )]
    Mismatch,
    /// The name is invalid; the chain's script would refuse it, too.
    #[error(
        "the name {0:?} is not allowed in a certificate; use 1 to 64 of A-Z a-z 0-9 . _ - and not only dots"
    )]
    Name(String),
    /// The dates cannot be expressed in a certificate.
    #[error("validity: {0}")]
    Validity(&'static str),
}

/// The period in which a certificate is valid, with a resolution of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment of validity.
    pub not_before: SystemTime,
    /// The last moment of validity.
    pub not_after: SystemTime,
}

impl Validity {
    /// The validity of all certificates of the chain's script: 36500 days.
    pub const CHAIN_DEFAULT: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

    /// Returns the chain's default validity, starting at `now`.
    pub fn starting(now: SystemTime) -> Self {
        Self {
            not_before: now,
            not_after: now.checked_add(Self::CHAIN_DEFAULT).unwrap_or(now),
        }
    }

    fn from_now() -> Self {
        Self::starting(SystemTime::now())
    }
}

/// The owner of a leaf certificate; it decides the OU of the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// A node: `OU=node`.
    Node,
    /// An SDK: `OU=sdk`.
    Sdk,
}

impl Leaf {
    fn unit(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Sdk => "sdk",
        }
    }
}

/// The root of a chain: secp256k1, X.509 v1, `CN=<name>, O=fisco-bcos, OU=chain`.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    key: CaKey,
    cert_pem: String,
}

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

/// A secp256k1 leaf with its key.
#[derive(Clone)]
#[non_exhaustive]
pub struct Issued {
    /// The leaf followed by its issuers up to the root, the content of `node.crt` and `sdk.crt`.
    pub cert_pem: String,
    /// The key, as unencrypted PKCS#8. A secret.
    pub key_pem: String,
    /// x and y of the public key, big-endian: a node's identity.
    pub public_key: [u8; 64],
}

impl Issued {
    /// Returns the public key as 128 lower-case hexadecimal digits, the content of `node.nodeid`
    /// and `sdk.publickey`.
    pub fn node_id(&self) -> String {
        hex(&self.public_key)
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("public_key", &self.node_id())
            .finish_non_exhaustive()
    }
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

    fn assemble(certificate: Certificate, key: CaKey, root_pem: String) -> Result<Self, PkiError> {
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

/// Checks a name for a certificate; a valid name is also a safe file name.
///
/// The chain's script accepts the same names: 1 to 64 of `A-Z a-z 0-9 . _ -`; in addition, names of
/// only dots are refused here.
///
/// # Errors
/// [`PkiError::Name`] with the name.
pub fn check_name(name: &str) -> Result<(), PkiError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let ok = !name.is_empty()
        && name.len() <= MAX_NAME
        && name.bytes().all(allowed)
        && name.bytes().any(|b| b != b'.');
    if ok {
        Ok(())
    } else {
        Err(PkiError::Name(name.chars().take(2 * MAX_NAME).collect()))
    }
}

fn check_pair(certificate: &Certificate, key: &CaKey) -> Result<(), PkiError> {
    let spki = certificate.tbs_certificate().subject_public_key_info();
    if *spki == key.spki()? {
        Ok(())
    } else {
        Err(PkiError::Mismatch)
    }
}

fn first_certificate(pem: &str) -> Result<Certificate, PkiError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| PkiError::Certificate(format!("no PEM certificate found: {e}")))?;
    Ok(Certificate::from_der(&der)?)
}

fn cert_pem(certificate: &Certificate) -> Result<String, PkiError> {
    keys::to_pem("CERTIFICATE", &certificate.to_der()?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
