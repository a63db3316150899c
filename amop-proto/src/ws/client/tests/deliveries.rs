//! The messages that a node delivers, and the answers to them.

use super::*;
use crate::{
    client::MessageKind,
    ws::{AmopRequestError, WsStatus},
};

fn pushed(harness: &mut Harness) -> WsPush {
    let mut events = harness.events();
    assert_eq!(events.len(), 1, "{events:?}");
    match events.remove(0) {
        WsClientEvent::Push(push) => push,
        other => panic!("{other:?}"),
    }
}

fn respond(harness: &mut Harness, seq: &WsSeq) -> Result<(), WsRefusal> {
    let now = harness.now;
    harness
        .session
        .respond(now, seq, WsStatus::SUCCESS, "reply")
}

#[test]
fn messages_are_handed_over_without_copying() {
    let mut harness = Harness::subscribed();
    let payload = payload(&AmopRequest::new("hello", "data"));
    let at = payload.as_ptr() as usize + 6 + 5;
    harness.receive(WsMessage::new(WsType::MULTICAST, WsSeq::EMPTY, payload));
    let push = pushed(&mut harness);
    assert_eq!(push.payload.as_ptr() as usize, at);
    assert_eq!(
        push,
        WsPush {
            kind: MessageKind::Multicast,
            seq: WsSeq::EMPTY,
            topic: hello(),
            payload: "data".into(),
            repeats: None,
        }
    );
    // A multicast is never answered.
    let refused = respond(&mut harness, &WsSeq::EMPTY);
    assert_eq!(refused, Err(WsRefusal::NotWaiting));
    assert_eq!(harness.sent(), []);
}

/// ws-v3 section 10.3: same seq, payload without the topic, flags 0.
#[test]
fn a_unicast_is_answered_once() {
    let mut harness = Harness::subscribed();
    let seq = node_seq("fresh seq of the node");
    harness.push(WsType::UNICAST, &seq, "data");
    let push = pushed(&mut harness);
    assert_eq!((push.kind, &push.seq), (MessageKind::Unicast, &seq));
    assert_eq!(harness.session.deliveries(), 1);
    assert_eq!(respond(&mut harness, &seq), Ok(()));
    assert_eq!(
        harness.sent_one(),
        WsMessage::new(WsType::RESPONSE, seq.clone(), "reply")
    );
    assert_eq!(respond(&mut harness, &seq), Err(WsRefusal::NotWaiting));
    assert_eq!(harness.session.deliveries(), 0);

    // An error of the program.
    harness.push(WsType::UNICAST, &seq, "data");
    let now = harness.now;
    harness
        .session
        .respond(now, &seq, WsStatus(42), "no")
        .unwrap();
    assert_eq!(harness.sent_one().status, WsStatus(42));
}

/// A FISCO node never removes a topic from a session (ws-v3 section 10.1).
#[test]
fn messages_of_other_topics_are_refused() {
    let mut harness = Harness::subscribed();
    harness.session.unsubscribe(&hello());
    harness.sent();
    let seq = node_seq("s");
    harness.push(WsType::UNICAST, &seq, "data");
    let (kind, topic) = (MessageKind::Unicast, Bytes::from("hello"));
    let not_subscribed = WsClientNotice::NotSubscribed { kind, topic };
    assert_eq!(harness.events(), [notice(not_subscribed)]);
    let refusal = harness.sent_one();
    assert_eq!((refusal.kind, &refusal.seq), (WsType::RESPONSE, &seq));
    assert_eq!((refusal.status, refusal.payload.len()), (WsStatus(104), 0));

    harness.push(WsType::MULTICAST, &seq, "data");
    assert_eq!(harness.events().len(), 1);
    assert_eq!((harness.sent(), harness.session.deliveries()), (vec![], 0));
}

/// SDKs in Java publish on topics that are not UTF-8 (ws-v3 section 10.2).
#[test]
fn a_topic_that_is_not_text_does_no_harm() {
    let mut harness = Harness::subscribed();
    let request = AmopRequest::new(&b"\xe4\xbb\xb7\xed\xa0\xbd\xed\xb8\x80"[..], "x");
    let message = WsMessage::new(WsType::UNICAST, node_seq("s"), payload(&request));
    harness.receive(message);
    assert!(matches!(
        harness.events()[..],
        [WsClientEvent::Notice(WsClientNotice::NotSubscribed { .. })]
    ));
    assert_eq!(harness.sent_one().status, WsStatus(104));
    assert!(harness.session.is_ready());
}

/// A node passes on what a publisher wrote, so the node is not at fault.
#[test]
fn a_payload_that_cannot_be_read_is_refused() {
    let cases: [(&[u8], AmopRequestError); 3] = [
        (b"", AmopRequestError::TooShort { len: 0 }),
        (b"\0\0\0\0\0", AmopRequestError::TooShort { len: 5 }),
        (
            b"\0\0\0\0\0\x06hello",
            AmopRequestError::TopicBeyondPayload {
                len: 6,
                available: 5,
            },
        ),
    ];
    for (payload, error) in cases {
        let mut harness = Harness::subscribed();
        for (kind, of) in [
            (MessageKind::Unicast, WsType::UNICAST),
            (MessageKind::Multicast, WsType::MULTICAST),
        ] {
            harness.receive(WsMessage::new(of, node_seq("s"), payload));
            let malformed = WsClientNotice::Malformed { kind, error };
            assert_eq!(harness.events(), [notice(malformed)]);
        }
        assert_eq!(harness.sent_one().status, WsStatus(105));
    }
}

/// ws-v3 section 10.4: after 30 s the only subscriber gets the message again, with another seq.
#[test]
fn the_second_copy_of_an_unanswered_unicast_is_marked() {
    let mut harness = Harness::subscribed();
    let (first, second) = (node_seq("fresh"), node_seq("the publisher's"));
    harness.push(WsType::UNICAST, &first, "data");
    assert_eq!(pushed(&mut harness).repeats, None);
    harness.pass_alive(30);
    harness.push(WsType::UNICAST, &second, "data");
    let push = pushed(&mut harness);
    assert_eq!((&push.seq, &push.repeats), (&second, &Some(first.clone())));

    // The node has forgotten the first one.
    let within = seconds(30);
    assert_eq!(
        respond(&mut harness, &first),
        Err(WsRefusal::Late { within })
    );
    assert_eq!(harness.sent(), []);
    assert_eq!(respond(&mut harness, &second), Ok(()));
    assert_eq!(harness.sent_one().seq, second);
}

#[test]
fn other_unicasts_are_not_taken_for_second_copies() {
    // After this time, with this content, if the first one is answered or not.
    let cases = [
        (24, "data", false, false),
        (25, "data", false, true),
        (30, "other", false, false),
        (30, "data", true, false),
        (34, "data", false, true),
        (35, "data", false, false),
    ];
    for (after, data, answered, is_copy) in cases {
        let mut harness = Harness::subscribed();
        let first = node_seq("first");
        harness.push(WsType::UNICAST, &first, "data");
        if answered {
            respond(&mut harness, &first).unwrap();
        }
        harness.events();
        harness.pass_alive(after);
        harness.push(WsType::UNICAST, &node_seq("second"), data);
        let repeats = pushed(&mut harness).repeats;
        assert_eq!(repeats.is_some(), is_copy, "{after} s, {data}, {answered}");
    }
}

#[test]
fn unanswered_unicasts_are_forgotten() {
    let mut harness = Harness::subscribed();
    for n in 0..100 {
        harness.push(WsType::UNICAST, &node_seq(&format!("{n}")), "data");
    }
    assert_eq!(harness.session.deliveries(), 100);
    harness.pass_alive(35);
    let refused = respond(&mut harness, &node_seq("7"));
    assert_eq!(refused, Err(WsRefusal::NotWaiting));
    assert_eq!(harness.session.deliveries(), 0);
}

#[test]
fn a_seq_that_waits_already_is_ignored() {
    let mut harness = Harness::subscribed();
    let seq = node_seq("s");
    harness.push(WsType::UNICAST, &seq, "one");
    harness.events();
    harness.push(WsType::UNICAST, &seq, "two");
    let in_use = WsClientNotice::SeqInUse(seq.clone());
    assert_eq!(harness.events(), [notice(in_use)]);
    assert_eq!(harness.sent(), []);
    assert_eq!(respond(&mut harness, &seq), Ok(()));
}

#[test]
fn too_many_deliveries_are_refused() {
    let config = WsClientConfig::default().with(|config| config.max_deliveries = 1);
    let mut harness = Harness::ready_with(config);
    harness.session.subscribe(&hello()).unwrap();
    harness.sent();
    harness.push(WsType::UNICAST, &node_seq("a"), "one");
    harness.events();
    harness.push(WsType::UNICAST, &node_seq("b"), "two");
    let limit = 1;
    let too_many = WsClientNotice::TooManyDeliveries { limit };
    assert_eq!(harness.events(), [notice(too_many)]);
    assert_eq!(harness.sent_one().status, WsStatus(104));
    respond(&mut harness, &node_seq("a")).unwrap();
    harness.push(WsType::UNICAST, &node_seq("c"), "three");
    assert_eq!(harness.events().len(), 1);
}

#[test]
fn a_unicast_with_a_long_seq_is_refused() {
    let mut harness = Harness::subscribed();
    harness.push(WsType::UNICAST, &node_seq(&"s".repeat(257)), "data");
    let too_long = WsClientNotice::SeqTooLong { len: 257 };
    assert_eq!(harness.events(), [notice(too_long)]);
    assert_eq!(harness.sent_one().status, WsStatus(104));
    // A multicast's seq is not kept.
    harness.push(WsType::MULTICAST, &node_seq(&"s".repeat(257)), "data");
    assert!(matches!(harness.events()[..], [WsClientEvent::Push(_)]));
}

#[test]
fn an_answer_that_is_too_long_tells_the_publisher_so() {
    let config = WsClientConfig::default().with(|config| config.max_message = 60);
    let mut harness = Harness::ready_with(config);
    harness.session.subscribe(&hello()).unwrap();
    harness.sent();
    let seq = node_seq("s");
    harness.push(WsType::UNICAST, &seq, "data");
    let now = harness.now;
    let refused = harness
        .session
        .respond(now, &seq, WsStatus::SUCCESS, vec![0; 50]);
    assert_eq!(refused, Err(WsRefusal::TooLong { len: 61, max: 60 }));
    let answer = harness.sent_one();
    assert_eq!((answer.seq, answer.status), (seq, WsStatus(106)));
}

/// A node that sends and does not read cannot make the queue grow.
#[test]
fn a_full_queue_gets_no_refusals_and_answers_wait() {
    let config = WsClientConfig::default().with(|config| config.max_queued = 500);
    let mut harness = Harness::ready_with(config);
    harness.session.subscribe(&hello()).unwrap();
    harness.sent();
    let seq = node_seq("s");
    harness.push(WsType::UNICAST, &seq, "data");
    for _ in 0..1000 {
        let unreadable = WsMessage::new(WsType::UNICAST, node_seq("x"), "");
        harness.receive(unreadable);
    }
    assert!(harness.session.queued_bytes() <= 500);
    let queued = harness.session.queued_bytes();
    let full = WsRefusal::QueueFull { queued, max: 500 };
    assert_eq!(respond(&mut harness, &seq), Err(full));
    harness.sent();
    assert_eq!(respond(&mut harness, &seq), Ok(()));
}

/// Each message that waits needs memory in addition to its bytes.
#[test]
fn small_messages_cannot_make_the_queue_large() {
    let config = WsClientConfig::default().with(|config| config.max_queued = 10_000);
    let mut harness = Harness::ready_with(config);
    while harness.session.multicast(&hello(), "").is_ok() {}
    // 53 bytes each.
    assert!(harness.sent().len() < 60);
}

/// A refusal would be taken for the program's answer to the first message.
#[test]
fn a_seq_that_waits_for_the_program_is_never_refused() {
    let mut harness = Harness::subscribed();
    let seq = node_seq("s");
    harness.push(WsType::UNICAST, &seq, "one");
    harness.events();
    harness.receive(WsMessage::new(WsType::UNICAST, seq.clone(), ""));
    assert_eq!(harness.sent(), []);
    let other = AmopRequest::new("other", "two");
    harness.receive(WsMessage::new(
        WsType::UNICAST,
        seq.clone(),
        payload(&other),
    ));
    assert_eq!(harness.sent(), []);
    assert!(matches!(
        harness.events()[..],
        [
            WsClientEvent::Notice(WsClientNotice::Malformed { .. }),
            WsClientEvent::Notice(WsClientNotice::NotSubscribed { .. })
        ]
    ));
    assert_eq!(respond(&mut harness, &seq), Ok(()));
    assert_eq!(harness.sent_one().seq, seq);
}

/// The delivery is forgotten with the refusal, so nothing else would ever answer it.
#[test]
fn an_answer_that_is_too_long_is_replaced_even_if_the_queue_is_full() {
    let config = WsClientConfig::default().with(|config| {
        config.max_message = 60;
        config.max_queued = 1000;
    });
    let mut harness = Harness::ready_with(config);
    harness.session.subscribe(&hello()).unwrap();
    harness.sent();
    let seq = node_seq("s");
    harness.push(WsType::UNICAST, &seq, "data");
    while harness.session.multicast(&hello(), "").is_ok() {}
    let now = harness.now;
    let refused = harness
        .session
        .respond(now, &seq, WsStatus::SUCCESS, vec![0; 50]);
    assert_eq!(refused, Err(WsRefusal::TooLong { len: 61, max: 60 }));
    let last = harness.sent().pop().unwrap();
    assert_eq!((last.seq, last.status), (seq, WsStatus(106)));
}
