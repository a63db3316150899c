//! Forgets what is known of nodes whose certificates are no longer accepted.

use std::sync::Arc;

use amop_proto::{
    node::{Checker, NodeEvent},
    p2p::mesh::Subject,
};
use bytes::Bytes;

use crate::{apart::aside, core::Core};

/// Forgets the statements of nodes whose certificates are no longer valid, and the statements of
/// border nodes about FISCO nodes that the lists refuse. This concerns nodes that are not
/// neighbours: a neighbour's connection is closed instead.
pub(crate) async fn look_at_nodes(core: &Arc<Core>, checker: &Arc<Checker>) {
    let chains: Vec<(Subject, Vec<Bytes>)> = {
        let state = core.lock();
        let chains = state.machine.router().chains();
        chains
            .map(|(subject, chain)| (subject, chain.to_vec()))
            .collect()
    };
    let checker = checker.clone();
    // This may take seconds.
    let nodes = aside(move || checker.disbelieved(chains)).await;
    if !nodes.is_empty() {
        core.handle([NodeEvent::Disbelieve(nodes)]);
    }
}
