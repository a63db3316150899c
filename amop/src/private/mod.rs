//! Private topics: the keys that they are granted to, and the keys that this client subscribes
//! with.
//!
//! All of this is state of the client, so after a reconnect verification starts again without a
//! call by the program.

mod keys;
mod state;

use amop_proto::client::RequestOutcome;

pub use keys::{KeyError, KeyProblem, TopicKey, TopicPublicKey};
pub(crate) use state::{PrivateTopics, SignatureCheck};

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
