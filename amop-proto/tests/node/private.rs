//! Private topics in a node: whose verdict opens them, for which node, and for how long.

use std::time::Duration;

use crate::support::{
    Link, Net, Sdk, error, multicast, node_id, reply, topic_list, topic_seq, unicast,
};
use amop_proto::{
    channel::{Frame, FrameType, result_code},
    node::NodeNotice,
};
use serde_json::{Value, json};

const TOPIC: &str = "#!$TopicNeedVerify_deal";
const PUSH: &str = "#!$PushChannel_#!$TopicNeedVerify_deal";

/// Returns the route of a subscriber with this suffix.
fn route(suffix: &str) -> String {
    format!("#!$VerifyChannel_{TOPIC}_{suffix}")
}

/// Returns an SDK that subscribes to the private topic.
fn subscriber(net: &mut Net, node: usize, suffix: &str) -> Sdk {
    net.subscriber(node, &[TOPIC, &route(suffix)])
}

/// Returns the content of the only frame that a publisher has received, a request to verify: node
/// and route.
fn asked(net: &mut Net, publisher: Sdk) -> (String, String) {
    let frame = net.only(publisher);
    assert_eq!(frame.kind, FrameType::VERIFY_PEER);
    let body: Value = serde_json::from_slice(&frame.body).unwrap();
    assert_eq!(body["topic"], TOPIC);
    let text = |name| body[name].as_str().unwrap().to_owned();
    (text("nodeId"), text("topicForCert"))
}

/// Returns the expected request about a node's subscriber.
fn about(node: usize, suffix: &str) -> (String, String) {
    (node_id(node).to_string(), route(suffix))
}

fn verdict(net: &mut Net, publisher: Sdk, node: usize, good: bool) {
    let body = json!({
        "checkResult": i32::from(!good),
        "nodeId": node_id(node).to_string(),
        "topic": TOPIC,
    });
    net.send_body(
        publisher,
        FrameType::VERIFY_RESULT,
        body.to_string().as_bytes(),
    );
}

/// Returns the reasons with which a node ignored verdicts.
fn ignored(net: &mut Net) -> Vec<&'static str> {
    let notices = net.notices(0).into_iter();
    notices
        .filter_map(|notice| match notice {
            NodeNotice::BadVerdict { what, .. } => Some(what),
            _ => None,
        })
        .collect()
}

/// Asserts that a message of the topic reaches no subscriber.
fn closed(net: &mut Net, n: u64) {
    let sender = net.sdk(0);
    net.send(sender, unicast(n, TOPIC, ""));
    assert_eq!(net.only(sender), error(n, result_code::NO_SUBSCRIBER, ""));
    net.send(sender, multicast(n, TOPIC, ""));
    net.inbox(sender);
    net.hang_up(sender);
}

/// Asserts that a message of the topic reaches this SDK and its answer comes back.
fn open(net: &mut Net, n: u64, subscriber: Sdk) {
    let sender = net.sdk(0);
    let request = unicast(n, TOPIC, "");
    net.send(sender, request.clone());
    assert_eq!(net.only(subscriber), request);
    net.send(subscriber, reply(&request, "taken"));
    assert_eq!(net.only(sender), reply(&request, "taken"));
    net.hang_up(sender);
}

fn row(count: usize) -> Net {
    let mut net = Net::new(count);
    for node in 1..count {
        net.connect(node - 1, node);
    }
    net
}

#[test]
fn a_good_verdict_opens_the_topic_across_a_node_in_between() {
    let mut net = row(3);
    let publisher = net.subscriber(0, &[PUSH]);
    let subscriber = subscriber(&mut net, 2, "a");
    assert_eq!(asked(&mut net, publisher), about(2, "a"));
    closed(&mut net, 1);
    // The challenge is an ordinary message.
    let challenge = unicast(2, &route("a"), "sign this");
    net.send(publisher, challenge.clone());
    assert_eq!(net.only(subscriber), challenge);
    net.send(subscriber, reply(&challenge, "signed"));
    assert_eq!(net.only(publisher), reply(&challenge, "signed"));
    closed(&mut net, 3);
    net.nothing(subscriber);
    verdict(&mut net, publisher, 2, true);
    open(&mut net, 4, subscriber);
    net.send(publisher, multicast(5, TOPIC, "all"));
    assert_eq!(net.only(subscriber), multicast(5, TOPIC, "all"));
    assert_eq!(net.elapsed(), Duration::ZERO);
}

#[test]
fn whoever_comes_last_is_what_the_verification_waits_for() {
    // The publisher comes after the subscriber, and the route after the topic.
    let mut net = row(2);
    let subscriber = net.subscriber(1, &[TOPIC]);
    let publisher = net.subscriber(0, &[PUSH]);
    net.nothing(publisher);
    net.subscribe(subscriber, &[TOPIC, &route("a")]);
    assert_eq!(asked(&mut net, publisher), about(1, "a"));
    net.hang_up(publisher);
    let publisher = net.subscriber(0, &[PUSH]);
    // Another publisher was asked just before.
    net.nothing(publisher);
    net.secs(5);
    assert_eq!(asked(&mut net, publisher), about(1, "a"));
}

#[test]
fn publishers_are_asked_in_turn_every_5_s_until_one_judges() {
    let mut net = row(2);
    let publishers = [net.subscriber(0, &[PUSH]), net.subscriber(0, &[PUSH])];
    subscriber(&mut net, 1, "a");
    let mut turns = Vec::new();
    for _ in 0..4 {
        let got = publishers.map(|publisher| net.inbox(publisher).len());
        assert_eq!(got.iter().sum::<usize>(), 1);
        turns.push(got[0]);
        net.advance(Duration::from_millis(4999));
        for publisher in publishers {
            net.nothing(publisher);
        }
        net.advance(Duration::from_millis(1));
    }
    assert!(turns == [0, 1, 0, 1] || turns == [1, 0, 1, 0], "{turns:?}");
    for publisher in publishers {
        net.inbox(publisher);
    }
    // This does not depend on which publisher answers, or was asked last.
    verdict(&mut net, publishers[1], 1, true);
    net.secs(30);
    for publisher in publishers {
        net.nothing(publisher);
    }
}

#[test]
fn a_subscriber_with_a_wrong_key_does_not_keep_one_with_the_right_key_out() {
    for judged in [false, true] {
        let mut net = row(2);
        let publisher = net.subscriber(0, &[PUSH]);
        subscriber(&mut net, 1, "a");
        assert_eq!(asked(&mut net, publisher), about(1, "a"));
        if judged {
            // Other SDKs send this verdict; native clients send none.
            verdict(&mut net, publisher, 1, false);
        }
        let right = subscriber(&mut net, 1, "b");
        net.nothing(publisher);
        net.secs(5);
        assert_eq!(asked(&mut net, publisher), about(1, "b"));
        // Subscribers without a verdict have another turn.
        net.secs(5);
        let next = if judged { "b" } else { "a" };
        assert_eq!(asked(&mut net, publisher), about(1, next));
        net.secs(5);
        assert_eq!(asked(&mut net, publisher), about(1, "b"));
        verdict(&mut net, publisher, 1, true);
        let sender = net.sdk(0);
        net.send(sender, multicast(1, TOPIC, "opened"));
        assert_eq!(net.only(right), multicast(1, TOPIC, "opened"));
    }
}

#[test]
fn a_refused_node_is_left_alone_until_another_subscriber_comes() {
    let mut net = row(2);
    let publisher = net.subscriber(0, &[PUSH]);
    subscriber(&mut net, 1, "a");
    asked(&mut net, publisher);
    verdict(&mut net, publisher, 1, false);
    net.secs(30);
    net.nothing(publisher);
    closed(&mut net, 1);
    // The same verdict again, or another one, is ignored: it was already given.
    verdict(&mut net, publisher, 1, true);
    assert_eq!(ignored(&mut net), ["was not asked for"]);
    closed(&mut net, 2);
    let other = subscriber(&mut net, 1, "b");
    assert_eq!(asked(&mut net, publisher), about(1, "b"));
    verdict(&mut net, publisher, 1, true);
    let sender = net.sdk(0);
    net.send(sender, multicast(3, TOPIC, ""));
    assert_eq!(net.only(other), multicast(3, TOPIC, ""));
}

#[test]
fn a_good_verdict_stays_good() {
    let mut net = row(2);
    let publishers = [net.subscriber(0, &[PUSH]), net.subscriber(0, &[PUSH])];
    let subscriber = subscriber(&mut net, 1, "a");
    verdict(&mut net, publishers[0], 1, true);
    verdict(&mut net, publishers[1], 1, false);
    open(&mut net, 1, subscriber);
    assert_eq!(ignored(&mut net), [""; 0]);
    // The verdict stays valid after the publisher has left, as on FISCO nodes (channel-v2 section
    // 9.2).
    for publisher in publishers {
        net.hang_up(publisher);
    }
    open(&mut net, 2, subscriber);
}

#[test]
fn only_a_publisher_of_the_topic_judges() {
    let mut net = row(2);
    let publisher = net.subscriber(0, &[PUSH]);
    let other = net.subscriber(0, &["#!$PushChannel_#!$TopicNeedVerify_other", TOPIC]);
    subscriber(&mut net, 1, "a");
    asked(&mut net, publisher);
    verdict(&mut net, other, 1, true);
    assert_eq!(
        ignored(&mut net),
        ["is from a session that does not publish that topic"]
    );
    let former = net.subscriber(0, &[PUSH]);
    net.subscribe(former, &[]);
    verdict(&mut net, former, 1, true);
    assert_eq!(
        ignored(&mut net),
        ["is from a session that does not publish that topic"]
    );
    let remote = net.subscriber(1, &[PUSH]);
    verdict(&mut net, remote, 1, true);
    net.hang_up(other);
    closed(&mut net, 1);
}

#[test]
fn verdicts_that_nobody_asked_for_open_nothing() {
    let mut net = row(2);
    let publisher = net.subscriber(0, &[PUSH]);
    verdict(&mut net, publisher, 1, true);
    verdict(&mut net, publisher, 7, true);
    let without = "is about a node without that topic";
    assert_eq!(ignored(&mut net), [without, without]);
    // The topic has no route, so no subscriber can have been challenged.
    net.subscriber(1, &[TOPIC]);
    verdict(&mut net, publisher, 1, true);
    assert_eq!(ignored(&mut net), ["was not asked for"]);
    closed(&mut net, 1);
}

#[test]
fn malformed_verdicts_are_ignored() {
    let mut net = row(2);
    let publisher = net.subscriber(0, &[PUSH]);
    let id = node_id(1).to_string();
    subscriber(&mut net, 1, "a");
    asked(&mut net, publisher);
    let good = json!({"checkResult": 0, "nodeId": id, "topic": TOPIC});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body.to_string()
    };
    let without = |name: &str| {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(name);
        body.to_string()
    };
    let bodies = [
        String::new(),
        "{".into(),
        "[]".into(),
        "null".into(),
        with("checkResult", json!("0")),
        with("checkResult", json!(null)),
        with("checkResult", json!(0.5)),
        with("nodeId", json!(1)),
        with("nodeId", json!(id[1..])),
        with("nodeId", json!("x".repeat(128))),
        with("topic", json!([TOPIC])),
        without("checkResult"),
        without("nodeId"),
        without("topic"),
        "[".repeat(100_000),
    ];
    for body in &bodies {
        net.send_body(publisher, FrameType::VERIFY_RESULT, body.as_bytes());
        assert_eq!(ignored(&mut net), ["is malformed"], "{body:.80}");
    }
    closed(&mut net, 1);
    // The line feed with which SDKs end it does not count.
    net.send_body(
        publisher,
        FrameType::VERIFY_RESULT,
        format!("{good}\n").as_bytes(),
    );
    assert_eq!(ignored(&mut net), [""; 0]);
}

#[test]
fn a_node_that_was_gone_is_verified_again() {
    let mut net = row(3);
    let publisher = net.subscriber(0, &[PUSH]);
    let held = subscriber(&mut net, 2, "a");
    asked(&mut net, publisher);
    verdict(&mut net, publisher, 2, true);
    open(&mut net, 1, held);
    // The path to it breaks, one link away from the publisher's node.
    net.cut_between(1, 2);
    closed(&mut net, 2);
    net.connect(1, 2);
    assert_eq!(asked(&mut net, publisher), about(2, "a"));
    closed(&mut net, 3);
    verdict(&mut net, publisher, 2, true);
    open(&mut net, 4, held);
    // The same for one that drops the topic.
    net.subscribe(held, &[]);
    closed(&mut net, 5);
    net.subscribe(held, &[TOPIC, &route("b")]);
    closed(&mut net, 6);
    assert_eq!(asked(&mut net, publisher), about(2, "b"));
    verdict(&mut net, publisher, 2, true);
    open(&mut net, 7, held);
}

#[test]
fn a_verdict_on_a_node_before_it_came_back_is_not_one_on_it_now() {
    let mut net = row(2);
    let publisher = net.subscriber(0, &[PUSH]);
    let right = subscriber(&mut net, 1, "a");
    asked(&mut net, publisher);
    // It signs, and is replaced by another subscriber before the verdict arrives.
    net.subscribe(right, &[]);
    net.subscriber(1, &[TOPIC]);
    verdict(&mut net, publisher, 1, true);
    assert_eq!(ignored(&mut net), ["was not asked for"]);
    closed(&mut net, 1);
}

#[test]
fn a_way_round_leaves_the_verdict_as_it_is() {
    let mut net = row(3);
    net.connect(0, 2);
    let publisher = net.subscriber(0, &[PUSH]);
    let held = subscriber(&mut net, 2, "a");
    asked(&mut net, publisher);
    verdict(&mut net, publisher, 2, true);
    net.cut_between(0, 2);
    open(&mut net, 1, held);
    net.nothing(publisher);
}

#[test]
fn subscribers_of_the_publishers_own_node_need_no_verdict() {
    // As on FISCO nodes (channel-v2 section 9.2).
    let mut net = Net::new(1);
    let publisher = net.subscriber(0, &[PUSH]);
    let subscriber = subscriber(&mut net, 0, "a");
    net.nothing(publisher);
    open(&mut net, 1, subscriber);
}

/// Returns a FISCO peer with these topics.
fn fisco_peer(net: &mut Net, topics: &[String]) -> Link {
    net.fisco_peer(0, 5, &topics.join("\t"))
}

/// Changes the topics of the peer.
fn change(net: &mut Net, peer: Link, number: u64, topics: &[String]) {
    net.peer_send(peer, topic_seq(&number.to_string()));
    let request = net.peer_only(peer);
    let list = format!("{number}\t{}", topics.join("\t"));
    net.peer_send(peer, topic_list(request.seq, &list));
}

#[test]
fn a_fisco_node_is_sent_messages_once_it_is_verified() {
    let mut net = Net::new(1);
    let publisher = net.subscriber(0, &[PUSH]);
    net.inbox(publisher);
    let peer = fisco_peer(&mut net, &[TOPIC.into(), route("a")]);
    assert_eq!(asked(&mut net, publisher), about(5, "a"));
    closed(&mut net, 1);
    // It is asked for its topics, and gets no message.
    let frames = net.peer_inbox(peer);
    assert!(
        frames
            .iter()
            .all(|frame| frame.packet == amop_proto::p2p::packet::REQUEST_TOPICS),
        "{frames:?}"
    );
    for frame in frames {
        let list = format!("1\t{TOPIC}\t{}", route("a"));
        net.peer_send(peer, topic_list(frame.seq, &list));
    }
    net.peer_inbox(peer);
    verdict(&mut net, publisher, 5, true);
    net.send(publisher, unicast(2, TOPIC, "now"));
    let message = net.peer_only(peer);
    assert_eq!(crate::support::inner(&message), unicast(2, TOPIC, "now"));
    // Its list changes, but keeps the topic.
    change(&mut net, peer, 2, &[TOPIC.into(), "other".into()]);
    net.send(publisher, unicast(3, TOPIC, "still"));
    assert_eq!(net.peer_inbox(peer).len(), 1);
    net.nothing(publisher);
    change(&mut net, peer, 3, &["other".into()]);
    change(&mut net, peer, 4, &[TOPIC.into(), route("a")]);
    assert_eq!(asked(&mut net, publisher), about(5, "a"));
    closed(&mut net, 4);
}

#[test]
fn a_node_that_claims_what_another_has_is_judged_for_itself() {
    let mut net = row(2);
    let publisher = net.subscriber(0, &[PUSH]);
    let right = subscriber(&mut net, 1, "a");
    asked(&mut net, publisher);
    // It repeats the route of a subscriber elsewhere, and claims more subscribers than exist.
    let liar = net.overlay_peer(0, 5, &[(TOPIC, 1000), (&route("a"), 1000)]);
    assert_eq!(asked(&mut net, publisher), about(5, "a"));
    verdict(&mut net, publisher, 1, true);
    verdict(&mut net, publisher, 5, false);
    net.peer_inbox(liar);
    for n in 0..20 {
        open(&mut net, n, right);
    }
    net.send(publisher, multicast(99, TOPIC, ""));
    net.only(right);
    assert!(net.peer_inbox(liar).is_empty());
}

#[test]
fn what_is_held_of_a_peer_that_keeps_changing_its_routes_is_bounded() {
    let mut net = Net::new(1);
    let publisher = net.subscriber(0, &[PUSH]);
    let peer = fisco_peer(&mut net, &[TOPIC.into(), route("0")]);
    for n in 1..200 {
        assert_eq!(asked(&mut net, publisher), about(5, &(n - 1).to_string()));
        verdict(&mut net, publisher, 5, false);
        change(
            &mut net,
            peer,
            n + 1,
            &[TOPIC.into(), route(&n.to_string())],
        );
        // However fast it changes them, publishers are asked every 5 s.
        net.nothing(publisher);
        net.peer_inbox(peer);
        net.advance(Duration::from_secs(5));
        net.peer_inbox(peer);
    }
    let private = format!("{:?}", net.nodes[0].machine.router());
    let refused = private.matches("VerifyChannel").count();
    assert!(refused < 10, "{refused} routes are held");
    net.cut(peer);
    net.hang_up(publisher);
    assert!(net.nodes[0].machine.router().is_empty());
}

#[test]
fn a_publisher_acknowledges_a_request_in_either_way() {
    // go-sdk answers with 0x31, others with 0x37 (channel-v2 section 9.3); neither is an answer to
    // a message.
    for kind in [FrameType::RESPONSE, FrameType::VERIFY_PEER] {
        let mut net = row(2);
        let publisher = net.subscriber(0, &[PUSH]);
        let subscriber = subscriber(&mut net, 1, "a");
        let request = net.only(publisher);
        net.send(publisher, Frame::new(kind, request.seq, "\u{1}"));
        net.nothing(publisher);
        closed(&mut net, 1);
        verdict(&mut net, publisher, 1, true);
        open(&mut net, 2, subscriber);
    }
}
