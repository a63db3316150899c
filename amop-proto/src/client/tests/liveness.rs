//! Handshake, heartbeats and the end of a session.

use std::io;

use super::*;
use crate::channel::{FrameError, HandshakeError, HandshakeRequest, ProtocolVersion};

#[test]
fn the_handshake_is_the_first_frame_and_decides_the_version() {
    let mut harness = Harness::new(ClientConfig::default());
    let hello = harness.sent_one();
    assert_eq!(hello.kind, FrameType::HANDSHAKE);
    let request = HandshakeRequest::parse(&hello.body).unwrap();
    assert_eq!(request, HandshakeRequest::native());
    assert!(!harness.session.is_ready());

    // A frame with another seq is not the answer.
    harness.receive(Frame {
        seq: Seq([b'0'; 32]),
        body: handshake_body(3),
        ..hello.clone()
    });
    assert!(!harness.session.is_ready());

    harness.receive(Frame {
        body: handshake_body(2),
        ..hello
    });
    assert!(harness.events().contains(&SessionEvent::Ready {
        version: ProtocolVersion::V2,
        node_version: Some("2.11.1".into()),
        overlay: true,
    }));
    harness.pass(seconds(10));
    assert_eq!(&harness.sent_one().body[..], b"{\"heartBeat\":0}");
}

#[test]
fn without_an_answer_version_1_is_spoken_until_it_comes() {
    let mut harness = Harness::new(ClientConfig::default());
    let hello = harness.sent_one();
    assert_eq!(
        harness.session.next_timeout(),
        Some(harness.now + seconds(5))
    );
    harness.pass(Duration::from_millis(4999));
    assert_eq!(harness.events(), []);
    harness.pass(Duration::from_millis(1));
    assert_eq!(
        harness.events(),
        [
            SessionEvent::Notice(SessionNotice::NoHandshakeAnswer),
            SessionEvent::Ready {
                version: ProtocolVersion::V1,
                node_version: None,
                overlay: false,
            },
        ]
    );
    harness.pass(seconds(10));
    let heartbeat = harness.sent_one();
    assert_eq!(&heartbeat.body[..], b"0");

    // The node speaks version 3 once it has answered, even if late.
    harness.receive(Frame {
        body: handshake_body(3),
        ..hello
    });
    assert_eq!(harness.events(), []);
    assert_eq!(harness.session.version(), ProtocolVersion::V3);
    harness.pass(seconds(10));
    assert_eq!(&harness.sent_one().body[..], b"{\"heartBeat\":0}");
}

#[test]
fn a_bad_answer_to_the_handshake_closes() {
    let cases = [
        (handshake_body(4), CloseReason::Version(4)),
        (handshake_body(0), CloseReason::Version(0)),
    ];
    for (body, reason) in cases {
        let mut harness = Harness::new(ClientConfig::default());
        let hello = harness.sent_one();
        harness.receive(Frame { body, ..hello });
        assert_eq!(harness.events(), [SessionEvent::Closed(reason)]);
    }
    let mut harness = Harness::new(ClientConfig::default());
    let hello = harness.sent_one();
    harness.receive(Frame {
        body: "yes".into(),
        ..hello
    });
    assert!(matches!(
        harness.events()[..],
        [SessionEvent::Closed(CloseReason::Handshake(
            HandshakeError::Malformed(_)
        ))]
    ));
}

#[test]
fn the_end_of_the_stream_means_something_else_before_the_handshake_is_over() {
    let mut harness = Harness::new(ClientConfig::default());
    harness.session.handle_eof();
    assert_eq!(
        harness.events(),
        [SessionEvent::Closed(CloseReason::DuringHandshake)]
    );
    let mut harness = Harness::ready();
    harness.session.handle_eof();
    assert_eq!(harness.events(), [SessionEvent::Closed(CloseReason::Peer)]);
}

#[test]
fn heartbeats_go_out_at_the_interval_whatever_else_happens() {
    for (protocol, body) in [(1, "0"), (2, "{\"heartBeat\":0}"), (3, "{\"heartBeat\":0}")] {
        let config = ClientConfig {
            heartbeat: seconds(3),
            ..ClientConfig::default()
        };
        let mut harness = Harness::ready_with(config, protocol);
        for _ in 0..50 {
            assert_eq!(
                harness.session.next_timeout(),
                Some(harness.now + seconds(3))
            );
            harness.pass(Duration::from_millis(2999));
            assert_eq!(harness.sent(), []);
            harness.pass(Duration::from_millis(1));
            let heartbeat = harness.sent_one();
            assert_eq!(heartbeat.kind, FrameType::HEARTBEAT);
            assert_eq!(heartbeat.body, body);
            harness.answer_heartbeat(&heartbeat);
        }
        assert_eq!(harness.events(), []);
    }
}

#[test]
fn the_interval_stays_below_what_nodes_tolerate() {
    let config = ClientConfig {
        heartbeat: seconds(3600),
        ..ClientConfig::default()
    };
    let harness = Harness::ready_with(config, 3);
    assert_eq!(
        harness.session.next_timeout(),
        Some(harness.now + seconds(20))
    );
}

#[test]
fn two_silent_intervals_end_the_session() {
    for protocol in 1..=3 {
        let mut harness = Harness::ready_with(ClientConfig::default(), protocol);
        harness.pass(seconds(10));
        harness.pass(Duration::from_millis(9_999));
        assert!(!harness.session.is_closed());
        harness.pass(Duration::from_millis(1));
        let after = seconds(20);
        assert_eq!(
            harness.events(),
            [SessionEvent::Closed(CloseReason::Silent { after })]
        );
        assert_eq!(harness.session.next_timeout(), None);
    }
}

#[test]
fn any_bytes_are_a_sign_of_life() {
    let mut harness = Harness::ready();
    // A long frame arrives slowly; no heartbeat is answered meanwhile.
    for _ in 0..30 {
        harness.pass(seconds(5));
        harness.session.note_activity(harness.now);
    }
    assert_eq!(harness.events(), []);
    harness.pass(seconds(20));
    assert!(harness.session.is_closed());
}

#[test]
fn every_timeout_makes_progress() {
    let mut harness = Harness::new(ClientConfig::default());
    for name in ["a", "b"] {
        harness.session.subscribe(&topic(name));
        harness.sent();
    }
    // If it wakes exactly at the requested times and gets no answers, it must not request the same
    // time again for ever.
    let mut wakeups = 0;
    while let Some(next) = harness.session.next_timeout() {
        assert!(next >= harness.now);
        harness.now = next;
        harness.session.handle_timeout(next);
        harness.sent();
        wakeups += 1;
        assert!(wakeups < 20);
    }
    assert!(harness.session.is_closed());
}

#[test]
fn closing_fails_what_is_outstanding_in_the_order_of_deadlines() {
    let mut harness = Harness::ready();
    for token in [3, 1, 2] {
        harness.request(MessageKind::Unicast, "", seconds(token.into()), token);
    }
    harness.session.close();
    harness.session.handle_eof();
    harness.session.close();
    assert_eq!(
        harness.events(),
        [
            finished(1, RequestOutcome::Disconnected),
            finished(2, RequestOutcome::Disconnected),
            finished(3, RequestOutcome::Disconnected),
            SessionEvent::Closed(CloseReason::Local),
        ]
    );
    // Queued bytes can still be written, and nothing is added to them.
    assert_eq!(harness.sent().len(), 3);
    assert!(!harness.session.respond(Seq([0; 32]), &hello(), 0, b""));
    harness.receive(Frame::new(FrameType::VERIFY_PEER, Seq([0; 32]), ""));
    harness.session.subscribe(&hello());
    assert_eq!(harness.sent(), []);
    assert_eq!(harness.events(), []);
}

#[test]
fn failures_of_the_stream_are_told_apart() {
    let mut harness = Harness::ready();
    let error = FrameError::TooShort { len: 0 };
    harness.session.handle_frame_error(error);
    assert_eq!(
        harness.events(),
        [SessionEvent::Closed(CloseReason::Frame(error))]
    );

    let mut harness = Harness::ready();
    let error = io::Error::from(io::ErrorKind::ConnectionReset);
    harness.session.handle_io_error(&error);
    assert!(matches!(
        harness.events()[..],
        [SessionEvent::Closed(CloseReason::Transport {
            kind: io::ErrorKind::ConnectionReset,
            ..
        })]
    ));
}

#[test]
fn the_same_input_gives_the_same_output() {
    let run = |seed| {
        let now = Instant::now();
        let mut session = ClientSession::<u32>::new(ClientConfig::default(), seed, now);
        let mut out = BytesMut::new();
        session.handle_timeout(now + seconds(5));
        for name in ["b", "a", "c"] {
            session.subscribe(&topic(name));
        }
        for token in 0..100 {
            let deadline = now + seconds(7);
            session
                .request(MessageKind::Unicast, &hello(), b"x", deadline, token)
                .unwrap();
        }
        session.poll_transmit(now, &mut out);
        session.handle_timeout(now + seconds(7));
        let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
        (out, format!("{events:?}"))
    };
    assert_eq!(run([1; 32]), run([1; 32]));
    assert_ne!(run([1; 32]).0, run([2; 32]).0);
}

/// Returns the types of the frames sent since the last call.
fn kinds(harness: &mut Harness) -> Vec<FrameType> {
    harness.sent().iter().map(|frame| frame.kind).collect()
}

#[test]
fn who_waits_has_the_node_asked_for_a_sign_of_life() {
    let mut harness = Harness::ready();
    harness.request(MessageKind::Unicast, "", seconds(10), 1);
    assert_eq!(kinds(&mut harness), [FrameType::UNICAST]);
    harness.pass(Duration::from_millis(2499));
    assert_eq!(harness.sent(), []);
    harness.pass(Duration::from_millis(1));
    let probe = harness.sent_one();
    assert_eq!(probe.kind, FrameType::HEARTBEAT);
    // A live node may need some time for the message.
    harness.answer_heartbeat(&probe);
    harness.pass(Duration::from_millis(2499));
    assert_eq!(harness.sent(), []);
    harness.pass(Duration::from_millis(1));
    assert_eq!(kinds(&mut harness), [FrameType::HEARTBEAT]);
    // A silent node is given up before the message is.
    harness.pass(Duration::from_millis(2499));
    assert_eq!(harness.events(), []);
    harness.pass(Duration::from_millis(2));
    let events = harness.events();
    assert_eq!(events[0], finished(1, RequestOutcome::Disconnected));
    assert!(matches!(
        events[1],
        SessionEvent::Closed(CloseReason::Silent { .. })
    ));
}

#[test]
fn who_waits_for_nothing_asks_no_more_often_than_before() {
    let mut harness = Harness::ready();
    for token in 0..3 {
        let seq = harness.request(MessageKind::Unicast, "", seconds(10), token);
        harness.sent();
        harness.receive(Frame::new(FrameType::RESPONSE, seq, framed("")));
        assert_eq!(harness.events().len(), 1);
        harness.pass(seconds(3));
        assert_eq!(harness.sent(), []);
    }
}

/// Messages that are each given up early say together that the node is silent.
#[test]
fn a_node_that_lets_short_lived_messages_end_is_given_up() {
    for cancelled in [false, true] {
        let mut harness = Harness::ready();
        let mut sent = Vec::new();
        for token in 0..5 {
            assert!(!harness.session.is_closed());
            let seq = harness.request(MessageKind::Unicast, "", seconds(1), token);
            sent.extend(kinds(&mut harness));
            let time = Duration::from_millis(if cancelled { 900 } else { 1000 });
            harness.pass(time);
            if cancelled {
                assert_eq!(harness.session.cancel(&seq), Some(token));
                harness.pass(seconds(1) - time);
            }
            sent.extend(kinds(&mut harness));
        }
        let probes = sent.iter().filter(|&&kind| kind == FrameType::HEARTBEAT);
        assert_eq!(probes.count(), 1);
        // The probe was sent after 3 s, because time passes in steps here.
        harness.pass(Duration::from_millis(600));
        assert!(harness.session.is_closed());
    }
}

#[test]
fn a_node_that_lives_is_asked_once_for_a_message_that_was_given_up() {
    let mut harness = Harness::ready();
    harness.request(MessageKind::Unicast, "", seconds(1), 1);
    assert_eq!(kinds(&mut harness), [FrameType::UNICAST]);
    harness.pass(seconds(1));
    assert_eq!(harness.events().len(), 1);
    harness.pass(Duration::from_millis(1500));
    let probe = harness.sent_one();
    harness.answer_heartbeat(&probe);
    harness.pass(seconds(7));
    assert_eq!(harness.sent(), []);
    assert!(!harness.session.is_closed());
}

#[test]
fn what_is_still_on_its_way_gives_a_node_more_time() {
    let mut harness = Harness::ready();
    let long = "x".repeat(2 << 20);
    harness.request(MessageKind::Unicast, &long, seconds(60), 1);
    harness.sent();
    harness.pass(Duration::from_millis(2500));
    assert_eq!(kinds(&mut harness), [FrameType::HEARTBEAT]);
    harness.pass(Duration::from_millis(5499));
    assert!(!harness.session.is_closed());
    harness.pass(Duration::from_millis(1));
    assert!(harness.session.is_closed());
}

/// The last bytes of a long message are still on their way after the transport has accepted all of
/// them.
#[test]
fn a_line_that_moves_is_not_given_up_and_its_tail_has_time() {
    let mut harness = Harness::ready();
    harness.request(MessageKind::Unicast, &"x".repeat(8 << 20), seconds(600), 1);
    harness.sent();
    for _ in 0..20 {
        harness.pass(Duration::from_millis(2500));
        harness.sent();
        harness.pass(Duration::from_millis(5499));
        assert!(!harness.session.is_closed());
        harness.session.note_activity(harness.now);
    }
    harness.pass(Duration::from_millis(2500));
    let probe = harness.sent().pop().unwrap();
    harness.pass(Duration::from_millis(5499));
    assert!(!harness.session.is_closed());
    harness.answer_heartbeat(&probe);
    // Nothing is in flight now.
    harness.pass(Duration::from_millis(2500));
    harness.sent();
    harness.pass(Duration::from_millis(2510));
    assert!(harness.session.is_closed());
}

/// A node may delay answers to heartbeats until topics are in force, but no other answers.
#[test]
fn while_topics_are_on_their_way_the_node_is_asked_something_else() {
    let mut harness = Harness::ready();
    harness.session.subscribe(&hello());
    harness.sent();
    harness.pass(Duration::from_millis(2500));
    let probe = harness.sent_one();
    assert_eq!(probe.kind, FrameType::RPC);
    harness.receive(Frame {
        body: "{}".into(),
        ..probe
    });
    assert_eq!(harness.events(), []);
    harness.pass(Duration::from_millis(2500));
    assert_eq!(kinds(&mut harness), [FrameType::RPC]);
    assert!(!harness.session.is_closed());
}

#[test]
fn the_longest_frame_is_suspected_when_a_node_ends_the_session() {
    let mut harness = Harness::ready();
    let long = |more: usize| "x".repeat((64 << 10) + more);
    let seq = harness.request(MessageKind::Unicast, &long(5), seconds(10), 0);
    harness.receive(Frame::new(FrameType::RESPONSE, seq, framed("")));
    let taken = harness.session.longest_taken();
    assert_eq!(taken, 42 + 6 + (64 << 10) + 5);
    harness.events();
    harness.request(MessageKind::Unicast, &long(4), seconds(10), 1);
    harness.request(MessageKind::Unicast, &long(7), seconds(10), 2);
    harness.request(MessageKind::Multicast, &long(6), seconds(10), 3);
    harness.session.handle_eof();
    let (len, longest) = (taken + 2, taken);
    let events = harness.events();
    assert!(events.contains(&finished(1, RequestOutcome::Disconnected)));
    assert!(events.contains(&finished(2, RequestOutcome::CutOff { len, longest })));
    assert!(events.contains(&finished(3, RequestOutcome::Disconnected)));

    // A frame of a length that the node accepted before is not suspected.
    let config = ClientConfig {
        longest_taken: taken,
        ..ClientConfig::default()
    };
    let mut harness = Harness::ready_with(config, 3);
    harness.request(MessageKind::Unicast, &long(5), seconds(10), 1);
    harness.session.handle_eof();
    assert_eq!(
        harness.events()[0],
        finished(1, RequestOutcome::Disconnected)
    );
}

/// A node that restarts during the first messages of a client did not end the session because of
/// their length.
#[test]
fn a_short_frame_is_not_suspected_and_none_of_a_node_that_told_its_limit() {
    let mut harness = Harness::ready();
    let short = "x".repeat((64 << 10) - 42 - 6);
    harness.request(MessageKind::Unicast, &short, seconds(10), 1);
    harness.session.handle_eof();
    assert_eq!(
        harness.events()[0],
        finished(1, RequestOutcome::Disconnected)
    );

    let mut harness = Harness::new(ClientConfig::default());
    let hello = harness.sent_one();
    let body = HandshakeResponse {
        node_version: "2.11.1".into(),
        protocol: 3,
        quiet_multicasts: false,
        answer_within: None,
        max_frame: Some(1 << 20),
    };
    harness.receive(Frame {
        body: body.to_body(),
        ..hello
    });
    harness.events();
    harness.request(MessageKind::Unicast, &"x".repeat(1 << 19), seconds(10), 1);
    harness.session.handle_eof();
    assert_eq!(
        harness.events()[0],
        finished(1, RequestOutcome::Disconnected)
    );
}
