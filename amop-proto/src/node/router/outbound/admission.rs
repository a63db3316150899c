//! Which connections are accepted, and which ones are closed in favour of others.

use super::Outbound;
use crate::{
    node::{
        Action, PeerCloseReason, SessionCloseReason, SessionIdentity,
        router::topics::WantedTopics,
        shares::{HolderId, Permission, Resource},
    },
    p2p::{NodeId, mesh::RoutingKey},
};

impl Outbound {
    /// Returns whether an SDK may connect. If there are too many and others have more than their
    /// fair share, closes one of theirs.
    pub(in crate::node::router) fn admit(&mut self, identity: SessionIdentity) -> bool {
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
    pub(in crate::node::router) fn admit_peer(
        &mut self,
        node: &NodeId,
        authority: [u8; 32],
    ) -> bool {
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

    /// Closes a session of the holder that is furthest over its fair share, to make room for
    /// `other`. It closes the session that holds most, and of equal ones the newest. Returns
    /// `false` if no holder is over its share.
    pub(in crate::node::router) fn evict(&mut self, pool: Resource, other: HolderId) -> bool {
        let Some(holder) = self.links.shares.most_over(pool, Some(other)) else {
            return false;
        };
        let sessions = self.links.sessions.iter();
        let victim = sessions
            .filter(|(_, link)| link.holder == holder && !link.closing)
            .map(|(&session, link)| match pool {
                Resource::Subscriptions | Resource::Topics => (link.topics.len(), session),
                Resource::Queued => (link.queue.queued(), session),
                Resource::InFlight | Resource::InFlightBytes => (link.in_flight, session),
                Resource::Sets => (link.wanted.as_ref().map_or(0, WantedTopics::bytes), session),
                Resource::Sessions | Resource::Peers => (0, session),
            })
            .max();
        let Some((_, session)) = victim else {
            return false;
        };
        self.counters.shares_cut += 1;
        let what = pool.name();
        self.cut(session, SessionCloseReason::OverShare { what });
        true
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
}
