//! The names of topics that serve private topics, and which of them other nodes have (channel-v2
//! section 9.1).

use bytes::Bytes;

use super::verifications::{Verification, VerifyRequestSent};
use crate::{
    node::{
        mesh::Mesh,
        router::{ends::Remote, outbound::Links},
    },
    p2p::NodeId,
    topic,
};

/// The prefix of private topics.
pub(in crate::node::router) const NEED_VERIFY: &[u8] = topic::NEED_VERIFY.as_bytes();

/// The prefix, before a private topic, of the topic on which a subscriber takes challenges.
pub(super) const VERIFY_ROUTE: &[u8] = topic::VERIFY_ROUTE.as_bytes();

/// The prefix, before a private topic, of the topic on which a publisher is asked to verify
/// subscribers.
pub(super) const PUSH_ROUTE: &[u8] = topic::PUSH_ROUTE.as_bytes();

/// Returns the route to ask about: the next one in byte order after the one asked about last,
/// without refused routes.
pub(super) fn next_route(
    links: &Links,
    mesh: &Mesh,
    remote: Remote,
    topic: &[u8],
    state: &Verification,
) -> Option<Bytes> {
    let prefix = [VERIFY_ROUTE, topic].concat();
    let open = |from: Bytes| {
        routes(links, mesh, remote, &prefix, from).find(|route| !state.refused.contains(route))
    };
    let behind = |asked: &VerifyRequestSent| open([&asked.route[..], b"\0"].concat().into());
    let next = state.asked.as_ref().and_then(behind);
    next.or_else(|| open(prefix.clone().into()))
}

/// Returns the topics of a remote node that have a prefix, in byte order, starting at `from`.
pub(in crate::node::router) fn routes<'a>(
    links: &'a Links,
    mesh: &'a Mesh,
    remote: Remote,
    prefix: &'a [u8],
    from: Bytes,
) -> impl Iterator<Item = Bytes> + use<'a> {
    let first = move |from: Bytes| match remote {
        Remote::Fisco(peer) => links.peers.get(&peer)?.topics.range(from..).next(),
        Remote::Node(node) => mesh.first_topic_from(node, from),
    };
    let route = move |from| {
        first(from)
            .filter(|topic| topic.starts_with(prefix))
            .cloned()
    };
    std::iter::successors(route(from), move |last| {
        route([last, &b"\0"[..]].concat().into())
    })
}

pub(super) fn node_id_of(links: &Links, mesh: &Mesh, remote: Remote) -> Option<NodeId> {
    match remote {
        Remote::Fisco(peer) => links.peers.get(&peer)?.node,
        Remote::Node(node) => mesh.node_id(node),
    }
}
