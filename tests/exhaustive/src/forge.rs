//! Frames that no honest node writes.

use amop_proto::{
    channel::{Frame, FrameType, Seq, split_topic},
    p2p::{
        PeerFrame,
        mesh::{
            Envelope, NodeKey, Record, Relayed, RelayedSpread, Seal, SharedSecret, SignedRecord,
            Signer, Spread, Subject, Whole, packet,
        },
        protocol,
    },
};
use bytes::Bytes;

use crate::{
    host::{id_of, key_of},
    sdks::TOPIC,
};

/// The highest possible version.
pub(crate) const LAST_VERSION: u64 = 1 << 62;

/// As many hops as a frame can ask for.
const HOPS: u32 = u32::MAX;

const FORGED: &[u8] = b"forged";

/// An invalid seal.
const NO_SEAL: Seal = Seal {
    counter: LAST_VERSION,
    mac: [0; 16],
};

fn extension(packet: u16, seq: u32, body: Bytes) -> PeerFrame {
    PeerFrame {
        protocol: protocol::EXTENSION,
        packet,
        seq,
        body,
    }
}

pub(crate) fn records(body: Bytes) -> PeerFrame {
    extension(packet::RECORDS, 1, body)
}

/// Returns the records of a frame.
pub(crate) fn decoded(frame: &PeerFrame) -> Vec<SignedRecord> {
    SignedRecord::decode_all(frame.body.clone(), usize::MAX).unwrap_or_default()
}

/// A node's statement, true or false.
pub(crate) struct Claim {
    pub(crate) signer: usize,
    pub(crate) version: u64,
    pub(crate) neighbours: Vec<NodeKey>,
    pub(crate) topics: Vec<(Bytes, u32)>,
}

impl Claim {
    /// Returns it as a complete record of `subject`, with the certificates of that node.
    pub(crate) fn of(self, subject: Subject) -> Option<PeerFrame> {
        let chain = match &subject {
            Subject::Node(node) => Some(SharedSecret::new(*node).chain()),
            Subject::Stub { .. } => None,
        };
        let record = Record {
            subject,
            version: self.version,
            base: 0,
            neighbours: chain.is_some().then_some(self.neighbours),
            whole: chain.map(|chain| Whole {
                agreement: [9; 32],
                chain,
            }),
            topics: self.topics,
        };
        let signed = record.sign(&SharedSecret::new(id_of(self.signer)))?;
        Some(records(signed.bytes().clone()))
    }
}

fn forged(kind: FrameType, seq: Seq) -> Frame {
    Frame::amop(kind, seq, TOPIC, FORGED)
}

/// Returns a multicast of a node, addressed to the receiver.
pub(crate) fn multicast(source: NodeKey) -> PeerFrame {
    let frame = forged(FrameType::MULTICAST, Seq([b'F'; Seq::LEN]));
    let spread = Spread {
        source,
        id: 77,
        targets: Vec::new(),
    };
    extension(packet::MULTICAST, HOPS, spread.seal(&frame))
}

/// Returns a unicast from a distant node, with an invalid seal.
pub(crate) fn relayed(source: NodeKey, target: NodeKey) -> PeerFrame {
    let frame = forged(FrameType::UNICAST, Seq([b'F'; Seq::LEN]));
    let relayed = Relayed {
        envelope: Envelope {
            source,
            target,
            id: 78,
        },
        seal: NO_SEAL,
    };
    extension(packet::RELAYED_UNICAST, HOPS, relayed.seal(&frame))
}

/// Returns the node that a message names as its source.
pub(crate) fn source_of(frame: &PeerFrame) -> Option<NodeKey> {
    Envelope::source_of(&frame.body)
}

/// Changes the message in a frame, and keeps everything else.
fn changed(frame: &PeerFrame, change: impl Fn(Frame) -> Option<Frame>) -> Option<PeerFrame> {
    let read = |bytes| change(Frame::from_bytes(bytes, usize::MAX).ok()?);
    let body = frame.body.clone();
    let body = match frame.packet {
        packet::RELAYED_MULTICAST => {
            let (spread, bytes) = RelayedSpread::open(body)?;
            spread.seal(&read(bytes)?)
        }
        packet::MULTICAST => {
            let (spread, bytes) = Spread::open(body)?;
            spread.seal(&read(bytes)?)
        }
        packet::RELAYED_UNICAST | packet::RELAYED_ANSWER => {
            let (relayed, bytes) = Relayed::open(body)?;
            relayed.seal(&read(bytes)?)
        }
        _ => {
            let (envelope, bytes) = Envelope::open(body)?;
            envelope.seal(&read(bytes)?)
        }
    };
    Some(PeerFrame {
        body,
        ..frame.clone()
    })
}

/// Returns a message with another content; its id and its seals are unchanged.
pub(crate) fn altered(frame: &PeerFrame) -> Option<PeerFrame> {
    changed(frame, |inner| Some(forged(inner.kind, inner.seq)))
}

/// Returns a message for another topic.
pub(crate) fn with_topic(frame: &PeerFrame, topic: &[u8]) -> Option<PeerFrame> {
    changed(frame, |inner| {
        let payload = split_topic(&inner.body).ok()?.payload;
        Some(Frame::amop(inner.kind, inner.seq, topic, &payload))
    })
}

/// Returns an answer to a unicast that another node was asked: either from the liar itself, or
/// relayed as if from that node.
pub(crate) fn answer(unicast: &PeerFrame, liar: usize, asked: usize) -> Option<PeerFrame> {
    let from_afar = unicast.packet == packet::RELAYED_UNICAST;
    let (envelope, bytes) = if from_afar {
        let (relayed, bytes) = Relayed::open(unicast.body.clone())?;
        (relayed.envelope, bytes)
    } else {
        Envelope::open(unicast.body.clone())?
    };
    let request = Frame::from_bytes(bytes, usize::MAX).ok()?;
    let answer = forged(FrameType::RESPONSE, request.seq);
    let envelope = Envelope {
        source: key_of(if from_afar { asked } else { liar }),
        target: envelope.source,
        id: envelope.id,
    };
    Some(if from_afar {
        let relayed = Relayed {
            envelope,
            seal: NO_SEAL,
        };
        extension(packet::RELAYED_ANSWER, HOPS, relayed.seal(&answer))
    } else {
        extension(packet::ANSWER, HOPS, envelope.seal(&answer))
    })
}
