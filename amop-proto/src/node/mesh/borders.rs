//! FISCO nodes next to this one that take part in the network by way of it. Each is announced as a node
//! of its own behind this one, with its own ID, so that it is never told of what only itself has. It
//! cannot sign, so this node does.

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;

use super::{
    Mesh,
    database::Taken,
    speaker::{Speaker, Spoken, When},
};
use crate::{
    node::{PeerId, checker::CheckedRecord},
    p2p::{
        NodeId,
        mesh::{NodeKey, Subject},
    },
};

/// A FISCO node behind this one.
#[derive(Debug, Clone)]
pub(super) struct Border {
    pub(super) peer: PeerId,
    pub(super) speaker: Speaker,
}

impl Mesh {
    /// The connection to the FISCO node that this node announces under a name.
    pub(in crate::node) fn border(&self, key: NodeKey) -> Option<PeerId> {
        self.borders.get(&key).map(|border| border.peer)
    }

    /// Whether some node announces this FISCO node.
    pub(in crate::node) fn is_announced(&self, fisco: NodeKey) -> bool {
        !self.database.stubs_for(fisco).is_empty()
    }

    /// The names a FISCO node has in the network: one for each node that announces it. If it speaks for
    /// itself, its own too.
    pub(in crate::node) fn names_of(&self, fisco: NodeKey) -> Vec<NodeKey> {
        let stubs = self.database.stubs_for(fisco);
        stubs.iter().copied().chain([fisco]).collect()
    }

    /// Whether some node announces a FISCO node.
    pub(in crate::node) fn has_announced(&self) -> bool {
        self.database.has_stubs()
    }

    /// All topics of nodes that can be reached, FISCO nodes too, except one of them.
    pub(in crate::node) fn topics_beyond(&self, node: &NodeId) -> BTreeSet<&Bytes> {
        self.database
            .iter()
            .filter(|(_, state)| state.is_reachable() && state.node != *node)
            .flat_map(|(_, state)| state.topics.keys())
            .collect()
    }

    /// A FISCO node takes part from now on, by way of this one.
    pub(in crate::node) fn border_up(&mut self, now: Instant, peer: PeerId, node: NodeId) {
        self.touched.0 = true;
        let subject = Subject::Stub {
            fisco: node,
            border: self.own_id,
        };
        let mut speaker = Speaker::new(subject);
        let key = speaker.key();
        if let Some(held) = self.database.get(key) {
            // From before this node started again.
            speaker.outbid(held.version);
        }
        self.borders.insert(key, Border { peer, speaker });
        if self.speak_of(now, key, true) {
            self.own.neighbours_changed();
            self.relink(now, &[(self.own.key(), key)], &[]);
        } else {
            // There may be too many nodes already.
            self.borders.remove(&key);
        }
    }

    /// States what is new of a FISCO node behind this one. Whether anything was stated.
    pub(super) fn speak_of(&mut self, now: Instant, key: NodeKey, at_once: bool) -> bool {
        let clock = self.clock();
        let Some(border) = self.borders.get_mut(&key) else {
            return false;
        };
        let when = if at_once { When::AtOnce } else { When::InTime };
        let spoken = border
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
        if !matches!(taken, Taken::New { .. }) {
            return false;
        }
        let mut at = 0;
        // Nothing is kept of these counts but here: the router knows the connection itself.
        while let (_, Some(next)) = self.database.apply_topics(&record, at, usize::MAX) {
            at = next;
        }
        self.flood((true, key), &bytes, None);
        true
    }

    /// Its topics changed.
    pub(in crate::node) fn border_topics(&mut self, peer: PeerId, topics: Vec<(Bytes, u32)>) {
        self.touched.0 = true;
        let Some(key) = self.border_of(peer) else {
            return;
        };
        if let Some(border) = self.borders.get_mut(&key) {
            for (topic, count) in topics {
                border.speaker.set_topic(&topic, count);
            }
        }
    }

    /// It is gone.
    pub(in crate::node) fn border_down(&mut self, now: Instant, peer: PeerId) {
        self.touched.0 = true;
        if let Some(key) = self.border_of(peer) {
            self.borders.remove(&key);
            self.relink(now, &[], &[(self.own.key(), key)]);
            self.own.neighbours_changed();
        }
    }

    /// The name under which this node announces the FISCO node at the other end of a connection.
    pub(in crate::node) fn border_of(&self, peer: PeerId) -> Option<NodeKey> {
        let mut borders = self.borders.iter();
        borders
            .find(|(_, held)| held.peer == peer)
            .map(|(&key, _)| key)
    }
}
