//! Well-formed and malformed messages between nodes (p2p-v2 sections 4 to 7 and 10).

use amop_proto::{
    channel::{Frame, FrameError, PROTOCOL_MAX_FRAME, result_code},
    p2p::{
        PeerCodec, PeerFrame, PeerFrameError, TopicList, TopicListError, packet, parse_topic_seq,
        protocol,
    },
};
use bytes::{Bytes, BytesMut};

use crate::vectors::{Check, Vector, Vectors};

pub(crate) const CHECKS: &[Check] = &[
    ("p2p_send_topic_seq", |_, v| {
        let frame = documented(v, body_text(v));
        assert_eq!(parse_topic_seq(&frame.body), Ok(5));
        v.is_peer(protocol::TOPIC, packet::TOPIC_SEQ, 0, "5");
    }),
    ("p2p_request_topics", |_, v| {
        documented(v, body_text(v));
        v.is_peer(protocol::TOPIC, packet::REQUEST_TOPICS, 7, "");
    }),
    ("p2p_send_topics", |_, v| {
        topics(v, 7, 5, &["_block_notify_1", "topic1"])
    }),
    ("p2p_send_topics_none", |_, v| topics(v, 8, 6, &[])),
    ("p2p_send_topics_non_ascii", |_, v| {
        topics(v, 9, 7, &["话题"])
    }),
    ("p2p_amop_unicast_request", |vectors, v| {
        let inner = carries(vectors, v);
        v.is_peer(protocol::AMOP, packet::UNICAST, 10, inner.to_bytes());
    }),
    ("p2p_amop_unicast_response", |vectors, v| {
        let inner = carries(vectors, v);
        v.is_peer(-protocol::AMOP, packet::UNICAST, 10, inner.to_bytes());
    }),
    ("p2p_amop_unicast_response_error_104", |vectors, v| {
        carries(vectors, v);
        // The request itself becomes the answer (p2p-v2 section 7.2).
        let request = vectors.get("amop_unicast_request").decode();
        let answer = request.respond(result_code::NO_SESSION, request.body.clone());
        v.is_peer(-protocol::AMOP, packet::UNICAST, 10, answer.to_bytes());
    }),
    ("p2p_amop_multicast", |vectors, v| {
        let inner = carries(vectors, v);
        v.is_peer(protocol::AMOP, packet::MULTICAST, 11, inner.to_bytes());
    }),
    ("p2p_group1_pbft_example", |_, v| {
        let frame = documented(v, Bytes::from_static(&[0]));
        let id = v.number("group") << 16 | v.number("module");
        assert_eq!(i64::from(frame.protocol), id);
        assert!(!frame.is_response());
    }),
    ("p2p_amop_unicast_request_snappy", snappy),
    (
        "p2p_amop_unicast_request_large_uncompressed",
        large_uncompressed,
    ),
    ("p2p_amop_body_exactly_1024", exactly_1024),
    ("p2p_bad_length_below_header", |_, v| {
        refuses(v, PeerFrameError::TooShort { len: 15 });
    }),
    ("p2p_bad_length_over_100MiB", |_, v| {
        let (len, max) = (104_857_601, PROTOCOL_MAX_FRAME);
        refuses(v, PeerFrameError::TooLong { len, max });
    }),
    ("p2p_bad_snappy", |_, v| {
        assert_eq!(v.text("version_field"), "0x8000");
        v.not_encoding(&["body"]);
        // The message is lost, but the connection is not.
        let frame = peer(protocol::AMOP, packet::UNICAST, 14, Bytes::new());
        assert_eq!(decode(&PeerCodec::default(), v), frame);
    }),
    ("p2p_bad_topic_seq_text", |_, v| {
        let body = body_text(v);
        assert_eq!(parse_topic_seq(&body), Err(TopicListError::BadNumber));
        assert_eq!(TopicList::parse(&body, 9), Err(TopicListError::BadNumber));
        v.is_peer(protocol::TOPIC, packet::TOPIC_SEQ, 0, body);
    }),
    ("p2p_amop_truncated_channel_frame", |vectors, v| {
        v.not_encoding(&["inner"]);
        let cut = vectors.get("amop_unicast_request").wire.slice(..40);
        v.is_peer(protocol::AMOP, packet::UNICAST, 15, cut.clone());
        let available = 40;
        assert_eq!(
            Frame::from_bytes(cut, PROTOCOL_MAX_FRAME),
            Err(FrameError::Truncated { available })
        );
    }),
    ("p2p_protocol_zero", |_, v| {
        assert_eq!(v.number("protocolID"), 0);
        v.is_peer(0, 0, 16, "");
        assert!(decode(&PeerCodec::default(), v).is_response());
    }),
    ("p2p_response_unknown_seq", |vectors, v| {
        assert_eq!(v.number("protocolID"), -1);
        let inner = vectors.get("amop_unicast_request").wire.clone();
        v.is_peer(-protocol::AMOP, packet::UNICAST, 0x7fff_ffff, inner);
        assert!(decode(&PeerCodec::default(), v).is_response());
    }),
    ("p2p_unknown_protocol", |_, v| {
        let id = v.number("group") << 16 | v.number("module");
        v.is_peer(id.try_into().unwrap(), 0, 17, "x");
    }),
];

impl Vector {
    /// Checks that the vector is this message, by reading and writing it.
    fn is_peer(&self, protocol: i32, packet: u16, seq: u32, body: impl Into<Bytes>) {
        let frame = peer(protocol, packet, seq, body);
        let codec = PeerCodec::default();
        assert_eq!(decode(&codec, self), frame, "{}", self.name);
        self.is_encoded(&codec, &frame);
    }

    fn is_encoded(&self, codec: &PeerCodec, frame: &PeerFrame) {
        let mut out = BytesMut::new();
        codec.encode(frame, &mut out);
        let name = &self.name;
        assert_eq!(hex::encode(&out), hex::encode(&self.wire), "{name}");
    }
}

fn peer(protocol: i32, packet: u16, seq: u32, body: impl Into<Bytes>) -> PeerFrame {
    PeerFrame {
        protocol,
        packet,
        seq,
        body: body.into(),
    }
}

/// Returns the documented text, in which a tab is written as a backslash and a `t`.
fn body_text(vector: &Vector) -> Bytes {
    vector.text("body_text").replace("\\t", "\t").into()
}

fn decode(codec: &PeerCodec, vector: &Vector) -> PeerFrame {
    let mut buffer = BytesMut::from(&vector.wire[..]);
    let frame = codec.decode(&mut buffer).unwrap().unwrap();
    assert!(buffer.is_empty(), "{}", vector.name);
    frame
}

/// Returns the codec for the header that is documented for the vector.
fn codec(vector: &Vector) -> PeerCodec {
    match vector.text("header") {
        "16-byte (RC2 and later)" | "16-byte" => PeerCodec::default(),
        other => panic!("{}: unknown header {other}", vector.name),
    }
}

/// Returns the documented header with this body.
fn documented_peer(vector: &Vector, body: Bytes) -> PeerFrame {
    peer(
        vector.number("protocolID").try_into().unwrap(),
        vector.number("packetType").try_into().unwrap(),
        vector.number("seq").try_into().unwrap(),
        body,
    )
}

/// Checks that the vector is the documented header and this body, by reading and writing it.
fn documented(vector: &Vector, body: Bytes) -> PeerFrame {
    let frame = documented_peer(vector, body);
    let codec = codec(vector);
    assert_eq!(decode(&codec, vector), frame, "{}", vector.name);
    vector.is_encoded(&codec, &frame);
    frame
}

/// Checks that the vector carries the channel frame of another one.
fn carries(vectors: &Vectors, vector: &Vector) -> Frame {
    let inner = vectors.get(vector.text("inner"));
    let frame = documented(vector, inner.wire.clone());
    let carried = Frame::from_bytes(frame.body, PROTOCOL_MAX_FRAME).unwrap();
    assert_eq!(carried, inner.decode());
    carried
}

fn topic_list(seq: u32, topics: &[&'static str]) -> TopicList {
    let topics = topics.iter().copied().map(Bytes::from).collect();
    TopicList { seq, topics }
}

fn topics(vector: &Vector, frame_seq: u32, seq: u32, topics: &[&'static str]) {
    let frame = documented(vector, body_text(vector));
    let list = topic_list(seq, topics);
    assert_eq!(
        TopicList::parse(&frame.body, topics.len()),
        Ok(list.clone())
    );
    vector.is_peer(-protocol::TOPIC, packet::TOPICS, frame_seq, list.encode());
}

fn snappy(_: &Vectors, vector: &Vector) {
    assert_eq!(vector.text("version_field"), "0x8000 (compressed)");
    assert_eq!(vector.wire[4..6], [0x80, 0]);
    let body = vector.hex("uncompressed_body_hex");
    assert_eq!(vector.number("uncompressed_length"), body.len() as i64);
    let compressed = vector.wire.len() - 16;
    assert_eq!(vector.number("compressed_length"), compressed as i64);

    // Readers need no setting to read compressed frames.
    let codec = codec(vector);
    let frame = documented_peer(vector, body);
    assert_eq!(decode(&codec, vector), frame);
    // Any valid block would be correct; this one is equal to that of the reference encoder.
    vector.is_encoded(&codec.with_compression(true), &frame);
    let inner = Frame::from_bytes(frame.body.clone(), PROTOCOL_MAX_FRAME).unwrap();
    assert_eq!(inner.to_bytes(), frame.body);
}

fn large_uncompressed(vectors: &Vectors, vector: &Vector) {
    assert_eq!(vector.text("version_field"), "0x0000");
    assert_eq!(vector.wire[4..6], [0, 0]);
    let body = vectors
        .get("p2p_amop_unicast_request_snappy")
        .hex("uncompressed_body_hex");
    assert_eq!(vector.number("uncompressed_length"), body.len() as i64);
    documented(vector, body);
}

fn exactly_1024(_: &Vectors, vector: &Vector) {
    assert_eq!(vector.text("version_field"), "0x0000");
    assert_eq!(vector.number("body_length"), 1024);
    let frame = documented(vector, vector.wire.slice(16..));
    assert_eq!(frame.body.len(), 1024);
    // A body with exactly the threshold's length is not compressed (p2p-v2 section 4.5).
    vector.is_encoded(&codec(vector).with_compression(true), &frame);
    let inner = Frame::from_bytes(frame.body.clone(), PROTOCOL_MAX_FRAME).unwrap();
    assert_eq!(inner.to_bytes(), frame.body);
}

/// Checks that the stream cannot be read any further, and that this is known as soon as the length
/// field has arrived.
fn refuses(vector: &Vector, error: PeerFrameError) {
    let (PeerFrameError::TooShort { len } | PeerFrameError::TooLong { len, .. }) = error else {
        unreachable!("not a stream's error: {error}");
    };
    assert_eq!(vector.number("length_field"), len as i64);
    for cut in 0..=vector.wire.len() {
        let mut buffer = BytesMut::from(&vector.wire[..cut]);
        let expected = if cut < 4 { Ok(None) } else { Err(error) };
        let result = PeerCodec::new(usize::MAX).decode(&mut buffer);
        assert_eq!(result, expected, "cut at {cut}");
    }
}
