//! The unicasts of each holder of a certificate in order of arrival: when a holder has more than
//! its fair share, its newest unicasts are ended first.

use crate::node::{router::ends::UnicastId, shares::HolderId};

/// Lists up to this length are never cleaned up.
const FEW: usize = 64;

/// The lists by holder. Ended unicasts are removed only from time to time, so that they add no cost
/// to each message.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct Newest(Vec<Vec<UnicastId>>);

impl Newest {
    /// Adds a unicast of a holder that has `in_flight` unicasts in flight; `lives` tells whether a
    /// unicast still is.
    pub(in crate::node::router) fn push(
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

    /// Takes the newest unicast of a holder.
    pub(in crate::node::router) fn pop(
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
