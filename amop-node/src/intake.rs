//! The budget of a node for frames of which not all has come.
//!
//! A frame gets its room when its first bytes come, or is refused then. A frame that was let in is not given
//! up half way for want of room.
//!
//! An agency gets at most what is free. A key gets at most what is free after its agency was given as much
//! again (the dynamic thresholds of shared switch buffers). An agency that holds something gets another frame
//! only if room for several of that length stays free, so that long frames of a few leave room for others.

use std::{
    hash::{BuildHasher, Hash},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use amop_tls::Standing;
use foldhash::fast::RandomState;

use crate::turns::Party;

/// As many frames of the same length must fit after a further frame of an agency.
const LEFT_FOR_OTHERS: usize = 10;

/// Where a connection came from. What an agency's SDKs hold takes nothing from its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Port {
    Sdks,
    Nodes,
}

/// What all connections of a node hold of frames that are not whole.
#[derive(Debug)]
pub(crate) struct Intake {
    limit: usize,
    digests: RandomState,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    /// Of which agency and of which key; nobody who holds nothing.
    by_owner: std::collections::HashMap<u64, usize, RandomState>,
}

impl Held {
    fn of(&self, owner: u64) -> usize {
        self.by_owner.get(&owner).copied().unwrap_or(0)
    }

    fn admits(&self, limit: usize, share: &Share, len: usize) -> bool {
        let free = limit.saturating_sub(self.total);
        let (agency, key) = (self.of(share.agency), self.of(share.key));
        let others = len.saturating_mul(LEFT_FOR_OTHERS);
        let is_first = agency == 0;
        agency + len <= free
            && key + len <= free.saturating_sub(agency)
            && (is_first || others <= free - len)
    }

    fn add(&mut self, share: &Share, len: usize) {
        self.total += len;
        for owner in [share.agency, share.key] {
            *self.by_owner.entry(owner).or_default() += len;
        }
    }

    fn remove(&mut self, share: &Share, len: usize) {
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

    /// The share of a connection: all with this key have one, and all of this agency, on this port.
    pub(crate) fn share(self: &Arc<Self>, port: Port, standing: &Standing) -> Share {
        self.share_of((port, standing.agency_digest()), standing.key_digest())
    }

    fn share_of(self: &Arc<Self>, agency: impl Hash, key: impl Hash) -> Share {
        let agency = self.digests.hash_one((0u8, agency));
        Share {
            key: self.digests.hash_one((1u8, agency, key)),
            agency,
            intake: self.clone(),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes for which there is room now.
    pub(crate) fn bytes(&self) -> usize {
        self.held().total
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose frames they are.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    agency: u64,
    key: u64,
    intake: Arc<Intake>,
}

impl Share {
    /// Room for a frame of this length, if there is.
    pub(crate) fn admit(&self, len: usize) -> Option<Room> {
        let mut held = self.intake.held();
        held.admits(self.intake.limit, self, len).then(|| {
            held.add(self, len);
            Room {
                share: self.clone(),
                len,
            }
        })
    }

    /// Whose turn it is when one of its connections has something to be done.
    pub(crate) fn party(&self, one: u64) -> Party {
        let (agency, key) = (self.agency, self.key);
        Party { agency, key, one }
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.intake
    }
}

/// Room for a frame that is not whole; given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    share: Share,
    len: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.share.intake.held().remove(&self.share, self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many frames of this length as there is room for.
    fn fill(share: &Share, len: usize) -> Vec<Room> {
        std::iter::from_fn(|| share.admit(len)).collect()
    }

    #[test]
    fn a_key_gets_a_third_an_agency_half_and_others_find_room() {
        let intake = Intake::new(1200);
        let hog = fill(&intake.share_of("a", 1), 10);
        assert_eq!(hog.len(), 40);
        // Another key of the agency has a fair part of the agency's half.
        let second = fill(&intake.share_of("a", 2), 10);
        assert!((10..=20).contains(&second.len()), "{}", second.len());
        let many: Vec<Room> = (3..50)
            .flat_map(|key| fill(&intake.share_of("a", key), 10))
            .collect();
        assert!(intake.bytes() <= 600, "{}", intake.bytes());
        // Another agency gets a long frame at once.
        let other = intake.share_of("b", 1).admit(200);
        assert!(other.is_some());
        drop((hog, second, many, other));
        assert_eq!(intake.bytes(), 0);
        assert!(intake.held().by_owner.is_empty());
    }

    #[test]
    fn room_is_given_back_and_a_frame_over_the_budget_has_none() {
        let intake = Intake::new(100);
        let share = intake.share_of("a", 1);
        assert!(share.admit(101).is_none());
        let room = share.admit(100);
        assert!(room.is_some() && share.admit(1).is_none());
        drop(room);
        assert!(share.admit(1).is_some());
        assert_eq!(intake.bytes(), 0);
    }

    #[test]
    fn many_hogs_leave_room_for_a_newcomer() {
        let intake = Intake::new(512 << 20);
        let mut rooms = Vec::new();
        for agency in 0..10 {
            rooms.extend(fill(&intake.share_of(agency, 1), 32 << 20));
        }
        assert!(intake.share_of("newcomer", 1).admit(32 << 20).is_some());
    }
}
