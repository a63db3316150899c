//! What a router tells of itself.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    Counters, Router,
    ends::Remote,
    outbound::group_in,
    topics::{PRIVATE, routes},
};
use crate::{
    channel::Seq,
    node::{Group, PeerId, Sender, SessionId},
    p2p::{
        NodeId,
        mesh::{RoutingKey, Subject},
    },
};

impl Router {
    /// Returns the group in which a sender takes turns.
    pub fn group_of(&self, sender: Sender) -> Group {
        group_in(&self.out.links, &self.mesh, sender)
    }

    /// Returns the router's counters.
    pub fn counters(&self) -> Counters {
        self.out.counters
    }

    /// Returns the other overlay nodes that can be reached now and that let this FISCO node take
    /// part in the overlay.
    pub fn borders_of(&self, fisco: &NodeId) -> Vec<NodeId> {
        self.mesh.borders_of(RoutingKey::from(fisco))
    }

    /// Returns the number of unicasts that wait for an answer now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns the memory, in bytes, of the frames that wait to be written to this node's sessions
    /// now.
    pub fn session_bytes(&self) -> usize {
        self.out.session_bytes()
    }

    /// Returns the bytes that wait to be written to other nodes now.
    pub fn peer_bytes(&self) -> usize {
        self.out.peer_bytes()
    }

    /// Returns the bytes of multicasts that overlay nodes have not confirmed, or that wait for a
    /// path to their node. They share memory with the frames that wait to be written.
    pub fn unconfirmed_bytes(&self) -> usize {
        let peers = self.out.links.peers.values();
        let sent = peers.filter_map(|peer| Some(peer.unconfirmed.as_ref()?.bytes()));
        sent.sum::<usize>() + self.multicasts.stranded.bytes()
    }

    /// Returns this node's own topics with their subscriber counts, in byte order.
    pub fn local_topics(&self) -> impl Iterator<Item = (&Bytes, u32)> {
        self.topics.table.local()
    }

    /// Returns this node's own topics in byte order: those after `after`, or all.
    pub(in crate::node) fn local_topics_after(
        &self,
        after: Option<&Bytes>,
    ) -> impl Iterator<Item = &Bytes> {
        self.topics.table.local_after(after)
    }

    /// Returns the topics of a peer in byte order, those after `after` or all, and whether each is
    /// shown: private topics for which the peer is not verified are not shown. `node` is the ID of
    /// the peer if it is an overlay node.
    pub(in crate::node) fn topics_of_peer(
        &self,
        peer: PeerId,
        node: Option<&NodeId>,
        after: Option<&Bytes>,
    ) -> impl Iterator<Item = (Bytes, bool)> {
        let remote = match node {
            Some(node) => Remote::Node(RoutingKey::from(node)),
            None => Remote::Fisco(peer),
        };
        let from = after.map_or_else(Bytes::new, |after| [after, &b"\0"[..]].concat().into());
        routes(&self.out.links, &self.mesh, remote, b"", from).map(move |topic| {
            let shown = self.topics.is_shown(&topic, remote);
            (topic, shown)
        })
    }

    /// Returns the number of the statement to the overlay that covers the current state.
    pub fn statement(&self) -> u64 {
        self.mesh.statement()
    }

    /// Returns the number of the last such statement that a neighbour has acknowledged, and whether
    /// the link to it counts by now; `None` if there is no link.
    pub fn acknowledged_by(&self, peer: PeerId) -> Option<(u64, bool)> {
        self.mesh.acknowledged_by(peer)
    }

    /// Returns the bytes of the records that neighbours brought and that are held here.
    pub fn records_bytes(&self) -> usize {
        self.mesh.used()
    }

    /// Returns the known nodes with their certificates (in DER, each node's own first; FISCO nodes
    /// behind others have none): for callers that check whether they are still believed. See
    /// [`NodeEvent::Disbelieve`](crate::node::NodeEvent::Disbelieve).
    pub fn chains(&self) -> impl Iterator<Item = (Subject, &[Bytes])> {
        self.mesh.chains()
    }

    /// Returns whether there are overlay nodes that are not neighbours: messages for them are
    /// proven with a hash, which is best computed before the machine gets the message. See
    /// [`SessionInput::digested`](crate::node::SessionInput::digested).
    pub fn has_distant(&self) -> bool {
        self.mesh.has_distant()
    }

    /// Returns the number of other overlay nodes that can be reached.
    pub fn reachable(&self) -> usize {
        self.mesh.reachable()
    }

    /// Returns how many links away an overlay node is, if it can be reached.
    pub fn distance(&self, node: &NodeId) -> Option<u32> {
        self.mesh.distance(RoutingKey::from(node))
    }

    /// Returns the topics of an overlay node that can be reached, in byte order, without private
    /// topics for which it is not verified (channel-v2 section 11.7).
    pub fn node_topic_names(&self, node: &NodeId) -> impl Iterator<Item = &Bytes> {
        let key = RoutingKey::from(node);
        self.mesh
            .topics_of(key)
            .filter(move |topic| self.topics.is_shown(topic, Remote::Node(key)))
    }

    /// Returns the topics of an overlay node that can be reached, private ones included, with their
    /// subscriber counts, in byte order.
    pub fn node_topics(&self, node: &NodeId) -> impl Iterator<Item = (&Bytes, u32)> {
        self.mesh.counts_of(RoutingKey::from(node))
    }

    /// Returns the number of overlay nodes whose records are held: those that can be reached, and
    /// for a while those that can no longer be reached.
    pub fn known_nodes(&self) -> usize {
        self.mesh.known_nodes()
    }

    /// Like [`node_topic_names`](Self::node_topic_names), for a peer that is not an overlay node.
    pub fn peer_topic_names(&self, peer: PeerId) -> impl Iterator<Item = &Bytes> {
        self.out
            .links
            .peers
            .get(&peer)
            .into_iter()
            .flat_map(|link| &link.topics)
            .filter(move |topic| self.topics.is_shown(topic, Remote::Fisco(peer)))
    }

    /// Returns whether a message with this seq waits for the session's answer.
    pub fn is_asked(&self, session: SessionId, seq: &Seq) -> bool {
        self.out
            .links
            .sessions
            .get(&session)
            .is_some_and(|link| link.asked.contains_key(seq))
    }

    /// Returns whether there is no change of topics to tell others of.
    pub(in crate::node) fn is_still(&self) -> bool {
        self.topics.is_still()
    }

    /// Returns whether topics of sessions wait to be changed.
    pub fn is_changing_topics(&self) -> bool {
        self.topics.is_changing_topics()
    }

    /// Returns the topics that a FISCO node is told of: this node's own, and if it takes part in
    /// the overlay those of all other nodes.
    pub fn topics_for(&self, peer: PeerId) -> BTreeSet<Bytes> {
        let own = self.topics.table.local().map(|(topic, _)| topic);
        let link = self.out.links.peers.get(&peer).filter(|link| link.stub);
        let other = link
            .and_then(|link| link.node)
            .map(|node| self.mesh.topics_without(&node))
            .unwrap_or_default();
        let other = other
            .into_iter()
            .filter(|topic| !topic.starts_with(PRIVATE));
        own.chain(other).cloned().collect()
    }
}
