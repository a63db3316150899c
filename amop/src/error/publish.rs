//! Why messages were not delivered.

use std::time::Duration;

use amop_proto::{TopicError, channel::result_code, client::CloseReason};
use amop_seal::{OpenError, SealError};
use bytes::Bytes;

use crate::CodecError;

/// Text added to the error if a FISCO node knows of no subscriber.
const FISCO_OWN: &str = ". A FISCO node does not deliver to its own subscribers: publish and subscribe at \
    different nodes, or name several endpoints";

/// Text added to the error if a FISCO node does not answer.
const FISCO_TIMEOUT: &str = ". A FISCO node does not deliver to its own subscribers, and says so only \
    after 30 s: with several endpoints, ClientBuilder::ask_another_node_after asks another node meanwhile";

/// Why a message was not delivered, or why it is not known whether it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic's name cannot be used. Nothing was sent.
    #[error("cannot publish: {0}")]
    InvalidTopic(#[from] TopicError),
    /// The message cannot be written with the topic's codec. Nothing was sent.
    #[error("cannot publish to {topic:?}: {source}")]
    Encode {
        /// The topic.
        topic: String,
        /// The codec's error.
        source: CodecError,
    },
    /// The frame would be longer than the limit of this client, or than the limit of every
    /// connected node, as far as the nodes tell it. Nothing was sent.
    #[error(
        "message for {topic:?} is too large: its frame would have {len} bytes, the limit is \
         {max}; send less, or raise max_frame on the clients and the node"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The frame's length in bytes.
        len: usize,
        /// The limit in bytes; with several nodes, that of the one tried last.
        max: usize,
    },
    /// A node ended the connection twice while the message was being sent, possibly because of its
    /// length: it is longer than 64 KiB and longer than anything that the node has taken, and the
    /// node has not told its limit. The message is not sent again.
    #[error(
        "the message for {topic:?} is probably too large for {endpoint}: two times a node ended \
         the connection while the frame of {len} bytes was being sent; the longest frame that it \
         took before has {longest} bytes; send less, or have the node's limit for frames raised"
    )]
    CutOff {
        /// The topic.
        topic: String,
        /// The node that ended the connection last.
        endpoint: String,
        /// The frame's length in bytes.
        len: usize,
        /// The longest frame that the node is known to have taken, in bytes.
        longest: usize,
    },
    /// Until the deadline there was no room for the message among those in flight. Nothing was
    /// sent.
    #[error(
        "message for {topic:?} was not sent to {endpoint}: for {} ms there was no room among the \
         messages in flight; publish less at a time",
        after.as_millis()
    )]
    Congested {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long the client waited.
        after: Duration,
    },
    /// The node knows of no subscriber of the topic (result 100).
    #[error(
        "nobody subscribes to {topic:?} as far as {endpoint} knows; topics of other nodes take \
         up to 5 s to arrive there: start a subscriber, or publish again later{}",
        if *fisco { FISCO_OWN } else { "" }
    )]
    NoSubscriber {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// Whether it is a FISCO node. Such a node does not deliver to its own subscribers: if only
        /// they have the topic, it gives the same answer, after 30 s.
        fisco: bool,
    },
    /// The topic is private and this client has not granted it to any key. Nothing was sent.
    #[error(
        "cannot publish to the private topic {topic:?}: it is not granted to any key; grant it to \
         the subscribers' public keys first"
    )]
    NotGranted {
        /// The topic.
        topic: String,
    },
    /// This client knows that the topic is sealed, but the message is not. Nothing was sent.
    #[error(
        "the message for {topic:?} was not sent: the topic is sealed and the message is not; \
         publish it with Client::seal_for"
    )]
    NotSealed {
        /// The topic.
        topic: String,
    },
    /// The message cannot be sealed. Nothing was sent.
    #[error("cannot seal the message for {topic:?}: {source}")]
    Seal {
        /// The topic.
        topic: String,
        /// Why, and what to do.
        source: SealError,
    },
    /// A sealed message got an answer that did not come from one of its recipients: a node
    /// answered, or a subscriber that does not know that the topic is sealed, or the answer was
    /// changed on the way.
    #[error(
        "the answer to the sealed message for {topic:?}, by way of {endpoint}, is not proven to \
         come from a recipient ({source}); the message may have been delivered: publish again if \
         that is safe, by way of another node"
    )]
    UnprovenAnswer {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// What is wrong with the answer.
        source: OpenError,
    },
    /// The topic is private, and no subscriber was verified before the deadline (result 100).
    #[error(
        "no verified subscriber of the private topic {topic:?} within {} ms, as far as {endpoint} \
         knows: start a subscriber, and see the client's events for verifications that failed",
        after.as_millis()
    )]
    NoVerifiedSubscriber {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long the client waited.
        after: Duration,
    },
    /// No subscriber took the message (result 104): each was silent, gone or had a full queue.
    #[error(
        "no subscriber of {topic:?} took the message sent to {endpoint}: each was silent, gone or \
         had a full queue. A node waits 5 s for each, so one that takes longer may still have \
         processed it: publish again if that is safe, answer sooner, or add subscribers"
    )]
    Unanswered {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The node stopped waiting for subscribers (result 102) before this client's own timeout
    /// passed. Some subscribers may have taken the message; others may not have been asked.
    #[error(
        "{endpoint} gave up waiting for an answer to the message for {topic:?}; it may have been \
         delivered: publish again if that is safe, and see the node's log for nodes it cannot reach"
    )]
    NodeTimeout {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The node is over its bandwidth or in-flight limit (result 103).
    #[error(
        "{endpoint} is over its limit and did not route the message for {topic:?}; slow down, \
         or raise the node's outgoing_bandwidth_limit"
    )]
    OverLimit {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The subscriber could not decode the message (result 105).
    #[error(
        "the subscriber of {topic:?} (by way of {endpoint}) could not decode the message; compare \
         the topic's type and codec on both sides"
    )]
    Undecodable {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The subscriber took the request and gave no reply (result 106): its program dropped the
    /// delivery, could not encode the reply, or uses a subscription that cannot reply; or the reply
    /// was longer than the subscriber's node accepts.
    #[error(
        "the subscriber of {topic:?} (by way of {endpoint}) took the request and gave no reply; it may have \
         been processed: let the subscriber reply to every delivery (Client::deliveries), or refuse it"
    )]
    NoReply {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The subscriber failed while it had the message (result 107): its code panicked.
    #[error(
        "the subscriber of {topic:?} (by way of {endpoint}) failed while it had the message, which may be \
         half processed: see the subscriber's log, and publish again if that is safe"
    )]
    SubscriberFailed {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
    },
    /// The subscriber refused the message with a code of its own.
    #[error(
        "the subscriber of {topic:?} (by way of {endpoint}) answered with result {code} ({})",
        result_code::describe(*code)
    )]
    Rejected {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// The code.
        code: i32,
        /// The payload of the answer.
        payload: Bytes,
    },
    /// No answer came in time.
    #[error(
        "no answer from {endpoint} to the message for {topic:?} within {} ms; it may have been \
         delivered: publish again if that is safe, or raise the timeout{}",
        after.as_millis(),
        if *fisco { FISCO_TIMEOUT } else { "" }
    )]
    Timeout {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long the client waited.
        after: Duration,
        /// Whether it is a FISCO node. If such a node picks one of its own subscribers, to which it
        /// does not deliver, it answers only after 30 s. See
        /// [`ask_another_node_after`](crate::ClientBuilder::ask_another_node_after).
        fisco: bool,
    },
    /// No node was connected. Nothing was sent.
    #[error(
        "the message for {topic:?} was not sent: none of {endpoints} is connected; check that a node \
         runs, or publish again later"
    )]
    Offline {
        /// The topic.
        topic: String,
        /// The endpoints.
        endpoints: String,
    },
    /// The connection was lost before an answer came, and no other connection brought an answer in
    /// time.
    #[error(
        "the connection to {endpoint} was lost ({reason}); the message for {topic:?} may have been \
         delivered: publish again if that is safe"
    )]
    Disconnected {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// Why the connection was lost.
        reason: CloseReason,
    },
    /// The message was delivered, but the reply cannot be decoded as the reply's type.
    #[error(
        "cannot read the reply of a subscriber of {topic:?} (by way of {endpoint}): {source}; \
         compare the reply's type and codec on both sides"
    )]
    Reply {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// The codec's error.
        source: CodecError,
    },
}

/// Messages that a [`Publisher`](crate::Publisher) accepted and that no node took.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of the messages published to {topic:?} failed; first error: {first}")]
pub struct FlushError {
    /// The topic.
    pub topic: String,
    /// The number of messages that failed since the last flush.
    pub failed: usize,
    /// The error of the first message that failed.
    #[source]
    pub first: PublishError,
}
