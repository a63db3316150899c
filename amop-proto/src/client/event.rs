//! What comes out of a [`ClientSession`](super::ClientSession).

use std::{io, time::Duration};

use bytes::Bytes;

use super::Challenge;
use crate::{
    TopicName,
    channel::{
        AmopBodyError, FrameError, FrameType, HandshakeError, ProtocolVersion, Seq, VerifyRequest,
        VerifyRequestError, code,
    },
    log::Utc,
};

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// To one subscriber, which answers.
    Unicast,
    /// To every subscriber; only the publisher's node answers.
    Multicast,
}

impl Kind {
    /// The frames it travels in.
    pub fn frame_type(self) -> FrameType {
        match self {
            Self::Unicast => FrameType::UNICAST,
            Self::Multicast => FrameType::MULTICAST,
        }
    }
}

/// Something the session wants its owner to know.
///
/// `T` is what the owner gave with a request to recognise it by.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<T> {
    /// The handshake is over; requests may be made.
    Ready {
        /// The version both sides speak now.
        version: ProtocolVersion,
        /// The node's compatibility version, e.g. `2.11.1`; `None` if it did not answer.
        node_version: Option<String>,
        /// Whether it is an overlay node, and no FISCO node.
        overlay: bool,
    },
    /// A heartbeat sent behind the topic set was answered. An overlay node has every change up to this one,
    /// but for the topics of [`TopicsRefused`](Self::TopicsRefused); a FISCO node has it within
    /// milliseconds, since its threads handle the frames of a session side by side.
    TopicsSettled {
        /// As returned by [`subscribe`](super::ClientSession::subscribe) and
        /// [`unsubscribe`](super::ClientSession::unsubscribe).
        version: u64,
    },
    /// The node did not get all topics of the set: it has no room for these, and has all others.
    /// [`TopicsSettled`](Self::TopicsSettled) follows. Only nodes of ours say so. They are asked again every
    /// 10 s while the set is the same; another `TopicsSettled` tells what has changed.
    TopicsRefused {
        /// Of the set that is settled.
        topics: Vec<TopicName>,
    },
    /// A request is over. Every accepted request ends in exactly one of these unless it is
    /// cancelled.
    Finished {
        /// What was given with the request.
        token: T,
        /// How it ended.
        outcome: Outcome,
    },
    /// The node delivers a message of a topic in the set, or of one that has just left it.
    Push(Push),
    /// A subscriber of a private topic that this session [wants](super::ClientSession::subscribe) to
    /// be asked about answered its challenge. If the signature is one of a granted key, tell the
    /// node by [`verified`](super::ClientSession::verified).
    Signed {
        /// What was to be signed. No other event brings it again.
        challenge: Challenge,
        /// The answer, which may be anything.
        signature: Bytes,
    },
    /// A publisher wants to know whether this side holds the key of a private topic's subscriber.
    /// Sign the challenge and [`respond`](super::ClientSession::respond).
    Challenged {
        /// The challenge's seq, which the answer repeats.
        seq: Seq,
        /// The topic it came to: one that this session subscribed to for challenges.
        route: TopicName,
        /// What to sign: 1 to 64 bytes.
        challenge: Bytes,
    },
    /// Something odd that the session survives.
    Notice(Notice),
    /// The session is over. Nothing follows.
    Closed(CloseReason),
}

/// A message the node delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Whether the publisher waits for an answer.
    pub kind: Kind,
    /// The publisher's seq, which an answer repeats.
    pub seq: Seq,
    /// The topic it was published to.
    pub topic: TopicName,
    /// The application's bytes, sharing the frame's memory.
    pub payload: Bytes,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Result 0. The payload is the answer without its topic framing, or the whole body if it is
    /// not framed with the request's topic (channel-v2 section 7.2).
    Answered(Bytes),
    /// Result 100: no node with a subscriber could be reached.
    NoSubscriber,
    /// Result 102: the node waited for subscribers as long as it does and gave up.
    NodeTimedOut,
    /// Result 103: the node is over its limit.
    OverLimit,
    /// Result 104: no subscriber took the message.
    Unanswered,
    /// Result 105: the subscriber could not decode the message.
    Undecodable,
    /// Result 106: the subscriber took the request and gave no reply.
    NoReply,
    /// Result 107: the subscriber failed while it had the message.
    Failed,
    /// Any other result: the subscriber's own.
    Rejected {
        /// The result.
        code: i32,
        /// The answer, as in [`Answered`](Self::Answered).
        payload: Bytes,
    },
    /// The deadline passed first.
    TimedOut,
    /// The session closed first.
    Disconnected,
    /// The session closed first, and this may be why: the node ended it, and the frame is the longest that
    /// was under way, longer than any that the node has ever taken, and longer than 64 KiB, which every
    /// node takes. A node that tells its limit is never suspected: it is not sent more.
    CutOff {
        /// The frame's length in bytes.
        len: usize,
        /// The longest frame that the node is known to have taken, in bytes.
        longest: usize,
    },
}

impl Outcome {
    /// Reads the answer to a message of `topic`.
    pub(super) fn of_response(topic: &TopicName, result: i32, body: Bytes) -> Self {
        Self::of(result, body, |body| unframe(topic, body))
    }

    /// Reads the answer to a multicast, of a node that does not send its body back.
    pub(super) fn of_multicast(result: i32, body: Bytes) -> Self {
        Self::of(result, body, |body| body)
    }

    fn of(result: i32, body: Bytes, payload: impl FnOnce(Bytes) -> Bytes) -> Self {
        match result {
            code::SUCCESS => Self::Answered(payload(body)),
            code::NO_SUBSCRIBER => Self::NoSubscriber,
            code::TIMEOUT => Self::NodeTimedOut,
            code::OVER_LIMIT => Self::OverLimit,
            code::NO_SESSION => Self::Unanswered,
            code::DECODE => Self::Undecodable,
            code::NO_REPLY => Self::NoReply,
            code::FAILED => Self::Failed,
            code => Self::Rejected {
                code,
                payload: payload(body),
            },
        }
    }
}

/// Takes the topic's framing off; subscribers may answer without it.
fn unframe(topic: &TopicName, body: Bytes) -> Bytes {
    match crate::channel::split_topic(&body) {
        Ok(parts) if parts.topic == topic.as_bytes() => parts.payload,
        _ => body,
    }
}

/// Something odd that a session survives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The node did not answer the handshake; version 1 is spoken from here on.
    NoHandshakeAnswer,
    /// A 0x31 that belongs to no request: mostly an answer after the deadline.
    UnsolicitedResponse(Seq),
    /// A message of a topic that is not in the set. A unicast has been refused with result 104.
    NotSubscribed {
        /// Whether it was a unicast.
        kind: Kind,
        /// The topic's bytes, which need not be text.
        topic: Bytes,
    },
    /// A frame of a type, or with a seq, that means nothing here; it was ignored.
    Ignored(FrameType),
    /// A request to verify a subscriber, 0x37, that makes no sense; it was ignored.
    BadVerifyRequest(VerifyRequestError),
    /// A request to verify a subscriber of a private topic that this session does not want to be
    /// asked about; it was ignored.
    NotGranted(VerifyRequest),
    /// A request to verify a subscriber while too many others are being verified. The node asks again.
    TooManyChallenges(VerifyRequest),
    /// A subscriber of a private topic proved nothing. The node asks again.
    Unproven {
        /// What the node asked for.
        request: VerifyRequest,
        /// What became of the challenge.
        outcome: Outcome,
    },
    /// A challenge that no publisher sends. It was refused.
    BadChallenge {
        /// The topic it came to.
        route: TopicName,
        /// Its length in bytes.
        len: usize,
    },
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// [`close`](super::ClientSession::close) was called.
    #[error("closed by this side")]
    Local,
    /// The node closed the connection.
    #[error("the node closed the connection")]
    Peer,
    /// The node closed the connection before it answered the handshake. Real nodes do that when
    /// the version ranges do not meet (channel-v2 section 5.1).
    #[error("the node closed the connection before the version handshake was over")]
    DuringHandshake,
    /// There was no sign of life for two heartbeat intervals.
    #[error("no sign of life from the node for {} ms", after.as_millis())]
    Silent {
        /// How long.
        after: Duration,
    },
    /// The stream does not hold frames.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// An AMOP message cannot be taken apart.
    #[error("the node sent a malformed message of type {:#04x}: {error}", kind.0)]
    Malformed {
        /// The frame's type.
        kind: FrameType,
        /// What is wrong with its body.
        error: AmopBodyError,
    },
    /// The handshake's answer cannot be read.
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    /// The node chose a version that was not offered.
    #[error("the node chose protocol version {0}; 1 to 3 were offered")]
    Version(u32),
    /// A certificate that the connection rests on has expired: one of the node's chain, or of this
    /// side's own.
    #[error(
        "a certificate of {} expired at {}; renew it",
        if *own { "this client" } else { "the node" },
        Utc(*at)
    )]
    Expired {
        /// Whether it is this side's own.
        own: bool,
        /// End of its validity in seconds since 1970.
        at: i64,
    },
    /// The transport failed.
    #[error("the connection failed: {message}")]
    Transport {
        /// The kind of I/O error.
        kind: io::ErrorKind,
        /// Its text.
        message: String,
    },
}
