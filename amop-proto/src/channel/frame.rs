//! The channel frame: a 42-byte header and a body (channel-v2 section 3).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Seq, frame_topic};
use crate::p2p::{Body, FRAGMENT};

/// Length of a frame's header in bytes.
pub const HEADER_LEN: usize = 42;

/// Where the result field begins in a header.
pub(crate) const RESULT_OFFSET: usize = 38;

/// The result of a multicast for which a native client wants an answer only if it is refused.
/// Requests of all SDKs have 0 there (channel-v2 section 3.1), and a FISCO node would pass this
/// value on and answer; so it is sent only to a node that
/// [understands](super::HandshakeResponse::quiet_multicasts) it.
pub const NO_ACK: i32 = 1;

/// The longest frame that FISCO nodes accept, header included, in bytes (channel-v2 section 3.2).
pub const PROTOCOL_MAX_FRAME: usize = 100 * 1024 * 1024;

/// The longest frame accepted unless configured otherwise, header included, in bytes.
pub const DEFAULT_MAX_FRAME: usize = 32 * 1024 * 1024;

/// The type of a frame. The list is open: a value without a name here is carried like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameType(pub u16);

impl FrameType {
    /// JSON-RPC request and response.
    pub const RPC: Self = Self(0x12);
    /// Heartbeat.
    pub const HEARTBEAT: Self = Self(0x13);
    /// Version handshake.
    pub const HANDSHAKE: Self = Self(0x14);
    /// Registers an event-log filter.
    pub const EVENT_REGISTER: Self = Self(0x15);
    /// Unregisters an event-log filter.
    pub const EVENT_UNREGISTER: Self = Self(0x16);
    /// AMOP unicast.
    pub const UNICAST: Self = Self(0x30);
    /// Answer to a unicast or a multicast.
    pub const RESPONSE: Self = Self(0x31);
    /// Replaces the session's topics.
    pub const SET_TOPICS: Self = Self(0x32);
    /// AMOP multicast.
    pub const MULTICAST: Self = Self(0x35);
    /// Private topics: asks a publisher to verify a peer.
    pub const VERIFY_PEER: Self = Self(0x37);
    /// Private topics: the publisher's verdict.
    pub const VERIFY_RESULT: Self = Self(0x38);
    /// A transaction's receipt.
    pub const TRANSACTION_NOTIFY: Self = Self(0x1000);
    /// A new block.
    pub const BLOCK_NOTIFY: Self = Self(0x1001);
    /// Event-log push.
    pub const EVENT_PUSH: Self = Self(0x1002);
}

/// One message on a channel connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The frame type, which says how to read the body.
    pub kind: FrameType,
    /// The number that ties a response to its request.
    pub seq: Seq,
    /// 0 in requests and successes; otherwise one of [`result_code`](super::result_code) or a
    /// number of the application.
    pub result: i32,
    /// The body. It shares memory with the buffer it was read into.
    pub body: Bytes,
}

impl Frame {
    /// Creates a frame with result 0.
    pub fn new(kind: FrameType, seq: Seq, body: impl Into<Bytes>) -> Self {
        Self {
            kind,
            seq,
            result: 0,
            body: body.into(),
        }
    }

    /// Creates an AMOP frame: its body has the framed topic and the payload.
    ///
    /// # Panics
    ///
    /// If `topic` is longer than [`MAX_TOPIC_LEN`](crate::MAX_TOPIC_LEN); a
    /// [`TopicName`](crate::TopicName) never is.
    pub fn amop(kind: FrameType, seq: Seq, topic: &[u8], payload: &[u8]) -> Self {
        Self::new(kind, seq, frame_topic(topic, payload))
    }

    /// Returns the bytes of an AMOP frame, written at once: the payload is copied only once.
    ///
    /// # Panics
    ///
    /// As [`amop`](Self::amop).
    #[cfg(feature = "gateway")]
    pub(crate) fn amop_bytes(kind: FrameType, seq: Seq, topic: &[u8], payload: &[u8]) -> Bytes {
        let body = 1 + topic.len() + payload.len();
        let mut out = BytesMut::with_capacity(HEADER_LEN + body);
        out.put_slice(&Self::new(kind, seq, Bytes::new()).header_before(body));
        super::amop::put_framed(topic, payload, &mut out);
        out.freeze()
    }

    /// Returns the response to this frame: same seq, type 0x31.
    pub fn respond(&self, result: i32, body: Bytes) -> Self {
        Self {
            kind: FrameType::RESPONSE,
            seq: self.seq,
            result,
            body,
        }
    }

    /// Returns the frame's length on the wire in bytes.
    pub fn wire_len(&self) -> usize {
        HEADER_LEN + self.body.len()
    }

    /// Returns the header's bytes.
    ///
    /// A body that is too long for the length field cannot occur: readers and encoders enforce
    /// [`PROTOCOL_MAX_FRAME`].
    pub fn header(&self) -> [u8; HEADER_LEN] {
        self.header_before(self.body.len())
    }

    /// Returns the bytes of a header before a body of this length.
    fn header_before(&self, body: usize) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        let len = u32::try_from(HEADER_LEN + body).unwrap_or(u32::MAX);
        header[..4].copy_from_slice(&len.to_be_bytes());
        header[4..6].copy_from_slice(&self.kind.0.to_be_bytes());
        header[6..RESULT_OFFSET].copy_from_slice(&self.seq.0);
        header[RESULT_OFFSET..].copy_from_slice(&self.result.to_be_bytes());
        header
    }

    /// Appends the frame's bytes to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.wire_len());
        out.put_slice(&self.header());
        out.put_slice(&self.body);
    }

    /// Returns the frame's bytes in a buffer of their own.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.wire_len());
        self.encode(&mut out);
        out.freeze()
    }

    /// Returns the frame's bytes in two parts. A body of more than
    /// [`FRAGMENT`](crate::p2p::FRAGMENT) bytes is not copied.
    pub fn to_parts(&self) -> Body {
        if self.body.len() <= FRAGMENT {
            return self.to_bytes().into();
        }
        Body {
            head: Bytes::copy_from_slice(&self.header()),
            tail: self.body.clone(),
        }
    }

    /// Returns the frame at the beginning of a buffer, without its body; `None` until the whole
    /// header has arrived.
    pub fn peek(buffer: &[u8]) -> Option<Self> {
        let header = buffer.get(..HEADER_LEN)?;
        Some(parse(Bytes::copy_from_slice(header)))
    }

    /// Reads the frame at the beginning of a buffer, as P2P messages carry it; bytes after it are
    /// ignored.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if the length field is out of bounds or reaches beyond the buffer.
    pub fn from_bytes(mut bytes: Bytes, max: usize) -> Result<Self, FrameError> {
        let available = bytes.len();
        let Some(len) = declared_len(&bytes, max)? else {
            return Err(FrameError::Truncated { available });
        };
        // A FISCO node reads the length that the field says and ignores what follows.
        if len > available {
            return Err(FrameError::Truncated { available });
        }
        bytes.truncate(len);
        Ok(parse(bytes))
    }
}

/// Cuts frames out of a growing read buffer.
///
/// It holds only the limit: the caller owns the buffer, and bodies share its memory.
///
/// ```
/// use amop_proto::channel::{Frame, FrameDecoder, FrameType, Seq};
/// use bytes::BytesMut;
///
/// let frame = Frame::new(FrameType::HEARTBEAT, Seq([b'0'; 32]), "0");
/// let mut buffer = BytesMut::from(&frame.to_bytes()[..20]);
/// let decoder = FrameDecoder::default();
/// assert_eq!(decoder.decode(&mut buffer)?, None);
/// buffer.extend_from_slice(&frame.to_bytes()[20..]);
/// assert_eq!(decoder.decode(&mut buffer)?, Some(frame));
/// assert!(buffer.is_empty());
/// # Ok::<(), amop_proto::channel::FrameError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct FrameDecoder {
    max: usize,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_FRAME)
    }
}

impl FrameDecoder {
    /// Creates a decoder that refuses frames longer than `max` bytes, header included. `max` is
    /// clamped to the range from [`HEADER_LEN`] to [`PROTOCOL_MAX_FRAME`].
    pub fn new(max: usize) -> Self {
        Self {
            max: max.clamp(HEADER_LEN, PROTOCOL_MAX_FRAME),
        }
    }

    /// Returns the longest frame that is accepted, in bytes.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Takes the next complete frame out of `buffer`; returns `None` until more bytes have arrived.
    ///
    /// # Errors
    ///
    /// [`FrameError`] as soon as the length field has arrived and is out of bounds. The stream
    /// cannot be read any further, and the connection should be closed.
    pub fn decode(&self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match declared_len(buffer, self.max)? {
            Some(len) if len <= buffer.len() => Ok(Some(parse(buffer.split_to(len).freeze()))),
            _ => Ok(None),
        }
    }

    /// Returns how many bytes of the frame at the beginning of `buffer` are missing, as far as it
    /// is known: reserve this many before reading on. 0 if its length has not arrived yet, or is
    /// out of bounds.
    pub fn missing(&self, buffer: &[u8]) -> usize {
        match declared_len(buffer, self.max) {
            Ok(Some(len)) => len.saturating_sub(buffer.len()),
            _ => 0,
        }
    }
}

/// Returns the checked length field; `None` until it has arrived.
fn declared_len(buffer: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
    let Some(field) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes(*field) as usize;
    if len < HEADER_LEN {
        return Err(FrameError::TooShort { len });
    }
    if len > max {
        return Err(FrameError::TooLong { len, max });
    }
    Ok(Some(len))
}

/// Reads a whole frame; `bytes` has at least a header.
fn parse(mut bytes: Bytes) -> Frame {
    bytes.advance(4);
    let kind = FrameType(bytes.get_u16());
    let mut seq = Seq([0; Seq::LEN]);
    bytes.copy_to_slice(&mut seq.0);
    let result = bytes.get_i32();
    Frame {
        kind,
        seq,
        result,
        body: bytes,
    }
}

/// Why a stream of frames cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length field is smaller than a header.
    #[error(
        "frame length {len} is below the {HEADER_LEN}-byte header; the other side does not speak \
         the channel protocol"
    )]
    TooShort {
        /// The value of the length field.
        len: usize,
    },
    /// The length field is over the limit.
    #[error("{}", too_long(*.len, *.max))]
    TooLong {
        /// The value of the length field.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A buffer that should hold a whole frame ends before the frame does.
    #[error("the buffer has only {available} bytes of a longer frame")]
    Truncated {
        /// The number of bytes in the buffer.
        available: usize,
    },
}

/// The first bytes of an answer over HTTP, read as the length of a frame.
const HTTP: usize = u32::from_be_bytes(*b"HTTP") as usize;

fn too_long(len: usize, max: usize) -> String {
    if len == HTTP {
        return "the other side answers over HTTP: a node of FISCO BCOS 3.x does this; speak the \
                protocol of 3.x with it"
            .to_owned();
    }
    format!("frame length {len} is over the limit of {max} bytes; send less or raise the limit")
}

#[cfg(test)]
mod tests;
