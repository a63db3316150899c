//! What a session's frame says, read before the node is asked: a node that many tasks share reads no
//! text while one of them has it.

use bytes::Bytes;

use super::{
    Event, Message, SessionId,
    digest::{Digest, SHORT},
    held,
    topic_set::ReadTopics,
};
use crate::channel::{
    Frame, FrameType, HEADER_LEN, HandshakeError, HandshakeRequest, SetTopics, Verdict,
    rpc::Request,
};

/// A frame of a session with whatever text is in its body read. A [`Node`](super::Node) takes nothing
/// else from its sessions, and reads nothing itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionInput {
    pub(super) message: Message,
    /// Few frames have one, and all are moved from hand to hand.
    pub(super) text: Option<Box<Text>>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    Handshake(Result<HandshakeRequest, HandshakeError>),
    /// `None` where the old set stays.
    Topics(Option<ReadTopics>),
    Rpc(Request),
    Verdict(Option<Verdict>),
}

impl SessionInput {
    /// Reads a frame. Of its topics, if it has any, somewhat more than twice `max_topics` are read, which
    /// should be the node's [`session_topics`](super::Limits::session_topics).
    ///
    /// It takes time that grows with [`text`](Self::text), some nanoseconds for every byte.
    pub fn read(frame: Frame, max_topics: usize) -> Self {
        if Self::text(&frame) > 0 {
            held::reads_text();
        }
        let text = match frame.kind {
            FrameType::HANDSHAKE => Text::Handshake(HandshakeRequest::parse(&frame.body)),
            FrameType::SET_TOPICS => Text::Topics(ReadTopics::read(&frame.body, max_topics)),
            FrameType::RPC => Text::Rpc(Request::read(&frame.body)),
            FrameType::VERIFY_RESULT => Text::Verdict(Verdict::parse(&frame.body)),
            // A message, an answer, a heartbeat.
            _ => {
                return Self {
                    message: frame.into(),
                    text: None,
                };
            }
        };
        Self {
            message: frame.into(),
            text: Some(Box::new(text)),
        }
    }

    /// How many bytes [`digested`](Self::digested) hashes: those of a long message or answer.
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

    /// The same with the hash of a long message, about a nanosecond for each byte. What goes to a node
    /// that is not next to this one is proven with it; without this the machine takes it then.
    #[must_use]
    pub fn digested(mut self) -> Self {
        if self.undigested() > 0 {
            self.message.digest = Digest::of_long(&self.message.frame);
        }
        self
    }

    /// What a frame of this length, of which the header is here, comes to if its text is too long to be
    /// read: there is no need to take it in. `None` if it is not.
    pub fn too_long(head: Frame, len: usize) -> Option<Self> {
        let body = len.saturating_sub(HEADER_LEN);
        let text = match head.kind {
            FrameType::HANDSHAKE => Text::Handshake(Err(HandshakeError::too_long(body)?)),
            FrameType::SET_TOPICS if body > SetTopics::MOST => Text::Topics(None),
            FrameType::RPC => Text::Rpc(Request::too_long(body)?),
            FrameType::VERIFY_RESULT if body > Verdict::MOST => Text::Verdict(None),
            _ => return None,
        };
        let body = Bytes::new();
        Some(Self {
            message: Frame { body, ..head }.into(),
            text: Some(Box::new(text)),
        })
    }

    /// How many bytes of text [`read`](Self::read) reads of a frame at most; 0 for messages, answers
    /// and heartbeats. What is too long to be read at all counts, too: it has to be taken in.
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

impl Event {
    /// A session's frame, read here and now: for owners of a node that nobody else waits for. Others
    /// call [`SessionInput::read`] before they lock it.
    pub fn session_frame(session: SessionId, frame: Frame) -> Self {
        Self::SessionFrame(session, SessionInput::read(frame, SetTopics::MOST))
    }
}
