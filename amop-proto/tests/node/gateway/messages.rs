//! Messages and topics cross the bridge.

use std::time::Duration;

use amop_proto::{
    channel::{FrameType, frame_topic, result_code},
    gateway::{GatewayOutcome, status},
    ws::{WsMessage, WsStatus, WsType},
};
use bytes::Bytes;

use super::chain::{Chain, Heard, PLAYED, address, body, id, with_chain};
use crate::support::{multicast, reply, unicast};

const SECOND: Duration = Duration::from_secs(1);

/// Two nodes joined by a gateway, with a subscriber of `there` at node 1.
fn two() -> (Chain, crate::support::Sdk, crate::support::Sdk) {
    let mut chain = Chain::new(2);
    chain.connect(0, 1);
    let publisher = chain.net.sdk(0);
    let subscriber = chain.net.subscriber(1, &["there"]);
    chain.learn();
    (chain, publisher, subscriber)
}

#[test]
fn a_unicast_crosses_with_its_reply() {
    let (mut chain, publisher, subscriber) = two();
    let request = unicast(1, "there", "hello");
    chain.send(publisher, request.clone());
    let push = chain.net.only(subscriber);
    assert_eq!((push.kind, &push.body), (FrameType::UNICAST, &request.body));
    chain.send(subscriber, reply(&push, "world"));
    assert_eq!(chain.net.only(publisher), reply(&request, "world"));
    let counters = chain.bridges[0].counters();
    assert_eq!((counters.unicasts_sent, counters.answers_received), (1, 1));
    assert_eq!(chain.bridges[1].counters().unicasts_received, 1);
}

#[test]
fn a_subscribers_own_result_crosses() {
    let (mut chain, publisher, subscriber) = two();
    let request = unicast(1, "there", "hello");
    chain.send(publisher, request.clone());
    let push = chain.net.only(subscriber);
    let mut answer = reply(&push, "no");
    answer.result = 42;
    chain.send(subscriber, answer);
    let mut expected = reply(&request, "no");
    expected.result = 42;
    assert_eq!(chain.net.only(publisher), expected);
}

#[test]
fn a_multicast_crosses_once() {
    let (mut chain, publisher, subscriber) = two();
    let other = chain.net.subscriber(1, &["there"]);
    chain.send(publisher, multicast(1, "there", "to all"));
    let pushed = (FrameType::MULTICAST, frame_topic(b"there", b"to all"));
    for sdk in [subscriber, other] {
        assert_eq!(chain.pushed(sdk), std::slice::from_ref(&pushed));
    }
}

#[test]
fn a_topic_is_known_soon_and_gone_soon() {
    let (mut chain, publisher, subscriber) = two();
    chain.net.hang_up(subscriber);
    chain.advance(3 * SECOND);
    chain.send(publisher, unicast(1, "there", "x"));
    assert_eq!(chain.net.only(publisher).result, result_code::NO_SUBSCRIBER);
}

#[test]
fn three_nodes_in_a_triangle_get_each_message_once() {
    let mut chain = Chain::new(3);
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        chain.connect(a, b);
    }
    let subscribers: Vec<_> = (0..3).map(|n| chain.net.subscriber(n, &["all"])).collect();
    let publisher = chain.net.sdk(0);
    chain.learn();
    chain.send(publisher, multicast(1, "all", "once"));
    chain.advance(SECOND);
    for subscriber in subscribers {
        assert_eq!(chain.pushed(subscriber).len(), 1);
    }
}

#[test]
fn a_message_of_the_chain_does_not_enter_it_again() {
    let mut chain = Chain::with([with_chain(0)], |_| ());
    let publisher = chain.neighbour(0, &[b"all"]);
    let other = chain.neighbour(0, &[b"all"]);
    let subscriber = chain.net.subscriber(0, &["all"]);
    chain.learn();
    chain.tell(publisher, 0, body(b"all", "hi"));
    assert_eq!(chain.pushed(subscriber).len(), 1);
    assert_eq!(chain.heard(publisher), []);
    assert_eq!(chain.heard(other), []);
    // Nor a unicast that the node's own subscriber does not take.
    chain.ask(publisher, 0, body(b"all", "one"));
    let push = chain.net.only(subscriber);
    let refusal = push.respond(result_code::NO_SESSION, Bytes::new());
    chain.send(subscriber, refusal);
    let refused = GatewayOutcome::Refused {
        status: status::NO_SUBSCRIBER,
        text: Bytes::from_static(status::NO_SUBSCRIBER_TEXT.as_bytes()),
    };
    assert_eq!(chain.heard(publisher), [Heard::Answer(refused)]);
    assert_eq!(chain.heard(other), []);
}

#[test]
fn a_unicast_of_a_3x_node_is_answered_in_its_language() {
    let mut chain = Chain::new(1);
    let node = chain.neighbour(0, &[]);
    let subscriber = chain.net.subscriber(0, &["here"]);
    chain.learn();
    chain.ask(node, 0, body(b"here", "ping"));
    let push = chain.net.only(subscriber);
    assert_eq!(push.body, frame_topic(b"here", b"ping"));
    chain.send(subscriber, reply(&push, "pong"));
    let [Heard::Answer(GatewayOutcome::Answered(message))] = &chain.heard(node)[..] else {
        panic!("one answer");
    };
    let message = WsMessage::decode(message.clone(), 1024).unwrap();
    assert_eq!(
        (message.kind, message.status),
        (WsType::RESPONSE, WsStatus::SUCCESS)
    );
    assert_eq!(message.payload, "pong");
    // A topic that nobody has.
    chain.ask(node, 0, body(b"nowhere", "ping"));
    assert!(matches!(
        chain.heard(node)[..],
        [Heard::Answer(GatewayOutcome::Refused { status: 3002, .. })]
    ));
    // A body that cannot be read is not answered.
    chain.ask(node, 0, Bytes::from_static(b"\0\0\0\0\0\x09x"));
    assert_eq!(chain.heard(node), []);
    assert_eq!(chain.bridges[0].counters().malformed, 1);
}

#[test]
fn the_next_node_is_asked_only_if_nobody_can_have_the_message() {
    for (status, tries) in [
        (3002, 2),
        (3001, 2),
        (-4011, 2),
        (-4008, 1),
        (-4006, 1),
        (7, 1),
    ] {
        let mut chain = Chain::new(1);
        let nodes = [chain.neighbour(0, &[b"t"]), chain.neighbour(0, &[b"t"])];
        let publisher = chain.net.sdk(0);
        chain.learn();
        chain.send(publisher, unicast(1, "t", "x"));
        let mut asked = 0;
        for _ in 0..2 {
            for node in nodes {
                for heard in chain.heard(node) {
                    let Heard::Unicast(_, reply) = heard else {
                        panic!("{heard:?}");
                    };
                    asked += 1;
                    chain.refuse(node, &reply, status);
                }
            }
        }
        assert_eq!(asked, tries, "status {status}");
        let result = chain.net.only(publisher).result;
        let expected = match (tries, status) {
            (2, _) => result_code::NO_SESSION,
            (_, 7) => 7,
            (_, -4006) => result_code::DISCONNECTED,
            _ => result_code::TIMEOUT,
        };
        assert_eq!(result, expected, "status {status}");
    }
}

#[test]
fn a_silent_node_ends_a_unicast_before_another_subscriber_is_asked() {
    let mut chain = Chain::new(1);
    let node = chain.neighbour(0, &[b"t"]);
    let publisher = chain.net.sdk(0);
    chain.learn();
    chain.send(publisher, unicast(1, "t", "x"));
    let (_, late) = chain.asked(node);
    let own = chain.net.subscriber(0, &["t"]);
    chain.advance(27 * SECOND);
    assert_eq!(chain.net.inbox(publisher), []);
    chain.advance(2 * SECOND);
    assert_eq!(chain.net.only(publisher).result, result_code::TIMEOUT);
    chain.answer(node, &late, 0, "too late");
    chain.advance(SECOND);
    assert_eq!(chain.net.inbox(publisher), []);
    assert_eq!(chain.net.inbox(own), []);
}

#[test]
fn a_unicast_whose_connection_ended_may_have_a_subscriber() {
    let mut chain = Chain::new(1);
    let far = chain.play(&[b"t"]);
    let wire = chain.join(far, 0);
    let publisher = chain.net.sdk(0);
    chain.learn();
    let request = unicast(1, "t", "x");
    chain.send(publisher, request.clone());
    let (_, to) = chain.asked(far);
    chain.cut(wire);
    assert_eq!(chain.net.only(publisher).result, result_code::TIMEOUT);
    chain.join(far, 0);
    chain.learn();
    chain.answer(far, &to, 0, "late");
    assert_eq!(chain.net.inbox(publisher), []);
}

#[test]
fn a_unicast_that_was_not_written_goes_to_the_next_node() {
    let mut chain = Chain::new(1);
    let first = chain.play(&[b"t"]);
    let wire = chain.join(first, 0);
    let publisher = chain.net.sdk(0);
    chain.learn();
    chain.hold(wire);
    let request = unicast(1, "t", "x");
    chain.send(publisher, request.clone());
    let second = chain.neighbour(0, &[b"t"]);
    chain.learn();
    chain.cut(wire);
    assert_eq!(chain.heard(first), []);
    let (_, to) = chain.asked(second);
    chain.answer(second, &to, 0, "y");
    assert_eq!(chain.net.only(publisher), reply(&request, "y"));
}

#[test]
fn a_unicast_waits_for_its_answer_over_the_next_connection() {
    let mut chain = Chain::new(1);
    let node = chain.play(&[]);
    let wire = chain.join(node, 0);
    let subscriber = chain.net.subscriber(0, &["here"]);
    // Another connection keeps the machine's peer.
    chain.neighbour(0, &[]);
    chain.learn();
    chain.ask(node, 0, body(b"here", "ping"));
    let push = chain.net.only(subscriber);
    chain.cut(wire);
    chain.join(node, 0);
    chain.advance(SECOND);
    chain.heard(node);
    chain.send(subscriber, reply(&push, "pong"));
    assert!(matches!(
        chain.heard(node)[..],
        [Heard::Answer(GatewayOutcome::Answered(_))]
    ));
}

#[test]
fn a_connection_without_a_handshake_gives_the_machine_no_peer() {
    let mut chain = Chain::new(1);
    let wire = chain.take(0, address(PLAYED)).unwrap();
    chain.settle();
    assert!(chain.bridges[0].is_open(wire));
    // The other node closes it because it still has an earlier one.
    assert!(!chain.bridges[0].is_connected());
    assert_eq!(chain.net.nodes[0].machine.peers().count(), 0);
    let now = chain.net.now();
    chain.bridges[0].handle_eof(now, wire);
    chain.settle();
    assert!(!chain.bridges[0].is_connected());
    chain.neighbour(0, &[]);
    assert!(chain.bridges[0].is_connected());
    assert_eq!(chain.net.nodes[0].machine.peers().count(), 1);
}

#[test]
fn a_restarted_node_is_found_again() {
    let (mut chain, publisher, _) = two();
    chain.cut(0);
    chain.send(publisher, unicast(1, "there", "x"));
    assert_eq!(chain.net.only(publisher).result, result_code::NO_SUBSCRIBER);
    chain.connect(0, 1);
    chain.learn();
    let request = unicast(2, "there", "y");
    chain.send(publisher, request.clone());
    // Node 1 still has the subscriber.
    assert_eq!(chain.bridges[1].counters().unicasts_received, 1);
}

#[test]
fn topics_that_2x_cannot_have_are_left_out_and_counted() {
    let mut chain = Chain::new(1);
    let long = [b'x'; 255];
    let longest = [b'x'; 254];
    let topics: [&[u8]; 7] = [
        b"",
        b"#!$TopicNeedVerify_p",
        b"a\tb",
        "\u{4ef7}\u{683c}".as_bytes(),
        b"\xed\xa0\xbd\xed\xb8\x80",
        &longest,
        &long,
    ];
    let node = chain.neighbour(0, &topics);
    let publisher = chain.net.sdk(0);
    chain.learn();
    assert_eq!(chain.bridges[0].counters().topics_left_out, 5);
    for topic in ["价格", std::str::from_utf8(&longest).unwrap()] {
        chain.send(publisher, multicast(1, topic, "x"));
        assert_eq!(
            chain.heard(node),
            [Heard::Multicast(body(topic.as_bytes(), "x"))]
        );
        chain.net.inbox(publisher);
    }
    // Messages on them are refused.
    chain.ask(node, 0, body(&long, "x"));
    assert!(matches!(
        chain.heard(node)[..],
        [Heard::Answer(GatewayOutcome::Refused { status: 3002, .. })]
    ));
    chain.tell(node, 0, body(b"#!$TopicNeedVerify_p", "x"));
    assert_eq!(chain.bridges[0].counters().malformed, 1);
}

#[test]
fn private_topics_do_not_cross() {
    let mut chain = Chain::new(1);
    let node = chain.neighbour(0, &[]);
    chain.net.subscriber(0, &["#!$TopicNeedVerify_p", "open"]);
    chain.learn();
    let peer = chain.played[node].peers.values().next().unwrap();
    let nodes: Vec<_> = peer.nodes().collect();
    assert_eq!(nodes[0].source.id, id(0));
    assert_eq!(nodes[0].topics[..], [Bytes::from("open")]);
}

#[test]
fn a_chain_that_takes_part_reaches_the_whole_overlay() {
    let mut chain = Chain::with([with_chain(0), crate::support::config(1)], |_| ());
    chain.net.connect(0, 1);
    let node = chain.neighbour(0, &[b"chain"]);
    let far = chain.net.subscriber(1, &["overlay"]);
    chain.learn();
    chain.tell(node, 0, body(b"overlay", "hi"));
    assert_eq!(chain.pushed(far).len(), 1);
    chain.send(far, unicast(1, "chain", "x"));
    let (asked, to) = chain.asked(node);
    assert_eq!(asked, body(b"chain", "x"));
    chain.answer(node, &to, 0, "y");
    assert_eq!(chain.net.only(far).body, frame_topic(b"chain", b"y"));
}

#[test]
fn an_unanswered_unicast_of_a_3x_node_ends() {
    let mut chain = Chain::new(1);
    let node = chain.neighbour(0, &[]);
    let subscriber = chain.net.subscriber(0, &["here"]);
    chain.learn();
    chain.ask(node, 0, body(b"here", "ping"));
    chain.net.only(subscriber);
    chain.advance(31 * SECOND);
    let heard = chain.heard(node);
    assert!(
        matches!(heard[..], [Heard::Answer(GatewayOutcome::Refused { .. })]),
        "{heard:?}"
    );
}
