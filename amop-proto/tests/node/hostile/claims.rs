//! Claims that cannot be proven: subscribers, and FISCO nodes behind a border node.

use std::time::Duration;

use amop_proto::{
    node::{Limits, NodeEvent},
    p2p::mesh::{Record, RoutingKey, Subject},
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
    let keys = (100..250).map(|n| RoutingKey::stub(&node_id(n), &node_id(LIAR)));
    let own = Record {
        neighbours: Some(keys.chain([key(0)]).collect()),
        ..change(LIAR, 501, 500, &[(TOPIC, 1_000_000)])
    };
    net.peer_send(liar, records(3, &stubs));
    net.peer_send(liar, records(4, &[own]));
    net.advance(Duration::from_millis(20));
    let limits = Limits::default();
    // The liar, the nodes it invented, and the node whose link it claims.
    let router = net.nodes[0].machine.router();
    assert!(router.known_nodes() <= limits.stubs + 2);
    assert!(counters(&net).claims_capped > 0 && counters(&net).over_budget > 0);
    let mine = [
        honest,
        net.subscriber(0, &[TOPIC]),
        net.subscriber(0, &[TOPIC]),
    ];
    assert_draws(&mut net, liar, &mine, limits.max_claimed_subscribers);
}

/// Asserts that these subscribers get the right part of a topic's unicasts, if another node counts
/// as `others` subscribers.
#[track_caller]
fn assert_draws(net: &mut Net, liar: Link, mine: &[Sdk], others: u32) {
    let publisher = net.sdk(0);
    // They may have got unicasts that were first sent to a node that has left.
    for &sdk in mine {
        net.inbox(sdk);
    }
    let (mut here, tries) = (0, 4000);
    // Seqs that are not in use.
    let first = counters(net).unicasts;
    for n in first..first + tries {
        net.send(publisher, unicast(n, TOPIC, ""));
        here += mine.iter().map(|&sdk| net.inbox(sdk).len()).sum::<usize>();
        // A node that answers nothing would soon be given few messages.
        net.answer_asked(liar, 0);
    }
    net.hang_up(publisher);
    let part = mine.len() as f64 / (mine.len() as f64 + f64::from(others));
    let (expected, tries) = (part * tries as f64, tries as f64);
    // Four standard deviations.
    let noise = 4.0 * (tries * part * (1.0 - part)).sqrt();
    let differs = (here as f64 - expected).abs();
    assert!(
        differs <= noise,
        "{here} of {tries}, not {expected} ± {noise}"
    );
}

/// Returns the liar's own record of this version: it claims this many subscribers, and these FISCO
/// nodes as its neighbours.
fn border(version: u64, count: u32, fisco: &[usize]) -> Record {
    let stubs = fisco
        .iter()
        .map(|&n| RoutingKey::stub(&node_id(n), &node_id(LIAR)));
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
    // The border node's record comes first, then those of the nodes behind it; then they count.
    net.peer_send(liar, records(4, &[border(501, 100, &[])]));
    assert_draws(&mut net, liar, &mine, 16);
    net.peer_send(liar, stubs(1, 100));
    net.peer_send(liar, records(4, &[border(502, 100, &fisco)]));
    assert_draws(&mut net, liar, &mine, 16);
    // A border node that claims nothing itself does not reduce the weight of the nodes behind it.
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
    // They are no longer connected, or no longer accepted.
    net.peer_send(liar, stubs(4, 1));
    net.peer_send(liar, records(4, &[border(506, 100, &fisco[..5])]));
    assert_draws(&mut net, liar, &mine, 16);
    let gone = fisco.iter().map(|&n| Subject::Stub {
        fisco: node_id(n),
        border: node_id(LIAR),
    });
    net.event(0, NodeEvent::Disbelieve(gone.collect()));
    assert_draws(&mut net, liar, &mine, 16);
    net.peer_send(liar, records(4, &[border(507, 2, &[])]));
    assert_draws(&mut net, liar, &mine, 2);
}

/// However many FISCO nodes the configuration allows a border node.
#[test]
fn fisco_nodes_are_never_as_many_as_a_border_may_claim() {
    let mut net = with_limits(|config| config.limits.stubs = 1000);
    let liar = net.overlay_peer(0, LIAR, &[]);
    let fisco: Vec<usize> = (100..140).collect();
    let mine: Vec<Sdk> = (0..4).map(|_| net.subscriber(0, &[TOPIC])).collect();
    let stubs: Vec<Record> = fisco
        .iter()
        .map(|&n| stub(n, LIAR, 1, &[(TOPIC, 1)]))
        .collect();
    net.peer_send(liar, records(3, &stubs));
    net.peer_send(liar, records(4, &[border(501, 100, &fisco)]));
    assert_draws(&mut net, liar, &mine, 16);
    // All 15 known ones get a copy, and the border node its own.
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
    let liar = net.overlay_peer(0, LIAR, &[]);
    // Before the overlay node appears, after it, and with this node's own ID.
    let stubs = [7, 8, 0].map(|n| stub(n, LIAR, 1, &[(TOPIC, 1)]));
    let names = [7, 8, 0].map(|n| RoutingKey::stub(&node_id(n), &node_id(LIAR)));
    let own = Record {
        neighbours: Some(names.into_iter().chain([key(0)]).collect()),
        ..state(LIAR, 500, &[], &[])
    };
    net.peer_send(liar, records(3, &[own, stubs[0].clone()]));
    let seven = net.overlay_peer(0, 7, &[(TOPIC, 1)]);
    let eight = net.overlay_peer(0, 8, &[(TOPIC, 1)]);
    net.peer_send(liar, records(4, &stubs[1..]));
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 3);
    for link in [liar, seven, eight] {
        net.peer_inbox(link);
    }
    let publisher = net.sdk(0);
    net.send(publisher, multicast(1, TOPIC, ""));
    let copies = [liar, seven, eight].map(|link| net.peer_inbox(link).len());
    assert_eq!(copies, [0, 1, 1]);
    // The same when it is announced again.
    net.peer_send(liar, records(5, &[stub(7, LIAR, 2, &[(TOPIC, 1)])]));
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 3);
}

/// A FISCO node is behind the honest neighbour 7. The liar, and a node that is still unknown, claim
/// to be its border node.
#[test]
fn whoever_claims_a_fisco_node_draws_nothing_from_the_one_it_is_behind() {
    const FISCO: usize = 9;
    let mut net = Net::new(1);
    let borders: Vec<Link> = [LIAR, 7, 8]
        .into_iter()
        .map(|border| {
            let link = net.overlay_peer(0, border, &[]);
            let name = RoutingKey::stub(&node_id(FISCO), &node_id(border));
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
    // A FISCO node that is a neighbour of this node gets it from this node, and from no other.
    let fisco = net.fisco_peer(0, FISCO, TOPIC);
    for &link in &borders {
        net.peer_inbox(link);
    }
    net.send(publisher, multicast(20, TOPIC, ""));
    let copies = borders.iter().map(|&link| net.peer_inbox(link).len());
    assert_eq!(copies.sum::<usize>(), 0);
    assert_eq!(net.peer_inbox(fisco).len(), 1);
}
