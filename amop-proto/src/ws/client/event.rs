//! The events of a [`WsClientSession`](super::WsClientSession).

use std::{io, time::Duration};

use bytes::Bytes;

use crate::{
    channel::result_code,
    client::{CloseReason, ExpiredCertificate, MessageKind, RequestOutcome},
    log::with_causes,
    ws::{
        AmopRequestError, WsHandshakeError, WsHandshakeResponse, WsMessageError, WsSeq, WsStatus,
        WsTopic, WsType,
    },
};

/// Something that the session's owner should know.
///
/// `T` is the token that the owner gave with a unicast, to recognise it.
#[derive(Debug, PartialEq, Eq)]
pub enum WsClientEvent<T> {
    /// The handshake has finished; messages can be published. This is the node's answer.
    Ready(WsHandshakeResponse),
    /// A unicast has ended. Every accepted unicast ends with exactly one of these, unless it is
    /// cancelled.
    Finished {
        /// The token that was given with the unicast.
        token: T,
        /// How it ended.
        outcome: WsOutcome,
    },
    /// The node delivers a message of a topic in the set.
    Push(WsPush),
    /// Something unusual that does not end the session.
    Notice(WsClientNotice),
    /// The session has ended. No event follows.
    Closed(WsClientCloseReason),
}

/// A message that the node delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WsPush {
    /// Whether it is a unicast, whose publisher waits for an answer, or a multicast.
    pub kind: MessageKind,
    /// The seq that an answer repeats. It is not the publisher's seq of a unicast, as a rule. A
    /// multicast has the publisher's seq if publisher and subscriber have the same node, and an
    /// empty one otherwise, so copies of a multicast cannot be recognised by it.
    pub seq: WsSeq,
    /// The topic it was published to.
    pub topic: WsTopic,
    /// The application's bytes; they share the message's memory.
    pub payload: Bytes,
    /// The seq of a unicast that is probably the same message. If a subscriber has not answered
    /// within 30 s and the node has no other one, it sends the message to it a second time, with
    /// another seq (ws-v3 section 10.4). Only an answer to the second one reaches the publisher.
    /// Another publisher may have sent the same bytes, so the decision is the program's.
    pub repeats: Option<WsSeq>,
}

/// How a unicast ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WsOutcome {
    /// A subscriber answered with status 0.
    Answered(Bytes),
    /// A node reported an error: see [`WsStatus::failure`].
    Failed {
        /// The error.
        status: WsStatus,
        /// The node's text, which is UTF-8 if the node is correct.
        text: Bytes,
    },
    /// A subscriber answered with a status other than 0, which it has chosen.
    Rejected {
        /// The status.
        status: WsStatus,
        /// The answer.
        payload: Bytes,
    },
    /// The deadline passed before an answer came. FISCO nodes often send none: not to a publisher
    /// whose subscriber is silent twice (ws-v3 section 10.4).
    TimedOut,
    /// The session closed before an answer came.
    Disconnected,
}

impl WsOutcome {
    /// Reads an answer.
    pub(super) fn of(kind: WsType, status: WsStatus, payload: Bytes) -> Self {
        match (status, kind) {
            (WsStatus::SUCCESS, _) => Self::Answered(payload),
            (status, WsType::NODE_ANSWER) => Self::Failed {
                status,
                text: payload,
            },
            (status, _) => Self::Rejected { status, payload },
        }
    }
}

/// Says the same in the words of the 2.x protocol, for programs that use both.
impl From<WsOutcome> for RequestOutcome {
    fn from(outcome: WsOutcome) -> Self {
        match outcome {
            WsOutcome::Answered(payload) => Self::Answered(payload),
            WsOutcome::TimedOut => Self::TimedOut,
            WsOutcome::Disconnected => Self::Disconnected,
            WsOutcome::Failed { status, text } => Self::of_multicast(status.as_result(), text),
            WsOutcome::Rejected { status, payload } => {
                let code = i32::from(status.0);
                // Nodes of 2.x send the other codes, so here the application means something else.
                let native = result_code::NO_SESSION..=result_code::FAILED;
                match native.contains(&code) {
                    true => Self::of_multicast(code, payload),
                    false => Self::Rejected { code, payload },
                }
            }
        }
    }
}

/// Something unusual that does not end a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WsClientNotice {
    /// An answer that belongs to no unicast: usually an answer after the deadline.
    UnsolicitedResponse(WsSeq),
    /// A message of a topic that is not in the set: a FISCO node never removes a topic from a session
    /// (ws-v3 section 10.1). If it was a unicast, it was refused with the status 104, unless another
    /// one with its seq waits for the program's answer.
    NotSubscribed {
        /// Whether it was a unicast.
        kind: MessageKind,
        /// The topic's bytes, which may not be text.
        topic: Bytes,
    },
    /// A message whose payload cannot be read; if it was a unicast, it was refused with the status
    /// 105, unless another one with its seq waits for the program's answer. Its publisher may have
    /// sent it so.
    Malformed {
        /// Whether it was a unicast.
        kind: MessageKind,
        /// The error in its payload.
        error: AmopRequestError,
    },
    /// A unicast whose seq is that of another one that the program has not answered yet. It was
    /// ignored, because an answer could belong to either.
    SeqInUse(WsSeq),
    /// A unicast with a seq over the limit; it was refused with the status 104.
    SeqTooLong {
        /// The seq's length in bytes.
        len: usize,
    },
    /// A unicast was refused with the status 104, because too many others wait for the program's
    /// answers.
    TooManyDeliveries {
        /// The limit.
        limit: usize,
    },
    /// A message of an unknown type; it was ignored.
    Ignored(WsType),
}

/// Why a session has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsClientCloseReason {
    /// [`close`](super::WsClientSession::close) was called.
    #[error("closed by this side")]
    Local,
    /// The node closed the connection.
    #[error("the node closed the connection")]
    Peer,
    /// The node closed the connection before it answered the handshake. FISCO nodes do this if the
    /// version ranges do not overlap (ws-v3 section 7).
    #[error("the node closed the connection before the version handshake finished")]
    DuringHandshake,
    /// The node did not answer the handshake.
    #[error("the node did not answer the version handshake within {} ms", after.as_millis())]
    NoHandshakeAnswer {
        /// How long this side waited.
        after: Duration,
    },
    /// There was no sign of life for too long, although the node was sent a ping.
    #[error("no sign of life from the node for {} ms", after.as_millis())]
    Silent {
        /// How long the node was silent.
        after: Duration,
    },
    /// A WebSocket message is not a message of the protocol.
    #[error(transparent)]
    Message(#[from] WsMessageError),
    /// The node's answer to the handshake cannot be read, or is an error.
    #[error(transparent)]
    Handshake(#[from] WsHandshakeError),
    /// A certificate of this connection has expired: one of the node's chain, or this side's own.
    #[error(transparent)]
    Expired(#[from] Box<ExpiredCertificate>),
    /// The transport failed.
    #[error("the connection failed: {message}")]
    Transport {
        /// The kind of I/O error.
        kind: io::ErrorKind,
        /// The text of the I/O error.
        message: String,
    },
}

/// Says the same in the words of 2.x.
impl From<WsClientCloseReason> for CloseReason {
    fn from(reason: WsClientCloseReason) -> Self {
        match reason {
            WsClientCloseReason::Local => Self::Local,
            WsClientCloseReason::Peer => Self::Peer,
            WsClientCloseReason::DuringHandshake => Self::DuringHandshake,
            WsClientCloseReason::Silent { after } => Self::Silent { after },
            WsClientCloseReason::Expired(certificate) => Self::Expired(certificate),
            WsClientCloseReason::Transport { kind, message } => Self::Transport { kind, message },
            WsClientCloseReason::Message(error) => Self::Transport {
                kind: io::ErrorKind::InvalidData,
                message: error.to_string(),
            },
            reason @ (WsClientCloseReason::Handshake(_)
            | WsClientCloseReason::NoHandshakeAnswer { .. }) => Self::WsHandshake {
                message: with_causes(&reason).to_string(),
            },
        }
    }
}
