//! How much of the machine a connection may use.

use std::task::{Context, Poll};

use amop_proto::ws::WsMessage;

/// Decides how much memory and how much time the messages of a connection may take.
pub trait WsBudget {
    /// Asks whether the connection may hold `len` bytes of messages that are incomplete or wait for
    /// [`poll_admit`](Self::poll_admit). The amount replaces the one asked for before, and 0 gives
    /// everything back. If the answer is no, the connection is closed with the code 1013 (try again
    /// later).
    fn hold(&mut self, len: usize) -> bool;

    /// Waits until something may be handled: first anything at all (`None`), then this message. While
    /// it waits, nothing is read from the connection, and the silence of the other side does not count.
    fn poll_admit(&mut self, cx: &mut Context<'_>, message: Option<&WsMessage>) -> Poll<()>;

    /// Records that what was admitted last has been handled: that message, or a ping or a pong.
    fn handled(&mut self);
}

/// Allows everything: the longest message is the only limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl WsBudget for Unlimited {
    fn hold(&mut self, _len: usize) -> bool {
        true
    }

    fn poll_admit(&mut self, _cx: &mut Context<'_>, _message: Option<&WsMessage>) -> Poll<()> {
        Poll::Ready(())
    }

    fn handled(&mut self) {}
}
