//! Memory blocks that many short messages share.

use bytes::{Bytes, BytesMut};

/// The number of bytes that are allocated at once.
const BLOCK: usize = 8 * 1024;

/// The maximum length of a message in a shared block. Longer messages have memory of their own.
const SHORT: usize = BLOCK / 4;

/// Memory for messages that end in about the order in which they begin: a block is freed when all
/// messages in it have ended. A caller that counts the bytes must count a message until those
/// before it have ended, too.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks(BytesMut);

impl Blocks {
    /// Returns a message of this length, which `write` writes.
    pub(super) fn put(&mut self, len: usize, write: impl FnOnce(&mut BytesMut)) -> Bytes {
        if len > SHORT {
            let mut own = BytesMut::with_capacity(len);
            write(&mut own);
            return own.freeze();
        }
        if self.0.capacity() < len {
            self.0 = BytesMut::with_capacity(BLOCK);
        }
        write(&mut self.0);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests;
