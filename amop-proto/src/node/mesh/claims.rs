//! Subscriber counts that other nodes claim, and that are reported to the rest of the node.

use bytes::Bytes;

use super::{Mesh, output::MeshOutput};
use crate::p2p::mesh::RoutingKey;

/// The number of topic counts reported to the rest of the node at once; further ones wait.
pub(super) const SHOWN_AT_ONCE: usize = 96;

/// A node, and the border node that announces it if it is a FISCO node.
pub(super) type NodeAndBorder = (RoutingKey, Option<RoutingKey>);

impl Mesh {
    /// Returns how many subscribers of a topic a node may count as, if a node may claim `claimed`
    /// of them: a FISCO node counts as one wherever it is announced, and a border node as the rest
    /// after its FISCO nodes.
    pub(in crate::node) fn may_claim(&self, node: RoutingKey, topic: &[u8], claimed: u32) -> u32 {
        if self.owner(node) != node {
            return 1;
        }
        let stubs = self.database.stubs_of(node);
        let holding = stubs.filter(|&stub| self.claim(stub, topic) > 0).count();
        claimed.saturating_sub(holding as u32).max(1)
    }

    /// Returns how many subscribers of a topic a node claims, if it can be reached.
    pub(super) fn claim(&self, node: RoutingKey, topic: &[u8]) -> u32 {
        let state = self.database.get(node).filter(|state| state.is_reachable());
        let count = state.and_then(|state| state.topics.get(topic));
        count.copied().unwrap_or(0)
    }

    /// Reports how many subscribers a node has for a topic. If a border node announces the node, it
    /// reports the border node's number again, because what that may claim has changed.
    pub(super) fn show(&mut self, (key, border): NodeAndBorder, topic: Bytes, count: u32) {
        let of_border = border.map(|border| (border, self.claim(border, &topic)));
        let of_border = of_border.filter(|&(_, count)| count > 0);
        let of_border = of_border.map(|(border, count)| (border, topic.clone(), count));
        self.show_one(key, topic, count);
        if let Some((border, topic, count)) = of_border {
            self.show_one(border, topic, count);
        }
    }

    pub(super) fn show_one(&mut self, key: RoutingKey, topic: Bytes, count: u32) {
        if self.backlog.is_empty() {
            self.outputs.push_back(MeshOutput::Topic(key, topic, count));
        } else {
            // An older count must not be reported after a newer one.
            self.backlog.push_back((key, topic, count));
        }
    }

    pub(super) fn show_all(&mut self, (key, border): NodeAndBorder, mut topics: Vec<(Bytes, u32)>) {
        if topics.len() > SHOWN_AT_ONCE {
            // Put one count into the backlog first, so that all the others wait behind it.
            self.backlog
                .extend(topics.pop().map(|(topic, count)| (key, topic, count)));
        }
        for (topic, count) in topics {
            self.show((key, border), topic, count);
        }
    }
}

/// Returns the cost of showing or hiding a node: the border node that announces it is shown again
/// as well.
pub(super) fn shown_for((_, border): NodeAndBorder, topics: &[(Bytes, u32)]) -> usize {
    1 + topics.len() * (1 + usize::from(border.is_some()))
}
