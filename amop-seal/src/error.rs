//! Errors of sealing and opening messages.

use crate::{
    keys::KeyId,
    kind::{MAX_RECIPIENTS, SealedKind},
    state::StateError,
    window::ReplayRefusal,
};

/// Why a message cannot be sealed. No part of it may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There are no recipients.
    #[error("it has no recipient; give at least one public key")]
    NoRecipient,
    /// There are too many recipients.
    #[error("it has {count} recipients, the limit is {MAX_RECIPIENTS}; publish it once per group")]
    TooManyRecipients {
        /// The number of recipients.
        count: usize,
    },
    /// The encryption failed. This does not happen with a key that this crate has read, whatever
    /// the length of the content.
    #[error("it cannot be encrypted to the key {recipient}; check that key")]
    Encryption {
        /// The recipient's key.
        recipient: KeyId,
    },
}

/// Why a reader cannot be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// There is no key for opening messages.
    #[error("there is no key to open messages with; give at least one own key")]
    NoKey,
    /// There are no publishers.
    #[error("no publisher is named; give the public key of at least one publisher")]
    NoPublisher,
    /// There are too many own keys.
    #[error("{count} own keys are too many, the limit is {MAX_OWN}; remove old ones")]
    TooManyKeys {
        /// The number of own keys.
        count: usize,
    },
    /// The saved state of the replay guard is not usable.
    #[error(transparent)]
    State(#[from] StateError),
    /// There are too many publishers.
    #[error("{count} publishers are too many, the limit is {MAX_PUBLISHERS}")]
    TooManyPublishers {
        /// The number of publishers.
        count: usize,
    },
}

/// The maximum number of own keys of a reader.
pub(crate) const MAX_OWN: usize = 16;

/// The maximum number of publishers that a reader may name.
pub(crate) const MAX_PUBLISHERS: usize = 256;

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not a sealed message, or not a complete one.
    #[error(
        "it is not a sealed message: {problem}; check that its publisher declares the topic sealed"
    )]
    Malformed {
        /// The problem.
        problem: &'static str,
    },
    /// It has another version of the protocol.
    #[error("it is sealed by version {version} of the protocol, this is version 1; upgrade")]
    Version {
        /// The message's version.
        version: u8,
    },
    /// It uses another cipher suite.
    #[error("it is sealed with suite {suite}, which is not known here; upgrade")]
    Suite {
        /// The number of the suite.
        suite: u8,
    },
    /// It arrived as another kind than it was made for, for example a multicast as a unicast.
    #[error(
        "it is a {got:?} but arrived as a {expected:?}: a node on the way changed how it is sent"
    )]
    Kind {
        /// The kind as which it arrived.
        expected: SealedKind,
        /// The kind for which its sender made it.
        got: SealedKind,
    },
    /// Its sender is not one of the named publishers.
    #[error("it is by the key {sender}, which is not named as a publisher; if it is one, name it")]
    UnknownPublisher {
        /// The key of the alleged sender.
        sender: KeyId,
    },
    /// It is not sealed to any of the given keys.
    #[error("it is sealed to other keys; have its publisher add this side's key")]
    NotRecipient,
    /// It was changed on the way, was made for another topic, or is not by that sender.
    #[error(
        "the key {sender} has not signed it for this topic: it was forged, changed, or copied from \
         another topic"
    )]
    BadSignature {
        /// The key of the alleged sender.
        sender: KeyId,
    },
    /// Its signature is good but it cannot be decrypted: its sender made it wrongly.
    #[error(
        "the key {sender} has signed it, but it cannot be decrypted; the fault is at its publisher"
    )]
    Unreadable {
        /// The sender's key.
        sender: KeyId,
    },
    /// It was accepted before, or is too late or too early to know whether it was.
    #[error(transparent)]
    Refused(#[from] ReplayRefusal),
    /// It answers another request.
    #[error("it answers another request")]
    OtherRequest,
}
