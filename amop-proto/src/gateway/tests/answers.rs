//! Unicasts and their answers (gateway-v3 section 7.3).

use super::*;

fn response(from: u8, seq: u32) -> GatewayPacket {
    GatewayPacket {
        kind: PacketType::REPLY,
        ext: ext::RESPONSE,
        payload: Bytes::from_static(b"answer"),
        ..message(from, seq, GatewayMessageKind(0), "")
    }
}

fn answered(token: u32) -> GatewayEvent<u32> {
    let outcome = GatewayOutcome::Answered(Bytes::from_static(b"answer"));
    GatewayEvent::Finished { token, outcome }
}

#[test]
fn unicasts_end_at_their_deadlines() {
    let mut tested = Tested::ready(1);
    let start = tested.now;
    for (token, seconds) in [(1, 3), (2, 1), (3, 2)] {
        let deadline = start + Duration::from_secs(seconds);
        tested
            .peer
            .unicast(start, id(2), BODY, deadline, token)
            .unwrap();
    }
    for token in [2, 3, 1] {
        tested.pass(Duration::from_secs(1));
        let outcome = GatewayOutcome::TimedOut;
        assert_eq!(tested.events(), [GatewayEvent::Finished { token, outcome }]);
    }
    assert_eq!(tested.peer.in_flight(), 0);
}

#[test]
fn answers_are_matched_by_number_and_node() {
    let mut tested = Tested::ready(1);
    tested.table(1, vec![entry(3, 1), entry(4, 1)]);
    tested.events();
    let first = tested.unicast(3, 1).unwrap();
    let second = tested.unicast(4, 2).unwrap();
    assert_ne!(first, second);
    // Another node than the one that was asked, even the neighbour itself.
    for liar in [2, 4] {
        tested.peer.handle_packet(tested.now, response(liar, first));
    }
    assert_eq!(tested.events(), []);
    assert_eq!(tested.peer.counters().forged, 2);
    tested.peer.handle_packet(tested.now, response(4, second));
    tested.peer.handle_packet(tested.now, response(3, first));
    assert_eq!(tested.events(), [answered(2), answered(1)]);
    // A second answer is a stray one.
    tested.peer.handle_packet(tested.now, response(3, first));
    let events = tested.events();
    assert!(matches!(
        &events[..],
        [GatewayEvent::StrayAnswer(answer)] if answer.seq == first
    ));
}

#[test]
fn answers_that_cannot_be_read_end_nothing() {
    let mut tested = Tested::ready(1);
    let seq = tested.unicast(2, 1).unwrap();
    let short = GatewayPacket {
        kind: PacketType::AMOP,
        payload: Bytes::from_static(b"short"),
        ..response(2, seq)
    };
    tested.peer.handle_packet(tested.now, short);
    assert_eq!(tested.peer.counters().malformed, 1);
    // Flagged as a response, and of a type that has none.
    let other = GatewayPacket {
        kind: PacketType(4),
        ..response(2, seq)
    };
    tested.peer.handle_packet(tested.now, other);
    assert_eq!(tested.events(), []);
    assert_eq!(tested.peer.in_flight(), 1);
}

/// Nodes answer by their own router tables, so an answer may arrive over another connection.
#[test]
fn an_answer_may_come_over_another_connection() {
    let seqs = PacketSeqs::starting_at(2, [1; 32]);
    let config = GatewayConfig::new(node(1), seqs);
    let mut asking = Tested::ready_with(config.clone(), 1);
    let mut other = Tested::ready_with(config, 1);
    asking.table(1, vec![entry(3, 1)]);
    asking.events();
    let seq = asking.unicast(3, 1).unwrap();
    other.peer.handle_packet(other.now, response(3, seq));
    let Some(GatewayEvent::StrayAnswer(answer)) = other.events().pop() else {
        panic!("no stray answer");
    };
    assert_eq!(other.peer.take_answer(answer.clone()), Err(answer.clone()));
    assert_eq!(asking.peer.take_answer(answer.clone()), Ok(()));
    assert_eq!(asking.events(), [answered(1)]);
    assert_eq!(asking.peer.take_answer(answer.clone()), Err(answer));
    // The two connections never use the same number.
    let third = other.unicast(2, 2).unwrap();
    assert_ne!(third, seq);
}

#[test]
fn a_cancelled_unicast_has_no_outcome() {
    let mut tested = Tested::ready(1);
    let seq = tested.unicast(2, 1).unwrap();
    assert_eq!(tested.peer.cancel(seq), Some(1));
    assert_eq!(tested.peer.cancel(seq), None);
    tested.pass(PATIENCE);
    assert_eq!(tested.events(), []);
}

#[test]
fn a_unicast_waits_on_when_its_node_is_gone() {
    let mut tested = Tested::ready(1);
    tested.table(1, vec![entry(3, 1)]);
    let seq = tested.unicast(3, 1).unwrap();
    tested.table(2, vec![]);
    tested.events();
    tested.peer.handle_packet(tested.now, response(3, seq));
    assert_eq!(tested.events(), [answered(1)]);
}

#[test]
fn nothing_is_sent_to_nodes_that_are_not_reachable() {
    let mut tested = Tested::ready(1);
    let id = id(9);
    let unreachable = GatewaySendError::Unreachable { id };
    assert_eq!(tested.unicast(9, 1), Err(unreachable));
    let refused = tested.peer.multicast(tested.now, id, BODY);
    assert_eq!(refused, Err(unreachable));
    assert_eq!(tested.sent(), []);
}

#[test]
fn a_unicast_needs_a_handshake_and_a_multicast_does_not() {
    let mut tested = Tested::new(config(1));
    tested.sent();
    assert_eq!(tested.unicast(2, 1), Err(GatewaySendError::NoAnswers));
    tested.peer.multicast(tested.now, id(2), BODY).unwrap();
    let sent = tested.sent();
    assert_eq!(sent[0].version, 0);
    assert_eq!(sent[0].route, PacketRoute::default());
}

#[test]
fn bodies_are_sent_without_a_copy() {
    let mut tested = Tested::ready(3);
    let body = Bytes::from(vec![7; 100_000]);
    tested
        .peer
        .multicast(tested.now, id(2), body.clone())
        .unwrap();
    let packet = tested.peer.poll_packet(tested.now).unwrap();
    assert_eq!(packet.tail.as_ptr(), body.as_ptr());
    assert_eq!(packet.packet.payload, &[0, 0, 0, 5, 0, 0][..]);
}

/// Every node sees the numbers of the packets that announce topics.
#[test]
fn the_numbers_of_unicasts_do_not_follow_from_those_of_other_packets() {
    let mut tested = Tested::ready(1);
    for token in 0..100 {
        tested.peer.multicast(tested.now, id(2), BODY).unwrap();
        let shown = tested.sent()[0].seq;
        let seq = tested.unicast(2, token).unwrap();
        assert_eq!(tested.sent()[0].seq, seq);
        assert!(seq.abs_diff(shown) > 1000, "{seq} after {shown}");
    }
}
