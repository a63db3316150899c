//! Parses strictly the parts of an X.509 certificate that the verifier needs.

use std::cell::OnceCell;

use der::asn1::{Any, AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use rustls::pki_types::{AlgorithmIdentifier, alg_id};
use x509_cert::certificate::{Certificate, Version};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::digest::digest;
use crate::oids::{
    ANY_PURPOSE, BASIC_CONSTRAINTS, CLIENT_AUTH, COMMON_NAME, COUNTRY, EC_PUBLIC_KEY, ECDSA_SHA256,
    ECDSA_SHA384, EXTENDED_KEY_USAGE, KEY_USAGE, LOCALITY, NAME_CONSTRAINTS, ORGANIZATION,
    ORGANIZATIONAL_UNIT, P256, P384, RSA_ENCRYPTION, RSA_SHA256, RSA_SHA384, RSA_SHA512, SECP256K1,
    SERVER_AUTH, SM2_CURVE, SM2_WITH_SM3, STATE,
};
use crate::role::{Role, role_of};

const SHORT_NAMES: [(ObjectIdentifier, &str); 6] = [
    (COMMON_NAME, "CN"),
    (COUNTRY, "C"),
    (LOCALITY, "L"),
    (STATE, "ST"),
    (ORGANIZATION, "O"),
    (ORGANIZATIONAL_UNIT, "OU"),
];

/// The longest certificate that is read, in bytes. Usual ones have about 800, with RSA keys of
/// 8,192 bits about 3,000.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// The maximum number of extensions of a certificate. Usual ones have at most six.
const MAX_EXTENSIONS: usize = 32;

/// The maximum number of parts of a name. Usual ones have four. Names are compared and put into
/// messages many times for one chain.
const MAX_NAME_PARTS: usize = 32;

/// The kinds of public key that are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyAlg {
    Secp256k1,
    P256,
    P384,
    Rsa,
}

impl KeyAlg {
    pub(crate) fn id(self) -> AlgorithmIdentifier {
        match self {
            Self::Secp256k1 => alg_id::ECDSA_P256K1,
            Self::P256 => alg_id::ECDSA_P256,
            Self::P384 => alg_id::ECDSA_P384,
            Self::Rsa => alg_id::RSA_ENCRYPTION,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Secp256k1 => "secp256k1",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Rsa => "RSA",
        }
    }
}

/// Why an algorithm of a certificate is unsupported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// SM2 or SM3.
    Guomi,
    /// Any other algorithm.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basic {
    pub(crate) ca: bool,
    pub(crate) path_len: Option<u8>,
}

/// The ends of a connection that extendedKeyUsage allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purposes {
    pub(crate) client: bool,
    pub(crate) server: bool,
}

/// The uses that keyUsage allows, of those that occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usages {
    pub(crate) digital_signature: bool,
    pub(crate) key_encipherment: bool,
    pub(crate) key_cert_sign: bool,
    pub(crate) crl_sign: bool,
}

pub(crate) struct Cert<'a> {
    x509: Certificate,
    /// The digest of the signed bytes and the signature, once it was needed.
    digest: OnceCell<[u8; 32]>,
    /// The signed bytes, unchanged.
    tbs: &'a [u8],
    /// X.509 v3, the only version that can carry extensions.
    pub(crate) v3: bool,
    /// Seconds since 1970.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) key_alg: Result<KeyAlg, Unusable>,
    pub(crate) sig_alg: Result<AlgorithmIdentifier, Unusable>,
    pub(crate) basic: Option<Basic>,
    /// `None` means that there is no keyUsage, and every use is allowed.
    pub(crate) usages: Option<Usages>,
    pub(crate) purposes: Option<Purposes>,
    /// The dotted identifier of an extension that must not be ignored but is not supported.
    pub(crate) unhandled: Option<String>,
}

impl<'a> Cert<'a> {
    /// Parses one certificate; the error text describes the problem.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, String> {
        if der.len() > MAX_CERTIFICATE {
            return Err(format!(
                "it has {} bytes, the limit is {MAX_CERTIFICATE}",
                der.len()
            ));
        }
        let not_x509 = |e: der::Error| format!("not an X.509 certificate ({e})");
        let x509 = Certificate::from_der(der).map_err(not_x509)?;
        let tbs = signed_part(der).map_err(not_x509)?;
        let fields = x509.tbs_certificate();
        // RFC 5280 section 4.1.1.2. Without this check the unsigned outer identifier could differ
        // from the signed one.
        if fields.signature() != x509.signature_algorithm() {
            return Err("its two signature algorithm fields differ".into());
        }
        for name in [fields.subject(), fields.issuer()] {
            if name.iter().nth(MAX_NAME_PARTS).is_some() {
                return Err(format!("it has a name of more than {MAX_NAME_PARTS} parts"));
            }
        }
        let v3 = fields.version() == Version::V3;
        if !v3 && fields.extensions().is_some() {
            return Err("it has extensions but is not of version 3".into());
        }
        let key = fields.subject_public_key_info();
        if key.subject_public_key.as_bytes().is_none() || x509.signature().as_bytes().is_none() {
            return Err("its key or signature is not a whole number of bytes".into());
        }
        let validity = fields.validity();
        let mut cert = Cert {
            tbs,
            digest: OnceCell::new(),
            v3,
            not_before: seconds(validity.not_before),
            not_after: seconds(validity.not_after),
            key_alg: key_alg(&key.algorithm),
            sig_alg: sig_alg(x509.signature_algorithm()),
            basic: None,
            usages: None,
            purposes: None,
            unhandled: None,
            x509,
        };
        cert.read_extensions()?;
        Ok(cert)
    }

    fn read_extensions(&mut self) -> Result<(), String> {
        let extensions = self.x509.tbs_certificate().extensions();
        // Checked before each extension is compared with those before it.
        if extensions.map_or(0, |all| all.len()) > MAX_EXTENSIONS {
            return Err(format!("it has more than {MAX_EXTENSIONS} extensions"));
        }
        let mut seen = Vec::new();
        for ext in extensions.into_iter().flatten() {
            let id = ext.extn_id;
            if seen.contains(&id) {
                return Err(format!("the extension {id} occurs twice"));
            }
            seen.push(id);
            match id {
                BASIC_CONSTRAINTS => {
                    let value: BasicConstraints = value_of(ext, "basicConstraints")?;
                    self.basic = Some(Basic {
                        ca: value.ca,
                        path_len: value.path_len_constraint,
                    });
                }
                KEY_USAGE => {
                    let value: KeyUsage = value_of(ext, "keyUsage")?;
                    self.usages = Some(Usages {
                        digital_signature: value.digital_signature(),
                        key_encipherment: value.key_encipherment(),
                        key_cert_sign: value.key_cert_sign(),
                        crl_sign: value.crl_sign(),
                    });
                }
                EXTENDED_KEY_USAGE => {
                    let value: ExtendedKeyUsage = value_of(ext, "extendedKeyUsage")?;
                    let has = |purpose| value.0.iter().any(|p| *p == purpose || *p == ANY_PURPOSE);
                    self.purposes = Some(Purposes {
                        client: has(CLIENT_AUTH),
                        server: has(SERVER_AUTH),
                    });
                }
                // Name constraints are a limit that the CA set. Ignoring them would allow more than
                // the CA intended, whether they are critical or not.
                _ if ext.critical || id == NAME_CONSTRAINTS => {
                    self.unhandled.get_or_insert(id.to_string());
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn tbs(&self) -> &[u8] {
        self.tbs
    }

    pub(crate) fn signature(&self) -> &[u8] {
        self.x509.signature().raw_bytes()
    }

    /// Returns a digest of the signed bytes and the signature. It is needed once for each possible
    /// issuer, so it is stored.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        let make = || digest(&[self.tbs(), self.signature()]);
        self.digest.get_or_init(make)
    }

    pub(crate) fn serial(&self) -> &[u8] {
        self.x509.tbs_certificate().serial_number().as_bytes()
    }

    /// Returns the public key itself: a SEC1 point or a PKCS#1 RSAPublicKey.
    pub(crate) fn key_bits(&self) -> &[u8] {
        let key = self.x509.tbs_certificate().subject_public_key_info();
        key.subject_public_key.raw_bytes()
    }

    pub(crate) fn subject(&self) -> &Name {
        self.x509.tbs_certificate().subject()
    }

    pub(crate) fn issuer(&self) -> &Name {
        self.x509.tbs_certificate().issuer()
    }

    pub(crate) fn subject_line(&self) -> String {
        one_line(self.subject())
    }

    pub(crate) fn issuer_line(&self) -> String {
        one_line(self.issuer())
    }

    pub(crate) fn subject_cn(&self) -> Option<String> {
        common_name(self.subject())
    }

    pub(crate) fn issuer_cn(&self) -> Option<String> {
        common_name(self.issuer())
    }

    /// Returns whether it is the same certificate, by its signed bytes and its signature.
    pub(crate) fn is_same(&self, other: &Cert<'_>) -> bool {
        self.tbs == other.tbs && self.signature() == other.signature()
    }

    pub(crate) fn role(&self) -> Role {
        role_of(self.subject())
    }

    pub(crate) fn is_guomi(&self) -> bool {
        self.key_alg == Err(Unusable::Guomi) || self.sig_alg == Err(Unusable::Guomi)
    }
}

/// Returns the first element of a certificate or revocation list, header included. It is taken from
/// the input, because encoding the parsed form again could give other bytes.
pub(crate) fn signed_part(der: &[u8]) -> der::Result<&[u8]> {
    let whole = AnyRef::from_der(der)?;
    SliceReader::new(whole.value())?.tlv_bytes()
}

fn value_of<'a, T: Decode<'a>>(ext: &'a Extension, name: &str) -> Result<T, String> {
    T::from_der(ext.extn_value.as_bytes()).map_err(|_| format!("its {name} extension is malformed"))
}

pub(crate) fn seconds(time: x509_cert::time::Time) -> i64 {
    // X.509 dates end with the year 9999, and der has none before 1970.
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

fn key_alg(alg: &AlgorithmIdentifierOwned) -> Result<KeyAlg, Unusable> {
    match alg.oid {
        RSA_ENCRYPTION => Ok(KeyAlg::Rsa),
        EC_PUBLIC_KEY => {
            let curve = alg.parameters.as_ref().map(Any::decode_as);
            match curve {
                Some(Ok(SECP256K1)) => Ok(KeyAlg::Secp256k1),
                Some(Ok(P256)) => Ok(KeyAlg::P256),
                Some(Ok(P384)) => Ok(KeyAlg::P384),
                Some(Ok(SM2_CURVE)) => Err(Unusable::Guomi),
                _ => Err(Unusable::Unknown),
            }
        }
        _ => Err(Unusable::Unknown),
    }
}

pub(crate) fn sig_alg(alg: &AlgorithmIdentifierOwned) -> Result<AlgorithmIdentifier, Unusable> {
    let id = match alg.oid {
        ECDSA_SHA256 => alg_id::ECDSA_SHA256,
        ECDSA_SHA384 => alg_id::ECDSA_SHA384,
        RSA_SHA256 => alg_id::RSA_PKCS1_SHA256,
        RSA_SHA384 => alg_id::RSA_PKCS1_SHA384,
        RSA_SHA512 => alg_id::RSA_PKCS1_SHA512,
        SM2_WITH_SM3 => return Err(Unusable::Guomi),
        _ => return Err(Unusable::Unknown),
    };
    // None of these algorithms has parameters; RSA writes this as NULL.
    match &alg.parameters {
        Some(any) if any.tag() != Tag::Null => Err(Unusable::Unknown),
        _ => Ok(id),
    }
}

/// The longest name in a message, in characters.
const NAME_LIMIT: usize = 256;

/// Returns a name for people, e.g. `CN=agency, O=fisco-bcos`. Characters that are invisible or
/// change the reading direction are escaped, as `amop_proto::log::OneLine` does, so that a peer's
/// certificate cannot write arbitrary text into a log.
pub(crate) fn one_line(name: &Name) -> String {
    let mut line = String::new();
    for part in name.iter() {
        // Text beyond this length is cut off below.
        if line.len() > 4 * NAME_LIMIT {
            break;
        }
        if !line.is_empty() {
            line.push_str(", ");
        }
        match SHORT_NAMES.iter().find(|(oid, _)| *oid == part.oid) {
            Some((_, short)) => line.push_str(short),
            None => line.push_str(&part.oid.to_string()),
        }
        line.push('=');
        let value = part.value.value();
        let value = &value[..value.len().min(4 * NAME_LIMIT)];
        for c in String::from_utf8_lossy(value).chars() {
            if c.is_control() || c.escape_debug().len() > 2 {
                line.extend(c.escape_debug());
            } else {
                line.push(c);
            }
        }
    }
    if line.is_empty() {
        return "(no name)".into();
    }
    line.chars().take(NAME_LIMIT).collect()
}

fn common_name(name: &Name) -> Option<String> {
    name.iter()
        .find(|part| part.oid == COMMON_NAME)
        .and_then(|part| std::str::from_utf8(part.value.value()).ok())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
