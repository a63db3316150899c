//! Statements, requests and changes that are too frequent.

use std::time::Duration;

use amop_proto::p2p::mesh::{Record, packet};

use super::{
    FAR, LIAR, TOPIC, counters, distance, once, topics_at, with_liar, with_limits, without_chain,
};
use crate::support::{Net, change, hello, key, known, records, state, topics_of};

#[test]
fn links_that_come_and_go_are_priced_by_what_they_show_and_hide() {
    let mut net = with_limits(|config| config.limits.peer_topics = 2000);
    let liar = net.overlay_peer(0, LIAR, &[]);
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
    // Others are not affected, and the node is accepted again when it has become stable.
    let honest = net.overlay_peer(0, 7, &[(TOPIC, 1)]);
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
    let liar = net.overlay_peer(0, LIAR, &[]);
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
    // The node behind it has not stated too much.
    let late = counters(&net).statements_late;
    net.peer_send(
        liar,
        records(9, &[change(FAR, 501, 500, &[("topic 7", 0)])]),
    );
    assert_eq!(counters(&net).statements_late, late);
}

#[test]
fn a_storm_of_changes_is_few_statements() {
    let mut net = Net::new(1);
    let peer = net.overlay_peer(0, 7, &[]);
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
    // It requests what it has missed.
    let told = net.peer_inbox(liar);
    assert!(told.iter().any(|frame| frame.packet == packet::KNOWN));
    net.peer_send(
        liar,
        records(9, &[state(FAR, 4000, &[LIAR], &[(TOPIC, 1)])]),
    );
    assert_eq!(topics_at(&net, FAR), 1);
}

#[test]
fn neighbours_are_asked_again_less_and_less_often_and_only_those_that_were_refused() {
    let (mut net, liar) = with_liar(&[]);
    let honest = net.overlay_peer(0, 7, &[]);
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
