//! The unicasts of each holder of a certificate in the order in which they came: the newest end first
//! where somebody has more than a fair share.

use crate::node::shares::HolderId;

use super::unicast::UnicastId;

/// So few are never gone through.
const FEW: usize = 64;

/// By holder. Those that have ended are taken out now and then: a message costs no more for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Newest(Vec<Vec<UnicastId>>);

impl Newest {
    /// One more of a holder that has so many in flight, of which `lives` knows.
    pub(super) fn push(
        &mut self,
        holder: HolderId,
        id: UnicastId,
        in_flight: usize,
        lives: impl Fn(UnicastId) -> bool,
    ) {
        let place = holder.place();
        if place >= self.0.len() {
            self.0.resize_with(place + 1, Vec::new);
        }
        let ids = &mut self.0[place];
        if in_flight == 0 {
            ids.clear();
            ids.shrink_to(FEW);
        } else if ids.len() >= FEW.max(2 * in_flight) {
            ids.retain(|&id| lives(id));
        }
        ids.push(id);
    }

    /// Takes the newest one.
    pub(super) fn pop(
        &mut self,
        holder: HolderId,
        lives: impl Fn(UnicastId) -> bool,
    ) -> Option<UnicastId> {
        let ids = self.0.get_mut(holder.place())?;
        while let Some(id) = ids.pop() {
            if lives(id) {
                return Some(id);
            }
        }
        None
    }
}
