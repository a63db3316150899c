//! [`TlsError`]: why a certificate folder cannot be used.

use std::io;

/// A folder's certificates or key cannot be used.
///
/// Every variant names the file; for material that did not come from a file,
/// the name says which argument it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is not there.
    #[error("{file} does not exist; copy it from the chain's deployment (nodes/<ip>/sdk or conf)")]
    Missing {
        /// Path of the file.
        file: String,
    },
    /// A file cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// Path of the file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file is larger than any certificate file is.
    #[error("{file} is larger than {limit} bytes, more than a file of its kind has")]
    TooLarge {
        /// Path of the file.
        file: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file has no PEM section, or a damaged one.
    #[error("{file} is not a PEM file: {detail}")]
    NotPem {
        /// Name of the file.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// There is PEM but no certificate.
    #[error("{file} contains no certificate (no BEGIN CERTIFICATE section)")]
    NoCertificate {
        /// Name of the file.
        file: String,
    },
    /// There is PEM but no private key.
    #[error(
        "{file} contains no private key (no BEGIN PRIVATE KEY, EC PRIVATE KEY or \
         RSA PRIVATE KEY section)"
    )]
    NoKey {
        /// Name of the file.
        file: String,
    },
    /// The private key is encrypted.
    #[error(
        "the private key in {file} is encrypted; decrypt it with \
         `openssl pkey -in {file} -out plain.key`, which asks for its password"
    )]
    EncryptedKey {
        /// Name of the file.
        file: String,
    },
    /// A certificate cannot be used.
    #[error("certificate {position} in {file} cannot be used: {detail}")]
    BadCertificate {
        /// Name of the file.
        file: String,
        /// Which certificate, counted from 1.
        position: usize,
        /// What is wrong.
        detail: String,
    },
    /// The private key cannot be used.
    #[error("the private key in {file} cannot be used: {detail}")]
    BadKey {
        /// Name of the file.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// An elliptic curve other than secp256k1.
    #[error(
        "the key in {file} is on the curve {curve}; FISCO BCOS certificates are on secp256k1 \
         (or RSA in rsa_crypto_channel mode)"
    )]
    UnsupportedCurve {
        /// Name of the file.
        file: String,
        /// The curve.
        curve: String,
    },
    /// SM2 material.
    #[error(
        "{file} is of a guomi (SM2) chain, which is not supported; use a chain or channel with \
         standard crypto (sm_crypto_channel=false)"
    )]
    Guomi {
        /// Name of the file.
        file: String,
    },
    /// The key is not that of the first certificate.
    #[error("the key in {key} is not that of the first certificate in {cert}")]
    KeyMismatch {
        /// Name of the key file.
        key: String,
        /// Name of the certificate file.
        cert: String,
    },
    /// One file is of EC mode, the other of RSA mode.
    #[error(
        "{cert} is of {cert_mode} mode but {ca} of {ca_mode} mode; take both from the same folder \
         (conf/ for EC and P2P, conf/channel_cert/ for an RSA channel)"
    )]
    MixedModes {
        /// Name of the certificate file.
        cert: String,
        /// Its mode.
        cert_mode: crate::Mode,
        /// Name of the CA file.
        ca: String,
        /// Its mode.
        ca_mode: crate::Mode,
    },
    /// RSA certificates were given for P2P, which takes node IDs from EC keys.
    #[error(
        "{file} is an RSA certificate; node-to-node links need the secp256k1 pair in conf/, \
         also on chains with rsa_crypto_channel=true"
    )]
    NotEc {
        /// Name of the certificate file.
        file: String,
    },
    /// Our own certificate yields no node ID, so that no node would talk to us.
    #[error(
        "the certificate in {file} yields no node ID: it needs the extension basicConstraints \
         with CA:FALSE; issue it again with it"
    )]
    NoNodeId {
        /// Name of the certificate file.
        file: String,
    },
    /// The certificate that issued our own is not known, so that SDKs cannot be held against it.
    #[error(
        "the certificate in {file} is issued by {issuer:?}, whose certificate is neither in that file \
         nor in ca.crt, so that check_cert_issuer cannot compare its key: append the agency's \
         certificate to {file}, or set check_cert_issuer=false"
    )]
    NoIssuer {
        /// Name of the certificate file.
        file: String,
        /// Who issued it.
        issuer: String,
    },
    /// A secp256k1 certificate was given to the backend for RSA-mode nodes.
    #[cfg(feature = "legacy-rsa")]
    #[error(
        "{file} is a secp256k1 certificate; Tls::legacy_rsa() is for nodes in RSA mode and their \
         RSA sdk folder only: take the default TLS for this one"
    )]
    LegacyNeedsRsa {
        /// Name of the certificate file.
        file: String,
    },
    /// OpenSSL refused the configuration.
    #[cfg(feature = "legacy-rsa")]
    #[error("cannot configure OpenSSL: {0}")]
    Openssl(#[from] openssl::error::ErrorStack),
    /// A revocation list cannot be used.
    #[error("the revocation list {file} cannot be used: {detail}")]
    BadCrl {
        /// Name of the file.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// Whoever made a revocation list is not known.
    #[error(
        "the revocation list {file} is of {issuer:?}, which is neither in ca.crt nor in the own \
         chain; put the certificate of that agency into the same file (BEGIN CERTIFICATE)"
    )]
    CrlIssuer {
        /// Name of the file.
        file: String,
        /// Who it says has made it.
        issuer: String,
    },
    /// A revocation list is not signed by the authority it names.
    #[error(
        "the revocation list {file} is not signed by {issuer:?} as it is known here: it is of \
         another chain, or was changed"
    )]
    CrlSignature {
        /// Name of the file.
        file: String,
        /// Who it says has made it.
        issuer: String,
    },
    /// rustls refused the configuration.
    #[error("cannot configure TLS: {0}")]
    Rustls(#[from] rustls::Error),
}
