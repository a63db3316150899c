//! Why a key of a private topic cannot be used.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use amop_tls::{pem::PemProblem, pkcs12::Pkcs12Problem};

/// The size of the largest key file that is read, in bytes. Key files have a few hundred bytes.
pub(crate) const MAX_FILE: u64 = 64 * 1024;

/// A key of a private topic that cannot be used.
#[derive(Debug)]
pub struct KeyError {
    file: Option<PathBuf>,
    problem: KeyProblem,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "key file {} ", file.display())?,
            None => f.write_str("the key ")?,
        }
        fmt::Display::fmt(&self.problem, f)
    }
}

/// The text contains that of the problem, so its source is the problem's.
impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.problem.source()
    }
}

impl KeyError {
    /// Returns the file that the key was read from, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns what is wrong with the key.
    pub fn problem(&self) -> &KeyProblem {
        &self.problem
    }
}

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// The file cannot be read.
    #[error("cannot be read; check its path and permissions")]
    Read(#[from] io::Error),
    /// The file is longer than any key.
    #[error("is longer than {MAX_FILE} bytes, so it is not a key")]
    TooLong,
    /// It is a PKCS#12 store from which no key can be read.
    #[error(transparent)]
    Pkcs12(#[from] Pkcs12Problem),
    /// It is a PKCS#12 store, and no password was given.
    #[error(
        "is a PKCS#12 store, for which a password is needed: TopicKey::load_with_password, or \
         password next to privateKey in config.toml"
    )]
    NoPassword,
    /// It is PEM that is incomplete or damaged, or it is not text.
    #[error("is not PEM; give the file that get_account.sh wrote")]
    NotPem(#[source] PemProblem),
    /// There is no private key in it.
    #[error("has no private key; give PEM with PRIVATE KEY or EC PRIVATE KEY, or 64 hex digits")]
    NoPrivateKey,
    /// The private key is encrypted.
    #[error(
        "is encrypted; decrypt it: openssl pkey -in FILE -out key.pem, which asks for its password"
    )]
    Encrypted,
    /// It has more hex digits than a private key.
    #[error("has {0} hex digits; a private key has 64")]
    PrivateDigits(usize),
    /// There is no public key in it.
    #[error("has no public key; give PEM with PUBLIC KEY, or 128 hex digits")]
    NoPublicKey,
    /// The key is of another kind or on another curve, or is not a point of the curve.
    #[error("is not a secp256k1 key; make one with get_account.sh")]
    NotSecp256k1,
    /// It does not have the number of hex digits that a public key has.
    #[error(
        "has {0} characters; a public key has 128 hex digits, with or without 0x and 04 before \
         them"
    )]
    Digits(usize),
    /// A character is not a hex digit.
    #[error("has characters that are not hex digits; give hex digits or PEM")]
    NotHex,
}

impl KeyProblem {
    pub(crate) fn of(self, file: Option<&Path>) -> KeyError {
        KeyError {
            file: file.map(Path::to_owned),
            problem: self,
        }
    }
}
