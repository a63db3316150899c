//! The budget of a node for incomplete frames.
//!
//! A frame gets its room when its first bytes arrive, or it is refused then. A frame that was
//! admitted is never dropped half-way because there is no room.
//!
//! An agency gets at most as much as stays free. A key gets at most as much as would stay free
//! after its agency was given the same amount again (the dynamic thresholds of shared switch
//! buffers). An agency that already holds something gets another frame only if room for several
//! frames of this length stays free, so that long frames of a few leave room for others.

use std::{
    hash::{BuildHasher, Hash},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use amop_proto::node::SessionIdentity;
use amop_tls::Standing;
use foldhash::fast::RandomState;

use crate::turns::Party;

/// After another frame of an agency is admitted, this many frames of the same length must still
/// fit.
const LEFT_FOR_OTHERS: usize = 10;

/// The port that a connection came to. Room held by an agency's SDKs is not taken from its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum IntakePort {
    Sdks,
    Nodes,
}

/// The bytes of incomplete frames that all connections of a node hold.
#[derive(Debug)]
pub(crate) struct Intake {
    limit: usize,
    digests: RandomState,
    held: Mutex<HalfReadBytes>,
}

#[derive(Debug, Default)]
struct HalfReadBytes {
    total: usize,
    /// Bytes held by each agency and each key; those that hold nothing have no entry.
    by_owner: std::collections::HashMap<u64, usize, RandomState>,
}

impl HalfReadBytes {
    fn of(&self, owner: u64) -> usize {
        self.by_owner.get(&owner).copied().unwrap_or(0)
    }

    fn admits(&self, limit: usize, share: &IntakeShare, len: usize) -> bool {
        let free = limit.saturating_sub(self.total);
        let (agency, key) = (self.of(share.agency), self.of(share.key));
        let others = len.saturating_mul(LEFT_FOR_OTHERS);
        let is_first = agency == 0;
        agency + len <= free
            && key + len <= free.saturating_sub(agency)
            && (is_first || others <= free - len)
    }

    fn add(&mut self, share: &IntakeShare, len: usize) {
        self.total += len;
        for owner in [share.agency, share.key] {
            *self.by_owner.entry(owner).or_default() += len;
        }
    }

    fn remove(&mut self, share: &IntakeShare, len: usize) {
        self.total -= len;
        for owner in [share.agency, share.key] {
            if let Some(held) = self.by_owner.get_mut(&owner) {
                *held -= len;
                if *held == 0 {
                    self.by_owner.remove(&owner);
                }
            }
        }
        if self.by_owner.is_empty() {
            self.by_owner = std::collections::HashMap::default();
        }
    }
}

impl Intake {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            digests: RandomState::default(),
            held: Mutex::default(),
        })
    }

    /// Returns the share of a connection. All connections of the same key share one, and so do all
    /// connections of the same agency on this port.
    pub(crate) fn share(self: &Arc<Self>, port: IntakePort, standing: &Standing) -> IntakeShare {
        self.share_of((port, standing.agency_digest()), standing.key_digest())
    }

    /// Returns the share of an SDK's connection.
    pub(crate) fn share_of_sdk(self: &Arc<Self>, sdk: SessionIdentity) -> IntakeShare {
        self.share_of((IntakePort::Sdks, sdk.agency), sdk.key)
    }

    fn share_of(self: &Arc<Self>, agency: impl Hash, key: impl Hash) -> IntakeShare {
        let agency = self.digests.hash_one((0u8, agency));
        IntakeShare {
            key: self.digests.hash_one((1u8, agency, key)),
            agency,
            intake: self.clone(),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the number of bytes for which room is taken now.
    pub(crate) fn bytes(&self) -> usize {
        self.held().total
    }

    fn held(&self) -> MutexGuard<'_, HalfReadBytes> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner of frames: a key and its agency.
#[derive(Debug, Clone)]
pub(crate) struct IntakeShare {
    agency: u64,
    key: u64,
    intake: Arc<Intake>,
}

impl IntakeShare {
    /// Returns room for a frame of this length, or `None` if there is no room.
    pub(crate) fn admit(&self, len: usize) -> Option<IntakeRoom> {
        let mut held = self.intake.held();
        held.admits(self.intake.limit, self, len).then(|| {
            held.add(self, len);
            IntakeRoom {
                share: self.clone(),
                len,
            }
        })
    }

    /// Returns the party whose turn is used for work of one of its connections.
    pub(crate) fn party(&self, one: u64) -> Party {
        let (agency, key) = (self.agency, self.key);
        Party { agency, key, one }
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.intake
    }
}

impl IntakeRoom {
    /// Takes more room for the same frame. Returns `false`, and takes nothing, if no room is left.
    pub(crate) fn grow(&mut self, len: usize) -> bool {
        let share = &self.share;
        let mut held = share.intake.held();
        held.remove(share, self.len);
        let admitted = held.admits(share.intake.limit, share, len);
        if admitted {
            self.len = len;
        }
        held.add(share, self.len);
        admitted
    }

    /// Returns the length of the room in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// Room for an incomplete frame; given back when dropped.
#[derive(Debug)]
pub(crate) struct IntakeRoom {
    share: IntakeShare,
    len: usize,
}

impl Drop for IntakeRoom {
    fn drop(&mut self) {
        self.share.intake.held().remove(&self.share, self.len);
    }
}

#[cfg(test)]
mod tests;
