//! What waits to be sent on a session.

use std::collections::VecDeque;

use super::EncodedMessage;

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum WsTransmit {
    /// Send a binary WebSocket message with these bytes, unfragmented.
    Message(EncodedMessage),
    /// Send a WebSocket ping without payload.
    Ping,
}

/// The memory that a message needs while it waits, in addition to its bytes: its place in the queue
/// and what its buffers need. Without it, small messages would need several times the limit.
const OVERHEAD: usize = 128;

/// Returns how many bytes of the limit a message of this length uses.
pub(super) fn cost(len: usize) -> usize {
    len + OVERHEAD
}

#[derive(Debug)]
struct Waiting {
    message: EncodedMessage,
    is_answer: bool,
}

/// The queue of a session, with the cost of its messages.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Waiting>,
    bytes: usize,
    /// The part of `bytes` that the other side has asked for.
    answer_bytes: usize,
    ping: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, message: EncodedMessage) {
        self.put(message, false);
    }

    /// Sends a message that the other side has asked for. It is counted apart, because nobody else
    /// can cause it.
    pub(super) fn push_answer(&mut self, message: EncodedMessage) {
        self.answer_bytes += cost(message.len());
        self.put(message, true);
    }

    fn put(&mut self, message: EncodedMessage, is_answer: bool) {
        self.bytes += cost(message.len());
        self.queue.push_back(Waiting { message, is_answer });
    }

    /// Sends a ping before the next message. Several pings that wait are one.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    pub(super) fn pop(&mut self) -> Option<WsTransmit> {
        if std::mem::take(&mut self.ping) {
            return Some(WsTransmit::Ping);
        }
        let Waiting { message, is_answer } = self.queue.pop_front()?;
        self.bytes -= cost(message.len());
        if is_answer {
            self.answer_bytes -= cost(message.len());
        }
        Some(WsTransmit::Message(message))
    }

    /// Returns the number of bytes that wait, as [`cost`] counts them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the part of them that are answers.
    pub(super) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }
}
