//! AMOP frames, written.

use bytes::{BufMut, BytesMut};

use crate::{
    TopicName,
    channel::{FrameType, HEADER_LEN, Seq},
};

/// Returns the length of an AMOP frame in bytes.
pub(super) fn wire_len(topic: &TopicName, payload: usize) -> usize {
    HEADER_LEN + 1 + topic.as_bytes().len() + payload
}

/// Writes an AMOP frame directly into `out`; the layout is in channel-v2 sections 3.1 and 7.1.
pub(super) fn put_amop(
    out: &mut BytesMut,
    kind: FrameType,
    seq: Seq,
    result: i32,
    topic: &TopicName,
    payload: &[u8],
) {
    let len = wire_len(topic, payload.len());
    out.reserve(len);
    // Callers enforce `max_frame`, and a topic name has at most 254 bytes, so no number wraps.
    out.put_u32(len as u32);
    out.put_u16(kind.0);
    out.put_slice(&seq.0);
    out.put_i32(result);
    out.put_u8(topic.as_bytes().len() as u8 + 1);
    out.put_slice(topic.as_bytes());
    out.put_slice(payload);
}
