//! Multicasts: one copy for every subscriber, and an acknowledgement that does not promise
//! delivery.

use crate::support::{Net, inner, key, multicast, peer_frame, seq, spread};
use amop_proto::{
    channel::{Frame, FrameType, result_code},
    log::with_causes,
    node::NodeNotice,
    p2p::{packet, protocol},
};

const TOPIC: &str = "hello";

/// Returns the publisher's acknowledgement: its own frame with result 0.
fn echo(request: &Frame) -> Frame {
    request.respond(result_code::SUCCESS, request.body.clone())
}

#[test]
fn every_subscriber_on_every_node_gets_one_copy() {
    let mut net = Net::mesh(3);
    let publisher = net.sdk(0);
    let subscribers = [0, 0, 1, 1, 1, 2].map(|node| net.subscriber(node, &["x", TOPIC]));
    let others = [0, 1, 2].map(|node| net.subscriber(node, &["other"]));
    let request = Frame {
        result: 9,
        ..multicast(1, TOPIC, "to all")
    };
    net.send(publisher, request.clone());
    assert_eq!(net.only(publisher), echo(&request));
    for subscriber in subscribers {
        assert_eq!(net.only(subscriber), request, "{subscriber:?}");
    }
    for other in others {
        net.nothing(other);
    }
    let delivered = |node: usize, net: &Net| {
        let counters = net.nodes[node].machine.router().counters();
        (counters.multicasts, counters.delivered, counters.dropped)
    };
    assert_eq!(delivered(0, &net), (1, 2, 0));
    assert_eq!(delivered(1, &net), (1, 3, 0));
    assert_eq!(delivered(2, &net), (1, 1, 0));
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn a_peer_gets_one_message_however_many_subscribers_it_has() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let ours = net.overlay_peer(0, 5, &[(TOPIC, 40)]);
    let real = [6, 8].map(|n| net.fisco_peer(0, n, TOPIC));
    let uninterested = net.fisco_peer(0, 7, "other");
    let request = multicast(1, TOPIC, "to all");
    net.send(publisher, request.clone());
    let copies = real.map(|peer| net.peer_only(peer));
    for copy in &copies {
        assert_eq!(
            (copy.protocol, copy.packet),
            (protocol::AMOP, packet::MULTICAST)
        );
        assert_eq!(inner(copy), request);
    }
    assert_eq!(copies[0].seq, copies[1].seq, "one number for all");
    let (address, copy) = spread(&net.peer_only(ours));
    assert_eq!((address.source, address.targets), (key(0), vec![]));
    assert_eq!(copy, request);
    assert!(net.peer_inbox(uninterested).is_empty());
}

#[test]
fn without_subscribers_it_succeeds_all_the_same() {
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    let request = multicast(1, TOPIC, "anyone?");
    net.send(publisher, request.clone());
    assert_eq!(net.only(publisher), echo(&request));
}

#[test]
fn a_publisher_that_is_subscribed_gets_its_own_copy_and_the_acknowledgement() {
    let mut net = Net::mesh(2);
    let publisher = net.subscriber(0, &[TOPIC]);
    let subscriber = net.subscriber(1, &[TOPIC]);
    let request = multicast(1, TOPIC, "to all");
    net.send(publisher, request.clone());
    assert_eq!(net.inbox(publisher), [request.clone(), echo(&request)]);
    assert_eq!(net.only(subscriber), request);
}

#[test]
fn another_nodes_multicast_is_neither_forwarded_nor_answered() {
    let mut net = Net::new(1);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let from = net.fisco_peer(0, 5, TOPIC);
    let other = net.fisco_peer(0, 6, TOPIC);
    // The packet type does not matter; the type of the inner frame does (p2p-v2 section 7).
    for (n, kind) in [(1, packet::MULTICAST), (2, packet::UNICAST), (3, 99)] {
        let request = multicast(n, TOPIC, "to all");
        let message = peer_frame(protocol::AMOP, kind, 7, request.to_bytes());
        net.peer_send(from, message);
        assert_eq!(net.only(subscriber), request);
    }
    assert!(net.peer_inbox(from).is_empty());
    assert!(net.peer_inbox(other).is_empty());
}

#[test]
fn answers_to_multicasts_are_dropped() {
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(1, &[TOPIC]);
    let request = multicast(1, TOPIC, "to all");
    net.send(publisher, request.clone());
    net.only(publisher);
    net.only(subscriber);
    // One SDK answers multicasts, too (channel-v2 section 7.4).
    net.send(subscriber, echo(&request));
    net.nothing(publisher);
    let session = subscriber.id;
    let notice = NodeNotice::UnsolicitedResponse {
        session,
        seq: seq(1),
    };
    assert!(net.notices(1).contains(&notice));
}

#[test]
fn the_same_multicast_through_two_nodes_arrives_once() {
    // Two SDKs publish through every node to which they are connected (channel-v2 section 8).
    let mut net = Net::mesh(2);
    let publisher = [0, 1].map(|node| net.sdk(node));
    let subscriber = net.subscriber(1, &[TOPIC]);
    let request = multicast(1, TOPIC, "to all");
    for publisher in publisher {
        net.send(publisher, request.clone());
        assert_eq!(net.only(publisher), echo(&request));
    }
    assert_eq!(net.inbox(subscriber), [request]);
}

#[test]
fn a_multicast_with_an_outstanding_seq_is_that_seqs_answer() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    net.send(publisher, crate::support::unicast(1, TOPIC, "?"));
    net.only(subscriber);
    let shout = multicast(1, TOPIC, "!");
    net.send(subscriber, shout.clone());
    assert_eq!(net.only(publisher), shout);
    net.nothing(subscriber);
}

#[test]
fn an_empty_body_is_dropped_and_a_zero_length_byte_closes() {
    let mut net = Net::new(1);
    let bystander = net.subscriber(0, &[TOPIC]);
    for kind in [FrameType::UNICAST, FrameType::MULTICAST] {
        let publisher = net.sdk(0);
        net.send(publisher, Frame::new(kind, seq(1), ""));
        net.nothing(publisher);
        assert_eq!(net.closed(publisher), None);
        let session = publisher.id;
        assert_eq!(net.notices(0), [NodeNotice::EmptyAmopBody { session }]);
        net.send(publisher, Frame::new(kind, seq(2), &b"\0hello"[..]));
        let reason = net.closed(publisher).unwrap();
        let text = with_causes(&reason).to_string();
        assert!(text.contains("length byte is 0"), "{text}");
        net.nothing(publisher);
    }
    assert_eq!(net.closed(bystander), None);
    assert_eq!(net.nodes[0].machine.session_count(), 1);
}

#[test]
fn empty_and_zero_length_bodies_from_a_node_are_ignored() {
    let mut net = Net::new(1);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let peer = net.fisco_peer(0, 5, "x");
    net.notices(0);
    for kind in [FrameType::UNICAST, FrameType::MULTICAST] {
        for body in ["", "\0hello"] {
            let message = Frame::new(kind, seq(1), body).to_bytes();
            net.peer_send(peer, peer_frame(protocol::AMOP, 0, 3, message));
        }
    }
    assert_eq!(net.notices(0).len(), 4);
    assert!(net.peer_inbox(peer).is_empty());
    assert_eq!(net.link(peer).closed, None);
    net.nothing(subscriber);
}

/// SDKs in Java send a multicast on all their connections. Their nodes know each other's
/// subscribers.
#[test]
fn a_multicast_that_comes_by_two_nodes_is_delivered_once_by_each() {
    let mut net = Net::mesh(3);
    let subscribers = [0, 1, 2].map(|node| net.subscriber(node, &["news"]));
    let publishers = [0, 1].map(|node| net.sdk(node));
    let message = multicast(1, "news", "by both");
    for publisher in publishers {
        net.send(publisher, message.clone());
        // Both nodes have accepted it.
        assert_eq!(net.inbox(publisher).len(), 1);
    }
    for subscriber in subscribers {
        assert_eq!(net.only(subscriber), message);
    }
    // A message of another publisher with the same seq is another message.
    let other = multicast(1, "news", "something else");
    net.send(publishers[1], other.clone());
    for subscriber in subscribers {
        assert_eq!(net.only(subscriber), other);
    }
    net.secs(10);
    net.send(publishers[0], message.clone());
    for subscriber in subscribers {
        assert_eq!(net.only(subscriber), message);
    }
}

/// An SDK in Java has a connection for each of its peers, even if two of them are names of one node.
#[test]
fn a_multicast_that_an_sdk_sends_to_one_node_twice_is_delivered_once() {
    let mut net = Net::mesh(1);
    let subscriber = net.subscriber(0, &["news"]);
    let publishers = [0, 0].map(|node| net.sdk(node));
    let message = multicast(1, "news", "by both");
    for publisher in publishers {
        net.send(publisher, message.clone());
        assert_eq!(net.inbox(publisher).len(), 1);
    }
    assert_eq!(net.only(subscriber), message);
}
