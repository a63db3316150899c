//! What a session can be told, and why it may refuse a request.

use std::time::Duration;

use crate::channel::{DEFAULT_MAX_FRAME, HEADER_LEN, PROTOCOL_MAX_FRAME};

/// The longest heartbeat interval. Nodes up to 2.6.0 close a session after 30 s without bytes
/// (channel-v2 section 5.3).
const MAX_HEARTBEAT: Duration = Duration::from_secs(20);

/// What can be set about a [`ClientSession`](super::ClientSession).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// Time between heartbeats; held between 1 ms and 20 s. Default 10 s.
    pub heartbeat: Duration,
    /// A request that waits so long without a sign of life from the node has the node asked for one; if none
    /// comes for as long again, and some time more for what was sent meanwhile, the session is over. Held
    /// between 1 ms and the heartbeat's interval. Default 2.5 s.
    pub probe: Duration,
    /// How long the handshake's answer may take before version 1 is assumed. Default 5 s.
    pub handshake_timeout: Duration,
    /// The longest frame sent, header included, in bytes; held between 42 and 100 MiB. Default
    /// 32 MiB.
    pub max_frame: usize,
    /// Requests that may wait for their answers at a time. Default 8192.
    pub max_in_flight: usize,
    /// The longest frame that the node is known to have taken before, in bytes. Default 0.
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
    /// With every value within its bounds.
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
pub struct Refused<T> {
    /// What was given with the request.
    pub token: T,
    /// Why it was not accepted.
    pub why: RefusedWhy,
}

/// Why a request was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedWhy {
    /// The handshake is not over.
    #[error("the version handshake is not over")]
    NotReady,
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
    /// As many requests wait for answers as are allowed to.
    #[error("{limit} requests wait for their answers already")]
    InFlight {
        /// The limit.
        limit: usize,
    },
    /// A request with the same seq waits for its answer.
    #[error("a message with the same seq waits for its answer already")]
    SeqInUse,
    /// The frame would be too long.
    #[error("the frame would be {len} bytes long, the limit is {max}")]
    TooLong {
        /// Its length in bytes, header included.
        len: usize,
        /// The limit.
        max: usize,
    },
}
