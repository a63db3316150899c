//! DER of the certificates: version 1 without extensions, or version 3.
//!
//! `x509-cert` has the parts but cannot build a version 1 certificate, so the two outermost
//! structures are defined here.

use aws_lc_rs::digest;
use aws_lc_rs::rand;
use der::asn1::{Any, BitString, OctetString, Utf8StringRef};
use der::{Decode, Encode, Sequence};
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::Version;
use x509_cert::crl::RevokedCert;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity as X509Validity};

use super::error::PkiError;
use super::keys::{self, CaKey};
use super::validity::Validity;
use crate::oids::{COMMON_NAME, ORGANIZATION, ORGANIZATIONAL_UNIT};
use crate::revoke;

#[derive(Sequence)]
struct TbsCertificate {
    #[asn1(context_specific = "0", default = "Default::default")]
    version: Version,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: X509Validity,
    subject: Name,
    subject_public_key_info: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Sequence)]
struct SignedCertificate {
    tbs: TbsCertificate,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// The kind of certificate to create.
#[derive(Clone, Copy)]
pub(super) enum CertificateKind {
    /// Version 1, no extensions.
    V1,
    /// Version 3, basicConstraints CA:TRUE (not critical).
    Agency,
    /// Version 3, basicConstraints CA:FALSE and keyUsage.
    Leaf,
    /// Version 3, basicConstraints CA:FALSE and no keyUsage, as in 3.x chains.
    RsaLeaf,
}

/// Creates a certificate for `subject_key`, signed by `issuer`, or by itself if that is `None`.
pub(super) fn certificate(
    shape: CertificateKind,
    subject: Name,
    subject_key: &CaKey,
    validity: Validity,
    issuer: Option<(&Certificate, &CaKey)>,
) -> Result<Certificate, PkiError> {
    let spki = subject_key.spki()?;
    let extensions = match (shape, issuer) {
        (CertificateKind::V1, _) => None,
        (shape, issuer) => Some(extensions(shape, &spki, issuer.map(|(cert, _)| cert))?),
    };
    let signer = issuer.map_or(subject_key, |(_, key)| key);
    let algorithm = signer.signature_algorithm();
    let tbs = TbsCertificate {
        version: match shape {
            CertificateKind::V1 => Version::V1,
            CertificateKind::Agency | CertificateKind::Leaf | CertificateKind::RsaLeaf => {
                Version::V3
            }
        },
        serial_number: serial_number()?,
        signature: algorithm.clone(),
        issuer: issuer.map_or_else(
            || subject.clone(),
            |(cert, _)| cert.tbs_certificate().subject().clone(),
        ),
        validity: x509_validity(validity)?,
        subject,
        subject_public_key_info: spki,
        extensions,
    };
    let signature = BitString::from_bytes(&signer.sign(&tbs.to_der()?)?)?;
    let signed = SignedCertificate {
        tbs,
        algorithm,
        signature,
    };
    Ok(Certificate::from_der(&signed.to_der()?)?)
}

/// Creates the list of certificates that an authority has revoked, in PEM. `validity` is the period
/// from the list's date to the date of the next.
pub(super) fn revocation_list(
    issuer: &Certificate,
    key: &CaKey,
    revoked: &[Certificate],
    validity: Validity,
) -> Result<String, PkiError> {
    let validity = x509_validity(validity)?;
    let algorithm = key.signature_algorithm();
    let entry = |certificate: &Certificate| RevokedCert {
        serial_number: certificate.tbs_certificate().serial_number().clone(),
        revocation_date: validity.not_before,
        crl_entry_extensions: None,
    };
    let tbs = revoke::TbsList {
        version: Some(Version::V2),
        signature: algorithm.clone(),
        issuer: issuer.tbs_certificate().subject().clone(),
        this_update: validity.not_before,
        next_update: Some(validity.not_after),
        // The standard requires no list instead of an empty one.
        revoked: (!revoked.is_empty()).then(|| revoked.iter().map(entry).collect()),
        extensions: None,
    };
    let signature = BitString::from_bytes(&key.sign(&tbs.to_der()?)?)?;
    let signed = revoke::SignedList {
        tbs,
        algorithm,
        signature,
    };
    keys::to_pem("X509 CRL", &signed.to_der()?)
}

/// Returns `CN=<common_name>, O=fisco-bcos, OU=<unit>`, as UTF8Strings like OpenSSL's.
pub(super) fn name(common_name: &str, unit: &str) -> Result<Name, PkiError> {
    name_of([common_name, "fisco-bcos", unit])
}

/// Returns a name of CN, O and OU.
pub(super) fn name_of(values: [&str; 3]) -> Result<Name, PkiError> {
    let mut rdns = RdnSequence::default();
    let oids = [COMMON_NAME, ORGANIZATION, ORGANIZATIONAL_UNIT];
    for (oid, value) in oids.into_iter().zip(values) {
        let mut rdn = RelativeDistinguishedName::default();
        rdn.insert(AttributeTypeAndValue {
            oid,
            value: Any::from(Utf8StringRef::new(value)?),
        })?;
        rdns.push(rdn);
    }
    Ok(Name::from_der(&rdns.to_der()?)?)
}

fn extensions(
    shape: CertificateKind,
    spki: &SubjectPublicKeyInfoOwned,
    issuer: Option<&Certificate>,
) -> Result<Extensions, PkiError> {
    let constraints = BasicConstraints {
        ca: matches!(shape, CertificateKind::Agency),
        path_len_constraint: None,
    };
    let mut list = vec![extension(&constraints)?];
    if matches!(shape, CertificateKind::Leaf) {
        list.push(extension(&KeyUsage(
            KeyUsages::DigitalSignature | KeyUsages::NonRepudiation | KeyUsages::KeyEncipherment,
        ))?);
    }
    list.push(extension(&SubjectKeyIdentifier(key_identifier(spki)?))?);
    if let Some(issuer) = issuer {
        list.push(extension(&authority_key_identifier(issuer)?)?);
    }
    Ok(list)
}

/// Returns an extension. None of the chain's extensions is critical.
fn extension<T: Encode + der::oid::AssociatedOid>(value: &T) -> Result<Extension, PkiError> {
    Ok(Extension {
        extn_id: T::OID,
        critical: false,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}

/// Returns the identifier of an issuer. An issuer without a key identifier (the version 1 root) is
/// identified by its own issuer and serial number, as in OpenSSL 3.
fn authority_key_identifier(issuer: &Certificate) -> Result<AuthorityKeyIdentifier, PkiError> {
    let tbs = issuer.tbs_certificate();
    let own: Option<(bool, SubjectKeyIdentifier)> = tbs.get_extension()?;
    Ok(match own {
        Some((_, identifier)) => AuthorityKeyIdentifier {
            key_identifier: Some(identifier.0),
            ..Default::default()
        },
        None => AuthorityKeyIdentifier {
            key_identifier: None,
            authority_cert_issuer: Some(vec![GeneralName::DirectoryName(tbs.issuer().clone())]),
            authority_cert_serial_number: Some(tbs.serial_number().clone()),
        },
    })
}

/// RFC 5280 section 4.2.1.2 method 1. SHA-1 only identifies the key here and protects nothing.
fn key_identifier(spki: &SubjectPublicKeyInfoOwned) -> Result<OctetString, PkiError> {
    let bits = spki.subject_public_key.raw_bytes();
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bits);
    Ok(OctetString::new(hash.as_ref())?)
}

fn serial_number() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 20];
    rand::fill(&mut bytes).map_err(|_| PkiError::Crypto("draw a serial number"))?;
    // The number is positive, and always 20 bytes long.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::new(&bytes)?)
}

fn x509_validity(validity: Validity) -> Result<X509Validity, PkiError> {
    if validity.not_after < validity.not_before {
        return Err(PkiError::Validity("it ends before it begins"));
    }
    let time = |time| {
        Time::try_from(time).map_err(|_| PkiError::Validity("dates must lie in 1970 to 9999"))
    };
    Ok(X509Validity::new(
        time(validity.not_before)?,
        time(validity.not_after)?,
    ))
}
