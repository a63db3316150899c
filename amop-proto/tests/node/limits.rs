//! Limits for one session, so that the others keep their resources: bandwidth, messages in flight,
//! topics, memory for unwritten bytes.

use std::time::Duration;

use crate::support::{Link, Net, Sdk, config, error, multicast, reply, unicast};
use amop_proto::{
    channel::{Frame, result_code},
    node::{Counters, NodeNotice, SessionCloseReason},
    p2p::PEER_HEADER_LEN,
};

const TOPIC: &str = "hello";

/// The size of the longest unicast or multicast of these tests.
const MESSAGE: usize = 200 + PEER_HEADER_LEN;

fn shout(n: u64) -> Frame {
    padded(multicast, n)
}

fn ask(n: u64) -> Frame {
    padded(unicast, n)
}

fn padded(make: fn(u64, &str, &str) -> Frame, n: u64) -> Frame {
    let frame = make(n, TOPIC, &"x".repeat(200 - 48));
    assert_eq!(frame.wire_len(), 200);
    frame
}

fn counters(net: &Net) -> Counters {
    net.nodes[0].machine.router().counters()
}

/// Returns the number of messages that a peer got, in any kind of packet.
fn messages(net: &mut Net, peer: Link) -> usize {
    let frames = net.peer_inbox(peer).into_iter();
    frames.filter(|frame| frame.body.len() >= 200).count()
}

/// Returns a node that may send this many messages a second.
fn limited(messages: usize) -> Net {
    let mut config = config(0);
    config.limits.outgoing_bandwidth = Some((messages * MESSAGE) as u64);
    Net::with([config])
}

#[test]
fn unicasts_over_the_bandwidth_get_103_until_time_has_passed() {
    for foreign in [false, true] {
        let mut net = limited(3);
        let publisher = net.sdk(0);
        let peer = match foreign {
            true => net.fisco_peer(0, 5, TOPIC),
            false => net.overlay_peer(0, 5, &[(TOPIC, 1)]),
        };
        for n in 0..3 {
            net.send(publisher, ask(n));
            assert_eq!(messages(&mut net, peer), 1);
        }
        net.nothing(publisher);
        net.send(publisher, ask(3));
        assert_eq!(net.only(publisher), error(3, result_code::OVER_LIMIT, ""));
        assert_eq!(messages(&mut net, peer), 0);
        let counted = counters(&net);
        assert_eq!((counted.over_bandwidth, counted.unicasts), (1, 4));
        // A third of a second allows one more.
        net.advance(Duration::from_millis(334));
        net.send(publisher, ask(4));
        assert_eq!(messages(&mut net, peer), 1);
        net.send(publisher, ask(5));
        assert_eq!(net.only(publisher), error(5, result_code::OVER_LIMIT, ""));
    }
}

#[test]
fn what_stays_on_the_node_takes_no_bandwidth() {
    let mut net = limited(1);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    for n in 0..20 {
        net.send(publisher, ask(n));
        let push = net.only(subscriber);
        net.send(subscriber, reply(&push, "here"));
        assert_eq!(net.only(publisher), reply(&push, "here"));
        net.send(publisher, shout(n));
        assert_eq!(net.only(subscriber), shout(n));
        assert_eq!(net.only(publisher).result, result_code::SUCCESS);
    }
    assert_eq!(counters(&net).over_bandwidth, 0);
}

#[test]
fn a_multicast_takes_bandwidth_for_every_copy_or_goes_to_nobody() {
    let mut net = limited(5);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let foreign = net.fisco_peer(0, 5, TOPIC);
    let ours = net.overlay_peer(0, 6, &[(TOPIC, 1)]);
    for n in 0..2 {
        net.send(publisher, shout(n));
        assert_eq!(net.only(publisher).result, result_code::SUCCESS);
        assert_eq!(net.only(subscriber), shout(n));
        assert_eq!(messages(&mut net, foreign), 1);
        assert_eq!(messages(&mut net, ours), 1);
    }
    net.send(publisher, shout(2));
    assert_eq!(net.only(publisher), error(2, result_code::OVER_LIMIT, ""));
    net.nothing(subscriber);
    assert_eq!(messages(&mut net, foreign) + messages(&mut net, ours), 0);
    let counted = counters(&net);
    assert_eq!((counted.over_bandwidth, counted.multicasts), (1, 2));
}

#[test]
fn one_publisher_cannot_use_up_what_all_may_have_in_flight() {
    let mut config = config(0);
    config.limits.in_flight = 5;
    config.limits.session_in_flight = 3;
    let mut net = Net::with([config]);
    let (greedy, modest) = (net.sdk(0), net.sdk(0));
    let subscriber = net.subscriber(0, &[TOPIC]);
    for n in 0..10 {
        net.send(greedy, ask(n));
    }
    let pushes = net.inbox(subscriber);
    assert_eq!(pushes.len(), 3);
    let refused = net.inbox(greedy);
    assert_eq!(refused.len(), 7);
    assert_eq!(refused[0], error(3, result_code::OVER_LIMIT, ""));
    for n in 10..12 {
        net.send(modest, ask(n));
        net.only(subscriber);
    }
    net.nothing(modest);
    // Now all places are used.
    net.send(modest, ask(12));
    assert_eq!(net.only(modest), error(12, result_code::OVER_LIMIT, ""));
    let counted = counters(&net);
    assert_eq!((counted.over_session_limit, counted.over_limit), (7, 1));
    // An answer makes room for only one more.
    net.send(subscriber, reply(&pushes[0], ""));
    net.only(greedy);
    net.send(greedy, ask(13));
    net.only(subscriber);
    net.send(greedy, ask(14));
    assert_eq!(net.only(greedy), error(14, result_code::OVER_LIMIT, ""));
}

#[test]
fn the_bytes_of_one_publisher_are_bounded_too() {
    let mut config = config(0);
    config.limits.session_in_flight_bytes = 500;
    let mut net = Net::with([config]);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    for n in 0..3 {
        net.send(publisher, ask(n));
    }
    assert_eq!(net.only(publisher), error(2, result_code::OVER_LIMIT, ""));
    let push = net.inbox(subscriber).remove(0);
    net.send(subscriber, reply(&push, ""));
    net.only(publisher);
    net.send(publisher, ask(3));
    net.only(subscriber);
}

#[test]
fn topics_of_all_sessions_are_bounded_together() {
    let mut config = config(0);
    config.limits.topics = 4;
    config.limits.subscriptions = 6;
    let mut net = Net::with([config]);
    let first = net.subscriber(0, &["a", "b", "c"]);
    net.notices(0);
    let second = net.subscriber(0, &["a", "d", "e", "f"]);
    let (session, topic, others) = (second.id, "e".to_owned(), 1);
    assert_eq!(
        net.notices(0),
        [NodeNotice::TopicIgnored {
            session,
            identity: Default::default(),
            topic,
            others
        }]
    );
    assert_eq!(net.nodes[0].machine.own_topics(), ["a", "b", "c", "d"]);
    // Five are held. One more of a topic that is already known fits.
    let third = net.subscriber(0, &["a", "b"]);
    assert_eq!(counters(&net).topics_ignored, 3);
    let publisher = net.sdk(0);
    net.send(publisher, multicast(1, "b", ""));
    net.only(first);
    net.nothing(third);
    // Topics that are given up are free for others, also in the same request.
    net.subscribe(first, &["x", "y", "z"]);
    net.notices(0);
    assert_eq!(net.nodes[0].machine.own_topics(), ["a", "d", "x", "y"]);
    net.hang_up(first);
    net.subscribe(third, &["a", "b"]);
    net.inbox(publisher);
    net.send(publisher, multicast(2, "b", ""));
    net.only(third);
    assert!(net.notices(0).is_empty());
}

#[test]
fn when_all_queues_together_are_too_long_the_longest_is_cut() {
    let mut config = config(0);
    config.limits.session_queue = 10_000;
    config.limits.session_queues = 6000;
    let mut net = Net::with([config]);
    let publisher = net.sdk(0);
    let reader = net.subscriber(0, &[TOPIC]);
    let slow: Vec<_> = (0..4).map(|_| net.subscriber(0, &[TOPIC])).collect();
    let long = net.subscriber(0, &[TOPIC, "more"]);
    for &sdk in slow.iter().chain([&long]) {
        net.end(sdk).stalled = true;
    }
    net.send(publisher, multicast(0, "more", &"x".repeat(1500)));
    let router = |net: &Net| net.nodes[0].machine.router().session_bytes();
    let mut n = 1;
    while net.is_open(long) {
        net.send(publisher, shout(n));
        assert!(router(&net) <= 6000);
        n += 1;
        assert!(n < 20);
    }
    let closed = net.closed(long);
    assert!(
        matches!(closed, Some(SessionCloseReason::QueuesFull { queued, max: 6000 }) if queued > 6000),
        "{closed:?}"
    );
    assert!(slow.iter().all(|&sdk| net.is_open(sdk)));
    assert_eq!(net.inbox(reader).len() as u64, n - 1);
    assert_eq!(counters(&net).queues_cut, 1);
    // The unwritten bytes are counted, and the overhead of each frame.
    let frames = n as usize - 1;
    let waiting = |net: &mut Net, sdks: &[Sdk]| -> usize {
        let unwritten = sdks
            .iter()
            .map(|&sdk| net.end(sdk).unwritten + 128 * frames);
        unwritten.sum()
    };
    assert_eq!(router(&net), waiting(&mut net, &slow));
    net.read(slow[0], usize::MAX);
    net.hang_up(slow[1]);
    assert_eq!(router(&net), waiting(&mut net, &slow[2..]));
}

#[test]
fn counters_have_names_and_each_is_named_once() {
    let net = Net::new(1);
    let names: Vec<_> = counters(&net).entries().map(|(name, _)| name).collect();
    let mut different = names.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), names.len());
}
