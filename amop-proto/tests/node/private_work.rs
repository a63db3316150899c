//! The cost of private topics: SDKs choose their names and their number, and each change costs the
//! nodes around the same.

use std::time::Duration;

use crate::support::{Net, Sdk, node_id, unicast};
use amop_proto::{
    channel::{FrameType, result_code},
    node::NodeNotice,
};
use serde_json::json;

const TOPIC: &str = "#!$TopicNeedVerify_deal";
const PUSH: &str = "#!$PushChannel_#!$TopicNeedVerify_deal";

fn route(topic: &str, suffix: &str) -> String {
    format!("#!$VerifyChannel_{topic}_{suffix}")
}

fn looks(net: &Net) -> u64 {
    net.nodes[0].machine.router().counters().verification_looks
}

fn pair() -> Net {
    let mut net = Net::new(2);
    net.connect(0, 1);
    net
}

fn subscribe_all(net: &mut Net, sdk: Sdk, names: &[String]) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    net.subscribe(sdk, &names);
    net.secs(1);
}

/// Returns the number of topics of the other node that the first one knows.
fn known(net: &Net) -> usize {
    let router = net.nodes[0].machine.router();
    router.node_topics(&node_id(1)).count()
}

#[test]
fn a_route_costs_the_same_however_many_private_topics_it_begins_with() {
    // Each name is the beginning of the next one, and all are the beginning of the routes.
    for (filler, suffix) in [("x", "0"), ("_", "_"), ("a_", "_b")] {
        let mut net = pair();
        let nested = net.sdk(1);
        let most = 200 / filler.len();
        let names = (1..=most).map(|n| format!("#!$TopicNeedVerify_{}", filler.repeat(n)));
        let names: Vec<String> = names.collect();
        subscribe_all(&mut net, nested, &names);
        // This node has publishers of none or of all of them.
        for publishers in [false, true] {
            if publishers {
                let publisher = net.sdk(0);
                let push = names.iter().map(|name| format!("#!$PushChannel_{name}"));
                let push: Vec<String> = push.filter(|name| name.len() <= 254).collect();
                subscribe_all(&mut net, publisher, &push);
            }
            let before = looks(&net);
            let deepest = names.last().unwrap();
            let routes = (0..500).map(|n| route(deepest, &format!("{suffix}{n:03}")));
            let routes: Vec<String> = routes.filter(|name| name.len() <= 254).collect();
            assert_eq!(routes.len(), 500);
            let sdk = net.sdk(1);
            // No time passes in which others would be asked again.
            let names: Vec<&str> = routes.iter().map(String::as_str).collect();
            net.subscribe(sdk, &names);
            net.advance(Duration::from_millis(200));
            assert_eq!(known(&net), 500 + most);
            let cost = looks(&net) - before;
            assert!(cost <= 500 * 8, "{cost} looks at {filler:?}");
            net.hang_up(sdk);
            net.secs(1);
        }
    }
}

#[test]
fn a_route_is_understood_whatever_is_in_the_topic_and_its_suffix() {
    for (topic, suffix) in [("deal", "a_b__c"), ("a_b", "_"), ("_", "1"), ("a__", "")] {
        let mut net = pair();
        let (topic, push) = (
            format!("#!$TopicNeedVerify_{topic}"),
            format!("#!$PushChannel_#!$TopicNeedVerify_{topic}"),
        );
        let publisher = net.subscriber(0, &[&push]);
        let subscriber = net.subscriber(1, &[&topic]);
        net.nothing(publisher);
        net.subscribe(subscriber, &[&topic, &route(&topic, suffix)]);
        net.advance(Duration::from_millis(100));
        assert_eq!(net.only(publisher).kind, FrameType::VERIFY_PEER);
    }
}

/// Returns nodes around the first one, with a subscriber each.
fn crowd(nodes: usize) -> Net {
    let mut net = Net::new(nodes + 1);
    for node in 1..=nodes {
        net.connect(0, node);
        net.subscriber(node, &[TOPIC, &route(TOPIC, &format!("{node}"))]);
    }
    net.secs(1);
    net
}

#[test]
fn a_publisher_that_comes_is_asked_about_many_nodes_a_little_at_a_time() {
    const NODES: usize = 60;
    let mut net = crowd(NODES);
    let before = looks(&net);
    let publisher = net.subscriber(0, &[PUSH]);
    assert!(looks(&net) - before <= 16, "{}", looks(&net) - before);
    let mut asked = 0;
    for _ in 0..=NODES / 16 {
        let before = looks(&net);
        net.advance(Duration::from_millis(1));
        assert!(looks(&net) - before <= 80, "{}", looks(&net) - before);
        asked += net.inbox(publisher).len();
    }
    assert_eq!(asked, NODES, "about each once");
    // After 5 s all are asked again, also only a few at a time.
    net.advance(Duration::from_millis(4900));
    net.nothing(publisher);
    for _ in 0..300 {
        let before = looks(&net);
        net.advance(Duration::from_millis(1));
        assert!(looks(&net) - before <= 80, "{}", looks(&net) - before);
        asked += net.inbox(publisher).len();
    }
    assert_eq!(asked, 2 * NODES);
}

#[test]
fn what_is_due_at_the_same_time_is_done_a_little_at_a_time() {
    const TOPICS: usize = 300;
    let mut net = pair();
    let (mut push, mut held) = (Vec::new(), Vec::new());
    for n in 0..TOPICS {
        let topic = format!("#!$TopicNeedVerify_{n:03}");
        push.push(format!("#!$PushChannel_{topic}"));
        held.extend([route(&topic, "a"), topic]);
    }
    let publisher = net.sdk(0);
    subscribe_all(&mut net, publisher, &push);
    let subscriber = net.sdk(1);
    subscribe_all(&mut net, subscriber, &held);
    assert_eq!(net.inbox(publisher).len(), TOPICS);
    let mut asked = 0;
    for _ in 0..5000 {
        let before = looks(&net);
        net.advance(Duration::from_millis(1));
        assert!(looks(&net) - before <= 80, "{}", looks(&net) - before);
        asked += net.inbox(publisher).len();
    }
    assert_eq!(asked, TOPICS);
}

/// Whichever publishers were asked before they left, the next one is asked about all subscribers.
#[test]
fn publishers_that_come_and_go_leave_no_node_out() {
    const NODES: usize = 60;
    let mut net = crowd(NODES);
    for _ in 0..3 {
        let early = net.subscriber(0, &[PUSH]);
        net.advance(Duration::from_millis(2));
        net.hang_up(early);
    }
    let publisher = net.subscriber(0, &[PUSH]);
    net.secs(11);
    let frames = net.inbox(publisher).into_iter();
    let about: std::collections::BTreeSet<String> = frames
        .map(|frame| {
            let body: serde_json::Value = serde_json::from_slice(&frame.body).unwrap();
            body["nodeId"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(about.len(), NODES);
    net.hang_up(publisher);
}

#[test]
fn only_a_publisher_that_was_asked_judges() {
    let mut net = pair();
    let asked = net.subscriber(0, &[PUSH]);
    let other = net.subscriber(0, &[PUSH]);
    let subscriber = net.subscriber(1, &[TOPIC, &route(TOPIC, "a")]);
    net.only(asked);
    net.nothing(other);
    let good = json!({"checkResult": 0, "nodeId": node_id(1).to_string(), "topic": TOPIC});
    let good = good.to_string();
    net.send_body(other, FrameType::VERIFY_RESULT, good.as_bytes());
    let ignored = net
        .notices(0)
        .into_iter()
        .filter_map(|notice| match notice {
            NodeNotice::BadVerdict { what, .. } => Some(what),
            _ => None,
        });
    let ignored: Vec<_> = ignored.collect();
    assert_eq!(ignored, ["is from a session that was not asked"]);
    let sender = net.sdk(0);
    net.send(sender, unicast(1, TOPIC, ""));
    assert_eq!(net.only(sender).result, result_code::NO_SUBSCRIBER);
    net.send_body(asked, FrameType::VERIFY_RESULT, good.as_bytes());
    net.send(sender, unicast(2, TOPIC, ""));
    assert_eq!(net.only(subscriber), unicast(2, TOPIC, ""));
}
