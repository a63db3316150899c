//! Records that have been checked.

use crate::p2p::{
    NodeId,
    mesh::{IdentityRefusal, Record, RecordsError, RoutingKey, SignedRecord, Subject},
};

/// A change names at most this many topics; a larger change is stated as a whole record. This
/// limits the work that the machine does at once for a change.
pub(in crate::node) const MAX_CHANGE: usize = 4096;

/// About what a topic of another node costs in memory in addition to its name.
const TOPIC_COST: usize = 128;

/// A record whose signature is good; if it is whole, its certificates are good as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecord {
    signed: SignedRecord,
    /// The bytes that its topics take in this node's memory.
    weight: usize,
    /// The digest of the node's agency, if the record brings certificates.
    authority: [u8; 32],
}

impl CheckedRecord {
    /// Wraps a record that has been checked, or that this node has signed. It copies the record,
    /// because the record is kept and the packet it came in is not.
    pub(in crate::node) fn new(signed: SignedRecord) -> Self {
        let signed = signed.apart();
        let topics = signed.record().topics.iter();
        let weight = topics.map(|(topic, _)| topic.len() + TOPIC_COST).sum();
        Self {
            signed,
            weight,
            authority: [0; 32],
        }
    }

    /// Returns the same record, of a node of the agency with this digest.
    pub(super) fn with_authority(self, authority: [u8; 32]) -> Self {
        Self { authority, ..self }
    }

    /// Returns the digest of the agency; see [`Identified`](crate::p2p::mesh::Identified).
    pub(in crate::node) fn authority(&self) -> [u8; 32] {
        self.authority
    }

    pub(in crate::node) fn record(&self) -> &Record {
        self.signed.record()
    }

    pub(in crate::node) fn key(&self) -> RoutingKey {
        self.signed.key()
    }

    pub(in crate::node) fn signed(&self) -> &SignedRecord {
        &self.signed
    }

    pub(in crate::node) fn weight(&self) -> usize {
        self.weight
    }
}

pub(in crate::node) fn topic_cost(topic: &[u8]) -> usize {
    topic.len() + TOPIC_COST
}

/// What is wrong with a records packet. A node passes on only records that it has checked itself,
/// so the neighbour that sent the packet is at fault, and its connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordsFault {
    /// The packet cannot be read.
    #[error(transparent)]
    Unreadable(#[from] RecordsError),
    /// A change names more topics than it may.
    #[error("a change of more than {MAX_CHANGE} topics of node {}", .0.short())]
    LongChange(NodeId),
    /// A record is not signed by the node that must sign it.
    #[error("a forged record of node {}", .0.short())]
    Forged(NodeId),
    /// A record comes with the certificates of another node.
    #[error("a record of node {} with the certificates of another node", .0.short())]
    OthersChain(NodeId),
    /// The neighbour's own record comes with certificates that this node refuses, although it
    /// accepted the neighbour's connection.
    #[error("its own record, of node {}, with certificates that are refused", .0.short())]
    Unbelieved(NodeId),
}

/// A record that is refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) struct RefusedRecord {
    pub(in crate::node) subject: Subject,
    pub(in crate::node) version: u64,
    pub(in crate::node) why: IdentityRefusal,
}

/// A records packet, or a part of one, after its check. The machine accepts records only in this
/// form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecords {
    pub(in crate::node) seq: u32,
    pub(in crate::node) records: Vec<CheckedRecord>,
    /// Records of nodes that this node refuses. This is its own view: its lists may be newer or
    /// older than those of the neighbour, so the neighbour is not at fault.
    pub(in crate::node) refused: Vec<RefusedRecord>,
    /// Nodes with more topics than this node accepts. The neighbour may accept more.
    pub(in crate::node) too_long: Vec<NodeId>,
    /// The fault, if there is one; `records` is empty then.
    pub(in crate::node) fault: Option<RecordsFault>,
    /// Whether this is the last part.
    pub(in crate::node) last: bool,
    pub(super) work: usize,
}

impl CheckedRecords {
    /// Returns how many signatures had to be verified. Each certificate counts as one, and a long
    /// one as more.
    #[must_use]
    pub fn work(&self) -> usize {
        self.work
    }
}
