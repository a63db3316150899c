//! Neighbours that lie, flood or send garbage.

use std::time::{Duration, Instant};

use amop_proto::{
    channel::result_code,
    gateway::{
        GatewayCloseReason, GatewayMessage, GatewayMessageKind, GatewayPacket, PacketRoute,
        PacketType, RouterEntry, RouterTable,
        bridge::{GatewayBridge, GatewayBridgeLimits, GatewayRefusal},
    },
};
use bytes::Bytes;

use super::chain::{Chain, Heard, PLAYED, address, body};
use crate::support::{config, multicast, unicast};

/// Returns a packet with a message in the name of the node with this number.
fn named(from: u8, kind: GatewayMessageKind, data: Bytes) -> GatewayPacket {
    let (status, seq) = (0, 5);
    let message = GatewayMessage { kind, status, data };
    GatewayPacket {
        version: 1,
        kind: PacketType::AMOP,
        seq,
        ext: 0,
        route: PacketRoute {
            src: address(from).raw().unwrap().clone(),
            dst: address(0).raw().unwrap().clone(),
            ..PacketRoute::default()
        },
        payload: [message.header(), message.data].concat().into(),
    }
}

fn limited(change: impl Fn(&mut GatewayBridgeLimits)) -> Chain {
    Chain::with([config(0)], |config| {
        config.limits = config.limits.with(&change);
    })
}

#[test]
fn a_node_does_not_connect_with_itself_or_twice_or_too_often() {
    let mut chain = limited(|limits| limits.connections = 2);
    assert_eq!(chain.take(0, address(0)), Err(GatewayRefusal::Itself));
    chain.take(0, address(1)).unwrap();
    assert_eq!(chain.take(0, address(1)), Err(GatewayRefusal::Duplicate));
    chain.take(0, address(2)).unwrap();
    let max = 2;
    assert_eq!(
        chain.take(0, address(3)),
        Err(GatewayRefusal::TooMany { max })
    );
    assert_eq!(chain.bridges[0].counters().duplicates, 1);
}

#[test]
fn nobody_speaks_for_a_node_with_a_connection_of_its_own() {
    let mut chain = Chain::new(1);
    let honest = chain.neighbour(0, &[b"t"]);
    let liar = chain.play(&[]);
    let wire = chain.join(liar, 0);
    let subscriber = chain.net.subscriber(0, &["here"]);
    chain.learn();
    let honest_id = PLAYED + honest as u8;
    let multicast_body = body(b"here", "forged");
    for kind in [GatewayMessageKind::MULTICAST, GatewayMessageKind::UNICAST] {
        chain.inject(wire, named(honest_id, kind, multicast_body.clone()));
    }
    assert_eq!(chain.net.inbox(subscriber), []);
    assert_eq!(chain.bridges[0].counters().forged, 2);
    // An empty list in its name takes nothing from it.
    let announced = Bytes::from_static(b"999");
    chain.inject(
        wire,
        named(honest_id, GatewayMessageKind::TOPIC_SEQ, announced),
    );
    let list = Bytes::from_static(b"{\"topicItems\":[],\"topicSeq\":999}\n");
    chain.inject(wire, named(honest_id, GatewayMessageKind::TOPICS, list));
    let publisher = chain.net.sdk(0);
    chain.send(publisher, unicast(1, "t", "x"));
    chain.asked(honest);
}

#[test]
fn a_forged_answer_does_not_end_a_unicast() {
    let mut chain = Chain::new(1);
    let honest = chain.neighbour(0, &[b"t"]);
    let liar = chain.play(&[]);
    let wire = chain.join(liar, 0);
    let publisher = chain.net.sdk(0);
    chain.learn();
    chain.send(publisher, unicast(1, "t", "x"));
    let (_, to) = chain.asked(honest);
    let mut forged = named(
        PLAYED + honest as u8,
        GatewayMessageKind::MULTICAST,
        Bytes::new(),
    );
    forged.ext = amop_proto::gateway::ext::RESPONSE;
    forged.seq = 3;
    chain.inject(wire, forged);
    assert_eq!(chain.net.inbox(publisher), []);
    chain.answer(honest, &to, 0, "true");
    assert_eq!(chain.net.only(publisher).result, result_code::SUCCESS);
}

/// Returns a router table that has this node, one hop away.
fn table_with(nodes: impl IntoIterator<Item = u8>) -> Bytes {
    let entry = |n| RouterEntry {
        node: address(n).raw().unwrap().clone(),
        distance: 1,
        ..RouterEntry::default()
    };
    let entries = nodes.into_iter().map(entry).collect();
    RouterTable { entries }.encode()
}

/// Lets a neighbour announce and send a router table.
fn send_table(chain: &mut Chain, wire: usize, table: Bytes) {
    let packet = |kind, payload| GatewayPacket {
        version: 1,
        kind,
        seq: 9,
        ext: 0,
        route: PacketRoute::default(),
        payload,
    };
    let number = Bytes::copy_from_slice(&77_u32.to_be_bytes());
    chain.inject(wire, packet(PacketType::ROUTER_SEQ, number));
    chain.inject(wire, packet(PacketType::ROUTER_TABLE, table));
}

#[test]
fn an_answer_may_come_over_another_connection_than_the_unicast_took() {
    const FAR: u8 = 200;
    let mut chain = Chain::new(1);
    let ways = [chain.play(&[]), chain.play(&[])];
    let wires = ways.map(|way| chain.join(way, 0));
    let publisher = chain.net.sdk(0);
    for wire in wires {
        send_table(&mut chain, wire, table_with([FAR]));
    }
    let announced = Bytes::from_static(b"1");
    chain.inject(
        wires[0],
        named(FAR, GatewayMessageKind::TOPIC_SEQ, announced),
    );
    let list = Bytes::from_static(b"{\"topicItems\":[\"t\"],\"topicSeq\":1}\n");
    chain.inject(wires[0], named(FAR, GatewayMessageKind::TOPICS, list));
    chain.advance(Duration::from_millis(200));
    chain.send(publisher, unicast(1, "t", "x"));
    // The neighbours pass nothing on here, but they count what they get.
    let misrouted = |chain: &Chain, way: usize| {
        let peer = chain.played[way].peers.values().next().unwrap();
        peer.counters().misrouted
    };
    let before: Vec<u64> = ways.iter().map(|&way| misrouted(&chain, way)).collect();
    assert!(before[0] > 0, "{before:?}");
    let Some(seq) = chain.last_unicast else {
        panic!("no unicast was sent");
    };
    let mut answer = named(FAR, GatewayMessageKind::MULTICAST, Bytes::new());
    answer.ext = amop_proto::gateway::ext::RESPONSE;
    answer.seq = seq;
    answer.payload = Bytes::from_static(b"\0\0\0\x05\0\x07");
    chain.inject(wires[1], answer);
    assert_eq!(chain.net.only(publisher).result, 7);
}

#[test]
fn bytes_that_are_not_packets_end_only_their_connection() {
    let mut chain = Chain::new(1);
    let honest = chain.neighbour(0, &[b"t"]);
    let other = chain.play(&[]);
    let wire = chain.join(other, 0);
    let publisher = chain.net.sdk(0);
    chain.learn();
    chain.inject_bytes(wire, b"GET / HTTP/1.1\r\n\r\n");
    assert!(matches!(
        chain.closed[..],
        [(0, GatewayCloseReason::BadPacket(_))]
    ));
    chain.send(publisher, unicast(1, "t", "x"));
    chain.asked(honest);
}

#[test]
fn topics_over_the_limit_are_left_out() {
    let mut chain = limited(|limits| limits.topics = 3);
    let first = chain.neighbour(0, &[b"a", b"b"]);
    chain.learn();
    let names: Vec<String> = (0..50).map(|n| format!("flood{n}")).collect();
    let topics: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    chain.neighbour(0, &topics);
    chain.learn();
    assert_eq!(chain.bridges[0].counters().topics_left_out, 49);
    let publisher = chain.net.sdk(0);
    chain.send(publisher, multicast(1, "b", "x"));
    assert_eq!(chain.heard(first), [Heard::Multicast(body(b"b", "x"))]);
}

#[test]
fn a_router_table_of_invented_nodes_is_bounded() {
    let mut chain = limited(|limits| {
        limits.nodes = 10;
        limits.connection = limits.connection.with(|limits| limits.nodes = 8);
    });
    let liar = chain.play(&[]);
    let wire = chain.join(liar, 0);
    chain.learn();
    send_table(&mut chain, wire, table_with(110..250));
    assert_eq!(chain.bridges[0].node_count(), 8);
    assert!(chain.bridges[0].counters().connections.nodes_refused > 100);
}

#[test]
fn one_connection_cannot_use_up_all_unicasts() {
    let mut chain = limited(|limits| limits.connection_asked = 3);
    let greedy = chain.neighbour(0, &[]);
    let modest = chain.neighbour(0, &[]);
    let subscriber = chain.net.subscriber(0, &["here"]);
    chain.learn();
    for _ in 0..5 {
        chain.ask(greedy, 0, body(b"here", "x"));
    }
    assert_eq!(chain.net.inbox(subscriber).len(), 3);
    assert_eq!(chain.heard(greedy).len(), 2);
    chain.ask(modest, 0, body(b"here", "y"));
    assert_eq!(chain.net.inbox(subscriber).len(), 1);
    assert_eq!(chain.bridges[0].counters().over_limit, 2);
}

#[test]
fn unicasts_over_the_limit_are_given_back() {
    let mut chain = limited(|limits| limits.in_flight = 1);
    let node = chain.neighbour(0, &[b"t"]);
    let publisher = chain.net.sdk(0);
    chain.learn();
    chain.send(publisher, unicast(1, "t", "x"));
    chain.send(publisher, unicast(2, "t", "y"));
    assert_eq!(chain.net.only(publisher).result, result_code::NO_SESSION);
    chain.asked(node);
}

#[test]
fn a_neighbour_that_does_not_read_loses_messages_and_then_its_connection() {
    let mut chain = limited(|limits| {
        limits.connection = limits.connection.with(|limits| limits.queued_bytes = 4096);
    });
    // Nobody reads the packets of this connection.
    let deaf = chain.take(0, address(50)).unwrap();
    let node = chain.neighbour(0, &[b"t"]);
    let publisher = chain.net.sdk(0);
    chain.learn();
    for n in 0..100 {
        chain.send(publisher, multicast(n, "t", "x"));
    }
    assert_eq!(chain.heard(node).len(), 100);
    chain.advance(Duration::from_secs(61));
    assert!(!chain.bridges[0].is_open(deaf));
}

#[test]
fn lists_that_come_too_fast_are_not_read() {
    let mut chain = Chain::new(1);
    let liar = chain.play(&[]);
    let wire = chain.join(liar, 0);
    let honest = chain.neighbour(0, &[b"t"]);
    let publisher = chain.net.sdk(0);
    chain.learn();
    let padding = "x".repeat(400 * 1024);
    let list = format!("{{\"topicItems\":[\"l\"],\"topicSeq\":1,\"padding\":\"{padding}\"}}");
    for from in 0..40 {
        let kind = GatewayMessageKind::TOPIC_SEQ;
        chain.inject(wire, named(200 + from, kind, Bytes::from_static(b"1")));
        let kind = GatewayMessageKind::TOPICS;
        chain.inject(wire, named(200 + from, kind, list.clone().into()));
    }
    // 21 of these lists have over 8 MiB.
    assert_eq!(chain.bridges[0].counters().connections.over_rate, 19);
    chain.send(publisher, unicast(1, "t", "x"));
    chain.asked(honest);
    // Time pays for it.
    chain.advance(Duration::from_secs(9));
    let kind = GatewayMessageKind::TOPIC_SEQ;
    chain.inject(wire, named(250, kind, Bytes::from_static(b"1")));
    chain.inject(wire, named(250, GatewayMessageKind::TOPICS, list.into()));
    assert_eq!(chain.bridges[0].counters().connections.over_rate, 19);
}

#[test]
fn the_machine_waits_for_a_slow_connection_until_it_is_given_up() {
    let mut chain = limited(|limits| {
        limits.connection = limits.connection.with(|limits| limits.queued_bytes = 8192);
    });
    let deaf = chain.take(0, address(50)).unwrap();
    let bridge = &mut chain.bridges[0];
    assert!(!bridge.is_congested());
    let now = chain.net.now();
    let mut wait = now;
    while !bridge.is_congested() && wait < now + Duration::from_secs(58) {
        wait += Duration::from_millis(500);
        bridge.handle_timeout(wait);
    }
    assert!(bridge.is_congested());
    bridge.note_behind(wait);
    assert!(!bridge.is_congested());
    // It catches up and falls behind again: nobody waits for it twice in a minute.
    let fill = |bridge: &mut GatewayBridge, start: Instant| {
        while bridge.poll_packet(start, deaf).is_some() {}
        bridge.note_activity(start, deaf);
        for seconds in (0..40).step_by(2) {
            bridge.handle_timeout(start + Duration::from_secs(seconds));
        }
        assert!(bridge.is_open(deaf));
    };
    fill(bridge, wait);
    assert!(!bridge.is_congested());
    fill(bridge, wait + Duration::from_secs(60));
    assert!(bridge.is_congested());
}
