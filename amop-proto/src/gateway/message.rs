//! The messages of AMOP between nodes (gateway-v3 section 6).

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The length of a message's header in bytes.
const HEADER: usize = 6;

/// Why a unicast failed at the subscriber's node (gateway-v3 section 7.3).
pub mod status {
    /// The node has no subscriber of the topic.
    pub const NO_SUBSCRIBER: i16 = 3002;
    /// The text that FISCO nodes send with [`NO_SUBSCRIBER`].
    pub const NO_SUBSCRIBER_TEXT: &str = "NotFoundClientByTopicDispatchMsg";
    /// The subscriber's connection ended.
    pub const DISCONNECTED: i16 = -4006;
    /// The subscriber did not answer within 30 s.
    pub const TIMED_OUT: i16 = -4008;
    /// The text that FISCO nodes send with [`TIMED_OUT`].
    pub const TIMED_OUT_TEXT: &str = "waiting for message response timed out";
}

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GatewayMessageKind(pub u16);

impl GatewayMessageKind {
    /// The sender's topic sequence number.
    pub const TOPIC_SEQ: Self = Self(1);
    /// Requests the topics.
    pub const REQUEST_TOPICS: Self = Self(2);
    /// The topics.
    pub const TOPICS: Self = Self(3);
    /// A unicast.
    pub const UNICAST: Self = Self(4);
    /// A multicast; in a response an error. The packet's response flag tells the two apart.
    pub const MULTICAST: Self = Self(5);
}

/// The payload of a packet of type [`PacketType::AMOP`](super::PacketType::AMOP).
///
/// ```
/// use amop_proto::gateway::{GatewayMessage, GatewayMessageKind};
/// use bytes::Bytes;
///
/// let message = GatewayMessage {
///     kind: GatewayMessageKind::TOPIC_SEQ,
///     status: 0,
///     data: Bytes::from_static(b"5"),
/// };
/// assert_eq!(message.header(), &[0, 0, 0, 1, 0, 0][..]);
/// let wire = Bytes::from_static(&[0, 0, 0, 1, 0, 0, b'5']);
/// assert_eq!(GatewayMessage::parse(&wire), Ok(message));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayMessage {
    /// Says how to read the data.
    pub kind: GatewayMessageKind,
    /// 0, or why a unicast failed.
    pub status: i16,
    /// The data; that of a unicast or multicast is an AMOPRequest body (ws-v3 section 10.2).
    pub data: Bytes,
}

impl GatewayMessage {
    /// Returns the bytes before the data: version 0, the kind and the status.
    #[must_use]
    pub fn header(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER);
        out.put_u16(0);
        out.put_u16(self.kind.0);
        out.put_i16(self.status);
        out.freeze()
    }

    /// Reads a payload. The data shares its memory; the version is not checked.
    ///
    /// # Errors
    ///
    /// [`GatewayMessageError`] if it is shorter than a header. FISCO nodes ignore it then.
    pub fn parse(payload: &Bytes) -> Result<Self, GatewayMessageError> {
        let len = payload.len();
        if len < HEADER {
            return Err(GatewayMessageError { len });
        }
        let mut data = payload.slice(2..);
        Ok(Self {
            kind: GatewayMessageKind(data.get_u16()),
            status: data.get_i16(),
            data,
        })
    }
}

/// The error for a payload that is shorter than the header of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an AMOP message between nodes has {len} bytes, its header {HEADER}")]
#[non_exhaustive]
pub struct GatewayMessageError {
    /// The length in bytes.
    pub len: usize,
}
