//! Publishing, and the answers to it.

use super::*;
use crate::{
    channel::Seq,
    client::{MessageKind, RequestOutcome},
    p2p::FRAGMENT,
    ws::{MIN_MESSAGE, WsFailure, WsStatus},
};

#[test]
fn messages_carry_topic_data_and_fresh_seqs() {
    let mut harness = Harness::ready();
    let a = harness.request("one", seconds(1), 1);
    let b = harness.session.multicast(&hello(), "two").unwrap();
    assert_ne!(a, b.into());
    let request = |data: &'static str| payload(&AmopRequest::new("hello", data));
    assert_eq!(
        harness.sent(),
        [
            WsMessage::new(WsType::UNICAST, a, request("one")),
            WsMessage::new(WsType::MULTICAST, b.into(), request("two")),
        ]
    );
    // A multicast is never answered (ws-v3 section 10.5).
    assert_eq!(harness.session.in_flight(), 1);
}

#[test]
fn a_long_payload_is_not_copied() {
    let mut harness = Harness::ready();
    let data = Bytes::from(vec![1; FRAGMENT + 1]);
    harness.session.multicast(&hello(), data.clone()).unwrap();
    let transmits = harness.transmits();
    let [WsTransmit::Message(message)] = &transmits[..] else {
        panic!("{transmits:?}");
    };
    assert_eq!(message.parts().tail.as_ptr(), data.as_ptr());
}

/// ws-v3 section 10.4.
#[test]
fn answers_are_told_apart_by_type_and_status() {
    let failed = |status| WsOutcome::Failed {
        status: WsStatus(status),
        text: "why".into(),
    };
    let rejected = |status| WsOutcome::Rejected {
        status: WsStatus(status),
        payload: "why".into(),
    };
    let answered = || WsOutcome::Answered("why".into());
    let cases = [
        (WsType::RESPONSE, 0, answered()),
        // Any type is an answer (ws-v3 section 5).
        (WsType::NODE_ANSWER, 0, answered()),
        (WsType::BLOCK_NOTIFY, 0, answered()),
        (WsType(0x999), 0, answered()),
        (WsType::NODE_ANSWER, 3001, failed(3001)),
        (WsType::NODE_ANSWER, -4008, failed(-4008)),
        (WsType::RESPONSE, 42, rejected(42)),
        (WsType::RESPONSE, 3001, rejected(3001)),
    ];
    for (kind, status, outcome) in cases {
        let mut harness = Harness::ready();
        let seq = harness.request("x", seconds(1), 9);
        harness.receive(WsMessage {
            status: WsStatus(status),
            ext: 1,
            ..WsMessage::new(kind, seq, "why")
        });
        assert_eq!(harness.events(), [finished(9, outcome)]);
        assert_eq!(harness.session.in_flight(), 0);
    }
}

#[test]
fn outcomes_have_the_words_of_2_x() {
    let failed = |status| WsOutcome::Failed {
        status,
        text: "why".into(),
    };
    let rejected = |status| WsOutcome::Rejected {
        status: WsStatus(status),
        payload: "why".into(),
    };
    let of_2 = |code| RequestOutcome::Rejected {
        code,
        payload: "why".into(),
    };
    for (outcome, expected) in [
        (
            WsOutcome::Answered("a".into()),
            RequestOutcome::Answered("a".into()),
        ),
        (WsOutcome::TimedOut, RequestOutcome::TimedOut),
        (WsOutcome::Disconnected, RequestOutcome::Disconnected),
        (
            failed(WsStatus::NO_SUBSCRIBER),
            RequestOutcome::NoSubscriber,
        ),
        (failed(WsStatus::UNREACHABLE), RequestOutcome::NoSubscriber),
        (failed(WsStatus::NO_SESSION), RequestOutcome::Unanswered),
        (
            failed(WsStatus::DISCONNECTED),
            RequestOutcome::SubscriberLeft,
        ),
        (failed(WsStatus::TIMED_OUT), RequestOutcome::NodeTimedOut),
        (
            failed(WsStatus::GATEWAY_TIMED_OUT),
            RequestOutcome::NodeTimedOut,
        ),
        (failed(WsStatus::FAILED), RequestOutcome::OverLimit),
        (rejected(-1), of_2(-1)),
        // What native clients of 3.x answer.
        (rejected(104), RequestOutcome::Unanswered),
        (rejected(105), RequestOutcome::Undecodable),
        (rejected(106), RequestOutcome::NoReply),
        (rejected(107), RequestOutcome::Failed),
        // Numbers of nodes of 2.x, which here are the application's.
        (rejected(100), of_2(100)),
        (rejected(103), of_2(103)),
    ] {
        assert_eq!(RequestOutcome::from(outcome), expected);
    }
    assert_eq!(
        WsStatus::NO_SUBSCRIBER.failure(),
        Some(WsFailure::NoSubscriber)
    );
}

/// FISCO nodes often send no answer at all (ws-v3 section 10.3).
#[test]
fn deadlines_hold_and_late_answers_are_ignored() {
    let mut harness = Harness::ready();
    let late = harness.request("", seconds(2), 2);
    harness.request("", seconds(1), 1);
    harness.request("", seconds(30), 3);
    harness.sent();
    assert_eq!(
        harness.session.next_timeout(),
        Some(harness.now + seconds(1))
    );
    harness.pass_alive(2);
    assert_eq!(
        harness.events(),
        [
            finished(1, WsOutcome::TimedOut),
            finished(2, WsOutcome::TimedOut)
        ]
    );
    harness.receive(WsMessage::new(WsType::RESPONSE, late.clone(), "x"));
    let unsolicited = WsClientNotice::UnsolicitedResponse(late);
    assert_eq!(harness.events(), [notice(unsolicited)]);
    assert_eq!(harness.session.in_flight(), 1);
}

#[test]
fn a_cancelled_unicast_is_forgotten() {
    let mut harness = Harness::ready();
    let seq = harness.request("", seconds(1), 5).as_seq().unwrap();
    assert_eq!(harness.session.cancel(&seq), Some(5));
    assert_eq!(harness.session.cancel(&seq), None);
    harness.pass(seconds(1));
    assert_eq!(harness.events(), []);
}

#[test]
fn a_seq_is_not_used_twice_at_a_time() {
    let mut harness = Harness::ready();
    let seq = Seq([7; 32]);
    let deadline = harness.now + seconds(5);
    let mut publish = |token| {
        let session = &mut harness.session;
        session.request_as(seq, &hello(), "again", deadline, token)
    };
    publish(1).unwrap();
    let refused = publish(2).unwrap_err();
    assert_eq!((refused.token, refused.why), (2, WsRefusal::SeqInUse));
    assert_eq!(harness.sent_one().seq, seq.into());
}

#[test]
fn messages_are_refused_before_anything_is_sent() {
    let request = |harness: &mut Harness, len: usize| {
        let deadline = harness.now + seconds(1);
        let sent = harness.session.request(&hello(), vec![0; len], deadline, 4);
        sent.map_err(|refused| {
            assert_eq!(refused.token, 4);
            refused.why
        })
    };
    let config = WsClientConfig::default().with(|config| {
        config.max_message = 100;
        config.max_in_flight = 2;
        config.max_queued = 456;
    });
    let mut harness = Harness::new(config.clone());
    harness.sent();
    assert_eq!(request(&mut harness, 0), Err(WsRefusal::NotReady));
    assert_eq!(
        harness.session.multicast(&hello(), ""),
        Err(WsRefusal::NotReady)
    );

    let mut harness = Harness::ready_with(config);
    let most = 100 - MIN_MESSAGE - 32 - 6 - "hello".len();
    let too_long = WsRefusal::TooLong { len: 101, max: 100 };
    assert_eq!(request(&mut harness, most + 1), Err(too_long));
    assert!(request(&mut harness, most).is_ok());
    assert!(request(&mut harness, most).is_ok());
    assert_eq!(
        request(&mut harness, 0),
        Err(WsRefusal::InFlight { limit: 2 })
    );
    // Nothing answers multicasts, so only the queue limits them.
    let full = WsRefusal::QueueFull {
        queued: 456,
        max: 456,
    };
    assert_eq!(harness.session.multicast(&hello(), ""), Err(full));
    assert_eq!(harness.sent().len(), 2);
    assert!(harness.session.multicast(&hello(), "").is_ok());
}

/// A message of 32 MiB would be refused by the node with the end of the connection.
#[test]
fn no_message_is_longer_than_nodes_accept() {
    let mut harness = Harness::ready();
    let refused = harness.session.multicast(&hello(), vec![0; MAX_MESSAGE]);
    assert!(matches!(refused, Err(WsRefusal::TooLong { .. })));
    let room = MAX_MESSAGE - MIN_MESSAGE - 32 - 6 - "hello".len();
    assert!(harness.session.multicast(&hello(), vec![0; room]).is_ok());
}

/// ws-v3 section 10.5: the node sends a multicast to its publisher, too, unchanged.
#[test]
fn a_publisher_with_the_topic_gets_its_own_multicast() {
    let mut harness = Harness::subscribed();
    let seq = harness.session.multicast(&hello(), "to all").unwrap();
    let echo = harness.sent_one();
    harness.receive(echo);
    let [WsClientEvent::Push(push)] = &harness.events()[..] else {
        panic!("no push");
    };
    assert_eq!(
        (push.kind, &push.seq),
        (MessageKind::Multicast, &seq.into())
    );
    assert_eq!(harness.sent(), []);
}

/// ws-v3 section 10.4: a node without another subscriber sends the publisher its own unicast, with
/// the publisher's own seq. It is not the answer.
#[test]
fn a_publisher_with_the_topic_may_get_its_own_unicast() {
    let mut harness = Harness::subscribed();
    let seq = harness.request("to me", seconds(60), 1);
    let own = harness.sent_one();
    harness.receive(own);
    let [WsClientEvent::Push(push)] = &harness.events()[..] else {
        panic!("no push");
    };
    assert_eq!((&push.seq, &push.payload[..]), (&seq, &b"to me"[..]));
    assert_eq!(harness.session.in_flight(), 1);
    let now = harness.now;
    harness
        .session
        .respond(now, &seq, WsStatus::SUCCESS, "from me")
        .unwrap();
    let answer = harness.sent_one();
    assert_eq!(answer, WsMessage::new(WsType::RESPONSE, seq, "from me"));
    harness.receive(answer);
    let outcome = WsOutcome::Answered("from me".into());
    assert_eq!(harness.events(), [finished(1, outcome)]);
}
