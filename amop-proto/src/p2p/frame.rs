//! A frame between nodes.

use bytes::Bytes;

/// Length of a frame's header in bytes.
pub const PEER_HEADER_LEN: usize = 16;

/// One message between nodes. The body is never compressed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFrame {
    /// Positive in requests, negative in responses.
    pub protocol: i32,
    /// The packet type, which depends on the protocol and says how to read the body.
    pub packet: u16,
    /// The number that ties a response to its request, on one connection.
    pub seq: u32,
    /// The body. It shares memory with the buffer it was read into, unless it was compressed.
    pub body: Bytes,
}

impl PeerFrame {
    /// Returns whether this answers an earlier request.
    pub fn is_response(&self) -> bool {
        self.protocol <= 0
    }

    /// Returns the frame's length on the wire in bytes, uncompressed.
    pub fn wire_len(&self) -> usize {
        PEER_HEADER_LEN + self.body.len()
    }
}
