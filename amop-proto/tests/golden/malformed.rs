//! How the channel codecs handle malformed frames and bodies (channel-v2 section 3.5).

use amop_proto::{
    MAX_TOPIC_LEN, TopicError, TopicName,
    channel::{
        AmopBodyError, Frame, FrameDecoder, FrameError, FrameType, HandshakeError,
        HandshakeRequest, PROTOCOL_MAX_FRAME, SetTopics, frame_topic, split_topic,
    },
};
use bytes::{Bytes, BytesMut};

use crate::vectors::{Check, SEQ_A, SEQ_B, Vector, Vectors};

pub(crate) const CHECKS: &[Check] = &[
    ("bad_length_below_header", |_, v| {
        refuses(v, FrameError::TooShort { len: 41 });
    }),
    ("bad_length_zero", |_, v| {
        refuses(v, FrameError::TooShort { len: 0 });
    }),
    ("bad_length_over_100MiB", |_, v| {
        let (len, max) = (104_857_601, PROTOCOL_MAX_FRAME);
        refuses(v, FrameError::TooLong { len, max });
        // A limit cannot be raised above that of the protocol.
        let decoder = FrameDecoder::new(usize::MAX);
        let result = decoder.decode(&mut BytesMut::from(&v.wire[..]));
        assert_eq!(result, Err(FrameError::TooLong { len, max }));
    }),
    ("partial_frame", partial),
    ("bad_topic_length_zero", |_, v| {
        assert_eq!(v.number("topic_length_byte"), 0);
        bad_body(v, b"\0hello", AmopBodyError::ZeroLength);
    }),
    ("bad_topic_length_beyond_body", |_, v| {
        assert_eq!(v.number("topic_length_byte"), 32);
        assert_eq!(v.number("bytes_after"), 3);
        let (len, available) = (31, 3);
        bad_body(v, b"\x20abc", AmopBodyError::BeyondBody { len, available });
    }),
    ("bad_topic_255", topic_255),
    ("bad_amop_empty_body", |_, v| {
        assert_eq!(v.text("body"), "");
        bad_body(v, b"", AmopBodyError::Empty);
    }),
    ("bad_unknown_type", |_, v| {
        assert_eq!(v.text("type"), "0x99");
        is_frame(v, FrameType(0x99), b"x");
    }),
    ("bad_handshake_json", |_, v| {
        let frame = is_frame(v, FrameType::HANDSHAKE, v.text("body").as_bytes());
        let error = HandshakeRequest::parse(&frame.body).unwrap_err();
        assert!(matches!(error, HandshakeError::Malformed(_)));
    }),
    ("bad_handshake_range", |_, v| {
        let request = HandshakeRequest {
            minimum_support: v.number("minimumSupport").try_into().unwrap(),
            maximum_support: 9,
            client_type: "x".to_owned(),
        };
        let frame = v.decode();
        assert_eq!(HandshakeRequest::parse(&frame.body), Ok(request.clone()));
        v.is_written_as(&request.to_frame(SEQ_A));
        let (minimum, maximum) = (4, 9);
        assert_eq!(
            request.negotiate(),
            Err(HandshakeError::NoCommonVersion { minimum, maximum })
        );
    }),
    ("bad_subscribe_object", |_, v| {
        let frame = is_frame(v, FrameType::SET_TOPICS, v.text("body").as_bytes());
        assert_eq!(SetTopics::parse(&frame.body), SetTopics::Keep);
    }),
    ("bad_subscribe_null", |_, v| {
        let frame = is_frame(v, FrameType::SET_TOPICS, v.text("body").as_bytes());
        assert_eq!(
            SetTopics::parse(&frame.body),
            SetTopics::Replace(Vec::new())
        );
    }),
    // The frame is well-formed; only the session can know that no request waits for it.
    ("unsolicited_response", |_, v| {
        assert_eq!(v.text("type"), "0x31");
        assert_eq!(v.text("seq").as_bytes(), SEQ_B.0);
        let frame = v.decode();
        assert_eq!((frame.kind, frame.seq), (FrameType::RESPONSE, SEQ_B));
        let body = frame_topic(b"topic1", b"late");
        v.is_written_as(&Frame::new(FrameType::RESPONSE, SEQ_B, body));
    }),
];

/// Checks that the stream cannot be read any further, and that this is known as soon as the length
/// field has arrived.
fn refuses(vector: &Vector, error: FrameError) {
    let len = match error {
        FrameError::TooShort { len } | FrameError::TooLong { len, .. } => len,
        other => unreachable!("not a stream's error: {other}"),
    };
    assert_eq!(vector.number("length_field"), len as i64);
    let decoder = FrameDecoder::new(PROTOCOL_MAX_FRAME);
    for cut in 0..=vector.wire.len() {
        let mut buffer = BytesMut::from(&vector.wire[..cut]);
        let expected = if cut < 4 { Ok(None) } else { Err(error) };
        assert_eq!(decoder.decode(&mut buffer), expected, "cut at {cut}");
        assert_eq!(buffer.len(), cut);
    }
    let result = Frame::from_bytes(vector.wire.clone(), PROTOCOL_MAX_FRAME);
    assert_eq!(result, Err(error));
}

fn partial(vectors: &Vectors, vector: &Vector) {
    vector.not_encoding(&["note"]);
    let whole = vectors.get("amop_unicast_request");
    let decoder = FrameDecoder::default();
    let mut buffer = BytesMut::from(&vector.wire[..]);
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    assert_eq!(buffer, vector.wire);
    buffer.extend_from_slice(&whole.wire[vector.wire.len()..]);
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(whole.decode())));

    assert_eq!(
        Frame::from_bytes(vector.wire.clone(), PROTOCOL_MAX_FRAME),
        Err(FrameError::Truncated { available: 50 })
    );
}

/// Checks that the vector is a valid frame of this type and body.
fn is_frame(vector: &Vector, kind: FrameType, body: &[u8]) -> Frame {
    let frame = vector.decode();
    assert_eq!((frame.kind, frame.seq, frame.result), (kind, SEQ_A, 0));
    assert_eq!(frame.body, body);
    let body = Bytes::copy_from_slice(body);
    vector.is_written_as(&Frame::new(kind, SEQ_A, body));
    frame
}

/// Checks that the vector is a valid unicast frame with an invalid body.
fn bad_body(vector: &Vector, body: &[u8], error: AmopBodyError) {
    let frame = is_frame(vector, FrameType::UNICAST, body);
    assert_eq!(split_topic(&frame.body), Err(error));
}

fn topic_255(_: &Vectors, vector: &Vector) {
    vector.not_encoding(&["note"]);
    assert_eq!(vector.number("topic_length"), 255);
    assert_eq!(vector.number("topic_length_byte"), 0);
    let frame = vector.decode();
    assert_eq!((frame.kind, frame.seq), (FrameType::UNICAST, SEQ_A));
    assert_eq!(split_topic(&frame.body), Err(AmopBodyError::ZeroLength));

    // A native client cannot build it.
    let topic = std::str::from_utf8(&frame.body[1..256]).unwrap();
    assert!(topic.len() > MAX_TOPIC_LEN);
    let refused = TopicName::new(topic);
    assert!(matches!(refused, Err(TopicError::TooLong { len: 255, .. })));
    let panicked = std::panic::catch_unwind(|| frame_topic(topic.as_bytes(), b""));
    assert!(panicked.is_err());

    let body = Bytes::from([&[0][..], topic.as_bytes(), &frame.body[256..]].concat());
    vector.is_written_as(&Frame::new(FrameType::UNICAST, SEQ_A, body));
}
