//! Handshake, topics, questions, pings and the end of a session.

use std::io;

use serde_json::{Value, json};

use super::*;
use crate::ws::{GroupInfo, WsHandshakeError, WsHandshakeResponse, WsMessageError};

/// ws-v3 sections 7, 13.
#[test]
fn the_handshake_is_answered_with_the_chosen_version() {
    for (payload, version) in [
        ("{\"maxVersion\":2,\"minVersion\":0,\"moduleID\":2}\n", 2),
        // SDKs 3.0 to 3.4.
        ("{\"maxVersion\":1,\"minVersion\":1,\"moduleID\":2}\n", 1),
        ("{\"maxVersion\":7,\"minVersion\":0,\"moduleID\":2}", 2),
        ("{}", 1),
    ] {
        let mut harness = Harness::new(WsServerConfig::default());
        let request = WsMessage {
            version: 3,
            status: WsStatus(4),
            ext: 5,
            ..WsMessage::new(WsType::HANDSHAKE, sdk_seq("h"), payload)
        };
        harness.receive(request.clone());
        assert_eq!(harness.events(), [WsServerEvent::Ready { version }]);
        let answer = harness.sent_one();
        let json = format!(
            "{{\"groupBlockNumber\":[],\"groupInfoList\":[],\"protocolVersion\":{version}}}\n"
        );
        assert_eq!(answer.payload, json);
        // The rest is that of the request.
        let payload = answer.payload.clone();
        assert_eq!(answer, WsMessage { payload, ..request });
    }
}

#[test]
fn the_answer_has_the_groups() {
    let group = GroupInfo::without_chain("chain0", "group0", "node0");
    let config = WsServerConfig::default().with(|config| config.groups.push(group.clone()));
    let mut harness = Harness::new(config);
    harness.shake_hands();
    let answer = WsHandshakeResponse::parse(&harness.sent_one().payload).unwrap();
    assert_eq!(answer.group_info_list, [group]);
}

/// ws-v3 section 7.
#[test]
fn a_handshake_that_cannot_be_read_is_not_answered() {
    let mut harness = Harness::new(WsServerConfig::default());
    for payload in ["", "x", "[]", "{\"moduleID\":4}"] {
        harness.send(WsType::HANDSHAKE, "h", payload);
        assert!(matches!(
            harness.events()[..],
            [WsServerEvent::Notice(WsServerNotice::BadHandshake(_))]
        ));
    }
    assert_eq!(harness.sent(), []);
    harness.shake_hands();
    assert!(harness.session.is_ready());
    // Each handshake is answered, but the session begins once.
    harness.shake_hands();
    assert_eq!(harness.sent().len(), 2);
    assert_eq!(harness.events(), [WsServerEvent::Ready { version: 2 }]);
}

#[test]
fn an_sdk_without_a_common_version_is_dropped() {
    let mut harness = Harness::new(WsServerConfig::default());
    let payload = "{\"maxVersion\":5,\"minVersion\":3,\"moduleID\":2}";
    harness.send(WsType::HANDSHAKE, "h", payload);
    let (minimum, maximum) = (3, 5);
    let error = WsHandshakeError::NoCommonVersion { minimum, maximum };
    assert_eq!(
        harness.events(),
        [WsServerEvent::Closed(WsServerCloseReason::Handshake(error))]
    );
    assert_eq!(harness.sent(), []);
}

#[test]
fn an_sdk_without_a_handshake_is_dropped() {
    let mut harness = Harness::new(WsServerConfig::default());
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"hello\"]}");
    harness.pass_alive(29);
    assert_eq!(harness.events(), []);
    harness.pass(seconds(1));
    let after = seconds(30);
    assert_eq!(
        harness.events(),
        [WsServerEvent::Closed(WsServerCloseReason::NoHandshake {
            after
        })]
    );
}

/// An SDK that gets anything before may end the session (ws-v3 section 12.1).
#[test]
fn nothing_is_delivered_before_the_handshake() {
    let mut harness = Harness::new(WsServerConfig::default());
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"hello\"]}");
    assert!(!harness.session.has_topic(b"hello"));
    let refused = harness.session.deliver(harness.now, &request("x"), 1);
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.ticket, refused.why),
        (1, DeliveryRefusal::NotReady)
    );
    assert_eq!(
        harness
            .session
            .deliver_multicast(&request("x"), &WsSeq::EMPTY),
        Err(DeliveryRefusal::NotReady)
    );
    assert_eq!((harness.sent(), harness.events()), (vec![], vec![]));

    harness.shake_hands();
    let ready = WsServerEvent::Ready { version: 2 };
    assert_eq!(harness.events(), [ready, changed(&["hello"], &[])]);
    assert!(harness.session.has_topic(b"hello"));
}

/// ws-v3 section 10.1: a list adds its topics, and there is no answer. So two lists that an SDK sends
/// in the wrong order have the same effect.
#[test]
fn a_list_adds_topics() {
    let mut harness = Harness::ready();
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"b\",\"a\"]}");
    assert_eq!(harness.events(), [changed(&["b", "a"], &[])]);
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"a\",\"c\",\"c\"]}");
    assert_eq!(harness.events(), [changed(&["c"], &[])]);
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"a\"]}");
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[]}");
    assert_eq!(harness.events(), []);
    for topic in ["a", "b", "c"] {
        assert!(harness.session.has_topic(topic.as_bytes()));
    }
    assert_eq!(harness.sent(), []);
}

#[test]
fn a_list_can_be_the_whole_set() {
    let config = WsServerConfig::default().with(|config| {
        config.topic_lists = ListMeaning::Replaces;
    });
    let mut harness = Harness::ready_with(config);
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"b\",\"a\"]}");
    harness.events();
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"b\",\"c\"]}");
    assert_eq!(harness.events(), [changed(&["c"], &["a"])]);
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[]}");
    assert_eq!(harness.events(), [changed(&[], &["b", "c"])]);
    assert!(!harness.session.has_topic(b"b"));
}

#[test]
fn a_list_that_cannot_be_read_changes_nothing() {
    let mut harness = Harness::ready();
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"a\"]}");
    harness.events();
    for payload in ["topic1", "{\"topics\":[[]]}", ""] {
        harness.send(WsType::SET_TOPICS, "t", payload);
        assert!(matches!(
            harness.events()[..],
            [WsServerEvent::Notice(WsServerNotice::BadTopicList(_))]
        ));
    }
    assert!(harness.session.has_topic(b"a"));
    assert_eq!(harness.sent(), []);
}

#[test]
fn topics_are_limited_in_number_and_length() {
    let config = WsServerConfig::default().with(|config| {
        config.max_topics = 3;
        config.max_topic_bytes = 10;
    });
    let mut harness = Harness::ready_with(config);
    let payload = "{\"topics\":[\"a\",\"0123456789\",\"b\",\"c\"]}";
    harness.send(WsType::SET_TOPICS, "t", payload);
    // One is too long, and the fourth of the list is not read.
    let left_out = notice(WsServerNotice::TopicsLeftOut { count: 2 });
    assert_eq!(harness.events(), [left_out, changed(&["a", "b"], &[])]);
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"c\",\"d\"]}");
    assert_eq!(harness.events(), [changed(&["c", "d"], &["a", "b"])]);
}

/// ws-v3 section 9.1: `getClient` of java-sdk asks for a block number.
#[test]
fn questions_are_answered_with_their_seq() {
    let group = GroupInfo::without_chain("chain0", "group0", "node0");
    let config = WsServerConfig::default().with(|config| {
        config.groups.push(group);
        config.block_number = 3;
    });
    let mut harness = Harness::ready_with(config);
    let ask = |harness: &mut Harness, payload: &str| {
        harness.send(WsType::RPC, "q", Bytes::copy_from_slice(payload.as_bytes()));
        let answer = harness.sent_one();
        assert_eq!(answer.kind, WsType::NODE_ANSWER);
        assert_eq!((answer.seq, answer.status), (sdk_seq("q"), WsStatus(0)));
        serde_json::from_slice::<Value>(&answer.payload).unwrap()
    };
    let payload = r#"{"id":1,"jsonrpc":"2.0","method":"getBlockNumber","params":["group0",""]}"#;
    assert_eq!(ask(&mut harness, payload)["result"], 3);
    let payload = r#"{"id":2,"jsonrpc":"2.0","method":"sendTransaction","params":[]}"#;
    assert_eq!(ask(&mut harness, payload)["error"]["code"], -32601);
    assert_eq!(ask(&mut harness, "?")["error"]["code"], -32700);

    for kind in [WsType::EVENT_REGISTER, WsType::EVENT_UNREGISTER] {
        harness.send(kind, "e", "{\"id\":\"abc\"}");
        let answer = harness.sent_one();
        assert_eq!((answer.kind, answer.seq), (kind, sdk_seq("e")));
        let json: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(json, json!({ "id": "abc", "status": -41002 }));
        harness.send(kind, "e", "?");
    }
    harness.send(WsType(0x999), "u", "x");
    let ignored = WsServerNotice::Ignored(WsType(0x999));
    assert_eq!(harness.events(), [notice(ignored)]);
    assert_eq!(harness.sent(), []);
}

#[test]
fn an_idle_sdk_is_pinged_and_a_silent_one_given_up() {
    let mut harness = Harness::ready();
    harness.pass(seconds(5));
    assert_eq!(harness.transmits(), [WsTransmit::Ping]);
    harness.send(WsType(0x999), "u", "x");
    harness.events();
    harness.pass(seconds(5));
    assert_eq!(harness.transmits(), [WsTransmit::Ping]);
    harness.pass(seconds(5));
    let after = seconds(10);
    assert_eq!(
        harness.events(),
        [WsServerEvent::Closed(WsServerCloseReason::Silent { after })]
    );
}

/// A way to end a session, and how the reason begins.
type End = (fn(&mut Harness), &'static str);

#[test]
fn a_session_ends_once_and_does_nothing_after() {
    let reasons: [End; 4] = [
        (|harness| harness.session.close(), "closed by this node"),
        (
            |harness| harness.session.handle_eof(),
            "the SDK closed the connection",
        ),
        (
            |harness| {
                let error = WsMessageError::TooShort { len: 9 };
                harness.session.handle_message_error(error);
            },
            "a WebSocket message has 9 bytes",
        ),
        (
            |harness| {
                let error = io::Error::other("broken");
                harness.session.handle_io_error(&error);
            },
            "the connection failed: broken",
        ),
    ];
    for (end, text) in reasons {
        let mut harness = Harness::ready();
        harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"hello\"]}");
        harness.send(WsType::UNICAST, "u", payload(&request("x")));
        harness.deliver("x", 7);
        harness.sent();
        harness.events();
        end(&mut harness);
        let events = harness.events();
        let (ticket, status) = (7, WsStatus::DISCONNECTED);
        assert_eq!(events[0], WsServerEvent::Unanswered { ticket, status });
        let [_, WsServerEvent::Closed(reason)] = &events[..] else {
            panic!("{events:?}");
        };
        assert!(reason.to_string().starts_with(text), "{reason}");

        harness.shake_hands();
        harness.session.close();
        harness.pass(seconds(99));
        assert!(!harness.session.has_topic(b"hello") && harness.session.is_closed());
        let refused = harness.session.deliver(harness.now, &request("x"), 1);
        assert_eq!(refused.unwrap_err().why, DeliveryRefusal::Closed);
        let answer = WsMessage::new(WsType::RESPONSE, WsSeq::EMPTY, "x");
        assert!(!harness.session.answer(&sdk_seq("u"), answer));
        assert_eq!(
            harness.session.in_flight() + harness.session.deliveries(),
            0
        );
        assert_eq!(harness.session.next_timeout(), None);
        assert_eq!((harness.events(), harness.transmits()), (vec![], vec![]));
    }
}

/// ws-v3 section 4.1: otherwise two sides drop each other while a long message takes its time.
#[test]
fn only_messages_delay_pings() {
    let mut harness = Harness::ready();
    harness.pass(seconds(3));
    harness.session.note_activity(harness.now);
    harness.pass(seconds(2));
    assert_eq!(harness.transmits(), [WsTransmit::Ping]);
    // Parts of a message for a minute: a ping each 5 s, and the session stays.
    let mut pings = 0;
    for _ in 0..60 {
        harness.pass(seconds(1));
        harness.session.note_activity(harness.now);
        pings += harness.transmits().len();
    }
    assert_eq!((pings, harness.session.is_ready()), (12, true));
    harness.pass(seconds(3));
    harness.send(WsType::RESPONSE, "u", "x");
    harness.pass(seconds(4));
    assert_eq!(harness.transmits(), []);
    harness.pass(seconds(1));
    assert_eq!(harness.transmits(), [WsTransmit::Ping]);
}

/// A list is always complete (ws-v3 section 10.1), so other topics may go if there is no room.
#[test]
fn topics_that_were_dropped_make_room_for_new_ones() {
    let config = WsServerConfig::default().with(|config| {
        config.max_topics = 3;
        config.max_topic_bytes = 10;
    });
    let mut harness = Harness::ready_with(config);
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"a\",\"b\"]}");
    harness.events();
    // There is room: nothing is removed.
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"b\",\"c\"]}");
    assert_eq!(harness.events(), [changed(&["c"], &[])]);
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"c\",\"d\"]}");
    assert_eq!(harness.events(), [changed(&["d"], &["a", "b"])]);
    // The length counts, too.
    let payload = "{\"topics\":[\"123456789\",\"d\"]}";
    harness.send(WsType::SET_TOPICS, "t", payload);
    assert_eq!(harness.events(), [changed(&["123456789"], &["c"])]);
    // A topic that never fits removes nothing.
    harness.send(WsType::SET_TOPICS, "t", "{\"topics\":[\"0123456789a\"]}");
    let left_out = notice(WsServerNotice::TopicsLeftOut { count: 1 });
    assert_eq!(harness.events(), [left_out]);
}
