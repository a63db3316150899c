//! What can go wrong with a message.

use std::{error::Error, time::Duration};

use amop_proto::{TopicError, client::CloseReason};
use amop_seal::{OpenError, SealError};
use bytes::Bytes;

use crate::CodecError;

/// What went wrong with a message: the [`kind`](super::PublishError::kind) of a
/// [`PublishError`](super::PublishError).
///
/// | kind | [retryable](super::PublishError::is_retryable) | [may have been delivered](super::PublishError::may_have_been_delivered) |
/// | --- | --- | --- |
/// | [`InvalidTopic`](Self::InvalidTopic) | no: correct the name | no |
/// | [`Encode`](Self::Encode) | no: correct the message | no |
/// | [`TooLarge`](Self::TooLarge) | no: send less, or raise the limit | no |
/// | [`CutOff`](Self::CutOff) | no: send less, or raise the limit | yes: the node may have taken it before it ended the connection |
/// | [`Congested`](Self::Congested) | yes | no |
/// | [`NoSubscriber`](Self::NoSubscriber) | yes: a subscriber may come | yes: a node that loses the subscriber's node says the same |
/// | [`NotGranted`](Self::NotGranted) | no: grant the topic | no |
/// | [`NoPrivateTopics`](Self::NoPrivateTopics) | no: use a node of 2.x, or a sealed topic | no |
/// | [`NotSealed`](Self::NotSealed) | no: seal the message | no |
/// | [`Seal`](Self::Seal) | no: correct the recipients or the message | no |
/// | [`UnprovenAnswer`](Self::UnprovenAnswer) | yes | yes |
/// | [`NoVerifiedSubscriber`](Self::NoVerifiedSubscriber) | yes: a subscriber may be verified | yes: as after `NoSubscriber` |
/// | [`Unanswered`](Self::Unanswered) | yes | yes |
/// | [`SubscriberLeft`](Self::SubscriberLeft) | yes | yes |
/// | [`NodeTimeout`](Self::NodeTimeout) | yes | yes |
/// | [`OverLimit`](Self::OverLimit) | yes | yes: a node may give up a message that waits for its answer |
/// | [`Undecodable`](Self::Undecodable) | no: correct the type or the codec | yes: another subscriber may have been asked before |
/// | [`NoReply`](Self::NoReply) | no: correct the subscriber | yes |
/// | [`SubscriberFailed`](Self::SubscriberFailed) | yes | yes |
/// | [`Rejected`](Self::Rejected) | no: the subscriber decided | yes |
/// | [`Timeout`](Self::Timeout) | yes | yes |
/// | [`Offline`](Self::Offline) | yes | no |
/// | [`Disconnected`](Self::Disconnected) | yes, unless this client was closed | yes |
/// | [`Closed`](Self::Closed) | no: connect again | no |
/// | [`Reply`](Self::Reply) | no: correct the type or the codec | yes: a subscriber has answered it |
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// The topic's name cannot be used. Nothing was sent.
    InvalidTopic(TopicError),
    /// The message cannot be written with the topic's codec. Nothing was sent.
    Encode(CodecError),
    /// The frame would be longer than the limit of this client, or than the limit of every
    /// connected node, as far as the nodes tell it. Nothing was sent.
    ///
    /// Or a node of 3.x answered that it delivers nothing so long (status -4011). It does not tell its
    /// limit, so `max` is one byte less. No subscriber has the message.
    #[non_exhaustive]
    TooLarge {
        /// The frame's length in bytes.
        len: usize,
        /// The limit in bytes; with several nodes, that of the one tried last.
        max: usize,
    },
    /// A node ended the connection twice while the message was being sent, possibly because of its
    /// length: it is longer than 64 KiB and longer than anything that the node has taken, and the
    /// node has not told its limit. The message is not sent again.
    #[non_exhaustive]
    CutOff {
        /// The frame's length in bytes.
        len: usize,
        /// The longest frame that the node is known to have taken, in bytes.
        longest: usize,
    },
    /// Until the deadline there was no room for the message among those in flight. Nothing was
    /// sent.
    #[non_exhaustive]
    Congested {
        /// How long the client waited.
        after: Duration,
    },
    /// The node knows of no subscriber of the topic that it can reach (result 100; status 3001 or 3003
    /// of 3.x).
    #[non_exhaustive]
    NoSubscriber {
        /// Whether it is a FISCO node. Such a node does not deliver to its own subscribers: if only
        /// they have the topic, it gives the same answer, after 30 s.
        fisco: bool,
    },
    /// The topic is private and this client has not granted it to any key. Nothing was sent.
    NotGranted,
    /// The topic is private, and all nodes are of 3.x, which has no private topics. Nothing was sent.
    NoPrivateTopics,
    /// This client knows that the topic is sealed, but the message is not. Nothing was sent.
    NotSealed,
    /// The message cannot be sealed. Nothing was sent.
    Seal(SealError),
    /// A sealed message got an answer that did not come from one of its recipients: a node
    /// answered, or a subscriber that does not know that the topic is sealed, or the answer was
    /// changed on the way.
    UnprovenAnswer(OpenError),
    /// The topic is private, and no subscriber was verified before the deadline (result 100).
    #[non_exhaustive]
    NoVerifiedSubscriber {
        /// How long the client waited.
        after: Duration,
    },
    /// No subscriber took the message (result 104; status 3002 of 3.x): each was silent, gone or had a
    /// full queue.
    Unanswered,
    /// The connection of the subscriber, an SDK of 3.x, ended before it answered (result 101; status -4006
    /// of 3.x). It may have handled the message, which was given to no other subscriber.
    SubscriberLeft,
    /// The node stopped waiting for subscribers (result 102; status -4008, -7 or -8 of 3.x) before this
    /// client's own timeout passed. Some subscribers may have taken the message; others may not have been asked.
    NodeTimeout,
    /// The node is over its bandwidth or in-flight limit (result 103), or is of 3.x and says that it failed
    /// (status -1), as an overlay node over a limit does. To share a limit fairly, a node also gives up
    /// messages that wait for their answers.
    OverLimit,
    /// The subscriber could not decode the message (result 105).
    Undecodable,
    /// The subscriber took the request and gave no reply (result 106): its program dropped the
    /// delivery, could not encode the reply, or uses a subscription that cannot reply; or the reply
    /// was longer than the subscriber's node accepts.
    NoReply,
    /// The subscriber failed while it had the message (result 107): its code panicked.
    SubscriberFailed,
    /// The subscriber refused the message with a code of its own; or a node of 3.x reported an error
    /// for which there is no other kind: `code` is its status, and `payload` its text.
    #[non_exhaustive]
    Rejected {
        /// The code.
        code: i32,
        /// The payload of the answer.
        payload: Bytes,
    },
    /// No answer came in time.
    #[non_exhaustive]
    Timeout {
        /// How long the client waited.
        after: Duration,
        /// Whether it is a FISCO node. If such a node picks one of its own subscribers, to which it
        /// does not deliver, it answers only after 30 s. See
        /// [`ask_another_node_after`](crate::ClientBuilder::ask_another_node_after).
        fisco: bool,
    },
    /// No node was connected. Nothing was sent.
    #[non_exhaustive]
    Offline {
        /// The endpoints, separated by commas.
        endpoints: String,
    },
    /// The connection was lost before an answer came, and no other connection brought an answer in
    /// time.
    #[non_exhaustive]
    Disconnected {
        /// Why the connection was lost.
        reason: CloseReason,
    },
    /// The client is closed, and with it all its connections. Nothing was sent.
    #[non_exhaustive]
    Closed {
        /// The endpoints, separated by commas.
        endpoints: String,
        /// Why the client was closed.
        reason: CloseReason,
    },
    /// The message was delivered, but the reply cannot be decoded as the reply's type.
    Reply(CodecError),
}

impl PublishErrorKind {
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Congested { .. }
            | Self::NoSubscriber { .. }
            | Self::UnprovenAnswer(_)
            | Self::NoVerifiedSubscriber { .. }
            | Self::Unanswered
            | Self::SubscriberLeft
            | Self::NodeTimeout
            | Self::OverLimit
            | Self::SubscriberFailed
            | Self::Timeout { .. }
            | Self::Offline { .. } => true,
            Self::Disconnected { reason } => *reason != CloseReason::Local,
            Self::InvalidTopic(_)
            | Self::Encode(_)
            | Self::TooLarge { .. }
            | Self::CutOff { .. }
            | Self::NotGranted
            | Self::NoPrivateTopics
            | Self::NotSealed
            | Self::Seal(_)
            | Self::Undecodable
            | Self::NoReply
            | Self::Rejected { .. }
            | Self::Closed { .. }
            | Self::Reply(_) => false,
        }
    }

    /// Returns whether a subscriber may have the message after this attempt.
    pub(super) fn may_have_been_delivered(&self) -> bool {
        match self {
            Self::CutOff { .. }
            | Self::NoSubscriber { .. }
            | Self::UnprovenAnswer(_)
            | Self::NoVerifiedSubscriber { .. }
            | Self::Unanswered
            | Self::SubscriberLeft
            | Self::NodeTimeout
            | Self::OverLimit
            | Self::Undecodable
            | Self::NoReply
            | Self::SubscriberFailed
            | Self::Rejected { .. }
            | Self::Timeout { .. }
            | Self::Disconnected { .. }
            | Self::Reply(_) => true,
            Self::InvalidTopic(_)
            | Self::Encode(_)
            | Self::TooLarge { .. }
            | Self::Congested { .. }
            | Self::NotGranted
            | Self::NoPrivateTopics
            | Self::NotSealed
            | Self::Seal(_)
            | Self::Offline { .. }
            | Self::Closed { .. } => false,
        }
    }

    pub(super) fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InvalidTopic(source) => Some(source),
            Self::Encode(source) | Self::Reply(source) => Some(source),
            Self::Seal(source) => Some(source),
            Self::UnprovenAnswer(source) => Some(source),
            Self::Disconnected { reason } | Self::Closed { reason, .. } => Some(reason),
            _ => None,
        }
    }
}
