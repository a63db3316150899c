//! How much is read at a time.

/// The initial size of a read buffer; small, so that idle connections stay small.
pub(super) const READ_MIN: usize = 4 * 1024;
/// The largest size of the buffer of a busy connection.
pub(super) const READ_MAX: usize = 64 * 1024;
/// The bytes of a long frame that are read before others get their turn.
pub(super) const READ_LONG: usize = 256 * 1024;
/// The bytes that are read for a session that uses much while others do so, too.
pub(super) const READ_MUCH: usize = 16 * 1024;
/// Up to this number of bytes are hashed in place: this takes less than 100 microseconds.
pub(super) const HASHED_HERE: usize = 64 * 1024;
