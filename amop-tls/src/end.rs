//! How a connection ends when the other side leaves.

use std::io;

/// Returns whether an error only means that the other side closed the connection, with or without
/// an alert.
///
/// ```
/// use std::io;
///
/// assert!(amop_tls::is_end(&io::ErrorKind::ConnectionReset.into()));
/// assert!(!amop_tls::is_end(&io::ErrorKind::InvalidData.into()));
/// ```
pub fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}
