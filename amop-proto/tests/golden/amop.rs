//! AMOP messages between an SDK and its node: unicast, multicast, private topics
//! (channel-v2 sections 7 to 9).

use amop_proto::channel::{
    Frame, FrameDecoder, FrameType, Seq, VerifyRequest, frame_topic, heartbeat_answer, result_code,
    split_topic,
};
use amop_proto::{TopicName, channel::ProtocolVersion};
use bytes::{Bytes, BytesMut};

use crate::vectors::{Check, SEQ_A, SEQ_B, Vector, Vectors};

/// The verification route of the private topic `hello`.
const ROUTE: &str = "#!$VerifyChannel_#!$TopicNeedVerify_hello_92be6ce4dbd311eaae5a983b8fda4e0e";

pub(crate) const CHECKS: &[Check] = &[
    ("amop_unicast_request", |_, v| {
        unicast(v, "topic1", b"hello")
    }),
    ("amop_unicast_request_empty_payload", |_, v| {
        unicast(v, "topic1", b"")
    }),
    ("amop_unicast_request_empty_topic", |_, v| {
        // The wire can carry it; native clients do not send it, since topic lists between nodes
        // cannot contain it.
        is_amop(v, FrameType::UNICAST, SEQ_A, "", b"hello");
        assert!(TopicName::new("").is_err());
    }),
    ("amop_unicast_request_non_ascii_topic", |_, v| {
        unicast(v, "话题", "消息".as_bytes())
    }),
    ("amop_unicast_request_binary_payload", |_, v| {
        unicast(v, "bin", &v.hex("payload_hex"))
    }),
    ("amop_unicast_request_topic_254", |_, v| {
        unicast(v, &"t".repeat(254), b"x")
    }),
    ("amop_unicast_request_topic_126", |_, v| {
        unicast(v, &"a".repeat(126), b"x")
    }),
    ("amop_unicast_request_topic_127", |_, v| {
        unicast(v, &"a".repeat(127), b"x")
    }),
    ("amop_unicast_request_binary_seq", |_, v| {
        let seq = Seq(v.hex("seq_hex")[..].try_into().unwrap());
        is_amop(v, FrameType::UNICAST, seq, "topic1", b"hello");
    }),
    ("amop_unicast_response_ok", |vectors, v| {
        let request = vectors.get("amop_unicast_request").decode();
        responds(
            v,
            &request,
            result_code::SUCCESS,
            frame_topic(b"topic1", b"world"),
        );
    }),
    ("amop_unicast_response_error_100", |vectors, v| {
        let request = vectors.get("amop_unicast_request").decode();
        responds(v, &request, result_code::NO_SUBSCRIBER, Bytes::new());
    }),
    ("amop_unicast_response_error_104", |vectors, v| {
        let request = vectors.get("amop_unicast_request").decode();
        responds(v, &request, result_code::NO_SESSION, request.body.clone());
    }),
    ("amop_response_error_103", |vectors, v| {
        for request in ["amop_unicast_request", "amop_multicast_request"] {
            let request = vectors.get(request).decode();
            responds(v, &request, result_code::OVER_LIMIT, Bytes::new());
        }
    }),
    ("amop_multicast_request", |_, v| {
        is_amop(v, FrameType::MULTICAST, SEQ_A, "topic1", b"hello all");
    }),
    ("amop_multicast_ack", |vectors, v| {
        let request = vectors.get("amop_multicast_request").decode();
        responds(v, &request, result_code::SUCCESS, request.body.clone());
    }),
    ("two_frames_back_to_back", two_frames),
    ("private_verify_request_0x37", verify_request),
    ("private_verify_ack_go", |vectors, v| {
        let request = vectors.get("private_verify_request_0x37").decode();
        // go-sdk adds the prefix to a route that already has it.
        let topic = format!("#!$VerifyChannel_{ROUTE}");
        responds(
            v,
            &request,
            result_code::SUCCESS,
            frame_topic(topic.as_bytes(), b""),
        );
    }),
    ("private_verify_ack_java", |vectors, v| {
        v.frame();
        let request = vectors.get("private_verify_request_0x37").decode();
        v.is_written_as(&Frame::new(FrameType::VERIFY_PEER, request.seq, ""));
    }),
    ("private_challenge_go", |_, v| {
        is_amop(v, FrameType::UNICAST, SEQ_B, ROUTE, &v.hex("payload_hex"));
    }),
    ("private_challenge_response_go_java", challenge_response),
    ("private_challenge_java", |vectors, v| {
        let challenge = b"14131f50ef7302019d48e1f9c441db87";
        is_amop(v, FrameType::UNICAST, SEQ_B, ROUTE, challenge);
        assert_eq!(
            v.text("private_key_hex"),
            vectors.constant("private_key_hex")
        );
        assert_eq!(v.hex("expected_signature_hex").len(), 65);
        assert_eq!(v.hex("keccak256_hex").len(), 32);
    }),
    ("private_challenge_web3sdk", |_, v| {
        nested(v, FrameType::UNICAST)
    }),
    ("private_challenge_response_web3sdk", |_, v| {
        nested(v, FrameType::RESPONSE)
    }),
    ("private_update_status_ok_0x38", |vectors, v| {
        verdict(vectors, v, true);
    }),
    ("private_update_status_fail_0x38", |vectors, v| {
        verdict(vectors, v, false);
    }),
];

/// Checks that the vector is this message, by reading and writing it.
fn is_amop(vector: &Vector, kind: FrameType, seq: Seq, topic: &str, payload: &[u8]) {
    let frame = vector.frame();
    let body = split_topic(&frame.body).unwrap();
    assert_eq!((frame.kind, frame.seq, frame.result), (kind, seq, 0));
    assert_eq!(
        (&body.topic[..], &body.payload[..]),
        (topic.as_bytes(), payload)
    );
    vector.is_written_as(&Frame::amop(kind, seq, topic.as_bytes(), payload));
}

fn unicast(vector: &Vector, topic: &str, payload: &[u8]) {
    let topic = TopicName::new(topic).unwrap();
    is_amop(vector, FrameType::UNICAST, SEQ_A, topic.as_str(), payload);
}

fn responds(vector: &Vector, request: &Frame, result: i32, body: Bytes) {
    vector.frame();
    vector.is_written_as(&request.respond(result, body));
}

fn two_frames(vectors: &Vectors, vector: &Vector) {
    vector.not_encoding(&["frame_1", "frame_2"]);
    let request = vectors.get("amop_unicast_request").decode();
    let body = heartbeat_answer(ProtocolVersion::V3, b"").unwrap();
    let heartbeat = Frame::new(FrameType::HEARTBEAT, SEQ_B, body);

    let decoder = FrameDecoder::default();
    let mut buffer = BytesMut::from(&vector.wire[..]);
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(request.clone())));
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(heartbeat.clone())));
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    assert!(buffer.is_empty());

    let mut out = BytesMut::new();
    request.encode(&mut out);
    heartbeat.encode(&mut out);
    assert_eq!(out, vector.wire);
}

fn verify_request(vectors: &Vectors, vector: &Vector) {
    let frame = vector.frame();
    assert_eq!(frame.kind, FrameType::VERIFY_PEER);
    assert_eq!(frame.seq.to_string(), format!("{:032}", 1));
    let node = vectors.constant("node_id");
    let body = format!(
        "{{\"nodeId\":\"{node}\",\"topic\":\"#!$TopicNeedVerify_hello\",\"topicForCert\":\"{ROUTE}\"}}\n"
    );
    let request = VerifyRequest::parse(body.as_bytes()).unwrap();
    assert_eq!(request.node.to_string(), node);
    assert_eq!(request.topic.as_str(), "hello");
    assert_eq!(request.route.as_str(), ROUTE);
    vector.is_written_as(&Frame::new(FrameType::VERIFY_PEER, frame.seq, body));
}

fn challenge_response(vectors: &Vectors, vector: &Vector) {
    let challenge = vectors.get("private_challenge_go").decode();
    let signature = vector.hex("signature_r_s_v_hex");
    assert_eq!(signature.len(), 65);
    let body = frame_topic(ROUTE.as_bytes(), &signature);
    responds(vector, &challenge, result_code::SUCCESS, body);

    // The signed message is the challenge; the codec does not check the signature.
    let challenge = split_topic(&challenge.body).unwrap();
    assert_eq!(vector.hex("signed_message_hex"), challenge.payload);
    vector.not_encoding(&["keccak256_hex"]);
    for key in ["private_key_hex", "public_key_uncompressed_hex"] {
        assert_eq!(vector.text(key), vectors.constant(key), "{key}");
    }
}

/// Checks a vector of web3sdk, which nests the topic's framing, a length and JSON in the payload
/// (channel-v2 section 9.4).
fn nested(vector: &Vector, kind: FrameType) {
    let json = vector.text("inner_json").as_bytes();
    let mut inner = u16::try_from(json.len()).unwrap().to_be_bytes().to_vec();
    inner.extend_from_slice(json);
    let inner = frame_topic(ROUTE.as_bytes(), &inner);
    is_amop(vector, kind, SEQ_B, ROUTE, &inner);
}

fn verdict(vectors: &Vectors, vector: &Vector, good: bool) {
    vector.frame();
    let request = vectors.get("private_verify_request_0x37").decode();
    let request = VerifyRequest::parse(&request.body).unwrap();
    let kind = FrameType::VERIFY_RESULT;
    vector.is_written_as(&Frame::new(kind, SEQ_A, request.result(good)));
}
