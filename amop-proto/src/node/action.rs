//! What a node machine wants done: frames to write, connections to close, things to log.

use std::fmt;

use super::{Lane, PeerId, Question, Restatement, SessionId, SessionIdentity};
use crate::{
    channel::{AmopBodyError, Frame, FrameType, HandshakeError, Seq},
    node::RecordsFault,
    p2p::{NodeId, PeerMessage, mesh::Refusal},
};

/// One thing the I/O shell has to do, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Write a frame to a session, and report it with
    /// [`Event::SessionWritten`](super::Event::SessionWritten) when it has left.
    SendSession {
        /// To whom.
        session: SessionId,
        /// What.
        frame: Frame,
    },
    /// Close a session after what was sent to it before. The machine has forgotten it already.
    CloseSession {
        /// Which.
        session: SessionId,
        /// Why, for the log.
        reason: CloseReason,
    },
    /// The session's client is our own: frames may share a TLS record from now on. Towards others
    /// every frame must be a record of its own (channel-v2 section 3.4).
    CoalesceSession {
        /// Which.
        session: SessionId,
    },
    /// Stop reading from a session: what it publishes fills a peer's queue.
    PauseSession {
        /// Which.
        session: SessionId,
    },
    /// Read on from a paused session.
    ResumeSession {
        /// Which.
        session: SessionId,
    },
    /// Answer a JSON-RPC request, and hand the answer back with
    /// [`Event::SessionReply`](super::Event::SessionReply). It takes time, so nobody should wait for
    /// the node meanwhile: copy a [`Listing`](super::Listing) of what is asked for and write the answer
    /// while the node is free, or use [`Node::answer`](super::Node::answer) where nobody waits.
    Answer {
        /// Who asks.
        session: SessionId,
        /// What.
        question: Question,
    },
    /// Put together and sign what the node states of itself with
    /// [`carry_out`](Restatement::carry_out), and hand the event that it returns back. That takes milliseconds:
    /// do it while others use the node. A node that gets no such event states it itself after 5 s.
    Restate(Box<Restatement>),
    /// Write a frame to a peer, and report it with
    /// [`Event::PeerWritten`](super::Event::PeerWritten) when it has left.
    SendPeer {
        /// To whom.
        peer: PeerId,
        /// Whose turn it takes: a [`LinkQueue`](super::LinkQueue) keeps to that.
        lane: Lane,
        /// What.
        message: PeerMessage,
    },
    /// The peer puts fragments together: long frames for it are cut from now on
    /// ([`LinkQueue::allow_fragments`](super::LinkQueue::allow_fragments)).
    FragmentPeer {
        /// Which.
        peer: PeerId,
    },
    /// Close a peer connection. The machine has forgotten it already.
    ClosePeer {
        /// Which.
        peer: PeerId,
        /// Why, for the log.
        reason: PeerCloseReason,
    },
    /// Something an operator may want to know.
    Notice(Notice),
}

/// Why the certificate of a connection, which let it in once, does so no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lapse {
    /// It has expired, or one above it has.
    #[error("its certificate, or one above it, has expired: renew it")]
    Expired,
    /// Its issuer has revoked it, or one above it.
    #[error("its certificate, or one above it, has been revoked by its issuer")]
    Revoked,
    /// The lists of the node refuse it.
    #[error("the lists of this node do not let it in any longer")]
    Unlisted,
}

/// Why a session was closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// Nothing was read or written for too long.
    #[error("idle for too long")]
    Idle,
    /// The node stops.
    #[error("the node stops")]
    Stopping,
    /// Its certificate does not let it in any longer.
    #[error("{0}")]
    Lapsed(Lapse),
    /// The handshake's version ranges do not meet.
    #[error(transparent)]
    Handshake(HandshakeError),
    /// An AMOP body that no SDK sends.
    #[error("malformed AMOP frame: {0}")]
    Malformed(AmopBodyError),
    /// It does not read what it is sent.
    #[error("{queued} bytes wait to be written to it; it does not read")]
    SlowReader {
        /// Bytes waiting.
        queued: usize,
    },
    /// There are too many sessions, and nobody else has more than a fair share of them.
    #[error("all {max} connections are in use; close some, or raise amop_limits.sessions")]
    TooManySessions {
        /// The limit in force.
        max: usize,
    },
    /// A limit for all sessions is reached, and whoever holds its key has most beyond a fair share.
    #[error(
        "others need some of the node's {what}, and its key has most beyond a fair share of them"
    )]
    OverShare {
        /// What is short.
        what: &'static str,
    },
    /// The limit for all sessions is reached, and its queue is the longest.
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
pub enum PeerCloseReason {
    /// Its certificate does not let it in any longer.
    #[error("{0}")]
    Lapsed(Lapse),
    /// It is this node itself.
    #[error("the address is this node's own")]
    LocalIdentity,
    /// There is a connection to that node already.
    #[error("already connected to that node")]
    Duplicate,
    /// It has connected too often.
    #[error("it connects again and again; it is let in every 2 s")]
    TooOften,
    /// There are too many already.
    #[error(
        "{max} connections of nodes are in use, and its agency has no less than its share of them"
    )]
    TooMany {
        /// The limit in force.
        max: usize,
    },
    /// Its agency has more than its share of connections, and somebody with less has come.
    #[error("its agency has more than its share of connections, and another one needs some")]
    OverShare,
    /// Nothing came for too long.
    #[error("silent for too long")]
    Idle,
    /// It announces more topics than this node takes.
    #[error("it announces more than {max} topics")]
    TooManyTopics {
        /// The limit in force.
        max: usize,
    },
    /// It does not read what it is sent.
    #[error("{queued} bytes wait to be written to it; it does not read")]
    SlowReader {
        /// Bytes waiting.
        queued: usize,
    },
    /// It sent what no honest node passes on.
    #[error("it sent {0}; if it is a node of yours, somebody else may have its key")]
    BadRecords(RecordsFault),
}

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's text is its documentation")]
pub enum Notice {
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
    /// Told at the first time, the second, the fourth and so on.
    PeerMisbehaves {
        peer: PeerId,
        node: NodeId,
        what: &'static str,
        count: u64,
    },
    Disbelieved {
        peer: PeerId,
        /// The neighbour.
        teller: NodeId,
        node: NodeId,
        why: Refusal,
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

impl Notice {
    /// The connection that caused it: a session or a peer, or neither.
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

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerUp { node, .. } => write!(f, "connected to node {node}"),
            Self::PeerDown { node, .. } => write!(f, "lost node {node}"),
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
                    "session {}: nobody waits for a response with seq {seq}",
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
                "session {}: node {node} is {} for a private topic",
                session.0,
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
                "peer {} (node {node}): ignored {what} ({count} so far on this connection)",
                peer.0
            ),
            Self::Disbelieved {
                peer,
                teller,
                node,
                why,
            } => write!(
                f,
                "peer {} (node {teller}) told of node {node}, which is not believed: {why}",
                peer.0
            ),
            Self::BadPeerMessage { peer, node, what } => {
                write!(f, "peer {} (node {node}): ignored {what}", peer.0)
            }
        }
    }
}
