//! What can go wrong on a WebSocket connection.

use std::{io, time::Duration};

/// Why a connection did not become a WebSocket connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The other side closed the connection instead of answering, as a node of FISCO BCOS 2.x does.
    #[error(
        "the other side closed the connection during the WebSocket upgrade; is it FISCO BCOS 2.x?"
    )]
    Closed,
    /// The node answered the request for a WebSocket with another status than 101.
    #[error("the node answered the WebSocket upgrade with HTTP status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The node answered with the status 101, but does not accept this request.
    #[error(
        "the node answered the WebSocket upgrade with status 101, but does not accept the request"
    )]
    NotAccepted,
    /// The bytes that arrived are not the HTTP of a WebSocket upgrade.
    #[error("the WebSocket upgrade failed: {0}")]
    NotUpgrade(String),
    /// The HTTP header is too long.
    #[error("the HTTP header of the WebSocket upgrade is longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// The connection failed.
    #[error("the connection failed during the WebSocket upgrade")]
    Io(#[source] io::Error),
}

impl UpgradeError {
    /// Returns whether this shows that the other side does not speak the protocol of 3.x, but perhaps
    /// another one. A side that answers over HTTP is no node of 2.x.
    pub fn is_other_protocol(&self) -> bool {
        matches!(self, Self::Closed | Self::NotUpgrade(_))
    }
}

/// What the other side did that ends a WebSocket connection. It is the inner error of the
/// [`io::Error`]s that a [`BridgeStream`](crate::BridgeStream) returns for this reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WsViolation {
    /// A frame violates RFC 6455, for example because it is not masked.
    #[error("the other side violates the WebSocket protocol: {0}")]
    Protocol(String),
    /// A message is longer than the limit.
    #[error("a WebSocket message of {len} bytes or more is over the limit of {max}; send less")]
    TooLong {
        /// The length of what is known of it, in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// There is no memory for the rest of a message.
    #[error(
        "no room for {held} bytes of an incomplete WebSocket message: too many bytes of half-received \
         messages are held for its key, its agency or all connections; the sender may send it again later"
    )]
    NoRoom {
        /// The number of bytes that had arrived.
        held: usize,
    },
    /// A message took too long to arrive.
    #[error("a WebSocket message did not arrive within {} s", after.as_secs())]
    TooSlow {
        /// How long it was waited for.
        after: Duration,
    },
}

impl WsViolation {
    /// Returns the error as streams report it.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self)
    }
}
