//! Translators between messages of 3.x and frames of 2.x, without I/O.
//!
//! Overlay nodes and native clients know one protocol, that of [`channel`](crate::channel). At the
//! edge, where a connection speaks 3.x, a translator stands between the two: on one side it is the
//! end of a 3.x session, on the other side it behaves as an SDK or a node of 2.x does.

mod node;
mod sdk;

use std::{io, time::Instant};

pub use node::NodeBridge;
pub use sdk::{SdkBridge, SdkBridgeConfig, SdkNotice, TopicNotCarried};

use super::{WsMessage, WsMessageError, WsTransmit};
use crate::channel::Frame;

/// A translator between a WebSocket connection and frames of 2.x.
///
/// After any call, send what [`poll_transmit`](Self::poll_transmit) returns over the WebSocket, pass
/// what [`poll_frame`](Self::poll_frame) returns to the side of 2.x, and call
/// [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout). When
/// [`is_closed`](Self::is_closed), send what is left, then close both sides.
pub trait Bridge {
    /// Handles a message that arrived over the WebSocket.
    fn handle_message(&mut self, now: Instant, message: WsMessage);

    /// Handles a binary WebSocket message that is not a message of the protocol. Ends the session.
    fn handle_message_error(&mut self, error: WsMessageError);

    /// Records a sign of life from the WebSocket: a ping, or a part of a message.
    fn note_activity(&mut self, at: Instant);

    /// Handles a pong: the other side has read everything that was sent before the ping. Another sign
    /// of life does not say so, because its bytes may have been on their way before.
    fn handle_pong(&mut self, now: Instant) {
        self.note_activity(now);
    }

    /// Returns whether the answers to the other side's pings must wait now. They are sent when this is
    /// no longer so.
    fn holds_pongs(&self) -> bool {
        false
    }

    /// Handles a frame from the side of 2.x.
    fn handle_frame(&mut self, now: Instant, frame: Frame);

    /// Handles the end of the WebSocket: a Close message, or the end of TLS or TCP.
    fn handle_eof(&mut self);

    /// Handles a failure of the WebSocket, for example a frame that violates RFC 6455.
    fn handle_io_error(&mut self, error: &io::Error);

    /// Handles the passage of time.
    fn handle_timeout(&mut self, now: Instant);

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due; `None` if nothing is due.
    fn next_timeout(&self) -> Option<Instant>;

    /// Returns the next thing to send over the WebSocket.
    fn poll_transmit(&mut self) -> Option<WsTransmit>;

    /// Returns the next frame for the side of 2.x.
    fn poll_frame(&mut self) -> Option<Frame>;

    /// Returns whether the session has ended.
    fn is_closed(&self) -> bool;

    /// Returns why the session has ended, once, if neither side closed it in order. The side of 2.x
    /// gets it as the error of its connection.
    fn take_failure(&mut self) -> Option<io::Error> {
        None
    }
}
