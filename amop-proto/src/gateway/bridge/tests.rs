//! What the numbers and contents of one protocol mean in the other. Whole bridges are tested with
//! node machines, in `tests/node/gateway`.

use bytes::Bytes;

use super::translate::{
    GatewayReply, LATE, LOST, NOBODY, Refusal, answer_of, crosses, refusal_of, reply_of,
    request_body,
};
use crate::{
    channel::{Frame, FrameType, Seq, frame_topic, result_code},
    ws::{AmopRequest, WsMessage, WsSeq, WsStatus, WsType},
};

const SEQ: Seq = Seq([b'a'; Seq::LEN]);

fn response(result: i32, body: Bytes) -> Frame {
    Frame::new(FrameType::UNICAST, SEQ, Bytes::new()).respond(result, body)
}

fn message(kind: WsType, status: i16) -> Bytes {
    let message = WsMessage {
        status: WsStatus(status),
        ..WsMessage::new(kind, WsSeq::EMPTY, "text")
    };
    message.encode().unwrap().to_bytes()
}

#[test]
fn a_request_has_topic_and_data() {
    let body = request_body(b"topic1", b"hello");
    assert_eq!(
        AmopRequest::decode(&body),
        Ok(AmopRequest::new("topic1", "hello"))
    );
}

#[test]
fn topics_that_one_protocol_cannot_have_do_not_cross() {
    assert!(crosses("价格".as_bytes()));
    assert!(crosses(&[b'x'; 254]));
    for topic in [
        &b""[..],
        &[b'x'; 255],
        b"a\tb",
        b"\xff",
        b"#!$TopicNeedVerify_x",
    ] {
        assert!(!crosses(topic), "{topic:?}");
    }
}

#[test]
fn errors_say_whether_somebody_can_have_the_message() {
    for status in [3001, 3002, 3003, -4009, -4011, -1, -7, -8] {
        assert_eq!(refusal_of(status), Refusal::Undelivered, "{status}");
    }
    assert_eq!(refusal_of(-4006), Refusal::Final(101));
    for status in [-4008, 0, 100, 103, 104] {
        let late = Refusal::Final(result_code::TIMEOUT);
        assert_eq!(refusal_of(status), late, "{status}");
    }
    assert_eq!(refusal_of(42), Refusal::Final(42));
}

#[test]
fn a_subscribers_answer_becomes_a_result() {
    let body = frame_topic(b"t", b"text");
    let answered = |kind, status| answer_of(message(kind, status), b"t");
    assert_eq!(answered(WsType::RESPONSE, 0), (0, body.clone()));
    assert_eq!(answered(WsType::RESPONSE, 42), (42, body.clone()));
    // The number would let the next subscriber be asked.
    assert_eq!(answered(WsType::RESPONSE, 104), (102, body.clone()));
    let broken = answer_of(Bytes::from_static(b"\0\0"), b"t");
    assert_eq!(broken, (result_code::TIMEOUT, Bytes::new()));
    // Some subscribers give their answers the type of a node's.
    for status in [3001, 3002, -1] {
        let answer = answered(WsType::NODE_ANSWER, status);
        assert_eq!(answer, (status.into(), body.clone()));
    }
}

#[test]
fn a_result_becomes_a_status() {
    for result in [99, 100, 104] {
        assert_eq!(reply_of(&response(result, Bytes::new())), NOBODY);
    }
    // A subscriber may have the message.
    assert_eq!(reply_of(&response(101, Bytes::new())), LOST);
    assert_eq!(reply_of(&response(102, Bytes::new())), LATE);
    let GatewayReply::Error(-1, _) = reply_of(&response(103, Bytes::new())) else {
        panic!("an error");
    };
    let GatewayReply::Error(-1, _) = reply_of(&response(1 << 20, Bytes::new())) else {
        panic!("an error");
    };
    for result in [0, 42, 105] {
        let answer = response(result, frame_topic(b"t", b"text"));
        let GatewayReply::Message(message) = reply_of(&answer) else {
            panic!("a message");
        };
        let message = WsMessage::decode(message, 1024).unwrap();
        assert_eq!(
            (message.kind, i32::from(message.status.0)),
            (WsType::RESPONSE, result)
        );
        assert_eq!(message.payload, "text");
        assert_eq!(message.seq.as_seq(), Some(SEQ));
    }
    // Other SDKs acknowledge with an empty body.
    assert!(matches!(
        reply_of(&response(0, Bytes::new())),
        GatewayReply::Message(_)
    ));
}
