//! The frames the tests are made of.

use amop_proto::{
    channel::{Frame, FrameType, Seq, code, split_topic},
    p2p::{
        PeerFrame,
        mesh::{self, Envelope, NodeKey, Record, Spread},
        packet, protocol,
    },
};
use bytes::{Bytes, BytesMut};

use super::net::node_id;

/// A seq that shows its number.
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

/// A subscriber's answer to a push.
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

pub(crate) fn peer_frame(
    protocol: i32,
    packet: u16,
    seq: u32,
    body: impl Into<Bytes>,
) -> PeerFrame {
    PeerFrame {
        protocol,
        packet,
        seq,
        body: body.into(),
    }
}

/// A channel frame as one node asks another to deliver it.
pub(crate) fn from_node(seq: u32, inner: &Frame) -> PeerFrame {
    peer_frame(protocol::AMOP, packet::UNICAST, seq, inner.to_bytes())
}

/// The channel frame in a message between nodes.
pub(crate) fn inner(message: &PeerFrame) -> Frame {
    assert_eq!(message.protocol.abs(), protocol::AMOP, "{message:?}");
    Frame::from_bytes(message.body.clone(), usize::MAX).unwrap()
}

/// The node's name in routing.
pub(crate) fn key(n: usize) -> NodeKey {
    NodeKey::from(&node_id(n))
}

/// A packet of the extension that nodes of ours speak.
pub(crate) fn extension(packet: u16, seq: u32, body: impl Into<Bytes>) -> PeerFrame {
    peer_frame(protocol::EXTENSION, packet, seq, body)
}

/// What nodes of ours say first, and as a sign of life.
pub(crate) fn hello() -> PeerFrame {
    extension(mesh::packet::HELLO, 0, vec![mesh::VERSION])
}

/// Tells which versions of which nodes' records are known.
pub(crate) fn known(versions: &[(usize, u64)]) -> PeerFrame {
    let versions = versions.iter().map(|&(n, version)| (key(n), version));
    extension(mesh::packet::KNOWN, 0, mesh::encode_known(versions))
}

/// The whole state of node number `n`.
pub(crate) fn state(n: usize, version: u64, links: &[usize], topics: &[(&str, u32)]) -> Record {
    Record {
        node: Some(node_id(n)),
        neighbours: Some(links.iter().map(|&n| key(n)).collect()),
        ..change(n, version, 0, topics)
    }
}

/// A change of the subscriber counts of node number `n`.
pub(crate) fn change(n: usize, version: u64, base: u64, topics: &[(&str, u32)]) -> Record {
    let topics = topics.iter();
    Record {
        key: key(n),
        version,
        base,
        node: None,
        neighbours: None,
        topics: topics
            .map(|&(topic, count)| (topic.to_owned().into(), count))
            .collect(),
    }
}

pub(crate) fn records(seq: u32, records: &[Record]) -> PeerFrame {
    let mut body = BytesMut::new();
    for record in records {
        record.encode(&mut body);
    }
    extension(mesh::packet::RECORDS, seq, body.freeze())
}

/// The records in such a packet.
pub(crate) fn read_records(frame: &PeerFrame) -> Vec<Record> {
    assert_eq!(
        (frame.protocol, frame.packet),
        (protocol::EXTENSION, mesh::packet::RECORDS)
    );
    Record::decode_all(frame.body.clone(), usize::MAX).unwrap()
}

/// What is said to such a packet.
pub(crate) fn taken(seq: u32) -> PeerFrame {
    extension(mesh::packet::TAKEN, seq, "")
}

/// A unicast on its way between nodes of ours, or its answer.
pub(crate) fn enveloped(frame: &PeerFrame, packet: u16) -> (Envelope, Frame) {
    assert_eq!(
        (frame.protocol, frame.packet),
        (protocol::EXTENSION, packet),
        "{frame:?}"
    );
    let (envelope, bytes) = Envelope::open(frame.body.clone()).unwrap();
    (envelope, Frame::from_bytes(bytes, usize::MAX).unwrap())
}

/// A multicast on its way between nodes of ours.
pub(crate) fn spread(frame: &PeerFrame) -> (Spread, Frame) {
    assert_eq!(
        (frame.protocol, frame.packet),
        (protocol::EXTENSION, mesh::packet::MULTICAST),
        "{frame:?}"
    );
    let (spread, bytes) = Spread::open(frame.body.clone()).unwrap();
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

/// The request comes back with a 104.
pub(crate) fn refused(request: &Frame) -> Frame {
    Frame {
        kind: FrameType::RESPONSE,
        result: code::NO_SESSION,
        ..request.clone()
    }
}
