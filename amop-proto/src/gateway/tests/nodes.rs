//! Which nodes are reachable, and which topics they have (gateway-v3 sections 5.1 and 7.1).

use super::*;

fn seen(tested: &mut Tested) -> Vec<(GatewayId, Option<u32>)> {
    let events = tested.events().into_iter();
    let seen = events.filter_map(|event| match event {
        GatewayEvent::NodeSeen { source, distance } => Some((source.id, distance)),
        _ => None,
    });
    seen.collect()
}

fn gone(tested: &mut Tested) -> Vec<GatewayId> {
    let events = tested.events().into_iter();
    let gone = events.filter_map(|event| match event {
        GatewayEvent::NodeGone { id } => Some(id),
        _ => None,
    });
    gone.collect()
}

fn asked(tested: &mut Tested) -> usize {
    let messages = tested.sent_messages();
    let is_request = |(_, message): &&(Bytes, GatewayMessage)| {
        message.kind == GatewayMessageKind::REQUEST_TOPICS
    };
    messages.iter().filter(is_request).count()
}

#[test]
fn the_neighbour_is_reachable_from_the_start() {
    let mut tested = Tested::new(config(1));
    assert_eq!(seen(&mut tested), [(id(2), Some(1))]);
    let nodes: Vec<_> = tested.peer.nodes().collect();
    assert_eq!(nodes.len(), 1);
    assert!(!nodes[0].source.claimed);
}

#[test]
fn a_table_is_fetched_when_its_number_is_greater() {
    let mut tested = Tested::ready(1);
    let number = |number: u32| Bytes::copy_from_slice(&number.to_be_bytes());
    tested.send(1, PacketType::ROUTER_SEQ, number(5));
    let sent = tested.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].kind, PacketType::REQUEST_ROUTER_TABLE);
    assert!(sent[0].payload.is_empty());
    assert_eq!(
        (sent[0].route.src.clone(), sent[0].route.dst.clone()),
        (raw(1), raw(2))
    );
    // While the table is awaited nothing more is asked, and again if it does not come.
    tested.send(1, PacketType::ROUTER_SEQ, number(6));
    assert_eq!(tested.sent(), []);
    tested.pass(ASK_AGAIN);
    tested.sent();
    tested.send(1, PacketType::ROUTER_SEQ, number(6));
    assert_eq!(tested.sent().len(), 1);
    let table = RouterTable::default().encode();
    tested.send(1, PacketType::ROUTER_TABLE, table.clone());
    for old in [0, 5, 6] {
        tested.send(1, PacketType::ROUTER_SEQ, number(old));
    }
    assert_eq!(tested.sent(), []);
    tested.pass(ASK_AGAIN);
    tested.send(1, PacketType::ROUTER_TABLE, table);
    assert_eq!(tested.peer.counters().unsolicited, 1);
    tested.send(1, PacketType::ROUTER_SEQ, Bytes::from_static(&[0, 0, 7]));
    assert_eq!(tested.peer.counters().malformed, 1);
}

#[test]
fn the_table_says_which_nodes_are_behind_the_neighbour() {
    let mut tested = Tested::ready(1);
    let back = RouterEntry {
        next_hop: raw(1),
        ..entry(7, 1)
    };
    let entries = vec![
        // This node, the neighbour, and nodes that are reached.
        entry(1, 1),
        entry(2, 0),
        entry(3, 1),
        entry(4, 8),
        // Too far, unreachable, and a path that leads back here.
        entry(5, 9),
        entry(6, i32::MAX),
        back,
        // Not possible.
        entry(8, -1),
    ];
    tested.table(1, entries);
    let mut expected = vec![(id(3), Some(2)), (id(4), Some(9))];
    expected.sort_unstable();
    assert_eq!(seen(&mut tested), expected);
    assert_eq!(tested.peer.nodes().count(), 3);
    assert_eq!(tested.peer.counters().false_entries, 1);

    // Another distance is news, the same one is not; what the table lacks is gone.
    tested.table(2, vec![entry(3, 4), entry(4, 8)]);
    assert_eq!(seen(&mut tested), [(id(3), Some(5))]);
    tested.table(3, vec![entry(4, 8)]);
    assert_eq!(gone(&mut tested), [id(3)]);
    tested.table(4, vec![entry(4, 10)]);
    assert_eq!(gone(&mut tested), [id(4)]);
    assert_eq!(
        tested.unicast(4, 1),
        Err(GatewaySendError::Unreachable { id: id(4) })
    );
}

#[test]
fn a_node_that_no_table_has_is_known_while_it_announces_topics() {
    let mut tested = Tested::ready(1);
    tested.announce(3, 5);
    assert_eq!(seen(&mut tested), [(id(3), None)]);
    for _ in 0..10 {
        tested.pass(Duration::from_secs(2));
        tested.announce(3, 5);
        tested.sent();
        assert_eq!(tested.events(), []);
    }
    tested.pass(SILENCE - Duration::from_secs(1));
    assert_eq!(gone(&mut tested), []);
    tested.pass(TOPIC_SEQ_INTERVAL);
    assert_eq!(gone(&mut tested), [id(3)]);
    // The neighbour never goes while the connection lasts.
    assert_eq!(tested.peer.nodes().count(), 1);
}

#[test]
fn a_node_in_the_table_is_known_even_if_it_is_silent() {
    let mut tested = Tested::ready(1);
    tested.table(1, vec![entry(3, 1)]);
    tested.events();
    for _ in 0..30 {
        tested.pass(Duration::from_secs(5));
        tested.send(0, PacketType::HEARTBEAT, Bytes::new());
        tested.sent();
    }
    assert_eq!(tested.events(), []);
    assert_eq!(tested.peer.nodes().count(), 2);
}

#[test]
fn topics_are_asked_for_when_the_number_differs() {
    let mut tested = Tested::ready(1);
    tested.list(2, 5, &["b", "a", "b"]);
    assert_eq!(asked(&mut tested), 1);
    let topics = tested.peer.nodes().next().unwrap().topics;
    assert_eq!(topics[..], ["a", "b"]);
    tested.announce(2, 5);
    assert_eq!(asked(&mut tested), 0);
    tested.events();

    // A smaller number is a different one: the node was restarted.
    tested.list(2, 1, &["a", "b"]);
    assert_eq!(asked(&mut tested), 1);
    assert_eq!(tested.events(), [], "the topics are the same");
    tested.list(2, 2, &[]);
    let events = tested.events();
    assert!(matches!(
        &events[..],
        [GatewayEvent::NodeTopics { topics, .. }] if topics.is_empty()
    ));
}

#[test]
fn a_node_that_does_not_send_its_topics_is_asked_again() {
    let mut tested = Tested::ready(1);
    tested.announce(2, 5);
    tested.announce(2, 6);
    assert_eq!(asked(&mut tested), 1);
    tested.pass(ASK_AGAIN);
    tested.sent();
    tested.announce(2, 6);
    assert_eq!(asked(&mut tested), 1);
}

#[test]
fn numbers_that_are_none_are_ignored() {
    let mut tested = Tested::ready(1);
    for text in ["", "-1", "5 ", "4294967296", "\u{1b}[2J"] {
        tested.message(2, GatewayMessageKind::TOPIC_SEQ, text);
    }
    assert_eq!(tested.peer.counters().malformed, 5);
    assert_eq!(tested.sent(), []);
}

/// A raw and a short id of the same node are one node.
#[test]
fn a_node_is_known_by_both_of_its_ids() {
    let mut tested = Tested::ready(1);
    tested.table(1, vec![entry(3, 1)]);
    tested.sent();
    let mut packet = message(3, 9, GatewayMessageKind::UNICAST, BODY);
    packet.route.src = Bytes::copy_from_slice(&id(3).0);
    tested.peer.handle_packet(tested.now, packet);
    let Some(GatewayEvent::Unicast { source, reply, .. }) = tested.events().pop() else {
        panic!("no unicast");
    };
    assert_eq!(source.id, id(3));
    // The raw id is known from the table, and packets of version 1 have raw ids.
    tested.peer.reply(tested.now, &reply, BODY).unwrap();
    assert_eq!(tested.sent()[0].route.dst, raw(3));
    assert_eq!(tested.peer.nodes().count(), 2);
}
