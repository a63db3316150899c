//! The name of a multicast in the overlay: every node takes each name once.

use crate::{
    node::mesh::SeenMessages,
    p2p::mesh::{MulticastHeader, RelayedMulticastHeader, RoutingKey, Seal},
};

/// The origin and the name of a multicast for overlay nodes.
#[derive(Debug, Clone, Copy)]
pub(in crate::node::router) struct MulticastName {
    pub(in crate::node::router) voucher: RoutingKey,
    pub(in crate::node::router) source: RoutingKey,
    pub(in crate::node::router) id: u64,
}

/// Returns the name of a FISCO node's multicast, from the hash of its channel frame.
pub(in crate::node::router) fn name_of(digest: &[u8; 32]) -> u64 {
    let first = digest.iter().take(8);
    let name = first.fold(0, |name, &byte| name << 8 | u64::from(byte));
    name | SeenMessages::NAME
}

impl MulticastName {
    /// Returns whether the id may name a multicast of this source. A node numbers its own
    /// multicasts. Those of a FISCO node are named by their content, so that no node can use up a
    /// name for another message.
    pub(in crate::node::router) fn is_named(self, content: impl FnOnce() -> [u8; 32]) -> bool {
        let counted = self.id & SeenMessages::NAME == 0;
        if self.source == self.voucher {
            return counted;
        }
        !counted && self.id == name_of(&content())
    }

    pub(in crate::node::router) fn direct(self, targets: Vec<RoutingKey>) -> MulticastHeader {
        MulticastHeader {
            source: self.source,
            id: self.id,
            targets,
        }
    }

    pub(in crate::node::router) fn spread(
        self,
        targets: Vec<(RoutingKey, Seal)>,
    ) -> RelayedMulticastHeader {
        RelayedMulticastHeader {
            voucher: self.voucher,
            source: self.source,
            id: self.id,
            targets,
        }
    }
}
