//! The body of AMOP frames: a topic and a payload (channel-v2 section 7.1).

use bytes::{BufMut, Bytes, BytesMut};

use crate::MAX_TOPIC_LEN;

/// The two parts of an AMOP body. Both share the frame's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmopBody {
    /// The topic's bytes: UTF-8 by convention, not checked.
    pub topic: Bytes,
    /// The application's bytes.
    pub payload: Bytes,
}

/// Frames a topic and a payload: writes a length byte, which counts itself and the topic, then
/// both.
///
/// # Panics
///
/// If `topic` is longer than [`MAX_TOPIC_LEN`]: the length byte would wrap to a value that makes
/// the process of a FISCO node exit (channel-v2 section 3.5), so a caller must never do this.
pub fn frame_topic(topic: &[u8], payload: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(1 + topic.len() + payload.len());
    put_framed(topic, payload, &mut body);
    body.freeze()
}

/// Appends the framed topic and the payload to `out`. Panics as [`frame_topic`] does.
pub(super) fn put_framed(topic: &[u8], payload: &[u8], out: &mut BytesMut) {
    assert!(topic.len() <= MAX_TOPIC_LEN, "topic over the limit");
    out.put_u8(topic.len() as u8 + 1);
    out.put_slice(topic);
    out.put_slice(payload);
}

/// Splits an AMOP body into topic and payload.
///
/// # Errors
///
/// [`AmopBodyError`] if the body is not correctly framed.
pub fn split_topic(body: &Bytes) -> Result<AmopBody, AmopBodyError> {
    let end = topic_end(body)?;
    Ok(AmopBody {
        topic: body.slice(1..end),
        payload: body.slice(end..),
    })
}

/// Returns where the topic of an AMOP body ends and the payload begins. The topic begins at 1.
///
/// # Errors
///
/// [`AmopBodyError`] if the body is not correctly framed.
pub fn topic_end(body: &[u8]) -> Result<usize, AmopBodyError> {
    let &len = body.first().ok_or(AmopBodyError::Empty)?;
    let end = usize::from(len);
    if end == 0 {
        return Err(AmopBodyError::ZeroLength);
    }
    if end > body.len() {
        return Err(AmopBodyError::BeyondBody {
            len: end - 1,
            available: body.len() - 1,
        });
    }
    Ok(end)
}

/// Why an AMOP body could not be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmopBodyError {
    /// There is no length byte.
    #[error("the AMOP body is empty")]
    Empty,
    /// The length byte is 0, although it counts itself.
    #[error("the topic length byte is 0, the minimum is 1")]
    ZeroLength,
    /// The topic would reach beyond the body.
    #[error("the topic should be {len} bytes long but only {available} follow")]
    BeyondBody {
        /// The topic's length according to the length byte.
        len: usize,
        /// The number of bytes that follow the length byte.
        available: usize,
    },
}
