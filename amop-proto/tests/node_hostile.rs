//! What one node that lies can do to others: nothing of this.
#![forbid(unsafe_code)]

mod node_support;

use std::{sync::Arc, time::Duration};

use amop_proto::{
    channel::{Frame, FrameType, code},
    node::{Checker, Event, Limits, NodeConfig, Notice, PeerCloseReason, RecordsFault},
    p2p::mesh::{self, Envelope, NodeKey, Record, SharedSecret, Spread, Subject, packet},
};
use node_support::{
    EPOCH, Link, Net, change, config, enveloped, error, extension, hello, key, known, multicast,
    node_id, read_records, records, relayed, relayed_envelope, relayed_multicast, reply,
    signed_records, state, stub, topics_of, unicast,
};

const TOPIC: &str = "hello";

/// The true node that is two links away, by way of the liar.
const FAR: usize = 6;
/// The neighbour that lies.
const LIAR: usize = 5;

/// A node, a neighbour of it that the test plays, and a node behind that one.
fn with_liar(topics: &[(&str, u32)]) -> (Net, Link) {
    let mut net = Net::new(1);
    let liar = net.ours(0, LIAR, &[]);
    net.peer_send(liar, records(1, &[state(LIAR, 500, &[0, FAR], &[])]));
    net.peer_send(liar, records(2, &[state(FAR, 500, &[LIAR], topics)]));
    net.peer_inbox(liar);
    (net, liar)
}

fn counters(net: &Net) -> amop_proto::node::Counters {
    net.nodes[0].machine.router().counters()
}

fn distance(net: &Net, to: usize) -> Option<u32> {
    net.nodes[0].machine.router().distance(&node_id(to))
}

/// How many topics the node knows another to have.
fn topics_at(net: &Net, node: usize) -> usize {
    let router = net.nodes[0].machine.router();
    router.node_topics(&node_id(node)).count()
}

/// A record that somebody else than its node has signed.
fn forged(record: &Record, by: usize) -> mesh::SignedRecord {
    record
        .clone()
        .sign(&SharedSecret::new(node_id(by)))
        .unwrap()
}

#[test]
fn a_forged_record_changes_nothing_and_costs_the_connection() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    assert_eq!(distance(&net, FAR), Some(2));
    let good = net.ours(0, 7, &[(TOPIC, 1)]);
    // Together with a true one, of which nothing is taken either.
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
    // A change is no better than a whole record.
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let lie = forged(&change(FAR, 501, 500, &[(TOPIC, 0)]), LIAR);
    net.peer_send(liar, signed_records(9, &[lie]));
    assert!(net.link(liar).closed.is_some());
}

#[test]
fn no_version_is_so_high_that_a_node_that_starts_again_is_not_believed() {
    const YEAR: u64 = 365 * 24 * 3600 * 1_000_000;
    let mut net = Net::new(2);
    let liar = net.ours(0, LIAR, &[]);
    // Somebody who had the node's key for a moment states as much as he can.
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
    // And so after it starts again with a clock that stands still.
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
    assert_eq!(net.only(publisher).result, code::NO_SUBSCRIBER);
    // Nor once the node has been out of reach and is forgotten.
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
        // The liar states itself anew and that the dead node is its neighbour.
        version += 1;
        let own = change(LIAR, version, version - 1, &[]);
        let dead = state(FAR, 500, &[LIAR], &[(TOPIC, 1)]);
        net.peer_send(liar, records(9, &[own, dead]));
        let expected = if minute < 7 { Some(2) } else { None };
        assert_eq!(distance(&net, FAR), expected, "minute {minute}");
    }
}

#[test]
fn what_a_neighbour_sends_in_the_name_of_others_is_not_taken() {
    let (mut net, liar) = with_liar(&[]);
    let subscriber = net.subscriber(0, &[TOPIC]);
    net.peer_inbox(liar);
    let envelope = Envelope {
        source: key(FAR),
        target: key(0),
        id: 7,
    };
    let request = unicast(1, TOPIC, "");
    net.peer_send(
        liar,
        extension(packet::UNICAST, 32, envelope.seal(&request)),
    );
    let spread = Spread {
        source: key(FAR),
        id: 7,
        targets: Vec::new(),
    };
    let message = multicast(2, TOPIC, "");
    net.peer_send(
        liar,
        extension(packet::MULTICAST, 32, spread.seal(&message)),
    );
    // Sealed with the liar's own key, or with none.
    let names = (LIAR, FAR, 0);
    let forged = relayed_multicast(names, (7, 1 << 30), &message);
    net.peer_send(liar, forged);
    let true_one = relayed(packet::RELAYED_UNICAST, (FAR, 0), (7, 1 << 30), &request);
    let mut altered = true_one.body.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    net.peer_send(liar, extension(packet::RELAYED_UNICAST, 32, altered));
    net.nothing(subscriber);
    assert_eq!(counters(&net).unproven, 4);
    // None of it has used anything up.
    net.peer_send(liar, true_one.clone());
    assert_eq!(net.only(subscriber), request);
    let spread = relayed_multicast((FAR, FAR, 0), (7, (1 << 30) + 1), &message);
    net.peer_send(liar, spread.clone());
    assert_eq!(net.only(subscriber), message);
    // And it comes once, however often it is repeated and however late.
    for seconds in [0, 200] {
        for _ in 0..seconds {
            net.peer_send(liar, hello());
            net.secs(1);
        }
        net.peer_send(liar, true_one.clone());
        net.peer_send(liar, spread.clone());
        net.nothing(subscriber);
    }
}

#[test]
fn no_counter_is_so_high_that_it_stops_the_node_or_uses_others_up() {
    let (mut net, liar) = with_liar(&[]);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let request = unicast(1, TOPIC, "");
    let message = multicast(2, TOPIC, "");
    let two_years = 2 * 365 * 24 * 3600 * 1_000_000;
    let high = [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 62, 2 * two_years];
    for (n, counter) in high.into_iter().enumerate() {
        let id = 100 + n as u64;
        let sealed = relayed(packet::RELAYED_UNICAST, (FAR, 0), (id, counter), &request);
        net.peer_send(liar, sealed);
        let sealed = relayed_multicast((FAR, FAR, 0), (id, counter - 1), &message);
        net.peer_send(liar, sealed);
    }
    net.nothing(subscriber);
    assert_eq!(counters(&net).unproven, 10);
    let sealed = relayed(packet::RELAYED_UNICAST, (FAR, 0), (7, 1 << 30), &request);
    net.peer_send(liar, sealed);
    assert_eq!(net.only(subscriber), request);
}

#[test]
fn what_a_relay_kept_is_not_taken_again_when_its_source_was_forgotten_meanwhile() {
    let (mut net, liar) = with_liar(&[]);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let kept = [
        relayed(
            packet::RELAYED_UNICAST,
            (FAR, 0),
            (7, 1 << 30),
            &unicast(1, TOPIC, ""),
        ),
        relayed_multicast((FAR, FAR, 0), (8, (1 << 30) + 1), &multicast(2, TOPIC, "")),
    ];
    for message in &kept {
        net.peer_send(liar, message.clone());
        assert_eq!(net.inbox(subscriber).len(), 1);
    }
    net.peer_send(liar, records(5, &[state(LIAR, 501, &[0], &[])]));
    for _ in 0..130 {
        net.peer_send(liar, hello());
        net.secs(1);
    }
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 1);
    let back = [
        state(LIAR, 502, &[0, FAR], &[]),
        state(FAR, 500, &[LIAR], &[]),
    ];
    net.peer_send(liar, records(6, &back));
    assert_eq!(distance(&net, FAR), Some(2));
    for message in kept {
        net.peer_send(liar, message);
        net.nothing(subscriber);
    }
}

#[test]
fn messages_for_invented_nodes_are_counted_and_leave_nothing_behind() {
    let (mut net, liar) = with_liar(&[]);
    let before = format!("{:?}", net.nodes[0].machine.router()).len();
    for n in 20..250 {
        let request = unicast(1, TOPIC, "");
        let names = (FAR, n);
        net.peer_send(
            liar,
            relayed(packet::RELAYED_UNICAST, names, (7, 9), &request),
        );
        let message = multicast(2, TOPIC, "");
        let names = (FAR, FAR, n);
        net.peer_send(liar, relayed_multicast(names, (7, 9), &message));
    }
    assert_eq!(counters(&net).undeliverable, 2 * 230);
    let after = format!("{:?}", net.nodes[0].machine.router()).len();
    assert!(after < before + 1000, "{before} to {after} bytes of state");
    let misbehaves = |notice: &Notice| matches!(notice, Notice::PeerMisbehaves { .. });
    assert!(net.notices(0).iter().any(misbehaves));
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
fn a_sealed_message_is_for_one_target_one_way() {
    let (mut net, liar) = with_liar(&[]);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let request = unicast(1, TOPIC, "");
    // What was for another node, or an answer, is no question to this one.
    let for_other = relayed(packet::RELAYED_UNICAST, (FAR, 7), (7, 1 << 30), &request);
    let mut body = for_other.body.to_vec();
    body[8..16].copy_from_slice(&key(0).0.to_be_bytes());
    net.peer_send(liar, extension(packet::RELAYED_UNICAST, 32, body));
    let answer = relayed(packet::RELAYED_ANSWER, (FAR, 0), (7, 1 << 30), &request);
    net.peer_send(liar, extension(packet::RELAYED_UNICAST, 32, answer.body));
    net.nothing(subscriber);
    assert_eq!(counters(&net).unproven, 2);
}

#[test]
fn an_answer_is_taken_from_the_node_that_was_asked() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let other = net.ours(0, 7, &[]);
    let publisher = net.sdk(0);
    net.peer_inbox(liar);
    net.send(publisher, unicast(1, TOPIC, ""));
    let asked = net.peer_only(liar);
    let (envelope, request) = relayed_envelope(&asked, packet::RELAYED_UNICAST);
    assert_eq!(envelope.target, key(FAR));
    let id = envelope.id;
    let lie = reply(&request, "a lie");
    for (link, source) in [(liar, FAR), (liar, LIAR), (other, 7), (other, FAR)] {
        let envelope = Envelope {
            source: key(source),
            target: key(0),
            id,
        };
        net.peer_send(link, extension(packet::ANSWER, 32, envelope.seal(&lie)));
    }
    let sealed = relayed(packet::RELAYED_ANSWER, (7, 0), (id, 1 << 30), &lie);
    net.peer_send(other, sealed);
    net.nothing(publisher);
    let truth = reply(&request, "the truth");
    let sealed = relayed(packet::RELAYED_ANSWER, (FAR, 0), (id, 1 << 30), &truth);
    net.peer_send(liar, sealed);
    assert_eq!(net.only(publisher), truth);
}

#[test]
fn a_fisco_node_is_a_destination_of_its_border_and_nothing_else() {
    let (mut net, liar) = with_liar(&[]);
    let real = 9;
    let stubs = [stub(real, LIAR, 1, &[("real", 1)])];
    net.peer_send(liar, records(3, &stubs));
    let stub_key = NodeKey::stub(&node_id(real), &node_id(LIAR));
    let own = Record {
        neighbours: Some(vec![key(0), key(FAR), stub_key]),
        ..change(LIAR, 501, 500, &[])
    };
    net.peer_send(liar, records(4, &[own]));
    net.peer_inbox(liar);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, "real", ""));
    // One link away, so it needs no seal.
    let (envelope, _) = enveloped(&net.peer_only(liar), packet::UNICAST);
    assert_eq!(envelope.target, stub_key);
    // It speaks for that node, but not for another.
    let subscriber = net.subscriber(0, &[TOPIC]);
    let message = multicast(2, TOPIC, "");
    let from = |source: usize, id| {
        let spread = Spread {
            source: key(source),
            id,
            targets: Vec::new(),
        };
        extension(packet::MULTICAST, 32, spread.seal(&message))
    };
    net.peer_send(liar, from(real, 1 << 63));
    assert_eq!(net.only(subscriber), message);
    net.peer_send(liar, from(8, 1 << 63 | 1));
    let far = relayed_multicast((FAR, real, 0), (1 << 63 | 2, 1 << 30), &message);
    net.peer_send(liar, far);
    net.nothing(subscriber);
    // A border that somebody else signs for is none.
    let lie = forged(&stub(8, FAR, 1, &[("lie", 1)]), LIAR);
    net.peer_send(liar, signed_records(5, &[lie]));
    assert!(net.link(liar).closed.is_some());
}

#[test]
fn invented_fisco_nodes_are_few_and_a_claim_counts_only_so_much() {
    let (mut net, liar) = with_liar(&[]);
    let honest = net.subscriber(0, &[TOPIC]);
    let stubs: Vec<Record> = (100..250)
        .map(|n| stub(n, LIAR, 1, &[(TOPIC, 1_000_000)]))
        .collect();
    let keys = (100..250).map(|n| NodeKey::stub(&node_id(n), &node_id(LIAR)));
    let own = Record {
        neighbours: Some(keys.chain([key(0)]).collect()),
        ..change(LIAR, 501, 500, &[(TOPIC, 1_000_000)])
    };
    net.peer_send(liar, records(3, &stubs));
    net.peer_send(liar, records(4, &[own]));
    let limits = Limits::default();
    // The liar, what it invented, and the node that it took its link from.
    let router = net.nodes[0].machine.router();
    assert!(router.known_nodes() <= limits.stubs + 2);
    assert!(counters(&net).claims_capped > 0 && counters(&net).over_budget > 0);
    let publisher = net.sdk(0);
    let (mut here, tries) = (0, 2000);
    for n in 0..tries {
        net.send(publisher, unicast(n, TOPIC, ""));
        here += net.inbox(honest).len();
    }
    // One in 1 + 16 + 16 at the very worst: each stub counts once.
    assert!(here as u64 > tries / 33 / 2, "{here} of {tries}");
}

fn with_limits(set: impl FnOnce(&mut NodeConfig)) -> Net {
    let mut config = config(0);
    set(&mut config);
    Net::with([config])
}

#[test]
fn what_a_neighbour_makes_a_node_hold_is_bounded_and_others_get_their_share() {
    const MAX: usize = 400_000;
    let mut net = with_limits(|config| config.limits.records_bytes = MAX);
    let flood = net.ours(0, LIAR, &[]);
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
    let honest = net.ours(0, 7, &[(TOPIC, 1)]);
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
    let peer = net.ours(0, LIAR, &[]);
    let publisher = net.sdk(0);
    let topics: Vec<String> = (0..50_000).map(|n| format!("topic {n}")).collect();
    let many: Vec<(&str, u32)> = topics.iter().map(|topic| (&topic[..], 1)).collect();
    let whole = records(9, &[state(LIAR, 1 << 40, &[0], &many)]);
    net.peer_send(peer, whole);
    let held = |net: &Net| topics_at(net, LIAR);
    assert!(held(&net) < 5_000, "{} at once", held(&net));
    // Messages get their turn.
    let subscriber = net.subscriber(0, &[TOPIC]);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(subscriber), unicast(1, TOPIC, ""));
    net.send(subscriber, reply(&unicast(1, TOPIC, ""), ""));
    net.advance(Duration::from_secs(1));
    assert_eq!(held(&net), 50_000);
    net.inbox(publisher);
    net.send(publisher, unicast(2, "topic 49999", ""));
    net.nothing(publisher);
    // So is its end.
    net.peer_send(peer, hello());
    net.peer_send(peer, records(10, &[state(LIAR, (1 << 40) + 1, &[0], &[])]));
    assert!(held(&net) > 40_000);
    net.advance(Duration::from_secs(1));
    assert_eq!(held(&net), 0);
    net.send(publisher, unicast(3, "topic 7", ""));
    let refused = error(3, code::NO_SUBSCRIBER, "");
    assert!(net.inbox(publisher).contains(&refused));
}

fn heartbeat(net: &mut Net, sdk: node_support::Sdk) -> bool {
    net.send_body(sdk, FrameType::HEARTBEAT, b"0");
    answered(net, sdk)
}

fn answered(net: &mut Net, sdk: node_support::Sdk) -> bool {
    let is = |frame: &Frame| frame.kind == FrameType::HEARTBEAT;
    net.inbox(sdk).iter().any(is)
}

#[test]
fn a_mute_peer_delays_a_subscription_once_and_not_again() {
    let mut net = Net::new(1);
    let mute = net.ours(0, LIAR, &[]);
    let sdk = net.subscriber(0, &["first"]);
    assert!(!heartbeat(&mut net, sdk));
    net.secs(1);
    assert!(answered(&mut net, sdk));
    for topic in ["second", "third"] {
        net.subscribe(sdk, &[topic]);
        assert!(heartbeat(&mut net, sdk), "{topic}");
    }
    // Nor when it comes again, whatever it says.
    net.cut(mute);
    let again = net.raw_peer(0, node_id(LIAR), false);
    net.subscribe(sdk, &["fourth"]);
    assert!(heartbeat(&mut net, sdk));
    net.peer_send(again, hello());
    net.subscribe(sdk, &["fifth"]);
    assert!(heartbeat(&mut net, sdk));
}

#[test]
fn questions_are_answered_so_often() {
    let (mut net, liar) = with_liar(&[]);
    net.subscriber(0, &[TOPIC]);
    net.peer_inbox(liar);
    let mut answers = 0;
    for _ in 0..100 {
        net.peer_send(liar, known(&[]));
        answers += net.peer_inbox(liar).len();
    }
    assert!(answers <= 4, "{answers}");
    assert!(counters(&net).questions_refused > 90);
    net.secs(2);
    net.peer_send(liar, hello());
    net.secs(2);
    net.peer_inbox(liar);
    net.peer_send(liar, known(&[]));
    assert_eq!(net.peer_inbox(liar).len(), 1);
}

#[test]
fn a_storm_of_changes_is_few_statements() {
    let mut net = Net::new(1);
    let peer = net.ours(0, 7, &[]);
    let sdk = net.sdk(0);
    net.peer_inbox(peer);
    let mut statements = 0;
    for n in 0..1000 {
        let topic = format!("topic {}", n % 2);
        net.subscribe(sdk, &[&topic]);
        net.advance(Duration::from_millis(1));
        statements += net.peer_inbox(peer).len();
        net.peer_send(peer, hello());
    }
    assert!((20..=60).contains(&statements), "{statements}");
}

#[test]
fn a_node_that_states_too_much_is_believed_when_it_has_calmed_down() {
    let (mut net, liar) = with_liar(&[]);
    for version in 501..3000 {
        let counts = [("a", (version % 2) as u32)];
        net.peer_send(
            liar,
            records(9, &[change(FAR, version, version - 1, &counts)]),
        );
    }
    assert!(counters(&net).statements_late > 0);
    assert!(topics_at(&net, FAR) <= 1);
    for _ in 0..10 {
        net.peer_send(liar, hello());
        net.secs(1);
    }
    // It asks what it has missed.
    let told = net.peer_inbox(liar);
    assert!(told.iter().any(|frame| frame.packet == packet::KNOWN));
    net.peer_send(
        liar,
        records(9, &[state(FAR, 4000, &[LIAR], &[(TOPIC, 1)])]),
    );
    assert_eq!(topics_at(&net, FAR), 1);
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
    net.event(0, Event::Disbelieve(refused));
    assert_eq!(distance(&net, FAR), None);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(publisher).result, code::NO_SUBSCRIBER);
    net.peer_inbox(liar);
    let mine = state(LIAR, 600, &[0, FAR], &[("mine", 1)]);
    net.peer_send(liar, records(9, &[state(FAR, 600, &[LIAR], &[]), mine]));
    assert!(net.is_up(liar));
    assert_eq!(
        (distance(&net, FAR), topics_of(&net, liar)),
        (None, vec!["mine".into()])
    );
}

/// A FISCO node has no certificates that others see: the lists are what decides.
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
    net.event(0, Event::Disbelieve(refused));
    assert_eq!(subscribers(&net), [false, true]);
    // Its border goes on telling of it, and is not to blame.
    net.peer_send(liar, records(4, &stubs(600)));
    assert_eq!(subscribers(&net), [false, true]);
    assert!(net.is_up(liar));
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(publisher).result, code::NO_SUBSCRIBER);
}

/// Topics enough to make a record of about so many bytes in memory.
fn topics_of_bytes(name: &str, bytes: usize) -> Vec<String> {
    let one = format!("{name} 0000");
    let count = bytes / (2 * one.len() + 5 + 128);
    (0..count).map(|n| format!("{name} {n:04}")).collect()
}

fn once(topics: &[String]) -> Vec<(&str, u32)> {
    topics.iter().map(|topic| (&topic[..], 1)).collect()
}

#[test]
fn links_that_come_and_go_are_priced_by_what_they_show_and_hide() {
    let mut net = with_limits(|config| config.limits.peer_topics = 2000);
    let liar = net.ours(0, LIAR, &[]);
    let topics: Vec<String> = (0..2000).map(|n| format!("topic {n}")).collect();
    let mut version = 500;
    let whole = state(LIAR, version, &[0], &once(&topics));
    net.peer_send(liar, records(9, &[whole]));
    net.secs(1);
    let toggle = |net: &mut Net, version: u64| {
        let linked = version.is_multiple_of(2);
        let neighbours = if linked { vec![key(0)] } else { Vec::new() };
        let toggled = Record {
            neighbours: Some(neighbours),
            ..change(LIAR, version, version - 1, &[])
        };
        net.peer_send(liar, records(9, &[toggled]));
        distance(net, LIAR).is_some() == linked
    };
    let mut toggles = 0;
    for _ in 0..60 {
        version += 1;
        if !toggle(&mut net, version) {
            break;
        }
        toggles += 1;
    }
    // 158 statements at once, and 16 for each of these.
    assert!((4..=12).contains(&toggles), "{toggles}");
    assert!(counters(&net).statements_late > 0);
    // Others do not pay for it, and it is believed when it has calmed down.
    let honest = net.ours(0, 7, &[(TOPIC, 1)]);
    assert_eq!(topics_of(&net, honest), [TOPIC]);
    for _ in 0..10 {
        net.peer_send(liar, hello());
        net.peer_send(honest, hello());
        net.secs(1);
    }
    net.peer_send(liar, records(9, &[state(LIAR, 900, &[0], &[])]));
    assert_eq!(distance(&net, LIAR), Some(1));
}

#[test]
fn who_lets_a_node_behind_it_come_and_go_pays_for_that_one() {
    let mut net = with_limits(|config| config.limits.peer_topics = 2000);
    let liar = net.ours(0, LIAR, &[]);
    let topics: Vec<String> = (0..2000).map(|n| format!("topic {n}")).collect();
    let chain = [
        state(LIAR, 500, &[0, 7], &[]),
        state(7, 500, &[LIAR, FAR], &[]),
        state(FAR, 500, &[7], &once(&topics)),
    ];
    net.peer_send(liar, records(9, &chain));
    net.secs(1);
    let mut toggles = 0;
    for version in 501..560 {
        let links: &[usize] = if version % 2 == 0 { &[0, 7] } else { &[0] };
        net.peer_send(liar, records(9, &[state(LIAR, version, links, &[])]));
        if distance(&net, FAR).is_some() != (links.len() == 2) {
            break;
        }
        toggles += 1;
    }
    assert!((4..=12).contains(&toggles), "{toggles}");
    // The node behind has not stated too much.
    let late = counters(&net).statements_late;
    net.peer_send(
        liar,
        records(9, &[change(FAR, 501, 500, &[("topic 7", 0)])]),
    );
    assert_eq!(counters(&net).statements_late, late);
}

#[test]
fn no_fisco_node_has_the_name_of_a_node_that_speaks_for_itself() {
    let mut net = Net::new(1);
    let liar = net.ours(0, LIAR, &[]);
    // Before the node comes, after it, and this very node.
    let stubs = [7, 8, 0].map(|n| stub(n, LIAR, 1, &[(TOPIC, 1)]));
    let names = [7, 8, 0].map(|n| NodeKey::stub(&node_id(n), &node_id(LIAR)));
    let own = Record {
        neighbours: Some(names.into_iter().chain([key(0)]).collect()),
        ..state(LIAR, 500, &[], &[])
    };
    net.peer_send(liar, records(3, &[own, stubs[0].clone()]));
    let seven = net.ours(0, 7, &[(TOPIC, 1)]);
    let eight = net.ours(0, 8, &[(TOPIC, 1)]);
    net.peer_send(liar, records(4, &stubs[1..]));
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 3);
    for link in [liar, seven, eight] {
        net.peer_inbox(link);
    }
    let publisher = net.sdk(0);
    net.send(publisher, multicast(1, TOPIC, ""));
    let copies = [liar, seven, eight].map(|link| net.peer_inbox(link).len());
    assert_eq!(copies, [0, 1, 1]);
    // Nor when it says so once more.
    net.peer_send(liar, records(5, &[stub(7, LIAR, 2, &[(TOPIC, 1)])]));
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 3);
}

#[test]
fn four_neighbours_with_all_they_can_state_leave_room_for_what_others_state() {
    const MAX: usize = 400_000;
    let mut net = with_limits(|config| {
        config.limits.records_bytes = MAX;
        config.limits.record_bytes = MAX / 4;
    });
    let long = topics_of_bytes("long", MAX / 4 - 8_000);
    let hogs: Vec<Link> = (20..24).map(|n| net.ours(0, n, &once(&long))).collect();
    net.secs(1);
    let held = |net: &Net| net.nodes[0].machine.router().records_bytes();
    assert!(held(&net) > MAX * 8 / 10, "{}", held(&net));
    let honest = net.ours(0, 7, &[]);
    let some = topics_of_bytes("some", 20_000);
    net.announce(honest, &once(&some));
    let far = state(8, 1 << 40, &[7], &once(&some));
    let near = state(7, 1 << 40, &[0, 8], &once(&some));
    net.peer_send(honest, records(9, &[near, far]));
    net.peer_send(
        honest,
        records(9, &[change(8, (1 << 40) + 1, 1 << 40, &[("new", 1)])]),
    );
    assert_eq!((distance(&net, 7), distance(&net, 8)), (Some(1), Some(2)));
    assert_eq!(topics_at(&net, 8), some.len() + 1);
    assert!(held(&net) <= MAX);
    // Those that gave way do not take it back.
    for (n, hog) in hogs.into_iter().enumerate() {
        let again = state(20 + n, 1 << 41, &[0], &once(&long));
        net.peer_send(hog, records(9, &[again]));
    }
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
    let relay = net.ours(0, 7, &[(TOPIC, 1)]);
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

#[test]
fn a_neighbour_is_told_that_its_record_is_taken_when_it_is() {
    let mut net = with_limits(|config| config.limits.record_bytes = 20_000);
    let peer = net.ours(0, 7, &[]);
    net.peer_inbox(peer);
    let takes = |net: &mut Net| {
        let told = net.peer_inbox(peer).into_iter();
        let taken = told.filter(|frame| frame.packet == packet::TAKEN);
        taken.map(|frame| frame.seq).collect::<Vec<u32>>()
    };
    let long = topics_of_bytes("long", 30_000);
    net.peer_send(peer, records(7, &[state(7, 1 << 40, &[0], &once(&long))]));
    // Nor does a later word on something else say so.
    net.peer_send(peer, records(8, &[state(FAR, 500, &[7], &[])]));
    assert_eq!(takes(&mut net), Vec::<u32>::new());
    net.peer_send(peer, records(9, &[state(7, (1 << 40) + 1, &[0], &[])]));
    assert_eq!(takes(&mut net), [9]);
}

/// A record with certificates that nobody believes.
fn without_chain(record: Record) -> Record {
    let whole = record.whole.map(|whole| mesh::Whole {
        chain: Vec::new(),
        ..whole
    });
    Record { whole, ..record }
}

#[test]
fn old_certificates_of_a_node_do_not_take_it_away() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let old = without_chain(state(FAR, 499, &[LIAR], &[]));
    net.peer_send(liar, records(9, &[old]));
    assert_eq!((distance(&net, FAR), topics_at(&net, FAR)), (Some(2), 1));
    assert_eq!(counters(&net).records_refused, 1);
    // Of a newer one it counts, and what is newer still is asked for.
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
fn a_node_that_is_forgotten_may_not_state_more_than_before() {
    let (mut net, liar) = with_liar(&[]);
    let statements = |net: &Net| counters(net).statements_late;
    let mut version = 501;
    while statements(&net) == 0 {
        net.peer_send(liar, records(9, &[change(FAR, version, version - 1, &[])]));
        version += 1;
        assert!(version < 5_000);
    }
    let gone = without_chain(state(FAR, version, &[LIAR], &[]));
    net.peer_send(liar, records(9, &[gone]));
    assert_eq!(distance(&net, FAR), None);
    let late = statements(&net);
    for version in version + 1..version + 10 {
        net.peer_send(liar, records(9, &[state(FAR, version, &[LIAR], &[])]));
    }
    assert!(statements(&net) >= late + 8, "{}", statements(&net) - late);
}

#[test]
fn what_somebody_kept_of_a_node_that_is_long_gone_does_not_bring_it_back() {
    const HOUR: u64 = 3600 * 1_000_000;
    let now = 1000 * 24 * HOUR;
    let mut net = with_limits(|config| config.epoch = now);
    // A neighbour is there, whatever its clock says.
    let liar = net.ours(0, LIAR, &[]);
    let old = [
        state(LIAR, 500, &[0, FAR, 7], &[]),
        state(FAR, now - 25 * HOUR, &[LIAR], &[(TOPIC, 1)]),
        state(7, now - 23 * HOUR, &[LIAR], &[]),
    ];
    net.peer_send(liar, records(9, &old));
    let near = [LIAR, FAR, 7].map(|n| distance(&net, n));
    assert_eq!(near, [Some(1), None, Some(2)]);
}

#[test]
fn neighbours_are_asked_again_less_and_less_often_and_only_those_that_were_refused() {
    let (mut net, liar) = with_liar(&[]);
    let honest = net.ours(0, 7, &[]);
    let mut version = 501;
    let (mut asked, mut others) = (0, 0);
    for _ in 0..120 {
        for _ in 0..200 {
            net.peer_send(liar, records(9, &[state(FAR, version, &[LIAR], &[])]));
            version += 1;
        }
        net.peer_send(honest, hello());
        net.secs(1);
        let count = |frames: Vec<amop_proto::p2p::PeerFrame>| {
            let known = frames
                .into_iter()
                .filter(|frame| frame.packet == packet::KNOWN);
            known.count()
        };
        asked += count(net.peer_inbox(liar));
        others += count(net.peer_inbox(honest));
    }
    assert!((2..=6).contains(&asked), "{asked}");
    assert_eq!(others, 0);
}
