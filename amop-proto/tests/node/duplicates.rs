//! Several connections between two nodes: which one stays.

use std::time::Duration;

use crate::support::{Link, Net, hello, node_id, records, reply, state, topic_seq, unicast};
use amop_proto::{
    channel::result_code,
    node::{NodeNotice, PeerCloseReason},
    p2p::{PeerFrame, packet},
};

const TOPIC: &str = "hello";

/// Returns every order of four things.
fn orders() -> Vec<[usize; 4]> {
    let mut orders = Vec::new();
    for n in 0..256 {
        let order = [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6];
        if (0..4).all(|at| order.contains(&at)) {
            orders.push(order);
        }
    }
    assert_eq!(orders.len(), 24);
    orders
}

/// Asserts that a unicast from each node to the other's subscriber arrives and is answered.
fn assert_connected(net: &mut Net, context: &str) {
    for (from, to, topic) in [(0, 1, "of1"), (1, 0, "of0")] {
        let publisher = net.sdk(from);
        let subscriber = net.subscriber(to, &["also here", topic]);
        net.send(publisher, unicast(1, topic, "still there?"));
        let push = net.only(subscriber);
        net.send(subscriber, reply(&push, "yes"));
        assert_eq!(net.only(publisher), reply(&push, "yes"), "{context}");
        net.hang_up(subscriber);
        net.hang_up(publisher);
    }
}

#[test]
fn of_two_simultaneous_dials_both_nodes_keep_the_same_one() {
    for order in orders() {
        for wire_held in [false, true] {
            let context = format!("{order:?}, {wire_held}");
            let mut net = Net::new(2);
            net.wire_held = wire_held;
            let (a_at_0, a_at_1) = net.dial(0, 1);
            let (b_at_1, b_at_0) = net.dial(1, 0);
            let ends = [a_at_0, a_at_1, b_at_0, b_at_1];
            for at in order {
                net.open(ends[at]);
            }
            net.wire_held = false;
            net.settle();
            // The node with the lower ID dialled it.
            assert_eq!(net.links(0), [a_at_0.id], "{context}");
            assert_eq!(net.links(1), [a_at_1.id], "{context}");
            for node in &net.nodes {
                assert_eq!(node.machine.peers().count(), 1, "{context}");
            }
            assert_connected(&mut net, &context);
            net.secs(120);
            assert_connected(&mut net, &context);
        }
    }
}

#[test]
fn a_connection_made_later_is_the_one_that_goes() {
    for first_dialler in [0, 1] {
        for second_dialler in [0, 1] {
            for first_to_know in [0, 1] {
                let mut net = Net::new(2);
                let (a, b) = net.connect(first_dialler, 1 - first_dialler);
                net.secs(10);
                let (c, d) = net.dial(second_dialler, 1 - second_dialler);
                let mut ends = [c, d];
                if first_to_know == 1 {
                    ends.reverse();
                }
                net.notices(0);
                for end in ends {
                    net.open(end);
                }
                let held = [net.links(a.node), net.links(b.node)];
                assert_eq!(held, [vec![a.id], vec![b.id]]);
                let closed = [c, d].map(|end| net.link(end).closed.clone());
                assert!(closed.contains(&Some(PeerCloseReason::Duplicate)));
                assert_eq!(net.notices(0), [], "the node was neither lost nor added");
                assert_connected(&mut net, "later");
            }
        }
    }
}

#[test]
fn a_second_connection_of_the_same_dialler_is_closed() {
    for dialler in [0, 1] {
        let mut net = Net::new(2);
        let (a, b) = net.connect(dialler, 1 - dialler);
        net.connect(dialler, 1 - dialler);
        assert_eq!(net.links(a.node), [a.id]);
        assert_eq!(net.links(b.node), [b.id]);
        assert_connected(&mut net, "same dialler");
    }
}

#[test]
fn messages_under_way_on_the_connection_that_goes_are_answered_on_the_other() {
    for publishers_node in [0, 1] {
        let mut net = Net::new(2);
        let publisher = net.sdk(publishers_node);
        let subscriber = net.subscriber(1 - publishers_node, &[TOPIC]);
        // Node 1 dialled it, so it is closed when the connection of node 0 is made.
        net.connect(1, 0);
        net.send(publisher, unicast(1, TOPIC, "on the way"));
        let push = net.only(subscriber);
        let (kept, _) = net.connect(0, 1);
        assert_eq!(net.links(0), [kept.id]);
        net.nothing(publisher);
        net.send(subscriber, reply(&push, "in time"));
        assert_eq!(net.only(publisher), reply(&push, "in time"));
        net.nothing(subscriber);
        assert_eq!(net.in_flight(), 0);
        assert_eq!(net.elapsed().as_nanos(), 0);
    }
}

/// Two nodes have dialled each other. A message or an answer that is sent at any point of what
/// follows, in any order in which the four ends finish TLS, is not lost.
#[test]
fn no_message_is_lost_while_two_nodes_settle_which_connection_stays() {
    for order in orders() {
        for at in 0..40 {
            let context = format!("{order:?}, {at}");
            let mut net = Net::new(2);
            let publisher = net.sdk(0);
            let subscriber = net.subscriber(1, &[TOPIC]);
            let (a_at_0, a_at_1) = net.dial(0, 1);
            let (b_at_1, b_at_0) = net.dial(1, 0);
            let ends = [a_at_0, a_at_1, b_at_0, b_at_1];
            net.wire_held = true;
            let mut published = false;
            // Whether the publisher's node knows the subscriber.
            let knows = |net: &Net| {
                let router = net.nodes[0].machine.router();
                router.node_topic_names(&node_id(1)).next().is_some()
            };
            let mut steps = 0;
            let mut step = |net: &mut Net| {
                if steps >= at && !published && knows(net) {
                    published = true;
                    net.send(publisher, unicast(1, TOPIC, "on the way"));
                }
                steps += 1;
                for push in net.inbox(subscriber) {
                    net.send(subscriber, reply(&push, "got it"));
                }
            };
            // The events are far apart: everything that follows from the opening of one end happens
            // before the next one opens.
            for end in order {
                net.open(ends[end]);
                for _ in 0..3 {
                    step(&mut net);
                    net.deliver_one();
                }
            }
            while net.deliver_one() {
                step(&mut net);
            }
            for _ in 0..50 {
                step(&mut net);
            }
            assert!(published, "{context}");
            net.wire_held = false;
            net.settle();
            for push in net.inbox(subscriber) {
                net.send(subscriber, reply(&push, "got it"));
            }
            let answer = reply(&unicast(1, TOPIC, ""), "got it");
            assert_eq!(net.inbox(publisher), [answer], "{context}");
            net.nothing(subscriber);
            assert_eq!(net.in_flight(), 0, "{context}");
        }
    }
}

#[test]
fn where_no_other_connection_follows_publishers_wait_2_s() {
    let mut net = Net::new(2);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(1, &[TOPIC]);
    // It may be the one of two connections that is closed.
    let (link, _) = net.connect(1, 0);
    net.cut(link);
    net.send(publisher, unicast(1, TOPIC, "anyone?"));
    net.advance(Duration::from_millis(1999));
    net.nothing(publisher);
    net.advance(Duration::from_millis(1));
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
    net.nothing(subscriber);
    // A connection that has existed for longer is not one of them.
    let (link, _) = net.connect(1, 0);
    net.secs(10);
    net.cut(link);
    net.send(publisher, unicast(2, TOPIC, "anyone?"));
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
}

#[test]
fn a_fisco_node_has_closed_the_new_one_and_so_does_an_overlay_node() {
    // Node 0 has the lower and node 9 the higher of the two IDs; a FISCO node does not know this
    // rule.
    for (own, remote) in [(0, 9), (1, 0)] {
        for dialled in [false, true] {
            let mut net = Net::new(2);
            let first = net.raw_peer(own, node_id(remote), dialled);
            net.peer_send(first, topic_seq("1"));
            let asked = net.peer_inbox(first).pop().unwrap();
            assert_eq!(asked.packet, packet::REQUEST_TOPICS);
            for second_dialled in [false, true] {
                let second = net.raw_peer(own, node_id(remote), second_dialled);
                let closed = net.link(second).closed.clone();
                assert_eq!(closed, Some(PeerCloseReason::Duplicate));
                assert!(net.peer_inbox(second).is_empty(), "no greeting");
            }
            assert_eq!(net.links(own), [first.id]);
        }
    }
}

#[test]
fn a_node_does_not_connect_to_itself() {
    let mut net = Net::new(1);
    for dialled in [true, false] {
        let link = net.raw_peer(0, node_id(0), dialled);
        assert_eq!(net.link(link).closed, Some(PeerCloseReason::LocalIdentity));
        assert!(net.peer_inbox(link).is_empty());
    }
    assert_eq!(net.notices(0), []);
    assert_eq!(net.nodes[0].machine.peers().count(), 0);
    assert_eq!(net.nodes[0].machine.next_timeout(), None);
}

#[test]
fn what_a_closed_connection_still_says_is_ignored() {
    let mut net = Net::new(1);
    let held = net.fisco_peer(0, 5, TOPIC);
    let refused = net.raw_peer(0, node_id(5), false);
    let node = 0;
    let event = |frame: PeerFrame| amop_proto::node::NodeEvent::PeerFrame(refused.id, frame.into());
    net.event(node, event(hello()));
    let more = state(5, 1, &[0], &[("more", 1)]);
    let more = net.nodes[0].checker.event(refused.id, records(1, &[more]));
    net.event(node, more);
    net.event(node, event(topic_seq("9")));
    net.cut(refused);
    let names = net.nodes[0].machine.router().peer_topic_names(held.id);
    assert_eq!(names.collect::<Vec<_>>(), [TOPIC]);
    assert!(net.peer_inbox(held).is_empty());
}

#[test]
fn comings_and_goings_are_noticed() {
    let mut net = Net::new(2);
    let (a, b) = net.connect(0, 1);
    let up = |link: Link, remote| NodeNotice::PeerUp {
        peer: link.id,
        node: node_id(remote),
    };
    assert_eq!(net.notices(0), [up(a, 1)]);
    assert_eq!(net.notices(1), [up(b, 0)]);
    net.cut(a);
    let down = |link: Link, remote| NodeNotice::PeerDown {
        peer: link.id,
        node: node_id(remote),
    };
    assert_eq!(net.notices(0), [down(a, 1)]);
    assert_eq!(net.notices(1), [down(b, 0)]);
}
