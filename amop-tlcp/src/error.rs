//! The errors that end a connection.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::{Alert, Flavour};

/// Why a connection ended or could not be established. After a
/// [`TlcpConnection`](crate::TlcpConnection) has returned an error, it returns the same error from
/// every later call.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TlcpError {
    /// The received bytes are not TLS.
    #[error(
        "the peer does not speak TLS: its first byte is {first:#04x}; check the port, and that the peer has \
         guomi TLS switched on"
    )]
    NotTls {
        /// The first byte received.
        first: u8,
    },
    /// The peer uses another version.
    #[error(
        "the peer speaks version {found:#06x}, {flavour} has {:#06x}: chains of 3.x speak TLCP, those of 2.x \
         TLS 1.2; check the generation of the chain and that both ends have guomi TLS switched on",
        flavour.version()
    )]
    Version {
        /// The protocol of this side.
        flavour: Flavour,
        /// The version of the peer.
        found: u16,
    },
    /// The client does not offer the suite, or the server chose another one.
    #[error(
        "the peer does not support cipher suite {:#06x}, the only one of {flavour} here; check that it has SM2 \
         certificates",
        flavour.suite()
    )]
    NoCommonSuite {
        /// The protocol of this side.
        flavour: Flavour,
    },
    /// A message or record is not allowed at this point.
    #[error("{found} arrived where {expected} was expected; the peer does not follow the protocol")]
    Unexpected {
        /// The message or record received.
        found: String,
        /// The message or record that is expected.
        expected: &'static str,
    },
    /// A message cannot be read.
    #[error("{message} cannot be read: {reason}")]
    Malformed {
        /// The message.
        message: &'static str,
        /// The problem.
        reason: &'static str,
    },
    /// A message can be read, but its content is not allowed.
    #[error("{message} breaks the protocol: {reason}")]
    Illegal {
        /// The message.
        message: &'static str,
        /// The violated rule.
        reason: &'static str,
    },
    /// The server uses an extension that was not offered.
    #[error("the server answers with extension {extension:#06x}, which was not offered")]
    UnknownExtension {
        /// The number of the extension.
        extension: u16,
    },
    /// A handshake message is longer than the limit.
    #[error("{message} has {length} bytes, the limit is {limit}")]
    MessageTooLong {
        /// The message.
        message: &'static str,
        /// The message's length according to its header, in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A record is longer than TLS allows.
    #[error("a record has {length} bytes, the limit is {limit}")]
    RecordTooLong {
        /// The record's length according to its header, in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The peer must send certificates and did not, or the server does not request them although
    /// the key exchange needs them.
    #[error("{0}")]
    NoCertificates(&'static str),
    /// The peer's certificates are refused.
    #[error("the peer's certificates are refused")]
    Refused(#[from] CertificateRefusal),
    /// A signature in the handshake is wrong.
    #[error(
        "the signature in {message} is not by the key in the peer's certificate; the peer does not have the key of \
         its certificate, or the handshake was altered on the way"
    )]
    WrongSignature {
        /// The message with the signature.
        message: &'static str,
    },
    /// The two ends have not seen the same handshake.
    #[error("the peer's Finished does not match this handshake, which was altered on the way")]
    WrongFinished,
    /// A record was not made with the connection's keys. The error does not say whether decryption,
    /// padding or MAC failed.
    #[error(
        "a record does not decrypt: the two ends have different keys, or it was altered on the way"
    )]
    BadRecord,
    /// The peer ended the connection with an alert.
    #[error("the peer ended the connection: {0}{hint}", hint = hint(*.0))]
    PeerAlert(Alert),
    /// The peer closed the connection before the handshake finished.
    #[error("the peer closed the connection during the handshake")]
    ClosedEarly,
    /// The connection ended without close_notify: data may be missing at the end.
    #[error(
        "the connection was cut: it ended without the peer's close_notify, data may be missing"
    )]
    Truncated,
    /// This side has closed the connection.
    #[error("the connection is closed for writing; nothing can follow close_notify")]
    Closed,
    /// Data cannot be sent before the handshake has finished.
    #[error("the handshake has not finished; send data after it")]
    HandshakePending,
    /// A signature or key agreement failed on this side. The probability of this is 1 in 2^255.
    #[error("a computation of SM2 failed on this side; connect again")]
    Computation,
    /// All sequence numbers are used up.
    #[error("the connection has carried 2^64 records; connect again")]
    WornOut,
}

impl TlcpError {
    /// Returns the alert for the peer, if there is one.
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

/// Returns the usual cause of an alert.
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

/// Why certificates are refused, and the alert for the peer.
#[derive(Debug, Clone)]
pub struct CertificateRefusal {
    alert: Alert,
    reason: Arc<dyn Error + Send + Sync>,
}

impl CertificateRefusal {
    /// Creates a refusal. `alert` is one of the certificate alerts of RFC 5246, for example
    /// [`Alert::UNKNOWN_CA`].
    ///
    /// ```
    /// use amop_tlcp::{Alert, CertificateRefusal};
    ///
    /// let refusal = CertificateRefusal::new(Alert::UNKNOWN_CA, "its issuer is not in ca.crt");
    /// assert_eq!(refusal.to_string(), "its issuer is not in ca.crt");
    /// ```
    pub fn new(alert: Alert, reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            alert,
            reason: Arc::from(reason.into()),
        }
    }

    pub(crate) fn bad(reason: &'static str) -> Self {
        Self::new(Alert::BAD_CERTIFICATE, reason)
    }

    /// Returns the alert for the peer.
    pub fn alert(&self) -> Alert {
        self.alert
    }
}

impl fmt::Display for CertificateRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl Error for CertificateRefusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}

#[cfg(test)]
mod tests;
