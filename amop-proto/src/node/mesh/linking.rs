//! Links that come, count and go, of this node and of others.

use std::{collections::VecDeque, time::Instant};

use super::{
    Mesh,
    claims::shown_for,
    database::NodeState,
    limits::{ASKS, REPEATS, TELLS},
    link::Link,
    output::MeshOutput,
    paths::PathChange,
    speaker::When,
    unsent::Unsent,
};
use crate::{
    node::{PeerId, sooner},
    p2p::{
        NodeId,
        mesh::{MAX_NEIGHBOURS, RoutingKey},
    },
};

impl Mesh {
    /// Adds a link to a peer that proved to be an overlay node. An existing link to the same node
    /// moves to this connection.
    pub(in crate::node) fn link_up(&mut self, now: Instant, peer: PeerId, node: &NodeId) {
        self.touched.0 = true;
        let key = RoutingKey::from(node);
        let before = self.by_key.insert(key, peer);
        let before = before.and_then(|before| self.links.remove(&before));
        let (known, ready, listed) = before.map_or((None, false, 0), |before| {
            (before.known, before.ready, before.listed)
        });
        let link = Link {
            key,
            awaited: VecDeque::new(),
            acknowledged: 0,
            next_seq: 1,
            known,
            ready,
            held: self.damping.held(now, key),
            listed,
            tells: TELLS,
            asks: ASKS,
            repeats: REPEATS,
            echoes: self.work.news,
            unsent: Unsent::default(),
            suspended: None,
        };
        let first = self.links.is_empty();
        self.holds_end = sooner(self.holds_end, link.held);
        self.links.insert(peer, link);
        if first {
            // There was no neighbour to tell before.
            self.speak_of_own(now, When::AtOnce);
        }
        if ready {
            // Packets that told the neighbour of this node may be lost, and it must know the path
            // back before it is asked something.
            let records = self.own.records().concat().into();
            self.send_records(peer, records, Some(self.own.number()));
            self.outputs.push_back(MeshOutput::Moved(key));
        }
        self.tell_known(peer);
    }

    /// Lets a link count if it may.
    pub(super) fn count_if_ready(&mut self, now: Instant, peer: PeerId) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let held = self.database.get(link.key).map(|state| state.version);
        if link.ready || link.known.is_none_or(|known| held < Some(known)) {
            return;
        }
        link.ready = true;
        if link.held.is_none() {
            self.count(now, peer);
        }
    }

    /// Lets a link count from now on.
    pub(super) fn count(&mut self, now: Instant, peer: PeerId) {
        self.own.neighbours_changed();
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let key = link.key;
        link.listed = self.own.next_number();
        if self.reports_link_to_us(key) {
            self.relink(now, &[(self.own.key(), key)], &[]);
        }
    }

    /// Handles a link that counted for both ends and no longer does. If this happens too often the
    /// link is held down, and this node does not state it for a while.
    pub(super) fn uncount(&mut self, now: Instant, key: RoutingKey) {
        self.damping.lost(now, key);
        let Some(until) = self.damping.held(now, key) else {
            return;
        };
        let peer = self.by_key.get(&key);
        if let Some(link) = peer.and_then(|peer| self.links.get_mut(peer)) {
            link.held = Some(until);
            self.holds_end = sooner(self.holds_end, Some(until));
            self.own.neighbours_changed();
        }
    }

    /// Lets links count that have been held down for long enough.
    pub(super) fn end_holds(&mut self, now: Instant) {
        if self.holds_end.is_none_or(|end| now < end) {
            return;
        }
        let links = self.links.iter_mut();
        let over = links.filter(|(_, link)| link.held.is_some_and(|until| until <= now));
        let over = over.map(|(&peer, link)| {
            link.held = None;
            (peer, link.ready)
        });
        let over: Vec<_> = over.collect();
        self.holds_end = self.links.values().filter_map(|link| link.held).min();
        for (peer, _) in over.into_iter().filter(|&(_, ready)| ready) {
            self.count(now, peer);
        }
    }

    /// Returns the neighbours whose links count.
    pub(super) fn neighbours(&self) -> Vec<RoutingKey> {
        let counts = |peer: &PeerId| self.links.get(peer).is_some_and(Link::counts);
        self.by_key
            .iter()
            .filter(|(_, peer)| counts(peer))
            .map(|(&key, _)| key)
            .chain(self.stubs.keys().copied())
            .take(MAX_NEIGHBOURS)
            .collect()
    }

    /// Removes a link.
    pub(in crate::node) fn link_down(&mut self, now: Instant, peer: PeerId) {
        self.touched.0 = true;
        let Some(link) = self.links.remove(&peer) else {
            return;
        };
        self.work.peer_gone(peer);
        if self.by_key.get(&link.key) == Some(&peer) {
            if link.counts() && self.reports_link_to_us(link.key) {
                self.uncount(now, link.key);
            }
            self.by_key.remove(&link.key);
            self.work.link_down(link.key);
            self.relink(now, &[], &[(self.own.key(), link.key)]);
        }
        if link.ready {
            self.own.neighbours_changed();
        }
    }

    /// Handles the end of a connection that another one to the same node may soon replace. If there
    /// is another path to that node, the link is removed. Otherwise the overlay is not told until
    /// `until`, and messages to the node wait.
    pub(in crate::node) fn suspend(&mut self, now: Instant, peer: PeerId, until: Instant) {
        self.touched.0 = true;
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if self.paths.can_spare(link.key) {
            self.link_down(now, peer);
        } else {
            link.suspended = Some(until);
            self.suspensions_end =
                Some(self.suspensions_end.map_or(until, |other| other.min(until)));
        }
    }

    pub(super) fn reports_link_to_us(&self, key: RoutingKey) -> bool {
        self.database
            .get(key)
            .is_some_and(|state| state.reports(self.own.key()))
    }

    /// Applies the changed links of a record.
    pub(super) fn links_changed(
        &mut self,
        now: Instant,
        key: RoutingKey,
        linked: &[RoutingKey],
        unlinked: &[RoutingKey],
    ) {
        if linked.is_empty() && unlinked.is_empty() {
            return;
        }
        let own = self.own.key();
        if unlinked.binary_search(&own).is_ok() && self.is_linked(own, key) {
            self.uncount(now, key);
        }
        // A link counts when both ends report it.
        let added: Vec<_> = linked
            .iter()
            .filter(|&&other| self.is_linked(other, key))
            .map(|&other| (key, other))
            .collect();
        let removed: Vec<_> = unlinked.iter().map(|&other| (key, other)).collect();
        // A node that lets a link come and go pays for the topics that this shows and hides: the
        // two ends for their own topics, the one that states the link for those of the nodes behind
        // it.
        let mut rest = 0;
        for (node, topics) in self.relink(now, &added, &removed) {
            let is_end = |ends: &[RoutingKey]| ends.binary_search(&node).is_ok();
            if is_end(linked) || is_end(unlinked) {
                self.database.owe(now, node, topics);
            } else {
                rest += topics;
            }
        }
        self.database.owe(now, key, rest);
    }

    /// Returns whether `from` reports a link to `to`.
    pub(super) fn is_linked(&self, from: RoutingKey, to: RoutingKey) -> bool {
        if from == self.own.key() {
            let link = self.by_key.get(&to).and_then(|peer| self.links.get(peer));
            return link.is_some_and(Link::counts) || self.stubs.contains_key(&to);
        }
        self.database
            .get(from)
            .is_some_and(|state| state.reports(to))
    }

    /// Adds and removes links. Returns the nodes that came into reach or went out of it, each with
    /// the cost of showing or hiding its topics.
    pub(super) fn relink(
        &mut self,
        now: Instant,
        added: &[(RoutingKey, RoutingKey)],
        removed: &[(RoutingKey, RoutingKey)],
    ) -> Vec<(RoutingKey, usize)> {
        let mut shown = Vec::new();
        let PathChange {
            cut,
            gained,
            lost,
            shaken,
        } = self.paths.change(added, removed);
        let changes = self.changes;
        if cut || !added.is_empty() {
            self.changes += 1;
        }
        for key in gained {
            if let Some(state) = self.database.set_away(key, None) {
                let topics = state.topics.iter();
                let topics = topics.map(|(topic, &count)| (topic.clone(), count));
                let topics: Vec<_> = topics.collect();
                let whose = (key, state.border);
                shown.push((key, shown_for(whose, &topics)));
                self.show_all(whose, topics);
            }
        }
        if !lost.is_empty() {
            self.work.room_comes(now);
        }
        for &key in &lost {
            if let Some(state) = self.database.set_away(key, Some(now)) {
                let topics = state.topics.keys().map(|topic| (topic.clone(), 0));
                let topics: Vec<_> = topics.collect();
                let whose = (key, state.border);
                shown.push((key, shown_for(whose, &topics)));
                self.show_all(whose, topics);
            }
            self.turns.remove(&key);
            self.outputs.push_back(MeshOutput::Lost(key));
        }
        if cut {
            self.outputs.push_back(MeshOutput::Cut { shaken, changes });
        }
        self.look_for_distant();
        shown
    }

    /// Updates whether nodes can be reached that are not neighbours.
    pub(super) fn look_for_distant(&mut self) {
        let near =
            |&&key: &&RoutingKey| self.database.get(key).is_some_and(NodeState::is_reachable);
        self.distant = self.database.reachable() > self.by_key.keys().filter(near).count();
    }
}
