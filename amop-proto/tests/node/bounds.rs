//! Slow readers do not affect others, and the node stays within its limits.

use std::time::Duration;

use crate::support::{
    Link, Net, Sdk, config, from_node, inner, multicast, node_id, peer_frame, refused, reply,
    unicast,
};
use amop_proto::{
    channel::{Frame, FrameType, result_code},
    node::{NodeNotice, PeerCloseReason, SessionCloseReason},
    p2p::{packet, protocol},
};

const TOPIC: &str = "hello";
const SESSION_QUEUE: usize = 1000;
const PEER_QUEUE: usize = 10_000;

fn net() -> Net {
    let mut config = config(0);
    config.limits.session_queue = SESSION_QUEUE;
    config.limits.peer_queue = PEER_QUEUE;
    Net::with([config])
}

/// Returns a multicast of 200 bytes, 216 between nodes.
fn shout(n: u64) -> Frame {
    let frame = multicast(n, TOPIC, &"x".repeat(200 - 48));
    assert_eq!(frame.wire_len(), 200);
    frame
}

/// Returns a subscriber that has stopped reading and has fallen behind.
fn slow_subscriber(net: &mut Net, publisher: Sdk) -> Sdk {
    let slow = net.subscriber(0, &[TOPIC]);
    net.end(slow).stalled = true;
    for n in 0..6 {
        net.send(publisher, shout(n));
    }
    assert_eq!(net.inbox(slow).len(), 6);
    net.inbox(publisher);
    let (session, queued) = (slow.id, 1200);
    assert_eq!(
        net.notices(0),
        [NodeNotice::SessionBehind { session, queued }]
    );
    slow
}

#[test]
fn a_session_that_falls_behind_misses_multicasts_until_it_reads() {
    let mut net = net();
    let publisher = net.sdk(0);
    let slow = slow_subscriber(&mut net, publisher);
    let fast = net.subscriber(0, &[TOPIC]);
    for n in 100..150 {
        net.send(publisher, shout(n));
    }
    assert_eq!(net.inbox(fast).len(), 50);
    assert_eq!(net.inbox(publisher).len(), 50, "all are acknowledged");
    net.nothing(slow);
    let counters = net.nodes[0].machine.router().counters();
    assert_eq!((counters.delivered, counters.dropped), (56, 50));
    assert_eq!(net.end(slow).unwritten, 1200);
    // At half of the limit it is a normal subscriber again.
    net.read(slow, 699);
    net.send(publisher, shout(201));
    net.nothing(slow);
    net.read(slow, 1);
    let (session, dropped) = (slow.id, 51);
    assert_eq!(
        net.notices(0),
        [NodeNotice::SessionCaughtUp { session, dropped }]
    );
    net.send(publisher, shout(202));
    assert_eq!(net.only(slow), shout(202));
    // The count starts again: the first two fit, the third does not.
    for n in 203..206 {
        net.send(publisher, shout(n));
    }
    assert_eq!(net.inbox(slow), [shout(203), shout(204)]);
    net.read(slow, 2000);
    let dropped = 1;
    let notices = net.notices(0);
    assert_eq!(
        notices[1..],
        [NodeNotice::SessionCaughtUp { session, dropped }]
    );
}

#[test]
fn unicasts_go_to_those_that_read() {
    let mut net = net();
    let publisher = net.sdk(0);
    let slow = slow_subscriber(&mut net, publisher);
    let fast = net.subscriber(0, &[TOPIC]);
    for n in 0..40 {
        net.send(publisher, unicast(n, TOPIC, ""));
        let push = net.only(fast);
        net.send(fast, reply(&push, ""));
        net.only(publisher);
    }
    net.nothing(slow);
    // There is still a subscriber, but none that accepts the message.
    net.hang_up(fast);
    net.send(publisher, unicast(41, TOPIC, ""));
    assert_eq!(net.only(publisher), refused(&unicast(41, TOPIC, "")));
    // A message of another node is refused in the same way.
    let peer = net.overlay_peer(0, 5, &[]);
    net.peer_inbox(peer);
    net.peer_send(peer, from_node(9, &unicast(43, TOPIC, "")));
    assert_eq!(
        inner(&net.peer_only(peer)),
        refused(&unicast(43, TOPIC, ""))
    );
    net.nothing(slow);
    net.read(slow, 2000);
    net.send(publisher, unicast(42, TOPIC, ""));
    assert_eq!(net.only(slow), unicast(42, TOPIC, ""));
}

#[test]
fn a_node_that_cannot_be_sent_more_is_passed_over_and_the_last_to_be_so_means_104() {
    for foreign in [false, true] {
        let mut net = net();
        let publisher = net.sdk(0);
        let behind = match foreign {
            true => net.fisco_peer(0, 5, TOPIC),
            false => net.overlay_peer(0, 5, &[(TOPIC, 1)]),
        };
        net.link(behind).stalled = true;
        let filler = "x".repeat(3000);
        for n in 0..4 {
            net.send(publisher, multicast(n, TOPIC, &filler));
        }
        let notices = net.notices(0).into_iter();
        let behind_now = notices.filter(|notice| matches!(notice, NodeNotice::PeerBehind { .. }));
        assert_eq!(behind_now.count(), 1);
        net.inbox(publisher);
        net.peer_inbox(behind);
        // It has a subscriber, so the result is not 100.
        net.send(publisher, unicast(10, TOPIC, ""));
        assert_eq!(net.only(publisher), refused(&unicast(10, TOPIC, "")));
        let other = net.fisco_peer(0, 6, TOPIC);
        for n in 11..31 {
            net.send(publisher, unicast(n, TOPIC, ""));
            assert_eq!(inner(&net.peer_only(other)), unicast(n, TOPIC, ""));
        }
        net.nothing(publisher);
        assert!(net.peer_inbox(behind).is_empty());
    }
}

#[test]
fn a_session_that_never_reads_is_closed_and_its_messages_go_to_others() {
    let mut net = net();
    let publisher = net.sdk(0);
    let hopeless = net.subscriber(0, &[TOPIC]);
    net.end(hopeless).stalled = true;
    net.send(
        publisher,
        unicast(1, TOPIC, "first to the one that does not read"),
    );
    net.only(hopeless);
    let other = net.subscriber(0, &[TOPIC]);
    // It sends request after request, and does not read the answers.
    let mut asked = 0;
    while net.is_open(hopeless) {
        net.send_body(hopeless, FrameType::HEARTBEAT, b"0");
        asked += 1;
        assert!(net.end(hopeless).unwritten <= 2 * SESSION_QUEUE);
        assert!(asked < 1000);
    }
    let closed = net.closed(hopeless);
    assert!(
        matches!(closed, Some(SessionCloseReason::SlowReader { queued }) if queued > 2 * SESSION_QUEUE),
        "{closed:?}"
    );
    let push = net.only(other);
    net.send(other, reply(&push, "here"));
    assert_eq!(net.only(publisher), reply(&push, "here"));
}

#[test]
fn nothing_follows_the_frame_a_session_is_closed_for() {
    let mut net = net();
    let publisher = net.sdk(0);
    net.subscriber(0, &[TOPIC]);
    // Both fail at the same moment. The first answer is too much for a publisher that does not
    // read; the second is so long that it would be accepted as one long frame.
    net.send(publisher, unicast(1, TOPIC, ""));
    net.send(publisher, unicast(2, TOPIC, &"x".repeat(5 * SESSION_QUEUE)));
    net.end(publisher).stalled = true;
    for _ in 0..46 {
        net.send_body(publisher, FrameType::HEARTBEAT, b"0");
    }
    assert_eq!(net.inbox(publisher).len(), 46);
    // The harness refuses frames for closed sessions.
    net.secs(5);
    assert!(matches!(
        net.closed(publisher),
        Some(SessionCloseReason::SlowReader { .. })
    ));
    net.nothing(publisher);
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn a_publisher_that_reads_no_acknowledgements_is_closed() {
    let mut net = net();
    let publisher = net.subscriber(0, &[TOPIC]);
    net.end(publisher).stalled = true;
    let subscriber = net.subscriber(0, &[TOPIC]);
    let mut sent = 0;
    while net.is_open(publisher) {
        net.send(publisher, shout(sent));
        sent += 1;
        assert!(net.end(publisher).unwritten <= 2 * SESSION_QUEUE);
        assert!(sent < 100);
    }
    assert_eq!(net.inbox(subscriber).len() as u64, sent);
    assert!(matches!(
        net.closed(publisher),
        Some(SessionCloseReason::SlowReader { .. })
    ));
}

#[test]
fn one_long_frame_is_no_sign_of_a_slow_reader() {
    let mut net = net();
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    net.end(subscriber).stalled = true;
    let long = multicast(1, TOPIC, &"x".repeat(10 * SESSION_QUEUE));
    net.send(publisher, long.clone());
    assert_eq!(net.only(subscriber), long);
    for _ in 0..20 {
        net.send_body(subscriber, FrameType::HEARTBEAT, b"0");
    }
    assert_eq!(net.inbox(subscriber).len(), 20);
    assert_eq!(net.closed(subscriber), None);
    // No more is added to it.
    net.send(publisher, shout(2));
    net.nothing(subscriber);
    net.read(subscriber, usize::MAX);
    net.send(publisher, shout(3));
    assert_eq!(net.only(subscriber), shout(3));
}

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

#[test]
fn a_peer_that_asks_and_does_not_read_is_closed() {
    let mut net = net();
    net.subscriber(0, &[&"t".repeat(254), &"u".repeat(254)]);
    let peer = net.fisco_peer(0, 5, TOPIC);
    net.link(peer).stalled = true;
    let mut asked = 0;
    while net.is_up(peer) {
        let request = peer_frame(protocol::TOPIC, packet::REQUEST_TOPICS, asked, "");
        net.peer_send(peer, request);
        asked += 1;
        assert!(net.link(peer).unwritten <= 2 * PEER_QUEUE);
        assert!(asked < 1000);
    }
    let closed = net.link(peer).closed.clone();
    assert!(
        matches!(closed, Some(PeerCloseReason::SlowReader { queued }) if queued > 2 * PEER_QUEUE),
        "{closed:?}"
    );
    assert_eq!(net.nodes[0].machine.peers().count(), 0);
}

#[test]
fn a_node_that_reads_no_answers_is_closed_and_its_requests_end() {
    let mut net = net();
    let subscriber = net.subscriber(0, &[TOPIC]);
    let peer = net.raw_peer(0, node_id(5), false);
    net.peer_inbox(peer);
    net.link(peer).stalled = true;
    let mut n = 0;
    while net.is_up(peer) {
        n += 1;
        let request = unicast(n, "nobody's", &"x".repeat(500));
        net.peer_send(peer, from_node(n as u32, &request));
        if let Some(last) = net.peer_inbox(peer).pop() {
            assert_eq!(inner(&last).result, result_code::NO_SESSION);
        }
        assert!(n < 100);
    }
    net.nothing(subscriber);
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn a_node_that_claims_countless_subscribers_does_not_get_everything() {
    let mut config = config(0);
    config.limits.claimed = 3;
    let mut net = Net::with([config]);
    let publisher = net.sdk(0);
    let honest = net.subscriber(0, &[TOPIC]);
    let liar = net.overlay_peer(0, 5, &[(TOPIC, u32::MAX)]);
    net.peer_inbox(liar);
    let mut got = 0;
    for n in 0..400 {
        net.send(publisher, unicast(n, TOPIC, ""));
        got += net.inbox(honest).len();
        // A node that does not answer would get no more after four.
        net.answer_asked(liar, 0);
    }
    // One in four, within five standard deviations.
    assert!((57..=143).contains(&got), "{got}");
}

#[test]
fn timeouts_as_long_as_can_be_said_never_come() {
    let mut config = config(0);
    let (timeouts, forever) = (&mut config.timeouts, Duration::MAX);
    for timeout in [
        &mut timeouts.session_answer,
        &mut timeouts.peer_answer,
        &mut timeouts.unicast,
        &mut timeouts.session_idle,
        &mut timeouts.peer_idle,
        &mut timeouts.announce,
        &mut timeouts.link_idle,
        &mut timeouts.link_ping,
        &mut timeouts.topic_list,
    ] {
        *timeout = forever;
    }
    let mut net = Net::with([config]);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    let far = net.fisco_peer(0, 5, "far");
    let ours = net.overlay_peer(0, 6, &[("ours", 1)]);
    for (n, topic) in [TOPIC, "far", "ours"].into_iter().enumerate() {
        net.send(publisher, unicast(n as u64, topic, ""));
    }
    for _ in 0..12 {
        net.secs(300);
        // A node that no longer states anything is removed, whatever the timeouts are.
        net.announce_change(ours, &[]);
    }
    net.only(subscriber);
    net.nothing(publisher);
    assert!(net.is_open(publisher) && net.is_up(far) && net.is_up(ours));
    assert_eq!(net.in_flight(), 3);
}
