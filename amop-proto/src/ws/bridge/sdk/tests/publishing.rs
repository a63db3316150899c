//! Messages of the SDK.

use super::*;
use crate::{
    channel::{NO_ACK, result_code},
    ws::server::WsServerNotice,
};

#[test]
fn a_unicast_keeps_its_seq_and_its_answer_comes_back() {
    let mut harness = Harness::ready();
    let seq = long("p");
    harness.publish(WsType::UNICAST, &seq, b"topic", b"data");
    let frame = harness.frame();
    let body = frame_topic(b"topic", b"data");
    assert_eq!(frame, Frame::new(FrameType::UNICAST, seq_of(&seq), body));
    harness.answer(&seq, 0, "reply");
    assert_eq!(
        harness.sent_one(),
        WsMessage::new(WsType::RESPONSE, sdk_seq(&seq), "reply")
    );
    // A second answer belongs to nothing.
    harness.answer(&seq, 0, "again");
    assert_eq!(harness.sent(), []);
    assert_eq!(harness.bridge.pending.len(), 0);
}

/// Seqs of another length are replaced, and come back.
#[test]
fn a_short_seq_is_mapped() {
    let mut harness = Harness::ready();
    for seq in ["", "1", "a seq of more than thirty-two bytes"] {
        harness.publish(WsType::UNICAST, seq, b"topic", b"data");
        let frame = harness.frame();
        harness.node(frame.respond(0, Bytes::from_static(b"reply")));
        let answer = harness.sent_one();
        assert_eq!(
            (answer.seq, &answer.payload[..]),
            (sdk_seq(seq), &b"reply"[..])
        );
    }
}

/// SDKs of 2.x write the topic before a reply, as before a message; some do not.
#[test]
fn a_framed_reply_is_unframed() {
    for (body, data) in [
        (frame_topic(b"topic", b"reply"), "reply"),
        (frame_topic(b"topic", b""), ""),
        (frame_topic(b"other", b"x"), "\x06otherx"),
        (Bytes::from_static(b"reply"), "reply"),
        (Bytes::new(), ""),
    ] {
        let mut harness = Harness::ready();
        let seq = long("p");
        harness.publish(WsType::UNICAST, &seq, b"topic", b"data");
        harness.frame();
        harness.node(Frame::new(FrameType::RESPONSE, seq_of(&seq), body));
        assert_eq!(harness.sent_one().payload, data);
    }
}

/// The table in the documentation.
#[test]
fn each_result_has_its_status() {
    for (result, kind, status) in [
        (0, WsType::RESPONSE, WsStatus::SUCCESS),
        (100, WsType::NODE_ANSWER, WsStatus::NO_SUBSCRIBER),
        (101, WsType::NODE_ANSWER, WsStatus::DISCONNECTED),
        (102, WsType::NODE_ANSWER, WsStatus::TIMED_OUT),
        (103, WsType::NODE_ANSWER, WsStatus::FAILED),
        (104, WsType::NODE_ANSWER, WsStatus::NO_SESSION),
        (105, WsType::RESPONSE, WsStatus(105)),
        (106, WsType::RESPONSE, WsStatus(106)),
        (107, WsType::RESPONSE, WsStatus(107)),
        (4711, WsType::RESPONSE, WsStatus(4711)),
        (-7, WsType::RESPONSE, WsStatus(-7)),
        (i32::MAX, WsType::RESPONSE, WsStatus::FAILED),
        (i32::MIN, WsType::RESPONSE, WsStatus::FAILED),
    ] {
        let mut harness = Harness::ready();
        let seq = long("p");
        harness.publish(WsType::UNICAST, &seq, b"topic", b"data");
        harness.frame();
        harness.answer(&seq, result, "bytes");
        let answer = harness.sent_one();
        assert_eq!((answer.kind, answer.status), (kind, status), "{result}");
        assert_eq!(answer.seq, sdk_seq(&seq));
        let own_text = kind == WsType::NODE_ANSWER;
        assert_eq!(answer.payload != "bytes", own_text, "{result}");
    }
}

/// ws-v3 section 10.4.
#[test]
fn the_text_of_3001_has_the_topic() {
    let mut harness = Harness::ready();
    let seq = long("p");
    harness.publish(WsType::UNICAST, &seq, "价格".as_bytes(), b"");
    harness.frame();
    harness.answer(&seq, result_code::NO_SUBSCRIBER, "");
    assert_eq!(
        harness.sent_one().payload,
        "there has no node subscribe this topic, topic: 价格"
    );
}

/// A subscriber of 2.x may answer with a frame of any type.
#[test]
fn an_answer_of_another_type_is_an_answer() {
    let mut harness = Harness::ready();
    let seq = long("p");
    harness.publish(WsType::UNICAST, &seq, b"topic", b"");
    harness.frame();
    harness.node(Frame::new(FrameType(0x4242), seq_of(&seq), "reply"));
    assert_eq!(harness.sent_one().payload, "reply");
    assert_eq!(harness.notices(), []);
}

#[test]
fn a_multicast_asks_for_no_answer() {
    let mut harness = Harness::ready();
    let seq = long("m");
    harness.publish(WsType::MULTICAST, &seq, b"topic", b"data");
    let frame = harness.frame();
    assert_eq!((frame.kind, frame.result), (FrameType::MULTICAST, NO_ACK));
    assert_eq!(
        (frame.seq, frame.body),
        (seq_of(&seq), frame_topic(b"topic", b"data"))
    );
    // The node answers a multicast only to refuse it.
    harness.answer(&seq, result_code::OVER_LIMIT, "");
    assert_eq!(harness.sent(), []);
    let result = result_code::OVER_LIMIT;
    assert_eq!(harness.notices(), [SdkNotice::MulticastRefused { result }]);
}

/// Nobody can have such a topic at a node of 2.x.
#[test]
fn topics_that_2x_lacks_are_refused() {
    let mut harness = Harness::ready();
    let too_long = [b'a'; 255];
    let java = b"\xed\xa0\xbd\xed\xb8\x80";
    for topic in [&too_long[..], java] {
        let seq = long("p");
        harness.publish(WsType::UNICAST, &seq, topic, b"data");
        let answer = harness.sent_one();
        assert_eq!(answer.status, WsStatus::NO_SUBSCRIBER);
        let text = String::from_utf8(answer.payload.to_vec()).unwrap();
        assert!(text.starts_with("there has no node subscribe this topic"));
        assert!(text.ends_with("at most 254 bytes of UTF-8)"), "{text}");
        harness.publish(WsType::MULTICAST, &long("m"), topic, b"data");
        assert_eq!((harness.frames(), harness.sent()), (vec![], vec![]));
        let notices = harness.notices();
        assert!(matches!(
            notices[..],
            [
                SdkNotice::PublishNotCarried {
                    kind: MessageKind::Unicast,
                    ..
                },
                SdkNotice::PublishNotCarried {
                    kind: MessageKind::Multicast,
                    ..
                }
            ]
        ));
    }
    // 254 bytes are possible.
    harness.publish(WsType::UNICAST, &long("q"), &too_long[..254], b"");
    assert_eq!(harness.frame().kind, FrameType::UNICAST);
}

/// A frame over the node's limit would end the session.
#[test]
fn a_message_over_the_nodes_limit_is_refused() {
    let mut harness = Harness::ready_with(|config| config.max_frame = 100);
    let fits = vec![0; 100 - HEADER_LEN - 1 - 5];
    harness.publish(WsType::UNICAST, &long("p"), b"topic", &fits);
    assert_eq!(harness.frame().wire_len(), 100);
    let longer = vec![0; fits.len() + 1];
    harness.publish(WsType::UNICAST, &long("q"), b"topic", &longer);
    assert_eq!(harness.sent_one().status, WsStatus::TOO_LONG);
    harness.publish(WsType::MULTICAST, &long("m"), b"topic", &longer);
    assert_eq!((harness.frames(), harness.sent()), (vec![], vec![]));
    let (len, max) = (101, 100);
    let too_long = |kind| SdkNotice::TooLongToPublish { kind, len, max };
    assert_eq!(
        harness.notices(),
        [MessageKind::Unicast, MessageKind::Multicast].map(too_long)
    );
}

/// The node answers each unicast, but if it does not, its SDK is told, and the memory is bounded.
#[test]
fn unicasts_that_the_node_forgets_are_bounded() {
    let mut harness = Harness::ready_with(|config| {
        let session = (*config.session).clone();
        config.session = Arc::new(session.with(|session| session.max_in_flight = 2));
    });
    for name in ["a", "b"] {
        harness.publish(WsType::UNICAST, &long(name), b"topic", b"");
    }
    harness.frames();
    harness.pass_alive(Duration::from_secs(65));
    let statuses: Vec<_> = harness.sent().iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [WsStatus::TIMED_OUT; 2]);
    harness.frames();
    harness.publish(WsType::UNICAST, &long("c"), b"topic", b"");
    assert_eq!(harness.sent_one().status, WsStatus::FAILED);
    let limit = 2;
    let notice = WsServerNotice::TooManyInFlight { limit };
    assert_eq!(harness.notices(), [SdkNotice::Session(notice)]);
    assert_eq!(harness.frames(), []);
}
