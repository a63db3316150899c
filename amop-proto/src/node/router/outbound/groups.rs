//! The identity that the messages of each sender count for.

use super::links::Links;
use crate::{
    node::{Group, Sender, SessionIdentity, mesh::Mesh},
    p2p::mesh::RoutingKey,
};

/// Returns the identity of another node. A neighbour's agency is known from its certificate, that
/// of other nodes from their records.
pub(in crate::node::router) fn identity_of_node(
    links: &Links,
    mesh: &Mesh,
    node: RoutingKey,
) -> SessionIdentity {
    if let Some(authority) = mesh.authority(node) {
        return SessionIdentity::of_node(node, authority);
    }
    let peer = links
        .peer_with(node)
        .and_then(|peer| links.peers.get(&peer));
    peer.map_or_else(
        || SessionIdentity::of_node(node, [0; 32]),
        |link| link.identity,
    )
}

/// Returns the agency of another node.
pub(in crate::node::router) fn agency_of(links: &Links, mesh: &Mesh, node: RoutingKey) -> u64 {
    identity_of_node(links, mesh, node).group().agency
}

/// Returns the group of a sender.
pub(in crate::node::router) fn group_in(links: &Links, mesh: &Mesh, sender: Sender) -> Group {
    let identity = match sender {
        Sender::Session(session) => {
            let link = links.sessions.get(&session);
            link.map(|link| links.shares.identity(link.holder))
        }
        Sender::Peer(peer) => links.peers.get(&peer).map(|link| link.identity),
        Sender::Node(node) => Some(identity_of_node(links, mesh, node)),
    };
    identity.unwrap_or_default().group()
}
