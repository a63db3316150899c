//! A long statement of a node of itself, built and signed while the node is free for other work.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;

use super::restated::Restated;
use crate::{
    node::NodeEvent,
    p2p::mesh::{Record, SignedRecord, SignedRecords, StatementSigner},
};

/// A long statement of a node of itself, as a whole record or as a change: building and signing it
/// takes up to some milliseconds.
#[derive(Clone)]
pub struct Restatement {
    /// The record without its topics.
    pub(super) record: Record,
    /// For a whole record: what was stated before, a whole record and changes of it.
    pub(super) stated: Vec<Bytes>,
    /// The topics that have changed since, with their subscriber counts.
    pub(super) changed: Vec<(Bytes, u32)>,
    pub(super) signer: Arc<dyn StatementSigner>,
}

impl Restatement {
    /// Builds and signs the record: some 100 nanoseconds for each topic. Pass the event to the node
    /// that asked for it.
    #[must_use]
    pub fn carry_out(self) -> NodeEvent {
        let version = self.record.version;
        let signed = self.signed();
        NodeEvent::Restated(Restated {
            version,
            bytes: signed.map(|signed| signed.bytes().clone()),
        })
    }

    /// Returns the signed record; `None` if the signer cannot sign.
    fn signed(mut self) -> Option<SignedRecord> {
        if self.record.base != 0 {
            self.record.topics = self.changed;
            return self.record.sign(&*self.signer);
        }
        let stated = self.stated.into_iter();
        let stated = stated.flat_map(|bytes| SignedRecords::new(bytes, usize::MAX));
        let stated = stated.filter_map(|record| record.ok().flatten());
        let mut topics = BTreeMap::new();
        for (n, signed) in stated.enumerate() {
            let changes = signed.into_record().topics;
            match n {
                // They are sorted, so that this is much faster than inserting one by one.
                0 => topics = changes.into_iter().collect(),
                _ => topics.extend(changes),
            }
        }
        topics.extend(self.changed);
        let mut record = self.record;
        record.topics = topics.into_iter().filter(|&(_, count)| count > 0).collect();
        record.sign(&*self.signer)
    }
}

impl PartialEq for Restatement {
    fn eq(&self, other: &Self) -> bool {
        (&self.record, &self.stated, &self.changed)
            == (&other.record, &other.stated, &other.changed)
    }
}

impl fmt::Debug for Restatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restatement")
            .field("version", &self.record.version)
            .field("changed", &self.changed.len())
            .finish_non_exhaustive()
    }
}
