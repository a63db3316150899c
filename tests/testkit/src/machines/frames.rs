//! Frames between nodes, and the records in them.

use amop_proto::p2p::{
    PeerFrame,
    mesh::{Record, RoutingKey, SignedRecord, Subject, Whole, packet},
    protocol,
};
use bytes::{Bytes, BytesMut};

/// Returns a frame between nodes.
pub fn frame(protocol: i32, packet: u16, seq: u32, body: impl Into<Bytes>) -> PeerFrame {
    PeerFrame {
        protocol,
        packet,
        seq,
        body: body.into(),
    }
}

/// Returns a packet of the extension that overlay nodes use.
pub fn extension(packet: u16, seq: u32, body: impl Into<Bytes>) -> PeerFrame {
    frame(protocol::EXTENSION, packet, seq, body)
}

/// Returns a packet with these records.
pub fn records<'a>(seq: u32, records: impl IntoIterator<Item = &'a SignedRecord>) -> PeerFrame {
    let mut body = BytesMut::new();
    for record in records {
        body.extend_from_slice(record.bytes());
    }
    extension(packet::RECORDS, seq, body.freeze())
}

/// What a node states, true or false.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// The version of the record.
    pub version: u64,
    /// The public key from which keys for MACs are derived.
    pub agreement: [u8; 32],
    /// The nodes that it is linked to.
    pub neighbours: Vec<RoutingKey>,
    /// The topics, with the number of subscribers.
    pub topics: Vec<(Bytes, u32)>,
}

impl Claim {
    /// Returns it as a complete record. A record of a node has these certificates; that of a FISCO
    /// node behind it has none, and no neighbours either.
    pub fn of(self, subject: Subject, chain: Vec<Bytes>) -> Record {
        let own = matches!(subject, Subject::Node(_));
        Record {
            subject,
            version: self.version,
            base: 0,
            whole: own.then_some(Whole {
                agreement: self.agreement,
                chain,
            }),
            neighbours: own.then_some(self.neighbours),
            topics: self.topics,
        }
    }
}
