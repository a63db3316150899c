//! Frames that hostile nodes make.

use amop_proto::{
    channel::{Frame, FrameType, Seq, result_code, split_topic},
    p2p::{
        NodeId, PeerFrame,
        mesh::{
            MacPurpose, MulticastHeader, PairKey, Record, RelayedMulticastHeader,
            RelayedUnicastHeader, RoutingKey, Seal, SharedSecret, SignedRecord, Statement,
            StatementSigner, Subject, UnicastHeader, content_digest, encode_keys, encode_known,
            packet,
        },
        protocol,
    },
};
use amop_testkit::machines::{Claim, extension};
use bytes::{BufMut, Bytes, BytesMut};
use rand::{RngExt, rngs::StdRng};

use super::{FORGED, FORGER, OWN};

/// The hops that a frame asks for to go round for ever.
const HOPS: u32 = u32::MAX;

/// The number of ids that are guessed at once.
const NEXT_IDS: u64 = 16;

pub(super) fn is_message(frame: &PeerFrame) -> bool {
    is_relayed(frame)
        || (frame.protocol == protocol::EXTENSION
            && [packet::UNICAST, packet::ANSWER, packet::MULTICAST].contains(&frame.packet))
}

pub(super) fn is_relayed(frame: &PeerFrame) -> bool {
    let relayed = [
        packet::RELAYED_UNICAST,
        packet::RELAYED_ANSWER,
        packet::RELAYED_MULTICAST,
    ];
    frame.protocol == protocol::EXTENSION && relayed.contains(&frame.packet)
}

pub(super) fn is_records(frame: &PeerFrame) -> bool {
    frame.protocol == protocol::EXTENSION && frame.packet == packet::RECORDS
}

/// Returns a channel frame for a topic, whose payload begins with a number.
pub(super) fn channel_frame(kind: FrameType, seq: Seq, topic: &[u8], number: u64) -> Frame {
    let mut payload = BytesMut::new();
    payload.put_u64(number);
    Frame::amop(kind, seq, topic, &payload)
}

/// Returns the same frame with another content.
fn altered(frame: &Frame) -> Option<Frame> {
    let body = split_topic(&frame.body).ok()?;
    let mut payload = BytesMut::new();
    if frame.kind == FrameType::RESPONSE {
        payload.put_u32(FORGER);
    } else {
        payload.put_u64(FORGED);
    }
    Some(Frame {
        result: result_code::SUCCESS,
        ..Frame::amop(frame.kind, frame.seq, &body.topic, &payload)
    })
}

fn read(bytes: Bytes) -> Option<Frame> {
    Frame::from_bytes(bytes, usize::MAX).ok()
}

/// Returns a passing message with another content and unchanged seals.
pub(super) fn alter(frame: &PeerFrame) -> Option<PeerFrame> {
    let body = frame.body.clone();
    let body = if frame.packet == packet::RELAYED_MULTICAST {
        let (spread, bytes) = RelayedMulticastHeader::decode(body)?;
        spread.encode(&altered(&read(bytes)?)?.to_bytes()[..])
    } else {
        let (relayed, bytes) = RelayedUnicastHeader::decode(body)?;
        relayed.encode(&altered(&read(bytes)?)?.to_bytes()[..])
    };
    Some(PeerFrame {
        body,
        ..frame.clone()
    })
}

/// Returns another node's message as if it came from a third node: a unicast or multicast for the
/// neighbour or for others.
pub(super) fn message(
    rng: &mut StdRng,
    (source, target): (RoutingKey, RoutingKey),
    topic: &[u8],
    id: u64,
) -> PeerFrame {
    let seq = Seq::random(rng);
    let unicast = channel_frame(FrameType::UNICAST, seq, topic, FORGED);
    let multicast = channel_frame(FrameType::MULTICAST, seq, topic, FORGED);
    let header = UnicastHeader { source, target, id };
    let seal = Seal {
        counter: rng.random(),
        mac: rng.random(),
    };
    let (packet, body) = match rng.random_range(0..4) {
        0 => (packet::UNICAST, header.encode(&unicast)),
        1 => {
            let relayed = RelayedUnicastHeader { header, seal };
            (packet::RELAYED_UNICAST, relayed.encode(&unicast))
        }
        2 => {
            let spread = MulticastHeader {
                source,
                id,
                targets: vec![target],
            };
            (packet::MULTICAST, spread.encode(&multicast))
        }
        _ => {
            let spread = RelayedMulticastHeader {
                voucher: source,
                source,
                id,
                targets: vec![(target, seal)],
            };
            (packet::RELAYED_MULTICAST, spread.encode(&multicast))
        }
    };
    extension(packet, HOPS, body)
}

/// Returns the node that a message names as its source.
pub(super) fn source_of(frame: &PeerFrame) -> Option<RoutingKey> {
    UnicastHeader::source_of(&frame.body)
}

/// Returns a message for a neighbour, with the same id, for a topic without subscribers.
pub(super) fn for_nobody(frame: &PeerFrame) -> Option<PeerFrame> {
    let other = |bytes| {
        let inner = read(bytes)?;
        let nobody = b"nobody's";
        Some(channel_frame(inner.kind, inner.seq, nobody, FORGED))
    };
    let body = frame.body.clone();
    let body = if frame.packet == packet::MULTICAST {
        let (spread, bytes) = MulticastHeader::decode(body)?;
        spread.encode(&other(bytes)?)
    } else {
        let (header, bytes) = UnicastHeader::decode(body)?;
        header.encode(&other(bytes)?)
    };
    Some(PeerFrame {
        body,
        ..frame.clone()
    })
}

/// Returns a unicast or answer from a distant node, as a neighbour would send it.
pub(super) fn direct(frame: &PeerFrame) -> Option<PeerFrame> {
    let packet = match frame.packet {
        packet::RELAYED_UNICAST => packet::UNICAST,
        packet::RELAYED_ANSWER => packet::ANSWER,
        _ => return None,
    };
    let (RelayedUnicastHeader { header, .. }, bytes) =
        RelayedUnicastHeader::decode(frame.body.clone())?;
    Some(extension(packet, frame.seq, header.encode(&read(bytes)?)))
}

/// Returns the record of a frame that has exactly one.
pub(super) fn only_record(frame: &PeerFrame) -> Option<Record> {
    if frame.packet != packet::RECORDS {
        return None;
    }
    let mut records = SignedRecord::decode_all(frame.body.clone(), usize::MAX).ok()?;
    let last = records.pop().filter(|_| records.is_empty())?;
    Some(last.into_record())
}

pub(super) fn records(record: &Record, signer: &SharedSecret) -> Option<PeerFrame> {
    let signed = record.clone().sign(signer)?;
    Some(extension(packet::RECORDS, 1, signed.bytes().clone()))
}

/// Returns multicasts for a neighbour with the ids that the source of a message is about to use.
/// Returns none if the source is the sender itself, which may send anything in its own name.
pub(super) fn with_next_ids(
    rng: &mut StdRng,
    (message, own): (&PeerFrame, RoutingKey),
    topic: &[u8],
) -> Vec<PeerFrame> {
    let body = message.body.clone();
    let named = match message.packet {
        packet::MULTICAST => {
            MulticastHeader::decode(body).map(|(spread, _)| (spread.source, spread.id))
        }
        packet::RELAYED_MULTICAST => {
            RelayedMulticastHeader::decode(body).map(|(spread, _)| (spread.source, spread.id))
        }
        _ => UnicastHeader::decode(body).map(|(header, _)| (header.source, header.id)),
    };
    let Some((source, id)) = named.filter(|&(source, _)| source != own) else {
        return Vec::new();
    };
    let mut forged = |id| {
        let seq = Seq::random(rng);
        let frame = channel_frame(FrameType::MULTICAST, seq, topic, FORGED);
        let spread = MulticastHeader {
            source,
            id,
            targets: Vec::new(),
        };
        extension(packet::MULTICAST, 1, spread.encode(&frame))
    };
    (1..=NEXT_IDS).map(|n| forged(id.wrapping_add(n))).collect()
}

/// Returns an answer to a passing unicast, as if from its target.
pub(super) fn answer(rng: &mut StdRng, unicast: &PeerFrame) -> Option<PeerFrame> {
    let (header, bytes) = match unicast.packet {
        packet::RELAYED_UNICAST => {
            let (relayed, bytes) = RelayedUnicastHeader::decode(unicast.body.clone())?;
            (relayed.header, bytes)
        }
        _ => UnicastHeader::decode(unicast.body.clone())?,
    };
    let request = read(bytes)?;
    let topic = split_topic(&request.body).ok()?.topic;
    let answer = Frame::amop(
        FrameType::RESPONSE,
        request.seq,
        &topic,
        &FORGER.to_be_bytes(),
    );
    let back = UnicastHeader {
        source: header.target,
        target: header.source,
        id: header.id,
    };
    let seal = Seal {
        counter: rng.random(),
        mac: rng.random(),
    };
    let (packet, body) = if rng.random() {
        (packet::ANSWER, back.encode(&answer))
    } else {
        let relayed = RelayedUnicastHeader { header: back, seal };
        (packet::RELAYED_ANSWER, relayed.encode(&answer))
    };
    Some(extension(packet, HOPS, body))
}

/// Returns a copy with as many hops as possible.
pub(super) fn again(frame: PeerFrame) -> PeerFrame {
    PeerFrame { seq: HOPS, ..frame }
}

/// The claims of a hostile node about nodes.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    /// The node that signs.
    pub(super) signer: NodeId,
    pub(super) version: u64,
    pub(super) agreement: [u8; 32],
    pub(super) neighbours: &'a [RoutingKey],
    pub(super) topics: Vec<(Bytes, u32)>,
}

impl Claims<'_> {
    fn whole(&self, subject: Subject, chain_of: &NodeId) -> Option<SignedRecord> {
        let claim = Claim {
            version: self.version,
            agreement: self.agreement,
            neighbours: self.neighbours.to_vec(),
            topics: self.topics.clone(),
        };
        let record = claim.of(subject, SharedSecret::new(*chain_of).chain());
        record.sign(&SharedSecret::new(self.signer))
    }

    /// Returns a record of a node, with that node's certificates.
    pub(super) fn of(&self, node: NodeId) -> Option<PeerFrame> {
        let record = self.whole(Subject::Node(node), &node)?;
        Some(extension(packet::RECORDS, 1, record.bytes().clone()))
    }

    /// Returns a record of a node, with the signer's own certificates.
    pub(super) fn with_own_chain(&self, node: NodeId) -> Option<PeerFrame> {
        let record = self.whole(Subject::Node(node), &self.signer)?;
        Some(extension(packet::RECORDS, 1, record.bytes().clone()))
    }

    /// Returns a record of a FISCO node behind the signer.
    pub(super) fn stub(&self, fisco: NodeId, border: NodeId) -> Option<PeerFrame> {
        let record = self.whole(Subject::Stub { fisco, border }, &self.signer)?;
        Some(extension(packet::RECORDS, 1, record.bytes().clone()))
    }
}

/// Returns a message in the sender's own name, proven with its key.
pub(super) fn in_own_name(
    rng: &mut StdRng,
    (own, target): (RoutingKey, RoutingKey),
    pair: &PairKey,
    topic: &[u8],
    counter: u64,
) -> PeerFrame {
    let (id, seq) = (rng.random_range(0..1 << 60), Seq::random(rng));
    let (purpose, kind) = if rng.random() {
        (MacPurpose::Unicast, FrameType::UNICAST)
    } else {
        (MacPurpose::Multicast, FrameType::MULTICAST)
    };
    let frame = channel_frame(kind, seq, topic, OWN);
    let statement = Statement {
        purpose,
        voucher: own,
        source: own,
        target,
        id,
        content: content_digest(&frame.to_bytes()),
    };
    let seal = pair.seal(&statement, counter);
    if purpose == MacPurpose::Unicast {
        let header = UnicastHeader {
            source: own,
            target,
            id,
        };
        let body = RelayedUnicastHeader { header, seal }.encode(&frame);
        return extension(packet::RELAYED_UNICAST, HOPS, body);
    }
    let spread = RelayedMulticastHeader {
        voucher: own,
        source: own,
        id,
        targets: vec![(target, seal)],
    };
    extension(packet::RELAYED_MULTICAST, HOPS, spread.encode(&frame))
}

/// Returns the channel frame of a relayed multicast.
pub(super) fn relayed_multicast(frame: &PeerFrame) -> Option<Frame> {
    if !is_relayed(frame) || frame.packet != packet::RELAYED_MULTICAST {
        return None;
    }
    read(RelayedMulticastHeader::decode(frame.body.clone())?.1)
}

/// Returns a forged answer, with its claimed source and its target.
pub(super) fn forged_answer(frame: &PeerFrame) -> Option<(RoutingKey, RoutingKey, Frame)> {
    if frame.protocol != protocol::EXTENSION {
        return None;
    }
    let (header, bytes) = match frame.packet {
        packet::ANSWER => UnicastHeader::decode(frame.body.clone())?,
        packet::RELAYED_ANSWER => {
            let (relayed, bytes) = RelayedUnicastHeader::decode(frame.body.clone())?;
            (relayed.header, bytes)
        }
        _ => return None,
    };
    let answer = read(bytes)?;
    let forged = split_topic(&answer.body).ok()?.payload[..] == FORGER.to_be_bytes();
    forged.then_some((header.source, header.target, answer))
}

/// A topic without subscribers: only forged records have it.
pub(super) const TOPIC: &str = "forged";

/// Returns questions about many nodes.
pub(super) fn question(rng: &mut StdRng, keys: &[RoutingKey]) -> PeerFrame {
    let many = keys.iter().copied().cycle().take(2000);
    match rng.random_range(0..3) {
        0 => extension(packet::ASK, 0, encode_keys(many)),
        1 => extension(packet::KNOWN, 0, encode_known(many.map(|key| (key, 0)))),
        _ => extension(packet::KNOWN, 0, Bytes::new()),
    }
}

/// Returns a frame that cannot be read.
pub(super) fn garbage(rng: &mut StdRng) -> PeerFrame {
    let mut body = vec![0; rng.random_range(0..300)];
    rng.fill(&mut body[..]);
    let protocol = if rng.random_range(0..4) == 0 {
        rng.random_range(-20..20)
    } else {
        protocol::EXTENSION
    };
    // Records that cannot be read end the connection; this is a separate wile.
    let packet = match rng.random_range(0..14) {
        packet::RECORDS => packet::ANSWER,
        packet => packet,
    };
    PeerFrame {
        protocol,
        packet,
        seq: rng.random(),
        body: body.into(),
    }
}

/// Returns a multicast in the sender's own name, for the neighbour. Every node may do this.
pub(super) fn own_multicast(
    rng: &mut StdRng,
    own: RoutingKey,
    topic: &[u8],
    seq: Seq,
) -> PeerFrame {
    let frame = channel_frame(FrameType::MULTICAST, seq, topic, OWN);
    let spread = MulticastHeader {
        source: own,
        id: rng.random_range(0..1 << 60),
        targets: Vec::new(),
    };
    extension(packet::MULTICAST, 1, spread.encode(&frame))
}
