//! How often a node connects. Limits are counted for each connection, and the whole network is told
//! of each connection: without this check, a node that reconnects all the time would get more of
//! both than a node that stays.

use std::time::{Duration, Instant};

use super::mesh::TokenBucket;
use crate::{hash::HashMap, p2p::NodeId};

/// The number of connections accepted at once; after that, one is accepted per `EACH`.
const BURST: u32 = 16;
const EACH: Duration = Duration::from_secs(2);

/// The number of nodes that are remembered.
const MAX: usize = 4096;

#[derive(Debug, Clone, Default)]
pub(super) struct Visits(HashMap<NodeId, TokenBucket>);

impl Visits {
    /// Returns whether a node may connect now.
    pub(super) fn admit(&mut self, now: Instant, node: NodeId) -> bool {
        if self.0.len() >= MAX && !self.0.contains_key(&node) {
            // Forget the nodes that have not come for a long time, and if there are none, all.
            self.0.retain(|_, bucket| !bucket.is_full(now));
            if self.0.len() >= MAX {
                self.0.clear();
            }
        }
        let new = || TokenBucket::new(BURST, EACH);
        self.0.entry(node).or_insert_with(new).take(now, 1)
    }
}

#[cfg(test)]
mod tests;
