//! How nodes learn each other's topics: FISCO nodes by numbers and lists, overlay nodes by records.

use std::{collections::BTreeMap, time::Duration};

use crate::support::{
    EPOCH, Link, Net, bad_messages, change, extension, from_node, hello, inner, key, known,
    multicast, node_id, peer_frame, read_records, records, reply, silent, state, taken, topic_list,
    topic_seq, topics_of, unicast,
};
use amop_proto::{
    channel::result_code,
    node::{NodeEvent, NodeNotice, PeerCloseReason},
    p2p::{
        PeerFrame, TopicList,
        mesh::{self, Record},
        packet, protocol,
    },
};

const TOPIC: &str = "hello";

fn request_topics(seq: u32) -> PeerFrame {
    peer_frame(protocol::TOPIC, packet::REQUEST_TOPICS, seq, "")
}

/// Returns the seqs of the requests for topics that a peer was sent.
fn requests(net: &mut Net, peer: Link) -> Vec<u32> {
    let frames = net.peer_inbox(peer).into_iter();
    frames
        .filter(|frame| *frame == request_topics(frame.seq))
        .map(|frame| frame.seq)
        .collect()
}

fn reaches(net: &mut Net, peer: Link, topic: &str) -> bool {
    let publisher = net.sdk(peer.node);
    net.send(publisher, multicast(1, topic, ""));
    net.hang_up(publisher);
    let frames = net.peer_inbox(peer);
    frames.iter().any(|frame| frame.protocol == protocol::AMOP)
}

/// Returns the records that a peer was sent since the last call.
fn told(net: &mut Net, peer: Link) -> Vec<Record> {
    let frames = net.peer_inbox(peer).into_iter();
    frames
        .filter(|frame| frame.protocol == protocol::EXTENSION)
        .flat_map(|frame| read_records(&frame))
        .collect()
}

#[test]
fn the_greeting_is_the_hello_and_then_the_number() {
    let mut net = Net::new(1);
    let peer = net.raw_peer(0, node_id(5), true);
    assert_eq!(net.peer_inbox(peer), [hello(), topic_seq("0")]);
    net.subscriber(0, &["b", "a"]);
    net.subscriber(0, &["b"]);
    let later = net.raw_peer(0, node_id(6), false);
    assert_eq!(net.peer_inbox(later), [hello(), topic_seq("1")]);
    // A node that also says hello is told which records are known, and then the records that it
    // does not know.
    net.peer_send(later, hello());
    let version = EPOCH;
    assert_eq!(net.peer_only(later), known(&[(0, version)]));
    net.peer_send(later, known(&[(6, 8), (7, 9)]));
    let whole = state(0, version, &[], &[("a", 1), ("b", 2)]);
    assert_eq!(net.peer_only(later), records(1, &[whole]));
    // The link counts once the other node's own record has arrived.
    net.peer_send(later, records(1, &[state(6, 7, &[], &[])]));
    assert_eq!(net.peer_only(later), taken(1));
    net.peer_send(later, records(2, &[state(6, 8, &[], &[])]));
    let [acknowledged, linked] = &net.peer_inbox(later)[..] else {
        panic!("expected one change and the acknowledgement of the record");
    };
    let changed = &read_records(linked)[0];
    assert_eq!((changed.base, changed.version), (version, version + 1));
    assert_eq!(changed.neighbours, Some(vec![key(6)]));
    assert_eq!(*acknowledged, taken(2));
}

#[test]
fn a_fisco_node_is_asked_when_its_number_changes() {
    let mut net = Net::new(1);
    let peer = silent(&mut net, 5);
    net.peer_send(peer, topic_seq("0"));
    assert!(net.peer_inbox(peer).is_empty(), "the numbers start at 0");
    net.peer_send(peer, topic_seq("7"));
    let asked = net.peer_only(peer);
    assert_eq!(asked, request_topics(asked.seq));
    // There is no second request while the first one waits.
    net.peer_send(peer, topic_seq("8"));
    assert!(net.peer_inbox(peer).is_empty());
    assert!(!reaches(&mut net, peer, TOPIC));
    net.peer_send(peer, topic_list(asked.seq, "8\thello\tother"));
    assert_eq!(topics_of(&net, peer), ["hello", "other"]);
    assert!(reaches(&mut net, peer, TOPIC));
    // The list's number counts, not the number that caused the request.
    net.peer_send(peer, topic_seq("8"));
    assert!(net.peer_inbox(peer).is_empty());
    // The number may also go down, and the next list replaces this one.
    net.peer_send(peer, topic_seq("3"));
    let asked = net.peer_only(peer);
    net.peer_send(peer, topic_list(asked.seq, "3\tthird\tother"));
    assert_eq!(topics_of(&net, peer), ["other", "third"]);
    assert!(!reaches(&mut net, peer, TOPIC));
    net.peer_send(peer, topic_seq("4"));
    let asked = net.peer_only(peer);
    net.peer_send(peer, topic_list(asked.seq, "4"));
    assert!(topics_of(&net, peer).is_empty());
    assert!(!reaches(&mut net, peer, "other"));
}

#[test]
fn a_fisco_node_that_does_not_answer_is_asked_again_after_5_s() {
    let mut net = Net::new(1);
    let peer = silent(&mut net, 5);
    net.peer_send(peer, topic_seq("7"));
    let first = net.peer_only(peer).seq;
    net.advance(Duration::from_millis(4999));
    net.peer_send(peer, topic_seq("7"));
    assert!(requests(&mut net, peer).is_empty());
    net.advance(Duration::from_millis(1));
    // Nothing happens until the next announcement.
    assert!(requests(&mut net, peer).is_empty());
    net.peer_send(peer, topic_seq("7"));
    let second = requests(&mut net, peer);
    assert_eq!(second.len(), 1);
    assert_ne!(second[0], first);
    // The answer to the first request is too late, and a wrong seq answers nothing.
    for seq in [first, 999] {
        net.peer_send(peer, topic_list(seq, "7\tlate"));
        assert!(topics_of(&net, peer).is_empty());
    }
    net.peer_send(peer, topic_list(second[0], "7\tin time"));
    assert_eq!(topics_of(&net, peer), ["in time"]);
    net.peer_send(peer, topic_list(second[0], "7\tagain"));
    assert_eq!(topics_of(&net, peer), ["in time"]);
}

#[test]
fn a_malformed_list_changes_nothing_and_is_asked_for_again() {
    let mut net = Net::new(1);
    let peer = net.fisco_peer(0, 5, TOPIC);
    for body in [
        "",
        "\thello",
        "x\thello",
        "-1",
        "+3",
        " 3",
        "4294967296\thello",
    ] {
        net.peer_send(peer, topic_seq("9"));
        let asked = net.peer_only(peer);
        net.peer_send(peer, topic_list(asked.seq, body));
        assert_eq!(topics_of(&net, peer), [TOPIC], "{body:?}");
    }
    assert_eq!(bad_messages(&mut net), 7);
}

#[test]
fn tabs_in_a_fisco_nodes_topics_split_them() {
    let mut net = Net::new(1);
    let long = "t".repeat(255);
    let peer = net.fisco_peer(0, 5, &format!("a\tb\t\tc\t{long}\t"));
    // A topic over 254 bytes is skipped, since it cannot be addressed.
    assert_eq!(topics_of(&net, peer), ["", "a", "b", "c"]);
}

#[test]
fn a_request_for_topics_is_answered_with_the_number_and_the_names() {
    let mut net = Net::new(1);
    let peer = silent(&mut net, 5);
    net.peer_send(peer, request_topics(4242));
    assert_eq!(net.peer_only(peer), topic_list(4242, "0"));
    let names = ["b", "a", "话", "#!$TopicNeedVerify_x", "_block_notify_1"];
    net.subscriber(0, &names);
    assert_eq!(net.peer_only(peer), topic_seq("1"));
    net.peer_send(peer, request_topics(7));
    // In byte order, without names that are not AMOP topics.
    let list = "1\t#!$TopicNeedVerify_x\ta\tb\t话";
    assert_eq!(net.peer_only(peer), topic_list(7, list));
}

#[test]
fn a_fisco_node_is_told_of_new_names_at_once_and_of_nothing_else() {
    let mut net = Net::new(1);
    let peer = net.fisco_peer(0, 5, TOPIC);
    let a = net.subscriber(0, &["a"]);
    assert_eq!(net.peer_only(peer), topic_seq("1"));
    // The same name again, or the same set again, is not announced.
    let b = net.subscriber(0, &["a"]);
    net.subscribe(b, &["a"]);
    net.hang_up(a);
    net.subscribe(b, &["a", "_block_notify_1"]);
    assert!(net.peer_inbox(peer).is_empty());
    net.advance(Duration::from_millis(200));
    net.subscribe(b, &["c", "d"]);
    assert_eq!(net.peer_only(peer), topic_seq("2"));
    net.advance(Duration::from_millis(200));
    net.hang_up(b);
    assert_eq!(net.peer_only(peer), topic_seq("3"));
}

#[test]
fn one_overlay_node_needs_no_requests_and_gets_every_count() {
    let mut net = Net::new(1);
    let peer = net.overlay_peer(0, 5, &[]);
    net.peer_send(peer, records(77, &[state(5, 1 << 40, &[0], &[("x", 2)])]));
    assert_eq!(net.peer_only(peer), taken(77));
    net.peer_send(peer, topic_seq("9"));
    assert!(net.peer_inbox(peer).is_empty(), "no request");
    assert_eq!(topics_of(&net, peer), ["x"]);
    let a = net.subscriber(0, &["a", "b"]);
    let mut version = EPOCH + 1;
    let mut next = |topics: &[(&str, u32)]| {
        version += 1;
        change(0, version, version - 1, topics)
    };
    assert_eq!(told(&mut net, peer), [next(&[("a", 1), ("b", 1)])]);
    let b = net.subscriber(0, &["b"]);
    assert_eq!(told(&mut net, peer), [next(&[("b", 2)])]);
    net.subscribe(a, &["c"]);
    assert_eq!(
        told(&mut net, peer),
        [next(&[("a", 0), ("b", 1), ("c", 1)])]
    );
    net.subscribe(b, &["b"]);
    assert!(net.peer_inbox(peer).is_empty(), "nothing changed");
    net.hang_up(b);
    assert_eq!(told(&mut net, peer), [next(&[("b", 0)])]);
    // It can request everything at any time.
    net.peer_send(
        peer,
        extension(mesh::packet::ASK, 0, mesh::encode_keys([key(0), key(9)])),
    );
    let told = told(&mut net, peer);
    assert_eq!((told[0].base, told[0].version), (0, EPOCH));
    let mut view = BTreeMap::new();
    for pair in told.windows(2) {
        assert_eq!(pair[1].base, pair[0].version);
    }
    view.extend(told.iter().flat_map(|record| record.topics.clone()));
    view.retain(|_, &mut count| count > 0);
    assert_eq!(view, BTreeMap::from([("c".into(), 1)]));
    assert_eq!(told.last().unwrap().version, EPOCH + 5);
}

#[test]
fn a_change_of_a_state_that_is_not_there_is_asked_about() {
    let mut net = Net::new(1);
    let peer = net.overlay_peer(0, 5, &[("a", 1)]);
    let ask = extension(mesh::packet::ASK, 0, mesh::encode_keys([key(5)]));
    net.peer_send(
        peer,
        records(3, &[change(5, 1 << 40, 1 << 39, &[("b", 1)])]),
    );
    assert_eq!(
        net.peer_only(peer),
        ask,
        "and the record is not acknowledged"
    );
    assert_eq!(topics_of(&net, peer), ["a"]);
    net.peer_send(peer, records(4, &[state(5, 1 << 40, &[0], &[("b", 1)])]));
    assert_eq!(net.peer_only(peer), taken(4));
    assert_eq!(topics_of(&net, peer), ["b"]);
}

#[test]
fn two_overlay_nodes_never_ask_for_lists() {
    let mut net = Net::mesh(2);
    net.log = Some(Vec::new());
    let subscriber = net.subscriber(1, &[TOPIC]);
    net.secs(30);
    net.subscribe(subscriber, &["other"]);
    net.secs(30);
    let log = net.log.take().unwrap();
    let said = format!("protocol: {}", protocol::EXTENSION);
    assert!(log.iter().any(|line| line.contains(&said)));
    assert!(
        !log.iter().any(|line| line.contains("protocol: 2")),
        "{log:?}"
    );
}

#[test]
fn changes_before_a_peers_first_frame_are_not_lost() {
    let mut net = Net::new(1);
    let stays = net.subscriber(0, &["a", "b"]);
    let peer = net.raw_peer(0, node_id(5), true);
    // The node does not know yet who it is; all this happens before its greeting arrives.
    let goes = net.subscriber(0, &["b", "c"]);
    net.subscribe(stays, &["b", "d"]);
    net.hang_up(goes);
    net.subscriber(0, &["d"]);
    net.peer_send(peer, hello());
    net.peer_inbox(peer);
    net.peer_send(peer, known(&[]));
    net.subscriber(0, &["e"]);
    let mut view = BTreeMap::new();
    for record in told(&mut net, peer) {
        if record.base == 0 {
            view.clear();
        }
        view.extend(record.topics);
    }
    view.retain(|_, &mut count| count > 0);
    let local = net.nodes[0].machine.router().local_topics();
    let local: BTreeMap<_, _> = local.map(|(topic, n)| (topic.clone(), n)).collect();
    assert_eq!(view, local);
    assert_eq!(
        view.into_iter().collect::<Vec<_>>(),
        [("b".into(), 1), ("d".into(), 2), ("e".into(), 1)]
    );
}

#[test]
fn two_overlay_nodes_agree_whatever_happens_while_they_greet() {
    let mut net = Net::new(2);
    let goes = net.subscriber(1, &[TOPIC, "gone"]);
    net.wire_held = true;
    let (link, _) = net.connect(0, 1);
    net.hang_up(goes);
    let stays = net.subscriber(1, &[TOPIC, "new"]);
    net.wire_held = false;
    net.settle();
    assert_eq!(topics_of(&net, link), ["hello", "new"]);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, "gone", ""));
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
    net.send(publisher, unicast(2, "new", ""));
    net.only(stays);
}

#[test]
fn records_of_a_fisco_node_mean_nothing() {
    let mut net = Net::new(1);
    let peer = net.fisco_peer(0, 5, TOPIC);
    net.announce(peer, &[("claimed", 9)]);
    assert!(net.peer_inbox(peer).is_empty());
    assert_eq!(topics_of(&net, peer), [TOPIC]);
    assert_eq!(bad_messages(&mut net), 0);
}

#[test]
fn the_number_is_announced_every_5_s() {
    let mut net = Net::new(1);
    let peer = net.fisco_peer(0, 5, TOPIC);
    net.secs(2);
    net.subscriber(0, &["a"]);
    assert_eq!(net.peer_only(peer), topic_seq("1"), "at once");
    for _ in 0..10 {
        net.advance(Duration::from_millis(2999));
        assert!(net.peer_inbox(peer).is_empty());
        net.advance(Duration::from_millis(1));
        assert_eq!(net.peer_only(peer), topic_seq("1"));
        net.secs(2);
        net.peer_send(peer, topic_seq("1"));
    }
}

#[test]
fn a_silent_peer_is_dropped_after_60_s_with_its_topics() {
    let mut net = Net::new(1);
    let quiet = net.fisco_peer(0, 5, "quiet");
    let halves = net.fisco_peer(0, 6, "halves");
    let alive = net.fisco_peer(0, 7, "alive");
    for _ in 0..59 {
        net.secs(1);
        net.peer_send(alive, topic_seq("1"));
        // Bytes of an incomplete frame count, too.
        net.event(0, NodeEvent::PeerActive(halves.id));
    }
    assert_eq!(net.link(quiet).closed, None);
    net.notices(0);
    net.secs(1);
    assert_eq!(net.link(quiet).closed, Some(PeerCloseReason::Idle));
    let (peer, node) = (quiet.id, node_id(5));
    assert_eq!(net.notices(0), [NodeNotice::PeerDown { peer, node }]);
    assert!(topics_of(&net, quiet).is_empty());
    assert_eq!(net.nodes[0].machine.peers().count(), 2);
    assert_eq!(net.link(halves).closed, None);
    assert!(reaches(&mut net, alive, "alive"));
}

#[test]
fn a_connection_only_this_end_heard_of_does_not_keep_the_next_one_out() {
    let mut net = Net::new(1);
    // The other end never finished TLS, and the connection is dead: nothing arrives, not even its
    // end.
    let half = net.raw_peer(0, node_id(5), false);
    net.secs(7);
    assert_eq!(net.link(half).closed, None);
    net.secs(1);
    assert_eq!(net.link(half).closed, Some(PeerCloseReason::Idle));
    let next = net.raw_peer(0, node_id(5), false);
    assert_eq!(net.link(next).closed, None);
}

#[test]
fn a_lost_peers_topics_are_gone_and_come_back_with_it() {
    let mut net = Net::new(2);
    let subscriber = net.subscriber(1, &[TOPIC]);
    let publisher = net.sdk(0);
    for n in 0..3 {
        let (link, _) = net.connect(0, 1);
        net.send(publisher, unicast(n, TOPIC, ""));
        let push = net.only(subscriber);
        net.send(subscriber, reply(&push, ""));
        net.only(publisher);
        net.cut(link);
        net.send(publisher, unicast(9, TOPIC, ""));
        assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
    }
}

#[test]
fn a_fisco_node_gets_our_messages_and_answers_them() {
    let mut net = Net::new(1);
    let peer = net.fisco_peer(0, 5, TOPIC);
    let publisher = net.subscriber(0, &["ours"]);
    net.peer_inbox(peer);
    let mut seqs = Vec::new();
    for n in 0..5 {
        net.send(publisher, unicast(n, TOPIC, "there"));
        let request = net.peer_only(peer);
        assert_eq!(request, from_node(request.seq, &unicast(n, TOPIC, "there")));
        seqs.push(request.seq);
        let answer = reply(&inner(&request), "and back");
        let message = peer_frame(-protocol::AMOP, 0, request.seq, answer.to_bytes());
        net.peer_send(peer, message);
        assert_eq!(net.only(publisher), answer);
    }
    // The first is 2, as on FISCO nodes (p2p-v2 section 4.6).
    assert_eq!(seqs, [2, 3, 4, 5, 6]);
    net.peer_send(peer, from_node(u32::MAX, &unicast(9, "ours", "here")));
    let push = net.only(publisher);
    assert_eq!(push, unicast(9, "ours", "here"));
    net.send(publisher, reply(&push, "and back"));
    let answer = net.peer_only(peer);
    assert_eq!((answer.protocol, answer.seq), (-protocol::AMOP, u32::MAX));
    assert_eq!(inner(&answer), reply(&push, "and back"));
}

#[test]
fn lists_written_are_lists_read() {
    let mut net = Net::new(2);
    let topics = ["one", "two", "话"];
    net.subscriber(0, &topics);
    let asks = silent(&mut net, 5);
    net.peer_send(asks, request_topics(1));
    let body = net.peer_only(asks).body;
    assert_eq!(TopicList::parse(&body, 3).unwrap().topics.len(), 3);
    // Node 1 takes it for a FISCO node.
    let peer = net.raw_peer(1, node_id(5), false);
    net.peer_send(peer, topic_seq("1"));
    let asked = net.peer_inbox(peer).pop().unwrap().seq;
    net.peer_send(
        peer,
        peer_frame(-protocol::TOPIC, packet::TOPICS, asked, body),
    );
    assert_eq!(topics_of(&net, peer), topics);
}
