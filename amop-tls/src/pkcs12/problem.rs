//! [`Pkcs12Problem`]: why no key can be read from a store.

use std::fmt;

/// Why no key can be read from a PKCS#12 store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pkcs12Problem {
    /// The bytes are not a PKCS#12 store, or it is damaged.
    Malformed,
    /// The store has no private key.
    NoKey,
    /// The password is wrong.
    Password,
    /// The store is encrypted with an unsupported algorithm.
    Unsupported {
        /// The algorithm's object identifier.
        algorithm: String,
    },
}

impl fmt::Display for Pkcs12Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("is not a PKCS#12 store, or is damaged"),
            Self::NoKey => f.write_str("is a PKCS#12 store without a private key"),
            Self::Password => f.write_str("is a PKCS#12 store with another password"),
            Self::Unsupported { algorithm } => write!(
                f,
                "is a PKCS#12 store with unsupported encryption ({algorithm}); convert it to PEM: \
                 openssl pkcs12 -legacy -nocerts -nodes -in FILE -out key.pem"
            ),
        }
    }
}

impl std::error::Error for Pkcs12Problem {}

pub(super) fn malformed(_: der::Error) -> Pkcs12Problem {
    Pkcs12Problem::Malformed
}
