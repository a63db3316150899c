//! The subscribers of a topic that a message may go to.

use std::{collections::BTreeSet, time::Instant};

use rand::RngExt;

use crate::{
    node::{
        PeerId,
        mesh::Mesh,
        router::{
            Router,
            ends::{Origin, UnicastTarget},
            in_flight::{Allowance, Credits, DrawnTarget, Reach, Unicast},
            multicasts::Audience,
            outbound::{Links, agency_of},
            topics::{PRIVATE, TopicSubscribers},
        },
    },
    p2p::mesh::RoutingKey,
};

/// The number of repeated draws. A FISCO node has few names, so this many are almost never needed.
const REDRAWS: usize = 64;

/// Returns how much a node may be given while others may have it: the allowance of the node that
/// speaks for it.
fn allowance(
    (links, mesh, credits): (&Links, &Mesh, &Credits),
    now: Instant,
    node: RoutingKey,
) -> Allowance {
    let owner = mesh.owner(node);
    credits.of(now, owner, || agency_of(links, mesh, owner))
}

impl Router {
    /// Draws a subscriber of a unicast's topic, a FISCO node as often as any other: it has one name
    /// for each node that announces it, so a draw that hits one of several names counts only with
    /// the matching probability.
    pub(in crate::node::router) fn draw_evenly(
        &mut self,
        now: Instant,
        unicast: &mut Unicast,
    ) -> Option<DrawnTarget> {
        let entry = self.topics.table.get(unicast.topic())?;
        let reach = self.reach(unicast.origin, unicast.topic());
        let of = (&self.out.links, &self.mesh, &self.in_flight.credits);
        let credit = |node| allowance(of, now, node);
        let mut drawn = unicast.draw(entry, &reach, (&self.out.links, &credit), &mut self.rng);
        for _ in 0..REDRAWS {
            let DrawnTarget::Target(target) = drawn else {
                break;
            };
            let names = self.names_drawn(entry, target);
            if names < 2 || self.rng.random_range(0..names) == 0 {
                break;
            }
            drawn = unicast.draw(entry, &reach, (&self.out.links, &credit), &mut self.rng);
        }
        Some(drawn)
    }

    /// Returns how often a target is among the subscribers of a topic: a FISCO node is there once
    /// under each of its names.
    fn names_drawn(&self, entry: &TopicSubscribers, target: UnicastTarget) -> usize {
        if !self.mesh.has_announced() {
            return 1;
        }
        let node_of = |peer: &PeerId| self.out.links.peers.get(peer)?.node;
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
    pub(in crate::node::router) fn reach(&self, origin: Origin, topic: &[u8]) -> Reach {
        match origin {
            Origin::Session(_) => Reach::Anyone,
            Origin::Node(_, target, _) if target == self.mesh.own() => Reach::Sessions,
            Origin::Node(_, target, _) => match self.mesh.stub_peer(target) {
                Some(peer) => Reach::Fisco(peer),
                // The FISCO node is gone.
                None => Reach::Sessions,
            },
            Origin::Fisco(from, _) if self.out.is_stub(from) && !topic.starts_with(PRIVATE) => {
                let key = self.out.links.peers.get(&from).and_then(|link| link.key);
                Reach::FromStub {
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
    pub(in crate::node::router) fn find_audience(
        &self,
        origin: Origin,
        topic: &[u8],
        audience: &mut Audience,
    ) {
        let Audience {
            sessions,
            nodes,
            peers,
        } = audience;
        let Some(entry) = self.topics.table.get(topic) else {
            return;
        };
        sessions.extend_from_slice(&entry.sessions);
        let reach = self.reach(origin, topic);
        if matches!(reach, Reach::Sessions) {
            return;
        }
        let reached = |&peer: &PeerId| reach.allows(UnicastTarget::Fisco(peer), &self.out.links);
        peers.extend(entry.peers.iter().copied().filter(reached));
        let reached = |&node: &RoutingKey| reach.allows(UnicastTarget::Node(node), &self.out.links);
        let reached = entry.nodes.iter().map(|(node, _)| node).filter(reached);
        // Faster than `extend` for the iterator of a single node, which is usual.
        reached.for_each(|node| nodes.push(node));
        if !nodes.is_empty() && !peers.is_empty() && self.mesh.has_announced() {
            let node_of = |peer: &PeerId| self.out.links.peers.get(peer)?.node;
            let served: BTreeSet<_> = peers.iter().filter_map(node_of).collect();
            nodes.retain(|&node| {
                self.mesh
                    .fisco_at(node)
                    .is_none_or(|id| !served.contains(&id))
            });
        }
    }
}
