//! Records of several neighbours at once: a neighbour that sends much, the same again, or nothing,
//! does not hold up the others.

use std::time::Duration;

use amop_proto::{node::NodeNotice, p2p::mesh::packet};

use super::{FAR, LIAR, TOPIC, counters, once, topics_at, with_liar};
use crate::support::{Link, Net, change, hello, records, state, topics_of};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("topic {n}")).collect()
}

/// Returns the number of records packets that were acknowledged to a neighbour.
fn taken(net: &mut Net, link: Link) -> usize {
    let told = net.peer_inbox(link).into_iter();
    told.filter(|frame| frame.packet == packet::TAKEN).count()
}

#[test]
fn what_one_neighbour_states_does_not_hold_up_what_another_does() {
    let mut net = Net::new(1);
    let flood = net.overlay_peer(0, LIAR, &[]);
    let honest = net.overlay_peer(0, 7, &[]);
    let own = state(LIAR, 500, &[0, 20, 21, 22, 23, 24], &[]);
    net.peer_send(flood, records(8, &[own]));
    let topics = names(20_000);
    for n in 20..25 {
        let whole = state(n, 500, &[LIAR], &once(&topics));
        net.peer_send(flood, records(9, &[whole]));
    }
    net.announce(honest, &[(TOPIC, 1)]);
    net.advance(Duration::from_millis(2));
    assert_eq!(topics_of(&net, honest), [TOPIC]);
    assert_eq!(topics_at(&net, 24), 0, "that takes longer");
    net.advance(Duration::from_secs(2));
    assert_eq!(topics_at(&net, 24), 20_000);
}

/// A change that arrives by another path must not be applied in between.
#[test]
fn a_long_record_of_one_neighbour_is_whole_before_another_one_changes_it() {
    let (mut net, liar) = with_liar(&[]);
    let other = net.overlay_peer(0, 7, &[]);
    let topics = names(20_000);
    net.peer_send(
        liar,
        records(9, &[state(FAR, 600, &[LIAR], &once(&topics))]),
    );
    assert!(topics_at(&net, FAR) < 20_000);
    for version in 601..=610 {
        let new = format!("new {version}");
        net.peer_send(
            other,
            records(9, &[change(FAR, version, version - 1, &[(&new, 1)])]),
        );
    }
    net.advance(Duration::from_secs(1));
    assert_eq!(topics_at(&net, FAR), 20_010);
}

#[test]
fn who_repeats_records_is_counted_and_named_and_holds_up_nobody() {
    let (mut net, liar) = with_liar(&[]);
    let honest = net.overlay_peer(0, 7, &[]);
    let same = vec![state(FAR, 500, &[LIAR], &[]); 1000];
    for _ in 0..50 {
        net.peer_send(liar, records(9, &same));
    }
    net.announce(honest, &[(TOPIC, 1)]);
    assert_eq!(topics_of(&net, honest), [TOPIC]);
    assert!(counters(&net).records_repeated >= 45);
    assert!(taken(&mut net, liar) <= 2);
    let named = |notice: &NodeNotice| matches!(notice, NodeNotice::PeerMisbehaves { what, .. } if what.contains("known records"));
    assert!(net.notices(0).iter().any(named));
    // New statements still count.
    net.peer_send(liar, records(9, &[state(FAR, 501, &[LIAR], &[(TOPIC, 1)])]));
    assert_eq!(topics_at(&net, FAR), 1);
}

#[test]
fn packets_without_records_cost_as_much_as_one() {
    let (mut net, liar) = with_liar(&[]);
    let honest = net.overlay_peer(0, 7, &[]);
    for _ in 0..5000 {
        net.peer_send(liar, records(9, &[]));
    }
    net.announce(honest, &[(TOPIC, 1)]);
    assert_eq!(topics_of(&net, honest), [TOPIC]);
    assert!(taken(&mut net, liar) <= 1100);
    assert!(counters(&net).records_repeated > 3800);
}

/// Flooding sends each record over each link, which is not a fault.
#[test]
fn what_comes_over_every_link_is_no_repetition() {
    let (mut net, first) = with_liar(&[]);
    let others = [7, 8].map(|n| net.overlay_peer(0, n, &[]));
    for version in 501..4000 {
        let counts = [("a", (version % 2) as u32)];
        let news = records(9, &[change(FAR, version, version - 1, &counts)]);
        for link in [first].into_iter().chain(others) {
            net.peer_send(link, news.clone());
            net.peer_inbox(link);
        }
        if version % 40 == 0 {
            for link in [first].into_iter().chain(others) {
                net.peer_send(link, hello());
            }
        }
        net.advance(Duration::from_millis(25));
    }
    assert_eq!(counters(&net).records_repeated, 0);
    assert_eq!(counters(&net).statements_late, 0);
}
