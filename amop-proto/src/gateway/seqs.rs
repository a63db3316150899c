//! The numbers of a node's packets.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// The numbers of one node's packets, shared by all its connections: FISCO nodes match a response
/// by its number alone, over all connections (gateway-v3 section 3). Clones share the counter.
///
/// ```
/// let seqs = amop_proto::gateway::PacketSeqs::starting_at(2);
/// assert_eq!((seqs.clone().next(), seqs.next()), (2, 3));
/// ```
#[derive(Debug, Clone)]
pub struct PacketSeqs(Arc<AtomicU32>);

impl PacketSeqs {
    /// Creates a counter. FISCO nodes start at 2. A random start keeps responses to an earlier run
    /// of the node from being taken for responses to this one.
    #[must_use]
    pub fn starting_at(first: u32) -> Self {
        Self(Arc::new(first.into()))
    }

    /// Returns the next number. Heartbeats have 0, so no other packet does.
    #[must_use]
    pub fn next(&self) -> u32 {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => self.0.fetch_add(1, Ordering::Relaxed),
            seq => seq,
        }
    }
}
