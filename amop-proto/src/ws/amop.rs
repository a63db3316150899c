//! The payload of AMOP messages: a topic and the application's data (ws-v3 section 10.2).

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The length of the version and of the length field.
const FIXED: usize = 6;

/// The payload of a unicast or a multicast. Its parts share the memory of the message.
///
/// ```
/// use amop_proto::ws::AmopRequest;
/// use bytes::Bytes;
///
/// let payload = Bytes::from_static(b"\0\0\0\0\0\x06topic1hello");
/// let request = AmopRequest::decode(&payload)?;
/// assert_eq!((&request.topic[..], &request.data[..]), (&b"topic1"[..], &b"hello"[..]));
/// assert!(AmopRequest::decode(&payload.slice(..5)).is_err());
/// # Ok::<(), amop_proto::ws::AmopRequestError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmopRequest {
    /// 0. Nodes and SDKs carry any value and do not check it.
    pub version: u32,
    /// The topic's bytes. They need not be UTF-8: SDKs in Java send surrogates of 3 bytes each for
    /// characters above U+FFFF.
    pub topic: Bytes,
    /// The application's bytes.
    pub data: Bytes,
}

impl AmopRequest {
    /// Creates a request with version 0.
    pub fn new(topic: impl Into<Bytes>, data: impl Into<Bytes>) -> Self {
        Self {
            version: 0,
            topic: topic.into(),
            data: data.into(),
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`AmopRequestError`] if the payload ends too early. Such a payload stops a FISCO node
    /// (ws-v3 section 15).
    pub fn decode(payload: &Bytes) -> Result<Self, AmopRequestError> {
        let end = Self::check(payload)?;
        let mut fixed = &payload[..];
        Ok(Self {
            version: fixed.get_u32(),
            topic: payload.slice(FIXED..end),
            data: payload.slice(end..),
        })
    }

    /// Returns where the topic ends and the data begins.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn check(payload: &[u8]) -> Result<usize, AmopRequestError> {
        let Some((fixed, rest)) = payload.split_at_checked(FIXED) else {
            return Err(AmopRequestError::TooShort { len: payload.len() });
        };
        let len = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        if len > rest.len() {
            let available = rest.len();
            return Err(AmopRequestError::TopicBeyondPayload { len, available });
        }
        Ok(FIXED + len)
    }

    /// Returns the length of the payload in bytes.
    pub fn wire_len(&self) -> usize {
        request_len(self.topic.len(), self.data.len())
    }
}

/// Appends everything except the data. `None` if the topic is too long for the length field;
/// nothing is appended then.
pub(super) fn put_head(version: u32, topic: &[u8], out: &mut BytesMut) -> Option<()> {
    let len = u16::try_from(topic.len()).ok()?;
    out.put_u32(version);
    out.put_u16(len);
    out.put_slice(topic);
    Some(())
}

/// Returns the length of a payload in bytes.
pub(super) fn request_len(topic: usize, data: usize) -> usize {
    FIXED + topic + data
}

/// Why the payload of an AMOP message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmopRequestError {
    /// The payload has no room for version and length.
    #[error("the payload of an AMOP message has {len} bytes, the minimum is {FIXED}")]
    TooShort {
        /// The payload's length in bytes.
        len: usize,
    },
    /// The topic would reach beyond the payload.
    #[error("the topic should be {len} bytes long but only {available} follow")]
    TopicBeyondPayload {
        /// The topic's length according to the length field.
        len: usize,
        /// The number of bytes that follow the length field.
        available: usize,
    },
}
