//! Payloads as zstd frames (gateway-v3 section 2.6).

use std::cell::RefCell;

use bytes::Bytes;
use zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe::get_frame_content_size,
};

thread_local! {
    // Making one for each payload would take longer than its work on a payload of 1 KiB. Each payload is
    // handled as if it were the first.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

/// The level with which FISCO nodes compress.
const LEVEL: i32 = 1;

/// The most bytes that one block of a frame holds.
const BLOCK: usize = 128 * 1024;

/// The fewest bytes that a block with content takes: a header of three bytes and a byte to repeat.
const SMALLEST_BLOCK: usize = 4;

/// Compresses a payload into one frame that has its content size. Returns `None` if it does not
/// shrink: every node understands a payload that is not compressed.
pub(super) fn compress(payload: &[u8]) -> Option<Bytes> {
    let compressed =
        COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(payload).ok());
    let shrunk = compressed.filter(|compressed| compressed.len() < payload.len());
    shrunk.map(Bytes::from)
}

/// Decompresses a payload. What the frame says about its content is checked before anything of
/// that size is allocated.
pub(super) fn decompress(frame: &[u8], max: usize) -> Result<Bytes, CompressionError> {
    let size = get_frame_content_size(frame).map_err(|_| CompressionError::Damaged)?;
    // A FISCO node refuses both, too.
    let size = size.filter(|&size| size > 0);
    let size = size.ok_or(CompressionError::NoContentSize)?;
    let len = usize::try_from(size).unwrap_or(usize::MAX);
    if len > max {
        return Err(CompressionError::TooLong { len, max });
    }
    if len > (frame.len() / SMALLEST_BLOCK).saturating_mul(BLOCK) {
        return Err(CompressionError::Damaged);
    }
    let content = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = decompressor.as_mut()?;
        decompressor.decompress(frame, len).ok()
    });
    let content = content.ok_or(CompressionError::Damaged)?;
    if content.len() != len {
        return Err(CompressionError::Damaged);
    }
    Ok(content.into())
}

/// Why a compressed payload is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompressionError {
    /// The frame does not have the size of its content, or the size is 0.
    #[error("a compressed payload does not have its length; the other side is faulty")]
    NoContentSize,
    /// The content is over the limit.
    #[error("a payload decompresses to {len} bytes, the limit is {max}; raise the limit")]
    TooLong {
        /// The length of the content in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The frame is not a zstd frame, or damaged.
    #[error("a compressed payload is not a zstd frame; the other side is faulty")]
    Damaged,
}
