//! Why a message is not sealed, or not opened.

use crate::{KeyId, Kind, MAX_RECIPIENTS, Refusal, StateError};

/// Why a message cannot be sealed. Nothing of it may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Nobody may read it.
    #[error("it has no recipient; give the public key of at least one")]
    NoRecipient,
    /// It would have too many recipients.
    #[error("it has {count} recipients, the limit is {MAX_RECIPIENTS}; publish it once per group")]
    TooManyRecipients {
        /// How many there are.
        count: usize,
    },
    /// The encryption failed, which no key that was read by this crate and no length makes it do.
    #[error("it cannot be encrypted to the key {recipient}; check that key")]
    Encryption {
        /// Whose key it is.
        recipient: KeyId,
    },
}

/// Why a reader cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// There is no key to open messages with.
    #[error("there is no key to open messages with; give at least one of its own")]
    NoKey,
    /// Nobody's messages would be taken.
    #[error("no publisher is named; give the public key of at least one whose messages to take")]
    NoPublisher,
    /// There are too many keys of its own.
    #[error("{count} keys of its own are too many, the limit is {MAX_OWN}; remove old ones")]
    TooManyKeys {
        /// How many there are.
        count: usize,
    },
    /// What the replay guard saved cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// There are too many publishers.
    #[error("{count} publishers are too many, the limit is {MAX_PUBLISHERS}")]
    TooManyPublishers {
        /// How many there are.
        count: usize,
    },
}

/// Keys of its own that a reader may have.
pub(crate) const MAX_OWN: usize = 16;

/// Publishers that a reader may name.
pub(crate) const MAX_PUBLISHERS: usize = 256;

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is no sealed message, or not a whole one.
    #[error(
        "it is no sealed message: {problem}; check that its publisher declares the topic sealed"
    )]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It is of another version of the protocol.
    #[error("it is sealed by version {version} of the protocol, this is version 1; upgrade")]
    Version {
        /// Its version.
        version: u8,
    },
    /// It uses other cryptography.
    #[error("it is sealed with suite {suite}, which is not known here; upgrade")]
    Suite {
        /// The suite's number.
        suite: u8,
    },
    /// It was not made for this way of travelling, as a multicast that comes as a unicast.
    #[error("it is a {got:?} and came as a {expected:?}: somebody on the way sent it on")]
    Kind {
        /// How it came.
        expected: Kind,
        /// What its sender made it for.
        got: Kind,
    },
    /// Its sender is not among those that were named.
    #[error("it is by the key {sender}, which is not named; name it if it is a publisher's")]
    UnknownPublisher {
        /// Whose it claims to be.
        sender: KeyId,
    },
    /// It is not sealed to any of the keys given.
    #[error("it is sealed to other keys; have its publisher add this side's key")]
    NotRecipient,
    /// It was changed on the way, made for another topic, or never made by that sender.
    #[error(
        "the key {sender} has not signed it for this topic: it was forged, changed, or sent on from \
         another topic"
    )]
    BadSignature {
        /// Whose it claims to be.
        sender: KeyId,
    },
    /// It is signed well and cannot be decrypted: its sender made it wrong.
    #[error("the key {sender} has signed it and it cannot be decrypted; its publisher is at fault")]
    Unreadable {
        /// Whose it is.
        sender: KeyId,
    },
    /// It came before, or too late or too early to tell.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It answers another request.
    #[error("it answers another request")]
    OtherRequest,
}
