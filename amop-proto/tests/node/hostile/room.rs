//! The memory that neighbours can make a node use.

use std::time::Duration;

use amop_proto::{
    channel::result_code,
    node::NodeEvent,
    p2p::{PeerFrame, mesh::packet},
};

use super::{LIAR, TOPIC, counters, distance, once, topics_at, topics_of_bytes, with_limits};
use crate::support::{
    Link, Net, change, error, hello, records, reply, state, stub, taken, unicast,
};

#[test]
fn what_a_neighbour_makes_a_node_hold_is_bounded_and_others_get_their_share() {
    const MAX: usize = 400_000;
    let mut net = with_limits(|config| config.limits.records_bytes = MAX);
    let flood = net.overlay_peer(0, LIAR, &[]);
    let topics: Vec<String> = (0..20)
        .map(|n| format!("a topic of the flood {n}"))
        .collect();
    let topics: Vec<(&str, u32)> = topics.iter().map(|topic| (&topic[..], 1)).collect();
    for n in 20..250 {
        net.peer_send(flood, records(n as u32, &[state(n, 1, &[], &topics)]));
        let held = net.nodes[0].machine.router().records_bytes();
        assert!(held <= MAX, "{held}");
    }
    assert!(counters(&net).over_budget > 0);
    let honest = net.overlay_peer(0, 7, &[(TOPIC, 1)]);
    net.peer_send(honest, records(9, &[state(8, 1, &[7], &[("far", 1)])]));
    net.peer_send(
        honest,
        records(10, &[state(7, 1 << 40, &[0, 8], &[(TOPIC, 1)])]),
    );
    assert_eq!(distance(&net, 8), Some(2));
    assert!(net.nodes[0].machine.router().records_bytes() <= MAX);
    assert!(net.is_up(flood) && net.is_up(honest));
}

#[test]
fn a_long_record_is_worked_on_bit_by_bit() {
    let mut net = Net::new(1);
    let peer = net.overlay_peer(0, LIAR, &[]);
    let publisher = net.sdk(0);
    let topics: Vec<String> = (0..50_000).map(|n| format!("topic {n}")).collect();
    let many: Vec<(&str, u32)> = topics.iter().map(|topic| (&topic[..], 1)).collect();
    let whole = records(9, &[state(LIAR, 1 << 40, &[0], &many)]);
    net.peer_send(peer, whole);
    let held = |net: &Net| topics_at(net, LIAR);
    assert!(held(&net) < 5_000, "{} at once", held(&net));
    // Messages still have their turn.
    let subscriber = net.subscriber(0, &[TOPIC]);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(subscriber), unicast(1, TOPIC, ""));
    net.send(subscriber, reply(&unicast(1, TOPIC, ""), ""));
    net.advance(Duration::from_secs(1));
    assert_eq!(held(&net), 50_000);
    net.inbox(publisher);
    net.send(publisher, unicast(2, "topic 49999", ""));
    net.nothing(publisher);
    // The same for its end.
    net.peer_send(peer, hello());
    net.peer_send(peer, records(10, &[state(LIAR, (1 << 40) + 1, &[0], &[])]));
    assert!(held(&net) > 40_000);
    net.advance(Duration::from_secs(1));
    assert_eq!(held(&net), 0);
    net.send(publisher, unicast(3, "topic 7", ""));
    let refused = error(3, result_code::NO_SUBSCRIBER, "");
    assert!(net.inbox(publisher).contains(&refused));
}

#[test]
fn four_neighbours_with_all_they_can_state_leave_room_for_what_others_state() {
    const MAX: usize = 400_000;
    let mut net = with_limits(|config| {
        config.limits.records_bytes = MAX;
        config.limits.record_bytes = MAX / 4;
    });
    let long = topics_of_bytes("long", MAX / 4 - 8_000);
    let hogs: Vec<Link> = (20..24)
        .map(|n| net.overlay_peer(0, n, &once(&long)))
        .collect();
    net.secs(1);
    let held = |net: &Net| net.nodes[0].machine.router().records_bytes();
    assert!(held(&net) > MAX * 8 / 10, "{}", held(&net));
    let honest = net.overlay_peer(0, 7, &[]);
    let some = topics_of_bytes("some", 20_000);
    net.announce(honest, &once(&some));
    let far = state(8, 1 << 40, &[7], &once(&some));
    let near = state(7, 1 << 40, &[0, 8], &once(&some));
    net.peer_send(honest, records(9, &[near, far]));
    net.peer_send(
        honest,
        records(9, &[change(8, (1 << 40) + 1, 1 << 40, &[("new", 1)])]),
    );
    net.advance(Duration::from_millis(100));
    assert_eq!((distance(&net, 7), distance(&net, 8)), (Some(1), Some(2)));
    assert_eq!(topics_at(&net, 8), some.len() + 1);
    assert!(held(&net) <= MAX);
    // Those that lost their room do not get it back.
    for (n, hog) in hogs.into_iter().enumerate() {
        let again = state(20 + n, 1 << 41, &[0], &once(&long));
        net.peer_send(hog, records(9, &[again]));
    }
    net.advance(Duration::from_millis(100));
    assert_eq!((distance(&net, 7), distance(&net, 8)), (Some(1), Some(2)));
    assert!(held(&net) <= MAX);
}

#[test]
fn what_comes_over_the_same_relay_finds_room_too() {
    const MAX: usize = 400_000;
    let mut net = with_limits(|config| {
        config.limits.records_bytes = MAX;
        config.limits.record_bytes = MAX / 4;
    });
    let relay = net.overlay_peer(0, 7, &[(TOPIC, 1)]);
    let long = topics_of_bytes("long", MAX / 4 - 8_000);
    net.peer_send(relay, records(9, &[state(LIAR, 500, &[7], &once(&long))]));
    for n in 20..26 {
        net.peer_send(relay, records(9, &[stub(n, LIAR, 500, &once(&long))]));
        net.secs(1);
        net.peer_send(relay, hello());
    }
    let small = once(&long[..40]);
    for n in 30..35 {
        net.peer_send(relay, records(9, &[state(n, 500, &[7], &small)]));
        assert_eq!(topics_at(&net, n), 0, "not linked yet");
    }
    let near = state(7, 1 << 40, &[0, 30, 31, 32, 33, 34], &[(TOPIC, 1)]);
    net.peer_send(relay, records(9, &[near]));
    for n in 30..35 {
        assert_eq!((distance(&net, n), topics_at(&net, n)), (Some(2), 40));
    }
    assert!(net.nodes[0].machine.router().records_bytes() <= MAX);
}

/// Neighbours are asked ever less often for records for which there was no room. When those that
/// took the room leave, the node does not wait for the next time.
#[test]
fn room_that_liars_leave_is_used_within_seconds() {
    let mut net = with_limits(|config| config.limits.nodes = 10);
    let liars = [20, 30].map(|liar| {
        let link = net.overlay_peer(0, liar, &[]);
        let behind = [liar + 1, liar + 2];
        let mut all = behind.map(|n| state(n, 500, &[liar], &[])).to_vec();
        all.push(state(liar, 500, &[0, liar + 1, liar + 2], &[]));
        net.peer_send(link, records(9, &all));
        link
    });
    let honest = net.overlay_peer(0, 7, &[]);
    let behind: Vec<usize> = (8..12).collect();
    let mut all: Vec<_> = behind.iter().map(|&n| state(n, 500, &[7], &[])).collect();
    all.push(state(7, 1 << 40, &[0, 8, 9, 10, 11], &[]));
    let missing = |net: &Net| {
        let reached = behind.iter().filter(|&&n| distance(net, n).is_some());
        behind.len() - reached.count()
    };
    let asked = |net: &mut Net| {
        let sent = net.peer_inbox(honest);
        sent.iter().any(|frame| frame.packet == packet::KNOWN)
    };
    // The neighbour sends again what is missing whenever it is asked.
    net.peer_send(honest, records(9, &all));
    net.peer_inbox(honest);
    let mut times = 0;
    for _ in 0..90 {
        net.secs(1);
        for &liar in &liars {
            net.peer_send(liar, hello());
        }
        net.peer_send(honest, hello());
        if asked(&mut net) {
            times += 1;
            net.peer_send(honest, records(9, &all));
        }
    }
    assert!((3..6).contains(&times), "{times}");
    assert_eq!(missing(&net), 1);
    for liar in liars {
        net.cut(liar);
    }
    for _ in 0..8 {
        net.secs(1);
        net.peer_send(honest, hello());
        if asked(&mut net) {
            net.peer_send(honest, records(9, &all));
        }
    }
    assert_eq!(missing(&net), 0);
}

/// Sends a frame in parts, as a node does that checks one record at a time.
fn send_in_parts(net: &mut Net, link: Link, frame: PeerFrame) -> usize {
    let frame = NodeEvent::PeerFrame(link.id, frame.into());
    let checker = &net.nodes[link.node].checker;
    let mut check = checker.begin(&frame).unwrap();
    let mut parts = Vec::new();
    while !check.is_over() {
        checker.go_on(&mut check);
        if check.ready().is_some() {
            parts.push(check.take_event());
        }
    }
    let count = parts.len();
    for part in parts {
        net.event(link.node, part);
    }
    count
}

/// Records that were dropped for lack of room are sent again only if the neighbour knows that they
/// were not accepted.
#[test]
fn a_frame_of_which_a_part_finds_no_room_is_not_acknowledged() {
    let topics: Vec<String> = (0..100).map(|n| format!("topic {n:0100}")).collect();
    let topics: Vec<(&str, u32)> = topics.iter().map(|topic| (&topic[..], 1)).collect();
    let all: Vec<_> = (20..220).map(|n| state(n, 1, &[], &topics)).collect();
    let acknowledged = |net: &mut Net, peer: Link| {
        net.advance(Duration::from_secs(1));
        let sent = net.peer_inbox(peer);
        sent.iter().any(|frame| *frame == taken(9))
    };
    for (room, whole) in [(64 << 20, true), (2 << 20, false)] {
        let mut net = with_limits(|config| config.limits.records_bytes = room);
        let peer = net.overlay_peer(0, LIAR, &[]);
        net.secs(1);
        net.peer_inbox(peer);
        assert!(send_in_parts(&mut net, peer, records(9, &all)) > 2);
        assert_eq!(acknowledged(&mut net, peer), whole, "{room}");
        assert_eq!(counters(&net).over_budget == 0, whole);
        // A frame that is sent after it is handled independently.
        net.peer_send(peer, records(9, &[state(LIAR, 1 << 40, &[0], &[])]));
        assert!(acknowledged(&mut net, peer), "{room}");
    }
}
