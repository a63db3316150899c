//! Work for many unicasts at once is done in small slices.

use std::time::Duration;

use crate::support::{Net, Sdk, config, multicast, node_id, unicast};
use amop_proto::channel::result_code;

const MANY: usize = 3000;

/// The number of unicasts handled in one event: this many that failed, and as many whose timer has
/// expired.
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

/// Lets time pass until all have ended, and asserts that no event ended more than allowed.
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
    end(&mut net, &publishers, result_code::NO_SESSION);
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
    end(&mut net, &publishers, result_code::NO_SESSION);
}

#[test]
fn a_peer_or_node_that_was_asked_much_is_gone() {
    for ours in [false, true] {
        let mut net = Net::new(1);
        let peer = if ours {
            net.overlay_peer(0, 5, &[("void", 1)])
        } else {
            net.fisco_peer(0, 5, "void")
        };
        let publishers = publishers(&mut net);
        ask(&mut net, &publishers, MANY);
        assert_eq!(net.in_flight(), MANY, "{ours}");
        net.cut(peer);
        assert!(failed(&net) <= SLICE, "{}", failed(&net));
        end(&mut net, &publishers, result_code::NO_SUBSCRIBER);
    }
}

/// New subscribers are asked, and no subscriber is asked twice for a waiting message.
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

/// Messages that take another path when a link breaks are also sent again in slices.
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
    assert_eq!(got.len(), MANY, "all of them, by the other path");
    assert!(
        net.nodes[0]
            .machine
            .router()
            .distance(&node_id(2))
            .is_some()
    );
}

/// When too many are in flight, the session with the most gives way, even if the others' messages
/// are newer.
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
    // Many more than are checked at once have later timers, and are within their share.
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
    assert!(
        ended
            .iter()
            .all(|frame| frame.result == result_code::OVER_LIMIT)
    );
}

/// The number of copies of multicasts that are handed out in one event.
const COPIES: u64 = 1024;

fn delivered(net: &Net) -> u64 {
    net.nodes[0].machine.router().counters().delivered
}

fn many_subscribers(net: &mut Net, count: usize) -> Vec<Sdk> {
    let subscribers: Vec<Sdk> = (0..count).map(|_| net.subscriber(0, &["many"])).collect();
    settle_topics(net);
    subscribers
}

/// Waits until the topics of many sessions are in force, which happens in slices.
fn settle_topics(net: &mut Net) {
    while net.nodes[0].machine.router().is_changing_topics() {
        net.advance(Duration::from_millis(1));
    }
}

#[test]
fn a_multicast_to_very_many_sessions_is_handed_out_in_parts() {
    let mut net = Net::new(1);
    let subscribers = many_subscribers(&mut net, 10_000);
    let few = net.subscriber(0, &["few"]);
    net.subscribe(subscribers[9_999], &["many", "few"]);
    settle_topics(&mut net);
    let (publisher, other) = (net.sdk(0), net.sdk(0));
    let big = multicast(1, "many", "");
    net.send(publisher, big.clone());
    assert_eq!(net.inbox(publisher).len(), 1, "it is taken");
    assert_eq!(delivered(&net), COPIES);
    // Other publishers do not wait for it; further messages of the same publisher do, so that they
    // arrive after it.
    net.send(other, multicast(2, "few", "other"));
    assert_eq!(net.inbox(few), [multicast(2, "few", "other")]);
    net.send(publisher, multicast(3, "few", "same"));
    net.nothing(few);
    let mut rounds = 0;
    let mut before = delivered(&net);
    while before < 10_000 + 4 {
        net.advance(Duration::from_millis(1));
        let now = delivered(&net);
        assert!(now > before && now - before <= COPIES, "{before} to {now}");
        before = now;
        rounds += 1;
    }
    assert!(rounds <= 10, "{rounds}");
    let last = subscribers[9_999];
    let got: Vec<u8> = net
        .inbox(last)
        .iter()
        .map(|frame| frame.seq.0[31])
        .collect();
    assert_eq!(got, *b"213");
    assert_eq!(net.inbox(few), [multicast(3, "few", "same")]);
    for &sdk in &subscribers[..9_999] {
        assert_eq!(net.only(sdk), big);
    }
    net.hang_up(few);
    for sdk in subscribers.into_iter().chain([publisher, other]) {
        net.hang_up(sdk);
    }
    settle_topics(&mut net);
    net.secs(1);
    assert!(net.nodes[0].machine.router().is_empty());
}

#[test]
fn who_leaves_meanwhile_gets_none_and_those_that_come_fast_are_not_kept() {
    let mut net = Net::new(1);
    let subscribers = many_subscribers(&mut net, 4000);
    let publisher = net.sdk(0);
    net.send(publisher, multicast(1, "many", ""));
    for &sdk in &subscribers[2000..] {
        net.hang_up(sdk);
    }
    net.advance(Duration::from_millis(10));
    assert_eq!(delivered(&net), 2000);
    // If there are many at once, only this many copies wait.
    for n in 2..202 {
        net.send(publisher, multicast(n, "many", ""));
    }
    assert!(delivered(&net) >= 201 * 2000 - 64 * 1024);
    net.advance(Duration::from_millis(100));
    assert_eq!(delivered(&net), 201 * 2000);
    for &sdk in &subscribers[..2000] {
        let seqs = net.inbox(sdk).into_iter().map(|frame| frame.seq);
        let seqs: Vec<_> = seqs.collect();
        assert!(seqs.is_sorted() && seqs.len() == 201, "in their order");
    }
}
