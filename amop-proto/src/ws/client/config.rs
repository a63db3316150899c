//! The settings of a client's session, and why it may refuse a message.

use std::time::Duration;

use crate::ws::{MAX_MESSAGE, MIN_MESSAGE};

/// The settings of a [`WsClientSession`](super::WsClientSession).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WsClientConfig {
    /// How long to wait for the handshake's answer before the session ends. Default 10 s, as SDKs
    /// wait (ws-v3 section 7).
    pub handshake_timeout: Duration,
    /// Time without a message from the node after which it is sent a ping, then again. At least 1 ms.
    /// Default 5 s (ws-v3 section 4.1).
    pub ping: Duration,
    /// Time without a sign of life from the node after which the session ends; longer than `ping`.
    /// Default 10 s (ws-v3 section 4.1).
    pub silence: Duration,
    /// The longest message to send, in bytes, everything included; clamped to 10 bytes to 32 MiB.
    /// Default 32 MiB.
    pub max_message: usize,
    /// The maximum number of unicasts that wait for their answers. Default 8192.
    pub max_in_flight: usize,
    /// The maximum number of delivered unicasts that the program has not answered yet; more are
    /// refused. Default 8192.
    pub max_deliveries: usize,
    /// The longest seq of a delivered unicast that is accepted, in bytes. Nodes and SDKs send 32.
    /// Default 256.
    pub max_seq: usize,
    /// The maximum number of bytes that wait to be sent; more messages and answers are refused. Each
    /// message counts 128 bytes more, for the memory that it needs itself. Default 64 MiB.
    pub max_queued: usize,
    /// The maximum length of the list of topics in bytes, as JSON. Default 2 MiB.
    pub max_topic_list: usize,
}

impl Default for WsClientConfig {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            ping: Duration::from_secs(5),
            silence: Duration::from_secs(10),
            max_message: MAX_MESSAGE,
            max_in_flight: 8192,
            max_deliveries: 8192,
            max_seq: 256,
            max_queued: 64 * 1024 * 1024,
            max_topic_list: 2 * 1024 * 1024,
        }
    }
}

impl WsClientConfig {
    /// Returns the settings with a change.
    ///
    /// ```
    /// let config = amop_proto::ws::client::WsClientConfig::default().with(|config| config.max_in_flight = 1);
    /// assert_eq!(config.max_in_flight, 1);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Clamps every value to its range.
    pub(super) fn held(self) -> Self {
        Self {
            max_message: self.max_message.clamp(MIN_MESSAGE, MAX_MESSAGE),
            max_topic_list: self.max_topic_list.min(MAX_MESSAGE / 2),
            ..self
        }
    }
}

/// A unicast that was not accepted. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedUnicast<T> {
    /// The token that was given with the unicast.
    pub token: T,
    /// Why it was not accepted.
    pub why: WsRefusal,
}

/// Why a message, an answer or a topic was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsRefusal {
    /// The handshake has not finished.
    #[error("the version handshake has not finished")]
    NotReady,
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
    /// The maximum number of unicasts already wait for their answers.
    #[error("{limit} unicasts already wait for their answers")]
    InFlight {
        /// The limit.
        limit: usize,
    },
    /// A unicast with the same seq already waits for its answer.
    #[error("a message with the same seq already waits for its answer")]
    SeqInUse,
    /// The message would be too long.
    #[error("the message would be {len} bytes long, the limit is {max}")]
    TooLong {
        /// The message's length in bytes, everything included.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Too much waits to be sent.
    #[error("{queued} bytes already wait to be sent, the limit is {max}; send more slowly")]
    QueueFull {
        /// Bytes waiting.
        queued: usize,
        /// The limit.
        max: usize,
    },
    /// No unicast with this seq waits for an answer: it was answered before, or did not arrive here.
    #[error("no message with this seq waits for an answer of this client")]
    NotWaiting,
    /// The node no longer waits for this answer, and nothing was sent.
    #[error("the node waits {} s for an answer, and this one is later", within.as_secs())]
    Late {
        /// How long the node waits.
        within: Duration,
    },
    /// The list of topics would be too long.
    #[error("the list of topics would be {len} bytes long, the limit is {max}; use fewer topics")]
    TopicList {
        /// The list's length in bytes, as JSON.
        len: usize,
        /// The limit.
        max: usize,
    },
}
