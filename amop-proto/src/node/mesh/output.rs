//! What the mesh asks of the rest of the node.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::restating::Restatement;
use crate::{
    node::{PeerId, checker::RecordsFault},
    p2p::{
        NodeId, PeerFrame,
        mesh::{IdentityRefusal, RoutingKey},
    },
};

/// What the mesh asks the router to do, or reports to it.
#[derive(Debug, Clone)]
pub(in crate::node) enum MeshOutput {
    Send(PeerId, PeerFrame),
    /// A node's subscriber count for a topic changed; 0 for a node that cannot be reached.
    Topic(RoutingKey, Bytes, u32),
    /// A node can no longer be reached.
    Lost(RoutingKey),
    /// A link is gone, and the messages that were on it may be lost.
    Cut {
        /// Paths to these nodes led over it.
        shaken: BTreeSet<RoutingKey>,
        /// The number of changes of the network before this one: a message that was sent before the
        /// last of them may have gone over the link, whatever its target.
        changes: u64,
    },
    /// Another connection to this neighbour replaced one that is gone; messages that were on their
    /// way there may be lost.
    Moved(RoutingKey),
    /// A neighbour acknowledged further statements of this node.
    Acknowledged,
    /// This node's statement of itself is long, and must be built outside the machine.
    Restate(Box<Restatement>),
    /// The topics of FISCO nodes behind this one were stated again.
    Stubs,
    /// A neighbour announces more topics than this node accepts.
    TooManyTopics(PeerId),
    /// A neighbour sent something malformed.
    Bad(PeerId, &'static str),
    /// A neighbour sent a record that is not accepted.
    Refused(PeerId, &'static str),
    /// A neighbour sent records that no honest node passes on.
    Fault(PeerId, RecordsFault),
    /// A neighbour sent a record of a node that this node refuses.
    Disbelieved {
        peer: PeerId,
        node: NodeId,
        why: IdentityRefusal,
    },
    /// There was no room for records that a neighbour sent.
    OverBudget(PeerId),
    /// This many nodes were forgotten to make room.
    Evicted(usize),
    /// A neighbour sent statements of a node that sends too many.
    TooOften(PeerId),
    /// A neighbour keeps sending records that are known.
    Repeats(PeerId),
    /// A neighbour asks too much.
    AsksTooMuch(PeerId),
}

/// The next step of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::node) struct Hop {
    pub(in crate::node) peer: PeerId,
    /// The name of the neighbour at the other end.
    pub(in crate::node) key: RoutingKey,
}
