//! Splits a sent multicast into its parts again.

use super::name::MulticastName;
use crate::p2p::{
    Body, PeerMessage,
    mesh::{MulticastHeader, RelayedMulticastHeader, RoutingKey, Seal, packet},
};

/// A multicast as it was sent, split into its parts.
pub(super) struct MulticastParts {
    pub(super) called: MulticastName,
    pub(super) targets: Vec<(RoutingKey, Option<Seal>)>,
    pub(super) content: Body,
}

impl MulticastParts {
    /// Splits a message that `own` sent to a neighbour; `None` does not happen for messages that
    /// were sent.
    pub(super) fn of(message: PeerMessage, own: RoutingKey, neighbour: RoutingKey) -> Option<Self> {
        let PeerMessage { frame, tail } = message;
        if frame.packet == packet::RELAYED_MULTICAST {
            let (spread, head) = RelayedMulticastHeader::decode(frame.body)?;
            let targets = spread.targets.into_iter();
            return Some(Self {
                called: MulticastName {
                    voucher: spread.voucher,
                    source: spread.source,
                    id: spread.id,
                },
                targets: targets.map(|(target, seal)| (target, Some(seal))).collect(),
                content: Body { head, tail },
            });
        }
        let (mut spread, head) = MulticastHeader::decode(frame.body)?;
        if spread.targets.is_empty() {
            spread.targets.push(neighbour);
        }
        Some(Self {
            called: MulticastName {
                voucher: own,
                source: spread.source,
                id: spread.id,
            },
            targets: spread.targets.into_iter().map(|key| (key, None)).collect(),
            content: Body { head, tail },
        })
    }
}
