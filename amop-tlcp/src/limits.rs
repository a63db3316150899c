//! Limits on the memory that a peer can make a connection use. All are in bytes unless stated
//! otherwise.

/// The maximum content of one record (RFC 5246, section 6.2.1).
pub(crate) const PLAINTEXT: usize = 16_384;

/// The longest body of a record: padding, MAC and IV need at most 304.
pub(crate) const CIPHERTEXT: usize = PLAINTEXT + 2_048;

/// The longest ClientHello. Usual ones have at most about 300.
pub(crate) const CLIENT_HELLO: usize = 8_192;

/// The number of extensions in a hello. Usual ones have at most about ten.
pub(crate) const EXTENSIONS: usize = 64;

/// The longest Certificate message. Usual ones have at most about 2,500.
pub(crate) const CERTIFICATE_LIST: usize = 32_768;

/// The number of certificates in one message. Usual ones have at most four.
pub(crate) const CERTIFICATES: usize = 10;

/// The longest CertificateRequest, which may name many authorities.
pub(crate) const CERTIFICATE_REQUEST: usize = 8_192;

/// The longest handshake message of any other type. Usual ones have at most 162.
pub(crate) const OTHER_MESSAGE: usize = 1_024;

/// The number of records without content in a row. One kind of peer sends one before each record
/// with content.
pub(crate) const EMPTY_RECORDS: u32 = 32;

/// The number of warnings that are ignored during a connection.
pub(crate) const WARNINGS: u32 = 4;

/// The amount of waiting output above which no more application data is accepted.
pub(crate) const OUTPUT: usize = 65_536;
