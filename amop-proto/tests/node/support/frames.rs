//! The frames of the tests.

use amop_proto::{
    channel::{Frame, FrameType, Seq, result_code, split_topic},
    p2p::{
        PeerFrame,
        mesh::{
            self, Agreement, MacPurpose, MulticastHeader, Record, RelayedMulticastHeader,
            RelayedUnicastHeader, RoutingKey, SharedSecret, SignedRecord, Statement,
            StatementSigner, Subject, UnicastHeader, Whole,
        },
        packet, protocol,
    },
};
use amop_testkit::machines;
use bytes::Bytes;

use super::{extension, net::node_id, peer_frame};

/// Returns a seq that shows its number.
pub(crate) fn seq(n: u64) -> Seq {
    Seq(format!("{n:032x}").into_bytes().try_into().unwrap())
}

pub(crate) fn unicast(n: u64, topic: &str, payload: &str) -> Frame {
    Frame::amop(
        FrameType::UNICAST,
        seq(n),
        topic.as_bytes(),
        payload.as_bytes(),
    )
}

pub(crate) fn multicast(n: u64, topic: &str, payload: &str) -> Frame {
    Frame::amop(
        FrameType::MULTICAST,
        seq(n),
        topic.as_bytes(),
        payload.as_bytes(),
    )
}

/// Returns a subscriber's answer to a push.
pub(crate) fn reply(push: &Frame, payload: &str) -> Frame {
    let topic = split_topic(&push.body).unwrap().topic;
    Frame::amop(FrameType::RESPONSE, push.seq, &topic, payload.as_bytes())
}

pub(crate) fn topic_seq(number: &str) -> PeerFrame {
    peer_frame(
        protocol::TOPIC,
        packet::TOPIC_SEQ,
        0,
        number.as_bytes().to_vec(),
    )
}

pub(crate) fn topic_list(seq: u32, text: &str) -> PeerFrame {
    peer_frame(
        -protocol::TOPIC,
        packet::TOPICS,
        seq,
        text.as_bytes().to_vec(),
    )
}

/// Wraps a channel frame in the form in which one node sends it to another.
pub(crate) fn from_node(seq: u32, inner: &Frame) -> PeerFrame {
    peer_frame(protocol::AMOP, packet::UNICAST, seq, inner.to_bytes())
}

/// Returns the channel frame in a message between nodes.
pub(crate) fn inner(message: &PeerFrame) -> Frame {
    assert_eq!(message.protocol.abs(), protocol::AMOP, "{message:?}");
    Frame::from_bytes(message.body.clone(), usize::MAX).unwrap()
}

/// Returns a node's key in routing.
pub(crate) fn key(n: usize) -> RoutingKey {
    RoutingKey::from(&node_id(n))
}

/// Returns the first packet of an overlay node, which is also its sign of life.
pub(crate) fn hello() -> PeerFrame {
    extension(mesh::packet::HELLO, 0, mesh::encode_hello())
}

/// Returns a packet that says which versions of which nodes' records are known.
pub(crate) fn known(versions: &[(usize, u64)]) -> PeerFrame {
    let versions = versions.iter().map(|&(n, version)| (key(n), version));
    extension(mesh::packet::KNOWN, 0, mesh::encode_known(versions))
}

/// Returns the key pair of node number `n` that its machine has when it starts at [`EPOCH`].
pub(crate) fn agreement(n: usize) -> Agreement {
    machines::agreement(node_id(n), n)
}

/// Returns the whole state of node number `n`.
pub(crate) fn state(n: usize, version: u64, links: &[usize], topics: &[(&str, u32)]) -> Record {
    Record {
        whole: Some(Whole {
            agreement: agreement(n).public(),
            chain: SharedSecret::new(node_id(n)).chain(),
        }),
        neighbours: Some(links.iter().map(|&n| key(n)).collect()),
        ..change(n, version, 0, topics)
    }
}

/// Returns the state of FISCO node number `n`, which node number `border` announces.
pub(crate) fn stub(n: usize, border: usize, version: u64, topics: &[(&str, u32)]) -> Record {
    Record {
        subject: Subject::Stub {
            fisco: node_id(n),
            border: node_id(border),
        },
        ..change(n, version, 0, topics)
    }
}

/// Returns a change of the subscriber counts of node number `n`.
pub(crate) fn change(n: usize, version: u64, base: u64, topics: &[(&str, u32)]) -> Record {
    let topics = topics.iter();
    Record {
        subject: Subject::Node(node_id(n)),
        version,
        base,
        whole: None,
        neighbours: None,
        topics: topics
            .map(|&(topic, count)| (topic.to_owned().into(), count))
            .collect(),
    }
}

/// Signs a record as the node that must sign it.
pub(crate) fn signed(record: &Record) -> SignedRecord {
    let signer = SharedSecret::new(*record.subject.signer());
    record.clone().sign(&signer).unwrap()
}

pub(crate) fn records(seq: u32, records: &[Record]) -> PeerFrame {
    let records: Vec<_> = records.iter().map(signed).collect();
    signed_records(seq, &records)
}

pub(crate) fn signed_records(seq: u32, records: &[SignedRecord]) -> PeerFrame {
    machines::records(seq, records)
}

/// Returns the records in a records packet.
pub(crate) fn read_records(frame: &PeerFrame) -> Vec<Record> {
    assert_eq!(
        (frame.protocol, frame.packet),
        (protocol::EXTENSION, mesh::packet::RECORDS)
    );
    let records = SignedRecord::decode_all(frame.body.clone(), usize::MAX).unwrap();
    let verifier = SharedSecret::new(node_id(0));
    assert!(records.iter().all(|record| record.is_signed(&verifier)));
    records.into_iter().map(SignedRecord::into_record).collect()
}

/// Returns a relayed unicast or answer of node number `from` to node number `to`.
pub(crate) fn relayed(
    packet: u16,
    (from, to): (usize, usize),
    (id, counter): (u64, u64),
    frame: &Frame,
) -> PeerFrame {
    let header = UnicastHeader {
        source: key(from),
        target: key(to),
        id,
    };
    let purpose = match packet {
        mesh::packet::RELAYED_ANSWER => MacPurpose::Answer,
        _ => MacPurpose::Unicast,
    };
    let statement = Statement {
        purpose,
        voucher: key(from),
        source: key(from),
        target: key(to),
        id,
        content: mesh::content_digest(&frame.to_bytes()),
    };
    let seal = pair_key(from, to).seal(&statement, counter);
    extension(
        packet,
        32,
        RelayedUnicastHeader { header, seal }.encode(frame),
    )
}

/// Returns a relayed multicast of node number `from` to node number `to`, in the name of `source`.
pub(crate) fn relayed_multicast(
    (from, source, to): (usize, usize, usize),
    (id, counter): (u64, u64),
    frame: &Frame,
) -> PeerFrame {
    let statement = Statement {
        purpose: MacPurpose::Multicast,
        voucher: key(from),
        source: key(source),
        target: key(to),
        id,
        content: mesh::content_digest(&frame.to_bytes()),
    };
    let seal = pair_key(from, to).seal(&statement, counter);
    let spread = RelayedMulticastHeader {
        voucher: key(from),
        source: key(source),
        id,
        targets: vec![(key(to), seal)],
    };
    extension(mesh::packet::RELAYED_MULTICAST, 32, spread.encode(frame))
}

/// Returns the key that two nodes share.
pub(crate) fn pair_key(a: usize, b: usize) -> mesh::PairKey {
    let other = agreement(b).public();
    agreement(a).with(&node_id(b), &other).unwrap()
}

/// Returns the acknowledgement of a records packet.
pub(crate) fn taken(seq: u32) -> PeerFrame {
    extension(mesh::packet::TAKEN, seq, "")
}

/// Reads a unicast between overlay nodes, or its answer.
pub(crate) fn with_header(frame: &PeerFrame, packet: u16) -> (UnicastHeader, Frame) {
    assert_eq!(
        (frame.protocol, frame.packet),
        (protocol::EXTENSION, packet),
        "{frame:?}"
    );
    let (header, bytes) = UnicastHeader::decode(frame.body.clone()).unwrap();
    (header, Frame::from_bytes(bytes, usize::MAX).unwrap())
}

/// Reads a relayed unicast or answer.
pub(crate) fn relayed_envelope(frame: &PeerFrame, packet: u16) -> (UnicastHeader, Frame) {
    assert_eq!(
        (frame.protocol, frame.packet),
        (protocol::EXTENSION, packet),
        "{frame:?}"
    );
    let (relayed, bytes) = RelayedUnicastHeader::decode(frame.body.clone()).unwrap();
    let frame = Frame::from_bytes(bytes, usize::MAX).unwrap();
    (relayed.header, frame)
}

/// Reads a multicast between overlay nodes.
pub(crate) fn spread(frame: &PeerFrame) -> (MulticastHeader, Frame) {
    assert_eq!(
        (frame.protocol, frame.packet),
        (protocol::EXTENSION, mesh::packet::MULTICAST),
        "{frame:?}"
    );
    let (spread, bytes) = MulticastHeader::decode(frame.body.clone()).unwrap();
    (spread, Frame::from_bytes(bytes, usize::MAX).unwrap())
}

pub(crate) fn error(n: u64, result: i32, body: impl Into<Bytes>) -> Frame {
    Frame {
        kind: FrameType::RESPONSE,
        seq: seq(n),
        result,
        body: body.into(),
    }
}

/// Returns the refusal of a request, with result 104.
pub(crate) fn refused(request: &Frame) -> Frame {
    Frame {
        kind: FrameType::RESPONSE,
        result: result_code::NO_SESSION,
        ..request.clone()
    }
}
