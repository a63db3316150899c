//! The two protocols.

use std::fmt;

/// Which of the two protocols of guomi chains a connection speaks. There is no negotiation between
/// them: the generation of the chain decides.
///
/// ```
/// use amop_tlcp::Flavour;
///
/// assert_eq!(Flavour::Tlcp.version(), 0x0101);
/// assert_eq!(Flavour::Tls12Sm.suite(), 0xe011);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// TLCP (GB/T 38636, GM/T 0024) with ECC_SM4_CBC_SM3, as FISCO BCOS 3.x speaks it.
    Tlcp,
    /// TLS 1.2 with ECDHE_SM4_CBC_SM3, as FISCO BCOS 2.x speaks it. It differs from the suite of the same
    /// name in TLCP.
    Tls12Sm,
}

impl Flavour {
    /// The version in records and hellos.
    pub const fn version(self) -> u16 {
        match self {
            Self::Tlcp => 0x0101,
            Self::Tls12Sm => 0x0303,
        }
    }

    /// The only cipher suite that is offered and taken.
    pub const fn suite(self) -> u16 {
        match self {
            Self::Tlcp => 0xe013,
            Self::Tls12Sm => 0xe011,
        }
    }

    /// Whether a record may have this version before the ServerHello has fixed it.
    pub(crate) fn takes_early(self, version: u16) -> bool {
        match self {
            Self::Tlcp => version == self.version(),
            // Clients of TLS 1.2 put 1.0 on their first record.
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

/// Which end of a connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that connected.
    Client,
    /// The end that accepted.
    Server,
}
