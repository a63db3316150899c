//! Why a topic could not be subscribed to.

use std::time::Duration;

use amop_proto::{TopicError, client::CloseReason};
use amop_seal::ReaderError;

/// Why a topic could not be subscribed to, or unsubscribed from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The topic's name cannot be used.
    #[error("cannot subscribe: the name of the topic is not usable")]
    InvalidTopic(#[from] TopicError),
    /// The topic is private and no key was given, neither to this call nor to the client.
    #[error(
        "cannot subscribe to {topic:?} without a key: the topic is private; use subscribe_private, or \
         give the client a key by topic_key"
    )]
    NoKey {
        /// The topic.
        topic: String,
    },
    /// This client already subscribes to the private topic with another key. A node verifies one
    /// subscriber per client and topic.
    #[error(
        "cannot subscribe to the private topic {topic:?}: this client subscribes to it with another \
         key already; use that, or another client"
    )]
    OtherKey {
        /// The topic.
        topic: String,
    },
    /// The topic is private, and all nodes are of 3.x, which has no private topics.
    #[error(
        "cannot subscribe to the private topic {topic:?}: all of {endpoints} are nodes of FISCO BCOS 3.x, \
         which has no private topics; name a node of 2.x, or use a sealed topic"
    )]
    NoPrivateTopics {
        /// The topic.
        topic: String,
        /// The endpoints.
        endpoints: String,
    },
    /// A key was given, but the topic is not private.
    #[error(
        "cannot subscribe to {topic:?} with a key: the topic is not private; declare it so, or \
         subscribe without a key"
    )]
    NotPrivate {
        /// The topic.
        topic: String,
    },
    /// The keys or the replay guard of a subscription to a sealed topic cannot be used.
    #[error("cannot subscribe to the sealed topic {topic:?}")]
    Sealed {
        /// The topic.
        topic: String,
        /// Why, and what to do.
        source: ReaderError,
    },
    /// The node did not confirm in time.
    #[error(
        "{endpoint} did not confirm the topics (with or without {topic:?}) within {} ms; check \
         the node, or raise the timeout",
        after.as_millis()
    )]
    Timeout {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long the client waited.
        after: Duration,
    },
    /// The node has no room for the topic: it is over a limit of the node, or over this client's
    /// share of a limit.
    #[error(
        "cannot subscribe to {topic:?}: {endpoint} has no room for it; subscribe to fewer topics with \
         this certificate, or have the node's limits for topics raised"
    )]
    Refused {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// No node was connected.
    #[error(
        "cannot subscribe to {topic:?}: none of {endpoints} is connected; check that a node runs, or \
         subscribe again later"
    )]
    Offline {
        /// The topic.
        topic: String,
        /// The endpoints.
        endpoints: String,
    },
    /// The client is closed.
    #[error(
        "the connection to {endpoint} is closed, and with it the subscription to {topic:?}; \
         connect again"
    )]
    Disconnected {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// Why the connection was lost.
        #[source]
        reason: CloseReason,
    },
}

impl SubscribeError {
    /// Returns whether subscribing again later may succeed although nothing is changed: a node may
    /// be connected, answer, or have room for the topic.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Refused { .. } | Self::Offline { .. } => true,
            Self::InvalidTopic(_)
            | Self::NoKey { .. }
            | Self::OtherKey { .. }
            | Self::NotPrivate { .. }
            | Self::NoPrivateTopics { .. }
            | Self::Sealed { .. }
            | Self::Disconnected { .. } => false,
        }
    }
}
