//! A node's answers to its SDKs in addition to messages, and when it closes a session.

use std::time::Duration;

use crate::support::{Net, Sdk, config, multicast, reply, seq, unicast};
use amop_proto::{
    channel::{Frame, FrameType, HandshakeRequest, result_code},
    node::{NodeEvent, NodeNotice, SessionCloseReason},
};
use bytes::Bytes;
use serde_json::Value;

const TOPIC: &str = "hello";

/// Sends a request and returns the body of the answer; the header of the answer must be that of the
/// request.
fn ask(net: &mut Net, sdk: Sdk, kind: FrameType, body: &[u8]) -> String {
    let request = Frame::new(kind, seq(1), body.to_vec());
    net.send(sdk, request.clone());
    let answer = net.only(sdk);
    let body = answer.body.clone();
    let expected = Frame {
        body: body.clone(),
        ..request
    };
    assert_eq!(answer, expected);
    String::from_utf8(body.to_vec()).unwrap()
}

fn has(net: &mut Net, sdk: Sdk, topic: &str) -> bool {
    thread_local! {
        // Each question uses its own message.
        static NEXT: std::cell::Cell<u64> = const { std::cell::Cell::new(1_000) };
    }
    let number = NEXT.replace(NEXT.get() + 1);
    let publisher = net.sdk(sdk.node);
    net.send(publisher, multicast(number, topic, ""));
    net.hang_up(publisher);
    !net.inbox(sdk).is_empty()
}

#[test]
fn handshakes_agree_on_the_newest_common_version() {
    let mut net = Net::new(1);
    let cases = [
        (r#"{"minimumSupport":1,"maximumSupport":1}"#, 1),
        (r#"{"minimumSupport":1,"maximumSupport":2}"#, 2),
        (r#"{"minimumSupport":1,"maximumSupport":3}"#, 3),
        (
            r#"{"minimumSupport":3,"maximumSupport":9,"clientType":"Go-SDK"}"#,
            3,
        ),
        (r#"{"minimumSupport":0,"maximumSupport":1}"#, 1),
        (r#"{"maximumSupport":2}"#, 2),
        ("{}", 1),
    ];
    let sdk = net.sdk(0);
    // Each repetition negotiates again.
    for (request, version) in cases {
        let answer = ask(&mut net, sdk, FrameType::HANDSHAKE, request.as_bytes());
        let expected = format!("{{\"nodeVersion\":\"2.11.1\",\"protocol\":{version}}}\n");
        assert_eq!(answer, expected, "{request}");
        let json = version > 1;
        net.send_body(sdk, FrameType::HEARTBEAT, b"anything");
        assert_eq!(net.inbox(sdk).len(), usize::from(json), "{request}");
    }
    assert!(!net.end(sdk).coalesced);
}

#[test]
fn versions_that_do_not_meet_close_the_session_without_an_answer() {
    for body in [
        r#"{"minimumSupport":4,"maximumSupport":9}"#,
        r#"{"minimumSupport":0,"maximumSupport":0}"#,
    ] {
        let mut net = Net::new(1);
        let sdk = net.subscriber(0, &[TOPIC]);
        let other = net.sdk(0);
        net.send_body(sdk, FrameType::HANDSHAKE, body.as_bytes());
        assert!(matches!(
            net.closed(sdk),
            Some(SessionCloseReason::Handshake(_))
        ));
        net.nothing(sdk);
        net.send(other, unicast(1, TOPIC, ""));
        assert_eq!(net.only(other).result, result_code::NO_SUBSCRIBER);
    }
}

#[test]
fn malformed_handshakes_are_ignored_and_change_nothing() {
    let mut net = Net::new(1);
    let sdk = net.sdk(0);
    let request = br#"{"minimumSupport":1,"maximumSupport":3}"#;
    ask(&mut net, sdk, FrameType::HANDSHAKE, request);
    for body in [
        "",
        "not json",
        "[1,3]",
        "null",
        r#"{"minimumSupport":"1","maximumSupport":"3"}"#,
        r#"{"minimumSupport":-1}"#,
    ] {
        net.send_body(sdk, FrameType::HANDSHAKE, body.as_bytes());
        net.nothing(sdk);
        let notices = net.notices(0);
        assert!(
            matches!(notices[..], [NodeNotice::BadHandshake { session, .. }] if session == sdk.id),
            "{body}: {notices:?}"
        );
    }
    assert_eq!(net.closed(sdk), None);
    let answer = ask(&mut net, sdk, FrameType::HEARTBEAT, b"");
    assert_eq!(answer, "{\"heartBeat\":1}\n");
}

#[test]
fn only_a_native_client_may_be_sent_frames_together() {
    let mut net = Net::new(1);
    let ours = net.sdk(0);
    net.send(ours, HandshakeRequest::native().to_frame(seq(1)));
    net.only(ours);
    assert!(net.end(ours).coalesced);
}

#[test]
fn version_1_answers_only_the_heartbeat_0() {
    let mut net = Net::new(1);
    let sdk = net.sdk(0);
    assert_eq!(ask(&mut net, sdk, FrameType::HEARTBEAT, b"0"), "1");
    for body in ["", "1", "00", "{\"heartBeat\":0}"] {
        net.send_body(sdk, FrameType::HEARTBEAT, body.as_bytes());
        net.nothing(sdk);
    }
}

#[test]
fn heartbeats_and_handshakes_echo_the_result_field() {
    let mut net = Net::new(1);
    let sdk = net.sdk(0);
    for (kind, body) in [
        (FrameType::HANDSHAKE, "{}"),
        (FrameType::HEARTBEAT, "0"),
        (FrameType::RPC, "{}"),
        (FrameType::EVENT_REGISTER, "\x01{}"),
    ] {
        let request = Frame {
            result: 5,
            ..Frame::new(kind, seq(1), body)
        };
        net.send(sdk, request);
        let echoed = [FrameType::HANDSHAKE, FrameType::HEARTBEAT].contains(&kind);
        let result = if echoed { 5 } else { 0 };
        assert_eq!(net.only(sdk).result, result, "{kind:?}");
    }
}

#[test]
fn a_topic_set_replaces_the_one_before_and_is_not_answered() {
    let mut net = Net::new(1);
    let sdk = net.subscriber(0, &["a", "b"]);
    net.nothing(sdk);
    assert!(has(&mut net, sdk, "a") && has(&mut net, sdk, "b"));
    net.subscribe(sdk, &["b", "c"]);
    assert!(!has(&mut net, sdk, "a") && has(&mut net, sdk, "b") && has(&mut net, sdk, "c"));
    net.nothing(sdk);
    assert_eq!(net.notices(0), []);
}

#[test]
fn bodies_that_are_no_array_clear_the_set_or_leave_it() {
    let cases: [(&str, bool); 15] = [
        ("[]", false),
        ("null", false),
        ("\"text\"", false),
        ("7", false),
        ("true", false),
        ("{}", false),
        ("{\"a\":\"b\"}", true),
        ("", true),
        ("[", true),
        ("[\"other\",]", true),
        ("[\"other\",[\"nested\"]]", true),
        ("[\"other\",{}]", true),
        ("not json", true),
        ("[\"hello\"] and more", true),
        ("[\"other\"]", false),
    ];
    for (body, stays) in cases {
        let mut net = Net::new(1);
        let sdk = net.subscriber(0, &[TOPIC]);
        net.send_body(sdk, FrameType::SET_TOPICS, body.as_bytes());
        net.nothing(sdk);
        assert_eq!(has(&mut net, sdk, TOPIC), stays, "{body}");
        let told = net.notices(0) == [NodeNotice::BadTopics { session: sdk.id }];
        assert_eq!(told, stays && !body.starts_with("[\"hello"), "{body}");
    }
    let mut net = Net::new(1);
    let sdk = net.sdk(0);
    net.send_body(sdk, FrameType::SET_TOPICS, br#"[1,true,"\u8bdd"]"#);
    for topic in ["1", "true", "话"] {
        assert!(has(&mut net, sdk, topic), "{topic}");
    }
}

#[test]
fn what_cannot_be_a_topic_is_left_out_with_one_notice() {
    let mut net = Net::new(1);
    let (longest, too_long) = ("t".repeat(254), "t".repeat(255));
    let sdk = net.subscriber(0, &["", "good", "a\tb", &too_long, &longest]);
    let [
        NodeNotice::TopicIgnored {
            session,
            topic,
            others,
            ..
        },
    ] = &net.notices(0)[..]
    else {
        panic!("one notice");
    };
    assert_eq!((*session, topic.as_str(), *others), (sdk.id, "", 2));
    let topics: Vec<_> = net.nodes[0].machine.router().local_topics().collect();
    assert_eq!(
        topics,
        [
            (&Bytes::from_static(b"good"), 1),
            (&Bytes::from(longest), 1)
        ]
    );
    // The notice quotes the beginning of a long topic.
    net.subscribe(sdk, &[&too_long]);
    let notice = net.notices(0).remove(0).to_string();
    assert!(notice.contains("\"tttt") && notice.len() < 250, "{notice}");
}

#[test]
fn a_session_holds_no_more_topics_than_it_may() {
    let mut config = config(0);
    config.limits.session_topics = 3;
    let mut net = Net::with([config]);
    let sdk = net.subscriber(0, &["a", "b", "a", "c", "b", "d", "e"]);
    for (topic, held) in [("a", true), ("b", true), ("c", true), ("d", false)] {
        assert_eq!(has(&mut net, sdk, topic), held, "{topic}");
    }
    let notices = net.notices(0);
    assert!(
        matches!(&notices[..], [NodeNotice::TopicIgnored { topic, others: 1, .. }] if topic == "d"),
        "{notices:?}"
    );
    // Another session's topics do not count.
    let other = net.subscriber(0, &["d", "e", "f"]);
    assert!(has(&mut net, other, "d"));
}

#[test]
fn block_notifications_are_taken_and_no_amop_topics() {
    let mut net = Net::mesh(2);
    let sdk = net.subscriber(1, &["_block_notify_1"]);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, "_block_notify_1", ""));
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
    net.send(publisher, multicast(2, "_block_notify_1", ""));
    assert_eq!(net.only(publisher).result, result_code::SUCCESS);
    net.nothing(sdk);
    assert_eq!(
        net.notices(1).len(),
        1,
        "only the peer's connection is reported"
    );
}

#[test]
fn unknown_types_are_ignored() {
    let mut net = Net::new(1);
    let sdk = net.subscriber(0, &[TOPIC]);
    for kind in [0, 0x11, 0x77, 0x1000, 0x1001, 0xffff] {
        net.send_body(sdk, FrameType(kind), b"abc");
        net.nothing(sdk);
        let (session, kind) = (sdk.id, FrameType(kind));
        assert_eq!(net.notices(0), [NodeNotice::UnknownFrame { session, kind }]);
    }
    assert!(has(&mut net, sdk, TOPIC));
}

#[test]
fn event_registrations_are_told_that_there_is_no_such_group() {
    let mut net = Net::new(1);
    let sdk = net.sdk(0);
    for kind in [FrameType::EVENT_REGISTER, FrameType::EVENT_UNREGISTER] {
        let answer = ask(&mut net, sdk, kind, b"\x01{\"groupID\":\"1\"}");
        assert_eq!(answer, "\x01{\"result\":-41002}\n");
    }
}

#[test]
fn rpc_tells_of_the_node_its_peers_and_their_topics() {
    let mut net = Net::mesh(2);
    net.subscriber(0, &["own", "_block_notify_1"]);
    net.subscriber(1, &["theirs"]);
    net.fisco_peer(0, 5, "real\t#!$TopicNeedVerify_private");
    let sdk = net.sdk(0);
    let mut call = |method: &str| -> Value {
        let params = if method == "call" { "[1,{}]" } else { "[1]" };
        let request =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let answer = ask(&mut net, sdk, FrameType::RPC, request.as_bytes());
        assert!(answer.ends_with('\n'));
        serde_json::from_str(&answer).unwrap()
    };
    let id = |n| crate::support::node_id(n).to_string();
    assert_eq!(
        call("getNodeIDList")["result"],
        Value::from(vec![id(0), id(1), id(5)])
    );
    let peers = call("getPeers");
    assert_eq!(peers["result"][0]["NodeID"], id(1));
    assert_eq!(peers["result"][0]["Topic"], Value::from(vec!["theirs"]));
    // It is not verified for the other topic.
    assert_eq!(peers["result"][1]["Topic"], Value::from(vec!["real"]));
    let own = call("getNodeInfo");
    assert_eq!(own["result"]["NodeID"], id(0));
    assert_eq!(own["result"]["Topic"], Value::from(vec!["own"]));
    assert_eq!(
        call("getClientVersion")["result"]["Supported Version"],
        "2.11.1"
    );
    assert_eq!(call("getBlockNumber")["result"], "0x0");
    assert_eq!(call("getGroupList")["result"], Value::Array(Vec::new()));
    assert_eq!(call("call")["error"]["code"], -40001);
    assert_eq!(call("noSuchMethod")["error"]["code"], -32601);
    assert!(ask(&mut net, sdk, FrameType::RPC, b"{").contains("-32700"));
    // A request without an id gets the answer of a FISCO node.
    let notification = br#"{"jsonrpc":"2.0","method":"getPeers"}"#;
    assert!(ask(&mut net, sdk, FrameType::RPC, notification).contains("-32604"));
}

#[test]
fn an_idle_session_is_closed_after_60_s() {
    let mut net = Net::new(1);
    let sdk = net.sdk(0);
    net.advance(Duration::from_millis(59_999));
    assert_eq!(net.closed(sdk), None);
    net.advance(Duration::from_millis(1));
    assert_eq!(net.closed(sdk), Some(SessionCloseReason::Idle));
    assert_eq!(net.nodes[0].machine.session_count(), 0);
    net.secs(1);
    assert_eq!(net.nodes[0].machine.next_timeout(), None);
}

#[test]
fn anything_read_or_written_keeps_a_session() {
    type Act = fn(&mut Net, Sdk);
    let acts: [(&str, Act); 4] = [
        ("a frame that is not answered", |net, sdk| {
            net.send_body(sdk, FrameType(0x77), b"")
        }),
        ("half a frame", |net, sdk| {
            net.event(0, NodeEvent::SessionActive(sdk.id))
        }),
        ("a push", |net, sdk| {
            let publisher = net.sdk(0);
            net.send(publisher, multicast(1, TOPIC, ""));
            net.inbox(sdk);
            net.hang_up(publisher);
        }),
        ("an answer", |net, sdk| {
            net.send_body(sdk, FrameType::HEARTBEAT, b"0");
            net.inbox(sdk);
        }),
    ];
    for (what, act) in acts {
        let mut net = Net::new(1);
        let sdk = net.subscriber(0, &[TOPIC]);
        net.advance(Duration::from_millis(59_500));
        act(&mut net, sdk);
        // The time limit starts again then; the node looks for idle sessions once a second.
        net.secs(60);
        assert_eq!(net.closed(sdk), None, "{what}");
        net.advance(Duration::from_millis(500));
        assert_eq!(net.closed(sdk), Some(SessionCloseReason::Idle), "{what}");
    }
}

#[test]
fn what_is_queued_for_a_session_that_does_not_read_does_not_keep_it() {
    let mut net = Net::new(1);
    let sdk = net.subscriber(0, &[TOPIC]);
    net.end(sdk).stalled = true;
    let publisher = net.sdk(0);
    for n in 0..6 {
        net.send(publisher, multicast(n, TOPIC, ""));
        net.secs(10);
    }
    assert_eq!(net.closed(sdk), Some(SessionCloseReason::Idle));
    assert_eq!(net.closed(publisher), None);
}

#[test]
fn a_message_whose_subscriber_is_closed_for_idleness_goes_to_the_next() {
    let mut config = config(0);
    config.timeouts.session_answer = Duration::from_secs(100);
    config.timeouts.unicast = Duration::from_secs(200);
    let mut net = Net::with([config]);
    let idle = net.subscriber(0, &[TOPIC]);
    net.end(idle).stalled = true;
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    net.only(idle);
    net.secs(30);
    let other = net.subscriber(0, &[TOPIC]);
    net.send_body(publisher, FrameType::HEARTBEAT, b"");
    net.secs(30);
    assert_eq!(net.closed(idle), Some(SessionCloseReason::Idle));
    let push = net.only(other);
    net.send(other, reply(&push, "here"));
    assert_eq!(net.only(publisher), reply(&push, "here"));
}

#[test]
fn an_answer_due_with_the_idle_limit_leaves_before_the_session_is_closed() {
    let mut config = config(0);
    config.timeouts.peer_answer = Duration::from_secs(60);
    let mut net = Net::with([config]);
    let peer = net.fisco_peer(0, 5, TOPIC);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    net.link(peer).inbox.clear();
    // Both are due at 60 s. The harness refuses frames for closed sessions.
    net.secs(60);
    assert_eq!(net.only(publisher).result, result_code::TIMEOUT);
    assert_eq!(net.closed(publisher), Some(SessionCloseReason::Idle));
}

#[test]
fn events_of_sessions_that_are_gone_are_ignored() {
    let mut net = Net::new(1);
    let sdk = net.subscriber(0, &[TOPIC]);
    net.hang_up(sdk);
    let id = sdk.id;
    net.event(0, NodeEvent::session_frame(id, unicast(1, TOPIC, "")));
    net.event(0, NodeEvent::SessionActive(id));
    net.event(0, NodeEvent::SessionWritten(id, 100));
    net.event(0, NodeEvent::SessionClosed(id));
    net.nothing(sdk);
    assert_eq!(net.nodes[0].machine.session_count(), 0);
    assert!(net.nodes[0].machine.router().is_empty());
}

#[test]
fn a_node_that_stops_closes_its_sessions_and_answers_none_of_them() {
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let far = net.sdk(1);
    net.send(publisher, unicast(1, TOPIC, "near"));
    net.send(far, unicast(2, TOPIC, "far"));
    assert_eq!(net.inbox(subscriber).len(), 2);
    net.event(0, NodeEvent::Stop);
    for sdk in [publisher, subscriber] {
        assert_eq!(net.closed(sdk), Some(SessionCloseReason::Stopping));
        net.nothing(sdk);
    }
    // The other node is told, and also its publisher.
    assert_eq!(net.only(far).result, result_code::NO_SESSION);
    assert_eq!(net.links(0).len(), 1, "peers are left to the shell");
    let late = net.sdk(0);
    assert_eq!(net.closed(late), Some(SessionCloseReason::Stopping));
    net.secs(40);
    assert_eq!(net.in_flight(), 0);
}
