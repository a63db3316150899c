//! The settings of a session, and why it may refuse a request.

use std::time::Duration;

use crate::channel::{DEFAULT_MAX_FRAME, HEADER_LEN, PROTOCOL_MAX_FRAME};

/// The longest heartbeat interval. Nodes up to 2.6.0 close a session after 30 s without bytes
/// (channel-v2 section 5.3).
const MAX_HEARTBEAT: Duration = Duration::from_secs(20);

/// The settings of a [`ClientSession`](super::ClientSession).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Time between heartbeats; clamped to 1 ms to 20 s. Default 10 s.
    pub heartbeat: Duration,
    /// When a request has waited this long without a sign of life from the node, the session probes
    /// the node. If no sign comes within the same time again, plus some time for bytes that were
    /// sent meanwhile, the session ends. Clamped to 1 ms to the heartbeat's interval. Default 2.5
    /// s.
    pub probe: Duration,
    /// How long to wait for the handshake's answer before version 1 is assumed. Default 5 s.
    pub handshake_timeout: Duration,
    /// The longest frame to send, header included, in bytes; clamped to 42 bytes to 100 MiB.
    /// Default 32 MiB.
    pub max_frame: usize,
    /// The maximum number of requests that wait for their answers. Default 8192.
    pub max_in_flight: usize,
    /// The longest frame that the node is known to have accepted before, in bytes. Default 0.
    pub longest_taken: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(10),
            probe: Duration::from_millis(2500),
            handshake_timeout: Duration::from_secs(5),
            max_frame: DEFAULT_MAX_FRAME,
            max_in_flight: 8192,
            longest_taken: 0,
        }
    }
}

impl ClientConfig {
    /// Returns the settings with a change.
    ///
    /// ```
    /// let config = amop_proto::client::ClientConfig::default().with(|config| config.max_in_flight = 1);
    /// assert_eq!(config.max_in_flight, 1);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Clamps every value to its range.
    pub(super) fn held(self) -> Self {
        let shortest = Duration::from_millis(1);
        let heartbeat = self.heartbeat.clamp(shortest, MAX_HEARTBEAT);
        Self {
            heartbeat,
            probe: self.probe.clamp(shortest, heartbeat),
            max_frame: self.max_frame.clamp(HEADER_LEN, PROTOCOL_MAX_FRAME),
            ..self
        }
    }
}

/// A request that was not accepted. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedRequest<T> {
    /// The token that was given with the request.
    pub token: T,
    /// Why it was not accepted.
    pub why: RefusalReason,
}

/// Why a request was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusalReason {
    /// The handshake has not finished.
    #[error("the version handshake has not finished")]
    NotReady,
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
    /// The maximum number of requests already wait for their answers.
    #[error("{limit} requests already wait for their answers")]
    InFlight {
        /// The limit.
        limit: usize,
    },
    /// A request with the same seq already waits for its answer.
    #[error("a message with the same seq already waits for its answer")]
    SeqInUse,
    /// The frame would be too long.
    #[error("the frame would be {len} bytes long, the limit is {max}")]
    TooLong {
        /// The frame's length in bytes, header included.
        len: usize,
        /// The limit.
        max: usize,
    },
}
