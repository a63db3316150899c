//! Messages between FISCO nodes and the overlay, where the operator wants this.
//!
//! A FISCO node hands a message to its neighbours and never passes it on, so nothing that it is
//! sent comes back. Its own multicasts may enter the overlay in several places: they have the same
//! name everywhere, so that each is taken once. Private topics stay where they are: neighbours
//! verify among themselves which of them may be sent those.

use std::time::Instant;

use bytes::Bytes;

use crate::{
    node::{
        HashedFrame, PeerId,
        router::{
            Router,
            ends::Origin,
            multicasts::{MulticastName, name_of},
        },
    },
    p2p::mesh::RoutingKey,
};

impl Router {
    /// Lets a FISCO node take part in the overlay through this node.
    pub(in crate::node::router) fn add_stub(&mut self, now: Instant, peer: PeerId) {
        let Some(link) = self.out.links.peers.get_mut(&peer) else {
            return;
        };
        let Some(node) = link.node else {
            return;
        };
        link.stub = true;
        self.mesh.stub_up(now, peer, node);
        self.topics.border_changed = true;
    }

    /// Keeps only those FISCO peers that have not been sent this multicast of a FISCO node: a
    /// multicast that was handed to several overlay nodes reaches others through each of them.
    pub(in crate::node::router) fn leave_unserved(
        &mut self,
        now: Instant,
        origin: Origin,
        message: &HashedFrame,
        peers: &mut Vec<PeerId>,
    ) {
        if peers.is_empty() {
            return;
        }
        if let Some((source, id)) = self.fisco_source(origin, message) {
            peers.retain(|&peer| {
                self.mesh.stub_of(peer).is_none_or(|target| {
                    self.seen_messages
                        .see_multicast(now, source, target, id, source)
                })
            });
        }
    }

    /// Returns the name of a FISCO node's multicast in the whole overlay: it depends on the whole
    /// message, so that no node can use up the name for another one.
    pub(in crate::node::router) fn fisco_source(
        &self,
        origin: Origin,
        message: &HashedFrame,
    ) -> Option<(RoutingKey, u64)> {
        let Origin::Fisco(peer, _) = origin else {
            return None;
        };
        let source = self.out.links.peers.get(&peer)?.key?;
        let digest = message.digest.get(&message.frame);
        Some((source, name_of(&digest)))
    }

    /// Returns whether a FISCO node's multicast has not come here by another path.
    pub(in crate::node::router) fn is_first_copy(
        &mut self,
        now: Instant,
        origin: Origin,
        message: &HashedFrame,
    ) -> bool {
        let Origin::Fisco(peer, _) = origin else {
            return true;
        };
        if self.out.links.has_new_seqs(origin) {
            return true;
        }
        let node = self.out.links.peers.get(&peer).and_then(|link| link.node);
        if !node.is_some_and(|node| self.mesh.is_announced(RoutingKey::from(&node))) {
            return true;
        }
        let own = self.mesh.own();
        self.fisco_source(origin, message)
            .is_none_or(|(source, id)| {
                self.seen_messages
                    .see_multicast(now, source, own, id, source)
            })
    }

    /// Hands a multicast to the FISCO node behind this one that it is for.
    pub(in crate::node::router) fn multicast_to_stub(
        &mut self,
        now: Instant,
        called: MulticastName,
        target: RoutingKey,
        bytes: &Bytes,
    ) {
        let MulticastName {
            voucher,
            source,
            id,
        } = called;
        if let Some(peer) = self.mesh.stub_peer(target)
            && self
                .seen_messages
                .see_multicast(now, source, target, id, voucher)
        {
            let origin = Origin::Node(source, target, id);
            self.out
                .multicast_to_peers(&self.mesh, now, origin, &[peer], bytes.clone().into());
        }
    }
}
