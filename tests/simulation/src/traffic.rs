//! What crosses the links: messages hop by hop, and what the routing itself costs.

use std::collections::{BTreeMap, HashMap};

use amop_proto::p2p::{
    PeerFrame,
    mesh::{Envelope, NodeKey, RelayedSpread, SignedRecord, Spread, packet},
    protocol,
};

use crate::net::{At, ConnId};

/// A message between nodes, as its envelope names it.
type Name = (u16, NodeKey, u64, NodeKey);

/// A version of a record on one way of a connection: from which side of it.
pub(crate) type Crossing = (ConnId, usize, NodeKey, u64);

/// How a message made its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trip {
    /// The first time it was sent.
    pub(crate) first: At,
    pub(crate) last: At,
    /// From which host to which.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// How often its source sent it.
    pub(crate) copies: u32,
    /// How many links these copies crossed together.
    pub(crate) hops: u32,
}

/// Frames and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    /// How many frames.
    pub frames: u64,
    /// How many bytes, headers included.
    pub bytes: u64,
}

impl Volume {
    /// What came on top of an earlier count.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// Counts what crosses the links.
#[derive(Debug)]
pub(crate) struct Traffic {
    hosts: HashMap<NodeKey, usize>,
    keys: Vec<NodeKey>,
    pub(crate) trips: HashMap<Name, Trip>,
    /// What each node sent for the routing: signs of life, records, topic numbers.
    pub(crate) control: Vec<Volume>,
    pub(crate) messages: Volume,
    /// How often each record went over each connection, if that is watched: in a large network
    /// there are too many.
    pub(crate) records: Option<BTreeMap<Crossing, u32>>,
}

impl Traffic {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            hosts: HashMap::new(),
            keys: Vec::new(),
            trips: HashMap::new(),
            control: vec![Volume::default(); nodes],
            messages: Volume::default(),
            records: None,
        }
    }

    /// Hosts are made known in their order.
    pub(crate) fn know(&mut self, key: NodeKey) {
        self.hosts.insert(key, self.keys.len());
        self.keys.push(key);
    }

    /// All control traffic together.
    pub(crate) fn all_control(&self) -> Volume {
        let sum = |a: Volume, b: &Volume| Volume {
            frames: a.frames + b.frames,
            bytes: a.bytes + b.bytes,
        };
        self.control.iter().fold(Volume::default(), sum)
    }

    /// A frame is sent from one node to another, by one end of a connection.
    pub(crate) fn crosses(
        &mut self,
        now: At,
        (from, to): (usize, usize),
        (conn, side): (ConnId, usize),
        frame: &PeerFrame,
    ) {
        let extension = frame.protocol == protocol::EXTENSION;
        let volume = match frame.packet {
            packet::UNICAST | packet::ANSWER | packet::MULTICAST if extension => &mut self.messages,
            packet::RELAYED_UNICAST | packet::RELAYED_ANSWER | packet::RELAYED_MULTICAST
                if extension =>
            {
                &mut self.messages
            }
            _ if frame.protocol.abs() == protocol::AMOP => &mut self.messages,
            _ => &mut self.control[from],
        };
        volume.frames += 1;
        volume.bytes += frame.wire_len() as u64;
        if !extension {
            return;
        }
        match frame.packet {
            packet::UNICAST | packet::ANSWER | packet::RELAYED_UNICAST | packet::RELAYED_ANSWER => {
                if let Some((envelope, _)) = Envelope::open(frame.body.clone()) {
                    let Envelope { source, target, id } = envelope;
                    self.hop(now, from, (kind(frame.packet), source, id, target));
                }
            }
            packet::MULTICAST => {
                if let Some((spread, _)) = Spread::open(frame.body.clone()) {
                    let mut targets = spread.targets;
                    if targets.is_empty() {
                        // On its last link, for the receiver alone.
                        targets.push(self.keys[to]);
                    }
                    for target in targets {
                        self.hop(now, from, (frame.packet, spread.source, spread.id, target));
                    }
                }
            }
            packet::RELAYED_MULTICAST => {
                if let Some((spread, _)) = RelayedSpread::open(frame.body.clone()) {
                    let RelayedSpread {
                        source,
                        id,
                        targets,
                        ..
                    } = spread;
                    for (target, _) in targets {
                        self.hop(now, from, (packet::MULTICAST, source, id, target));
                    }
                }
            }
            packet::RECORDS => {
                if let Some(crossings) = &mut self.records {
                    let records = SignedRecord::decode_all(frame.body.clone(), usize::MAX);
                    for record in records.unwrap_or_default() {
                        let record = record.record();
                        let crossing = (conn, side, record.key(), record.version);
                        *crossings.entry(crossing).or_default() += 1;
                    }
                }
            }
            _ => {}
        }
    }

    fn hop(&mut self, now: At, from: usize, name: Name) {
        let (_, source, _, target) = name;
        let (Some(&start), Some(&end)) = (self.hosts.get(&source), self.hosts.get(&target)) else {
            return;
        };
        let trip = self.trips.entry(name).or_insert(Trip {
            first: now,
            last: now,
            from: start,
            to: end,
            copies: 0,
            hops: 0,
        });
        trip.copies += u32::from(from == start);
        trip.hops += 1;
        trip.last = now;
    }
}

/// A message keeps its name when it is relayed on its first links and not on its last.
fn kind(packet: u16) -> u16 {
    match packet {
        packet::RELAYED_UNICAST => packet::UNICAST,
        packet::RELAYED_ANSWER => packet::ANSWER,
        other => other,
    }
}
