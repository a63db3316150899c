//! The unit of the protocol: the payload of one WebSocket message (ws-v3 section 5).

use bytes::{Buf, Bytes};

use super::{WsSeq, WsStatus, WsType};

/// The length of the shortest message in bytes: one with an empty seq and no payload.
pub const MIN_MESSAGE: usize = 10;

/// The length of the longest message in bytes, everything included (ws-v3 section 4). A FISCO node
/// ends a connection with the code 1009 if it receives a longer one.
pub const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// One message of an SDK or a node: the whole payload of one binary WebSocket message. There is no
/// length prefix, and a WebSocket message never has more than one of these.
///
/// ```
/// use amop_proto::ws::{MAX_MESSAGE, WsMessage, WsSeq, WsStatus, WsType};
/// use bytes::Bytes;
///
/// let answer = WsMessage::new(WsType::RESPONSE, WsSeq::EMPTY, "world");
/// let wire = answer.encode()?.to_bytes();
/// assert_eq!(&wire[..], b"\0\0\x01\x13\0\0\0\0\0\0world");
/// assert_eq!(WsMessage::decode(wire, MAX_MESSAGE)?, answer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsMessage {
    /// 0. Nodes and SDKs carry any value and do not check it.
    pub version: u16,
    /// The type, which says how to read the payload of a message that is not an answer.
    pub kind: WsType,
    /// 0, or in answers the reason of a failure.
    pub status: WsStatus,
    /// The key that ties an answer to its message.
    pub seq: WsSeq,
    /// Flags. Nodes and SDKs send 0 on this link, and do not look at them.
    pub ext: u16,
    /// The payload. It shares memory with the buffer it was read into.
    pub payload: Bytes,
}

impl WsMessage {
    /// Creates a message with version, status and flags 0.
    pub fn new(kind: WsType, seq: WsSeq, payload: impl Into<Bytes>) -> Self {
        Self {
            version: 0,
            kind,
            status: WsStatus::SUCCESS,
            seq,
            ext: 0,
            payload: payload.into(),
        }
    }

    /// Reads the payload of a WebSocket message of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// [`WsMessageError`] if it is too long, or ends before the seq or the flags do. The other side
    /// does not speak the protocol: close the connection. A FISCO node keeps the bytes and reads the
    /// next message as their end (ws-v3 section 15).
    pub fn decode(mut bytes: Bytes, max: usize) -> Result<Self, WsMessageError> {
        let len = bytes.len();
        if len > max {
            return Err(WsMessageError::TooLong { len, max });
        }
        if len < MIN_MESSAGE {
            return Err(WsMessageError::TooShort { len });
        }
        let version = bytes.get_u16();
        let kind = WsType(bytes.get_u16());
        let status = WsStatus(bytes.get_i16());
        let seq_len = usize::from(bytes.get_u16());
        let available = bytes.len();
        let beyond = || WsMessageError::SeqBeyondEnd { seq_len, available };
        if available < seq_len + 2 {
            return Err(beyond());
        }
        let seq = WsSeq::new(&bytes.split_to(seq_len)).ok_or_else(beyond)?;
        Ok(Self {
            version,
            kind,
            status,
            seq,
            ext: bytes.get_u16(),
            payload: bytes,
        })
    }

    /// Returns the length on the wire in bytes.
    pub fn wire_len(&self) -> usize {
        MIN_MESSAGE + self.seq.len() + self.payload.len()
    }
}

/// Why the payload of a WebSocket message is not a message of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsMessageError {
    /// It is shorter than any message.
    #[error(
        "a WebSocket message has {len} bytes, the minimum is {MIN_MESSAGE}; the other side does not \
         speak the protocol of FISCO BCOS 3.x"
    )]
    TooShort {
        /// Its length in bytes.
        len: usize,
    },
    /// It is longer than the limit.
    #[error("a WebSocket message has {len} bytes, the limit is {max}; send less")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The seq and the flags would reach beyond the end.
    #[error("a seq should be {seq_len} bytes long, but only {available} follow, two of them flags")]
    SeqBeyondEnd {
        /// The seq's length according to the length field.
        seq_len: usize,
        /// The number of bytes that follow the length field.
        available: usize,
    },
}
