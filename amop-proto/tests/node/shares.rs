//! A session, key or agency that uses more than its fair share of a node's resources gives way to
//! others; if there are no others, it may use everything.

use crate::support::{
    Link, Net, Sdk, config, from_node, hello, known, multicast, node_id, records, relayed, reply,
    state, unicast,
};
use amop_proto::{
    channel::{FrameType, encode_topics, result_code},
    node::{Limits, MachineConfig, NodeNotice, PeerCloseReason, SessionCloseReason},
    p2p::mesh::packet,
};

pub(crate) fn net(limits: impl FnOnce(&mut Limits)) -> Net {
    let mut config: MachineConfig = config(0);
    limits(&mut config.limits);
    Net::with([config])
}

fn counters(net: &Net) -> amop_proto::node::Counters {
    net.nodes[0].machine.router().counters()
}

#[test]
fn connections_one_key_may_have_all_and_the_newest_goes_when_another_comes() {
    let mut net = net(|limits| limits.sessions = 10);
    let crowd: Vec<Sdk> = (0..10).map(|_| net.sdk_of(0, 1, 1)).collect();
    assert!(
        crowd.iter().all(|&sdk| net.is_open(sdk)),
        "alone it has all"
    );
    let eleventh = net.sdk_of(0, 1, 1);
    assert_eq!(
        net.closed(eleventh),
        Some(SessionCloseReason::TooManySessions { max: 10 })
    );
    // The share of the other key is five, and not more.
    let others: Vec<Sdk> = (0..5).map(|_| net.sdk_of(0, 1, 2)).collect();
    assert!(others.iter().all(|&sdk| net.is_open(sdk)));
    for (n, &sdk) in crowd.iter().enumerate() {
        assert_eq!(net.is_open(sdk), n < 5, "{n}");
    }
    let what = "connections";
    assert_eq!(
        net.closed(crowd[9]),
        Some(SessionCloseReason::OverShare { what })
    );
    let sixth = net.sdk_of(0, 1, 2);
    assert!(!net.is_open(sixth));
    assert_eq!(net.nodes[0].machine.session_count(), 10);
    let counters = counters(&net);
    assert_eq!((counters.sessions_refused, counters.shares_cut), (2, 5));
}

#[test]
fn connections_an_agency_with_many_keys_is_one_agency() {
    let mut net = net(|limits| limits.sessions = 20);
    let crowd: Vec<Sdk> = (0..20).map(|key| net.sdk_of(0, 1, key)).collect();
    assert_eq!(crowd.iter().filter(|&&sdk| net.is_open(sdk)).count(), 20);
    let others: Vec<Sdk> = (0..10).map(|key| net.sdk_of(0, 2, key)).collect();
    assert!(others.iter().all(|&sdk| net.is_open(sdk)));
    assert_eq!(crowd.iter().filter(|&&sdk| net.is_open(sdk)).count(), 10);
}

#[test]
fn topics_whoever_has_most_beyond_its_share_is_closed_for_others() {
    let mut net = net(|limits| limits.topics = 100);
    let greedy: Vec<Sdk> = (0..4).map(|_| net.sdk_of(0, 1, 1)).collect();
    for (n, &sdk) in greedy.iter().enumerate() {
        let names: Vec<String> = (0..25).map(|k| format!("{n}.{k}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        net.subscribe(sdk, &names);
    }
    assert_eq!(
        net.nodes[0].machine.own_topics().len(),
        100,
        "alone it has all"
    );
    let modest = net.sdk_of(0, 1, 2);
    net.subscribe(modest, &["wanted"]);
    let open = greedy.iter().filter(|&&sdk| net.is_open(sdk)).count();
    assert_eq!(open, 3);
    let what = "topics";
    assert_eq!(
        net.closed(greedy[3]),
        Some(SessionCloseReason::OverShare { what })
    );
    let publisher = net.sdk_of(0, 1, 3);
    net.send(publisher, unicast(1, "wanted", ""));
    assert_eq!(net.only(modest), unicast(1, "wanted", ""));
    assert_eq!(counters(&net).topics_ignored, 0);
    // Above its share it gets no more, although there is room.
    net.subscribe(greedy[0], &["new"]);
    assert_eq!(counters(&net).topics_ignored, 1);
    assert_eq!(net.nodes[0].machine.own_topics().len(), 51);
}

#[test]
fn a_topic_counts_for_one_of_those_who_have_it_as_long_as_any_has() {
    let mut net = net(|limits| limits.topics = 4);
    let first = net.sdk_of(0, 1, 1);
    net.subscribe(first, &["a", "b"]);
    let second = net.sdk_of(0, 1, 2);
    net.subscribe(second, &["a", "b"]);
    net.hang_up(first);
    // The second session has both now: two more complete its share, and the rest is refused.
    net.subscribe(second, &["a", "b", "c", "d", "e"]);
    assert_eq!(counters(&net).topics_ignored, 1);
    assert_eq!(net.nodes[0].machine.own_topics(), ["a", "b", "c", "d"]);
    net.hang_up(second);
    assert!(net.nodes[0].machine.router().is_empty());
}

#[test]
fn in_flight_whoever_has_more_than_its_share_gets_103_for_others() {
    let mut net = net(|limits| limits.in_flight = 10);
    // No subscriber answers.
    let subscriber = net.sdk_of(0, 1, 9);
    net.subscribe(subscriber, &["void", "wanted"]);
    let greedy = net.sdk_of(0, 1, 1);
    for n in 0..10 {
        net.send(greedy, unicast(n, "void", ""));
    }
    net.nothing(greedy);
    net.send(greedy, unicast(10, "void", ""));
    assert_eq!(
        net.only(greedy).result,
        result_code::OVER_LIMIT,
        "alone it had all"
    );
    let modest = net.sdk_of(0, 1, 2);
    net.inbox(subscriber);
    for n in 20..25 {
        net.send(modest, unicast(n, "wanted", ""));
        net.nothing(modest);
        assert_eq!(net.only(greedy).result, result_code::OVER_LIMIT);
        let push = net.only(subscriber);
        assert_eq!(push, unicast(n, "wanted", ""));
    }
    // Each has its share.
    net.send(modest, unicast(25, "wanted", ""));
    assert_eq!(net.only(modest).result, result_code::OVER_LIMIT);
    net.send(subscriber, reply(&unicast(20, "wanted", ""), "here"));
    assert_eq!(net.only(modest), reply(&unicast(20, "wanted", ""), "here"));
    let counters = counters(&net);
    assert_eq!((counters.over_share, counters.over_limit), (5, 2));
    net.secs(100);
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn in_flight_bytes_are_shared_too() {
    let mut net = net(|limits| limits.in_flight_bytes = 10_000);
    let subscriber = net.sdk_of(0, 1, 9);
    net.subscribe(subscriber, &["void"]);
    let greedy = net.sdk_of(0, 1, 1);
    for n in 0..9 {
        net.send(greedy, unicast(n, "void", &"x".repeat(950)));
    }
    net.nothing(greedy);
    let modest = net.sdk_of(0, 1, 2);
    net.send(modest, unicast(20, "void", &"x".repeat(3000)));
    net.nothing(modest);
    let ended = net.inbox(greedy);
    assert!(ended.len() == 3 || ended.len() == 2, "{}", ended.len());
    assert!(
        ended
            .iter()
            .all(|frame| frame.result == result_code::OVER_LIMIT)
    );
}

#[test]
fn queues_of_whoever_has_most_waiting_go_first_and_the_others_lose_nothing() {
    let mut net = net(|limits| {
        limits.session_queue = 1_000_000;
        limits.session_queues = 100_000;
    });
    // Three sessions of one key that read nothing, and one of another key that is slow.
    let greedy: Vec<Sdk> = (0..3).map(|_| net.sdk_of(0, 1, 1)).collect();
    let modest = net.sdk_of(0, 1, 2);
    for &sdk in greedy.iter().chain([&modest]) {
        net.end(sdk).stalled = true;
    }
    for &sdk in &greedy {
        net.subscribe(sdk, &["flood"]);
    }
    net.subscribe(modest, &["calm"]);
    let publisher = net.sdk_of(0, 1, 3);
    // The slow one has the longest queue of all, but less than its share.
    for n in 0..4 {
        net.send(publisher, multicast(n, "calm", &"x".repeat(10_000)));
    }
    for n in 10..40 {
        net.send(publisher, multicast(n, "flood", &"x".repeat(1000)));
    }
    assert!(net.is_open(modest));
    assert_eq!(net.inbox(modest).len(), 4);
    // When more than half of the total is used, sessions above their share get no more.
    let waiting: usize = greedy.iter().map(|&sdk| net.end(sdk).unwritten).sum();
    assert!(waiting <= 50_000 + 3 * 1100, "{waiting}");
    assert!(counters(&net).dropped > 0);
    // After reading they get everything again.
    for &sdk in &greedy {
        net.read(sdk, usize::MAX);
        net.end(sdk).stalled = false;
        net.inbox(sdk);
    }
    net.send(publisher, multicast(99, "flood", ""));
    for &sdk in &greedy {
        assert_eq!(net.only(sdk), multicast(99, "flood", ""));
    }
}

#[test]
fn sets_of_topics_that_wait_are_shared_and_what_has_no_room_is_told() {
    let mut net = net(|limits| {
        limits.session_queues = 16 * 40_000;
        limits.topic_changes = 1;
    });
    // The burst is used up, and all further changes wait.
    let first = net.sdk_of(0, 3, 3);
    let names: Vec<String> = (0..40).map(|n| format!("{n}")).collect();
    set(&mut net, first, &names);
    let names = |sdk: Sdk| (0..20).map(move |n| format!("{sdk:?}{n:0200}"));
    let greedy: Vec<Sdk> = (0..20).map(|_| net.sdk_of(0, 1, 1)).collect();
    for &sdk in &greedy {
        let names: Vec<String> = names(sdk).collect();
        set(&mut net, sdk, &names);
    }
    let refused = counters(&net).topic_sets_refused;
    // The first one still has a share.
    assert!((8..20).contains(&refused), "{refused}");
    let told = net
        .notices(0)
        .into_iter()
        .filter_map(|notice| match notice {
            NodeNotice::TopicIgnored {
                session, others, ..
            } => Some((session, others)),
            _ => None,
        });
    let told: Vec<_> = told.collect();
    assert_eq!(told.len() as u64, refused);
    assert!(told.contains(&(greedy[19].id, 19)));
    // One set replaces another one that waits, whatever else waits.
    set(&mut net, greedy[0], &["a".into()]);
    assert_eq!(counters(&net).topic_sets_refused, refused);
    // The others have their share.
    for key in 0..6 {
        let modest = net.sdk_of(0, 10 + key, 1);
        let names: Vec<String> = names(modest).collect();
        set(&mut net, modest, &names);
        assert!(net.is_open(modest));
    }
    assert_eq!(counters(&net).topic_sets_refused, refused);
    let what = "bytes of topic sets that wait";
    let reasons: Vec<_> = greedy.iter().filter_map(|&sdk| net.closed(sdk)).collect();
    assert!((1..5).contains(&reasons.len()), "{reasons:?}");
    for reason in reasons {
        assert_eq!(reason, SessionCloseReason::OverShare { what });
    }
    net.secs(1000);
    for sdk in greedy {
        if net.is_open(sdk) {
            net.hang_up(sdk);
        }
    }
    assert!(!net.nodes[0].machine.router().is_changing_topics());
}

fn set(net: &mut Net, sdk: Sdk, names: &[String]) {
    let body = encode_topics(names.iter().map(String::as_str));
    net.send_body(sdk, FrameType::SET_TOPICS, &body);
}

/// Requests of other nodes leave room for a node's own SDKs.
#[test]
fn questions_of_other_nodes_leave_room_for_this_node_s_sessions() {
    let mut net = net(|limits| limits.in_flight = 20);
    let subscriber = net.sdk_of(0, 1, 9);
    net.subscribe(subscriber, &["void"]);
    let peer = net.fisco_peer(0, 5, "");
    for n in 0..25 {
        net.peer_send(peer, from_node(n, &unicast(n.into(), "void", "")));
    }
    net.peer_inbox(peer);
    net.inbox(subscriber);
    let own = net.sdk_of(0, 1, 1);
    for n in 100..110 {
        net.send(own, unicast(n, "void", ""));
        net.nothing(own);
    }
    assert_eq!(net.inbox(subscriber).len(), 10);
}

/// Nodes of one agency in these tests.
const LIARS: std::ops::Range<usize> = 1..14;

/// A node of another agency.
pub(crate) const HONEST: usize = 20;

/// However many nodes an agency has, a node of another agency has its share.
#[test]
fn questions_of_nodes_are_shared_by_agency() {
    let mut net = net(|limits| limits.in_flight = 40);
    let subscriber = net.sdk_of(0, 1, 9);
    net.subscribe(subscriber, &["void"]);
    let liars: Vec<Link> = LIARS.map(|n| net.fisco_peer(0, n, "")).collect();
    let honest = net.fisco_peer(0, HONEST, "");
    for n in 0..10 {
        for (liar, &link) in liars.iter().enumerate() {
            let seq = 1000 * (liar as u64 + 1) + u64::from(n);
            net.peer_send(link, from_node(n, &unicast(seq, "void", "")));
        }
    }
    let taken = net.inbox(subscriber).len();
    assert!(taken >= 20, "{taken}");
    for n in 0..20 {
        net.peer_send(
            honest,
            from_node(n, &unicast(100 + u64::from(n), "void", "")),
        );
    }
    assert_eq!(net.inbox(subscriber).len(), 20);
    assert!(net.peer_inbox(honest).is_empty());
}

/// The same for nodes that are not neighbours: their records say which agency they belong to.
#[test]
fn questions_of_nodes_far_away_are_shared_by_agency() {
    let mut net = net(|limits| limits.in_flight = 40);
    let subscriber = net.sdk_of(0, 1, 9);
    net.subscribe(subscriber, &["void"]);
    let relay = net.raw_peer(0, node_id(30), false);
    net.peer_send(relay, hello());
    net.peer_send(relay, known(&[]));
    let far: Vec<usize> = LIARS.chain([HONEST]).collect();
    let neighbours: Vec<usize> = [0].into_iter().chain(far.iter().copied()).collect();
    net.peer_send(relay, records(1, &[state(30, 5, &neighbours, &[])]));
    for &n in &far {
        net.peer_send(relay, records(2, &[state(n, 5, &[30], &[])]));
    }
    net.secs(1);
    assert_eq!(
        net.nodes[0].machine.router().distance(&node_id(HONEST)),
        Some(2)
    );
    let ask = |net: &mut Net, from: usize, n: u64| {
        let frame = unicast(1000 * from as u64 + n, "void", "");
        let packet = relayed(packet::RELAYED_UNICAST, (from, 0), (n, 10 + n), &frame);
        net.peer_send(relay, packet);
    };
    for n in 0..10 {
        for from in LIARS {
            ask(&mut net, from, n);
        }
    }
    let taken = net.inbox(subscriber).len();
    assert!(taken >= 20, "{taken}");
    for n in 0..20 {
        ask(&mut net, HONEST, n);
    }
    assert_eq!(net.inbox(subscriber).len(), 20);
}

/// Many certificates of one agency do not keep the nodes of another agency out.
#[test]
fn places_for_nodes_are_shared_by_agency() {
    let mut net = net(|limits| limits.peers = 10);
    let crowd: Vec<Link> = (1..=10)
        .map(|n| net.raw_peer(0, node_id(n), false))
        .collect();
    assert!(
        crowd.iter().all(|&peer| net.is_up(peer)),
        "alone it has all"
    );
    let eleventh = net.raw_peer(0, node_id(11), false);
    let refused = Some(PeerCloseReason::TooMany { max: 10 });
    assert_eq!(net.peer_closed(eleventh), refused);
    // This node has chosen the peers that it dials.
    let dialled = net.raw_peer(0, node_id(12), true);
    assert!(net.is_up(dialled));
    for n in HONEST..HONEST + 5 {
        let honest = net.raw_peer(0, node_id(n), false);
        assert!(net.is_up(honest), "{n}");
    }
    let sixth = net.raw_peer(0, node_id(HONEST + 5), false);
    assert_eq!(net.peer_closed(sixth), refused);
    let cut = crowd.iter().filter(|&&peer| !net.is_up(peer)).count();
    assert_eq!(cut, 5);
    let closed = crowd.iter().filter_map(|&peer| net.peer_closed(peer));
    assert_eq!(
        closed.collect::<Vec<_>>(),
        vec![PeerCloseReason::OverShare; 5]
    );
    assert!(net.is_up(dialled));
    let counters = counters(&net);
    assert_eq!((counters.peers_refused, counters.shares_cut), (2, 5));
}
