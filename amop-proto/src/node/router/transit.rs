//! Messages between FISCO nodes and the overlay, where the operator wants this.
//!
//! A FISCO node hands a message to its neighbours and never passes it on, so nothing that it is
//! sent comes back. Its own multicasts may enter the overlay in several places: they have the same
//! name everywhere, so that each is taken once. Private topics stay where they are: neighbours
//! verify among themselves which of them may be sent those.

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;
use rand::RngExt;

use super::{
    Router,
    places::allowance,
    spread::MulticastName,
    table::TopicSubscribers,
    unicast::{DrawnTarget, Origin, Reach, Unicast, UnicastTarget},
};
use crate::{
    node::{HashedFrame, PeerId, SessionId, mesh::SeenMessages},
    p2p::mesh::RoutingKey,
};

/// The prefix of topics that serve private topics (channel-v2 section 9).
pub(super) const PRIVATE: &[u8] = b"#!$";

/// The number of repeated draws. A FISCO node has few names, so this many are almost never needed.
const REDRAWS: usize = 64;

/// The targets of a multicast. The buffer is reused for its memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Audience {
    pub(super) sessions: Vec<SessionId>,
    pub(super) nodes: Vec<RoutingKey>,
    pub(super) peers: Vec<PeerId>,
}

impl Audience {
    pub(super) fn clear(&mut self) {
        self.sessions.clear();
        self.nodes.clear();
        self.peers.clear();
    }
}

/// Returns the name of a FISCO node's multicast, from the hash of its channel frame.
pub(super) fn name_of(digest: &[u8; 32]) -> u64 {
    let first = digest.iter().take(8);
    let name = first.fold(0, |name, &byte| name << 8 | u64::from(byte));
    name | SeenMessages::NAME
}

impl Router {
    /// Lets a FISCO node take part in the overlay through this node.
    pub(super) fn transit(&mut self, now: Instant, peer: PeerId) {
        let Some(link) = self.links.peers.get_mut(&peer) else {
            return;
        };
        let Some(node) = link.node else {
            return;
        };
        link.transit = true;
        self.mesh.border_up(now, peer, node);
        self.beyond_changed = true;
    }

    /// Tells the overlay which topics a FISCO node has gained and lost.
    pub(super) fn announce_border(&mut self, peer: PeerId, gone: &[Bytes], new: &[Bytes]) {
        if !self.is_transit(peer) {
            return;
        }
        let gone = gone.iter().map(|topic| (topic.clone(), 0));
        let new = new.iter().map(|topic| (topic.clone(), 1));
        let changes: Vec<(Bytes, u32)> = gone
            .chain(new)
            .filter(|(topic, _)| !topic.starts_with(PRIVATE))
            .collect();
        if !changes.is_empty() {
            self.mesh.border_topics(peer, changes);
            self.beyond_changed = true;
        }
    }

    fn is_transit(&self, peer: PeerId) -> bool {
        self.links.peers.get(&peer).is_some_and(|link| link.transit)
    }

    /// Returns the topics that a FISCO node is told of: this node's own, and if it takes part in
    /// the overlay those of all other nodes.
    pub fn topics_for(&self, peer: PeerId) -> BTreeSet<Bytes> {
        let own = self.table.local().map(|(topic, _)| topic);
        let link = self.links.peers.get(&peer).filter(|link| link.transit);
        let beyond = link
            .and_then(|link| link.node)
            .map(|node| self.mesh.topics_beyond(&node))
            .unwrap_or_default();
        let beyond = beyond
            .into_iter()
            .filter(|topic| !topic.starts_with(PRIVATE));
        own.chain(beyond).cloned().collect()
    }

    /// Returns whether [`topics_for`](Self::topics_for) a participating FISCO node may have changed
    /// since the last call, other than by this node's own topics.
    pub fn take_beyond_changed(&mut self) -> bool {
        std::mem::take(&mut self.beyond_changed)
    }

    /// Returns whether a unicast of a local publisher found no subscriber since the last call.
    pub(in crate::node) fn take_unfound(&mut self) -> bool {
        std::mem::take(&mut self.unfound)
    }

    /// Draws a subscriber of a unicast's topic, a FISCO node as often as any other: it has one name
    /// for each node that announces it, so a draw that hits one of several names counts only with
    /// the matching probability.
    pub(super) fn draw_evenly(
        &mut self,
        now: Instant,
        unicast: &mut Unicast,
    ) -> Option<DrawnTarget> {
        let entry = self.table.get(unicast.topic())?;
        let reach = self.reach(unicast.origin, unicast.topic());
        let of = (&self.links, &self.mesh, &self.credits);
        let credit = |node| allowance(of, now, node);
        let mut drawn = unicast.draw(entry, &reach, (&self.links, &credit), &mut self.rng);
        for _ in 0..REDRAWS {
            let DrawnTarget::Target(target) = drawn else {
                break;
            };
            let names = self.names_drawn(entry, target);
            if names < 2 || self.rng.random_range(0..names) == 0 {
                break;
            }
            drawn = unicast.draw(entry, &reach, (&self.links, &credit), &mut self.rng);
        }
        Some(drawn)
    }

    /// Returns how often a target is among the subscribers of a topic: a FISCO node is there once
    /// under each of its names.
    fn names_drawn(&self, entry: &TopicSubscribers, target: UnicastTarget) -> usize {
        if !self.mesh.has_announced() {
            return 1;
        }
        let node_of = |peer: &PeerId| self.links.peers.get(peer)?.node;
        let fisco = match target {
            UnicastTarget::Session(_) => None,
            UnicastTarget::Node(node) => self.mesh.fisco_at(node),
            UnicastTarget::Fisco(peer) => node_of(&peer),
        };
        let Some(fisco) = fisco else { return 1 };
        let names = self.mesh.names_of(RoutingKey::from(&fisco));
        let far = names.into_iter().filter(|&name| entry.nodes.contains(name));
        let near = entry
            .peers
            .iter()
            .filter(|peer| node_of(peer) == Some(fisco));
        far.count() + near.count()
    }

    /// Returns the targets that may be asked on behalf of an origin.
    pub(super) fn reach(&self, origin: Origin, topic: &[u8]) -> Reach {
        match origin {
            Origin::Session(_) => Reach::Anyone,
            Origin::Node(_, target, _) if target == self.mesh.own() => Reach::Sessions,
            Origin::Node(_, target, _) => match self.mesh.border(target) {
                Some(peer) => Reach::Fisco(peer),
                // The FISCO node is gone.
                None => Reach::Sessions,
            },
            Origin::Fisco(from, _) if self.is_transit(from) && !topic.starts_with(PRIVATE) => {
                let key = self.links.peers.get(&from).and_then(|link| link.key);
                Reach::Beyond {
                    from,
                    not: key.map(|key| self.mesh.names_of(key)).unwrap_or_default(),
                }
            }
            Origin::Fisco(..) => Reach::Sessions,
        }
    }

    /// Collects the targets of a multicast. A FISCO node that is a peer gets its copy from here. If
    /// several nodes announce a FISCO node, each of them is sent a copy: the statement of one must
    /// not take the copy away from another.
    pub(super) fn find_audience(&self, origin: Origin, topic: &[u8], audience: &mut Audience) {
        let Audience {
            sessions,
            nodes,
            peers,
        } = audience;
        let Some(entry) = self.table.get(topic) else {
            return;
        };
        sessions.extend_from_slice(&entry.sessions);
        let reach = self.reach(origin, topic);
        let reached = |&peer: &PeerId| reach.allows(UnicastTarget::Fisco(peer), &self.links);
        peers.extend(entry.peers.iter().copied().filter(reached));
        let reached = |&node: &RoutingKey| reach.allows(UnicastTarget::Node(node), &self.links);
        nodes.extend(entry.nodes.iter().map(|(node, _)| node).filter(reached));
        if !nodes.is_empty() && !peers.is_empty() && self.mesh.has_announced() {
            let node_of = |peer: &PeerId| self.links.peers.get(peer)?.node;
            let served: BTreeSet<_> = peers.iter().filter_map(node_of).collect();
            nodes.retain(|&node| {
                self.mesh
                    .fisco_at(node)
                    .is_none_or(|id| !served.contains(&id))
            });
        }
    }

    /// Keeps only those FISCO peers that have not been sent this multicast of a FISCO node: a
    /// multicast that was handed to several overlay nodes reaches others through each of them.
    pub(super) fn leave_unserved(
        &mut self,
        now: Instant,
        origin: Origin,
        message: &HashedFrame,
        peers: &mut Vec<PeerId>,
    ) {
        if peers.is_empty() {
            return;
        }
        if let Some((source, id)) = self.fisco_source(origin, message) {
            peers.retain(|&peer| {
                self.mesh.border_of(peer).is_none_or(|target| {
                    self.seen_messages
                        .see_multicast(now, source, target, id, source)
                })
            });
        }
    }

    /// Returns the name of a FISCO node's multicast in the whole overlay: it depends on the whole
    /// message, so that no node can use up the name for another one.
    pub(super) fn fisco_source(
        &self,
        origin: Origin,
        message: &HashedFrame,
    ) -> Option<(RoutingKey, u64)> {
        let Origin::Fisco(peer, _) = origin else {
            return None;
        };
        let source = self.links.peers.get(&peer)?.key?;
        let digest = message.digest.get(&message.frame);
        Some((source, name_of(&digest)))
    }

    /// Returns whether a FISCO node's multicast has not come here by another path.
    pub(super) fn is_first_copy(
        &mut self,
        now: Instant,
        origin: Origin,
        message: &HashedFrame,
    ) -> bool {
        let Origin::Fisco(peer, _) = origin else {
            return true;
        };
        let node = self.links.peers.get(&peer).and_then(|link| link.node);
        if !node.is_some_and(|node| self.mesh.is_announced(RoutingKey::from(&node))) {
            return true;
        }
        let own = self.mesh.own();
        self.fisco_source(origin, message)
            .is_none_or(|(source, id)| {
                self.seen_messages
                    .see_multicast(now, source, own, id, source)
            })
    }

    /// Hands a multicast to the FISCO node behind this one that it is for.
    pub(super) fn multicast_to_border(
        &mut self,
        now: Instant,
        called: MulticastName,
        target: RoutingKey,
        bytes: &Bytes,
    ) {
        let MulticastName {
            voucher,
            source,
            id,
        } = called;
        if let Some(peer) = self.mesh.border(target)
            && self
                .seen_messages
                .see_multicast(now, source, target, id, voucher)
        {
            let origin = Origin::Node(source, target, id);
            self.multicast_to_peers(now, origin, &[peer], bytes.clone().into());
        }
    }
}
