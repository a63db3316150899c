//! What makes a key unusable.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// The maximum size of a key file, in bytes.
pub(crate) const MAX_FILE: u64 = 64 * 1024;

/// The error for an unusable key of sealed topics.
#[derive(Debug)]
pub struct SealingKeyError {
    file: Option<PathBuf>,
    problem: SealingKeyProblem,
}

impl fmt::Display for SealingKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "key file {} ", file.display())?,
            None => f.write_str("the key ")?,
        }
        fmt::Display::fmt(&self.problem, f)
    }
}

/// The text contains that of the problem, so its source is the problem's.
impl Error for SealingKeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.problem.source()
    }
}

impl SealingKeyError {
    /// Returns the file, if the key came from one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns the problem of the key.
    pub fn problem(&self) -> &SealingKeyProblem {
        &self.problem
    }
}

/// The problem of a key of sealed topics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealingKeyProblem {
    /// The file cannot be read.
    #[error("cannot be read; check its path and permissions")]
    Read(#[source] io::Error),
    /// The file cannot be written, or exists already.
    #[error("cannot be written; choose a path where there is no file yet")]
    Write(#[source] io::Error),
    /// The file is longer than any key.
    #[error("is longer than {MAX_FILE} bytes, so it is not a key file")]
    TooLong,
    /// The text is not PEM, or is cut or damaged.
    #[error("is not PEM, or it is cut or damaged; give the file that SealingKey::save wrote")]
    NotPem,
    /// A block of the file is encrypted.
    #[error("is encrypted; decrypt both blocks with openssl pkcs8 -in BLOCK")]
    Encrypted,
    /// One of the two private keys is missing.
    #[error(
        "has no private key of {0}; give PEM with two blocks PRIVATE KEY, of Ed25519 and of X25519"
    )]
    NoPrivateKey(&'static str),
    /// One of the two public keys is missing in the PEM.
    #[error(
        "has no public key of {0}; give PEM with two blocks PUBLIC KEY, of Ed25519 and of X25519"
    )]
    NoPublicBlock(&'static str),
    /// The text is not a public key in either text form.
    #[error(
        "is not a public key; give amop-seal-1: with 128 hex digits, or PEM with two blocks PUBLIC KEY"
    )]
    NoPublicKey,
    /// There are two keys of one kind.
    #[error("has two keys of {0}; a key file has one")]
    Twice(&'static str),
    /// The key is of another kind: elliptic curves, including SM2, or RSA.
    #[error(
        "is of another kind ({0}); sealed topics need keys of Ed25519 and X25519, on guomi chains, too: \
         make one with SealingKey::generate"
    )]
    OtherKind(&'static str),
    /// The number of hex digits is not that of a public key.
    #[error("has {0} characters after amop-seal-1:; a public key has 128 hex digits there")]
    Digits(usize),
    /// A character is not a hex digit.
    #[error("has characters that are not hex digits after amop-seal-1:")]
    NotHex,
    /// A part of the key is not a point of the curve, or is a point that keeps no secret.
    #[error("is not usable: it is not a point of the curve, or a point of small order")]
    Weak,
}

impl SealingKeyProblem {
    pub(crate) fn of(self, file: Option<&Path>) -> SealingKeyError {
        SealingKeyError {
            file: file.map(Path::to_owned),
            problem: self,
        }
    }
}
