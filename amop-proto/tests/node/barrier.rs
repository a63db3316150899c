//! The answer to a heartbeat says that the overlay nodes know the session's topics, or have had
//! enough time to learn them.

use std::time::Duration;

use crate::support::{
    EPOCH, Link, Net, Sdk, hello, known, multicast, node_id, read_records, records, state, taken,
    topic_seq, unicast,
};
use amop_proto::channel::FrameType;

const TOPIC: &str = "hello";

fn heartbeat(net: &mut Net, sdk: Sdk) {
    net.send_body(sdk, FrameType::HEARTBEAT, b"0");
}

fn answered(net: &mut Net, sdk: Sdk) -> bool {
    let frames = net.inbox(sdk);
    assert!(frames.len() < 2, "{frames:?}");
    frames
        .iter()
        .all(|frame| frame.kind == FrameType::HEARTBEAT && frame.body == "1")
        && frames.len() == 1
}

/// Returns an overlay peer that has acknowledged the node's state (first and second frame), and a
/// session that changes its topics afterwards (third frame).
fn unacknowledged() -> (Net, Link, Sdk) {
    let mut net = Net::new(1);
    let peer = net.overlay_peer(0, 5, &[]);
    let sdk = net.subscriber(0, &[TOPIC]);
    let told = net.peer_inbox(peer);
    assert_eq!(told[0].seq, 3, "{told:?}");
    let record = &read_records(&told[0])[0];
    assert_eq!(record.topics, [(TOPIC.into(), 1)]);
    (net, peer, sdk)
}

#[test]
fn without_overlay_peers_the_answer_is_immediate() {
    let mut net = Net::new(1);
    net.fisco_peer(0, 5, TOPIC);
    let sdk = net.subscriber(0, &[TOPIC]);
    heartbeat(&mut net, sdk);
    assert!(answered(&mut net, sdk));
}

#[test]
fn an_answer_means_that_the_other_node_reaches_the_subscriber() {
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    net.wire_held = true;
    let subscriber = net.subscriber(1, &[TOPIC]);
    heartbeat(&mut net, subscriber);
    assert!(!answered(&mut net, subscriber));
    net.wire_held = false;
    net.settle();
    assert!(answered(&mut net, subscriber));
    net.send(publisher, unicast(1, TOPIC, ""));
    assert_eq!(net.only(subscriber), unicast(1, TOPIC, ""));
}

#[test]
fn only_the_right_acknowledgement_releases_it() {
    let (mut net, peer, sdk) = unacknowledged();
    heartbeat(&mut net, sdk);
    assert!(!answered(&mut net, sdk));
    // None of these acknowledges it: three old seqs, and two that were never used.
    for seq in [0, 1, 2, 4, u32::MAX] {
        net.peer_send(peer, taken(seq));
        assert!(!answered(&mut net, sdk), "{seq}");
    }
    net.peer_send(peer, taken(3));
    assert!(answered(&mut net, sdk));
    // An earlier acknowledgement changes nothing.
    net.peer_send(peer, taken(2));
    heartbeat(&mut net, sdk);
    assert!(answered(&mut net, sdk));
}

#[test]
fn every_overlay_peer_must_have_said_so() {
    let (mut net, first, sdk) = unacknowledged();
    let second = net.raw_peer(0, node_id(6), false);
    net.peer_send(second, hello());
    heartbeat(&mut net, sdk);
    net.peer_send(first, taken(3));
    assert!(!answered(&mut net, sdk));
    net.peer_send(second, records(1, &[state(6, 1, &[], &[])]));
    // It reports the version that it knows of this node: first an old one, then the changed one.
    net.peer_send(second, known(&[(0, EPOCH)]));
    assert!(!answered(&mut net, sdk));
    net.peer_send(second, known(&[(0, EPOCH + 100)]));
    assert!(answered(&mut net, sdk));
}

#[test]
fn whenever_it_subscribes_while_the_nodes_greet_an_answer_means_that_it_is_reached() {
    for delivered in 0..12 {
        let mut net = Net::new(2);
        let publisher = net.sdk(0);
        let subscriber = net.sdk(1);
        net.wire_held = true;
        net.connect(0, 1);
        for _ in 0..delivered {
            net.deliver_one();
        }
        net.subscribe(subscriber, &[TOPIC]);
        heartbeat(&mut net, subscriber);
        while !answered(&mut net, subscriber) {
            assert!(net.deliver_one(), "no answer, {delivered}");
        }
        // Packets that are still in transit must not matter for the publisher's node.
        net.send(publisher, unicast(1, TOPIC, ""));
        net.nothing(publisher);
        net.wire_held = false;
        net.settle();
        assert_eq!(net.only(subscriber), unicast(1, TOPIC, ""), "{delivered}");
    }
}

#[test]
fn a_peer_that_is_lost_or_turns_out_to_be_foreign_is_not_waited_for() {
    let (mut net, peer, sdk) = unacknowledged();
    heartbeat(&mut net, sdk);
    net.cut(peer);
    assert!(answered(&mut net, sdk));

    let unknown = net.raw_peer(0, node_id(6), false);
    heartbeat(&mut net, sdk);
    assert!(!answered(&mut net, sdk));
    net.peer_send(unknown, topic_seq("0"));
    assert!(answered(&mut net, sdk));
}

#[test]
fn nobody_waits_for_longer_than_a_second() {
    let (mut net, _, sdk) = unacknowledged();
    heartbeat(&mut net, sdk);
    net.advance(Duration::from_millis(999));
    assert!(!answered(&mut net, sdk));
    net.advance(Duration::from_millis(1));
    assert!(answered(&mut net, sdk));
}

#[test]
fn a_session_waits_for_its_own_topics_only() {
    let (mut net, peer, first) = unacknowledged();
    net.peer_send(peer, taken(3));
    let second = net.subscriber(0, &["other"]);
    let third = net.sdk(0);
    for (sdk, held) in [(first, false), (second, true), (third, false)] {
        heartbeat(&mut net, sdk);
        assert_eq!(answered(&mut net, sdk), !held);
    }
    // The same set again is not a change, so there is nothing to wait for.
    net.subscribe(first, &[TOPIC]);
    heartbeat(&mut net, first);
    assert!(answered(&mut net, first));
    net.peer_send(peer, taken(4));
    assert!(answered(&mut net, second));
}

#[test]
fn messages_do_not_wait_for_heartbeats() {
    let (mut net, _, sdk) = unacknowledged();
    heartbeat(&mut net, sdk);
    let publisher = net.sdk(0);
    net.send(publisher, multicast(1, TOPIC, ""));
    assert_eq!(net.only(sdk), multicast(1, TOPIC, ""));
}

#[test]
fn a_session_that_leaves_takes_its_heartbeats_with_it() {
    let (mut net, peer, sdk) = unacknowledged();
    heartbeat(&mut net, sdk);
    net.hang_up(sdk);
    net.peer_send(peer, taken(3));
    net.nothing(sdk);
    net.cut(peer);
    // The lost node is forgotten after a minute.
    net.secs(62);
    assert_eq!(net.nodes[0].machine.next_timeout(), None);
}

#[test]
fn only_so_many_of_one_session_are_held() {
    let (mut net, peer, sdk) = unacknowledged();
    for _ in 0..5000 {
        heartbeat(&mut net, sdk);
    }
    net.nothing(sdk);
    net.peer_send(peer, taken(3));
    assert_eq!(net.inbox(sdk).len(), 8);
    heartbeat(&mut net, sdk);
    assert!(answered(&mut net, sdk), "then it may again");
}

#[test]
fn a_peer_is_in_reach_once_both_ends_have_said_so() {
    let mut net = Net::new(2);
    net.wire_held = true;
    net.connect(0, 1);
    assert_eq!(net.nodes[0].machine.peers().count(), 1);
    assert_eq!((net.in_reach(0), net.in_reach(1)), (0, 0));
    net.wire_held = false;
    net.settle();
    assert_eq!((net.in_reach(0), net.in_reach(1)), (1, 1));
}

#[test]
fn a_peer_that_says_nothing_is_in_reach_after_a_while_as_a_fisco_node_would_be() {
    let mut net = Net::new(1);
    net.raw_peer(0, node_id(5), false);
    assert_eq!(net.in_reach(0), 0);
    net.advance(Duration::from_secs(1));
    assert_eq!(net.in_reach(0), 1);
}
