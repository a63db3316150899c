//! Publishers that fill the queue to another node are paused, for a limited time.

use std::time::Duration;

use crate::bounds::{PEER_QUEUE, TOPIC, net, shout};
use crate::support::{Link, Net, Sdk, unicast};
use amop_proto::{node::NodeNotice, p2p::packet};

/// Returns a peer with the topic that has stopped reading.
fn slow_peer(net: &mut Net, n: usize) -> Link {
    let peer = net.fisco_peer(0, n, TOPIC);
    net.link(peer).stalled = true;
    net.notices(0);
    peer
}

/// Publishes until the node asks the publisher to pause, and returns the number of messages.
fn fill(net: &mut Net, publisher: Sdk) -> usize {
    let mut sent = 0;
    while !net.end(publisher).paused {
        net.send(publisher, shout(sent));
        sent += 1;
        assert!(sent < 100, "never paused");
    }
    sent as usize
}

#[test]
fn a_publisher_is_paused_while_a_peers_queue_is_half_full() {
    let mut net = net();
    let publisher = net.sdk(0);
    let bystander = net.sdk(0);
    let peer = slow_peer(&mut net, 5);
    let sent = fill(&mut net, publisher);
    assert_eq!(sent, PEER_QUEUE / 2 / 216 + 1);
    assert!(!net.end(bystander).paused);
    let unwritten = net.link(peer).unwritten;
    net.peer_read(peer, unwritten - PEER_QUEUE / 4 - 1);
    assert!(net.end(publisher).paused, "not yet down to a quarter");
    net.peer_read(peer, 1);
    assert!(!net.end(publisher).paused);
    // The same happens again. Nothing was lost.
    let again = fill(&mut net, publisher);
    net.peer_read(peer, usize::MAX);
    assert!(!net.end(publisher).paused);
    let copies = net.peer_inbox(peer).into_iter();
    let copies = copies.filter(|frame| frame.packet == packet::MULTICAST);
    assert_eq!(copies.count(), sent + again);
    assert_eq!(net.nodes[0].machine.router().counters().dropped, 0);
}

#[test]
fn unicasts_pause_their_publisher_too() {
    let mut net = net();
    let publisher = net.sdk(0);
    let peer = slow_peer(&mut net, 5);
    let mut sent = 0;
    while !net.end(publisher).paused {
        net.send(publisher, unicast(sent, TOPIC, &"x".repeat(1000)));
        sent += 1;
        assert!(sent < 100, "never paused");
    }
    assert_eq!(net.peer_inbox(peer).len() as u64, sent);
    net.peer_read(peer, usize::MAX);
    assert!(!net.end(publisher).paused);
}

#[test]
fn a_stuck_peer_pauses_nobody_for_longer_than_2_s() {
    let mut net = net();
    let publisher = net.sdk(0);
    let peer = slow_peer(&mut net, 5);
    let subscriber = net.subscriber(0, &[TOPIC]);
    fill(&mut net, publisher);
    net.advance(Duration::from_millis(1999));
    assert!(net.end(publisher).paused);
    net.advance(Duration::from_millis(1));
    assert!(!net.end(publisher).paused);
    // From now on its queue fills up, it falls behind and misses messages; no publisher waits for
    // it.
    net.inbox(subscriber);
    for n in 1000..1200 {
        net.send(publisher, shout(n));
        assert!(!net.end(publisher).paused);
        assert!(net.link(peer).unwritten <= PEER_QUEUE + 216);
    }
    assert_eq!(net.inbox(subscriber).len(), 200);
    let dropped = net.nodes[0].machine.router().counters().dropped;
    assert!(dropped > 150);
    let behind = net.notices(0);
    assert!(
        matches!(behind[..], [NodeNotice::PeerBehind { peer: id, .. }] if id == peer.id),
        "{behind:?}"
    );
    // Unicasts are not sent to it either.
    net.peer_inbox(peer);
    for n in 0..20 {
        net.send(publisher, unicast(n, TOPIC, ""));
        net.only(subscriber);
    }
    assert!(net.peer_inbox(peer).is_empty());
    // After it has read, it is a normal peer again, and publishers wait for it.
    net.peer_read(peer, usize::MAX);
    let peer_id = peer.id;
    assert_eq!(
        net.notices(0),
        [NodeNotice::PeerCaughtUp {
            peer: peer_id,
            dropped
        }]
    );
    net.inbox(publisher);
    fill(&mut net, publisher);
    net.peer_read(peer, usize::MAX);
    assert!(!net.end(publisher).paused);
}

/// A session with few messages in the queue still has room when another one has filled it.
#[test]
fn who_has_little_in_a_full_queue_is_neither_paused_nor_misses_out() {
    let mut net = net();
    let (hog, quiet) = (net.sdk(0), net.sdk(0));
    let peer = slow_peer(&mut net, 5);
    fill(&mut net, hog);
    net.advance(Duration::from_secs(2));
    for n in 0..100 {
        net.send(hog, shout(n));
    }
    let dropped = |net: &Net| net.nodes[0].machine.router().counters().dropped;
    let of_hog = dropped(&net);
    assert!(of_hog > 0);
    net.peer_inbox(peer);
    for n in 0..5 {
        net.send(quiet, shout(1000 + n));
        assert!(!net.end(quiet).paused);
    }
    net.send(quiet, unicast(2000, TOPIC, "short"));
    assert_eq!(net.peer_inbox(peer).len(), 6);
    assert_eq!(dropped(&net), of_hog);
    // With more than that it waits and misses messages like the other one.
    for n in 0..100 {
        net.send(quiet, shout(3000 + n));
    }
    assert!(dropped(&net) > of_hog);
    assert!(net.link(peer).unwritten <= 2 * PEER_QUEUE - PEER_QUEUE / 4);
    assert!(net.is_up(peer));
    net.peer_read(peer, usize::MAX);
    net.send(hog, shout(1));
    net.send(quiet, shout(2));
    assert_eq!(net.link(peer).unwritten, 2 * 216);
}

#[test]
fn a_publisher_waits_for_all_the_peers_it_fills() {
    let mut net = net();
    let publisher = net.sdk(0);
    let peers = [5, 6].map(|n| slow_peer(&mut net, n));
    fill(&mut net, publisher);
    net.peer_read(peers[0], usize::MAX);
    assert!(net.end(publisher).paused);
    net.peer_read(peers[1], usize::MAX);
    assert!(!net.end(publisher).paused);
    // Publishers do not wait for a lost peer any more.
    fill(&mut net, publisher);
    net.cut(peers[0]);
    assert!(net.end(publisher).paused);
    net.cut(peers[1]);
    assert!(!net.end(publisher).paused);
    net.secs(5);
}

#[test]
fn a_publisher_that_leaves_while_paused_leaves_nothing_behind() {
    let mut net = net();
    let peer = slow_peer(&mut net, 5);
    let first = net.sdk(0);
    fill(&mut net, first);
    // The harness refuses to resume a session that has ended.
    net.hang_up(first);
    net.secs(3);
    // No publisher waited 2 s for this peer, so the next publisher waits for it once its share of
    // the queue is used.
    let second = net.sdk(0);
    let sent = fill(&mut net, second);
    assert_eq!(sent, PEER_QUEUE / 4 / 216 + 1);
    net.peer_read(peer, usize::MAX);
    assert!(!net.end(second).paused);
}
