//! The settings of a node's session, and why it may refuse a delivery.

use std::time::Duration;

use crate::ws::{GroupInfo, MAX_MESSAGE, MIN_MESSAGE};

/// What a list of topics means for the session's earlier topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ListMeaning {
    /// The topics are added to those of the session, as on a FISCO node. SDKs may send two lists in
    /// the wrong order, and this is right for any order (ws-v3 section 4). Topics that are not in the
    /// list are removed only if a listed one has no room without that.
    #[default]
    Adds,
    /// The list is the whole new set. A session loses a topic for good if its SDK sends two lists in
    /// the wrong order.
    Replaces,
    /// The list is the whole new set, except that topics which an earlier list had within the given
    /// time stay: the two lists may have come in the wrong order. Such a topic is removed by a later
    /// list. With this, an SDK can unsubscribe, and loses nothing if it subscribes often.
    ReplacesSettled(Duration),
}

/// The settings of a [`WsServerSession`](super::WsServerSession), usually the same ones for all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WsServerConfig {
    /// The groups that the node reports. SDKs need none for AMOP; `getClient` of java-sdk needs one
    /// that is [complete](GroupInfo::without_chain). Default none.
    pub groups: Vec<GroupInfo>,
    /// The height of each group. Default 0.
    pub block_number: u64,
    /// What a list of topics means. Default [`ListMeaning::Adds`].
    pub topic_lists: ListMeaning,
    /// How long to wait for the handshake before the session ends. Default 30 s.
    pub handshake_timeout: Duration,
    /// How long to wait for the answer to a delivered unicast. Default 30 s (ws-v3 section 10.3).
    pub answer_within: Duration,
    /// How long the SDK's own unicasts wait before the session answers them with the status -4008,
    /// in case that nothing else does. Default 65 s: longer than two subscribers have.
    pub request_timeout: Duration,
    /// Time without a message from the SDK after which it is sent a ping, then again. At least 1 ms.
    /// Default 5 s (ws-v3 section 4.1).
    pub ping: Duration,
    /// Time without a sign of life from the SDK after which the session ends; longer than `ping`.
    /// Default 10 s (ws-v3 section 4.1).
    pub silence: Duration,
    /// The longest message to send, in bytes, everything included; clamped to 10 bytes to 32 MiB.
    /// Default 32 MiB.
    pub max_message: usize,
    /// The longest seq of a unicast that is accepted, in bytes. SDKs send 32. Default 256.
    pub max_seq: usize,
    /// The maximum number of topics; more are left out. Default 4096.
    pub max_topics: usize,
    /// The maximum number of bytes of all topics; more are left out. Default 1 MiB.
    pub max_topic_bytes: usize,
    /// The maximum number of the SDK's unicasts that wait for their answers; more are refused.
    /// Default 8192.
    pub max_in_flight: usize,
    /// The maximum number of delivered unicasts that the SDK has not answered. Default 8192.
    pub max_deliveries: usize,
    /// The maximum number of bytes that wait to be sent. Deliveries beyond are refused, and the
    /// session ends if answers alone exceed it. Each message counts 128 bytes more, for the memory
    /// that it needs itself. Default 64 MiB.
    pub max_queued: usize,
}

impl Default for WsServerConfig {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            block_number: 0,
            topic_lists: ListMeaning::Adds,
            handshake_timeout: Duration::from_secs(30),
            answer_within: Duration::from_secs(30),
            request_timeout: Duration::from_secs(65),
            ping: Duration::from_secs(5),
            silence: Duration::from_secs(10),
            max_message: MAX_MESSAGE,
            max_seq: 256,
            max_topics: 4096,
            max_topic_bytes: 1024 * 1024,
            max_in_flight: 8192,
            max_deliveries: 8192,
            max_queued: 64 * 1024 * 1024,
        }
    }
}

impl WsServerConfig {
    /// Returns the settings with a change.
    ///
    /// ```
    /// use amop_proto::ws::{GroupInfo, server::WsServerConfig};
    ///
    /// let group = GroupInfo::without_chain("chain0", "group0", "node0");
    /// let config = WsServerConfig::default().with(|config| config.groups.push(group));
    /// assert_eq!(config.groups.len(), 1);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Returns the longest message that is sent, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.max_message.clamp(MIN_MESSAGE, MAX_MESSAGE)
    }
}

/// A delivery that was not accepted. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedDelivery<D> {
    /// The ticket that was given with the delivery.
    pub ticket: D,
    /// Why it was not accepted.
    pub why: DeliveryRefusal,
}

/// Why a message was not delivered to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryRefusal {
    /// The handshake has not finished. Some SDKs end the session if something arrives before
    /// (ws-v3 section 12.1).
    #[error("the SDK has not done the version handshake")]
    NotReady,
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
    /// The SDK has too many unicasts that it has not answered.
    #[error("the SDK has {limit} messages that it has not answered")]
    TooManyDeliveries {
        /// The limit.
        limit: usize,
    },
    /// The message is too long, or its topic is.
    #[error("the message would be {len} bytes long, the limit is {max}")]
    TooLong {
        /// The message's length in bytes, everything included.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Too much waits to be sent to the SDK.
    #[error("{queued} bytes wait to be sent to the SDK, the limit is {max}; it reads slowly")]
    QueueFull {
        /// Bytes waiting.
        queued: usize,
        /// The limit.
        max: usize,
    },
}
