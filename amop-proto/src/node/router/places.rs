//! Which connections are accepted, and which identity the messages of each sender count for.

use std::time::Instant;

use super::{
    Router,
    credit::{Allowance, Credits},
    links::Links,
};
use crate::{
    node::{
        Action, Group, PeerCloseReason, Sender, SessionIdentity,
        mesh::Mesh,
        shares::{HolderId, Permission, Resource},
    },
    p2p::{NodeId, mesh::RoutingKey},
};

/// Returns the identity of another node. A neighbour's agency is known from its certificate, that
/// of other nodes from their records.
pub(super) fn identity_of_node(links: &Links, mesh: &Mesh, node: RoutingKey) -> SessionIdentity {
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
pub(super) fn agency_of(links: &Links, mesh: &Mesh, node: RoutingKey) -> u64 {
    identity_of_node(links, mesh, node).group().agency
}

/// Returns how much a node may be given while others may have it: the allowance of the node that
/// speaks for it.
pub(super) fn allowance(
    (links, mesh, credits): (&Links, &Mesh, &Credits),
    now: Instant,
    node: RoutingKey,
) -> Allowance {
    let owner = mesh.owner(node);
    credits.of(now, owner, || agency_of(links, mesh, owner))
}

/// Returns the group of a sender.
pub(super) fn group_in(links: &Links, mesh: &Mesh, sender: Sender) -> Group {
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

impl Router {
    /// Returns whether an SDK may connect. If there are too many and others have more than their
    /// fair share, closes one of theirs.
    pub fn admit(&mut self, identity: SessionIdentity) -> bool {
        let holder = self.links.shares.holder(identity);
        let admitted = match self.links.shares.may(holder, Resource::Sessions, 1) {
            Permission::Take => true,
            Permission::TakeFromOthers => self.evict(Resource::Sessions, holder),
            Permission::Not => false,
        };
        self.counters.sessions_refused += u64::from(!admitted);
        admitted
    }

    /// Returns whether a node that was not dialled may connect; like [`admit`](Self::admit).
    pub fn admit_peer(&mut self, node: &NodeId, authority: [u8; 32]) -> bool {
        let identity = SessionIdentity::of_node(RoutingKey::from(node), authority);
        let holder = self.links.shares.holder(identity);
        let shares = &self.links.shares;
        let admitted = match shares.may(holder, Resource::Peers, 1) {
            Permission::Take => true,
            // Nodes of one agency do not take places from each other.
            Permission::TakeFromOthers => {
                shares.agency_may(holder, Resource::Peers, 1) && self.evict_peer(holder)
            }
            Permission::Not => false,
        };
        self.counters.peers_refused += u64::from(!admitted);
        admitted
    }

    /// Closes a connection of the node that is furthest over its share, the newest of several.
    fn evict_peer(&mut self, other: HolderId) -> bool {
        let Some(holder) = self.links.shares.most_over(Resource::Peers, Some(other)) else {
            return false;
        };
        let peers = self.links.peers.iter();
        let victim = peers.rev().find(|(_, link)| link.place == Some(holder));
        let Some((&peer, _)) = victim else {
            return false;
        };
        self.counters.shares_cut += 1;
        let reason = PeerCloseReason::OverShare;
        self.close(Action::ClosePeer { peer, reason });
        true
    }

    /// Returns the group in which a sender takes turns.
    pub fn group_of(&self, sender: Sender) -> Group {
        group_in(&self.links, &self.mesh, sender)
    }
}
