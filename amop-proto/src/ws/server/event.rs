//! The events of a [`WsServerSession`](super::WsServerSession).

use std::{io, time::Duration};

use bytes::Bytes;

use crate::{
    client::MessageKind,
    ws::{
        AmopRequest, AmopRequestError, WsHandshakeError, WsJsonError, WsMessage, WsMessageError,
        WsSeq, WsStatus, WsType,
    },
};

/// Something that the session's owner, the node's router, should know.
///
/// `D` is the ticket that the owner gave with a delivery, to recognise it.
#[derive(Debug, PartialEq, Eq)]
pub enum WsServerEvent<D> {
    /// The handshake has finished; messages can be delivered.
    Ready {
        /// The version that was chosen.
        version: u32,
    },
    /// The session's topics have changed. Nothing tells the SDK so. Topics are bytes, and need not
    /// be text.
    TopicsChanged {
        /// The new topics.
        added: Vec<Bytes>,
        /// The topics that it no longer has.
        removed: Vec<Bytes>,
    },
    /// The SDK publishes a unicast and waits for
    /// [`answer`](super::WsServerSession::answer) or [`fail`](super::WsServerSession::fail).
    Unicast {
        /// The SDK's seq.
        seq: WsSeq,
        /// Topic and data. They share the memory of the message.
        request: AmopRequest,
    },
    /// The SDK publishes a multicast. It is never answered.
    Multicast {
        /// The SDK's seq, which subscribers of the same node get, too (ws-v3 section 10.5).
        seq: WsSeq,
        /// Topic and data. They share the memory of the message.
        request: AmopRequest,
    },
    /// The SDK answered a delivered unicast.
    Answered {
        /// The ticket that was given with the delivery.
        ticket: D,
        /// The answer. Its publisher gets type, status, flags and payload as they are (ws-v3 section
        /// 10.3).
        answer: WsMessage,
    },
    /// A delivered unicast gets no answer from this session. The SDK may have it, and may have
    /// handled it: SDKs in Go answer only if the program gives them a reply.
    Unanswered {
        /// The ticket that was given with the delivery.
        ticket: D,
        /// [`WsStatus::TIMED_OUT`] or [`WsStatus::DISCONNECTED`].
        status: WsStatus,
    },
    /// Something unusual that does not end the session.
    Notice(WsServerNotice),
    /// The session has ended, and has no topics any more. No event follows.
    Closed(WsServerCloseReason),
}

/// Something unusual that does not end a session. Its text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsServerNotice {
    /// A handshake that cannot be read. It was not answered, as on a FISCO node.
    #[error("it sent a handshake that cannot be read and was not answered")]
    BadHandshake(#[source] WsHandshakeError),
    /// A list of topics that cannot be read. It was ignored: there is no answer that could say so.
    #[error("it sent a list of topics that cannot be read and was ignored")]
    BadTopicList(#[source] WsJsonError),
    /// A list has more topics than the session may have.
    #[error("{count} of its topics were left out, because it has too many")]
    TopicsLeftOut {
        /// The number of topics that it did not get.
        count: usize,
    },
    /// An AMOP message whose payload cannot be read; a unicast was answered with the status -1. It
    /// would have stopped a FISCO node.
    #[error("it sent an AMOP message that ends too early; it would have stopped a FISCO node")]
    Malformed {
        /// Whether it was a unicast.
        kind: MessageKind,
        /// The error in its payload.
        #[source]
        error: AmopRequestError,
    },
    /// A unicast with the seq of another one that waits for its answer. It was ignored, because an
    /// answer could belong to either.
    #[error(
        "it sent a second unicast with the seq {0}, which waits for its answer; it was ignored"
    )]
    SeqInUse(WsSeq),
    /// A unicast with a seq over the limit; it was answered with the status -1.
    #[error("it sent a unicast with a seq of {len} bytes, which was refused")]
    SeqTooLong {
        /// The seq's length in bytes.
        len: usize,
    },
    /// A unicast was answered with the status -1, because too many others wait.
    #[error("its unicast was refused, because {limit} others wait for their answers")]
    TooManyInFlight {
        /// The limit.
        limit: usize,
    },
    /// An answer that belongs to no delivered unicast: usually an answer that is late, or one to a
    /// multicast. It was ignored.
    #[error(
        "it sent an answer with the seq {0} that nothing waits for: it is late, or to a multicast"
    )]
    UnsolicitedResponse(WsSeq),
    /// A message of a type that nodes do not handle; it was ignored.
    #[error("it sent a message of the type {:#06x}, which was ignored", .0.0)]
    Ignored(WsType),
}

/// Why a session has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsServerCloseReason {
    /// [`close`](super::WsServerSession::close) was called.
    #[error("closed by this node")]
    Local,
    /// The SDK closed the connection. SDKs up to 3.6 do so without a Close message.
    #[error("the SDK closed the connection")]
    Peer,
    /// The SDK did not do the handshake.
    #[error("the SDK did not begin the version handshake within {} ms", after.as_millis())]
    NoHandshake {
        /// How long the node waited.
        after: Duration,
    },
    /// There was no sign of life for too long, although the SDK was sent a ping.
    #[error("no sign of life from the SDK for {} ms", after.as_millis())]
    Silent {
        /// How long the SDK was silent.
        after: Duration,
    },
    /// A WebSocket message is not a message of the protocol.
    #[error(transparent)]
    Message(#[from] WsMessageError),
    /// The version range in the handshake does not overlap with the node's.
    #[error(transparent)]
    Handshake(#[from] WsHandshakeError),
    /// The SDK does not read what it is sent.
    #[error("{queued} bytes of answers wait to be sent to the SDK; it does not read")]
    SlowReader {
        /// Bytes of answers waiting.
        queued: usize,
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
