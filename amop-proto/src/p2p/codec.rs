//! The P2P frame: a 16-byte header and a body that may be compressed.
//!
//! p2p-v2 section 4.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    frame::{PEER_HEADER_LEN, PeerFrame},
    message::PeerMessage,
};
use crate::channel::{DEFAULT_MAX_FRAME, PROTOCOL_MAX_FRAME};

/// Set in the version field when the body is compressed.
const COMPRESSED: u16 = 0x8000;

/// Bodies up to this length are never compressed (p2p-v2 section 4.5).
const COMPRESS_ABOVE: usize = 1024;

/// Reads and writes frames.
///
/// ```
/// use amop_proto::p2p::{PeerCodec, PeerFrame, packet, protocol};
/// use bytes::BytesMut;
///
/// let codec = PeerCodec::default();
/// let frame = PeerFrame {
///     protocol: protocol::TOPIC,
///     packet: packet::TOPIC_SEQ,
///     seq: 0,
///     body: "5".into(),
/// };
/// let mut wire = BytesMut::new();
/// codec.encode(&frame, &mut wire);
/// assert_eq!(codec.decode(&mut wire)?, Some(frame));
/// # Ok::<(), amop_proto::p2p::PeerFrameError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PeerCodec {
    max: usize,
    compress: bool,
}

impl Default for PeerCodec {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_FRAME + PEER_HEADER_LEN)
    }
}

impl PeerCodec {
    /// Creates a codec that refuses frames, and uncompressed bodies, longer than `max` bytes. `max`
    /// is clamped to the range from [`PEER_HEADER_LEN`] to [`PROTOCOL_MAX_FRAME`].
    pub fn new(max: usize) -> Self {
        Self {
            max: max.clamp(PEER_HEADER_LEN, PROTOCOL_MAX_FRAME),
            compress: false,
        }
    }

    /// Sets whether to compress bodies above 1024 bytes when writing, if they shrink. Compressed
    /// frames are always read.
    #[must_use]
    pub fn with_compression(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Appends a frame to `out`.
    pub fn encode(&self, frame: &PeerFrame, out: &mut BytesMut) {
        let body = self.encode_header(frame, out);
        out.put_slice(&body);
    }

    /// Appends a frame's header to `out` and returns the body to write after it, so that a long
    /// body need not be copied.
    pub fn encode_header(&self, frame: &PeerFrame, out: &mut BytesMut) -> Bytes {
        let compressed = (self.compress && frame.body.len() > COMPRESS_ABOVE)
            .then(|| snap::raw::Encoder::new().compress_vec(&frame.body).ok())
            .flatten()
            // A body that does not shrink could grow beyond the limit; every node understands an
            // uncompressed one.
            .filter(|compressed| compressed.len() < frame.body.len());
        let (version, body) = match compressed {
            Some(compressed) => (COMPRESSED, Bytes::from(compressed)),
            None => (0, frame.body.clone()),
        };
        put_header(frame, PEER_HEADER_LEN + body.len(), version, out);
        body
    }

    /// Does the same as [`encode_header`](Self::encode_header) for a frame whose body has two
    /// parts: write the returned bytes after `out`.
    pub fn encode_message(&self, message: &PeerMessage, out: &mut BytesMut) -> Bytes {
        if message.tail.is_empty() {
            return self.encode_header(&message.frame, out);
        }
        if self.compress {
            return self.encode_header(&message.clone().joined(), out);
        }
        let len = PEER_HEADER_LEN + message.body_len();
        put_header(&message.frame, len, 0, out);
        out.put_slice(&message.frame.body);
        message.tail.clone()
    }

    /// Takes the next complete frame out of `buffer`; returns `None` until more bytes have arrived.
    ///
    /// A body that does not decompress becomes empty, as on a FISCO node: the message is lost, but
    /// the connection is not (p2p-v2 section 4.5).
    ///
    /// # Errors
    ///
    /// [`PeerFrameError`] as soon as the length field has arrived and is out of bounds; the
    /// connection should be closed.
    pub fn decode(&self, buffer: &mut BytesMut) -> Result<Option<PeerFrame>, PeerFrameError> {
        let Some(field) = buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*field) as usize;
        if len < PEER_HEADER_LEN {
            return Err(PeerFrameError::TooShort { len });
        }
        if len > self.max {
            return Err(PeerFrameError::TooLong { len, max: self.max });
        }
        if buffer.len() < len {
            return Ok(None);
        }
        let mut bytes = buffer.split_to(len).freeze();
        bytes.advance(4);
        let (version, protocol) = (bytes.get_u16(), bytes.get_i32());
        let packet = bytes.get_u16();
        let seq = bytes.get_u32();
        if version & COMPRESSED != 0 {
            bytes = self.decompress(&bytes);
        }
        Ok(Some(PeerFrame {
            protocol,
            packet,
            seq,
            body: bytes,
        }))
    }

    /// Returns the number of missing bytes, like
    /// [`FrameDecoder::missing`](crate::channel::FrameDecoder::missing).
    pub fn missing(&self, buffer: &[u8]) -> usize {
        match buffer.first_chunk::<4>() {
            Some(field) => {
                let len = u32::from_be_bytes(*field) as usize;
                let missing = len.saturating_sub(buffer.len());
                if len > self.max { 0 } else { missing }
            }
            None => 0,
        }
    }

    /// Returns the length of the longest body that is read, in bytes.
    pub fn max_body(&self) -> usize {
        self.max - PEER_HEADER_LEN
    }

    /// Returns the frame at the beginning of a buffer, with the part of its body that has arrived,
    /// and whether the body is compressed; `None` until the whole header has arrived.
    pub fn peek(&self, buffer: &[u8]) -> Option<(PeerFrame, bool)> {
        let (header, body) = buffer.split_at_checked(PEER_HEADER_LEN)?;
        let mut header = &header[4..];
        let (version, protocol) = (header.get_u16(), header.get_i32());
        let frame = PeerFrame {
            protocol,
            packet: header.get_u16(),
            seq: header.get_u32(),
            body: Bytes::copy_from_slice(body),
        };
        Some((frame, version & COMPRESSED != 0))
    }

    fn decompress(&self, body: &[u8]) -> Bytes {
        // The claimed length is checked before anything of that size is allocated.
        match snap::raw::decompress_len(body) {
            Ok(len) if len <= self.max => snap::raw::Decoder::new()
                .decompress_vec(body)
                .map_or_else(|_| Bytes::new(), Bytes::from),
            _ => Bytes::new(),
        }
    }
}

fn put_header(frame: &PeerFrame, len: usize, version: u16, out: &mut BytesMut) {
    // The header is assembled first, so that the buffer checks its room only once.
    let mut header = [0; PEER_HEADER_LEN];
    header[..4].copy_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    header[4..6].copy_from_slice(&version.to_be_bytes());
    header[6..10].copy_from_slice(&frame.protocol.to_be_bytes());
    header[10..12].copy_from_slice(&frame.packet.to_be_bytes());
    header[12..].copy_from_slice(&frame.seq.to_be_bytes());
    out.put_slice(&header);
}

/// Why a stream of P2P frames cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFrameError {
    /// The length field is smaller than a header.
    #[error("P2P frame length {len} is below the header's; the other side is not a 2.x node")]
    TooShort {
        /// The value of the length field.
        len: usize,
    },
    /// The length field is over the limit.
    #[error("P2P frame length {len} is over the limit of {max} bytes")]
    TooLong {
        /// The value of the length field.
        len: usize,
        /// The limit.
        max: usize,
    },
}

#[cfg(test)]
mod tests;
