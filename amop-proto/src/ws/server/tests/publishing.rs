//! Messages that the SDK publishes, and the answers to it.

use super::*;
use crate::{client::MessageKind, ws::AmopRequestError};

#[test]
fn messages_are_handed_to_the_router_without_copying() {
    let mut harness = Harness::ready();
    let body = payload(&request("data"));
    let at = body.as_ptr() as usize;
    harness.send(WsType::UNICAST, "u", body);
    harness.send(WsType::MULTICAST, "m", payload(&request("data")));
    let events = harness.events();
    let [
        WsServerEvent::Unicast { seq, request: sent },
        WsServerEvent::Multicast { .. },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((seq, sent), (&sdk_seq("u"), &request("data")));
    assert_eq!(sent.data.as_ptr() as usize, at + 6 + 5);
    let (seq, request) = (sdk_seq("m"), request("data"));
    assert_eq!(events[1], WsServerEvent::Multicast { seq, request });
    // A multicast is never answered.
    assert_eq!(harness.session.in_flight(), 1);
    assert_eq!(harness.sent(), []);
}

/// SDKs in Java publish on topics that are not UTF-8 (ws-v3 section 10.2), and the version is not
/// checked.
#[test]
fn any_topic_and_version_is_accepted() {
    let mut harness = Harness::ready();
    for topic in [&b"\xed\xa0\xbd\xed\xb8\x80"[..], b"", b"a\0b"] {
        let request = AmopRequest {
            version: 7,
            ..AmopRequest::new(topic, "x")
        };
        harness.send(WsType::MULTICAST, "m", payload(&request));
        let seq = sdk_seq("m");
        assert_eq!(
            harness.events(),
            [WsServerEvent::Multicast { seq, request }]
        );
    }
}

/// ws-v3 section 10.3: only the seq is replaced.
#[test]
fn an_answer_keeps_type_status_and_flags() {
    let mut harness = Harness::ready();
    harness.send(WsType::UNICAST, "u", payload(&request("x")));
    let answer = WsMessage {
        status: WsStatus(42),
        ext: 1,
        version: 9,
        ..WsMessage::new(WsType(0x999), sdk_seq("the subscriber's"), "reply")
    };
    assert!(harness.session.answer(&sdk_seq("u"), answer.clone()));
    let seq = sdk_seq("u");
    assert_eq!(
        harness.sent_one(),
        WsMessage {
            seq,
            ..answer.clone()
        }
    );
    assert!(!harness.session.answer(&sdk_seq("u"), answer));
    assert_eq!(harness.session.in_flight(), 0);
    assert_eq!(harness.sent(), []);
}

/// A message to a subscriber is not an answer, and an incomplete one is dangerous.
#[test]
fn an_answer_that_looks_like_a_message_gets_the_type_of_answers() {
    let mut harness = Harness::ready();
    harness.send(WsType::UNICAST, "u", payload(&request("x")));
    let answer = WsMessage::new(WsType::UNICAST, sdk_seq("s"), "");
    assert!(harness.session.answer(&sdk_seq("u"), answer));
    assert_eq!(
        harness.sent_one(),
        WsMessage::new(WsType::RESPONSE, sdk_seq("u"), "")
    );
}

/// ws-v3 section 10.4.
#[test]
fn errors_have_type_0_and_the_texts_of_a_fisco_node() {
    let mut harness = Harness::ready();
    for (status, text) in [
        (
            WsStatus::NO_SUBSCRIBER,
            "there has no node subscribe this topic, topic: hello",
        ),
        (WsStatus::NO_SESSION, "NotFoundClientByTopicDispatchMsg"),
        (
            WsStatus::UNREACHABLE,
            "unable to send message to peer by topic",
        ),
        (WsStatus::DISCONNECTED, "the session has been disconnected"),
        (
            WsStatus::TIMED_OUT,
            "waiting for message response timed out",
        ),
        (WsStatus::TOO_LONG, "Message size overflow"),
    ] {
        harness.send(WsType::UNICAST, "u", payload(&request("x")));
        assert!(harness.session.fail(&sdk_seq("u"), status, b"hello"));
        assert!(!harness.session.fail(&sdk_seq("u"), status, b"hello"));
        assert_eq!(
            harness.sent_one(),
            WsMessage {
                status,
                ..WsMessage::new(WsType::NODE_ANSWER, sdk_seq("u"), text)
            }
        );
    }
}

#[test]
fn a_unicast_that_nothing_answers_is_answered_in_the_end() {
    let mut harness = Harness::ready();
    harness.send(WsType::UNICAST, "u", payload(&request("x")));
    harness.pass_alive(64);
    assert_eq!(harness.sent(), []);
    harness.pass_alive(1);
    let answer = harness.sent_one();
    assert_eq!(
        (answer.seq, answer.status),
        (sdk_seq("u"), WsStatus::TIMED_OUT)
    );
    assert_eq!(harness.session.in_flight(), 0);
}

/// Such a payload would stop a FISCO node (ws-v3 section 15).
#[test]
fn a_payload_that_cannot_be_read_is_refused() {
    let mut harness = Harness::ready();
    for (payload, error) in [
        (&b""[..], AmopRequestError::TooShort { len: 0 }),
        (b"\0", AmopRequestError::TooShort { len: 1 }),
        (b"\0\0\0\0\0", AmopRequestError::TooShort { len: 5 }),
        (
            b"\0\0\0\0\0\x64abc",
            AmopRequestError::TopicBeyondPayload {
                len: 100,
                available: 3,
            },
        ),
    ] {
        harness.send(WsType::UNICAST, "u", payload);
        harness.send(WsType::MULTICAST, "m", payload);
        let malformed = |kind| notice(WsServerNotice::Malformed { kind, error });
        assert_eq!(
            harness.events(),
            [
                malformed(MessageKind::Unicast),
                malformed(MessageKind::Multicast)
            ]
        );
        let answer = harness.sent_one();
        assert_eq!(
            (answer.seq, answer.status),
            (sdk_seq("u"), WsStatus::FAILED)
        );
    }
    assert!(harness.session.is_ready());
}

#[test]
fn a_seq_that_waits_already_is_ignored() {
    let mut harness = Harness::ready();
    harness.send(WsType::UNICAST, "u", payload(&request("one")));
    harness.events();
    harness.send(WsType::UNICAST, "u", payload(&request("two")));
    let in_use = WsServerNotice::SeqInUse(sdk_seq("u"));
    assert_eq!(harness.events(), [notice(in_use)]);
    // Not even an error: it would be taken for the answer to the first one.
    harness.send(WsType::UNICAST, "u", "");
    assert_eq!(harness.events().len(), 1);
    assert_eq!(harness.sent(), []);
}

#[test]
fn too_much_in_flight_is_refused() {
    let config = WsServerConfig::default().with(|config| {
        config.max_in_flight = 1;
        config.max_seq = 3;
    });
    let mut harness = Harness::ready_with(config);
    harness.send(WsType::UNICAST, "abcd", payload(&request("x")));
    let too_long = notice(WsServerNotice::SeqTooLong { len: 4 });
    assert_eq!(harness.events(), [too_long]);
    assert_eq!(harness.sent_one().status, WsStatus::FAILED);

    harness.send(WsType::UNICAST, "a", payload(&request("x")));
    harness.events();
    harness.send(WsType::UNICAST, "b", payload(&request("x")));
    let too_many = notice(WsServerNotice::TooManyInFlight { limit: 1 });
    assert_eq!(harness.events(), [too_many]);
    let answer = harness.sent_one();
    assert_eq!(
        (answer.seq, answer.status),
        (sdk_seq("b"), WsStatus::FAILED)
    );
}

#[test]
fn an_sdk_that_does_not_read_its_answers_is_dropped() {
    let config = WsServerConfig::default().with(|config| config.max_queued = 1000);
    let mut harness = Harness::ready_with(config);
    for _ in 0..100 {
        harness.send(WsType::RPC, "q", "?");
        assert!(harness.session.queued_bytes() <= 1000);
    }
    let events = harness.events();
    assert!(
        matches!(
            events[..],
            [WsServerEvent::Closed(WsServerCloseReason::SlowReader {
                queued: 1..=1000
            })]
        ),
        "{events:?}"
    );
}

/// A session that published nothing must not be ended by what others publish.
#[test]
fn deliveries_that_wait_do_not_count_as_answers() {
    let config = WsServerConfig::default().with(|config| config.max_queued = 2100);
    let mut harness = Harness::ready_with(config);
    let flood = AmopRequest::new("hello", vec![0; 500]);
    let seq = WsSeq::EMPTY;
    while harness.session.deliver_multicast(&flood, &seq).is_ok() {}
    let waiting = harness.session.queued_bytes();
    for _ in 0..3 {
        harness.send(WsType::RPC, "q", "?");
    }
    assert!(harness.session.is_ready());
    assert!(harness.session.queued_bytes() > waiting);
    // Answers that wait leave no room for deliveries.
    let refused = harness.session.deliver_multicast(&flood, &seq);
    assert!(matches!(refused, Err(DeliveryRefusal::QueueFull { .. })));
    harness.sent();
    assert_eq!(harness.events(), []);
}
