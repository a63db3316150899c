//! Messages, written. Nothing that harms a FISCO node can be written here.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    AmopRequest, AmopRequestError, MAX_MESSAGE, MIN_MESSAGE, WsMessage, WsSeq, WsStatus, WsType,
    amop::{put_head, request_len},
};
use crate::{
    client::MessageKind,
    p2p::{Body, FRAGMENT},
};

/// The bytes of one message, checked: at most [`MAX_MESSAGE`] bytes, and the payload of an AMOP
/// message is complete. An incomplete one stops all work of a FISCO node (ws-v3 section 15), so
/// there is no other way to make the bytes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct EncodedMessage(Body);

impl EncodedMessage {
    /// Writes an AMOP message. Data of more than [`FRAGMENT`] bytes are not copied.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if topic or message are too long.
    pub fn amop(
        kind: MessageKind,
        seq: &WsSeq,
        request: &AmopRequest,
    ) -> Result<Self, EncodeError> {
        let AmopRequest {
            version,
            topic,
            data,
        } = request;
        Self::put_amop(kind, seq, *version, topic, data.clone())
    }

    /// Does the same as [`amop`](Self::amop), with the parts of the request.
    pub(super) fn put_amop(
        kind: MessageKind,
        seq: &WsSeq,
        version: u32,
        topic: &[u8],
        data: Bytes,
    ) -> Result<Self, EncodeError> {
        let kind = match kind {
            MessageKind::Unicast => WsType::UNICAST,
            MessageKind::Multicast => WsType::MULTICAST,
        };
        let head = MIN_MESSAGE + seq.len() + request_len(topic.len(), 0);
        check_len(head + data.len())?;
        let mut out = buffer(head, data.len());
        put_header(&WsMessage::new(kind, seq.clone(), Bytes::new()), &mut out);
        let len = topic.len();
        put_head(version, topic, &mut out).ok_or(EncodeError::TopicTooLong { len })?;
        Ok(Self::join(out, data))
    }

    /// Writes a node's own error about the message with this seq.
    pub(super) fn failure(
        seq: &WsSeq,
        status: WsStatus,
        text: String,
    ) -> Result<Self, EncodeError> {
        WsMessage {
            status,
            ..WsMessage::new(WsType::NODE_ANSWER, seq.clone(), text)
        }
        .encode()
    }

    fn join(mut head: BytesMut, tail: Bytes) -> Self {
        if tail.len() <= FRAGMENT {
            head.put_slice(&tail);
            return Self(head.freeze().into());
        }
        let head = head.freeze();
        Self(Body { head, tail })
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `false`: every message has a header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes in two parts, to be written as one binary WebSocket message.
    pub fn parts(&self) -> &Body {
        &self.0
    }

    /// Returns the bytes in two parts, to be written as one binary WebSocket message.
    pub fn into_parts(self) -> Body {
        self.0
    }

    /// Returns the bytes in one buffer. They are copied if there are two parts.
    pub fn to_bytes(&self) -> Bytes {
        if self.0.tail.is_empty() {
            return self.0.head.clone();
        }
        let mut out = BytesMut::with_capacity(self.len());
        out.put_slice(&self.0.head);
        out.put_slice(&self.0.tail);
        out.freeze()
    }
}

impl WsMessage {
    /// Writes the message. A payload of more than [`FRAGMENT`] bytes is not copied.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if it is too long, or if it is an AMOP message whose payload is incomplete.
    pub fn encode(&self) -> Result<EncodedMessage, EncodeError> {
        check_len(self.wire_len())?;
        if self.kind.has_request() {
            AmopRequest::check(&self.payload).map_err(EncodeError::Incomplete)?;
        }
        let mut out = buffer(MIN_MESSAGE + self.seq.len(), self.payload.len());
        put_header(self, &mut out);
        Ok(EncodedMessage::join(out, self.payload.clone()))
    }
}

/// Returns a buffer for a message: the tail is not copied into it if it is long.
fn buffer(head: usize, tail: usize) -> BytesMut {
    let copied = if tail <= FRAGMENT { tail } else { 0 };
    BytesMut::with_capacity(head + copied)
}

/// Appends everything except the payload.
fn put_header(message: &WsMessage, out: &mut BytesMut) {
    out.put_u16(message.version);
    out.put_u16(message.kind.0);
    out.put_i16(message.status.0);
    // A seq has at most 65,535 bytes.
    out.put_u16(message.seq.len() as u16);
    out.put_slice(message.seq.as_bytes());
    out.put_u16(message.ext);
}

fn check_len(len: usize) -> Result<(), EncodeError> {
    if len > MAX_MESSAGE {
        return Err(EncodeError::TooLong { len });
    }
    Ok(())
}

/// Why a message cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The message would be longer than nodes and SDKs accept.
    #[error("the message would be {len} bytes long, the protocol allows {MAX_MESSAGE}; send less")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The topic is longer than the length field can express.
    #[error("the topic has {len} bytes, the protocol allows {max}; shorten it", max = u16::MAX)]
    TopicTooLong {
        /// The topic's length in bytes.
        len: usize,
    },
    /// It is an AMOP message, and its payload would stop a FISCO node.
    #[error("the payload of the AMOP message is incomplete and would stop a node; it is not sent")]
    Incomplete(#[source] AmopRequestError),
}
