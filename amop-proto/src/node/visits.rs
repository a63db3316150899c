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
mod tests {
    use super::*;

    #[test]
    fn a_node_that_comes_again_and_again_has_to_wait_and_others_do_not() {
        let mut visits = Visits::default();
        let now = Instant::now();
        let (one, other) = (NodeId([1; 64]), NodeId([2; 64]));
        let admitted = (0..100).filter(|_| visits.admit(now, one)).count();
        assert_eq!(admitted, BURST as usize);
        assert!(visits.admit(now, other));
        assert!(!visits.admit(now + EACH - Duration::from_millis(1), one));
        assert!(visits.admit(now + EACH, one));
        assert!(!visits.admit(now + EACH, one));
    }

    #[test]
    fn so_many_nodes_are_remembered() {
        let mut visits = Visits::default();
        let now = Instant::now();
        for n in 0..2 * MAX as u64 {
            let mut node = NodeId([0; 64]);
            node.0[..8].copy_from_slice(&n.to_be_bytes());
            assert!(visits.admit(now, node));
            assert!(visits.0.len() <= MAX);
        }
        assert!(visits.admit(now + EACH, NodeId([9; 64])));
        assert!(visits.0.len() <= MAX);
    }
}
