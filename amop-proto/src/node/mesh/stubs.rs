//! FISCO peers that take part in the overlay through this node. Each is announced as a node behind
//! this one, with its own ID, so that it is never told of topics that only it has. It cannot sign,
//! so this node does.

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;

use super::{
    Mesh,
    database::RecordOutcome,
    speaker::{Speaker, Spoken, When},
    stub::Stub,
};
use crate::{
    node::{PeerId, checker::CheckedRecord},
    p2p::{
        NodeId,
        mesh::{RoutingKey, Subject},
    },
};

impl Mesh {
    /// Returns the connection to the FISCO node that this node announces under a name.
    pub(in crate::node) fn stub_peer(&self, key: RoutingKey) -> Option<PeerId> {
        self.stubs.get(&key).map(|stub| stub.peer)
    }

    /// Returns whether some node announces this FISCO node.
    pub(in crate::node) fn is_announced(&self, fisco: RoutingKey) -> bool {
        !self.database.stubs_for(fisco).is_empty()
    }

    /// Returns the names that a FISCO node has in the overlay: one for each node that announces it,
    /// and its own in case it speaks for itself.
    pub(in crate::node) fn names_of(&self, fisco: RoutingKey) -> Vec<RoutingKey> {
        let stubs = self.database.stubs_for(fisco);
        stubs.iter().copied().chain([fisco]).collect()
    }

    /// Returns the other overlay nodes that can be reached and that announce this FISCO node.
    pub(in crate::node) fn borders_of(&self, fisco: RoutingKey) -> Vec<NodeId> {
        let names = self.database.stubs_for(fisco).iter().copied();
        let reached = names.filter(|&name| self.distance(name).is_some());
        let borders = reached.map(|name| self.owner(name));
        let others = borders.filter(|&border| border != self.own());
        others
            .filter_map(|border| self.database.get(border).map(|state| state.node))
            .collect()
    }

    /// Returns whether some node announces a FISCO node.
    pub(in crate::node) fn has_announced(&self) -> bool {
        self.database.has_stubs()
    }

    /// Returns all topics of nodes that can be reached, FISCO nodes included, except those of
    /// `node`.
    pub(in crate::node) fn topics_without(&self, node: &NodeId) -> BTreeSet<&Bytes> {
        self.database
            .iter()
            .filter(|(_, state)| state.is_reachable() && state.node != *node)
            .flat_map(|(_, state)| state.topics.keys())
            .collect()
    }

    /// Lets a FISCO node take part through this node from now on.
    pub(in crate::node) fn stub_up(&mut self, now: Instant, peer: PeerId, node: NodeId) {
        self.touched.0 = true;
        let subject = Subject::Stub {
            fisco: node,
            border: self.own_id,
        };
        let mut speaker = Speaker::new(subject);
        let key = speaker.key();
        if let Some(held) = self.database.get(key) {
            // The record is from before this node restarted.
            speaker.outbid(held.version);
        }
        self.stubs.insert(key, Stub { peer, speaker });
        if self.speak_of(now, key, true) {
            self.own.neighbours_changed();
            self.relink(now, &[(self.own.key(), key)], &[]);
        } else {
            // There may be too many nodes already.
            self.stubs.remove(&key);
        }
    }

    /// States what is new of a FISCO node behind this one. Returns whether anything was stated.
    pub(super) fn speak_of(&mut self, now: Instant, key: RoutingKey, at_once: bool) -> bool {
        let clock = self.clock();
        let Some(stub) = self.stubs.get_mut(&key) else {
            return false;
        };
        let when = if at_once { When::AtOnce } else { When::InTime };
        let spoken = stub
            .speaker
            .speak(now, clock, when, &self.signer, || (None, None), || None);
        let Some(Spoken::Signed(signed)) = spoken else {
            return false;
        };
        let bytes = signed.bytes().clone();
        let record = CheckedRecord::new(signed);
        let own = self.own.key();
        let version = record.record().version;
        let taken = self.database.take(now, own, &record, version);
        if !matches!(taken, RecordOutcome::New { .. }) {
            return false;
        }
        let mut at = 0;
        // These counts are stored only here: the router knows the connection itself.
        while let (_, Some(next)) = self.database.apply_topics(&record, at, usize::MAX) {
            at = next;
        }
        self.flood((true, key), &bytes, None);
        true
    }

    /// Records changed topics of the FISCO node at the other end of a connection.
    pub(in crate::node) fn stub_topics(&mut self, peer: PeerId, topics: Vec<(Bytes, u32)>) {
        self.touched.0 = true;
        let Some(key) = self.stub_of(peer) else {
            return;
        };
        if let Some(stub) = self.stubs.get_mut(&key) {
            for (topic, count) in topics {
                stub.speaker.set_topic(&topic, count);
            }
        }
    }

    /// Stops announcing the FISCO node at the other end of a connection.
    pub(in crate::node) fn stub_down(&mut self, now: Instant, peer: PeerId) {
        self.touched.0 = true;
        if let Some(key) = self.stub_of(peer) {
            self.stubs.remove(&key);
            self.relink(now, &[], &[(self.own.key(), key)]);
            self.own.neighbours_changed();
        }
    }

    /// Returns the name under which this node announces the FISCO node at the other end of a
    /// connection.
    pub(in crate::node) fn stub_of(&self, peer: PeerId) -> Option<RoutingKey> {
        let mut stubs = self.stubs.iter();
        stubs
            .find(|(_, held)| held.peer == peer)
            .map(|(&key, _)| key)
    }
}
