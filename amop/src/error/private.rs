//! Why a private topic was not granted, and why a subscriber of one was not verified.

use amop_proto::{TopicError, client::RequestOutcome};

use super::SubscribeError;
use crate::private::TopicPublicKey;

/// Why a private topic was not granted, or why not every node knows of the grant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The topic's name cannot be used.
    #[error("cannot grant: the name of the topic is not usable")]
    InvalidTopic(#[from] TopicError),
    /// The topic is not private: every SDK may subscribe to it.
    #[error(
        "cannot grant {topic:?}: the topic is not private; declare it with \
         #[amop::topic({topic:?}, private)]"
    )]
    NotPrivate {
        /// The topic.
        topic: String,
    },
    /// No key was given.
    #[error("cannot grant {topic:?} without a key; give the public key of at least one subscriber")]
    NoKeys {
        /// The topic.
        topic: String,
    },
    /// The topic is granted, but not every node knows of it yet. The grant stays, and the other
    /// nodes are told when that is possible.
    #[error("{topic:?} is granted, but not every node knows of it yet")]
    Unconfirmed {
        /// The topic.
        topic: String,
        /// Which node does not know of it, and why.
        source: SubscribeError,
    },
}

/// Why the subscriber at a node does not get the messages of a private topic yet. The node asks
/// again every 5 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationFailure {
    /// It did not answer its challenge.
    #[error("it did not answer its challenge; check that it runs and subscribes with a key")]
    NoAnswer,
    /// Its answer cannot be a signature.
    #[error(
        "its answer of {len} bytes is not a signature, which has 65 bytes; subscribers on web3sdk \
         cannot be verified"
    )]
    NoSignature {
        /// The answer's length in bytes.
        len: usize,
    },
    /// Its signature was not made with a granted key.
    #[error(
        "its signature was made with {}, to which the topic is not granted; grant it if that is \
         the right subscriber, or correct the subscriber's key",
        match key { Some(key) => format!("the key {key}"), None => "no key at all".to_owned() }
    )]
    UnknownKey {
        /// The key that signed. If something other than the challenge was signed, this is a
        /// meaningless key.
        key: Option<TopicPublicKey>,
    },
    /// The node asked for a verification although this client did not grant the topic to any key.
    #[error("this client has not granted the topic to any key; the node should not have asked")]
    NotGranted,
}

impl VerificationFailure {
    /// Returns the failure for a challenge that was not answered with a signature.
    pub(crate) fn of(outcome: &RequestOutcome) -> Self {
        tracing::debug!(?outcome, "a challenge has no signature");
        Self::NoAnswer
    }
}
