//! Proofs that a multicast carries for its targets.

use super::name::MulticastName;
use crate::{
    node::{mesh::Mesh, router::outbound::Outbound},
    p2p::mesh::{MacPurpose, RoutingKey, Seal, Statement},
};

/// Returns the seals of a multicast for its targets, without those of nodes of which too little is
/// known.
pub(in crate::node::router) fn seals(
    out: &mut Outbound,
    mesh: &mut Mesh,
    called: MulticastName,
    targets: &[RoutingKey],
    content: [u8; 32],
) -> Vec<(RoutingKey, Seal)> {
    let mut seals = Vec::with_capacity(targets.len());
    for &target in targets {
        let statement = Statement {
            purpose: MacPurpose::Multicast,
            voucher: called.voucher,
            source: called.source,
            target,
            id: called.id,
            content,
        };
        match mesh.seal(&statement) {
            Some(seal) => seals.push((target, seal)),
            None => out.counters.undeliverable += 1,
        }
    }
    seals
}
