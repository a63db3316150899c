//! The frames the tests are made of.

use amop_proto::{
    channel::{Frame, FrameType, Seq, code, split_topic},
    p2p::{PeerFrame, encode_counts, packet, protocol},
};
use bytes::Bytes;

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

/// Our own nodes' packet of subscriber counts, of no particular version.
pub(crate) fn update_counts(counts: &[(&str, u32)]) -> PeerFrame {
    counts_at(0, counts)
}

/// The same, of a version of the sender's topics.
pub(crate) fn counts_at(version: u32, counts: &[(&str, u32)]) -> PeerFrame {
    let counts = counts.iter().map(|&(topic, n)| (topic.as_bytes(), n));
    peer_frame(
        protocol::EXTENSION,
        packet::COUNTS,
        version,
        encode_counts(counts),
    )
}

/// What is said to such a packet.
pub(crate) fn acknowledge(version: u32) -> PeerFrame {
    peer_frame(-protocol::EXTENSION, packet::COUNTS, version, "")
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
