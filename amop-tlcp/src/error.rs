//! What can end a connection.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::{Alert, Flavour};

/// Why a connection ended or could not be made. Once a [`Connection`](crate::Connection) has given one, it
/// gives the same one to every later call.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What came is not TLS at all.
    #[error(
        "the peer does not speak TLS: its first byte is {first:#04x}; check the port, and that the peer has \
         guomi TLS switched on"
    )]
    NotTls {
        /// The first byte of what should be a record.
        first: u8,
    },
    /// The peer speaks another version.
    #[error(
        "the peer speaks version {found:#06x}, {flavour} has {:#06x}: chains of 3.x speak TLCP, those of 2.x \
         TLS 1.2; check the generation of the chain and that both ends have guomi TLS switched on",
        flavour.version()
    )]
    Version {
        /// What this side speaks.
        flavour: Flavour,
        /// What came.
        found: u16,
    },
    /// The client does not offer the suite, or the server chose another.
    #[error(
        "the peer does not take cipher suite {:#06x}, the only one of {flavour} here; check that it has SM2 \
         certificates",
        flavour.suite()
    )]
    NoCommonSuite {
        /// What this side speaks.
        flavour: Flavour,
    },
    /// A message or record that is not due now.
    #[error("{found} came where {expected} was due; the peer does not follow the protocol")]
    Unexpected {
        /// What came.
        found: String,
        /// What was due.
        expected: &'static str,
    },
    /// A message that cannot be read.
    #[error("{message} cannot be read: {reason}")]
    Malformed {
        /// The message.
        message: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A message that can be read and says what it may not.
    #[error("{message} breaks the protocol: {reason}")]
    Illegal {
        /// The message.
        message: &'static str,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// An extension that was not offered.
    #[error("the server answers with extension {extension:#06x}, which was not offered")]
    UnknownExtension {
        /// Its number.
        extension: u16,
    },
    /// A handshake message that is longer than is taken.
    #[error("{message} has {length} bytes, at most {limit} are taken")]
    MessageTooLong {
        /// The message.
        message: &'static str,
        /// How long it says it is, in bytes.
        length: usize,
        /// How long it may be, in bytes.
        limit: usize,
    },
    /// A record that is longer than TLS allows.
    #[error("a record has {length} bytes, at most {limit} are allowed")]
    RecordTooLong {
        /// How long it says it is, in bytes.
        length: usize,
        /// How long it may be, in bytes.
        limit: usize,
    },
    /// The peer has to show certificates and did not, or the server does not ask for them where the key
    /// exchange needs them.
    #[error("{0}")]
    NoCertificates(&'static str),
    /// The peer's certificates are refused.
    #[error("the peer's certificates are refused: {0}")]
    Refused(#[from] Refusal),
    /// A signature in the handshake is wrong.
    #[error(
        "the signature in {message} is not by the key in the peer's certificate; the peer has not the key to \
         its certificate, or somebody altered the handshake"
    )]
    WrongSignature {
        /// The message with the signature.
        message: &'static str,
    },
    /// The two ends have not seen the same handshake.
    #[error("the peer's Finished does not fit this handshake; somebody altered it on the way")]
    WrongFinished,
    /// A record that was not made with the connection's keys. Whether decryption, padding or MAC failed is
    /// not told, nor in which way.
    #[error(
        "a record does not decrypt: the two ends have different keys, or somebody altered it on the way"
    )]
    BadRecord,
    /// The peer ended the connection with an alert.
    #[error("the peer ended the connection: {0}{hint}", hint = hint(*.0))]
    PeerAlert(Alert),
    /// The peer closed the connection before the handshake was over.
    #[error("the peer closed the connection during the handshake")]
    ClosedEarly,
    /// The connection ended without close_notify: what came may be only the beginning.
    #[error(
        "the connection was cut: it ended without the peer's close_notify, data may be missing"
    )]
    Truncated,
    /// This side has closed the connection.
    #[error("the connection is closed for writing; nothing can follow close_notify")]
    Closed,
    /// Data was to be sent before the handshake was over.
    #[error("the handshake is not over; send data after it")]
    HandshakePending,
    /// A signature or key agreement failed on this side, which has a chance of 1 in 2^255.
    #[error("a computation of SM2 failed on this side; connect again")]
    Computation,
    /// All sequence numbers are used up.
    #[error("the connection has carried 2^64 records; connect again")]
    WornOut,
}

impl Error {
    /// The alert that tells the peer, if one does.
    pub(crate) fn alert(&self) -> Option<Alert> {
        Some(match self {
            Self::NotTls { .. } | Self::Version { .. } => Alert::PROTOCOL_VERSION,
            Self::NoCommonSuite { .. } | Self::NoCertificates(_) => Alert::HANDSHAKE_FAILURE,
            Self::Unexpected { .. } => Alert::UNEXPECTED_MESSAGE,
            Self::Malformed { .. } => Alert::DECODE_ERROR,
            Self::Illegal { .. } | Self::MessageTooLong { .. } => Alert::ILLEGAL_PARAMETER,
            Self::UnknownExtension { .. } => Alert::UNSUPPORTED_EXTENSION,
            Self::RecordTooLong { .. } => Alert::RECORD_OVERFLOW,
            Self::Refused(refusal) => refusal.alert,
            Self::WrongSignature { .. } | Self::WrongFinished => Alert::DECRYPT_ERROR,
            Self::BadRecord => Alert::BAD_RECORD_MAC,
            Self::Computation | Self::WornOut => Alert::INTERNAL_ERROR,
            Self::PeerAlert(_)
            | Self::ClosedEarly
            | Self::Truncated
            | Self::Closed
            | Self::HandshakePending => return None,
        })
    }
}

/// What usually stands behind an alert.
fn hint(alert: Alert) -> &'static str {
    match alert {
        Alert::UNKNOWN_CA => "; our certificates are not by its CA",
        Alert::BAD_CERTIFICATE
        | Alert::UNSUPPORTED_CERTIFICATE
        | Alert::CERTIFICATE_UNKNOWN
        | Alert::CERTIFICATE_REVOKED
        | Alert::CERTIFICATE_EXPIRED => "; it refuses our certificates: check them, and its CA",
        Alert::PROTOCOL_VERSION => {
            "; it speaks another protocol: check the generation of the chain"
        }
        Alert::HANDSHAKE_FAILURE => "; check that both ends have guomi TLS switched on",
        _ => "",
    }
}

/// Why certificates are refused, with the alert that tells the peer.
#[derive(Debug, Clone)]
pub struct Refusal {
    alert: Alert,
    reason: Arc<dyn StdError + Send + Sync>,
}

impl Refusal {
    /// `alert` is one of the certificate alerts of RFC 5246, for instance [`Alert::UNKNOWN_CA`].
    ///
    /// ```
    /// use amop_tlcp::{Alert, Refusal};
    ///
    /// let refusal = Refusal::new(Alert::UNKNOWN_CA, "its issuer is not in ca.crt");
    /// assert_eq!(refusal.to_string(), "its issuer is not in ca.crt");
    /// ```
    pub fn new(alert: Alert, reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            alert,
            reason: Arc::from(reason.into()),
        }
    }

    pub(crate) fn bad(reason: &'static str) -> Self {
        Self::new(Alert::BAD_CERTIFICATE, reason)
    }

    /// The alert that tells the peer.
    pub fn alert(&self) -> Alert {
        self.alert
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl StdError for Refusal {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.reason.source()
    }
}
