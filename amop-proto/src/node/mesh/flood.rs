//! The link-state protocol itself: which records go to whom, and what comes of those that come.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use bytes::{Bytes, BytesMut};

use super::{Mesh, Output, database::Taken, extension};
use crate::{
    node::PeerId,
    p2p::{
        PeerFrame,
        mesh::{self, NodeKey, Record, RecordsError, packet},
    },
};

/// Records are joined up to about this many bytes a frame.
const BATCH: usize = 256 * 1024;

/// More frames with this node's record than this are not waited for; a later acknowledgement covers
/// the earlier ones.
const MAX_AWAITED: usize = 1024;

impl Mesh {
    /// Handles a packet of the link-state protocol.
    pub(in crate::node) fn packet(&mut self, now: Instant, peer: PeerId, frame: &PeerFrame) {
        if !self.links.contains_key(&peer) {
            return;
        }
        let understood = match frame.packet {
            // A sign of life.
            packet::HELLO => Some(()),
            packet::KNOWN => self.known(now, peer, frame.body.clone()),
            packet::RECORDS => self.records(now, peer, frame),
            packet::TAKEN => {
                self.taken(peer, frame.seq);
                Some(())
            }
            packet::ASK => self.asked(peer, frame.body.clone()),
            // Of a later version of the extension.
            _ => Some(()),
        };
        if understood.is_none() {
            self.outputs
                .push_back(Output::Bad(peer, "a malformed link-state packet"));
        }
    }

    /// The neighbour told what it knows: send it what is newer here.
    fn known(&mut self, now: Instant, peer: PeerId, body: Bytes) -> Option<()> {
        let known: HashMap<NodeKey, u64> = mesh::decode_known(body)?.into_iter().collect();
        let newer =
            |key: NodeKey, version: u64| known.get(&key).is_none_or(|&theirs| theirs < version);
        if !newer(self.own, self.version) {
            self.acknowledged(peer, self.version);
        }
        let keys: Vec<NodeKey> = self
            .database
            .iter()
            .filter(|&(key, state)| newer(key, state.version))
            .map(|(key, _)| key)
            .chain(newer(self.own, self.version).then_some(self.own))
            .collect();
        let records: Vec<Record> = keys.into_iter().filter_map(|key| self.whole(key)).collect();
        self.send_records(peer, &records);
        if let Some(link) = self.links.get_mut(&peer) {
            link.known = Some(known.get(&link.key).copied().unwrap_or(0));
        }
        self.count_if_ready(now, peer);
        Some(())
    }

    fn asked(&mut self, peer: PeerId, body: Bytes) -> Option<()> {
        let keys: BTreeSet<NodeKey> = mesh::decode_keys(body)?.into_iter().collect();
        let records: Vec<Record> = keys.into_iter().filter_map(|key| self.whole(key)).collect();
        self.send_records(peer, &records);
        Some(())
    }

    fn taken(&mut self, peer: PeerId, seq: u32) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        // What was never sent cannot have been taken.
        if seq.wrapping_sub(link.next_seq) as i32 >= 0 {
            return;
        }
        let mut version = None;
        while let Some(&(sent, held)) = link.awaited.front()
            && sent.wrapping_sub(seq) as i32 <= 0
        {
            version = Some(held);
            link.awaited.pop_front();
        }
        if let Some(version) = version {
            self.acknowledged(peer, version);
        }
    }

    fn acknowledged(&mut self, peer: PeerId, version: u64) {
        if let Some(link) = self.links.get_mut(&peer)
            && link.acknowledged < version
        {
            link.acknowledged = version;
            self.outputs.push_back(Output::Acknowledged);
        }
    }

    fn records(&mut self, now: Instant, peer: PeerId, frame: &PeerFrame) -> Option<()> {
        let sender = self.links.get(&peer)?.key;
        // Not more at once than may be held, with room for removals.
        let max = self.max_topics.saturating_mul(2);
        let records = match Record::decode_all(frame.body.clone(), max) {
            Ok(records) => records,
            Err(RecordsError::TooManyTopics { key, .. }) if key == sender => {
                self.outputs.push_back(Output::TooManyTopics(peer));
                return Some(());
            }
            Err(_) => return None,
        };
        let (mut passed_on, mut wanted) = (Vec::new(), BTreeSet::new());
        for record in records {
            if record.key == self.own {
                self.outbid(&record);
                continue;
            }
            if self.borders.contains_key(&record.key) {
                self.outbid_border(now, &record);
                continue;
            }
            match self.database.take(now, &record) {
                Taken::New {
                    topics,
                    linked,
                    unlinked,
                } => {
                    self.apply(now, record.key, topics, &linked, &unlinked);
                    passed_on.push(record);
                }
                Taken::Old => {}
                Taken::Gap => {
                    wanted.insert(record.key);
                }
                Taken::TooManyTopics if record.key == sender => {
                    self.outputs.push_back(Output::TooManyTopics(peer));
                }
                Taken::TooManyTopics | Taken::TooManyNodes => {
                    let what = "a record over this node's limits";
                    self.outputs.push_back(Output::Bad(peer, what));
                }
            }
        }
        self.flood(&passed_on, Some(peer));
        self.count_if_ready(now, peer);
        // The acknowledgement speaks of the sender's own record, so it waits until that is whole here.
        if !wanted.contains(&sender) {
            self.send(peer, packet::TAKEN, frame.seq, Bytes::new());
        }
        if !wanted.is_empty() {
            self.send(peer, packet::ASK, 0, mesh::encode_keys(wanted));
        }
        Some(())
    }

    /// The network holds a record of this very node that is newer than its own: it was here before
    /// with a clock that was ahead. Its state now has to win.
    fn outbid(&mut self, record: &Record) {
        if record.version > self.version && record.version < mesh::MAX_VERSION {
            self.version = record.version + 1;
            let own = self.own_record();
            self.flood(&[own], None);
        }
    }

    /// Sends records to all neighbours but one. Those that have yet to say what they know get
    /// everything then.
    pub(super) fn flood(&mut self, records: &[Record], except: Option<PeerId>) {
        let peers: Vec<PeerId> = self
            .links
            .iter()
            .filter(|&(&peer, link)| Some(peer) != except && link.known.is_some())
            .map(|(&peer, _)| peer)
            .collect();
        for peer in peers {
            self.send_records(peer, records);
        }
    }

    pub(super) fn send_records(&mut self, peer: PeerId, records: &[Record]) {
        let mut body = BytesMut::new();
        let mut own_version = None;
        for (n, record) in records.iter().enumerate() {
            record.encode(&mut body);
            if record.key == self.own {
                own_version = Some(record.version);
            }
            if body.len() < BATCH && n + 1 < records.len() {
                continue;
            }
            let Some(link) = self.links.get_mut(&peer) else {
                return;
            };
            let seq = link.next_seq;
            link.next_seq = link.next_seq.wrapping_add(1);
            if let Some(version) = own_version.take() {
                if link.awaited.len() == MAX_AWAITED {
                    link.awaited.pop_front();
                }
                link.awaited.push_back((seq, version));
            }
            self.send(peer, packet::RECORDS, seq, body.split().freeze());
        }
    }

    pub(super) fn send(&mut self, peer: PeerId, packet: u16, seq: u32, body: Bytes) {
        self.sends
            .push_back(Output::Send(peer, extension(packet, seq, body)));
    }
}
