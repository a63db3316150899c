//! The answers to a publisher whose unicast reaches no subscriber; it gets exactly one.

use std::time::Duration;

use crate::support::{
    Link, Net, Sdk, config, error, from_node, hello, inner, node_id, peer_frame, refused, reply,
    seq, unicast,
};
use amop_proto::{
    channel::{Frame, FrameType, HandshakeRequest, result_code},
    node::NodeNotice,
    p2p::{PeerFrame, packet, protocol},
};
use bytes::Bytes;

const TOPIC: &str = "hello";

fn from_subscriber(request: &PeerFrame, answer: &Frame) -> PeerFrame {
    let answer = answer.to_bytes();
    peer_frame(-protocol::AMOP, packet::UNICAST, request.seq, answer)
}

/// Returns the subscriber that has a push in its inbox; exactly one must have one.
fn who(net: &mut Net, subscribers: &[Sdk]) -> (Sdk, Frame) {
    let mut got = Vec::new();
    for &sdk in subscribers {
        got.extend(net.inbox(sdk).into_iter().map(|push| (sdk, push)));
    }
    assert_eq!(got.len(), 1, "{got:?}");
    got.remove(0)
}

/// Returns a publisher and two subscribers, all on one node.
fn three() -> (Net, Sdk, [Sdk; 2]) {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let subscribers = [0, 0].map(|node| net.subscriber(node, &[TOPIC]));
    (net, publisher, subscribers)
}

#[test]
fn without_subscribers_the_answer_is_100_at_once() {
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    net.subscriber(1, &["other"]);
    net.send(publisher, unicast(1, TOPIC, "anyone?"));
    assert_eq!(
        net.only(publisher),
        error(1, result_code::NO_SUBSCRIBER, "")
    );
    assert_eq!(net.elapsed(), Duration::ZERO);
}

#[test]
fn a_topic_beyond_the_body_is_nobodys() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    // Two tabs in a row contain an empty topic.
    let peer = net.fisco_peer(0, 5, "\t\tx");
    let request = Frame::new(FrameType::UNICAST, seq(1), &b"\x09short"[..]);
    net.send(publisher, request);
    assert_eq!(
        net.only(publisher),
        error(1, result_code::NO_SUBSCRIBER, "")
    );
    let shout = Frame::new(FrameType::MULTICAST, seq(2), &b"\x09short"[..]);
    net.send(publisher, shout.clone());
    assert_eq!(
        net.only(publisher),
        error(2, result_code::SUCCESS, shout.body)
    );
    assert!(net.peer_inbox(peer).is_empty());
    assert_eq!(net.closed(publisher), None);
    // The empty topic can be used.
    net.send(publisher, unicast(3, "", "to the empty topic"));
    assert_eq!(
        inner(&net.peer_only(peer)),
        unicast(3, "", "to the empty topic")
    );
}

#[test]
fn silent_sessions_are_tried_for_5_s_each_and_then_it_is_104() {
    let (mut net, publisher, subscribers) = three();
    let request = unicast(1, TOPIC, "silence");
    net.send(publisher, request.clone());
    let (first, push) = who(&mut net, &subscribers);
    assert_eq!(push, request);
    net.advance(Duration::from_millis(4999));
    let nobody = subscribers.map(|sdk| net.inbox(sdk));
    assert_eq!(nobody, [[], []]);
    net.advance(Duration::from_millis(1));
    let (second, push) = who(&mut net, &subscribers);
    assert_eq!(push, request);
    assert_ne!(first, second);
    net.advance(Duration::from_millis(4999));
    net.nothing(publisher);
    net.advance(Duration::from_millis(1));
    assert_eq!(net.only(publisher), refused(&request));
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn a_silent_subscriber_of_another_node_is_104_after_5_s() {
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(1, &[TOPIC]);
    let request = unicast(1, TOPIC, "silence");
    net.send(publisher, request.clone());
    net.only(subscriber);
    net.secs(5);
    assert_eq!(net.only(publisher), refused(&request));
    net.nothing(subscriber);
}

#[test]
fn a_subscriber_that_disconnects_is_replaced_at_once() {
    for nodes in [1, 2] {
        let mut net = Net::mesh(nodes);
        let publisher = net.sdk(0);
        let subscribers = [0, nodes - 1].map(|node| net.subscriber(node, &[TOPIC]));
        let request = unicast(1, TOPIC, "");
        net.send(publisher, request.clone());
        let (first, _) = who(&mut net, &subscribers);
        net.hang_up(first);
        let (second, push) = who(&mut net, &subscribers);
        assert_ne!(first, second);
        net.nothing(publisher);
        net.send(second, reply(&push, "here"));
        assert_eq!(net.only(publisher), reply(&push, "here"));
        // The last one leaves, too.
        net.send(publisher, unicast(2, TOPIC, ""));
        net.only(second);
        net.hang_up(second);
        assert_eq!(net.only(publisher), refused(&unicast(2, TOPIC, "")));
        assert_eq!(net.elapsed(), Duration::ZERO);
    }
}

#[test]
fn a_subscriber_that_unsubscribes_may_still_answer() {
    let (mut net, publisher, subscribers) = three();
    net.send(publisher, unicast(1, TOPIC, ""));
    let (subscriber, push) = who(&mut net, &subscribers);
    net.subscribe(subscriber, &[]);
    net.send(subscriber, reply(&push, "the last one"));
    assert_eq!(net.only(publisher), reply(&push, "the last one"));
}

/// A publisher's unicast is at a FISCO node; a second FISCO node has the topic, too.
fn at_a_peer(net: &mut Net) -> (Sdk, Link, PeerFrame, Link) {
    let publisher = net.sdk(0);
    let peers = [5, 6].map(|n| net.fisco_peer(0, n, TOPIC));
    net.send(publisher, unicast(1, TOPIC, "far"));
    let [mut a, mut b] = peers.map(|peer| net.peer_inbox(peer));
    let (at, other, request) = match (a.pop(), b.pop()) {
        (Some(request), None) => (peers[0], peers[1], request),
        (None, Some(request)) => (peers[1], peers[0], request),
        both => panic!("{both:?}"),
    };
    assert_eq!(
        request,
        from_node(request.seq, &unicast(1, TOPIC, "far")),
        "wrapped unchanged"
    );
    (publisher, at, request, other)
}

#[test]
fn a_peer_link_that_dies_is_replaced_at_once() {
    let mut net = Net::new(1);
    let (publisher, at, _, other) = at_a_peer(&mut net);
    net.cut(at);
    let request = net.peer_only(other);
    let answer = reply(&unicast(1, TOPIC, ""), "here");
    net.peer_send(other, from_subscriber(&request, &answer));
    assert_eq!(net.only(publisher), answer);
    // Without another peer the result is 100.
    net.send(publisher, unicast(2, TOPIC, ""));
    net.peer_only(other);
    net.cut(other);
    assert_eq!(
        net.only(publisher),
        error(2, result_code::NO_SUBSCRIBER, "")
    );
    assert_eq!(net.elapsed(), Duration::ZERO);
}

#[test]
fn a_peer_that_answers_104_or_nonsense_is_replaced_at_once() {
    let request = unicast(1, TOPIC, "far");
    let other_seq = reply(&unicast(2, TOPIC, ""), "a stranger's");
    let bodies = [
        refused(&request).to_bytes(),
        Bytes::new(),
        Bytes::from_static(b"not a frame"),
        reply(&request, "cut short").to_bytes().slice(..45),
        other_seq.to_bytes(),
    ];
    for (at_body, body) in bodies.into_iter().enumerate() {
        let mut net = Net::new(1);
        let (publisher, at, message, other) = at_a_peer(&mut net);
        let answer = peer_frame(-protocol::AMOP, packet::UNICAST, message.seq, body.clone());
        net.peer_send(at, answer);
        net.nothing(publisher);
        let second = net.peer_only(other);
        assert_eq!(inner(&second), request);
        let answer = peer_frame(-protocol::AMOP, packet::UNICAST, second.seq, body);
        net.peer_send(other, answer);
        // Only an answer of 104 shows that there is a subscriber, which did not accept the message.
        let expected = match at_body {
            0 => refused(&request),
            _ => error(1, result_code::NO_SUBSCRIBER, ""),
        };
        assert_eq!(net.only(publisher), expected, "answer {at_body}");
        let bad = net.notices(0).into_iter();
        let bad = bad.filter(|notice| matches!(notice, NodeNotice::BadPeerMessage { .. }));
        assert_eq!(bad.count(), if at_body == 0 { 0 } else { 2 });
    }
}

#[test]
fn a_silent_peer_is_tried_for_30_s_and_then_the_next() {
    let mut net = Net::new(1);
    let (publisher, at, first, other) = at_a_peer(&mut net);
    net.advance(Duration::from_millis(29_999));
    let seqs = |net: &mut Net, peer| -> Vec<u32> {
        let messages = net.peer_inbox(peer).into_iter();
        messages
            .filter(|frame| frame.protocol == protocol::AMOP)
            .map(|frame| frame.seq)
            .collect()
    };
    assert!(seqs(&mut net, other).is_empty());
    net.advance(Duration::from_millis(1));
    let second = seqs(&mut net, other);
    assert_eq!(second.len(), 1);
    // The answer of the first peer is too late.
    let late = reply(&unicast(1, TOPIC, ""), "late");
    net.peer_send(at, from_subscriber(&first, &late));
    net.nothing(publisher);
    // The answer of the second one is too late as well, since the overall limit of 60 s has passed.
    // Both peers count as alive only because of these packets.
    net.peer_send(at, crate::support::topic_seq("1"));
    net.peer_send(other, crate::support::topic_seq("1"));
    net.advance(Duration::from_millis(29_999));
    net.nothing(publisher);
    net.advance(Duration::from_millis(1));
    assert_eq!(net.only(publisher), error(1, result_code::TIMEOUT, ""));
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn when_the_last_peer_stays_silent_it_is_100() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let peer = net.fisco_peer(0, 5, TOPIC);
    net.send(publisher, unicast(1, TOPIC, ""));
    net.peer_only(peer);
    net.secs(29);
    net.nothing(publisher);
    net.secs(1);
    assert_eq!(
        net.only(publisher),
        error(1, result_code::NO_SUBSCRIBER, "")
    );
}

#[test]
fn the_overall_deadline_is_102_whoever_is_being_asked() {
    let mut config = config(0);
    config.timeouts.unicast = Duration::from_secs(12);
    let mut net = Net::with([config]);
    let publisher = net.sdk(0);
    let subscribers = [0; 4].map(|node| net.subscriber(node, &[TOPIC]));
    net.send(publisher, unicast(1, TOPIC, ""));
    for _ in 0..2 {
        who(&mut net, &subscribers);
        net.secs(5);
    }
    let (third, push) = who(&mut net, &subscribers);
    net.secs(2);
    assert_eq!(net.only(publisher), error(1, result_code::TIMEOUT, ""));
    net.send(third, reply(&push, "late"));
    net.nothing(publisher);
    net.secs(30);
    net.nothing(publisher);
    let nobody = subscribers.map(|sdk| net.inbox(sdk).len());
    assert_eq!(nobody, [0; 4]);
}

#[test]
fn another_nodes_unicast_ends_with_104_before_that_node_gives_up() {
    let mut net = Net::new(1);
    let subscribers = [0; 8].map(|node| net.subscriber(node, &[TOPIC]));
    let peer = net.raw_peer(0, node_id(5), false);
    net.peer_inbox(peer);
    let request = unicast(1, TOPIC, "");
    net.peer_send(peer, from_node(77, &request));
    let mut tried = 0;
    for _ in 0..6 {
        who(&mut net, &subscribers);
        tried += 1;
        net.secs(5);
    }
    let answers = net.peer_inbox(peer).into_iter();
    let answers: Vec<_> = answers.filter(|frame| frame.protocol < 0).collect();
    assert_eq!(
        answers,
        [from_subscriber(
            &from_node(77, &request),
            &refused(&request)
        )]
    );
    assert_eq!((tried, net.in_flight()), (6, 0));
}

#[test]
fn a_session_that_answers_104_passes_the_message_on() {
    let (mut net, publisher, subscribers) = three();
    let request = unicast(1, TOPIC, "");
    net.send(publisher, request.clone());
    let (first, _) = who(&mut net, &subscribers);
    net.send(first, refused(&request));
    let (second, push) = who(&mut net, &subscribers);
    assert_ne!(first, second);
    net.nothing(publisher);
    net.send(second, refused(&push));
    assert_eq!(net.only(publisher), refused(&request));
    assert_eq!(net.elapsed(), Duration::ZERO);
}

#[test]
fn over_the_in_flight_limits_the_answer_is_103() {
    let mut few = config(0);
    few.limits.in_flight = 2;
    let mut small = config(0);
    small.limits.in_flight_bytes = 2 * unicast(1, TOPIC, "").wire_len();
    for config in [few, small] {
        let mut net = Net::with([config]);
        let publisher = net.sdk(0);
        let subscriber = net.subscriber(0, &[TOPIC]);
        for n in 1..=3 {
            net.send(publisher, unicast(n, TOPIC, ""));
        }
        assert_eq!(net.only(publisher), error(3, result_code::OVER_LIMIT, ""));
        // Another node has its share. Messages above it are refused with that node's results.
        let peer = net.raw_peer(0, node_id(5), false);
        net.peer_inbox(peer);
        net.peer_send(peer, from_node(8, &unicast(6, TOPIC, "")));
        assert_eq!(net.only(publisher), error(2, result_code::OVER_LIMIT, ""));
        net.peer_send(peer, from_node(9, &unicast(4, TOPIC, "")));
        assert_eq!(inner(&net.peer_only(peer)), refused(&unicast(4, TOPIC, "")));
        let counters = net.nodes[0].machine.router().counters();
        assert_eq!((counters.over_limit, counters.over_share), (2, 1));
        // An answer makes room.
        let pushes = net.inbox(subscriber);
        assert_eq!(pushes.len(), 3);
        net.send(subscriber, reply(&pushes[0], "ok"));
        assert_eq!(net.only(publisher), reply(&pushes[0], "ok"));
        net.send(publisher, unicast(5, TOPIC, ""));
        assert_eq!(net.only(subscriber), unicast(5, TOPIC, ""));
        net.nothing(publisher);
    }
}

#[test]
fn nothing_is_left_when_publishers_and_everybody_else_are_gone() {
    let mut net = Net::mesh(2);
    let publishers = [0, 1].map(|node| net.sdk(node));
    let subscribers = [0, 0, 1, 1].map(|node| net.subscriber(node, &[TOPIC, "other"]));
    for n in 0..20 {
        net.send(publishers[n as usize % 2], unicast(n, TOPIC, "lost"));
    }
    let foreign = net.fisco_peer(0, 7, "far");
    net.send(publishers[0], unicast(99, "far", ""));
    net.peer_send(foreign, from_node(1, &unicast(100, TOPIC, "")));
    // Messages from node 1 are in flight on both nodes at once.
    assert!(net.in_flight() >= 22);
    for publisher in publishers {
        net.hang_up(publisher);
    }
    net.cut(foreign);
    // Answers to publishers that have left are discarded.
    for subscriber in subscribers {
        for push in net.inbox(subscriber) {
            net.send(subscriber, reply(&push, "to nobody"));
        }
    }
    assert_eq!(net.in_flight(), 0);
    for subscriber in subscribers {
        net.hang_up(subscriber);
    }
    for node in 0..2 {
        for id in net.links(node) {
            net.cut(Link { node, id });
        }
    }
    // A lost node is forgotten after a minute, its messages after a little more than two.
    net.secs(61);
    for node in &net.nodes {
        assert!(node.machine.router().is_empty());
        assert_eq!(node.machine.router().known_nodes(), 0);
    }
    net.secs(70);
    for node in &net.nodes {
        assert_eq!(node.machine.next_timeout(), None);
        assert_eq!(node.machine.session_count(), 0);
        assert_eq!(node.machine.peers().count(), 0);
    }
}

#[test]
fn messages_of_publishers_that_are_gone_end_at_their_deadline() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let peer = net.overlay_peer(0, 5, &[(TOPIC, 1)]);
    for n in 0..5 {
        net.send(publisher, unicast(n, TOPIC, ""));
    }
    net.hang_up(publisher);
    for _ in 0..30 {
        assert_eq!(net.in_flight(), 5);
        net.peer_send(peer, hello());
        net.secs(1);
    }
    assert_eq!(net.in_flight(), 0);
}

/// An SDK of 3.x may have handled what it does not answer, so nobody else gets it: neither when it is
/// silent, even if its own bridge says nothing, nor when it leaves, whichever nodes they all are at.
#[test]
fn what_an_sdk_of_3x_has_is_given_to_nobody_else() {
    for (leaves, nodes) in [
        (false, [0, 0]),
        (false, [1, 1]),
        (false, [1, 2]),
        (true, [0, 0]),
        (true, [1, 1]),
        (true, [1, 2]),
    ] {
        let mut net = Net::mesh(3);
        let publisher = net.sdk(0);
        let subscribers = nodes.map(|node| net.subscriber(node, &[TOPIC]));
        for sdk in subscribers {
            net.send(sdk, HandshakeRequest::bridge().to_frame(seq(90)));
            net.inbox(sdk);
        }
        net.send(publisher, unicast(1, TOPIC, "once"));
        let (has, _) = who(&mut net, &subscribers);
        let code = match leaves {
            true => {
                net.hang_up(has);
                result_code::DISCONNECTED
            }
            false => {
                net.secs(60);
                result_code::TIMEOUT
            }
        };
        let answer = net.only(publisher);
        assert_eq!((answer.seq, answer.result), (seq(1), code), "{nodes:?}");
        for sdk in subscribers {
            assert!(net.inbox(sdk).is_empty(), "{nodes:?}");
        }
    }
}
