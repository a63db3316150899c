//! A message that its publisher sends again on another connection, while a subscriber has it.

use crate::support::{Net, Sdk, refused, reply, unicast};
use amop_proto::channel::{Frame, result_code};

const TOPIC: &str = "hello";

/// Returns two nodes, a subscriber at the second, and an SDK connected to both that has published
/// to it over the first: the network, the publisher's connections, the subscriber, and the push.
fn pending() -> (Net, [Sdk; 2], Sdk, Frame) {
    let mut net = Net::new(2);
    net.connect(0, 1);
    let publisher = [net.sdk(0), net.sdk(1)];
    let subscriber = net.subscriber(1, &[TOPIC]);
    net.send(publisher[0], unicast(1, TOPIC, "once"));
    let push = net.only(subscriber);
    (net, publisher, subscriber, push)
}

#[test]
fn a_copy_by_another_way_is_answered_with_the_first() {
    let (mut net, publisher, subscriber, push) = pending();
    net.hang_up(publisher[0]);
    net.send(publisher[1], unicast(1, TOPIC, "once"));
    net.nothing(publisher[1]);
    net.nothing(subscriber);
    net.send(subscriber, reply(&push, "yes"));
    assert_eq!(net.only(publisher[1]), reply(&push, "yes"));
    let counters = net.nodes[1].machine.router().counters();
    assert_eq!((counters.unicasts, counters.answered), (2, 2));
    assert_eq!(net.nodes[1].machine.router().in_flight(), 0);
}

#[test]
fn a_copy_is_refused_with_the_first() {
    let (mut net, publisher, subscriber, push) = pending();
    net.send(publisher[1], unicast(1, TOPIC, "once"));
    net.send(subscriber, reply_no_session(&push));
    let request = unicast(1, TOPIC, "once");
    assert_eq!(net.only(publisher[0]), refused(&request));
    assert_eq!(net.only(publisher[1]), refused(&request));
}

#[test]
fn another_message_with_the_same_seq_is_no_copy() {
    let (mut net, publisher, subscriber, push) = pending();
    let other = unicast(1, TOPIC, "another");
    net.send(publisher[1], other.clone());
    assert_eq!(net.only(publisher[1]), refused(&other));
    net.send(subscriber, reply(&push, "yes"));
    assert_eq!(net.only(publisher[0]), reply(&push, "yes"));
}

#[test]
fn a_copy_waits_no_longer_than_it_may() {
    let (mut net, publisher, _, _) = pending();
    net.send(publisher[1], unicast(1, TOPIC, "once"));
    net.secs(60);
    assert_eq!(net.inbox(publisher[0]).len(), 1);
    assert_eq!(net.inbox(publisher[1]).len(), 1);
    let routers = net.nodes.iter().map(|node| node.machine.router());
    assert_eq!(routers.map(|router| router.in_flight()).sum::<usize>(), 0);
}

/// The publisher is its own only subscriber: the message that it sends again is not its answer.
#[test]
fn a_copy_over_the_very_connection_that_has_it_is_no_answer() {
    let mut net = Net::new(2);
    net.connect(0, 1);
    let first = net.sdk(0);
    let second = net.subscriber(1, &[TOPIC]);
    net.send(first, unicast(1, TOPIC, "mine"));
    let push = net.only(second);
    net.hang_up(first);
    net.send(second, unicast(1, TOPIC, "mine"));
    net.nothing(second);
    net.send(second, reply(&push, "yes"));
    assert_eq!(net.only(second), reply(&push, "yes"));
}

fn reply_no_session(push: &Frame) -> Frame {
    Frame {
        result: result_code::NO_SESSION,
        ..reply(push, "")
    }
}
