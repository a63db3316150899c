//! Alerts, with the numbers of RFC 5246.

use std::fmt;

/// The reason that one side sends to the other when it ends a connection.
///
/// ```
/// use amop_tlcp::Alert;
///
/// assert_eq!(Alert::BAD_RECORD_MAC.code(), 20);
/// assert_eq!(Alert::BAD_RECORD_MAC.to_string(), "bad_record_mac (20)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert(u8);

macro_rules! alerts {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        impl Alert {
            $(
                #[doc = concat!("`", $text, "`.")]
                pub const $name: Self = Self($code);
            )*

            fn name(self) -> &'static str {
                match self.0 {
                    $($code => $text,)*
                    _ => "unknown alert",
                }
            }
        }
    };
}

alerts! {
    CLOSE_NOTIFY = 0, "close_notify";
    UNEXPECTED_MESSAGE = 10, "unexpected_message";
    BAD_RECORD_MAC = 20, "bad_record_mac";
    DECRYPTION_FAILED = 21, "decryption_failed";
    RECORD_OVERFLOW = 22, "record_overflow";
    HANDSHAKE_FAILURE = 40, "handshake_failure";
    NO_CERTIFICATE = 41, "no_certificate";
    BAD_CERTIFICATE = 42, "bad_certificate";
    UNSUPPORTED_CERTIFICATE = 43, "unsupported_certificate";
    CERTIFICATE_REVOKED = 44, "certificate_revoked";
    CERTIFICATE_EXPIRED = 45, "certificate_expired";
    CERTIFICATE_UNKNOWN = 46, "certificate_unknown";
    ILLEGAL_PARAMETER = 47, "illegal_parameter";
    UNKNOWN_CA = 48, "unknown_ca";
    ACCESS_DENIED = 49, "access_denied";
    DECODE_ERROR = 50, "decode_error";
    DECRYPT_ERROR = 51, "decrypt_error";
    PROTOCOL_VERSION = 70, "protocol_version";
    INSUFFICIENT_SECURITY = 71, "insufficient_security";
    INTERNAL_ERROR = 80, "internal_error";
    USER_CANCELED = 90, "user_canceled";
    NO_RENEGOTIATION = 100, "no_renegotiation";
    UNSUPPORTED_EXTENSION = 110, "unsupported_extension";
}

impl Alert {
    /// Returns the alert with this number, known or not.
    pub const fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// Returns the alert's number on the wire.
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}
