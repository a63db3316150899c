//! [`TlsError`]: why a certificate folder is not usable.

use std::io;

/// Why a folder's certificates or key are not usable.
///
/// Every variant names the file, and the subject of the certificate if it is about one. For material that is not from a file, the name says which argument
/// it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file does not exist.
    #[error("{file} does not exist; copy it from the chain's deployment (nodes/<ip>/sdk or conf)")]
    Missing {
        /// The path of the file.
        file: String,
    },
    /// A file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// The path of the file.
        file: String,
        /// The error of the system.
        source: io::Error,
    },
    /// A file is larger than any valid certificate file.
    #[error("{file} is larger than {limit} bytes, the limit for a file of its kind")]
    TooLarge {
        /// The path of the file.
        file: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file has no PEM section, or a damaged one.
    #[error("{file} is not a PEM file: {detail}")]
    NotPem {
        /// The name of the file.
        file: String,
        /// The problem.
        detail: String,
    },
    /// The file is PEM but has no certificate.
    #[error("{file} contains no certificate (no BEGIN CERTIFICATE section)")]
    NoCertificate {
        /// The name of the file.
        file: String,
    },
    /// The file is PEM but has no private key.
    #[error(
        "{file} contains no private key (no BEGIN PRIVATE KEY, EC PRIVATE KEY or \
         RSA PRIVATE KEY section)"
    )]
    NoKey {
        /// The name of the file.
        file: String,
    },
    /// The private key is encrypted.
    #[error(
        "the private key in {file} is encrypted; decrypt it with \
         `openssl pkey -in {file} -out plain.key`, which asks for its password"
    )]
    EncryptedKey {
        /// The name of the file.
        file: String,
    },
    /// A certificate is not usable.
    #[error(
        "certificate {position} in {file}{} cannot be used: {detail}",
        shown(subject.as_deref())
    )]
    BadCertificate {
        /// The name of the file.
        file: String,
        /// The subject of the certificate, if it can be read.
        subject: Option<String>,
        /// The number of the certificate, counted from 1.
        position: usize,
        /// The problem.
        detail: String,
    },
    /// The private key is not usable.
    #[error("the private key in {file} cannot be used: {detail}")]
    BadKey {
        /// The name of the file.
        file: String,
        /// The problem.
        detail: String,
    },
    /// The key is on an elliptic curve other than secp256k1.
    #[error(
        "the key in {file}{} is on the curve {curve}; FISCO BCOS certificates are on secp256k1 \
         (or RSA in rsa_crypto_channel mode)",
        shown(subject.as_deref())
    )]
    UnsupportedCurve {
        /// The name of the file.
        file: String,
        /// The subject, if the file has a certificate and not a private key.
        subject: Option<String>,
        /// The curve.
        curve: String,
    },
    /// The file is of a guomi (SM2) chain.
    #[error(
        "{file}{} is of a guomi (SM2) chain, which is not supported; use a chain or channel with \
         standard crypto (sm_crypto_channel=false; in 3.x, sm_ssl=false)",
        shown(subject.as_deref())
    )]
    Guomi {
        /// The name of the file.
        file: String,
        /// The subject, if the file has a certificate that can be read.
        subject: Option<String>,
    },
    /// The key does not belong to the first certificate.
    #[error("the key in {key} is not that of the first certificate in {cert}, {subject:?}")]
    KeyMismatch {
        /// The name of the key file.
        key: String,
        /// The name of the certificate file.
        cert: String,
        /// The subject of the certificate.
        subject: String,
    },
    /// One file is of EC mode, the other of RSA mode.
    #[error(
        "{cert} ({subject:?}) is of {cert_mode} mode but {ca} of {ca_mode} mode; take both from the same folder \
         (conf/ for EC and P2P, conf/channel_cert/ for an RSA channel)"
    )]
    MixedModes {
        /// The name of the certificate file.
        cert: String,
        /// The subject of the certificate.
        subject: String,
        /// The mode of the certificate file.
        cert_mode: crate::Mode,
        /// The name of the CA file.
        ca: String,
        /// The mode of the CA file.
        ca_mode: crate::Mode,
    },
    /// RSA certificates were given for P2P, where node IDs are EC keys.
    #[error(
        "{file} ({subject:?}) is an RSA certificate; node-to-node links need the secp256k1 pair in conf/, \
         also on chains with rsa_crypto_channel=true"
    )]
    NotEc {
        /// The name of the certificate file.
        file: String,
        /// The subject of the certificate.
        subject: String,
    },
    /// This side's certificate yields no node ID, so no node would accept it.
    #[error(
        "the certificate of {subject:?} in {file} yields no node ID: it needs the extension basicConstraints \
         with CA:FALSE; issue it again with it"
    )]
    NoNodeId {
        /// The name of the certificate file.
        file: String,
        /// The subject of the certificate.
        subject: String,
    },
    /// The certificate that issued this side's certificate is unknown, so the certificates of SDKs
    /// cannot be compared with it.
    #[error(
        "the certificate of {subject:?} in {file} is issued by {issuer:?}, whose certificate is neither in that file \
         nor in ca.crt, so that check_cert_issuer cannot compare its key: append the agency's \
         certificate to {file}, or set check_cert_issuer=false"
    )]
    NoIssuer {
        /// The name of the certificate file.
        file: String,
        /// The subject of the certificate.
        subject: String,
        /// The issuer.
        issuer: String,
    },
    /// A secp256k1 certificate was given to the backend for RSA-mode nodes.
    #[cfg(feature = "legacy-rsa")]
    #[error(
        "{file} ({subject:?}) is a secp256k1 certificate; Tls::legacy_rsa() is for nodes in RSA mode and their \
         RSA sdk folder only: take the default TLS for this one"
    )]
    LegacyNeedsRsa {
        /// The name of the certificate file.
        file: String,
        /// The subject of the certificate.
        subject: String,
    },
    /// OpenSSL refused the configuration.
    #[cfg(feature = "legacy-rsa")]
    #[error("cannot configure OpenSSL")]
    Openssl(#[from] openssl::error::ErrorStack),
    /// A revocation list is not usable.
    #[error("the revocation list {file} cannot be used: {detail}")]
    BadCrl {
        /// The name of the file.
        file: String,
        /// The problem.
        detail: String,
    },
    /// The issuer of a revocation list is unknown.
    #[error(
        "the revocation list {file} is by {issuer:?}, which is neither in ca.crt nor in this side's \
         chain; put the certificate of that agency into the same file (BEGIN CERTIFICATE)"
    )]
    CrlIssuer {
        /// The name of the file.
        file: String,
        /// The issuer that the list names.
        issuer: String,
    },
    /// A revocation list is not signed by the issuer it names.
    #[error(
        "the revocation list {file} is not signed with the known key of {issuer:?}: it is of \
         another chain, or was changed"
    )]
    CrlSignature {
        /// The name of the file.
        file: String,
        /// The issuer that the list names.
        issuer: String,
    },
    /// rustls refused the configuration.
    #[error("cannot configure TLS")]
    Rustls(#[from] rustls::Error),
}

fn shown(subject: Option<&str>) -> String {
    subject.map_or_else(String::new, |subject| format!(" ({subject:?})"))
}
