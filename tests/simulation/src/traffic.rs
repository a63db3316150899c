//! Traffic on the links: messages on each hop, and the cost of routing.

use std::collections::{BTreeMap, HashMap};

use amop_proto::p2p::{
    PeerFrame,
    mesh::{
        MulticastHeader, RelayedMulticastHeader, RoutingKey, SignedRecord, UnicastHeader, packet,
    },
    protocol,
};

use crate::net::{At, ConnId};

/// The identity of a message between nodes, taken from its header.
type Name = (u16, RoutingKey, u64, RoutingKey);

/// A version of a record on one direction of a connection: the side that sent it.
pub(crate) type Crossing = (ConnId, usize, RoutingKey, u64);

/// The path of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trip {
    /// The time it was first sent.
    pub(crate) first: At,
    pub(crate) last: At,
    /// Its source and destination hosts.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The number of times its source sent it.
    pub(crate) copies: u32,
    /// The number of links that these copies crossed together.
    pub(crate) hops: u32,
}

/// Frames and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    /// The number of frames.
    pub frames: u64,
    /// The number of bytes, headers included.
    pub bytes: u64,
}

impl Volume {
    /// Returns the difference from an earlier count.
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
    hosts: HashMap<RoutingKey, usize>,
    keys: Vec<RoutingKey>,
    pub(crate) trips: HashMap<Name, Trip>,
    /// The routing traffic that each node sent: signs of life, records, topic numbers.
    pub(crate) control: Vec<Volume>,
    pub(crate) messages: Volume,
    /// How often each record crossed each connection, if this is recorded: in a large network there
    /// are too many.
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

    /// Registers a host; hosts must be registered in order.
    pub(crate) fn know(&mut self, key: RoutingKey) {
        self.hosts.insert(key, self.keys.len());
        self.keys.push(key);
    }

    /// Returns all control traffic together.
    pub(crate) fn all_control(&self) -> Volume {
        let sum = |a: Volume, b: &Volume| Volume {
            frames: a.frames + b.frames,
            bytes: a.bytes + b.bytes,
        };
        self.control.iter().fold(Volume::default(), sum)
    }

    /// Counts a frame that one end of a connection sends to the other.
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
                if let Some((header, _)) = UnicastHeader::decode(frame.body.clone()) {
                    let UnicastHeader { source, target, id } = header;
                    self.hop(now, from, (kind(frame.packet), source, id, target));
                }
            }
            packet::MULTICAST => {
                if let Some((spread, _)) = MulticastHeader::decode(frame.body.clone()) {
                    let mut targets = spread.targets;
                    if targets.is_empty() {
                        // On its last link the message is for the receiver alone.
                        targets.push(self.keys[to]);
                    }
                    for target in targets {
                        self.hop(now, from, (frame.packet, spread.source, spread.id, target));
                    }
                }
            }
            packet::RELAYED_MULTICAST => {
                if let Some((spread, _)) = RelayedMulticastHeader::decode(frame.body.clone()) {
                    let RelayedMulticastHeader {
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

/// Returns a type that stays the same along the path: the packet type on the first links differs
/// from that on the last link.
fn kind(packet: u16) -> u16 {
    match packet {
        packet::RELAYED_UNICAST => packet::UNICAST,
        packet::RELAYED_ANSWER => packet::ANSWER,
        other => other,
    }
}
