//! Private topics: who is granted them, and with which keys this side subscribes.
//!
//! All of it is state of the client: connections that are made again go through verification again by
//! themselves.

mod keys;
mod state;

use amop_proto::client::Outcome;

pub use keys::{KeyError, KeyProblem, TopicKey, TopicPublicKey};
pub(crate) use state::{Judged, Private};

/// Why the subscriber behind a node does not get the messages of a private topic, so far: the node
/// asks again every 5 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationFailure {
    /// It did not answer its challenge.
    #[error("it did not answer its challenge; check that it runs and subscribes with a key")]
    NoAnswer,
    /// What it answered cannot be a signature.
    #[error(
        "its answer of {len} bytes is no signature, which has 65; subscribers on web3sdk cannot be \
         verified"
    )]
    NoSignature {
        /// The answer's length in bytes.
        len: usize,
    },
    /// Its signature is not one of the granted keys.
    #[error(
        "its signature is by {}, to which the topic is not granted; grant it if that is the right \
         subscriber, or correct the subscriber's key",
        match key { Some(key) => format!("the key {key}"), None => "no key at all".to_owned() }
    )]
    UnknownKey {
        /// The key that signed; if something else than the challenge was signed, it is nobody's.
        key: Option<TopicPublicKey>,
    },
    /// This client did not grant the topic to anybody, and the node asked all the same.
    #[error("this client has not granted the topic to anybody; the node should not have asked")]
    NotGranted,
}

impl VerificationFailure {
    /// Of a challenge that was not answered by a signature.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        tracing::debug!(?outcome, "a challenge has no signature");
        Self::NoAnswer
    }
}
