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

/// The queue of a session, with the length of its messages.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<EncodedMessage>,
    bytes: usize,
    ping: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, message: EncodedMessage) {
        self.bytes += message.len();
        self.queue.push_back(message);
    }

    /// Sends a ping before the next message. Several pings that wait are one.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    pub(super) fn pop(&mut self) -> Option<WsTransmit> {
        if std::mem::take(&mut self.ping) {
            return Some(WsTransmit::Ping);
        }
        let message = self.queue.pop_front()?;
        self.bytes -= message.len();
        Some(WsTransmit::Message(message))
    }

    /// Returns the number of bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
