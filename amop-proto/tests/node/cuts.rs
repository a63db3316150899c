//! Multicasts while links are cut.

use std::time::Duration;

use amop_proto::{
    channel::Frame,
    p2p::{PeerFrame, mesh, mesh::Numbered},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::support::{
    Link, Net, Sdk, config, extension, key, known, multicast, node_id, records, spread, state,
};

const TOPIC: &str = "t";
const RING: usize = 4;

fn ring() -> Net {
    let mut net = Net::new(RING);
    for n in 0..RING {
        net.connect(n, (n + 1) % RING);
    }
    // This avoids a race of two dials.
    net.secs(20);
    net
}

fn publish(net: &mut Net, publisher: Sdk, numbers: std::ops::Range<u64>) {
    for n in numbers {
        net.send(publisher, multicast(n, TOPIC, &n.to_string()));
    }
}

/// Returns the numbers of the multicasts that a subscriber got.
fn got(net: &mut Net, subscriber: Sdk) -> Vec<String> {
    let text = |frame: Frame| {
        let payload = frame.body[1 + TOPIC.len()..].to_vec();
        String::from_utf8(payload).unwrap()
    };
    net.inbox(subscriber).into_iter().map(text).collect()
}

fn all(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|n| n.to_string()).collect()
}

fn is_idle(net: &Net) -> bool {
    net.nodes.iter().all(|node| {
        let router = node.machine.router();
        router.unconfirmed_bytes() == 0
    })
}

#[test]
fn a_cut_at_any_point_costs_no_multicast() {
    for (to, link) in (1..=3).flat_map(|to| (0..RING).map(move |link| (to, link))) {
        let mut at = 0;
        let mut more = true;
        while more {
            let context = format!("to {to}, link {link}, at {at}");
            let mut net = ring();
            let publisher = net.sdk(0);
            let subscriber = net.subscriber(to, &[TOPIC]);
            net.wire_held = true;
            publish(&mut net, publisher, 0..4);
            more = (0..at).all(|_| net.deliver_one());
            net.cut_between(link, (link + 1) % RING);
            publish(&mut net, publisher, 4..6);
            net.wire_held = false;
            net.settle();
            net.secs(1);
            let mut came = got(&mut net, subscriber);
            came.sort();
            assert_eq!(came, all(0..6), "{context}");
            assert!(is_idle(&net), "{context}");
            at += 1;
        }
        assert!(at > 4);
    }
}

/// The only link is cut and restored after some time. The multicasts that were in transit, and
/// those sent meanwhile, arrive in order.
#[test]
fn what_was_on_the_only_link_is_sent_again_when_it_is_back() {
    for (gap, young) in [
        (0, false),
        (5, false),
        (4000, false),
        (5, true),
        (1500, true),
    ] {
        let mut net = Net::new(2);
        net.connect(0, 1);
        if !young {
            net.secs(20);
        }
        let publisher = net.sdk(0);
        let subscriber = net.subscriber(1, &[TOPIC]);
        net.wire_held = true;
        publish(&mut net, publisher, 0..1000);
        net.lose_wire();
        net.cut_between(0, 1);
        publish(&mut net, publisher, 1000..1500);
        net.wire_held = false;
        net.advance(Duration::from_millis(gap));
        net.connect(1, 0);
        net.secs(1);
        let came = got(&mut net, subscriber);
        let wrong = (0..1500).find(|&n| came.get(n) != Some(&n.to_string()));
        assert_eq!((wrong, came.len()), (None, 1500), "{gap} {young}");
        assert!(is_idle(&net));
        assert_eq!(net.nodes[0].machine.router().counters().multicasts_lost, 0);
    }
}

/// The same whichever end notices the cut, and however late the other end does.
#[test]
fn a_cut_that_one_end_sees_costs_no_multicast() {
    for ends in 0..2 {
        let mut net = Net::new(2);
        let (a, b) = net.connect(0, 1);
        net.secs(20);
        let publishers = [net.sdk(0), net.sdk(1)];
        let subscribers = [net.subscriber(0, &[TOPIC]), net.subscriber(1, &[TOPIC])];
        net.cut_end([a, b][ends]);
        for (n, publisher) in publishers.into_iter().enumerate() {
            let first = 100 * n as u64;
            publish(&mut net, publisher, first..first + 100);
        }
        net.cut_end([b, a][ends]);
        net.connect(1, 0);
        net.secs(1);
        for subscriber in subscribers {
            let mut came = got(&mut net, subscriber);
            came.sort_by_key(|number| number.parse::<u64>().unwrap());
            assert_eq!(came, all(0..200), "{ends}");
        }
    }
}

/// Both nodes have dialled, and one of the two connections is closed while it carries multicasts in
/// both directions.
#[test]
fn two_connections_between_two_nodes_cost_no_multicast() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut net = Net::new(2);
        let publishers = [net.sdk(0), net.sdk(1)];
        let subscribers = [net.subscriber(0, &[TOPIC]), net.subscriber(1, &[TOPIC])];
        net.connect(0, 1);
        let (b_at_1, b_at_0) = net.dial(1, 0);
        net.wire_held = true;
        let mut ends = vec![b_at_1, b_at_0];
        if rng.random() {
            ends.reverse();
        }
        let mut published = [0, 0];
        for _ in 0..400 {
            match rng.random_range(0..100) {
                0..10 => {
                    if let Some(end) = ends.pop() {
                        net.open(end);
                    }
                }
                10..60 => {
                    let n = rng.random_range(0..2);
                    let number = 10_000 * n as u64 + published[n];
                    published[n] += 1;
                    publish(&mut net, publishers[n], number..number + 1);
                }
                _ => net.deliver_one_of(rng.random_range(0..8)),
            }
        }
        net.wire_held = false;
        net.settle();
        net.secs(3);
        let mut sent: Vec<String> = all(0..published[0]);
        sent.extend(all(10_000..10_000 + published[1]));
        sent.sort();
        for subscriber in subscribers {
            let mut came = got(&mut net, subscriber);
            came.sort();
            assert_eq!(came.len(), sent.len(), "{seed}");
            assert!(came == sent, "{seed}");
        }
        assert!(is_idle(&net));
    }
}

/// As long as the ring is never cut in two, every subscriber gets every multicast once.
#[test]
fn links_that_come_and_go_cost_no_multicast() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut net = ring();
        let subscribers: Vec<Sdk> = (0..RING).map(|n| net.subscriber(n, &[TOPIC])).collect();
        let publishers: Vec<Sdk> = (0..RING).map(|n| net.sdk(n)).collect();
        net.wire_held = true;
        let mut down = None;
        let mut published = 0;
        for _ in 0..500 {
            match rng.random_range(0..100) {
                0..4 => match down.take() {
                    Some(link) => {
                        net.connect(link, (link + 1) % RING);
                    }
                    None => {
                        let link = rng.random_range(0..RING);
                        net.cut_between(link, (link + 1) % RING);
                        down = Some(link);
                        // All nodes know of the cut before the next one.
                        net.wire_held = false;
                        net.settle();
                        net.wire_held = true;
                    }
                },
                4..40 => {
                    let publisher = publishers[rng.random_range(0..RING)];
                    publish(&mut net, publisher, published..published + 1);
                    published += 1;
                }
                40..45 => net.advance(Duration::from_millis(rng.random_range(0..30))),
                _ => net.deliver_one_of(rng.random_range(0..16)),
            }
        }
        net.wire_held = false;
        net.settle();
        // A link that is lost too often does not count for some seconds.
        net.secs(11);
        let mut sent = all(0..published);
        sent.sort();
        for (n, &subscriber) in subscribers.iter().enumerate() {
            let mut came = got(&mut net, subscriber);
            came.sort();
            let lost: Vec<_> = sent.iter().filter(|n| !came.contains(n)).collect();
            assert!(lost.is_empty(), "seed {seed}, node {n}: {lost:?}");
            assert_eq!(came.len(), sent.len(), "seed {seed}, node {n}");
        }
        assert!(is_idle(&net), "{seed}");
    }
}

#[test]
fn what_finds_no_way_for_10_s_is_given_up_and_counted() {
    let mut net = Net::new(2);
    net.connect(0, 1);
    net.secs(20);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(1, &[TOPIC]);
    net.wire_held = true;
    publish(&mut net, publisher, 0..3);
    net.lose_wire();
    net.wire_held = false;
    net.cut_between(0, 1);
    net.advance(Duration::from_millis(4900));
    publish(&mut net, publisher, 3..5);
    net.advance(Duration::from_millis(200));
    // New multicasts do not wait for it any more.
    publish(&mut net, publisher, 5..6);
    net.secs(20);
    let router = net.nodes[0].machine.router();
    let counters = router.counters();
    assert_eq!(
        (counters.multicasts_again, counters.multicasts_lost),
        (3, 5)
    );
    net.connect(0, 1);
    net.secs(1);
    net.nothing(subscriber);
}

fn numbered(frame: &PeerFrame) -> Numbered {
    assert_eq!(frame.packet, mesh::packet::MULTICAST);
    Numbered::of(frame.seq)
}

fn confirmed(net: &mut Net, peer: Link) -> Vec<(u32, u32)> {
    let frames = net.peer_inbox(peer).into_iter();
    let bodies = frames.filter(|frame| frame.packet == mesh::packet::CONFIRMED);
    let runs = bodies.flat_map(|frame| mesh::decode_confirmed(frame.body, 1 << 20).unwrap());
    runs.collect()
}

#[test]
fn multicasts_are_numbered_and_kept_until_they_are_confirmed() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let peer = net.overlay_peer(0, 5, &[(TOPIC, 1)]);
    net.peer_inbox(peer);
    publish(&mut net, publisher, 0..3);
    let frames = net.peer_inbox(peer);
    let numbers: Vec<u32> = frames.iter().map(|frame| numbered(frame).number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(frames.iter().all(|frame| numbered(frame).hops_left == 32));
    assert!(!is_idle(&net));
    let confirm = |runs: &[(u32, u32)]| {
        let body = mesh::encode_confirmed(runs);
        extension(mesh::packet::CONFIRMED, 0, body)
    };
    net.peer_send(peer, confirm(&[(1, 1), (3, 1)]));
    assert!(!is_idle(&net));
    net.peer_send(peer, confirm(&[(2, 1)]));
    assert!(is_idle(&net));
    // Invalid confirmations are ignored and reported.
    let before = net.nodes[0].machine.router().counters();
    net.peer_send(peer, confirm(&[(0, 1)]));
    net.peer_send(peer, confirm(&[(1, 5000)]));
    net.peer_send(peer, extension(mesh::packet::CONFIRMED, 0, vec![1; 7]));
    net.peer_send(peer, confirm(&[(1, 3), (77, 9)]));
    let after = net.nodes[0].machine.router().counters();
    assert_eq!(
        after.peer_messages_ignored - before.peer_messages_ignored,
        3
    );
}

#[test]
fn what_comes_is_confirmed_after_20_ms_or_when_it_is_much() {
    let mut net = Net::new(1);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let peer = net.overlay_peer(0, 5, &[]);
    net.peer_inbox(peer);
    let send = |net: &mut Net, n: u32| {
        let spread = mesh::MulticastHeader {
            source: key(5),
            id: u64::from(n),
            targets: vec![],
        };
        let body = spread.encode(&multicast(u64::from(n), TOPIC, "x"));
        let seq = Numbered {
            number: n,
            hops_left: 32,
        };
        net.peer_send(peer, extension(mesh::packet::MULTICAST, seq.seq(), body));
    };
    for n in [1, 2, 5] {
        send(&mut net, n);
    }
    net.advance(Duration::from_millis(19));
    assert_eq!(confirmed(&mut net, peer), []);
    net.advance(Duration::from_millis(1));
    assert_eq!(confirmed(&mut net, peer), [(1, 2), (5, 1)]);
    for n in 6..6 + 128 {
        send(&mut net, n);
    }
    assert_eq!(confirmed(&mut net, peer), [(6, 128)]);
    assert_eq!(net.inbox(subscriber).len(), 3 + 128);
    // A multicast without a number is not confirmed.
    send(&mut net, 0);
    net.secs(1);
    assert_eq!(confirmed(&mut net, peer), []);
    assert_eq!(net.inbox(subscriber).len(), 1);
}

/// It uses the whole seq for the number of links that may still be crossed.
#[test]
fn a_neighbour_of_version_2_gets_no_numbers() {
    let mut net = Net::with([config(0)]);
    let publisher = net.sdk(0);
    let peer = net.raw_peer(0, node_id(5), false);
    net.peer_send(peer, extension(mesh::packet::HELLO, 0, vec![2, 2]));
    net.peer_send(peer, known(&[]));
    net.announce(peer, &[(TOPIC, 1)]);
    net.peer_inbox(peer);
    publish(&mut net, publisher, 0..2);
    let frames = net.peer_inbox(peer);
    let seqs: Vec<u32> = frames.iter().map(|frame| frame.seq).collect();
    assert_eq!(seqs, [32, 32]);
    assert!(frames.iter().all(|frame| spread(frame).0.source == key(0)));
    assert!(is_idle(&net));
}

/// It has no path except back, so it waits; messages of the node's own sessions do not wait for it.
#[test]
fn what_a_neighbour_sends_back_holds_up_nobody() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let peer = net.overlay_peer(0, 5, &[]);
    let far = [
        state(5, 1 << 40, &[0, 6], &[]),
        state(6, 1, &[5], &[(TOPIC, 1)]),
    ];
    net.peer_send(peer, records(1, &far));
    net.peer_inbox(peer);
    let is_multicast = |frame: &PeerFrame| frame.packet == mesh::packet::RELAYED_MULTICAST;
    for n in 0..5 {
        publish(&mut net, publisher, n..n + 1);
        let mut frames = net.peer_inbox(peer);
        frames.retain(is_multicast);
        assert_eq!(frames.len(), 1, "{n}");
        let hops_left = 32;
        let seq = Numbered {
            number: n as u32 + 1,
            hops_left,
        };
        let back = PeerFrame {
            seq: seq.seq(),
            ..frames.remove(0)
        };
        net.peer_send(peer, back);
        net.advance(Duration::from_millis(20));
        net.peer_inbox(peer);
    }
    // It is not kept for ever.
    for _ in 0..15 {
        net.secs(1);
        net.peer_send(peer, crate::support::hello());
    }
    assert!(net.is_up(peer));
    let counters = net.nodes[0].machine.router().counters();
    assert_eq!((counters.multicasts_lost, counters.undeliverable), (5, 0));
}

/// However much waits for a lost neighbour that confirmed nothing, others are not held up.
#[test]
fn what_is_to_be_sent_again_holds_up_nobody_else() {
    const OTHER: &str = "other";
    let mut net = Net::new(1);
    let (one, other) = (net.sdk(0), net.sdk(0));
    let gone = net.overlay_peer(0, 5, &[(TOPIC, 1)]);
    let stays = net.overlay_peer(0, 6, &[(OTHER, 1)]);
    publish(&mut net, one, 0..5000);
    net.peer_inbox(stays);
    net.cut(gone);
    net.send(other, multicast(1, OTHER, "at once"));
    let frames = net.peer_inbox(stays);
    let multicasts = frames
        .iter()
        .filter(|frame| frame.packet == mesh::packet::MULTICAST);
    assert_eq!(multicasts.count(), 1);
    assert_eq!(net.elapsed(), Duration::ZERO);
}
