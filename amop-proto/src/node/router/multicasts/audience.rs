//! The targets of a multicast.

use crate::{
    node::{PeerId, SessionId},
    p2p::mesh::RoutingKey,
};

/// The targets of a multicast. The buffer is reused for its memory.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct Audience {
    pub(in crate::node::router) sessions: Vec<SessionId>,
    pub(in crate::node::router) nodes: Vec<RoutingKey>,
    pub(in crate::node::router) peers: Vec<PeerId>,
}

impl Audience {
    pub(in crate::node::router) fn clear(&mut self) {
        self.sessions.clear();
        self.nodes.clear();
        self.peers.clear();
    }
}
