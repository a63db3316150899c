//! Handshake, topics, pings and the end of a session.

use std::io;

use super::*;
use crate::{
    client::ExpiredCertificate,
    ws::{WsHandshakeError, WsMessageError, WsStatus},
};

/// ws-v3 sections 7, 14.
#[test]
fn a_session_begins_with_the_handshake_and_the_list_of_topics() {
    let mut harness = Harness::new(WsClientConfig::default());
    harness.session.subscribe(&topic("b")).unwrap();
    harness.session.subscribe(&topic("a")).unwrap();
    let hello = harness.sent_one();
    assert_eq!((hello.kind, hello.seq.len()), (WsType::HANDSHAKE, 32));
    assert_eq!(
        hello.payload,
        "{\"maxVersion\":2,\"minVersion\":0,\"moduleID\":2}\n"
    );
    assert!(!harness.session.is_ready() && harness.session.version() == 0);

    harness.receive(WsMessage {
        payload: answer(),
        ..hello.clone()
    });
    let response = WsHandshakeResponse::new(2, Vec::new());
    assert_eq!(harness.events(), [WsClientEvent::Ready(response)]);
    assert!(harness.session.is_ready() && harness.session.version() == 2);
    let list = harness.sent_one();
    assert_eq!(list.kind, WsType::SET_TOPICS);
    assert_eq!(list.payload, "{\"topics\":[\"a\",\"b\"]}\n");
    assert_ne!(list.seq, hello.seq);

    // A second answer is nobody's.
    harness.receive(hello);
    let ignored = WsClientNotice::Ignored(WsType::HANDSHAKE);
    assert_eq!(harness.events(), [notice(ignored)]);
}

#[test]
fn the_list_is_sent_even_if_it_is_empty() {
    let mut harness = Harness::new(WsClientConfig::default());
    let hello = harness.sent_one();
    let payload = "{}".into();
    harness.receive(WsMessage { payload, ..hello });
    assert_eq!(harness.sent_one().payload, "{\"topics\":[]}\n");
    // Nothing in the answer matters to AMOP.
    assert!(harness.session.is_ready());
}

#[test]
fn a_bad_answer_to_the_handshake_ends_the_session() {
    let cases: [(WsStatus, &str); 3] = [
        (WsStatus::SUCCESS, "x"),
        (WsStatus::SUCCESS, "[]"),
        (WsStatus(5), "{}"),
    ];
    for (status, payload) in cases {
        let mut harness = Harness::new(WsClientConfig::default());
        let hello = harness.sent_one();
        harness.receive(WsMessage {
            status,
            payload: payload.into(),
            ..hello
        });
        let events = harness.events();
        let [WsClientEvent::Closed(WsClientCloseReason::Handshake(error))] = &events[..] else {
            panic!("{events:?}");
        };
        let refused = matches!(error, WsHandshakeError::Refused(_));
        assert_eq!(refused, status != WsStatus::SUCCESS);
    }
}

#[test]
fn a_handshake_without_an_answer_ends_the_session() {
    let mut harness = Harness::new(WsClientConfig::default());
    harness.pass_alive(9);
    assert_eq!(harness.events(), []);
    assert_eq!(
        harness.session.next_timeout(),
        Some(harness.now + seconds(1))
    );
    harness.pass(seconds(1));
    let after = seconds(10);
    assert_eq!(
        harness.events(),
        [WsClientEvent::Closed(
            WsClientCloseReason::NoHandshakeAnswer { after }
        )]
    );
    assert_eq!(harness.session.next_timeout(), None);

    let mut harness = Harness::new(WsClientConfig::default());
    harness.session.handle_eof();
    assert_eq!(
        harness.events(),
        [WsClientEvent::Closed(WsClientCloseReason::DuringHandshake)]
    );
}

/// Node notices may come at any time, even before the handshake's answer (ws-v3 section 9).
#[test]
fn notices_of_nodes_are_ignored() {
    let mut harness = Harness::new(WsClientConfig::default());
    for kind in [
        WsType::BLOCK_NOTIFY,
        WsType::GROUP_NOTIFY,
        WsType::EVENT_PUSH,
    ] {
        harness.receive(WsMessage::new(kind, WsSeq::EMPTY, "{}"));
    }
    // What a publisher gets whose subscriber was silent twice (ws-v3 section 10.4).
    harness.receive(WsMessage::new(WsType::NODE_ANSWER, WsSeq::EMPTY, ""));
    assert_eq!(harness.events(), []);
    let kind = WsType(0x999);
    harness.receive(WsMessage::new(kind, node_seq("x"), "x"));
    assert_eq!(harness.events(), [notice(WsClientNotice::Ignored(kind))]);
}

/// The list is always whole, and several changes are one list (ws-v3 section 10.1).
#[test]
fn changes_of_topics_send_the_whole_list() {
    let mut harness = Harness::ready();
    let session = &mut harness.session;
    assert_eq!(session.subscribe(&topic("b")), Ok(true));
    assert_eq!(session.subscribe(&topic("é")), Ok(true));
    assert_eq!(session.subscribe(&topic("b")), Ok(false));
    let list = harness.sent_one();
    assert_eq!(list.payload, "{\"topics\":[\"b\",\"\\u00e9\"]}\n");
    assert_eq!(harness.sent(), []);

    assert!(harness.session.unsubscribe(&topic("b")));
    assert!(!harness.session.unsubscribe(&topic("b")));
    assert_eq!(harness.sent_one().payload, "{\"topics\":[\"\\u00e9\"]}\n");
}

#[test]
fn the_list_is_limited() {
    let config = WsClientConfig::default().with(|config| config.max_topic_list = 32);
    let mut harness = Harness::ready_with(config);
    let session = &mut harness.session;
    // 14 bytes without topics.
    assert_eq!(session.subscribe(&topic("0123456789")), Ok(true));
    let refused = session.subscribe(&topic("0123"));
    assert_eq!(refused, Err(WsRefusal::TopicList { len: 34, max: 32 }));
    assert_eq!(session.subscribe(&topic("01")), Ok(true));
    let list = harness.sent_one();
    assert_eq!(list.payload, "{\"topics\":[\"01\",\"0123456789\"]}\n");
    harness.session.unsubscribe(&topic("0123456789"));
    assert_eq!(harness.session.subscribe(&topic("0123")), Ok(true));
}

#[test]
fn an_idle_node_is_pinged_and_a_silent_one_given_up() {
    let mut harness = Harness::ready();
    harness.pass(seconds(5));
    assert_eq!(harness.transmits(), [WsTransmit::Ping]);
    harness.session.note_activity(harness.now);
    harness.pass(seconds(5));
    harness.pass(seconds(4));
    // Pings that wait are one.
    assert_eq!(harness.transmits(), [WsTransmit::Ping]);
    harness.pass(seconds(1));
    let after = seconds(10);
    assert_eq!(
        harness.events(),
        [WsClientEvent::Closed(WsClientCloseReason::Silent { after })]
    );
}

/// A way to end a session, and how the reason begins.
type End = (fn(&mut Harness), &'static str);

#[test]
fn a_session_ends_once_and_does_nothing_after() {
    let reasons: [End; 5] = [
        (|harness| harness.session.close(), "closed by this side"),
        (
            |harness| harness.session.handle_eof(),
            "the node closed the connection",
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
        (
            |harness| {
                let certificate = ExpiredCertificate::of_node("CN=n", 0);
                harness.session.expire(certificate);
            },
            "the certificate of the node",
        ),
    ];
    for (end, text) in reasons {
        let mut harness = Harness::subscribed();
        harness.request("x", seconds(9), 1);
        harness.push(WsType::UNICAST, &node_seq("s"), "x");
        harness.sent();
        harness.events();
        end(&mut harness);
        let events = harness.events();
        assert_eq!(events[0], finished(1, WsOutcome::Disconnected));
        let [_, WsClientEvent::Closed(reason)] = &events[..] else {
            panic!("{events:?}");
        };
        assert!(reason.to_string().starts_with(text), "{reason}");

        harness.session.close();
        harness.push(WsType::UNICAST, &node_seq("t"), "x");
        harness.pass(seconds(99));
        assert_eq!(harness.session.next_timeout(), None);
        let refused = harness
            .session
            .respond(harness.now, &node_seq("s"), WsStatus::SUCCESS, "");
        assert_eq!(refused, Err(WsRefusal::Closed));
        assert_eq!(
            harness.session.multicast(&hello(), "x"),
            Err(WsRefusal::Closed)
        );
        assert!(harness.session.is_closed() && harness.session.deliveries() == 0);
        assert_eq!((harness.events(), harness.transmits()), (vec![], vec![]));
    }
}
