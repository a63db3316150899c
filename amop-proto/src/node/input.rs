//! The content of a session's frame, read before the node gets it: many tasks share the node, so no
//! task reads text while it holds the node.

use bytes::Bytes;

use super::{
    HashedFrame,
    digest::{FrameDigest, SHORT},
    held,
    rpc::RpcRequest,
    topic_set::ReadTopics,
};
use crate::channel::{
    Frame, FrameType, HEADER_LEN, HandshakeError, HandshakeRequest, SetTopics, Verdict,
};

/// A frame of a session whose text, if it has any, has been read. A
/// [`NodeMachine`](super::NodeMachine) takes nothing else from its sessions, and reads no text
/// itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionInput {
    pub(super) message: HashedFrame,
    /// Boxed, because few frames have a text and all of them are moved often.
    pub(super) text: Option<Box<FrameText>>,
}

/// The text of a frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FrameText {
    Handshake(Result<HandshakeRequest, HandshakeError>),
    /// `None` if the set was not understood, so that the old one stays in force.
    Topics(Option<ReadTopics>),
    Rpc(RpcRequest),
    Verdict(Option<Verdict>),
}

impl SessionInput {
    /// Reads a frame. Of a topic set, it reads somewhat more than twice `max_topics` topics;
    /// `max_topics` should be the node's [`session_topics`](super::Limits::session_topics).
    ///
    /// The time it takes grows with [`text`](Self::text), some nanoseconds for every byte.
    pub fn read(frame: Frame, max_topics: usize) -> Self {
        if Self::text(&frame) > 0 {
            held::reads_text();
        }
        let text = match frame.kind {
            FrameType::HANDSHAKE => FrameText::Handshake(HandshakeRequest::parse(&frame.body)),
            FrameType::SET_TOPICS => FrameText::Topics(ReadTopics::read(&frame.body, max_topics)),
            FrameType::RPC => FrameText::Rpc(RpcRequest::read(&frame.body)),
            FrameType::VERIFY_RESULT => FrameText::Verdict(Verdict::parse(&frame.body)),
            // A message, an answer or a heartbeat.
            kind => {
                let digest = FrameDigest::UNKNOWN;
                let digest = match kind {
                    FrameType::MULTICAST => digest.with_long_body(&frame.body),
                    _ => digest,
                };
                let message = HashedFrame { frame, digest };
                let text = None;
                return Self { message, text };
            }
        };
        Self {
            message: frame.into(),
            text: Some(Box::new(text)),
        }
    }

    /// Returns how many bytes [`digested`](Self::digested) hashes: the length of a long message or
    /// answer.
    pub fn undigested(&self) -> usize {
        let frame = &self.message.frame;
        match frame.kind {
            FrameType::UNICAST | FrameType::MULTICAST | FrameType::RESPONSE
                if !self.message.digest.is_known() && frame.wire_len() > SHORT =>
            {
                frame.wire_len()
            }
            _ => 0,
        }
    }

    /// Returns the same input with the hash of a long message, which takes about a nanosecond for
    /// each byte. The hash proves a message to a node that is not a neighbour; without this call,
    /// the machine computes it when it is needed.
    #[must_use]
    pub fn digested(mut self) -> Self {
        if self.undigested() > 0 {
            self.message.digest = self.message.digest.with_long(&self.message.frame);
        }
        self
    }

    /// Returns the input for a frame whose text is too long to be read, given its header and its
    /// length, so that its body need not be received. `None` if the text is not too long.
    pub fn too_long(head: Frame, len: usize) -> Option<Self> {
        let body = len.saturating_sub(HEADER_LEN);
        let text = match head.kind {
            FrameType::HANDSHAKE => FrameText::Handshake(Err(HandshakeError::too_long(body)?)),
            FrameType::SET_TOPICS if body > SetTopics::MOST => FrameText::Topics(None),
            FrameType::RPC => FrameText::Rpc(RpcRequest::too_long(body)?),
            FrameType::VERIFY_RESULT if body > Verdict::MOST => FrameText::Verdict(None),
            _ => return None,
        };
        let body = Bytes::new();
        Some(Self {
            message: Frame { body, ..head }.into(),
            text: Some(Box::new(text)),
        })
    }

    /// Returns how many bytes of text [`read`](Self::read) reads of a frame at most; 0 for
    /// messages, answers and heartbeats. Text that is too long to be read counts as well, because
    /// it must be received.
    pub fn text(frame: &Frame) -> usize {
        match frame.kind {
            FrameType::HANDSHAKE
            | FrameType::SET_TOPICS
            | FrameType::RPC
            | FrameType::VERIFY_RESULT => frame.body.len(),
            _ => 0,
        }
    }
}
