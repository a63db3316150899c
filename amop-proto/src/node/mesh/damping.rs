//! Links of this node that come and go. Each change is news for the whole network, and messages in
//! flight are sent again. A link that changes too often is held down: this node does not state it,
//! so it counts for no node, whatever the other end says. It is held down for some seconds at most,
//! and then it counts.

use std::time::{Duration, Instant};

use super::bucket::TokenBucket;
use crate::{hash::HashMap, p2p::mesh::RoutingKey};

/// A link may be lost this often at once, and then once per `EACH`.
const FREE: u32 = 8;
const EACH: Duration = Duration::from_secs(5);

/// A link that is lost more often is held down for this long, the next time for twice as long, and
/// so on.
const HOLD: Duration = Duration::from_secs(1);
const MAX_HOLD: Duration = Duration::from_secs(8);

/// The number of neighbours that are remembered.
const MAX: usize = 4096;

/// How the link to a neighbour has behaved.
#[derive(Debug, Clone)]
struct LinkHistory {
    losses: TokenBucket,
    hold: Duration,
    until: Option<Instant>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Damping(HashMap<RoutingKey, LinkHistory>);

impl Damping {
    /// Records that a link that counted no longer does.
    pub(super) fn lost(&mut self, now: Instant, neighbour: RoutingKey) {
        if self.0.len() >= MAX && !self.0.contains_key(&neighbour) {
            // Forget neighbours that have behaved for long, and if there are none, all.
            self.0.retain(|_, record| !record.losses.is_full(now));
            if self.0.len() >= MAX {
                self.0.clear();
            }
        }
        let record = self.0.entry(neighbour).or_insert(LinkHistory {
            losses: TokenBucket::new(FREE, EACH),
            hold: Duration::ZERO,
            until: None,
        });
        if record.losses.is_full(now) {
            record.hold = Duration::ZERO;
        }
        if !record.losses.take(now, 1) {
            record.hold = (record.hold * 2).clamp(HOLD, MAX_HOLD);
            record.until = Some(now + record.hold);
        }
    }

    /// Returns until when the link to a neighbour is held down, if it is.
    pub(super) fn held(&self, now: Instant, neighbour: RoutingKey) -> Option<Instant> {
        self.0.get(&neighbour)?.until.filter(|&until| now < until)
    }
}

#[cfg(test)]
mod tests;
