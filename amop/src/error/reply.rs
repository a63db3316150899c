//! Why an answer could not be sent.

use std::time::Duration;

use amop_proto::client::CloseReason;
use amop_seal::SealError;

use crate::CodecError;

/// Why an answer to a unicast could not be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A multicast has no answer.
    #[error(
        "a multicast to {topic:?} cannot be answered: its publisher does not wait for an answer"
    )]
    Multicast {
        /// The topic.
        topic: String,
    },
    /// The reply was sent after the node had stopped waiting for this subscriber: the node has
    /// asked another subscriber, or the publisher got an error.
    #[error(
        "the reply to a message of {topic:?} was sent {} ms after the message, but {endpoint} \
         waits only {} ms: the reply is lost, and another subscriber may have been asked; reply \
         sooner, or accept the request and publish the result to a topic of its own",
        after.as_millis(),
        limit.as_millis()
    )]
    Late {
        /// The topic.
        topic: String,
        /// The node.
        endpoint: String,
        /// How long after the message the reply was sent.
        after: Duration,
        /// How long the node waits.
        limit: Duration,
    },
    /// The codec cannot encode the reply. The publisher got result 106, "no reply".
    #[error("cannot encode the reply to a message of {topic:?}")]
    Encode {
        /// The topic.
        topic: String,
        /// The codec's error.
        source: CodecError,
    },
    /// The reply cannot be sealed. The publisher got result 106, "no reply".
    #[error("cannot seal the reply to a message of {topic:?}")]
    Seal {
        /// The topic.
        topic: String,
        /// Why.
        source: SealError,
    },
    /// The frame would be over the limit. The publisher got result 106, "no reply".
    #[error(
        "the reply to a message of {topic:?} is too large: its frame would have {len} bytes, the \
         limit is {max}; send less, or raise max_frame"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The frame's length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The connection that the message came over is lost.
    #[error("the connection to {endpoint} is lost; the reply to {topic:?} cannot be sent")]
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
