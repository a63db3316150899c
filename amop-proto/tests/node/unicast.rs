//! Which subscriber gets a unicast: one subscriber, drawn uniformly, on any node.

use std::collections::BTreeMap;

use crate::support::{
    Link, Net, Sdk, from_node, inner, key, node_id, peer_frame, reply, seq, unicast, with_header,
};
use amop_proto::{
    channel::{Frame, FrameType, result_code},
    p2p::{mesh, packet, protocol},
};

const TOPIC: &str = "hello";

/// Critical values of chi-square at p = 0.001, by degrees of freedom.
const CRITICAL: [f64; 5] = [0.0, 10.83, 13.82, 16.27, 18.47];

/// Sends unicasts, lets the subscriber that gets each one answer it, and returns how many each got.
fn draw(
    net: &mut Net,
    publisher: Sdk,
    subscribers: &[Sdk],
    peers: &[Link],
    times: u64,
) -> Vec<u64> {
    let mut hits = vec![0; subscribers.len() + peers.len()];
    for n in 1..=times {
        net.send(publisher, unicast(n, TOPIC, "to one"));
        let mut got = Vec::new();
        for (at, &subscriber) in subscribers.iter().enumerate() {
            for push in net.inbox(subscriber) {
                assert_eq!(push, unicast(n, TOPIC, "to one"));
                got.push(at);
                net.send(subscriber, reply(&push, "got it"));
            }
        }
        for (at, &peer) in peers.iter().enumerate() {
            for message in net.peer_inbox(peer) {
                got.push(subscribers.len() + at);
                let answer = reply(&inner(&message), "got it").to_bytes();
                let answer = peer_frame(-protocol::AMOP, packet::UNICAST, message.seq, answer);
                net.peer_send(peer, answer);
            }
        }
        assert_eq!(got.len(), 1, "unicast {n} was delivered to {got:?}");
        hits[got[0]] += 1;
        let answer = net.only(publisher);
        assert_eq!(answer, reply(&unicast(n, TOPIC, ""), "got it"));
    }
    assert_eq!(net.in_flight(), 0);
    hits
}

fn assert_uniform(hits: &[u64]) {
    let total: u64 = hits.iter().sum();
    let expected = total as f64 / hits.len() as f64;
    let chi_square: f64 = hits
        .iter()
        .map(|&hit| (hit as f64 - expected).powi(2) / expected)
        .sum();
    assert!(
        chi_square < CRITICAL[hits.len() - 1],
        "{hits:?}: {chi_square}"
    );
    // A result that is too even is not random.
    assert!(chi_square > 0.001, "{hits:?}: {chi_square}");
}

#[test]
fn four_subscribers_on_two_nodes_are_equally_likely() {
    for nodes in [[0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]] {
        let mut net = Net::mesh(2);
        let publisher = net.sdk(0);
        let subscribers = nodes.map(|node| net.subscriber(node, &[TOPIC]));
        let hits = draw(&mut net, publisher, &subscribers, &[], 20_000);
        assert_uniform(&hits);
    }
}

#[test]
fn five_subscribers_on_three_nodes_are_equally_likely() {
    let mut net = Net::mesh(3);
    let publisher = net.sdk(1);
    let subscribers = [0, 0, 1, 2, 2].map(|node| net.subscriber(node, &[TOPIC]));
    let hits = draw(&mut net, publisher, &subscribers, &[], 20_000);
    assert_uniform(&hits);
}

#[test]
fn a_fisco_peer_counts_as_one_subscriber() {
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    let subscribers = [0, 1, 1].map(|node| net.subscriber(node, &[TOPIC]));
    let peer = net.fisco_peer(0, 7, TOPIC);
    let hits = draw(&mut net, publisher, &subscribers, &[peer], 20_000);
    assert_uniform(&hits);
}

#[test]
fn a_busy_session_does_not_make_its_neighbour_likelier() {
    // The second subscriber is drawn about a quarter of the time and is not available; the messages
    // that it does not get are distributed evenly among all others.
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    let subscribers = [0, 0, 0, 1].map(|node| net.subscriber(node, &[TOPIC]));
    let busy = subscribers[1];
    net.subscribe(busy, &[TOPIC, "busy"]);
    let others = [subscribers[0], subscribers[2], subscribers[3]];
    let mut hits = [0; 3];
    for n in 1..=20_000 {
        let other = net.sdk(0);
        net.send(other, unicast(n, "busy", ""));
        net.only(busy);
        // The same seq is in use at the busy session, so it cannot accept the message.
        net.send(publisher, unicast(n, TOPIC, ""));
        let got = others.map(|other| net.inbox(other));
        assert_eq!(got.iter().flatten().count(), 1, "{n}");
        let at = got.iter().position(|frames| !frames.is_empty()).unwrap();
        hits[at] += 1;
        net.send(others[at], reply(&got[at][0], ""));
        net.send(busy, reply(&got[at][0], ""));
        net.only(publisher);
        net.only(other);
        net.hang_up(other);
    }
    assert_uniform(&hits);
}

#[test]
fn the_choice_follows_the_number_of_subscribers_as_they_come_and_go() {
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    let local = net.subscriber(0, &[TOPIC]);
    let remote = [1, 1].map(|node| net.subscriber(node, &[TOPIC]));
    let hits = draw(
        &mut net,
        publisher,
        &[local, remote[0], remote[1]],
        &[],
        6000,
    );
    assert_uniform(&hits);
    net.subscribe(remote[0], &["other"]);
    let hits = draw(&mut net, publisher, &[local, remote[1]], &[], 6000);
    assert_uniform(&hits);
    net.hang_up(remote[1]);
    let hits = draw(&mut net, publisher, &[local], &[], 10);
    assert_eq!(hits, [10]);
    net.hang_up(local);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
}

#[test]
fn a_peer_that_claims_no_subscribers_any_more_is_not_drawn() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let peer = net.overlay_peer(0, 5, &[(TOPIC, 3), ("other", 1)]);
    net.announce_change(peer, &[(TOPIC, 0)]);
    net.peer_inbox(peer);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
    net.send(publisher, unicast(2, "other", ""));
    let (header, request) = with_header(&net.peer_only(peer), mesh::packet::UNICAST);
    assert_eq!((header.source, header.target), (key(0), key(5)));
    assert_eq!(request, unicast(2, "other", ""));
}

#[test]
fn a_subscriber_of_the_same_node_is_served_at_once() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let request = Frame {
        result: 77,
        ..unicast(1, TOPIC, "as it is")
    };
    net.send(publisher, request.clone());
    assert_eq!(net.only(subscriber), request);
    net.send(subscriber, reply(&request, "answer"));
    assert_eq!(net.only(publisher), reply(&request, "answer"));
    assert_eq!(net.elapsed().as_nanos(), 0);
}

#[test]
fn a_message_from_another_node_goes_to_sessions_only() {
    // Node 0 has no subscriber, node 2 has one; a message from node 1 to node 0 is not relayed.
    let mut net = Net::new(1);
    let asking = net.raw_peer(0, node_id(1), false);
    let other = net.fisco_peer(0, 2, TOPIC);
    net.peer_inbox(asking);
    net.peer_send(asking, from_node(9, &unicast(1, TOPIC, "relay?")));
    assert!(net.peer_inbox(other).is_empty());
    let answer = net.peer_only(asking);
    assert_eq!(
        (answer.protocol, answer.packet, answer.seq),
        (-protocol::AMOP, packet::UNICAST, 9)
    );
    let mut expected = unicast(1, TOPIC, "relay?");
    (expected.kind, expected.result) = (FrameType::RESPONSE, result_code::NO_SESSION);
    assert_eq!(inner(&answer), expected);
}

#[test]
fn the_publishers_own_session_is_drawn_only_when_there_is_no_other() {
    let mut net = Net::mesh(2);
    let publisher = net.subscriber(0, &[TOPIC]);
    let others = [0, 1].map(|node| net.subscriber(node, &[TOPIC]));
    let hits = draw(&mut net, publisher, &others, &[], 2000);
    assert_uniform(&hits);
    for other in others {
        net.hang_up(other);
    }
    let request = unicast(1, TOPIC, "to myself");
    net.send(publisher, request.clone());
    assert_eq!(net.only(publisher), request);
    net.send(publisher, reply(&request, "from myself"));
    assert_eq!(net.only(publisher), reply(&request, "from myself"));
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn the_publishers_own_session_is_the_last_to_be_tried() {
    let mut net = Net::new(1);
    let publisher = net.subscriber(0, &[TOPIC]);
    let silent = net.subscriber(0, &[TOPIC]);
    let request = unicast(1, TOPIC, "anyone?");
    net.send(publisher, request.clone());
    assert_eq!(net.only(silent), request);
    net.nothing(publisher);
    net.secs(5);
    assert_eq!(net.only(publisher), request);
    net.secs(5);
    assert_eq!(net.only(publisher).result, result_code::NO_SESSION);
    net.nothing(silent);
}

#[test]
fn one_seed_makes_one_sequence_of_choices() {
    let choices = |first_seed: u8| {
        let mut config = crate::support::config(0);
        config.seed[0] = first_seed;
        let mut net = Net::with([config]);
        let publisher = net.sdk(0);
        let subscribers = [0; 4].map(|node| net.subscriber(node, &[TOPIC]));
        let mut choices = Vec::new();
        for n in 0..64 {
            net.send(publisher, unicast(n, TOPIC, ""));
            let at = subscribers
                .iter()
                .position(|&sdk| !net.inbox(sdk).is_empty());
            choices.push(at.unwrap());
        }
        choices
    };
    assert_eq!(choices(1), choices(1));
    assert_ne!(choices(1), choices(2));
}

#[test]
fn counters_tell_the_story() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    net.send(publisher, unicast(1, TOPIC, ""));
    let push = net.only(subscriber);
    net.send(subscriber, reply(&push, ""));
    net.send(publisher, unicast(2, "nobody's", ""));
    net.send(publisher, unicast(3, TOPIC, ""));
    let counters = net.nodes[0].machine.router().counters();
    assert_eq!(
        (counters.unicasts, counters.answered, counters.errors),
        (3, 1, 1)
    );
    assert_eq!(net.in_flight(), 1);
    let router = net.nodes[0].machine.router();
    assert!(router.is_asked(subscriber.id, &seq(3)));
    assert!(!router.is_asked(subscriber.id, &seq(1)));
    let topics: BTreeMap<_, _> = router.local_topics().collect();
    assert_eq!(topics.into_iter().collect::<Vec<_>>(), [(&TOPIC.into(), 1)]);
}
