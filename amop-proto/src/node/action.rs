//! What a node machine asks its shell to do: write frames, close connections, log events.

use std::fmt;

use super::{CertificateLapse, Lane, PeerId, Question, Restatement, SessionId, SessionIdentity};
use crate::{
    channel::{AmopBodyError, Frame, FrameType, HandshakeError, Seq},
    node::RecordsFault,
    p2p::{NodeId, PeerMessage, mesh::IdentityRefusal},
};

/// One thing the I/O shell must do, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Write a frame to a session, and report it with
    /// [`NodeEvent::SessionWritten`](super::NodeEvent::SessionWritten) when it has left.
    SendSession {
        /// The session.
        session: SessionId,
        /// The frame to write.
        frame: Frame,
    },
    /// Close a session after the frames already queued for it are written. The machine has already
    /// forgotten it.
    CloseSession {
        /// The session.
        session: SessionId,
        /// The reason, for the log.
        reason: SessionCloseReason,
    },
    /// The session's client is a native client: frames may share a TLS record from now on. Towards
    /// other SDKs every frame must be a TLS record of its own (channel-v2 section 3.4).
    CoalesceSession {
        /// The session.
        session: SessionId,
    },
    /// Stop reading from a session, because its messages fill a peer's queue.
    PauseSession {
        /// The session.
        session: SessionId,
    },
    /// Read again from a paused session.
    ResumeSession {
        /// The session.
        session: SessionId,
    },
    /// Answer a JSON-RPC request, and return the answer with
    /// [`NodeEvent::SessionReply`](super::NodeEvent::SessionReply). This takes time, so do not hold
    /// the node meanwhile: copy a [`Listing`](super::Listing) of the requested data and write the
    /// answer after the node is released. Use [`NodeMachine::answer`](super::NodeMachine::answer)
    /// if no other task waits for the node.
    Answer {
        /// The session that asks.
        session: SessionId,
        /// The request.
        question: Question,
    },
    /// Build and sign the node's statement of itself with [`carry_out`](Restatement::carry_out),
    /// and pass the returned event back to the node. This takes milliseconds: do it without holding
    /// the node. If the node gets no such event within 5 s, it builds the statement itself.
    Restate(Box<Restatement>),
    /// Write a frame to a peer, and report it with
    /// [`NodeEvent::PeerWritten`](super::NodeEvent::PeerWritten) when it has left.
    SendPeer {
        /// The peer.
        peer: PeerId,
        /// The lane of the message: a [`LinkQueue`](super::LinkQueue) takes turns by lane.
        lane: Lane,
        /// The message to write.
        message: PeerMessage,
    },
    /// The peer can reassemble fragments: long frames for it are cut from now on
    /// ([`LinkQueue::allow_fragments`](super::LinkQueue::allow_fragments)).
    FragmentPeer {
        /// The peer.
        peer: PeerId,
    },
    /// Close a peer connection. The machine has already forgotten it.
    ClosePeer {
        /// The peer.
        peer: PeerId,
        /// The reason, for the log.
        reason: PeerCloseReason,
    },
    /// Something an operator may want to know.
    Notice(NodeNotice),
}

/// Why a session was closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionCloseReason {
    /// Nothing was read or written for too long.
    #[error("idle for too long")]
    Idle,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
    /// The session's certificate is no longer accepted.
    #[error(transparent)]
    Lapsed(CertificateLapse),
    /// The version range in the handshake does not overlap with the node's.
    #[error(transparent)]
    Handshake(HandshakeError),
    /// An AMOP body that no SDK sends.
    #[error("malformed AMOP frame")]
    Malformed(#[source] AmopBodyError),
    /// The SDK does not read what it is sent.
    #[error("{queued} bytes wait to be written to it; it does not read")]
    SlowReader {
        /// Bytes waiting.
        queued: usize,
    },
    /// There are too many sessions, and no other key has more than its fair share of them.
    #[error("all {max} connections are in use; close some, or raise amop_limits.sessions")]
    TooManySessions {
        /// The limit in force.
        max: usize,
    },
    /// A limit for all sessions is reached, and the session's key is furthest above its fair share.
    #[error(
        "other keys need some of the node's {what}, and its key is furthest above its fair share"
    )]
    OverShare {
        /// The resource that is short.
        what: &'static str,
    },
    /// The limit for all sessions is reached, and this session's queue is the longest.
    #[error(
        "{queued} bytes wait to be written to all sessions, over the limit of {max}; its queue is the \
         longest"
    )]
    QueuesFull {
        /// Bytes waiting for all sessions.
        queued: usize,
        /// The limit in force.
        max: usize,
    },
}

/// Why a peer connection was closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerCloseReason {
    /// The peer's certificate is no longer accepted.
    #[error(transparent)]
    Lapsed(CertificateLapse),
    /// The peer is this node itself.
    #[error("the address is this node's own")]
    LocalIdentity,
    /// There is already a connection to that node.
    #[error("already connected to that node")]
    Duplicate,
    /// The node has connected too often.
    #[error("it connects too often; one connection every 2 s is accepted")]
    TooOften,
    /// There are too many connections.
    #[error("all {max} connections of nodes are in use, and its agency has its full share of them")]
    TooMany {
        /// The limit in force.
        max: usize,
    },
    /// The peer's agency has more than its share of connections, and an agency with less needs one.
    #[error("its agency has more than its share of connections, and another agency needs one")]
    OverShare,
    /// The peer sent nothing for too long.
    #[error("silent for too long")]
    Idle,
    /// The peer announces more topics than this node accepts.
    #[error("it announces more than {max} topics")]
    TooManyTopics {
        /// The limit in force.
        max: usize,
    },
    /// The peer does not read what it is sent.
    #[error("{queued} bytes wait to be written to it; it does not read")]
    SlowReader {
        /// Bytes waiting.
        queued: usize,
    },
    /// The peer sent records that no honest node passes on.
    #[error(
        "it sent records that no honest node passes on; if it is a node of yours, its key may be stolen"
    )]
    BadRecords(#[source] RecordsFault),
}

/// An event that is worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's text is its documentation")]
#[non_exhaustive]
pub enum NodeNotice {
    PeerUp {
        peer: PeerId,
        node: NodeId,
    },
    PeerDown {
        peer: PeerId,
        node: NodeId,
    },
    UnknownFrame {
        session: SessionId,
        kind: FrameType,
    },
    BadHandshake {
        session: SessionId,
        error: HandshakeError,
    },
    BadTopics {
        session: SessionId,
    },
    TopicIgnored {
        session: SessionId,
        identity: SessionIdentity,
        topic: String,
        others: usize,
    },
    EmptyAmopBody {
        session: SessionId,
    },
    UnsolicitedResponse {
        session: SessionId,
        seq: Seq,
    },
    SessionBehind {
        session: SessionId,
        queued: usize,
    },
    SessionCaughtUp {
        session: SessionId,
        dropped: u64,
    },
    PeerBehind {
        peer: PeerId,
        queued: usize,
    },
    PeerCaughtUp {
        peer: PeerId,
        dropped: u64,
    },
    BadPeerMessage {
        peer: PeerId,
        node: NodeId,
        what: &'static str,
    },
    /// Reported the first time, the second, the fourth and so on.
    PeerMisbehaves {
        peer: PeerId,
        node: NodeId,
        what: &'static str,
        count: u64,
    },
    Disbelieved {
        peer: PeerId,
        /// The neighbour that sent the record.
        teller: NodeId,
        node: NodeId,
        why: IdentityRefusal,
    },
    OverFrameLimit {
        len: usize,
    },
    Verdict {
        session: SessionId,
        node: NodeId,
        good: bool,
    },
    BadVerdict {
        session: SessionId,
        what: &'static str,
    },
}

impl NodeNotice {
    /// The connection that caused the notice: a session, a peer, or neither.
    pub fn connection(&self) -> (Option<SessionId>, Option<PeerId>) {
        match self {
            Self::UnknownFrame { session, .. }
            | Self::BadHandshake { session, .. }
            | Self::BadTopics { session }
            | Self::TopicIgnored { session, .. }
            | Self::EmptyAmopBody { session }
            | Self::UnsolicitedResponse { session, .. }
            | Self::SessionBehind { session, .. }
            | Self::SessionCaughtUp { session, .. }
            | Self::Verdict { session, .. }
            | Self::BadVerdict { session, .. } => (Some(*session), None),
            Self::PeerUp { peer, .. }
            | Self::PeerDown { peer, .. }
            | Self::PeerBehind { peer, .. }
            | Self::PeerCaughtUp { peer, .. }
            | Self::PeerMisbehaves { peer, .. }
            | Self::Disbelieved { peer, .. }
            | Self::BadPeerMessage { peer, .. } => (None, Some(*peer)),
            Self::OverFrameLimit { .. } => (None, None),
        }
    }
}

impl fmt::Display for NodeNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerUp { node, .. } => write!(f, "connected to node {}", node.short()),
            Self::PeerDown { node, .. } => write!(f, "lost node {}", node.short()),
            Self::UnknownFrame { session, kind } => {
                write!(
                    f,
                    "session {}: ignored frame of unknown type {:#x}",
                    session.0, kind.0
                )
            }
            Self::BadHandshake { session, error } => write!(f, "session {}: {error}", session.0),
            Self::BadTopics { session } => write!(
                f,
                "session {}: the topic set is not a JSON array of strings; the old set stays",
                session.0
            ),
            Self::TopicIgnored {
                session,
                identity,
                topic,
                others,
            } => {
                let number = session.0;
                write!(f, "session {number} (key {identity}): topic {topic:?} ")?;
                match others {
                    0 => f.write_str("is ignored: ")?,
                    _ => write!(f, "and {others} others are ignored: ")?,
                }
                f.write_str(
                    "empty, over 254 bytes, with a tab, or over the session's or the node's limit or \
                     a fair share of that",
                )
            }
            Self::EmptyAmopBody { session } => {
                write!(
                    f,
                    "session {}: dropped an AMOP frame without a body",
                    session.0
                )
            }
            Self::UnsolicitedResponse { session, seq } => {
                write!(
                    f,
                    "session {}: ignored a response with seq {seq}: no request waits for it",
                    session.0
                )
            }
            Self::SessionBehind { session, queued } => write!(
                f,
                "session {} does not keep up ({queued} bytes wait): it gets no more messages until it does",
                session.0
            ),
            Self::SessionCaughtUp { session, dropped } => write!(
                f,
                "session {} reads again; it missed {dropped} multicasts",
                session.0
            ),
            Self::PeerBehind { peer, queued } => write!(
                f,
                "peer {} does not keep up ({queued} bytes wait): it gets no more messages until it does",
                peer.0
            ),
            Self::PeerCaughtUp { peer, dropped } => {
                write!(
                    f,
                    "peer {} reads again; it missed {dropped} multicasts",
                    peer.0
                )
            }
            Self::Verdict {
                session,
                node,
                good,
            } => write!(
                f,
                "session {}: node {} is {} for a private topic",
                session.0,
                node.short(),
                if *good { "verified" } else { "refused" }
            ),
            Self::BadVerdict { session, what } => write!(
                f,
                "session {}: ignored a verdict on a private topic: it {what}",
                session.0
            ),
            Self::OverFrameLimit { len } => write!(
                f,
                "refused an AMOP message of {len} bytes from another node: over the frame limit"
            ),
            Self::PeerMisbehaves {
                peer,
                node,
                what,
                count,
            } => write!(
                f,
                "peer {} (node {}): ignored {what} ({count} so far on this connection)",
                peer.0,
                node.short()
            ),
            Self::Disbelieved {
                peer,
                teller,
                node,
                why,
            } => write!(
                f,
                "peer {} (node {}) sent a record of node {}, which is refused: {why}",
                peer.0,
                teller.short(),
                node.short()
            ),
            Self::BadPeerMessage { peer, node, what } => {
                write!(f, "peer {} (node {}): ignored {what}", peer.0, node.short())
            }
        }
    }
}
