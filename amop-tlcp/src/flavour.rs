//! The two protocols of guomi chains, and the two ends of a connection.

use std::fmt;

/// The protocol of a connection, one of the two of guomi chains. They do not negotiate it: the
/// generation of the chain decides.
///
/// ```
/// use amop_tlcp::Flavour;
///
/// assert_eq!(Flavour::Tlcp.version(), 0x0101);
/// assert_eq!(Flavour::Tls12Sm.suite(), 0xe011);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// TLCP (GB/T 38636, GM/T 0024) with ECC_SM4_CBC_SM3, used by FISCO BCOS 3.x.
    Tlcp,
    /// TLS 1.2 with ECDHE_SM4_CBC_SM3, used by FISCO BCOS 2.x. It differs from the suite of the
    /// same name in TLCP.
    Tls12Sm,
}

impl Flavour {
    /// Returns the version in records and hellos.
    pub const fn version(self) -> u16 {
        match self {
            Self::Tlcp => 0x0101,
            Self::Tls12Sm => 0x0303,
        }
    }

    /// Returns the only cipher suite that is offered and accepted.
    pub const fn suite(self) -> u16 {
        match self {
            Self::Tlcp => 0xe013,
            Self::Tls12Sm => 0xe011,
        }
    }

    /// Returns whether a record may have this version before the ServerHello has fixed it.
    pub(crate) fn takes_early(self, version: u16) -> bool {
        match self {
            Self::Tlcp => version == self.version(),
            // Clients of TLS 1.2 use version 1.0 in their first record.
            Self::Tls12Sm => (0x0301..=0x0303).contains(&version),
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tlcp => "TLCP",
            Self::Tls12Sm => "TLS 1.2 with SM suites",
        })
    }
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionRole {
    /// The end that connected.
    Client,
    /// The end that accepted.
    Server,
}
