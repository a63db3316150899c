//! Frames of the extension protocol.

use bytes::Bytes;

use crate::p2p::{PeerFrame, protocol};

/// Builds a frame of the extension protocol.
pub(in crate::node) fn extension(packet: u16, seq: u32, body: Bytes) -> PeerFrame {
    PeerFrame {
        protocol: protocol::EXTENSION,
        packet,
        seq,
        body,
    }
}
