//! Frames that no honest node writes.

use amop_proto::{
    channel::{Frame, FrameType, Seq, split_topic},
    p2p::{
        PeerFrame,
        mesh::{
            MulticastHeader, RelayedMulticastHeader, RelayedUnicastHeader, RoutingKey, Seal,
            SharedSecret, SignedRecord, StatementSigner, Subject, UnicastHeader, packet,
        },
    },
};
use amop_testkit::machines::{Claim, extension};
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

pub(crate) fn records(body: Bytes) -> PeerFrame {
    extension(packet::RECORDS, 1, body)
}

/// Returns the records of a frame.
pub(crate) fn decoded(frame: &PeerFrame) -> Vec<SignedRecord> {
    SignedRecord::decode_all(frame.body.clone(), usize::MAX).unwrap_or_default()
}

/// Returns a claim as a complete record of `subject`, with the certificates of that node.
pub(crate) fn claimed(claim: Claim, subject: Subject, signer: usize) -> Option<PeerFrame> {
    let chain = match &subject {
        Subject::Node(node) => SharedSecret::new(*node).chain(),
        Subject::Stub { .. } => Vec::new(),
    };
    let record = claim.of(subject, chain);
    let signed = record.sign(&SharedSecret::new(id_of(signer)))?;
    Some(records(signed.bytes().clone()))
}

fn forged(kind: FrameType, seq: Seq) -> Frame {
    Frame::amop(kind, seq, TOPIC, FORGED)
}

/// Returns a multicast of a node, addressed to the receiver.
pub(crate) fn multicast(source: RoutingKey) -> PeerFrame {
    let frame = forged(FrameType::MULTICAST, Seq([b'F'; Seq::LEN]));
    let spread = MulticastHeader {
        source,
        id: 77,
        targets: Vec::new(),
    };
    extension(packet::MULTICAST, HOPS, spread.encode(&frame))
}

/// Returns a unicast from a distant node, with an invalid seal.
pub(crate) fn relayed(source: RoutingKey, target: RoutingKey) -> PeerFrame {
    let frame = forged(FrameType::UNICAST, Seq([b'F'; Seq::LEN]));
    let relayed = RelayedUnicastHeader {
        header: UnicastHeader {
            source,
            target,
            id: 78,
        },
        seal: NO_SEAL,
    };
    extension(packet::RELAYED_UNICAST, HOPS, relayed.encode(&frame))
}

/// Returns the node that a message names as its source.
pub(crate) fn source_of(frame: &PeerFrame) -> Option<RoutingKey> {
    UnicastHeader::source_of(&frame.body)
}

/// Changes the message in a frame, and keeps everything else.
fn changed(frame: &PeerFrame, change: impl Fn(Frame) -> Option<Frame>) -> Option<PeerFrame> {
    let read = |bytes| change(Frame::from_bytes(bytes, usize::MAX).ok()?);
    let body = frame.body.clone();
    let body = match frame.packet {
        packet::RELAYED_MULTICAST => {
            let (spread, bytes) = RelayedMulticastHeader::decode(body)?;
            spread.encode(&read(bytes)?)
        }
        packet::MULTICAST => {
            let (spread, bytes) = MulticastHeader::decode(body)?;
            spread.encode(&read(bytes)?)
        }
        packet::RELAYED_UNICAST | packet::RELAYED_ANSWER => {
            let (relayed, bytes) = RelayedUnicastHeader::decode(body)?;
            relayed.encode(&read(bytes)?)
        }
        _ => {
            let (header, bytes) = UnicastHeader::decode(body)?;
            header.encode(&read(bytes)?)
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
    let (header, bytes) = if from_afar {
        let (relayed, bytes) = RelayedUnicastHeader::decode(unicast.body.clone())?;
        (relayed.header, bytes)
    } else {
        UnicastHeader::decode(unicast.body.clone())?
    };
    let request = Frame::from_bytes(bytes, usize::MAX).ok()?;
    let answer = forged(FrameType::RESPONSE, request.seq);
    let header = UnicastHeader {
        source: key_of(if from_afar { asked } else { liar }),
        target: header.source,
        id: header.id,
    };
    Some(if from_afar {
        let relayed = RelayedUnicastHeader {
            header,
            seal: NO_SEAL,
        };
        extension(packet::RELAYED_ANSWER, HOPS, relayed.encode(&answer))
    } else {
        extension(packet::ANSWER, HOPS, header.encode(&answer))
    })
}
