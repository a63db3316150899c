//! The next link on the path to a node.

use super::Mesh;
use crate::{
    node::{PeerId, mesh::output::Hop},
    p2p::mesh::RoutingKey,
};

impl Mesh {
    /// Returns the neighbour through which a message for a node goes next, and the connection to
    /// it: one on a shortest path, equal paths in turn, among those that `usable` accepts.
    pub(in crate::node) fn next_hop(
        &mut self,
        node: RoutingKey,
        usable: impl Fn(PeerId) -> bool,
    ) -> Option<Hop> {
        let steps = self.paths.first_steps(node);
        let hop = |key| {
            let &peer = self.by_key.get(&key)?;
            usable(peer).then_some(Hop { peer, key })
        };
        // Usually there is only one, mostly the node itself.
        if let &[key] = steps {
            return hop(key);
        }
        if steps.is_empty() {
            return None;
        }
        let turn = self.turns.entry(node).or_default();
        *turn = turn.wrapping_add(1);
        let turn = *turn;
        (0..steps.len()).find_map(|n| hop(steps[(turn + n) % steps.len()]))
    }

    /// Returns whether a shortest path to a node begins with this neighbour.
    pub(in crate::node) fn leads_through(
        &mut self,
        node: RoutingKey,
        neighbour: RoutingKey,
    ) -> bool {
        self.paths.first_steps(node).contains(&neighbour)
    }

    /// Returns whether the path to a node may be restored soon.
    pub(in crate::node) fn is_suspended(&mut self, node: RoutingKey) -> bool {
        let (steps, links) = (self.paths.first_steps(node), &self.links);
        steps
            .iter()
            .filter_map(|step| links.get(self.by_key.get(step)?))
            .any(|link| link.suspended.is_some())
    }
}
