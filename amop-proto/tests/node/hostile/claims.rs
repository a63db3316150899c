//! Claims that nobody can prove: subscribers, and FISCO nodes behind a border.

use std::time::Duration;

use amop_proto::{
    node::{Event, Limits},
    p2p::mesh::{NodeKey, Record, Subject},
};

use super::{LIAR, TOPIC, counters, with_liar, with_limits};
use crate::support::{
    Link, Net, Sdk, change, key, multicast, node_id, records, spread, state, stub, unicast,
};

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
    net.advance(Duration::from_millis(20));
    let limits = Limits::default();
    // The liar, what it invented, and the node that it took its link from.
    let router = net.nodes[0].machine.router();
    assert!(router.known_nodes() <= limits.stubs + 2);
    assert!(counters(&net).claims_capped > 0 && counters(&net).over_budget > 0);
    let mine = [
        honest,
        net.subscriber(0, &[TOPIC]),
        net.subscriber(0, &[TOPIC]),
    ];
    assert_draws(&mut net, liar, &mine, limits.claimed);
}

/// These subscribers get as many of a topic's unicasts as they should beside a node that draws as so many
/// others.
#[track_caller]
fn assert_draws(net: &mut Net, liar: Link, mine: &[Sdk], others: u32) {
    let publisher = net.sdk(0);
    // What was asked of somebody who is gone may have come to them meanwhile.
    for &sdk in mine {
        net.inbox(sdk);
    }
    let (mut here, tries) = (0, 4000);
    // Seqs that nobody has yet.
    let first = counters(net).unicasts;
    for n in first..first + tries {
        net.send(publisher, unicast(n, TOPIC, ""));
        here += mine.iter().map(|&sdk| net.inbox(sdk).len()).sum::<usize>();
        // Who answers nothing would soon be given little.
        net.answer_asked(liar, 0);
    }
    net.hang_up(publisher);
    let part = mine.len() as f64 / (mine.len() as f64 + f64::from(others));
    let (expected, tries) = (part * tries as f64, tries as f64);
    // Four times what such a draw differs by, on average.
    let noise = 4.0 * (tries * part * (1.0 - part)).sqrt();
    let differs = (here as f64 - expected).abs();
    assert!(
        differs <= noise,
        "{here} of {tries}, not {expected} ± {noise}"
    );
}

/// The liar's own record of this version: itself with so many subscribers, and these FISCO nodes as its
/// neighbours.
fn border(version: u64, count: u32, fisco: &[usize]) -> Record {
    let stubs = fisco
        .iter()
        .map(|&n| NodeKey::stub(&node_id(n), &node_id(LIAR)));
    Record {
        neighbours: Some(stubs.chain([key(0)]).collect()),
        ..state(LIAR, version, &[], &[(TOPIC, count)])
    }
}

#[test]
fn a_border_and_its_fisco_nodes_share_what_it_may_claim_whatever_changes() {
    let (mut net, liar) = with_liar(&[]);
    let mine: Vec<Sdk> = (0..4).map(|_| net.subscriber(0, &[TOPIC])).collect();
    let fisco: Vec<usize> = (100..110).collect();
    let stubs = |version, count| {
        let stubs = fisco
            .iter()
            .map(|&n| stub(n, LIAR, version, &[(TOPIC, count)]));
        records(3, &stubs.collect::<Vec<_>>())
    };
    // The border first, then what is behind it, then it counts.
    net.peer_send(liar, records(4, &[border(501, 100, &[])]));
    assert_draws(&mut net, liar, &mine, 16);
    net.peer_send(liar, stubs(1, 100));
    net.peer_send(liar, records(4, &[border(502, 100, &fisco)]));
    assert_draws(&mut net, liar, &mine, 16);
    // One takes nothing from those behind it by claiming nothing itself.
    net.peer_send(liar, records(4, &[border(503, 0, &fisco)]));
    assert_draws(&mut net, liar, &mine, 10);
    net.peer_send(liar, records(4, &[border(504, 3, &fisco)]));
    assert_draws(&mut net, liar, &mine, 13);
    // They drop the topic, one by one and all together.
    net.peer_send(liar, records(4, &[border(505, 100, &fisco)]));
    net.peer_send(liar, records(3, &[stub(100, LIAR, 2, &[])]));
    assert_draws(&mut net, liar, &mine, 16);
    net.peer_send(liar, stubs(3, 0));
    assert_draws(&mut net, liar, &mine, 16);
    // And are not there any more, or believed.
    net.peer_send(liar, stubs(4, 1));
    net.peer_send(liar, records(4, &[border(506, 100, &fisco[..5])]));
    assert_draws(&mut net, liar, &mine, 16);
    let gone = fisco.iter().map(|&n| Subject::Stub {
        fisco: node_id(n),
        border: node_id(LIAR),
    });
    net.event(0, Event::Disbelieve(gone.collect()));
    assert_draws(&mut net, liar, &mine, 16);
    net.peer_send(liar, records(4, &[border(507, 2, &[])]));
    assert_draws(&mut net, liar, &mine, 2);
}

/// However many FISCO nodes a configuration lets a border have.
#[test]
fn fisco_nodes_are_never_as_many_as_a_border_may_claim() {
    let mut net = with_limits(|config| config.limits.stubs = 1000);
    let liar = net.ours(0, LIAR, &[]);
    let fisco: Vec<usize> = (100..140).collect();
    let mine: Vec<Sdk> = (0..4).map(|_| net.subscriber(0, &[TOPIC])).collect();
    let stubs: Vec<Record> = fisco
        .iter()
        .map(|&n| stub(n, LIAR, 1, &[(TOPIC, 1)]))
        .collect();
    net.peer_send(liar, records(3, &stubs));
    net.peer_send(liar, records(4, &[border(501, 100, &fisco)]));
    assert_draws(&mut net, liar, &mine, 16);
    // All 15 that are known get a copy, and the border its own.
    net.peer_inbox(liar);
    let publisher = net.sdk(0);
    net.send(publisher, multicast(1, TOPIC, ""));
    let sent = net.peer_inbox(liar);
    let named = sent.iter().map(|frame| spread(frame).0.targets.len());
    assert_eq!(named.collect::<Vec<_>>(), [16]);
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

/// A FISCO node is behind the honest neighbour 7. The liar, and a node that nobody knows of yet, say so of
/// themselves.
#[test]
fn whoever_claims_a_fisco_node_draws_nothing_from_the_one_it_is_behind() {
    const FISCO: usize = 9;
    let mut net = Net::new(1);
    let borders: Vec<Link> = [LIAR, 7, 8]
        .into_iter()
        .map(|border| {
            let link = net.ours(0, border, &[]);
            let name = NodeKey::stub(&node_id(FISCO), &node_id(border));
            let own = Record {
                neighbours: Some(vec![key(0), name]),
                ..state(border, 500, &[], &[])
            };
            net.peer_send(
                link,
                records(3, &[own, stub(FISCO, border, 1, &[(TOPIC, 1)])]),
            );
            link
        })
        .collect();
    for &link in &borders {
        net.peer_inbox(link);
    }
    let publisher = net.sdk(0);
    for n in 0..20 {
        net.send(publisher, multicast(n, TOPIC, ""));
        let copies = borders.iter().map(|&link| net.peer_inbox(link).len());
        assert_eq!(copies.collect::<Vec<_>>(), [1, 1, 1], "{n}");
    }
    // One that is next to this node gets it here, and from nobody else.
    let fisco = net.foreign(0, FISCO, TOPIC);
    for &link in &borders {
        net.peer_inbox(link);
    }
    net.send(publisher, multicast(20, TOPIC, ""));
    let copies = borders.iter().map(|&link| net.peer_inbox(link).len());
    assert_eq!(copies.sum::<usize>(), 0);
    assert_eq!(net.peer_inbox(fisco).len(), 1);
}
