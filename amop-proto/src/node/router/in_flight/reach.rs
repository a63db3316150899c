//! The targets that a message may go to.

use crate::{
    node::{
        PeerId,
        router::{ends::UnicastTarget, outbound::Links},
    },
    p2p::mesh::RoutingKey,
};

/// The targets that may be asked on behalf of an origin.
#[derive(Debug, Clone)]
pub(in crate::node::router) enum Reach {
    Anyone,
    /// This node's sessions: a message from another node stays here, because its sender has chosen
    /// this node.
    Sessions,
    /// The FISCO node it was sent to.
    Fisco(PeerId),
    /// All targets but the FISCO node that the message comes from, under any of its names, and
    /// peers that do not take part in the overlay.
    FromStub {
        from: PeerId,
        not: Vec<RoutingKey>,
    },
}

impl Reach {
    pub(in crate::node::router) fn allows(&self, target: UnicastTarget, links: &Links) -> bool {
        match (self, target) {
            (Self::Anyone, _)
            | (Self::Sessions | Self::FromStub { .. }, UnicastTarget::Session(_)) => true,
            (Self::Fisco(only), UnicastTarget::Fisco(peer)) => *only == peer,
            (Self::FromStub { from, .. }, UnicastTarget::Fisco(peer)) => {
                peer != *from && links.peers.get(&peer).is_some_and(|link| link.stub)
            }
            (Self::FromStub { not, .. }, UnicastTarget::Node(node)) => !not.contains(&node),
            (Self::Sessions | Self::Fisco(_), _) => false,
        }
    }
}
