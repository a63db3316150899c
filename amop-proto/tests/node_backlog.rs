//! What happens to many unicasts at once is done a little at a time.
#![forbid(unsafe_code)]

mod node_support;

use std::time::Duration;

use amop_proto::channel::code;
use node_support::{Net, Sdk, config, node_id, unicast};

const MANY: usize = 3000;

/// Unicasts dealt with in one event: so many of those that failed, and as many whose time has come.
const SLICE: usize = 2 * 256;

fn failed(net: &Net) -> usize {
    let counters = net.nodes[0].machine.router().counters();
    usize::try_from(counters.failed_attempts).unwrap()
}

fn ask(net: &mut Net, publishers: &[Sdk], count: usize) {
    for n in 0..count {
        let sdk = publishers[n % publishers.len()];
        net.send(sdk, unicast(n as u64, "void", ""));
    }
}

fn publishers(net: &mut Net) -> Vec<Sdk> {
    (0..4).map(|key| net.sdk_of(0, 1, key)).collect()
}

/// Lets time pass until all have ended, and looks that no event ended more than it may.
fn end(net: &mut Net, publishers: &[Sdk], result: i32) {
    let mut ended = 0;
    let mut rounds = 0;
    while net.in_flight() > 0 {
        let before = failed(net);
        net.advance(Duration::from_millis(1));
        assert!(failed(net) - before <= SLICE, "{}", failed(net) - before);
        rounds += 1;
        assert!(rounds < 100_000, "they never end");
    }
    for &sdk in publishers {
        let frames = net.inbox(sdk);
        assert!(frames.iter().all(|frame| frame.result == result));
        ended += frames.len();
    }
    assert_eq!(ended, MANY, "each has an answer");
}

#[test]
fn a_subscriber_that_was_asked_much_hangs_up() {
    let mut net = Net::new(1);
    let subscriber = net.sdk_of(0, 9, 9);
    net.subscribe(subscriber, &["void"]);
    let publishers = publishers(&mut net);
    ask(&mut net, &publishers, MANY);
    assert_eq!(net.in_flight(), MANY);
    net.hang_up(subscriber);
    assert!(failed(&net) <= SLICE, "{}", failed(&net));
    end(&mut net, &publishers, code::NO_SESSION);
    assert!(
        net.elapsed() < Duration::from_millis(50),
        "{:?}",
        net.elapsed()
    );
}

#[test]
fn many_time_out_at_once() {
    let mut net = Net::new(1);
    let subscriber = net.sdk_of(0, 9, 9);
    net.subscribe(subscriber, &["void"]);
    let publishers = publishers(&mut net);
    ask(&mut net, &publishers, MANY);
    end(&mut net, &publishers, code::NO_SESSION);
}

#[test]
fn a_peer_or_node_that_was_asked_much_is_gone() {
    for ours in [false, true] {
        let mut net = Net::new(1);
        let peer = if ours {
            net.ours(0, 5, &[("void", 1)])
        } else {
            net.foreign(0, 5, "void")
        };
        let publishers = publishers(&mut net);
        ask(&mut net, &publishers, MANY);
        assert_eq!(net.in_flight(), MANY, "{ours}");
        net.cut(peer);
        assert!(failed(&net) <= SLICE, "{}", failed(&net));
        end(&mut net, &publishers, code::NO_SUBSCRIBER);
    }
}

/// Whoever came meanwhile is asked, and nobody is asked twice for what waits.
#[test]
fn what_waits_for_its_turn_ends_once() {
    let mut net = Net::new(1);
    let first = net.sdk_of(0, 9, 9);
    net.subscribe(first, &["void"]);
    let publishers = publishers(&mut net);
    ask(&mut net, &publishers, MANY);
    let second = net.sdk_of(0, 9, 8);
    net.subscribe(second, &["void"]);
    net.hang_up(first);
    net.advance(Duration::from_millis(100));
    assert_eq!(failed(&net), MANY);
    assert_eq!(net.inbox(second).len(), MANY);
    assert_eq!(net.in_flight(), MANY);
    for sdk in publishers {
        net.hang_up(sdk);
    }
    net.hang_up(second);
    net.secs(100);
    assert!(net.nodes[0].machine.router().is_empty());
}

/// A message that goes another way when a link breaks is sent again a little at a time, too.
#[test]
fn what_is_sent_again_is_sent_in_pieces() {
    let mut net = Net::new(3);
    net.connect(0, 1);
    net.connect(1, 2);
    net.connect(0, 2);
    let subscriber = net.subscriber(2, &["void"]);
    let publishers = publishers(&mut net);
    net.secs(1);
    net.wire_held = true;
    ask(&mut net, &publishers, MANY);
    net.lose_wire();
    net.wire_held = false;
    net.cut_between(0, 2);
    net.advance(Duration::from_millis(500));
    let got = net.inbox(subscriber);
    assert_eq!(got.len(), MANY, "all of them, by the other way");
    assert!(
        net.nodes[0]
            .machine
            .router()
            .distance(&node_id(2))
            .is_some()
    );
}

/// When too much is in flight, the holder with the most gives way, however new the others' messages are.
#[test]
fn the_newest_of_others_does_not_hide_what_is_over_its_share() {
    let mut config = config(0);
    config.limits.in_flight = 2000;
    let mut net = Net::with([config]);
    let subscriber = net.sdk_of(0, 9, 9);
    net.subscribe(subscriber, &["void"]);
    let (greedy, second) = (net.sdk_of(0, 1, 1), net.sdk_of(0, 2, 2));
    for n in 0..1700 {
        net.send(greedy, unicast(n, "void", ""));
    }
    // Far more than are looked at have later timers, and are not over their share.
    net.advance(Duration::from_millis(100));
    for n in 0..300 {
        net.send(second, unicast(10_000 + n, "void", ""));
    }
    net.inbox(greedy);
    let third = net.sdk_of(0, 3, 3);
    for n in 0..500 {
        net.send(third, unicast(20_000 + n, "void", ""));
        net.nothing(third);
    }
    net.nothing(second);
    let ended = net.inbox(greedy);
    assert_eq!(ended.len(), 500);
    assert!(ended.iter().all(|frame| frame.result == code::OVER_LIMIT));
}
