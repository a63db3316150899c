//! Packets of peers that are too long, malformed or unknown.

use crate::support::{
    Net, bad_messages, config, extension, node_id, peer_frame, records, reply, silent, state,
    topic_list, topic_seq, topics_of, unicast,
};
use amop_proto::{
    node::{NodeNotice, PeerCloseReason},
    p2p::{mesh, packet, protocol},
};
use bytes::Bytes;

const TOPIC: &str = "hello";

#[test]
fn a_peer_with_too_many_topics_is_closed() {
    let limited = || {
        let mut config = config(0);
        config.limits.peer_topics = 3;
        Net::with([config])
    };
    let mut net = limited();
    let real = net.fisco_peer(0, 5, "a\tb\tc");
    net.peer_send(real, topic_seq("2"));
    let asked = net.peer_only(real);
    net.peer_send(real, topic_list(asked.seq, "2\ta\tb\tc\td"));
    let reason = Some(PeerCloseReason::TooManyTopics { max: 3 });
    assert_eq!(net.link(real).closed, reason);
    assert!(topics_of(&net, real).is_empty());

    // Changes arrive one by one; the number of topics held at a time is what counts.
    let mut net = limited();
    let ours = net.overlay_peer(0, 5, &[("a", 1), ("b", 1), ("c", 1)]);
    net.announce_change(ours, &[("a", 0), ("b", 7), ("d", 1)]);
    assert_eq!(net.link(ours).closed, None);
    assert_eq!(topics_of(&net, ours), ["b", "c", "d"]);
    net.announce_change(ours, &[("e", 1), ("f", 1), ("b", 0)]);
    assert_eq!(net.link(ours).closed, reason);
    assert!(topics_of(&net, ours).is_empty());

    // One packet with endless changes is refused, too.
    let mut net = limited();
    let ours = net.overlay_peer(0, 5, &[]);
    let topics = ["a", "b", "c", "d", "e", "f", "g"].map(|topic| (topic, 1));
    net.announce_change(ours, &topics);
    let reason = net.link(ours).closed.clone().unwrap();
    assert!(matches!(reason, PeerCloseReason::TooManyTopics { .. }));
}

#[test]
fn a_far_node_with_too_many_topics_costs_the_neighbour_that_tells_of_it_nothing() {
    let mut config = config(0);
    config.limits.peer_topics = 3;
    let mut net = Net::with([config]);
    let ours = net.overlay_peer(0, 5, &[("a", 1)]);
    for (refused, count) in [(1, 4), (2, 7)] {
        let topics = &[
            ("a", 1),
            ("b", 1),
            ("c", 1),
            ("d", 1),
            ("e", 1),
            ("f", 1),
            ("g", 1),
        ];
        let far = state(6, 1, &[5], &topics[..count]);
        net.notices(0);
        net.peer_send(ours, records(9, &[far]));
        let counters = net.nodes[0].machine.router().counters();
        assert_eq!(counters.records_refused, refused);
        let told = net.notices(0).into_iter().any(|notice| {
            matches!(notice, NodeNotice::PeerMisbehaves { node, count, .. }
                if node == node_id(5) && count == refused)
        });
        assert!(told, "the neighbour is named");
    }
    assert_eq!(net.link(ours).closed, None);
    assert_eq!(topics_of(&net, ours), ["a"]);
    assert_eq!(net.nodes[0].machine.router().reachable(), 1);
}

#[test]
fn malformed_packets_are_ignored_with_a_notice() {
    let mut net = Net::new(1);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let ours = net.overlay_peer(0, 5, &[("a", 1)]);
    let whole = unicast(1, TOPIC, "payload").to_bytes();
    let odd_kind = reply(&unicast(1, TOPIC, ""), "").to_bytes();
    let bad = [
        topic_seq("x"),
        topic_seq(""),
        topic_seq("-1"),
        topic_seq("4294967296"),
        topic_list(3, "1\tuninvited"),
        extension(mesh::packet::KNOWN, 0, vec![1; 15]),
        extension(mesh::packet::ASK, 0, vec![1; 9]),
        extension(mesh::packet::UNICAST, 9, vec![1; 23]),
        extension(mesh::packet::ANSWER, 9, vec![1; 23]),
        extension(mesh::packet::MULTICAST, 9, vec![1; 17]),
        extension(mesh::packet::RELAYED_MULTICAST, 9, vec![1; 25]),
        peer_frame(protocol::AMOP, packet::UNICAST, 1, ""),
        peer_frame(protocol::AMOP, packet::UNICAST, 2, whole.slice(..41)),
        peer_frame(
            protocol::AMOP,
            packet::UNICAST,
            3,
            whole.slice(..whole.len() - 1),
        ),
        peer_frame(protocol::AMOP, packet::UNICAST, 4, vec![0xff; 60]),
        peer_frame(protocol::AMOP, packet::UNICAST, 5, odd_kind),
        peer_frame(-protocol::AMOP, packet::UNICAST, 6, whole),
    ];
    for frame in bad {
        net.peer_send(ours, frame.clone());
        assert_eq!(bad_messages(&mut net), 1, "{frame:?}");
        assert!(net.peer_inbox(ours).is_empty(), "{frame:?}");
    }
    net.nothing(subscriber);
    assert_eq!(topics_of(&net, ours), ["a"]);
    // Bytes after the inner frame are ignored.
    let mut trailing = unicast(1, TOPIC, "payload").to_bytes().to_vec();
    trailing.extend_from_slice(b"more");
    net.peer_send(ours, peer_frame(protocol::AMOP, 0, 7, trailing));
    assert_eq!(net.only(subscriber), unicast(1, TOPIC, "payload"));
}

#[test]
fn unknown_protocols_are_ignored_without_a_word() {
    let mut net = Net::new(1);
    let peer = net.fisco_peer(0, 5, TOPIC);
    net.notices(0);
    let unknown = [
        (0, 0),
        (3, 1),
        (1 << 16 | 8, 0),
        (-(1 << 16 | 8), 0),
        (i32::MIN, 0),
        (i32::MAX, 9),
        (protocol::TOPIC, 77),
        (-protocol::TOPIC, packet::TOPIC_SEQ),
        (protocol::EXTENSION, mesh::packet::HELLO),
        (protocol::EXTENSION, mesh::packet::KNOWN),
        (protocol::EXTENSION, mesh::packet::UNICAST),
        (protocol::EXTENSION, 77),
        (-protocol::EXTENSION, mesh::packet::HELLO),
    ];
    for (protocol, packet) in unknown {
        net.peer_send(peer, peer_frame(protocol, packet, 1, "whatever"));
    }
    assert_eq!(net.notices(0), []);
    assert!(net.peer_inbox(peer).is_empty());
    assert_eq!(topics_of(&net, peer), [TOPIC]);
}

#[test]
fn what_is_remembered_of_a_packet_does_not_keep_the_packet() {
    // A topic of a few bytes must not keep the megabytes that it arrived with.
    let mut net = Net::new(1);
    let real = silent(&mut net, 5);
    net.peer_send(real, topic_seq("1"));
    let asked = net.peer_only(real);
    let list = topic_list(asked.seq, "1\tshort").body;
    let ours = net.overlay_peer(0, 6, &[]);
    let record = records(0, &[state(6, 1 << 40, &[0], &[("small", 1)])]).body;
    let cases = [
        (real, -protocol::TOPIC, packet::TOPICS, asked.seq, list),
        (ours, protocol::EXTENSION, mesh::packet::RECORDS, 0, record),
    ];
    for (peer, protocol, packet, seq, body) in cases {
        let frame = peer_frame(protocol, packet, seq, Bytes::from(body.to_vec()));
        let body = frame.body.clone();
        // This bypasses the harness, whose codec makes copies.
        let event = net.nodes[0].checker.event(peer.id, frame);
        net.event(0, event);
        assert_eq!(topics_of(&net, peer).len(), 1);
        assert!(body.is_unique());
    }
}
