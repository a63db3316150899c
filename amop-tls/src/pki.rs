//! Certificates as a FISCO BCOS 2.x chain makes them.
//!
//! The chain's layout script calls OpenSSL; this module makes certificates of the
//! same shape without it, for development networks and tests. They are unusual:
//! the roots, and everything in RSA mode, are X.509 v1 without extensions, nothing
//! carries a subjectAltName, and validity runs to beyond 2050 (channel-v2 section
//! 2.3).
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
//! Keys come out as unencrypted PKCS#8. Nothing here writes files.

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

use self::keys::Key;
pub use self::rsa::{RsaAuthority, RsaIssued};
use self::x509::Shape;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// X.520's limit for a common name.
const MAX_NAME: usize = 64;

/// Why a certificate could not be made or loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PkiError {
    /// The cryptographic library failed, which on a sound machine it does not.
    #[error("could not {0}: the cryptographic library reported an unspecified failure")]
    Crypto(&'static str),
    /// A structure could not be encoded or decoded.
    #[error("certificate encoding: {0}")]
    Encoding(#[from] der::Error),
    /// A certificate file does not hold what it should.
    #[error("certificate: {0}")]
    Certificate(String),
    /// A key file does not hold what it should.
    #[error("private key: {0}")]
    Key(String),
    /// A certificate and a key that do not belong together.
    #[error(
        "the private key does not belong to the certificate; check that both come from the same folder"
    )]
    Mismatch,
    /// A name that the chain's script would refuse, too.
    #[error(
        "the name {0:?} is not allowed in a certificate; use 1 to 64 of A-Z a-z 0-9 . _ - and not only dots"
    )]
    Name(String),
    /// Dates that a certificate cannot express.
    #[error("validity: {0}")]
    Validity(&'static str),
}

/// From when until when a certificate is valid; certificates count in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First moment of validity.
    pub not_before: SystemTime,
    /// Last moment of validity.
    pub not_after: SystemTime,
}

impl Validity {
    /// What the chain's script gives every certificate: 36500 days.
    pub const CHAIN_DEFAULT: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

    /// The chain's default, starting at `now`.
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

/// What a leaf certificate is for; it decides the OU of its subject.
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
    key: Key,
    cert_pem: String,
}

/// An agency below a chain's root: secp256k1, X.509 v3, CA:TRUE.
#[derive(Debug)]
pub struct Agency {
    certificate: Certificate,
    key: Key,
    cert_pem: String,
    /// Of the agencies between it and the root, if there are any.
    above_pem: String,
    root_pem: String,
}

/// A secp256k1 leaf with its key.
#[derive(Clone)]
#[non_exhaustive]
pub struct Issued {
    /// The leaf followed by its issuers up to the root, what `node.crt` and
    /// `sdk.crt` hold.
    pub cert_pem: String,
    /// The key, as unencrypted PKCS#8. A secret.
    pub key_pem: String,
    /// x and y of the public key, big-endian: a node's identity.
    pub public_key: [u8; 64],
}

impl Issued {
    /// The public key as 128 lower-case hexadecimal digits, what `node.nodeid` and
    /// `sdk.publickey` hold.
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
    /// Makes the root of a new chain, valid from now on for the chain's 36500 days.
    ///
    /// # Errors
    /// A name the chain would not accept, or a failing random source.
    pub fn new_ec(common_name: &str) -> Result<Self, PkiError> {
        Self::new_ec_with(common_name, Validity::from_now())
    }

    /// Makes the root of a new chain with dates of your choice.
    ///
    /// # Errors
    /// As [`Authority::new_ec`], and dates out of order or outside 1970 to 9999.
    pub fn new_ec_with(common_name: &str, validity: Validity) -> Result<Self, PkiError> {
        check_name(common_name)?;
        let key = Key::generate_ec()?;
        let subject = x509::name(common_name, "chain")?;
        let certificate = x509::certificate(Shape::V1, subject, &key, validity, None)?;
        Self::assemble(certificate, key)
    }

    /// Loads a root from its `ca.crt` and `ca.key`.
    ///
    /// # Errors
    /// Not PEM, not secp256k1, or a key of another certificate.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let certificate = first_certificate(cert_pem)?;
        let key = Key::ec_from_pem(key_pem)?;
        check_pair(&certificate, &key)?;
        Self::assemble(certificate, key)
    }

    fn assemble(certificate: Certificate, key: Key) -> Result<Self, PkiError> {
        let cert_pem = cert_pem(&certificate)?;
        Ok(Self {
            certificate,
            key,
            cert_pem,
        })
    }

    /// Makes an agency below this root.
    ///
    /// # Errors
    /// A name the chain would not accept, or a failing random source.
    pub fn agency(&self, name: &str) -> Result<Agency, PkiError> {
        self.agency_with(name, Validity::from_now())
    }

    /// Makes an agency with dates of your choice.
    ///
    /// # Errors
    /// As [`Authority::agency`], and dates out of order or outside 1970 to 9999.
    pub fn agency_with(&self, name: &str, validity: Validity) -> Result<Agency, PkiError> {
        check_name(name)?;
        let key = Key::generate_ec()?;
        let subject = x509::name(name, "agency")?;
        let issuer = Some((&self.certificate, &self.key));
        let certificate = x509::certificate(Shape::Agency, subject, &key, validity, issuer)?;
        Agency::assemble(certificate, key, self.cert_pem.clone())
    }

    /// Makes the list of certificates this root has revoked: the first one of each text, in PEM.
    /// `validity` is from the list's date to the date of the next.
    ///
    /// # Errors
    /// A text without a certificate, or dates out of order or outside 1970 to 9999.
    pub fn revoke(&self, revoked: &[&str], validity: Validity) -> Result<String, PkiError> {
        let revoked = revoked.iter().map(|pem| first_certificate(pem));
        let revoked = revoked.collect::<Result<Vec<_>, _>>()?;
        x509::revocation_list(&self.certificate, &self.key, &revoked, validity)
    }

    /// The root certificate, what every `ca.crt` of the chain holds.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The root's key, as unencrypted PKCS#8. A secret.
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
    /// Of a certificate file with several certificates the first counts.
    ///
    /// # Errors
    /// Not PEM, not secp256k1, a key of another certificate, or another root.
    pub fn from_pem(root_pem: &str, agency_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let root = first_certificate(root_pem)?;
        let certificate = first_certificate(agency_pem)?;
        let key = Key::ec_from_pem(key_pem)?;
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

    fn assemble(certificate: Certificate, key: Key, root_pem: String) -> Result<Self, PkiError> {
        let cert_pem = cert_pem(&certificate)?;
        Ok(Self {
            certificate,
            key,
            cert_pem,
            above_pem: String::new(),
            root_pem,
        })
    }

    /// Makes an agency below this one, which real chains do not have.
    ///
    /// # Errors
    /// A name the chain would not accept, or a failing random source.
    pub fn agency(&self, name: &str) -> Result<Self, PkiError> {
        check_name(name)?;
        let key = Key::generate_ec()?;
        let subject = x509::name(name, "agency")?;
        let issuer = Some((&self.certificate, &self.key));
        let validity = Validity::from_now();
        let certificate = x509::certificate(Shape::Agency, subject, &key, validity, issuer)?;
        let below = Self::assemble(certificate, key, self.root_pem.clone())?;
        Ok(Self {
            above_pem: [self.cert_pem.as_str(), &self.above_pem].concat(),
            ..below
        })
    }

    /// Makes a leaf for a node or an SDK, valid from now on for 36500 days.
    ///
    /// # Errors
    /// A name the chain would not accept, or a failing random source.
    pub fn issue(&self, leaf: Leaf, name: &str) -> Result<Issued, PkiError> {
        self.issue_with(leaf, name, Validity::from_now())
    }

    /// Makes a leaf with dates of your choice, say an expired one.
    ///
    /// # Errors
    /// As [`Agency::issue`], and dates out of order or outside 1970 to 9999.
    pub fn issue_with(
        &self,
        leaf: Leaf,
        name: &str,
        validity: Validity,
    ) -> Result<Issued, PkiError> {
        self.issue_as(leaf.unit(), name, validity)
    }

    /// Makes a leaf with an OU of your choice, for what is neither called `node` nor `sdk`.
    ///
    /// # Errors
    /// As [`Agency::issue_with`].
    pub fn issue_as(&self, unit: &str, name: &str, validity: Validity) -> Result<Issued, PkiError> {
        check_name(name)?;
        self.issue_unchecked(unit, name, validity)
    }

    /// As [`Agency::issue_as`], with any text as the name: what a foreign agency may put there.
    ///
    /// # Errors
    /// As [`Agency::issue_with`], but for the name.
    pub fn issue_unchecked(
        &self,
        unit: &str,
        name: &str,
        validity: Validity,
    ) -> Result<Issued, PkiError> {
        let key = Key::generate_ec_leaf()?;
        let subject = x509::name(name, unit)?;
        let issuer = Some((&self.certificate, &self.key));
        let certificate = x509::certificate(Shape::Leaf, subject, &key, validity, issuer)?;
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

    /// Makes the list of certificates this agency has revoked: the first one of each text, in PEM.
    /// `validity` is from the list's date to the date of the next.
    ///
    /// # Errors
    /// A text without a certificate, or dates out of order or outside 1970 to 9999.
    pub fn revoke(&self, revoked: &[&str], validity: Validity) -> Result<String, PkiError> {
        let revoked = revoked.iter().map(|pem| first_certificate(pem));
        let revoked = revoked.collect::<Result<Vec<_>, _>>()?;
        x509::revocation_list(&self.certificate, &self.key, &revoked, validity)
    }

    /// The agency's own certificate.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The root certificate above it, what every `ca.crt` of the chain holds.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// The agency's key, as unencrypted PKCS#8. A secret.
    ///
    /// # Errors
    /// Only if the key cannot be encoded.
    pub fn key_pem(&self) -> Result<String, PkiError> {
        self.key.to_pem()
    }
}

/// Reads the public key of the first certificate in `cert_pem`: x and y on
/// secp256k1, which is a node's identity, or `None` for RSA.
///
/// # Errors
/// No certificate in it, or a key of neither kind.
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

/// Checks a name for use in a certificate, which also makes it a safe file name.
///
/// The chain's script accepts the same ones: 1 to 64 of `A-Z a-z 0-9 . _ -`; only
/// dots are refused in addition.
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

fn check_pair(certificate: &Certificate, key: &Key) -> Result<(), PkiError> {
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
