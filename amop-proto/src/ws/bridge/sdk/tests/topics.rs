//! The topics of the SDK.

use super::*;
use crate::channel::{SetTopics, heartbeat_shortage};

fn topics(frame: &Frame) -> Vec<String> {
    assert_eq!(frame.kind, FrameType::SET_TOPICS);
    match SetTopics::parse(&frame.body) {
        SetTopics::Replace(topics) => topics,
        SetTopics::Keep => panic!("{frame:?}"),
    }
}

impl Harness {
    /// Returns the set that the node is told, if it is told one.
    fn set(&mut self) -> Option<Vec<String>> {
        match &self.frames()[..] {
            [] => None,
            [set, beat] => {
                assert_eq!(beat.kind, FrameType::HEARTBEAT);
                Some(topics(set))
            }
            other => panic!("{other:?}"),
        }
    }
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|&name| name.into()).collect())
}

#[test]
fn the_node_gets_the_whole_set_and_is_asked_whether_it_has_room() {
    let mut harness = Harness::ready();
    harness.list(&["b"]);
    assert_eq!(harness.set(), names(&["b"]));
    harness.list(&["b", "a\u{1f600}"]);
    assert_eq!(harness.set(), names(&["a\u{1f600}", "b"]));
    harness.list(&["b", "a\u{1f600}"]);
    assert_eq!(harness.set(), None);
}

/// An SDK with many topics sends a list for each of them.
#[test]
fn changes_that_nobody_has_fetched_are_one() {
    let mut harness = Harness::ready();
    harness.list(&["a"]);
    harness.list(&["a", "b"]);
    assert_eq!(harness.set(), names(&["a", "b"]));
}

#[test]
fn a_set_stays_before_the_messages_after_it() {
    let mut harness = Harness::ready();
    harness.list(&["a"]);
    harness.publish(WsType::UNICAST, &long("p"), b"a", b"");
    let kinds: Vec<_> = harness.frames().iter().map(|frame| frame.kind).collect();
    let set = [FrameType::SET_TOPICS, FrameType::HEARTBEAT];
    assert_eq!(kinds, [set[0], set[1], FrameType::UNICAST]);
}

/// Lists that come soon after each other may come in the wrong order (ws-v3 section 4).
#[test]
fn an_sdk_can_unsubscribe_once_its_lists_are_settled() {
    let mut harness = Harness::ready();
    harness.list(&["a", "b"]);
    harness.list(&["a"]);
    assert_eq!(harness.set(), names(&["a", "b"]));
    harness.pass_alive(Duration::from_millis(499));
    harness.list(&["a"]);
    assert_eq!(harness.set(), None);
    harness.pass_alive(Duration::from_millis(1));
    harness.list(&["a"]);
    assert_eq!(harness.set(), names(&["a"]));
    harness.pass_alive(Duration::from_secs(3));
    harness.list(&[]);
    assert_eq!(harness.set(), names(&[]));
}

#[test]
fn topics_that_2x_lacks_are_left_out() {
    let mut harness = Harness::ready();
    let too_long = "é".repeat(128);
    let list = serde_json::json!({ "topics": ["a", too_long] }).to_string();
    let list = [
        list.trim_end_matches("]}").as_bytes(),
        b",\"\xed\xa0\xbd\"]}",
    ]
    .concat();
    harness.send(WsType::SET_TOPICS, "list", list);
    assert_eq!(harness.set(), names(&["a"]));
    let notices = harness.notices();
    let [SdkNotice::TopicsNotCarried { count: 2, first }] = &notices[..] else {
        panic!("{notices:?}");
    };
    assert!(matches!(first, TopicNotCarried::TooLong { len: 256, .. }));
    assert!(
        notices[0]
            .to_string()
            .starts_with("2 of its topics cannot be carried")
    );
}

/// A node with too many topics says so in its answer to the heartbeat.
#[test]
fn a_shortage_is_reported_once() {
    let mut harness = Harness::subscribed("topic");
    let shortage = Shortage {
        refused: vec!["topic".into()],
        read: 1,
        ..Shortage::default()
    };
    let seq = seq_of(&long("h"));
    for _ in 0..2 {
        let body = heartbeat_shortage(&shortage);
        harness.node(Frame::new(FrameType::HEARTBEAT, seq, body));
    }
    let first = "topic".to_owned();
    assert_eq!(harness.notices(), [SdkNotice::TopicsRefused { first }]);
    harness.node(Frame::new(FrameType::HEARTBEAT, seq, "{\"heartBeat\":1}\n"));
    assert_eq!(harness.notices(), []);
}

/// As heartbeats of 2.x, pongs say that the neighbours of the node know the topics.
#[test]
fn pongs_wait_until_the_node_has_confirmed_the_topics() {
    let mut harness = Harness::ready();
    assert!(!harness.bridge.holds_pongs());
    harness.list(&["a"]);
    assert!(harness.bridge.holds_pongs());
    let first = harness.frames()[1].clone();
    // The answer to another heartbeat says nothing, and that to an earlier one too little.
    harness.node(heartbeat(seq_of(&long("h"))));
    assert!(harness.bridge.holds_pongs());
    harness.list(&["a", "b"]);
    harness.node(heartbeat(first.seq));
    assert!(harness.bridge.holds_pongs());
    let second = harness.frames()[1].clone();
    harness.node(heartbeat(second.seq));
    assert!(!harness.bridge.holds_pongs());
}

/// An SDK whose pings are not answered would end the connection.
#[test]
fn pongs_do_not_wait_for_ever() {
    let mut harness = Harness::ready();
    harness.list(&["a"]);
    harness.pass_alive(Duration::from_millis(2999));
    harness.list(&["a", "b"]);
    assert!(harness.bridge.holds_pongs());
    harness.pass_alive(Duration::from_millis(1));
    assert!(!harness.bridge.holds_pongs());
    harness.list(&["a", "b", "c"]);
    assert!(harness.bridge.holds_pongs());
    harness.bridge.handle_eof();
    assert!(!harness.bridge.holds_pongs());
}

fn heartbeat(seq: Seq) -> Frame {
    Frame::new(FrameType::HEARTBEAT, seq, "{\"heartBeat\":1}\n")
}
