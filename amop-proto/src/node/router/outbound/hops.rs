//! The next link of a message for another node.

use super::{Outbound, groups::group_in};
use crate::{
    node::{
        Group, Lane, PeerId,
        mesh::{Hop, Mesh},
    },
    p2p::mesh::RoutingKey,
};

impl Outbound {
    pub(in crate::node::router) fn key_of(&self, peer: PeerId) -> Option<RoutingKey> {
        self.links.peers.get(&peer)?.key
    }

    /// Returns the neighbour to send a message for a node to. Never the one it came from: a message
    /// that turns round once may do so for ever. Its source sends it again when the path is known
    /// everywhere.
    pub(in crate::node::router) fn hop(
        &self,
        mesh: &mut Mesh,
        target: RoutingKey,
        from: Option<PeerId>,
        lane: Lane,
        len: usize,
    ) -> Option<Hop> {
        let links = &self.links;
        // Usually no queue is so long that shares matter.
        let group = match lane {
            Lane::Messages { from, .. } if links.is_counted() => group_in(links, mesh, from),
            _ => Group::default(),
        };
        let onward = |peer| Some(peer) != from && links.peer_takes(peer, lane, len, |_| group);
        mesh.next_hop(target, onward)
    }

    /// Returns whether there is a link on the path to a node, however much waits there.
    pub(in crate::node::router) fn has_way(
        &self,
        mesh: &mut Mesh,
        target: RoutingKey,
        from: Option<PeerId>,
    ) -> bool {
        let peers = &self.links.peers;
        let onward = |peer| Some(peer) != from && peers.contains_key(&peer);
        mesh.next_hop(target, onward).is_some()
    }

    /// Returns whether a peer is a FISCO node that takes part in the overlay through this node.
    pub(in crate::node::router) fn is_stub(&self, peer: PeerId) -> bool {
        self.links.peers.get(&peer).is_some_and(|link| link.stub)
    }
}
