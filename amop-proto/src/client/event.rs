//! The events of a [`ClientSession`](super::ClientSession).

use std::{io, time::Duration};

use bytes::Bytes;

use super::Challenge;
use crate::{
    TopicName,
    channel::{
        AmopBodyError, FrameError, FrameType, HandshakeError, ProtocolVersion, Seq, VerifyRequest,
        VerifyRequestError, result_code,
    },
    log::Utc,
};

/// How a message is distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// To one subscriber, which answers it.
    Unicast,
    /// To every subscriber; only the publisher's node answers.
    Multicast,
}

impl MessageKind {
    /// Returns the type of the frames that carry it.
    pub fn frame_type(self) -> FrameType {
        match self {
            Self::Unicast => FrameType::UNICAST,
            Self::Multicast => FrameType::MULTICAST,
        }
    }
}

/// Something that the session's owner should know.
///
/// `T` is the token that the owner gave with a request, to recognise it.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionEvent<T> {
    /// The handshake has finished; requests can be made.
    Ready {
        /// The version that both sides speak from here on.
        version: ProtocolVersion,
        /// The node's compatibility version, e.g. `2.11.1`; `None` if it did not answer.
        node_version: Option<String>,
        /// Whether it is an overlay node, not a FISCO node.
        overlay: bool,
    },
    /// A heartbeat that was sent after the topic set was answered. An overlay node has applied
    /// every change up to this one, except for the topics of
    /// [`TopicsRefused`](Self::TopicsRefused). A FISCO node applies it within milliseconds, since
    /// its threads handle the frames of a session in parallel.
    TopicsSettled {
        /// The number that [`subscribe`](super::ClientSession::subscribe) and
        /// [`unsubscribe`](super::ClientSession::unsubscribe) return.
        version: u64,
    },
    /// The node did not apply all topics of the set: it has no room for these, and has all others.
    /// [`TopicsSettled`](Self::TopicsSettled) follows. Only overlay nodes report this. The session
    /// asks them again every 10 s while the set is the same; another `TopicsSettled` reports any
    /// change.
    TopicsRefused {
        /// The refused topics of the settled set.
        topics: Vec<TopicName>,
    },
    /// A request has ended. Every accepted request ends with exactly one of these, unless it is
    /// cancelled.
    Finished {
        /// The token that was given with the request.
        token: T,
        /// How it ended.
        outcome: RequestOutcome,
    },
    /// The node delivers a message of a topic in the set, or of one that has just left it.
    Push(Push),
    /// A subscriber of a private topic answered its challenge, and this session
    /// [wants](super::ClientSession::subscribe) to be asked about that topic. If a granted key made
    /// the signature, tell the node by [`verified`](super::ClientSession::verified).
    Signed {
        /// The challenge that was to be signed. No other event returns it.
        challenge: Challenge,
        /// The subscriber's answer, which may be any bytes.
        signature: Bytes,
    },
    /// A publisher wants to know whether this side holds the key of a subscriber of a private
    /// topic. Sign the challenge and [`respond`](super::ClientSession::respond).
    Challenged {
        /// The challenge's seq, which the answer repeats.
        seq: Seq,
        /// The topic on which it arrived: one to which this session subscribed for challenges.
        route: TopicName,
        /// The bytes to sign: 1 to 64.
        challenge: Bytes,
    },
    /// Something unusual that does not end the session.
    Notice(SessionNotice),
    /// The session has ended. No event follows.
    Closed(CloseReason),
}

/// A message that the node delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Push {
    /// Whether it is a unicast, whose publisher waits for an answer, or a multicast.
    pub kind: MessageKind,
    /// The publisher's seq, which an answer repeats.
    pub seq: Seq,
    /// The topic it was published to.
    pub topic: TopicName,
    /// The application's bytes; they share the frame's memory.
    pub payload: Bytes,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// Result 0. The payload is the answer without its topic framing, or the whole body if it is
    /// not framed with the request's topic (channel-v2 section 7.2).
    Answered(Bytes),
    /// Result 100: no node with a subscriber could be reached.
    NoSubscriber,
    /// Result 101: the SDK of 3.x that has the message left before it answered.
    SubscriberLeft,
    /// Result 102: the node stopped waiting for a subscriber.
    NodeTimedOut,
    /// Result 103: the node is over its limit.
    OverLimit,
    /// Result 104: no subscriber took the message.
    Unanswered,
    /// Result 105: the subscriber could not decode the message.
    Undecodable,
    /// Result 106: the subscriber took the request and gave no reply.
    NoReply,
    /// Result 107: the subscriber failed while it handled the message.
    Failed,
    /// Any other result, chosen by the subscriber.
    Rejected {
        /// The result code.
        code: i32,
        /// The answer, as in [`Answered`](Self::Answered).
        payload: Bytes,
    },
    /// The deadline passed before an answer came.
    TimedOut,
    /// The session closed before an answer came.
    Disconnected,
    /// The session closed before an answer came, and this message may be the reason: the node ended
    /// the session, and this frame was the longest one in flight, longer than any that the node has
    /// taken before, and longer than 64 KiB, which every node accepts. A node that reports its
    /// limit is never suspected, because it is not sent longer frames.
    CutOff {
        /// The frame's length in bytes.
        len: usize,
        /// The longest frame that the node is known to have accepted, in bytes.
        longest: usize,
    },
}

impl RequestOutcome {
    /// Reads the answer to a message of `topic`.
    pub(super) fn of_response(topic: &TopicName, result: i32, body: Bytes) -> Self {
        Self::of(result, body, |body| unframe(topic, body))
    }

    /// Reads the answer to a multicast. The node does not send the multicast's body back.
    pub(crate) fn of_multicast(result: i32, body: Bytes) -> Self {
        Self::of(result, body, |body| body)
    }

    fn of(result: i32, body: Bytes, payload: impl FnOnce(Bytes) -> Bytes) -> Self {
        match result {
            result_code::SUCCESS => Self::Answered(payload(body)),
            result_code::NO_SUBSCRIBER => Self::NoSubscriber,
            result_code::DISCONNECTED => Self::SubscriberLeft,
            result_code::TIMEOUT => Self::NodeTimedOut,
            result_code::OVER_LIMIT => Self::OverLimit,
            result_code::NO_SESSION => Self::Unanswered,
            result_code::DECODE => Self::Undecodable,
            result_code::NO_REPLY => Self::NoReply,
            result_code::FAILED => Self::Failed,
            code => Self::Rejected {
                code,
                payload: payload(body),
            },
        }
    }
}

/// Removes the topic's framing; subscribers may answer without it.
fn unframe(topic: &TopicName, body: Bytes) -> Bytes {
    match crate::channel::split_topic(&body) {
        Ok(parts) if parts.topic == topic.as_bytes() => parts.payload,
        _ => body,
    }
}

/// Something unusual that does not end a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionNotice {
    /// The node did not answer the handshake; the session uses version 1 from here on.
    NoHandshakeAnswer,
    /// A 0x31 frame that belongs to no request: usually an answer after the deadline.
    UnsolicitedResponse(Seq),
    /// A message of a topic that is not in the set. If it was a unicast, it was refused with result
    /// 104.
    NotSubscribed {
        /// Whether it was a unicast.
        kind: MessageKind,
        /// The topic's bytes, which may not be text.
        topic: Bytes,
    },
    /// A frame of an unknown type, or with an unknown seq; it was ignored.
    Ignored(FrameType),
    /// An invalid request to verify a subscriber, 0x37; it was ignored.
    BadVerifyRequest(VerifyRequestError),
    /// A request to verify a subscriber of a private topic that this session does not want to be
    /// asked about; it was ignored.
    NotGranted(VerifyRequest),
    /// A request to verify a subscriber while too many others are being verified. The node will ask
    /// again.
    TooManyChallenges(VerifyRequest),
    /// A subscriber of a private topic did not prove its key. The node will ask again.
    Unproven {
        /// The node's request.
        request: VerifyRequest,
        /// How the challenge ended.
        outcome: RequestOutcome,
    },
    /// A challenge of a length that no publisher sends. It was refused.
    BadChallenge {
        /// The topic on which it arrived.
        route: TopicName,
        /// Its length in bytes.
        len: usize,
    },
}

/// A certificate of a connection that has expired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the certificate of {}, {subject:?}{}, or one above it, expired at {}; renew it",
    if *own { "this client" } else { "the node" },
    match file { Some(file) => format!(" in {file}"), None => String::new() },
    Utc(*at)
)]
#[non_exhaustive]
pub struct ExpiredCertificate {
    /// Whether it is this side's own certificate, and not the node's.
    pub own: bool,
    /// The subject of the certificate of that side.
    pub subject: String,
    /// The file with this certificate, if it is from a file here.
    pub file: Option<String>,
    /// The end of the validity in seconds since 1970.
    pub at: i64,
}

impl ExpiredCertificate {
    /// Creates a value for this client's certificate, read from `file`.
    pub fn of_client(subject: impl Into<String>, file: Option<String>, at: i64) -> Self {
        let subject = subject.into();
        Self {
            own: true,
            subject,
            file,
            at,
        }
    }

    /// Creates a value for the node's certificate.
    pub fn of_node(subject: impl Into<String>, at: i64) -> Self {
        let subject = subject.into();
        Self {
            own: false,
            subject,
            file: None,
            at,
        }
    }
}

/// Why a session has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// [`close`](super::ClientSession::close) was called.
    #[error("closed by this side")]
    Local,
    /// The node closed the connection.
    #[error("the node closed the connection")]
    Peer,
    /// The node closed the connection before it answered the handshake. FISCO nodes do this if the
    /// version ranges do not overlap (channel-v2 section 5.1).
    #[error("the node closed the connection before the version handshake finished")]
    DuringHandshake,
    /// There was no sign of life for two heartbeat intervals.
    #[error("no sign of life from the node for {} ms", after.as_millis())]
    Silent {
        /// How long the node was silent.
        after: Duration,
    },
    /// The bytes received are not frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An AMOP message is malformed.
    #[error("the node sent a malformed message of type {:#04x}", kind.0)]
    Malformed {
        /// The frame's type.
        kind: FrameType,
        /// The error in its body.
        #[source]
        error: AmopBodyError,
    },
    /// The node's answer to the handshake cannot be read.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The node chose a version that was not offered.
    #[error("the node chose protocol version {0}; 1 to 3 were offered")]
    Version(u32),
    /// A certificate of this connection has expired: one of the node's chain, or this side's own.
    #[error(transparent)]
    Expired(#[from] Box<ExpiredCertificate>),
    /// The version handshake with a node of 3.x failed.
    #[error("the version handshake of 3.x failed: {message}")]
    WsHandshake {
        /// What is wrong, with its causes.
        message: String,
    },
    /// The transport failed.
    #[error("the connection failed: {message}")]
    Transport {
        /// The kind of I/O error.
        kind: io::ErrorKind,
        /// The text of the I/O error.
        message: String,
    },
}
