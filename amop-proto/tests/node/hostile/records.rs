//! Records that are forged, old, or of nodes that are refused.

use std::sync::Arc;

use amop_proto::{
    channel::result_code,
    node::{Checker, NodeEvent, PeerCloseReason, RecordsFault},
    p2p::mesh::{self, Record, SharedSecret, Subject, packet},
};

use super::{
    FAR, LIAR, TOPIC, counters, distance, forged, once, topics_at, topics_of_bytes, with_liar,
    with_limits, without_chain,
};
use crate::support::{
    EPOCH, Net, change, config, hello, node_id, read_records, records, signed_records, state, stub,
    topics_of, unicast,
};

#[test]
fn a_forged_record_changes_nothing_and_costs_the_connection() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    assert_eq!(distance(&net, FAR), Some(2));
    let good = net.overlay_peer(0, 7, &[(TOPIC, 1)]);
    // It comes with a genuine record, which is not accepted either.
    let lie = forged(&state(7, 1 << 40, &[], &[]), LIAR);
    let truth = forged(&state(LIAR, 600, &[0], &[("new", 1)]), LIAR);
    net.peer_send(liar, signed_records(9, &[truth, lie]));
    let fault = RecordsFault::Forged(node_id(7));
    assert_eq!(
        net.link(liar).closed,
        Some(PeerCloseReason::BadRecords(fault))
    );
    assert_eq!(topics_of(&net, good), [TOPIC]);
    assert_eq!(counters(&net).records_refused, 1);
    // A change is refused like a whole record.
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let lie = forged(&change(FAR, 501, 500, &[(TOPIC, 0)]), LIAR);
    net.peer_send(liar, signed_records(9, &[lie]));
    assert!(net.link(liar).closed.is_some());
}

#[test]
fn no_version_is_so_high_that_a_node_that_starts_again_is_not_believed() {
    const YEAR: u64 = 365 * 24 * 3600 * 1_000_000;
    let mut net = Net::new(2);
    let liar = net.overlay_peer(0, LIAR, &[]);
    // An attacker who had the node's key for a moment states as much as possible.
    for version in [
        mesh::MAX_VERSION,
        EPOCH + YEAR + 1_000_000,
        EPOCH + YEAR / 2,
    ] {
        net.peer_send(liar, records(9, &[state(1, version, &[], &[("gone", 1)])]));
    }
    net.connect(0, 1);
    let subscriber = net.subscriber(1, &[TOPIC]);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(subscriber), unicast(1, TOPIC, ""));
    assert_eq!(topics_at(&net, 1), 1);
    // The same after it starts again with a clock that stands still.
    net.restart(1, config(1));
    net.connect(0, 1);
    let subscriber = net.subscriber(1, &[TOPIC]);
    net.send(publisher, unicast(2, TOPIC, ""));
    assert_eq!(net.only(subscriber), unicast(2, TOPIC, ""));
}

#[test]
fn an_old_record_does_not_come_back() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    net.peer_send(liar, records(3, &[state(FAR, 501, &[LIAR], &[])]));
    net.peer_send(liar, records(4, &[state(FAR, 500, &[LIAR], &[(TOPIC, 1)])]));
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
    // The same after the node was unreachable and is forgotten.
    net.peer_send(liar, records(5, &[state(LIAR, 501, &[0], &[])]));
    for _ in 0..70 {
        net.peer_send(liar, hello());
        net.secs(1);
    }
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 1);
    net.peer_send(liar, records(6, &[state(FAR, 500, &[LIAR], &[(TOPIC, 1)])]));
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 1);
}

#[test]
fn a_node_that_is_dead_and_repeated_is_forgotten() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let mut version = 500;
    for minute in 0..12 {
        for _ in 0..60 {
            net.peer_send(liar, hello());
            net.secs(1);
        }
        // The liar states itself again, and that the dead node is its neighbour.
        version += 1;
        let own = change(LIAR, version, version - 1, &[]);
        let dead = state(FAR, 500, &[LIAR], &[(TOPIC, 1)]);
        net.peer_send(liar, records(9, &[own, dead]));
        let expected = if minute < 7 { Some(2) } else { None };
        assert_eq!(distance(&net, FAR), expected, "minute {minute}");
    }
}

#[test]
fn a_node_does_not_go_on_from_a_version_of_its_own_that_nobody_would_take() {
    const YEAR: u64 = 365 * 24 * 3600 * 1_000_000;
    let (mut net, liar) = with_liar(&[]);
    net.peer_inbox(liar);
    let stated = |net: &mut Net, topic: &str| {
        net.subscriber(0, &[topic]);
        let frames = net.peer_inbox(liar);
        let told = frames
            .iter()
            .filter(|frame| frame.packet == packet::RECORDS);
        let records: Vec<Record> = told.flat_map(read_records).collect();
        records.last().unwrap().version
    };
    net.peer_send(liar, records(9, &[state(0, EPOCH + YEAR / 2, &[], &[])]));
    assert!(stated(&mut net, "a") > EPOCH + YEAR / 2);
    for version in [EPOCH + 2 * YEAR, mesh::MAX_VERSION] {
        net.peer_send(liar, records(9, &[state(0, version, &[], &[])]));
        assert!(stated(&mut net, &format!("b {version}")) < EPOCH + YEAR);
    }
}

#[test]
fn a_node_that_is_no_longer_believed_is_forgotten_and_its_neighbour_is_not_to_blame() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let lists = SharedSecret::new(node_id(0));
    lists.refuse(node_id(FAR));
    net.nodes[0].checker = Checker::new(Arc::new(lists), 1000);
    let router = net.nodes[0].machine.router();
    let chains: Vec<_> = router
        .chains()
        .map(|(node, chain)| (node, chain.to_vec()))
        .collect();
    let refused = net.nodes[0].checker.disbelieved(chains);
    assert_eq!(refused, [Subject::Node(node_id(FAR))]);
    net.event(0, NodeEvent::Disbelieve(refused));
    assert_eq!(distance(&net, FAR), None);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
    net.peer_inbox(liar);
    let mine = state(LIAR, 600, &[0, FAR], &[("mine", 1)]);
    net.peer_send(liar, records(9, &[state(FAR, 600, &[LIAR], &[]), mine]));
    assert!(net.is_up(liar));
    assert_eq!(
        (distance(&net, FAR), topics_of(&net, liar)),
        (None, vec!["mine".into()])
    );
}

/// A FISCO node has no certificates that other nodes see, so only the lists decide.
#[test]
fn a_fisco_node_behind_somebody_else_is_forgotten_once_lists_refuse_it() {
    const FISCO: usize = 8;
    const OTHER: usize = 9;
    let (mut net, liar) = with_liar(&[]);
    let stubs = |version| {
        [(FISCO, TOPIC), (OTHER, "other")].map(|(n, topic)| stub(n, LIAR, version, &[(topic, 1)]))
    };
    net.peer_send(liar, records(3, &stubs(500)));
    let known_stub = |n: usize| Subject::Stub {
        fisco: node_id(n),
        border: node_id(LIAR),
    };
    let subscribers = |net: &Net| {
        let router = net.nodes[0].machine.router();
        [FISCO, OTHER].map(|n| router.chains().any(|(node, _)| node == known_stub(n)))
    };
    assert_eq!(subscribers(&net), [true, true]);

    let lists = SharedSecret::new(node_id(0));
    lists.refuse(node_id(FISCO));
    net.nodes[0].checker = Checker::new(Arc::new(lists), 1000);
    let router = net.nodes[0].machine.router();
    let known = router.chains();
    let known: Vec<_> = known.map(|(node, chain)| (node, chain.to_vec())).collect();
    let refused = net.nodes[0].checker.disbelieved(known);
    assert_eq!(refused, [known_stub(FISCO)]);
    net.event(0, NodeEvent::Disbelieve(refused));
    assert_eq!(subscribers(&net), [false, true]);
    // Its border node continues to announce it, and is not at fault.
    net.peer_send(liar, records(4, &stubs(600)));
    assert_eq!(subscribers(&net), [false, true]);
    assert!(net.is_up(liar));
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
}

#[test]
fn a_neighbour_is_told_that_its_record_is_taken_when_it_is() {
    let mut net = with_limits(|config| config.limits.record_bytes = 20_000);
    let peer = net.overlay_peer(0, 7, &[]);
    net.peer_inbox(peer);
    let takes = |net: &mut Net| {
        let told = net.peer_inbox(peer).into_iter();
        let taken = told.filter(|frame| frame.packet == packet::TAKEN);
        taken.map(|frame| frame.seq).collect::<Vec<u32>>()
    };
    let long = topics_of_bytes("long", 30_000);
    net.peer_send(peer, records(7, &[state(7, 1 << 40, &[0], &once(&long))]));
    // A later record about another node does not acknowledge it either.
    net.peer_send(peer, records(8, &[state(FAR, 500, &[7], &[])]));
    assert_eq!(takes(&mut net), Vec::<u32>::new());
    net.peer_send(peer, records(9, &[state(7, (1 << 40) + 1, &[0], &[])]));
    assert_eq!(takes(&mut net), [9]);
}

#[test]
fn old_certificates_of_a_node_do_not_take_it_away() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let old = without_chain(state(FAR, 499, &[LIAR], &[]));
    net.peer_send(liar, records(9, &[old]));
    assert_eq!((distance(&net, FAR), topics_at(&net, FAR)), (Some(2), 1));
    assert_eq!(counters(&net).records_refused, 1);
    // A newer version counts, and a version that is newer still is requested.
    let newer = without_chain(state(FAR, 600, &[LIAR], &[]));
    net.peer_send(liar, records(9, &[newer]));
    assert_eq!(distance(&net, FAR), None);
    net.peer_inbox(liar);
    let asks = |net: &mut Net| {
        let told = net.peer_inbox(liar).into_iter();
        told.filter(|frame| frame.packet == packet::ASK).count()
    };
    net.peer_send(liar, records(9, &[change(FAR, 600, 599, &[])]));
    assert_eq!(asks(&mut net), 0);
    net.secs(2);
    net.peer_send(liar, hello());
    net.secs(2);
    net.peer_send(liar, hello());
    net.secs(2);
    for version in 701..750 {
        net.peer_send(liar, records(9, &[change(FAR, version, version - 1, &[])]));
    }
    assert_eq!(asks(&mut net), 1);
    net.peer_send(liar, records(9, &[state(FAR, 750, &[LIAR], &[])]));
    assert_eq!(distance(&net, FAR), Some(2));
}

#[test]
fn a_neighbour_with_certificates_of_its_own_that_are_not_believed_is_closed() {
    let (mut net, liar) = with_liar(&[]);
    net.peer_send(
        liar,
        records(9, &[without_chain(state(LIAR, 501, &[0], &[]))]),
    );
    let fault = RecordsFault::Unbelieved(node_id(LIAR));
    assert_eq!(
        net.link(liar).closed,
        Some(PeerCloseReason::BadRecords(fault))
    );
}

#[test]
fn what_somebody_kept_of_a_node_that_is_long_gone_does_not_bring_it_back() {
    const HOUR: u64 = 3600 * 1_000_000;
    let now = 1000 * 24 * HOUR;
    let mut net = with_limits(|config| config.epoch = now);
    // A neighbour counts, whatever its clock says.
    let liar = net.overlay_peer(0, LIAR, &[]);
    let old = [
        state(LIAR, 500, &[0, FAR, 7], &[]),
        state(FAR, now - 25 * HOUR, &[LIAR], &[(TOPIC, 1)]),
        state(7, now - 23 * HOUR, &[LIAR], &[]),
    ];
    net.peer_send(liar, records(9, &old));
    let near = [LIAR, FAR, 7].map(|n| distance(&net, n));
    assert_eq!(near, [Some(1), None, Some(2)]);
}
