//! Heartbeats, 0x13 (channel-v2 section 5.2).

use bytes::Bytes;

use super::ProtocolVersion;

/// The body an SDK sends.
pub fn heartbeat_request(version: ProtocolVersion) -> Bytes {
    if version == ProtocolVersion::V1 {
        Bytes::from_static(b"0")
    } else {
        Bytes::from_static(b"{\"heartBeat\":0}")
    }
}

/// The body a node answers with; `None` where it stays silent.
///
/// Version 1 answers only the body `0`; later ones answer anything.
pub fn heartbeat_answer(version: ProtocolVersion, request: &[u8]) -> Option<Bytes> {
    if version > ProtocolVersion::V1 {
        Some(Bytes::from_static(b"{\"heartBeat\":1}\n"))
    } else {
        (request == b"0").then(|| Bytes::from_static(b"1"))
    }
}
