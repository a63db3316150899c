//! Bounds on what a peer can make a connection hold. All are in bytes if nothing else is said.

/// Most that one record carries (RFC 5246, section 6.2.1).
pub(crate) const PLAINTEXT: usize = 16_384;

/// Longest body of a record: padding, MAC and IV take 304 at most.
pub(crate) const CIPHERTEXT: usize = PLAINTEXT + 2_048;

/// Longest ClientHello. Real ones have at most some 300.
pub(crate) const CLIENT_HELLO: usize = 8_192;

/// Extensions in a hello. Real ones have at most some ten.
pub(crate) const EXTENSIONS: usize = 64;

/// Longest Certificate message. Real ones have at most some 2,500.
pub(crate) const CERTIFICATE_LIST: usize = 32_768;

/// Certificates in one message. Real ones have at most four.
pub(crate) const CERTIFICATES: usize = 10;

/// Longest CertificateRequest, which may name many authorities.
pub(crate) const CERTIFICATE_REQUEST: usize = 8_192;

/// Longest of any other handshake message. Real ones have at most 162.
pub(crate) const OTHER_MESSAGE: usize = 1_024;

/// Records without content in a row. One peer sends one before each that has content.
pub(crate) const EMPTY_RECORDS: u32 = 32;

/// Warnings that are passed over in the life of a connection.
pub(crate) const WARNINGS: u32 = 4;

/// What waits to be sent when no more application data is taken.
pub(crate) const OUTPUT: usize = 65_536;
