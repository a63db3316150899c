//! The topic set, and when it is settled.

use super::*;

/// Asserts that a set and a heartbeat after it were sent, and returns the heartbeat.
#[track_caller]
fn set_of(frames: &[Frame], body: &str) -> Frame {
    let kinds: Vec<_> = frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [FrameType::SET_TOPICS, FrameType::HEARTBEAT]);
    assert_eq!(frames[0].body, body);
    frames[1].clone()
}

#[test]
fn changes_made_together_are_one_set() {
    let mut harness = Harness::ready();
    let b = harness.session.subscribe(&topic("b"));
    let a = harness.session.subscribe(&topic("a"));
    assert_eq!(harness.session.subscribe(&topic("b")), b);
    let frames = harness.sent();
    let heartbeat = set_of(&frames, r#"["a","b"]"#);
    assert!(harness.session.settled() < b);
    assert_eq!(harness.events(), []);

    harness.answer_heartbeat(&heartbeat);
    assert_eq!(
        harness.events(),
        [SessionEvent::TopicsSettled { version: a }]
    );
    assert_eq!(harness.session.settled(), a);
    assert_eq!(harness.sent(), []);
}

#[test]
fn nothing_is_sent_before_the_handshake_is_over() {
    let mut harness = Harness::new(ClientConfig::default());
    harness.session.subscribe(&hello());
    let first = harness.sent_one();
    assert_eq!(first.kind, FrameType::HANDSHAKE);
    harness.receive(Frame {
        body: handshake_body(3),
        ..first
    });
    set_of(&harness.sent(), r#"["hello"]"#);
}

#[test]
fn no_set_is_sent_if_there_never_was_a_topic() {
    let mut harness = Harness::ready();
    assert_eq!(harness.sent(), []);
    assert_eq!(harness.session.unsubscribe(&hello()), 0);
    assert_eq!(harness.sent(), []);
}

#[test]
fn the_next_set_waits_for_the_last_ones_confirmation() {
    let mut harness = Harness::ready();
    let a = harness.session.subscribe(&topic("a"));
    let first = set_of(&harness.sent(), r#"["a"]"#);
    let b = harness.session.subscribe(&topic("b"));
    harness.session.subscribe(&topic("c"));
    let c = harness.session.unsubscribe(&topic("a"));
    assert_eq!(harness.sent(), []);

    harness.answer_heartbeat(&first);
    assert_eq!(
        harness.events(),
        [SessionEvent::TopicsSettled { version: a }]
    );
    let second = set_of(&harness.sent(), r#"["b","c"]"#);
    assert!(a < b && b < c);
    harness.answer_heartbeat(&second);
    assert_eq!(
        harness.events(),
        [SessionEvent::TopicsSettled { version: c }]
    );
}

#[test]
fn a_node_that_confirms_nothing_gets_the_next_set_after_5_s() {
    let mut harness = Harness::ready();
    harness.session.subscribe(&topic("a"));
    set_of(&harness.sent(), r#"["a"]"#);
    // The set is sent and unconfirmed: the only reason to wake up is to check whether the node is
    // alive.
    let half = Duration::from_millis(2500);
    assert_eq!(harness.session.next_timeout(), Some(harness.now + half));
    harness.pass(half);
    let probe = harness.sent_one();
    assert_eq!(probe.kind, FrameType::RPC);
    harness.receive(probe);
    harness.session.subscribe(&topic("b"));
    assert_eq!(harness.sent(), []);
    // The next probe is due then, too; the node shows before it that it is alive.
    assert_eq!(harness.session.next_timeout(), Some(harness.now + half));
    harness.pass(half - Duration::from_millis(1));
    assert_eq!(harness.sent(), []);
    harness.session.note_activity(harness.now);
    harness.pass(Duration::from_millis(1));
    set_of(&harness.sent(), r#"["a","b"]"#);
}

#[test]
fn only_heartbeats_sent_behind_the_set_confirm_it() {
    let mut harness = Harness::ready();
    harness.pass(seconds(10));
    let before = harness.sent_one();
    let version = harness.session.subscribe(&topic("a"));
    let lost = set_of(&harness.sent(), r#"["a"]"#);
    harness.answer_heartbeat(&before);
    assert_eq!(harness.events(), []);

    // The heartbeat after the set is never answered, but the next one is.
    for _ in 0..4 {
        harness.pass(Duration::from_millis(2499));
        assert_eq!(harness.sent(), []);
        harness.session.note_activity(harness.now);
    }
    harness.pass(Duration::from_millis(4));
    let after = harness.sent_one();
    harness.answer_heartbeat(&after);
    assert_eq!(harness.events(), [SessionEvent::TopicsSettled { version }]);
    harness.answer_heartbeat(&lost);
    assert_eq!(harness.events(), []);
}

#[test]
fn the_last_topic_leaves_an_empty_set() {
    let mut harness = Harness::ready();
    harness.session.subscribe(&hello());
    let heartbeat = set_of(&harness.sent(), r#"["hello"]"#);
    harness.answer_heartbeat(&heartbeat);
    let version = harness.session.unsubscribe(&hello());
    assert_eq!(harness.session.unsubscribe(&hello()), version);
    set_of(&harness.sent(), "[]");
}

#[test]
fn subscribing_again_while_leaving_keeps_the_topic() {
    let mut harness = Harness::ready();
    harness.session.subscribe(&hello());
    let first = set_of(&harness.sent(), r#"["hello"]"#);
    harness.session.unsubscribe(&hello());
    let again = harness.session.subscribe(&hello());
    harness.answer_heartbeat(&first);
    let second = set_of(&harness.sent(), r#"["hello"]"#);
    harness.answer_heartbeat(&second);
    assert_eq!(harness.session.settled(), again);
    harness.receive(Frame::new(FrameType::MULTICAST, Seq([0; 32]), framed("x")));
    assert!(matches!(harness.events()[..], [.., SessionEvent::Push(_)]));
}

/// Returns a session after a handshake with a FISCO node.
fn at_fisco_node() -> Harness {
    let mut harness = Harness::new(ClientConfig::default());
    let first = harness.sent_one();
    let body = HandshakeResponse {
        node_version: "2.11.1".into(),
        protocol: 3,
        quiet_multicasts: false,
        answer_within: None,
        max_frame: None,
    };
    harness.receive(Frame {
        body: body.to_body(),
        ..first
    });
    assert!(matches!(
        harness.events()[..],
        [SessionEvent::Ready { overlay: false, .. }]
    ));
    harness
}

/// Two sets may be handled in either order: there is a pause between them, and the last one is sent
/// once more.
#[test]
fn sets_for_a_fisco_node_keep_a_distance_and_are_repeated() {
    let mut harness = at_fisco_node();
    let a = harness.session.subscribe(&topic("a"));
    let first = set_of(&harness.sent(), r#"["a"]"#);
    harness.answer_heartbeat(&first);
    assert_eq!(
        harness.events(),
        [SessionEvent::TopicsSettled { version: a }]
    );

    let b = harness.session.subscribe(&topic("b"));
    assert_eq!(harness.sent(), []);
    let at = harness.session.next_timeout();
    assert_eq!(at, Some(harness.now + Duration::from_millis(100)));
    harness.pass(Duration::from_millis(99));
    assert_eq!(harness.sent(), []);
    harness.pass(Duration::from_millis(1));
    let second = set_of(&harness.sent(), r#"["a","b"]"#);
    harness.answer_heartbeat(&second);
    assert_eq!(
        harness.events(),
        [SessionEvent::TopicsSettled { version: b }]
    );

    harness.pass(Duration::from_millis(999));
    assert_eq!(harness.sent(), []);
    harness.pass(Duration::from_millis(1));
    let again = set_of(&harness.sent(), r#"["a","b"]"#);
    harness.answer_heartbeat(&again);
    // Nothing has changed, so nothing is sent a third time.
    assert_eq!(harness.events(), []);
    harness.pass(seconds(9));
    assert!(
        harness
            .sent()
            .iter()
            .all(|frame| frame.kind == FrameType::HEARTBEAT)
    );
}

#[test]
fn a_fisco_node_that_is_slow_gets_its_sets_further_apart() {
    let mut harness = at_fisco_node();
    harness.session.subscribe(&topic("a"));
    let first = set_of(&harness.sent(), r#"["a"]"#);
    harness.pass(Duration::from_millis(300));
    harness.answer_heartbeat(&first);
    harness.session.subscribe(&topic("b"));
    harness.pass(Duration::from_millis(299));
    assert_eq!(harness.sent(), []);
    harness.pass(Duration::from_millis(1));
    set_of(&harness.sent(), r#"["a","b"]"#);
}

/// Answers a heartbeat like a node that has no room for the topics at these positions of the set.
fn refuse(harness: &mut Harness, heartbeat: &Frame, read: usize, places: &[usize]) {
    let mut shortage = crate::channel::Shortage {
        read,
        ..Default::default()
    };
    for &place in places {
        shortage.missing.insert(place);
    }
    harness.receive(Frame {
        body: crate::channel::heartbeat_shortage(&shortage),
        ..heartbeat.clone()
    });
}

#[test]
fn every_topic_that_a_node_has_no_room_for_is_told_and_asked_for_again() {
    let mut harness = Harness::ready();
    let names: Vec<String> = (0..1000).map(|n| format!("{n:03}")).collect();
    let mut version = 0;
    for name in &names {
        version = harness.session.subscribe(&topic(name));
    }
    let frames = harness.sent();
    let refused: Vec<usize> = (0..1000).filter(|n| n % 3 == 0).collect();
    refuse(&mut harness, &frames[1], 900, &refused);
    let missing = names.iter().enumerate();
    let missing = missing.filter(|(n, _)| n % 3 == 0 || *n >= 900);
    let topics: Vec<_> = missing.map(|(_, name)| topic(name)).collect();
    let settled = SessionEvent::TopicsSettled { version };
    assert_eq!(
        harness.events(),
        [SessionEvent::TopicsRefused { topics }, settled]
    );

    harness.pass(seconds(10));
    let frames = harness.sent();
    let set = frames
        .iter()
        .find(|frame| frame.kind == FrameType::SET_TOPICS);
    assert!(set.is_some(), "it is asked for again");
    let heartbeat = frames.last().unwrap();
    harness.answer_heartbeat(heartbeat);
    assert_eq!(harness.events(), [SessionEvent::TopicsSettled { version }]);
}

#[test]
fn a_set_that_does_not_count_refuses_what_is_new() {
    let mut harness = Harness::ready();
    harness.session.subscribe(&topic("a"));
    let first = set_of(&harness.sent(), r#"["a"]"#);
    harness.answer_heartbeat(&first);
    harness.events();
    let version = harness.session.subscribe(&topic("b"));
    let second = set_of(&harness.sent(), r#"["a","b"]"#);
    harness.receive(Frame {
        body: "{\"heartBeat\":1,\"kept\":true}\n".into(),
        ..second
    });
    let topics = vec![topic("b")];
    let settled = SessionEvent::TopicsSettled { version };
    assert_eq!(
        harness.events(),
        [SessionEvent::TopicsRefused { topics }, settled]
    );
}

/// A frame that is too long would end the connection.
#[test]
fn what_does_not_fit_into_a_frame_is_left_out_and_what_is_there_stays() {
    let mut harness = Harness::new(ClientConfig::default());
    let first = harness.sent_one();
    let body = HandshakeResponse {
        node_version: "2.11.1".into(),
        protocol: 3,
        quiet_multicasts: false,
        answer_within: None,
        max_frame: Some(42 + 20),
    };
    harness.receive(Frame {
        body: body.to_body(),
        ..first
    });
    harness.events();
    for name in ["mmmm", "nnnn"] {
        harness.session.subscribe(&topic(name));
    }
    let heartbeat = set_of(&harness.sent(), r#"["mmmm","nnnn"]"#);
    harness.answer_heartbeat(&heartbeat);
    harness.events();
    for name in ["aa", "zzzz"] {
        harness.session.subscribe(&topic(name));
    }
    let heartbeat = set_of(&harness.sent(), r#"["aa","mmmm","nnnn"]"#);
    harness.answer_heartbeat(&heartbeat);
    let topics = vec![topic("zzzz")];
    assert_eq!(harness.events()[0], SessionEvent::TopicsRefused { topics });
    assert!(matches!(
        harness
            .session
            .request(MessageKind::Unicast, &hello(), &[0; 20], harness.now, 1),
        Err(RefusedRequest {
            why: RefusalReason::TooLong { max: 62, .. },
            ..
        })
    ));
}
