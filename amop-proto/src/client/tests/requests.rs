//! Publishing, and the answers to it.

use super::*;
use crate::channel::HEADER_LEN;

fn response(seq: Seq, result: i32, body: impl Into<Bytes>) -> Frame {
    Frame {
        result,
        ..Frame::new(FrameType::RESPONSE, seq, body)
    }
}

#[test]
fn requests_are_framed_and_carry_fresh_seqs() {
    let mut harness = Harness::ready();
    let a = harness.request(MessageKind::Unicast, "one", seconds(1), 1);
    let b = harness.request(MessageKind::Multicast, "", seconds(1), 2);
    assert_ne!(a, b);
    assert_eq!(
        harness.sent(),
        [
            Frame::new(FrameType::UNICAST, a, framed("one")),
            Frame::new(FrameType::MULTICAST, b, framed("")),
        ]
    );
    assert_eq!(harness.session.in_flight(), 2);
}

#[test]
fn the_longest_topic_is_framed_right() {
    let mut harness = Harness::ready();
    let long = topic(&"t".repeat(crate::MAX_TOPIC_LEN));
    let deadline = harness.now + seconds(1);
    harness
        .session
        .request(MessageKind::Unicast, &long, b"x", deadline, 1)
        .unwrap();
    let frame = harness.sent_one();
    assert_eq!(frame.body, frame_topic(long.as_bytes(), b"x"));
}

#[test]
fn answers_are_told_apart_by_their_result() {
    let echo = framed("payload");
    let cases = [
        (0, framed("yes"), RequestOutcome::Answered("yes".into())),
        (0, Bytes::new(), RequestOutcome::Answered(Bytes::new())),
        (100, Bytes::new(), RequestOutcome::NoSubscriber),
        (101, Bytes::new(), RequestOutcome::SubscriberLeft),
        (102, Bytes::new(), RequestOutcome::NodeTimedOut),
        (103, Bytes::new(), RequestOutcome::OverLimit),
        (104, echo.clone(), RequestOutcome::Unanswered),
        (105, framed(""), RequestOutcome::Undecodable),
        (
            7,
            "raw".into(),
            RequestOutcome::Rejected {
                code: 7,
                payload: "raw".into(),
            },
        ),
        (
            -1,
            framed("why"),
            RequestOutcome::Rejected {
                code: -1,
                payload: "why".into(),
            },
        ),
    ];
    for (result, body, outcome) in cases {
        let mut harness = Harness::ready();
        let seq = harness.request(MessageKind::Unicast, "payload", seconds(1), 9);
        harness.receive(response(seq, result, body));
        assert_eq!(harness.events(), [finished(9, outcome)]);
        assert_eq!(harness.session.in_flight(), 0);
    }
}

#[test]
fn answers_without_the_topics_framing_are_taken_whole() {
    let other = frame_topic(b"other", b"x");
    for body in [Bytes::from_static(b"ok"), "\x00zero".into(), other] {
        let mut harness = Harness::ready();
        let seq = harness.request(MessageKind::Unicast, "", seconds(1), 1);
        harness.receive(response(seq, 0, body.clone()));
        assert_eq!(
            harness.events(),
            [finished(1, RequestOutcome::Answered(body))]
        );
    }
}

#[test]
fn only_a_0x31_with_the_seq_is_an_answer() {
    let mut harness = Harness::ready();
    harness.session.subscribe(&hello());
    let seq = harness.request(MessageKind::Unicast, "", seconds(1), 1);
    harness.sent();

    let stranger = Seq([b'f'; 32]);
    harness.receive(response(stranger, 0, framed("")));
    assert_eq!(
        harness.events(),
        [SessionEvent::Notice(SessionNotice::UnsolicitedResponse(
            stranger
        ))]
    );
    for kind in [
        FrameType::RPC,
        FrameType::HEARTBEAT,
        FrameType::HANDSHAKE,
        FrameType::EVENT_REGISTER,
        FrameType(0x77),
    ] {
        harness.receive(Frame::new(kind, seq, framed("")));
        assert_eq!(
            harness.events(),
            [SessionEvent::Notice(SessionNotice::Ignored(kind))]
        );
    }
    for kind in [FrameType::BLOCK_NOTIFY, FrameType::TRANSACTION_NOTIFY] {
        harness.receive(Frame::new(kind, seq, framed("1,1")));
        assert_eq!(harness.events(), []);
    }

    // Publisher and subscriber are the same session: the push carries the request's own seq.
    harness.receive(Frame::new(FrameType::UNICAST, seq, framed("to me")));
    assert_eq!(
        harness.events(),
        [SessionEvent::Push(Push {
            kind: MessageKind::Unicast,
            seq,
            topic: hello(),
            payload: "to me".into(),
        })]
    );
    assert_eq!(harness.session.in_flight(), 1);
    assert!(harness.session.respond(seq, &hello(), 0, b"from me"));
    assert_eq!(harness.sent_one(), response(seq, 0, framed("from me")));

    harness.receive(response(seq, 0, framed("from me")));
    let outcome = RequestOutcome::Answered("from me".into());
    assert_eq!(harness.events(), [finished(1, outcome)]);
}

#[test]
fn deadlines_hold_and_late_answers_are_ignored() {
    let mut harness = Harness::ready();
    let late = harness.request(MessageKind::Unicast, "", seconds(2), 2);
    harness.request(MessageKind::Multicast, "", seconds(1), 1);
    harness.request(MessageKind::Unicast, "", seconds(3), 3);
    assert_eq!(
        harness.session.next_timeout(),
        Some(harness.now + seconds(1))
    );
    harness.pass(Duration::from_millis(999));
    assert_eq!(harness.events(), []);
    harness.pass(Duration::from_millis(1001));
    assert_eq!(
        harness.events(),
        [
            finished(1, RequestOutcome::TimedOut),
            finished(2, RequestOutcome::TimedOut)
        ]
    );
    harness.receive(response(late, 0, framed("")));
    assert_eq!(
        harness.events(),
        [SessionEvent::Notice(SessionNotice::UnsolicitedResponse(
            late
        ))]
    );
    assert_eq!(
        harness.session.next_timeout(),
        Some(harness.now + seconds(1))
    );
}

#[test]
fn a_cancelled_request_is_forgotten() {
    let mut harness = Harness::ready();
    let seq = harness.request(MessageKind::Unicast, "", seconds(1), 5);
    assert_eq!(harness.session.cancel(&seq), Some(5));
    assert_eq!(harness.session.cancel(&seq), None);
    harness.pass(seconds(1));
    assert_eq!(harness.events(), []);
    assert_eq!(harness.session.in_flight(), 0);
}

#[test]
fn requests_are_refused_before_anything_is_sent() {
    let config = ClientConfig {
        max_frame: 100,
        max_in_flight: 2,
        ..ClientConfig::default()
    };
    let try_it = |harness: &mut Harness, payload: &[u8]| {
        let deadline = harness.now + seconds(1);
        let topic = hello();
        harness
            .session
            .request(MessageKind::Unicast, &topic, payload, deadline, 4)
            .map_err(|refused| {
                assert_eq!(refused.token, 4);
                refused.why
            })
    };

    let mut harness = Harness::new(config.clone());
    harness.sent();
    assert_eq!(try_it(&mut harness, b""), Err(RefusalReason::NotReady));

    let mut harness = Harness::ready_with(config, 3);
    let most = 100 - HEADER_LEN - 1 - "hello".len();
    assert_eq!(
        try_it(&mut harness, &vec![0; most + 1]),
        Err(RefusalReason::TooLong { len: 101, max: 100 })
    );
    assert!(try_it(&mut harness, &vec![0; most]).is_ok());
    assert!(try_it(&mut harness, b"").is_ok());
    assert_eq!(
        try_it(&mut harness, b""),
        Err(RefusalReason::InFlight { limit: 2 })
    );
    assert_eq!(harness.sent().len(), 2);
    harness.session.close();
    assert_eq!(try_it(&mut harness, b""), Err(RefusalReason::Closed));
    assert_eq!(harness.sent(), []);
}

#[test]
fn a_message_is_sent_again_with_the_seq_it_had() {
    let mut harness = Harness::ready();
    let deadline = harness.now + seconds(5);
    let seq = Seq([7; 32]);
    let publish = |harness: &mut Harness, token| {
        let (kind, topic) = (MessageKind::Unicast, hello());
        let session = &mut harness.session;
        session.request_as(seq, kind, &topic, b"again", deadline, token)
    };
    publish(&mut harness, 1).unwrap();
    let request = harness.sent_one();
    assert_eq!(request.seq, seq);
    // A seq is not used twice at a time: the answer could belong to either message.
    let refused = publish(&mut harness, 2).unwrap_err();
    assert_eq!((refused.token, refused.why), (2, RefusalReason::SeqInUse));
    assert!(harness.sent().is_empty());
    harness.receive(request.respond(0, framed("")));
    assert_eq!(harness.events().len(), 1);
    publish(&mut harness, 3).unwrap();
    assert_eq!(harness.sent_one().seq, seq);
}
