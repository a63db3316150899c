//! Finds the frames in one direction of a 2.x connection, without holding back or changing the bytes.

use amop_proto::MAX_TOPIC_LEN;
use amop_proto::channel::{FrameError, FrameType, HEADER_LEN, PROTOCOL_MAX_FRAME, Seq};
use amop_proto::ws::{WsStatus, WsType};
use bytes::{Buf, Bytes, BytesMut};

/// A part of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StreamPart {
    Frame(FrameHead),
    /// A message of 3.x.
    Message(MessageHead),
    /// Something else that is understood.
    Note(String),
    /// Bytes that are not frames, and the first of them.
    Bytes {
        len: usize,
        start: Bytes,
    },
    /// No frame can be recognised after this point.
    Undecodable(FrameError),
    /// The stream ended within a frame.
    Truncated {
        missing: usize,
        start: Bytes,
    },
}

/// A frame. Only the beginning of its body is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) kind: FrameType,
    pub(super) seq: Seq,
    pub(super) result: i32,
    /// The length of the whole body.
    pub(super) body_len: usize,
    /// The beginning of the body: the topic and the part of the payload to show.
    pub(super) start: Bytes,
}

/// A message of 3.x. Only the beginning of its payload is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MessageHead {
    pub(super) kind: WsType,
    pub(super) status: WsStatus,
    pub(super) seq: Bytes,
    pub(super) topic: Option<Bytes>,
    pub(super) payload_len: usize,
    /// The beginning of the payload.
    pub(super) start: Bytes,
}

/// The watcher of one direction.
#[derive(Debug)]
pub(super) struct Watcher {
    /// Bytes to keep of each frame: the header and the beginning of the body.
    keep: usize,
    /// The kept bytes of the current frame.
    kept: BytesMut,
    /// Bytes of the current frame that have not arrived; known once its length field has.
    missing: Option<usize>,
    undecodable: bool,
}

const LENGTH_FIELD: usize = 4;

impl Watcher {
    /// Creates a watcher that keeps `preview` bytes of each payload.
    pub(super) fn new(preview: usize) -> Self {
        Self {
            keep: HEADER_LEN + 1 + MAX_TOPIC_LEN + preview,
            kept: BytesMut::new(),
            missing: None,
            undecodable: false,
        }
    }

    /// Takes the next bytes of the stream, and returns the frames that end with them.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> Vec<StreamPart> {
        let mut seen = Vec::new();
        while !bytes.is_empty() {
            if self.undecodable {
                seen.push(self.raw(bytes));
                break;
            }
            let Some(missing) = self.missing else {
                let taken = bytes.len().min(LENGTH_FIELD - self.kept.len());
                self.kept.extend_from_slice(&bytes[..taken]);
                bytes.advance(taken);
                if let Some(field) = self.kept.first_chunk::<LENGTH_FIELD>() {
                    match check_length(u32::from_be_bytes(*field) as usize) {
                        Ok(len) => self.missing = Some(len - LENGTH_FIELD),
                        Err(error) => {
                            self.undecodable = true;
                            seen.push(StreamPart::Undecodable(error));
                            let field = std::mem::take(&mut self.kept);
                            seen.push(self.raw(&field));
                        }
                    }
                }
                continue;
            };
            let taken = bytes.len().min(missing);
            let room = self.keep.saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&bytes[..taken.min(room)]);
            bytes.advance(taken);
            if taken < missing {
                self.missing = Some(missing - taken);
            } else {
                self.missing = None;
                seen.push(StreamPart::Frame(head(
                    std::mem::take(&mut self.kept).freeze(),
                )));
            }
        }
        seen
    }

    /// Handles the end of the stream.
    pub(super) fn end(&mut self) -> Option<StreamPart> {
        let start = std::mem::take(&mut self.kept).freeze();
        (!start.is_empty()).then(|| StreamPart::Truncated {
            // While the length is unknown, at least the rest of a header is missing.
            missing: self.missing.unwrap_or_else(|| HEADER_LEN - start.len()),
            start,
        })
    }

    fn raw(&self, bytes: &[u8]) -> StreamPart {
        StreamPart::Bytes {
            len: bytes.len(),
            start: Bytes::copy_from_slice(&bytes[..bytes.len().min(self.keep)]),
        }
    }
}

/// Checks that a frame can have this length.
fn check_length(len: usize) -> Result<usize, FrameError> {
    let max = PROTOCOL_MAX_FRAME;
    match len {
        0..HEADER_LEN => Err(FrameError::TooShort { len }),
        _ if len > max => Err(FrameError::TooLong { len, max }),
        _ => Ok(len),
    }
}

/// Reads a header (channel-v2 section 3.1) and keeps the available part of the body.
fn head(mut bytes: Bytes) -> FrameHead {
    let len = bytes.get_u32() as usize;
    let kind = FrameType(bytes.get_u16());
    let mut seq = Seq([0; Seq::LEN]);
    bytes.copy_to_slice(&mut seq.0);
    let result = bytes.get_i32();
    FrameHead {
        kind,
        seq,
        result,
        body_len: len - HEADER_LEN,
        start: bytes,
    }
}

#[cfg(test)]
mod tests;
