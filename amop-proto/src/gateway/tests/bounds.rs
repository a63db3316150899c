//! What a neighbour that lies or floods can do: nothing grows beyond the limits.

use super::*;

fn limited(change: impl FnOnce(&mut GatewayLimits)) -> Tested {
    let config = config(1).with(|config| change(&mut config.limits));
    Tested::ready_with(config, 1)
}

#[test]
fn nodes_beyond_the_limit_are_ignored() {
    let mut tested = limited(|limits| limits.nodes = 3);
    for n in 3..10 {
        tested.announce(n, 1);
    }
    assert_eq!(tested.peer.nodes().count(), 3);
    assert_eq!(tested.peer.counters().nodes_refused, 5);
    let entries = (3..10).map(|n| entry(n, 1)).collect();
    tested.table(1, entries);
    assert_eq!(tested.peer.nodes().count(), 3);
    // Their messages are delivered all the same: they need no memory here.
    tested.events();
    tested.message(9, GatewayMessageKind::MULTICAST, BODY);
    assert_eq!(tested.events().len(), 1);
}

#[test]
fn nobody_else_can_be_this_node() {
    let mut tested = Tested::ready(1);
    let kinds = [
        GatewayMessageKind::TOPIC_SEQ,
        GatewayMessageKind::UNICAST,
        GatewayMessageKind::REQUEST_TOPICS,
    ];
    for kind in kinds {
        tested.message(1, kind, "5");
    }
    let mut packet = message(1, 1, GatewayMessageKind::MULTICAST, BODY);
    packet.route.src = Bytes::copy_from_slice(&id(1).0);
    tested.peer.handle_packet(tested.now, packet);
    assert_eq!(tested.peer.counters().forged, 4);
    assert_eq!((tested.events(), tested.sent()), (vec![], vec![]));
}

#[test]
fn router_tables_come_from_the_neighbour_only() {
    let mut tested = Tested::ready(1);
    let payload = Bytes::copy_from_slice(&9_u32.to_be_bytes());
    tested.send(1, PacketType::ROUTER_SEQ, payload.clone());
    tested.sent();
    let kinds = [
        PacketType::ROUTER_SEQ,
        PacketType::ROUTER_TABLE,
        PacketType::REQUEST_ROUTER_TABLE,
    ];
    for kind in kinds {
        let packet = GatewayPacket {
            kind,
            payload: payload.clone(),
            ..message(3, 1, GatewayMessageKind(0), "")
        };
        tested.peer.handle_packet(tested.now, packet);
    }
    assert_eq!(tested.peer.counters().forged, 3);
    assert_eq!((tested.events(), tested.sent()), (vec![], vec![]));
}

/// FISCO nodes pass on packets of all types, and do not check the source.
#[test]
fn a_node_behind_the_neighbour_cannot_speak_for_the_connection() {
    let mut tested = Tested::ready(1);
    let kinds = [
        (PacketType::HANDSHAKE, handshake(0)),
        (PacketType::HANDSHAKE, Bytes::new()),
        (PacketType::ROUTER_SEQ, Bytes::from_static(&[0, 0, 0, 9])),
    ];
    for (kind, payload) in kinds {
        let packet = GatewayPacket {
            kind,
            payload,
            ..message(2, 1, GatewayMessageKind(0), "")
        };
        tested.peer.handle_packet(tested.now, packet);
    }
    assert_eq!(tested.peer.counters().forged, 3);
    assert_eq!(tested.peer.version(), Some(1));
    assert_eq!((tested.events(), tested.sent()), (vec![], vec![]));
}

#[test]
fn ids_that_do_not_belong_together_are_no_node() {
    let mut tested = Tested::ready(1);
    let lie = RouterEntry {
        short_id: Bytes::copy_from_slice(&id(4).0),
        ..entry(3, 1)
    };
    tested.table(1, vec![lie, entry(5, 1)]);
    assert_eq!(tested.peer.counters().false_entries, 1);
    assert_eq!(tested.peer.nodes().count(), 2);
}

#[test]
fn a_flood_of_numbers_causes_one_request_in_two_seconds() {
    let mut tested = Tested::ready(1);
    let mut requests = 0;
    for number in 0..10_000 {
        tested.announce(2, number);
        let messages = tested.sent_messages().into_iter();
        let kinds = messages.map(|(_, message)| message.kind);
        requests += kinds
            .filter(|&kind| kind == GatewayMessageKind::REQUEST_TOPICS)
            .count();
        tested.pass(Duration::from_millis(1));
    }
    assert_eq!(requests, 5);
    assert_eq!(tested.events(), []);
}

#[test]
fn lists_that_nobody_asked_for_are_ignored() {
    let mut tested = Tested::ready(1);
    let list = "{\"topicItems\":[\"a\"],\"topicSeq\":1}";
    for from in [2, 3] {
        tested.message(from, GatewayMessageKind::TOPICS, list);
    }
    tested.list(2, 1, &["a"]);
    tested.pass(ASK_AGAIN);
    tested.events();
    tested.message(2, GatewayMessageKind::TOPICS, list);
    assert_eq!(tested.peer.counters().unsolicited, 3);
    assert_eq!(tested.events(), []);
}

#[test]
fn a_list_over_a_limit_is_refused_and_takes_the_old_topics_with_it() {
    let mut tested = limited(|limits| limits.node_topics = 2);
    tested.list(2, 1, &["a"]);
    tested.events();
    tested.list(2, 2, &["a", "b", "c"]);
    let error = GatewayTopicListError::TooMany { max: 2 };
    let notice = GatewayNotice::TopicsRefused {
        id: id(2),
        source: error,
    };
    let events = tested.events();
    assert_eq!(events[0], GatewayEvent::Notice(notice));
    assert!(matches!(
        &events[1],
        GatewayEvent::NodeTopics { topics, .. } if topics.is_empty()
    ));
    assert_eq!(tested.peer.counters().lists_refused, 1);
    // It is not asked for again until it changes.
    tested.sent();
    tested.announce(2, 2);
    assert_eq!(tested.sent(), []);
    tested.list(2, 3, &["c"]);
    assert_eq!(tested.peer.nodes().next().unwrap().topics[..], ["c"]);
}

#[test]
fn all_nodes_share_the_room_for_topics() {
    // Room for four topics of one byte.
    let mut tested = limited(|limits| limits.topic_bytes = 4 * 65);
    tested.list(2, 1, &["a", "b"]);
    tested.list(3, 1, &["a", "b"]);
    tested.list(4, 1, &["a"]);
    let error = GatewayTopicListError::NoRoom { max: 260 };
    let notice = GatewayNotice::TopicsRefused {
        id: id(4),
        source: error,
    };
    assert_eq!(tested.events().pop(), Some(GatewayEvent::Notice(notice)));
    // What a node gives up, others can have.
    tested.list(3, 2, &[]);
    tested.list(4, 2, &["a", "b"]);
    assert_eq!(tested.peer.counters().lists_refused, 1);
    // So can they when a node is gone.
    tested.pass(SILENCE + TOPIC_SEQ_INTERVAL);
    tested.list(5, 1, &["c", "d"]);
    assert_eq!(tested.peer.counters().lists_refused, 1);
}

#[test]
fn a_table_over_a_limit_is_refused_and_changes_nothing() {
    let mut tested = limited(|limits| limits.table_entries = 2);
    tested.table(1, vec![entry(3, 1)]);
    tested.events();
    tested.table(2, (3..6).map(|n| entry(n, 1)).collect());
    let (count, max) = (3, 2);
    let error = RouterTableError::TooManyEntries { count, max };
    let notice = GatewayNotice::TableRefused(error);
    assert_eq!(tested.events(), [GatewayEvent::Notice(notice)]);
    assert_eq!(tested.peer.counters().tables_refused, 1);
    assert_eq!(tested.peer.nodes().count(), 2);
}

#[test]
fn unicasts_in_flight_are_bounded() {
    let mut tested = limited(|limits| limits.in_flight = 2);
    tested.unicast(2, 1).unwrap();
    let second = tested.unicast(2, 2).unwrap();
    let refused = GatewaySendError::TooManyInFlight { max: 2 };
    assert_eq!(tested.unicast(2, 3), Err(refused));
    tested.peer.cancel(second);
    assert!(tested.unicast(2, 3).is_ok());
}

#[test]
fn packets_that_wait_are_bounded() {
    let mut tested = limited(|limits| limits.queued_bytes = 2000);
    let body = Bytes::from(vec![7; 3000]);
    // The first one always has room.
    tested
        .peer
        .multicast(tested.now, id(2), body.clone())
        .unwrap();
    let full = GatewaySendError::QueueFull { max: 2000 };
    assert_eq!(tested.unicast(2, 1), Err(full));
    assert_eq!(tested.peer.in_flight(), 0);
    let queued = tested.peer.queued_bytes();
    // A neighbour that asks and does not read gets no lists.
    for _ in 0..100 {
        tested.message(2, GatewayMessageKind::REQUEST_TOPICS, "");
    }
    assert_eq!(tested.peer.counters().dropped, 100);
    assert_eq!(tested.peer.queued_bytes(), queued);
    assert_eq!(tested.sent().len(), 1);
    assert_eq!(tested.peer.queued_bytes(), 0);
    assert!(tested.unicast(2, 1).is_ok());
}

#[test]
fn packets_longer_than_the_limit_are_refused_here() {
    let mut tested = limited(|limits| limits.max_packet = 1000);
    let body = Bytes::from(vec![7; 1000]);
    let refused = tested.peer.multicast(tested.now, id(2), body);
    assert!(matches!(
        refused,
        Err(GatewaySendError::TooLong { max: 1000, .. })
    ));
}

#[test]
fn messages_that_cannot_be_read_are_counted() {
    let mut tested = Tested::ready(1);
    tested.send(1, PacketType::AMOP, Bytes::from_static(b"short"));
    tested.message(2, GatewayMessageKind(6), "");
    let counters = tested.peer.counters();
    assert_eq!((counters.malformed, counters.ignored), (1, 1));
    assert_eq!(tested.events(), []);
}

#[test]
fn ids_longer_than_any_are_no_node() {
    let mut tested = Tested::ready(1);
    let long = Bytes::from(vec![b'0'; MAX_RAW_ID + 1]);
    let mut packet = message(3, 1, GatewayMessageKind::MULTICAST, BODY);
    packet.route.src = long.clone();
    tested.peer.handle_packet(tested.now, packet.clone());
    packet.route.dst = long;
    tested.peer.handle_packet(tested.now, packet);
    let counters = tested.peer.counters();
    assert_eq!((counters.malformed, counters.misrouted), (1, 1));
    assert_eq!((tested.events(), tested.sent()), (vec![], vec![]));
    assert!(!tested.peer.is_closed());
}

#[test]
fn short_packets_that_wait_are_bounded_by_their_number() {
    let mut tested = limited(|limits| limits.queued_bytes = 10_000);
    let full = GatewaySendError::QueueFull { max: 10_000 };
    let mut sent = 0;
    while tested.peer.multicast(tested.now, id(2), BODY) != Err(full) {
        sent += 1;
    }
    // Each takes 256 bytes in addition to its own.
    let len = tested.peer.queued_bytes() / sent - 256;
    assert_eq!(sent, 10_000 / (256 + len));
    let packets = tested.sent();
    let wire_len = OutgoingPacket::from(packets[0].clone()).wire_len();
    assert_eq!((packets.len(), wire_len), (sent, len));
    assert_eq!(tested.peer.queued_bytes(), 0);
}

/// An answer that waits would keep a packet of up to 32 MiB alive.
#[test]
fn sources_do_not_share_memory_with_their_packets() {
    let mut tested = Tested::ready(1);
    tested.table(1, vec![entry(3, 1)]);
    tested.sent();
    tested.events();
    // A node that is known, one that is not, and the neighbour.
    for from in [3, 4, 2] {
        let mut packet = message(from, 9, GatewayMessageKind::UNICAST, BODY);
        let src = Bytes::from(raw(from).to_vec());
        packet.route.src = src.clone();
        tested.peer.handle_packet(tested.now, packet);
        let Some(GatewayEvent::Unicast { reply, .. }) = tested.events().pop() else {
            panic!("no unicast");
        };
        assert!(src.is_unique(), "{from}");
        tested.peer.reply(tested.now, &reply, BODY).unwrap();
        assert_eq!(tested.sent()[0].route.dst, src);
    }
}

/// Any node can send a list in the name of another one.
#[test]
fn a_true_list_replaces_a_forged_one() {
    let mut tested = Tested::ready(1);
    tested.announce(3, 5);
    for names in ["\"x\"", "", "\"a\",\"b\""] {
        let list = format!("{{\"topicItems\":[{names}],\"topicSeq\":5}}");
        tested.message(3, GatewayMessageKind::TOPICS, list);
    }
    tested.message(3, GatewayMessageKind::TOPICS, "not a list");
    tested.message(
        3,
        GatewayMessageKind::TOPICS,
        r#"{"topicItems":["a"],"topicSeq":5}"#,
    );
    let node = tested.peer.nodes().find(|node| node.source.id == id(3));
    assert_eq!(node.unwrap().topics[..], ["a"]);
    assert_eq!(tested.peer.counters().unsolicited, 0);
}

/// An answer that takes longer than that counts if it is the first one.
#[test]
fn the_first_answer_may_be_late() {
    let mut tested = Tested::ready(1);
    tested.announce(2, 5);
    tested.pass(ASK_AGAIN * 2);
    let list = r#"{"topicItems":["a"],"topicSeq":5}"#;
    tested.message(2, GatewayMessageKind::TOPICS, list);
    assert_eq!(tested.peer.nodes().next().unwrap().topics[..], ["a"]);
    tested.message(2, GatewayMessageKind::TOPICS, list);
    assert_eq!(tested.peer.counters().unsolicited, 1);
}

#[test]
fn a_true_router_table_replaces_a_forged_one() {
    let mut tested = Tested::ready(1);
    tested.table(1, vec![]);
    let entries = vec![entry(3, 1)];
    let table = RouterTable { entries }.encode();
    tested.send(1, PacketType::ROUTER_TABLE, table);
    assert_eq!(tested.peer.nodes().count(), 2);
    assert_eq!(tested.peer.counters().unsolicited, 0);
}

#[test]
fn a_list_without_room_is_asked_for_again() {
    let mut tested = limited(|limits| limits.topic_bytes = 2 * 65);
    tested.list(3, 1, &["x", "y"]);
    tested.list(2, 1, &["a"]);
    assert_eq!(tested.peer.counters().lists_refused, 1);
    // Not at once.
    tested.sent();
    tested.announce(2, 1);
    assert_eq!(tested.sent_messages(), []);
    // Another node makes room, and the number stays the same.
    tested.message(
        3,
        GatewayMessageKind::TOPICS,
        r#"{"topicItems":[],"topicSeq":1}"#,
    );
    tested.pass(ASK_AGAIN);
    tested.sent();
    tested.announce(2, 1);
    let asked = tested.sent_messages();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].1.kind, GatewayMessageKind::REQUEST_TOPICS);
    let list = r#"{"topicItems":["a"],"topicSeq":1}"#;
    tested.message(2, GatewayMessageKind::TOPICS, list);
    let node = tested.peer.nodes().find(|node| node.source.id == id(2));
    assert_eq!(node.unwrap().topics[..], ["a"]);
    tested.announce(2, 1);
    assert_eq!(tested.sent(), []);
}

/// Anybody can announce nodes that do not exist, and take all places.
#[test]
fn nodes_of_the_table_replace_nodes_that_only_announce_themselves() {
    let mut tested = limited(|limits| limits.nodes = 4);
    tested.list(7, 1, &["x"]);
    tested.pass(Duration::from_secs(1));
    tested.announce(8, 1);
    tested.announce(9, 1);
    tested.events();
    tested.table(1, vec![entry(3, 1), entry(8, 1)]);
    let events = tested.events();
    // The one that was silent for the longest time goes.
    assert!(events.contains(&GatewayEvent::NodeGone { id: id(7) }));
    let known = |tested: &Tested, n| tested.peer.nodes().any(|node| node.source.id == id(n));
    let is_known = [2, 3, 7, 8, 9].map(|n| known(&tested, n));
    assert_eq!(is_known, [true, true, false, true, true]);
    assert_eq!(tested.peer.counters().nodes_refused, 0);
    // Nodes of the table do not replace each other.
    let entries = [3, 8, 4, 5].map(|n| entry(n, 1)).into();
    tested.table(2, entries);
    assert_eq!(tested.peer.nodes().count(), 4);
    assert_eq!(tested.peer.counters().nodes_refused, 1);
}

#[test]
fn a_flood_of_requests_causes_one_list_in_a_second() {
    let mut tested = Tested::ready(1);
    tested.table(1, vec![entry(3, 1)]);
    tested.sent();
    let mut lists = Vec::new();
    for _ in 0..20 {
        // Two nodes that are known, and some that are not.
        for from in 2..9 {
            tested.message(from, GatewayMessageKind::REQUEST_TOPICS, "");
        }
        let sent = tested.sent_messages().into_iter();
        let is_list = |message: &GatewayMessage| message.kind == GatewayMessageKind::TOPICS;
        lists.extend(
            sent.filter(|(_, message)| is_list(message))
                .map(|(to, _)| to),
        );
        tested.pass(Duration::from_millis(100));
    }
    let count = |n| lists.iter().filter(|&to| *to == raw(n)).count();
    assert_eq!((count(2), count(3), lists.len()), (2, 2, 6));
    assert_eq!(tested.peer.counters().requests_refused, 134);
}

#[test]
fn no_packet_is_accepted_that_the_codec_does_not_write() {
    let mut tested = limited(|limits| {
        limits.max_packet = usize::MAX;
        limits.queued_bytes = usize::MAX;
    });
    let max = 100 * 1024 * 1024;
    let body = Bytes::from(vec![0; max]);
    let refused = tested.peer.multicast(tested.now, id(2), body);
    assert!(matches!(refused, Err(GatewaySendError::TooLong { max: m, .. }) if m == max));
}
