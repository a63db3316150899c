//! [`Mode`]: the kind of certificates of a channel.

use std::fmt;

/// The kind of certificates that a channel uses (channel-v2 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// secp256k1, the default, and the only one for P2P.
    Ec,
    /// RSA, `rsa_crypto_channel=true`.
    Rsa,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ec => "EC",
            Self::Rsa => "RSA",
        })
    }
}
