//! Topics of FISCO nodes, as they announce them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{PRIVATE, Topics};
use crate::node::{
    PeerId,
    mesh::Mesh,
    router::{ends::Remote, outbound::Outbound},
};

/// The number of topics changed for one event, some 100 microseconds,
const SLICE: usize = 256;

/// and the number of topics compared.
const LOOKS: usize = 2048;

/// The pause between two slices, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

impl Topics {
    /// Handles a new list of a FISCO node.
    pub(in crate::node::router) fn set_peer_topics(
        &mut self,
        out: &mut Outbound,
        mesh: &mut Mesh,
        now: Instant,
        peer: PeerId,
        topics: BTreeSet<Bytes>,
    ) {
        if out.links.peers.contains_key(&peer) {
            self.peer_lists.push(peer, topics, None);
            self.change_peer_topics(out, mesh, now);
        }
    }

    /// Removes the topics of a FISCO node that is gone.
    pub(in crate::node::router) fn peer_topics_left(
        &mut self,
        out: &mut Outbound,
        mesh: &mut Mesh,
        now: Instant,
        peer: PeerId,
        topics: BTreeSet<Bytes>,
    ) {
        if !topics.is_empty() || self.peer_lists.jobs.contains_key(&peer) {
            self.peer_lists.push(peer, BTreeSet::new(), Some(topics));
            self.change_peer_topics(out, mesh, now);
        }
    }

    /// Continues the changes, within the limits of one event.
    pub(in crate::node::router) fn change_peer_topics(
        &mut self,
        out: &mut Outbound,
        mesh: &mut Mesh,
        now: Instant,
    ) {
        let (mut changes, mut looks) = (SLICE, LOOKS);
        self.peer_lists.next = None;
        while let Some(peer) = self.peer_lists.turns.pop_front() {
            if changes == 0 || looks == 0 {
                self.peer_lists.turns.push_front(peer);
                self.peer_lists.next = Some(now + PAUSE);
                return;
            }
            let Some(mut job) = self.peer_lists.jobs.remove(&peer) else {
                continue;
            };
            let left = job.left.take();
            let held = out.links.peers.get(&peer).map(|link| &link.topics);
            let Some(held) = left.as_ref().or(held) else {
                continue;
            };
            let part = job.part(held, changes, looks);
            job.left = left;
            changes -= part.gone.len() + part.new.len();
            looks -= part.looks.min(looks);
            if let Some(link) = out.links.peers.get_mut(&peer) {
                for topic in &part.gone {
                    link.topics.remove(topic);
                }
                link.topics.extend(part.new.iter().cloned());
                self.announce_stub(out, mesh, peer, &part.gone, &part.new);
            }
            for topic in part.gone {
                self.set_remote(out, mesh, now, Remote::Fisco(peer), &topic, 0);
            }
            for topic in part.new {
                self.set_remote(out, mesh, now, Remote::Fisco(peer), &topic, 1);
            }
            if !part.all {
                self.peer_lists.jobs.insert(peer, job);
                self.peer_lists.turns.push_back(peer);
            }
        }
    }

    /// Tells the overlay which topics a FISCO node has gained and lost.
    fn announce_stub(
        &mut self,
        out: &Outbound,
        mesh: &mut Mesh,
        peer: PeerId,
        gone: &[Bytes],
        new: &[Bytes],
    ) {
        if !out.is_stub(peer) {
            return;
        }
        let gone = gone.iter().map(|topic| (topic.clone(), 0));
        let new = new.iter().map(|topic| (topic.clone(), 1));
        let changes: Vec<(Bytes, u32)> = gone
            .chain(new)
            .filter(|(topic, _)| !topic.starts_with(PRIVATE))
            .collect();
        if !changes.is_empty() {
            mesh.stub_topics(peer, changes);
            self.border_changed = true;
        }
    }
}
