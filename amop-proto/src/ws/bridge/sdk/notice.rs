//! Unusual things that the translator of a 3.x session reports for the log.

use crate::{
    channel::FrameType,
    client::MessageKind,
    log::OneLine,
    ws::{
        WsStatus,
        server::{DeliveryRefusal, WsServerNotice},
    },
};

/// How many characters of a topic are shown.
const SHOWN: usize = 64;

/// Something unusual on a session of a 3.x SDK that does not end it. Its text continues a sentence
/// that begins with the session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdkNotice {
    /// The session itself reports it.
    #[error(transparent)]
    Session(#[from] WsServerNotice),
    /// Topics that the SDK subscribes to and overlay nodes do not carry. It does not get
    /// them, and nothing tells it so.
    #[error(
        "{count} of its topics cannot be carried, the first is {first}; they are not subscribed to"
    )]
    TopicsNotCarried {
        /// The number of topics.
        count: usize,
        /// What is wrong with the first of them.
        first: TopicNotCarried,
    },
    /// The node does not have room for all its topics.
    #[error("the node has no room for some of its topics, the first is {first:?}")]
    TopicsRefused {
        /// The first of the topics, or empty if the whole set is refused.
        first: String,
    },
    /// The SDK publishes to a topic that overlay nodes do not carry. A unicast was answered
    /// with the status 3001, a multicast was dropped.
    #[error("it published to a topic that cannot be carried, {topic}; nobody got the message")]
    PublishNotCarried {
        /// Whether it was a unicast.
        kind: MessageKind,
        /// What is wrong with the topic.
        topic: TopicNotCarried,
    },
    /// The SDK publishes a message over the node's limit. A unicast was answered with the status
    /// -4011, a multicast was dropped.
    #[error("its message of {len} bytes is over the limit of {max}; nobody got it, send less")]
    TooLongToPublish {
        /// Whether it was a unicast.
        kind: MessageKind,
        /// The length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The SDK's reply is over the node's limit. Its publisher got the result 106.
    #[error("its reply of {len} bytes is over the limit of {max} and was dropped; send less")]
    LongReplyDropped {
        /// The length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The node refused a multicast of the SDK, because it is over a limit. Nobody got it.
    #[error("its multicast was refused with the result {result}; nobody got it")]
    MulticastRefused {
        /// The result of 2.x.
        result: i32,
    },
    /// A message for the SDK was not handed to it. Of a unicast, another subscriber is asked.
    #[error("a message for it was not delivered")]
    NotDelivered {
        /// Whether it was a unicast.
        kind: MessageKind,
        /// Why it was not.
        #[source]
        why: DeliveryRefusal,
    },
    /// The SDK has a unicast that it did not answer. Its publisher got an error, and no other
    /// subscriber got it.
    #[error("it did not answer a unicast (status {status}); its publisher was told so")]
    NotAnswered {
        /// [`WsStatus::TIMED_OUT`] or [`WsStatus::DISCONNECTED`].
        status: WsStatus,
    },
    /// The node sent a frame that has no counterpart in 3.x, for example a request to verify a
    /// subscriber of a private topic.
    #[error("a frame of the type {:#06x} has no counterpart in 3.x and was dropped", .0.0)]
    NoCounterpart(FrameType),
    /// So many notices came at once that some were dropped.
    #[error("{count} more notices about it were dropped")]
    Dropped {
        /// The number.
        count: u64,
    },
}

/// Why overlay nodes do not carry a topic of 3.x: they have the topics of 2.x.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicNotCarried {
    /// It is longer than [`MAX_TOPIC_LEN`](crate::MAX_TOPIC_LEN).
    #[error("{start:?}..., which has {len} bytes (at most {max} are possible)", max = crate::MAX_TOPIC_LEN)]
    TooLong {
        /// The topic's length in bytes.
        len: usize,
        /// Its first characters.
        start: String,
    },
    /// It is not UTF-8. SDKs in Java write characters above U+FFFF so.
    #[error("{escaped}, which is not UTF-8 (SDKs in Java write characters above U+FFFF so)")]
    NotText {
        /// The topic, escaped and cut.
        escaped: String,
    },
}

/// Returns what keeps a topic from being carried.
pub(super) fn check_topic(topic: &[u8]) -> Result<&str, TopicNotCarried> {
    let text = std::str::from_utf8(topic).map_err(|_| TopicNotCarried::NotText {
        escaped: OneLine::new(topic.escape_ascii()).max(SHOWN).to_string(),
    })?;
    if text.len() > crate::MAX_TOPIC_LEN {
        let (len, start) = (text.len(), text.chars().take(24).collect());
        return Err(TopicNotCarried::TooLong { len, start });
    }
    Ok(text)
}
