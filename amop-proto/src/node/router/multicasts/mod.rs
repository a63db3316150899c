//! Multicasts that wait: for their turn, for a path, or to be confirmed.

mod audience;
mod confirming;
mod copies;
mod handing_out;
mod name;
mod parts;
mod repeats;
mod seals;
mod stranded;
mod stranding;

use std::time::Instant;

pub(super) use self::{
    audience::Audience,
    name::{MulticastName, name_of},
    seals::seals,
};
use self::{copies::PendingCopies, repeats::Repeats, stranded::StrandedMulticasts};
use crate::node::{Limits, sooner};

/// The multicasts that wait, and those of the last seconds.
#[derive(Debug, Clone)]
pub(super) struct Multicasts {
    copies: PendingCopies,
    /// Multicasts that wait for a path.
    pub(super) stranded: StrandedMulticasts,
    /// When received multicasts are confirmed.
    confirm_at: Option<Instant>,
    /// Multicasts that may come over several connections.
    pub(super) repeats: Repeats,
    /// An empty buffer for the next multicast.
    pub(super) audience: Audience,
    /// The bytes that may wait for each peer.
    peer_queue: usize,
}

impl Multicasts {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            copies: PendingCopies::default(),
            stranded: StrandedMulticasts::default(),
            confirm_at: None,
            repeats: Repeats::default(),
            audience: Audience::default(),
            peer_queue: limits.peer_queue,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.stranded.is_empty()
    }

    /// Returns when work must be continued, or multicasts confirmed.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let waiting = sooner(self.copies.next_timeout(), self.stranded.next_timeout());
        sooner(waiting, self.confirm_at)
    }
}
