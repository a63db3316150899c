//! What a [`GatewayPeer`](super::GatewayPeer) tells its owner.

use std::{io, sync::Arc};

use bytes::Bytes;

use super::{
    codec::GatewayPacketError,
    id::{GatewayAddress, GatewayId},
    packet::MAX_VERSION,
    router_table::RouterTableError,
    tars::TarsError,
    topics::GatewayTopicListError,
};
use crate::log::OneLine;

/// Where a packet comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewaySource {
    /// The node.
    pub id: GatewayId,
    /// Whether it is another node than the neighbour. TLS proves that the neighbour sent the packet,
    /// and nothing proves the source that the packet names (gateway-v3 section 1.1). FISCO nodes
    /// pass packets on without checking the source, so a node behind an honest neighbour can write
    /// the neighbour's id, too: do not grant rights because of this flag.
    pub claimed: bool,
}

/// A node that can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayNode {
    /// The node, and whether it is only claimed.
    pub source: GatewaySource,
    /// The number of hops to it; 1 for the neighbour. `None` if the neighbour's router table does
    /// not have it, and only its packets arrive.
    pub distance: Option<u32>,
    /// Its topics, in order; none until it has sent them.
    pub topics: Arc<[Bytes]>,
}

/// Whom an answer goes to. An answer may be sent over another connection than the one on which the
/// unicast arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyAddress {
    pub(super) seq: u32,
    pub(super) to: GatewayAddress,
}

/// Something that the owner should know.
///
/// `T` is the token that the owner gave with a unicast, to recognise it.
#[derive(Debug, PartialEq, Eq)]
pub enum GatewayEvent<T> {
    /// The neighbour's handshake arrived: packets have this version from here on.
    Negotiated {
        /// The version.
        version: u16,
    },
    /// A node can be reached, or its distance changed.
    NodeSeen {
        /// The node.
        source: GatewaySource,
        /// The number of hops to it, as in [`GatewayNode::distance`].
        distance: Option<u32>,
    },
    /// A node sent its topics, which replace those it had before.
    NodeTopics {
        /// The node.
        source: GatewaySource,
        /// Its topics, in order and without repetitions.
        topics: Arc<[Bytes]>,
    },
    /// A node cannot be reached over this connection any more. A unicast to it still waits: its
    /// answer may arrive by another way.
    NodeGone {
        /// The node.
        id: GatewayId,
    },
    /// A node asks for one subscriber. Answer by [`reply`](super::GatewayPeer::reply) within 30 s.
    Unicast {
        /// The publisher's node.
        source: GatewaySource,
        /// Whom to answer.
        reply: ReplyAddress,
        /// The AMOPRequest body (ws-v3 section 10.2), which may be malformed.
        body: Bytes,
    },
    /// A node sends a message for every subscriber here. Nobody waits for an answer.
    Multicast {
        /// The publisher's node.
        source: GatewaySource,
        /// The AMOPRequest body (ws-v3 section 10.2), which may be malformed.
        body: Bytes,
    },
    /// A unicast has ended. Every accepted unicast ends with exactly one of these, unless it is
    /// cancelled.
    Finished {
        /// The token that was given with the unicast.
        token: T,
        /// How it ended.
        outcome: GatewayOutcome,
    },
    /// A response that this connection does not wait for. It may belong to a unicast that was sent
    /// over another connection: nodes send answers by their own router tables. Give it to
    /// [`take_answer`](super::GatewayPeer::take_answer) of the other connections.
    StrayAnswer(GatewayAnswer),
    /// Something unusual that does not end the connection.
    Notice(GatewayNotice),
    /// The connection has ended, and no node can be reached over it. No event follows.
    Closed(GatewayCloseReason),
}

/// How a unicast ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayOutcome {
    /// A subscriber answered: a WebSocket message (ws-v3 section 5) whose seq is that of the
    /// delivery at the subscriber's node.
    Answered(Bytes),
    /// The subscriber's node answered with an error (gateway-v3 section 7.3).
    Refused {
        /// The error code.
        status: i16,
        /// The text of the error: any bytes.
        text: Bytes,
    },
    /// The deadline passed before an answer came.
    TimedOut,
    /// The connection ended before an answer came.
    Disconnected,
    /// The connection ended before the unicast was written: no node has it.
    Unsent,
}

/// A response to a unicast.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayAnswer {
    /// The number of the unicast.
    pub seq: u32,
    /// The node that sent the response.
    pub source: GatewaySource,
    /// The content.
    pub outcome: GatewayOutcome,
}

/// Something unusual that does not end a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayNotice {
    /// The topic list of a node is refused. The node has no topics here until it changes them.
    #[error("the topics of node {} are refused", id.short())]
    TopicsRefused {
        /// The node.
        id: GatewayId,
        /// Why.
        source: GatewayTopicListError,
    },
    /// The neighbour's router table is refused. The nodes behind it are as before.
    #[error("the router table of a neighbour is refused")]
    TableRefused(#[source] RouterTableError),
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayCloseReason {
    /// The neighbour speaks none of this node's versions.
    #[error("the neighbour speaks packet versions {minimum} to {maximum}, this node 0 to {own}")]
    NoCommonVersion {
        /// The neighbour's lowest version.
        minimum: i32,
        /// The neighbour's highest version.
        maximum: i32,
        /// The highest version of this node, at most [`MAX_VERSION`].
        own: u16,
    },
    /// The neighbour's handshake cannot be read.
    #[error("the neighbour's handshake is malformed; it is not a 3.x node")]
    BadHandshake(#[source] TarsError),
    /// The bytes received are not packets.
    #[error("the neighbour sent bytes that are not packets")]
    BadPacket(#[source] GatewayPacketError),
    /// Nothing arrived for [`IDLE`](super::IDLE).
    #[error("the neighbour sent nothing for 60 s")]
    Silent,
    /// Nothing could be written for [`IDLE`](super::IDLE).
    #[error("the neighbour read nothing for 60 s")]
    NotReading,
    /// The neighbour closed the connection. FISCO nodes do so if they have a connection with this
    /// node already, for up to 120 s after that one was lost (gateway-v3 section 1).
    #[error("the neighbour closed the connection; it may still hold an earlier one, try again")]
    Peer,
    /// The transport failed.
    #[error("the connection failed: {}", OneLine::new(.message))]
    Transport {
        /// The kind of failure.
        kind: io::ErrorKind,
        /// The failure with its causes.
        message: String,
    },
    /// This side closed the connection.
    #[error("this node closed the connection")]
    Local,
}

const _: () = assert!(MAX_VERSION == 3, "texts say which versions exist");

/// Why a packet was not accepted for sending. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewaySendError {
    /// The connection is closed.
    #[error("the connection with the neighbour is closed")]
    Closed,
    /// The node cannot be reached over this connection.
    #[error("node {} cannot be reached over this connection; try another one", id.short())]
    Unreachable {
        /// The node.
        id: GatewayId,
    },
    /// Packets have version 0, which has no source: a FISCO node could not answer (gateway-v3
    /// section 7.3).
    #[error("the neighbour has not agreed on a packet version that allows answers; wait for it")]
    NoAnswers,
    /// Too many unicasts wait for answers.
    #[error("{max} unicasts wait for answers, this node's limit")]
    TooManyInFlight {
        /// The limit.
        max: usize,
    },
    /// Too much waits to be written.
    #[error("over {max} bytes wait to be written to the neighbour")]
    QueueFull {
        /// The limit.
        max: usize,
    },
    /// The packet is over the limit.
    #[error("the packet would have {len} bytes, the limit is {max}; send less, or raise the limit")]
    TooLong {
        /// The length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
}

/// A unicast that was not accepted. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedUnicast<T> {
    /// The token that was given with the unicast.
    pub token: T,
    /// Why it was not accepted.
    pub why: GatewaySendError,
}

/// The error for a connection to oneself, which is to be closed (gateway-v3 section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node at the other end is this node itself; remove its address from the peers")]
#[non_exhaustive]
pub struct OwnConnection;
