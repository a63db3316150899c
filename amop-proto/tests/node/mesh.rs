//! The network of overlay nodes: every connected node is reachable, and no message is delivered
//! twice.

use std::{collections::BTreeSet, time::Duration};

use crate::support::{
    EPOCH, Net, config, error, extension, key, multicast, node_id, read_records, records,
    relayed_envelope, reply, state, taken, unicast, with_header,
};
use amop_proto::{
    channel::{FrameType, result_code},
    node::NodeMachine,
    p2p::mesh,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const TOPIC: &str = "hello";

/// Returns nodes in a row, or in a ring.
fn row(count: usize) -> Net {
    let mut net = Net::new(count);
    for node in 1..count {
        net.connect(node - 1, node);
    }
    net
}

fn ring(count: usize) -> Net {
    let mut net = row(count);
    net.connect(0, count - 1);
    net
}

fn distance(net: &Net, from: usize, to: usize) -> Option<u32> {
    net.nodes[from].machine.router().distance(&node_id(to))
}

#[test]
fn a_message_crosses_a_row_of_nodes_and_its_answer_comes_back() {
    let mut net = row(6);
    let subscriber = net.subscriber(5, &[TOPIC]);
    let publisher = net.sdk(0);
    assert_eq!(distance(&net, 0, 5), Some(5));
    assert_eq!(net.nodes[0].machine.router().reachable(), 5);
    net.send(publisher, unicast(1, TOPIC, "far"));
    assert_eq!(net.only(subscriber), unicast(1, TOPIC, "far"));
    let answer = reply(&unicast(1, TOPIC, ""), "and back");
    net.send(subscriber, answer.clone());
    assert_eq!(net.only(publisher), answer);
    net.send(publisher, multicast(2, TOPIC, "to all"));
    assert_eq!(net.only(subscriber), multicast(2, TOPIC, "to all"));
    for relay in 1..5 {
        let counters = net.nodes[relay].machine.router().counters();
        assert_eq!((counters.relayed, counters.unicasts), (3, 0), "{relay}");
    }
}

#[test]
fn a_subscriber_that_comes_or_goes_is_known_everywhere_at_once() {
    let mut net = row(5);
    let publisher = net.sdk(0);
    for n in 0..3 {
        let subscriber = net.subscriber(4, &[TOPIC]);
        net.send(publisher, unicast(n, TOPIC, ""));
        net.only(subscriber);
        net.send(subscriber, reply(&unicast(n, TOPIC, ""), ""));
        net.only(publisher);
        net.hang_up(subscriber);
        net.send(publisher, unicast(9, TOPIC, ""));
        assert_eq!(
            net.only(publisher),
            error(9, result_code::NO_SUBSCRIBER, "")
        );
    }
    assert_eq!(net.elapsed(), Duration::ZERO);
}

#[test]
fn a_cut_on_the_way_is_gone_round_and_the_message_is_taken_once() {
    // The paths are 0 - 1 - 2 and 0 - 4 - 3 - 2.
    let mut net = ring(5);
    let subscriber = net.subscriber(2, &[TOPIC]);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    net.only(subscriber);
    // The answer cannot return by the path of the message.
    net.cut_between(0, 1);
    let answer = reply(&unicast(1, TOPIC, ""), "");
    net.send(subscriber, answer.clone());
    assert_eq!(net.only(publisher), answer);
    net.nothing(subscriber);
    // If there is no path left, the publisher is told at once.
    net.cut_between(4, 3);
    net.send(publisher, unicast(2, TOPIC, ""));
    assert_eq!(
        net.only(publisher),
        error(2, result_code::NO_SUBSCRIBER, "")
    );
    assert_eq!(net.elapsed(), Duration::ZERO);
}

#[test]
fn an_answer_lost_on_the_way_is_asked_for_again() {
    let mut net = ring(3);
    let subscriber = net.subscriber(2, &[TOPIC]);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    net.only(subscriber);
    // The answer is in transit when the connection breaks.
    net.wire_held = true;
    let answer = reply(&unicast(1, TOPIC, ""), "");
    net.send(subscriber, answer.clone());
    net.lose_wire();
    // Both ends notice it before anything else arrives; otherwise only the repetition after 1 s
    // would help.
    net.cut_between(0, 2);
    net.wire_held = false;
    net.settle();
    assert_eq!(net.only(publisher), answer);
    net.nothing(subscriber);
    assert_eq!(net.elapsed(), Duration::ZERO);
}

#[test]
fn a_message_lost_without_a_trace_is_sent_again_after_1_s_2_s_and_4_s() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let peer = net.overlay_peer(0, 5, &[(TOPIC, 1)]);
    net.send(publisher, unicast(1, TOPIC, ""));
    let mut sent = Vec::new();
    for _ in 0..80 {
        for frame in net.peer_inbox(peer) {
            if frame.packet == mesh::packet::UNICAST {
                sent.push((net.elapsed().as_millis(), frame.body));
            }
        }
        net.peer_send(peer, crate::support::hello());
        net.advance(Duration::from_millis(100));
    }
    let times: Vec<_> = sent.iter().map(|&(at, _)| at).collect();
    assert_eq!(times, [0, 1000, 3000, 7000]);
    assert!(sent.iter().all(|(_, body)| *body == sent[0].1));
    net.nothing(publisher);
}

#[test]
fn a_repeated_message_is_delivered_once_and_its_answer_repeated() {
    let mut net = Net::new(1);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let peer = net.overlay_peer(0, 5, &[]);
    net.peer_inbox(peer);
    let header = mesh::UnicastHeader {
        source: key(5),
        target: key(0),
        id: 77,
    };
    let request = unicast(1, TOPIC, "");
    let message = extension(mesh::packet::UNICAST, 32, header.encode(&request));
    for _ in 0..3 {
        net.peer_send(peer, message.clone());
    }
    assert_eq!(net.only(subscriber), request);
    assert!(net.peer_inbox(peer).is_empty());
    net.send(subscriber, reply(&request, "once"));
    let answer = net.peer_only(peer);
    let (address, inner) = with_header(&answer, mesh::packet::ANSWER);
    assert_eq!(
        (address.source, address.target, address.id),
        (key(0), key(5), 77)
    );
    assert_eq!(inner, reply(&request, "once"));
    net.peer_send(peer, message);
    assert_eq!(net.peer_only(peer), answer);
    net.nothing(subscriber);
}

#[test]
fn messages_of_a_node_that_started_again_are_new_ones() {
    // Its clock may stand still, and its seed may be the same.
    for (epoch, seed) in [(EPOCH + 9, 0), (EPOCH, 7)] {
        let mut net = row(2);
        let subscriber = net.subscriber(1, &[TOPIC]);
        for n in 0..2 {
            let publisher = net.sdk(0);
            for at in 0..3 {
                let request = unicast(10 * n + at, TOPIC, "");
                net.send(publisher, request.clone());
                assert_eq!(net.only(subscriber), request);
                net.send(subscriber, reply(&request, "here"));
                assert_eq!(net.only(publisher), reply(&request, "here"));
                net.send(publisher, multicast(10 * n + at, TOPIC, ""));
                net.only(publisher);
                assert_eq!(net.only(subscriber), multicast(10 * n + at, TOPIC, ""));
            }
            let mut again = config(0);
            (again.epoch, again.seed[0]) = (epoch, seed);
            net.restart(0, again);
            net.connect(0, 1);
        }
    }
}

#[test]
fn hops_are_counted_and_what_has_no_way_ends() {
    let mut net = Net::new(1);
    let from = net.overlay_peer(0, 5, &[]);
    let to = net.overlay_peer(0, 6, &[]);
    for peer in [from, to] {
        net.peer_inbox(peer);
    }
    let message = |target, hops| {
        let header = mesh::UnicastHeader {
            source: key(5),
            target: key(target),
            id: 1,
        };
        // A relay does not check the seal.
        let seal = mesh::Seal {
            counter: 1,
            mac: [0; 16],
        };
        let relayed = mesh::RelayedUnicastHeader { header, seal };
        let body = relayed.encode(&unicast(1, TOPIC, ""));
        extension(mesh::packet::RELAYED_UNICAST, hops, body)
    };
    net.peer_send(from, message(6, 2));
    assert_eq!(net.peer_only(to), message(6, 1));
    for lost in [message(6, 1), message(6, 0), message(9, 9)] {
        net.peer_send(from, lost);
    }
    let counters = net.nodes[0].machine.router().counters();
    assert_eq!((counters.relayed, counters.undeliverable), (1, 3));
    assert!(net.peer_inbox(from).is_empty() && net.peer_inbox(to).is_empty());
    // The node limits the number of links that it may still cross, and never sends it back.
    net.peer_send(from, message(6, u32::MAX));
    assert_eq!(net.peer_only(to), message(6, 31));
    net.peer_send(from, message(5, 9));
    assert!(net.peer_inbox(from).is_empty() && net.peer_inbox(to).is_empty());
}

#[test]
fn a_link_counts_when_both_ends_report_it() {
    let mut net = Net::new(1);
    let peer = net.overlay_peer(0, 5, &[]);
    // Node 6 states a link to node 5, but node 5 does not state it.
    net.peer_send(peer, records(1, &[state(6, 1, &[5], &[(TOPIC, 1)])]));
    assert_eq!(distance(&net, 0, 6), None);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(
        net.only(publisher),
        error(1, result_code::NO_SUBSCRIBER, "")
    );
    net.peer_send(peer, records(2, &[state(5, 1 << 40, &[0, 6], &[])]));
    assert_eq!(distance(&net, 0, 6), Some(2));
    net.peer_inbox(peer);
    net.send(publisher, unicast(2, TOPIC, ""));
    let packet = mesh::packet::RELAYED_UNICAST;
    let (header, _) = relayed_envelope(&net.peer_only(peer), packet);
    assert_eq!(header.target, key(6));
}

#[test]
fn a_node_that_was_known_by_later_versions_outbids_them() {
    let mut net = Net::new(1);
    net.subscriber(0, &[TOPIC]);
    let peer = net.overlay_peer(0, 5, &[]);
    net.peer_inbox(peer);
    // Its clock was ahead before it restarted.
    let before = state(0, EPOCH + 1_000_000, &[], &[("old", 3)]);
    net.peer_send(peer, records(1, &[before]));
    let now = state(0, EPOCH + 1_000_001, &[5], &[(TOPIC, 1)]);
    let told = net.peer_inbox(peer);
    assert_eq!(told[0], taken(1));
    assert_eq!(read_records(&told[1]), [now]);
}

#[test]
fn a_silent_link_between_overlay_nodes_ends_after_3_s() {
    let mut net = ring(4);
    net.secs(60);
    let (publisher, subscriber) = (net.sdk(0), net.subscriber(1, &[TOPIC]));
    assert_eq!(net.links(0).len(), 2, "signs of life are delivered");
    // The link between 0 and 1 accepts everything and delivers nothing.
    net.swallow_between(0, 1);
    net.secs(4);
    assert_eq!(distance(&net, 0, 1), Some(3));
    net.send(publisher, unicast(1, TOPIC, ""));
    net.only(subscriber);
}

#[test]
fn any_publisher_reaches_any_subscriber_exactly_while_the_graph_connects_them() {
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = 16;
        let mut net = Net::new(count);
        let mut links = BTreeSet::new();
        // A random tree with some additional links.
        for node in 1..count {
            links.insert((rng.random_range(0..node), node));
        }
        for _ in 0..12 {
            let (a, b) = (rng.random_range(0..count), rng.random_range(0..count));
            if a != b {
                links.insert((a.min(b), a.max(b)));
            }
        }
        for &(a, b) in &links {
            net.connect(a, b);
        }
        let own = |node: usize| format!("of{node}");
        let subscribers: Vec<_> = (0..count)
            .map(|node| net.subscriber(node, &[&own(node), "all"]))
            .collect();
        let publishers: Vec<_> = (0..count).map(|node| net.sdk(node)).collect();
        let mut n = 0;
        while let Some(&cut) = links.iter().nth(rng.random_range(0..links.len().max(1))) {
            links.remove(&cut);
            net.cut_between(cut.0, cut.1);
            let from = rng.random_range(0..count);
            let publisher = publishers[from];
            let connected = component(&links, from);
            for (to, &subscriber) in subscribers.iter().enumerate() {
                n += 1;
                let request = unicast(n, &own(to), "");
                net.send(publisher, request.clone());
                let expected = if connected.contains(&to) {
                    assert_eq!(net.only(subscriber), request, "seed {seed}");
                    net.send(subscriber, reply(&request, "here"));
                    reply(&request, "here")
                } else {
                    error(n, result_code::NO_SUBSCRIBER, "")
                };
                assert_eq!(net.only(publisher), expected, "seed {seed}");
            }
            n += 1;
            net.send(publisher, multicast(n, "all", ""));
            assert_eq!(net.only(publisher).kind, FrameType::RESPONSE);
            for (to, &subscriber) in subscribers.iter().enumerate() {
                let arrived = net.inbox(subscriber);
                let expected = usize::from(connected.contains(&to));
                assert_eq!(arrived.len(), expected, "seed {seed}");
            }
        }
        assert_eq!(net.in_flight(), 0);
    }
}

fn component(links: &BTreeSet<(usize, usize)>, from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([from]);
    loop {
        let before = found.len();
        for &(a, b) in links {
            if found.contains(&a) || found.contains(&b) {
                found.extend([a, b]);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

#[test]
fn a_node_that_starts_again_is_not_taken_for_one_that_repeats_itself() {
    let mut net = Net::new(2);
    let (link, _) = net.connect(0, 1);
    let subscriber = net.subscriber(1, &[TOPIC]);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, "before"));
    assert_eq!(net.only(subscriber), unicast(1, TOPIC, "before"));
    net.send(subscriber, reply(&unicast(1, TOPIC, ""), ""));
    net.send(publisher, multicast(2, TOPIC, "before"));
    assert_eq!(net.only(subscriber), multicast(2, TOPIC, "before"));
    net.cut(link);
    let mut config = config(0);
    config.epoch += 1_000_000;
    net.nodes[0].machine = NodeMachine::new(config);
    net.connect(0, 1);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(3, TOPIC, "after"));
    assert_eq!(net.only(subscriber), unicast(3, TOPIC, "after"));
    net.send(publisher, multicast(4, TOPIC, "after"));
    assert_eq!(net.only(subscriber), multicast(4, TOPIC, "after"));
}

#[test]
fn links_of_nodes_that_were_forgotten_are_forgotten_too() {
    let mut net = Net::new(4);
    net.connect(0, 1);
    let (near, _) = net.connect(1, 2);
    let (far, _) = net.connect(2, 3);
    net.cut(near);
    // Nodes 0 and 1 are not told, and forget both ends after some time.
    net.cut(far);
    net.secs(70);
    net.connect(1, 2);
    assert_eq!(distance(&net, 0, 2), Some(2));
    assert_eq!(distance(&net, 0, 3), None);
    net.connect(2, 3);
    assert_eq!(distance(&net, 0, 3), Some(3));
}
