//! The topic set and when it is settled.

use super::*;

/// Asserts that a set and the heartbeat behind it were sent, and returns the heartbeat.
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
    assert_eq!(harness.events(), [Event::TopicsSettled { version: a }]);
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
    assert_eq!(harness.events(), [Event::TopicsSettled { version: a }]);
    let second = set_of(&harness.sent(), r#"["b","c"]"#);
    assert!(a < b && b < c);
    harness.answer_heartbeat(&second);
    assert_eq!(harness.events(), [Event::TopicsSettled { version: c }]);
}

#[test]
fn a_node_that_confirms_nothing_gets_the_next_set_after_5_s() {
    let mut harness = Harness::ready();
    harness.session.subscribe(&topic("a"));
    set_of(&harness.sent(), r#"["a"]"#);
    // The set is sent and unconfirmed: nothing to wake up for but heartbeats.
    assert_eq!(
        harness.session.next_timeout(),
        Some(harness.now + seconds(10))
    );
    harness.pass(seconds(1));
    harness.session.subscribe(&topic("b"));
    assert_eq!(harness.sent(), []);
    assert_eq!(
        harness.session.next_timeout(),
        Some(harness.now + seconds(4))
    );
    harness.pass(seconds(4));
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

    // The answer to the barrier itself never comes, but that to the next heartbeat does.
    harness.pass(seconds(10));
    let after = harness.sent_one();
    harness.answer_heartbeat(&after);
    assert_eq!(harness.events(), [Event::TopicsSettled { version }]);
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
    assert!(matches!(harness.events()[..], [.., Event::Push(_)]));
}
