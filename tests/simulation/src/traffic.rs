//! What crosses the links: messages hop by hop, and what the routing itself costs.

use std::collections::HashMap;

use amop_proto::p2p::{
    PeerFrame,
    mesh::{Envelope, NodeKey, Spread, packet},
    protocol,
};

use crate::net::At;

/// A message between nodes, as its envelope names it.
type Name = (u16, NodeKey, u64, NodeKey);

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
    pub(crate) trips: HashMap<Name, Trip>,
    /// What each node sent for the routing: signs of life, records, topic numbers.
    pub(crate) control: Vec<Volume>,
    pub(crate) messages: Volume,
}

impl Traffic {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            hosts: HashMap::new(),
            trips: HashMap::new(),
            control: vec![Volume::default(); nodes],
            messages: Volume::default(),
        }
    }

    pub(crate) fn know(&mut self, key: NodeKey, host: usize) {
        self.hosts.insert(key, host);
    }

    /// All control traffic together.
    pub(crate) fn all_control(&self) -> Volume {
        let sum = |a: Volume, b: &Volume| Volume {
            frames: a.frames + b.frames,
            bytes: a.bytes + b.bytes,
        };
        self.control.iter().fold(Volume::default(), sum)
    }

    /// A frame is sent from one node to another.
    pub(crate) fn crosses(&mut self, now: At, (from, _): (usize, usize), frame: &PeerFrame) {
        let extension = frame.protocol == protocol::EXTENSION;
        let volume = match frame.packet {
            packet::UNICAST | packet::ANSWER | packet::MULTICAST if extension => &mut self.messages,
            _ if frame.protocol.abs() == protocol::AMOP => &mut self.messages,
            _ => &mut self.control[from],
        };
        volume.frames += 1;
        volume.bytes += frame.wire_len() as u64;
        if !extension {
            return;
        }
        match frame.packet {
            packet::UNICAST | packet::ANSWER => {
                if let Some((envelope, _)) = Envelope::open(frame.body.clone()) {
                    let Envelope { source, target, id } = envelope;
                    self.hop(now, from, (frame.packet, source, id, target));
                }
            }
            packet::MULTICAST => {
                if let Some((spread, _)) = Spread::open(frame.body.clone()) {
                    // Without targets it is for the receiver alone, its last link: the trips of
                    // such copies are not told apart from here.
                    for target in spread.targets {
                        self.hop(now, from, (frame.packet, spread.source, spread.id, target));
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
