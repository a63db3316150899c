//! The kinds of records, and how they are protected.

/// The length of a MAC.
pub(super) const MAC: usize = 32;

/// The type of a record's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    ChangeCipherSpec = 20,
    Alert = 21,
    Handshake = 22,
    Data = 23,
}

impl ContentType {
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::Data,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ChangeCipherSpec => "a ChangeCipherSpec",
            Self::Alert => "an alert",
            Self::Handshake => "a handshake record",
            Self::Data => "application data",
        }
    }
}

/// Whether the MAC covers the ciphertext (RFC 7366) or the plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MacOrder {
    EncryptThenMac,
    MacThenEncrypt,
}
