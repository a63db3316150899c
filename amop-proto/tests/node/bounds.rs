//! Slow readers do not affect others, and the node stays within its limits.

use std::time::Duration;

use crate::support::{
    Net, Sdk, config, from_node, inner, multicast, node_id, peer_frame, refused, reply, unicast,
};
use amop_proto::{
    channel::{Frame, FrameType, result_code},
    node::{NodeNotice, PeerCloseReason, SessionCloseReason},
    p2p::{packet, protocol},
};

pub(crate) const TOPIC: &str = "hello";

const SESSION_QUEUE: usize = 1000;

pub(crate) const PEER_QUEUE: usize = 10_000;

pub(crate) fn net() -> Net {
    let mut config = config(0);
    config.limits.session_queue = SESSION_QUEUE;
    config.limits.peer_queue = PEER_QUEUE;
    Net::with([config])
}

/// Returns a multicast of 200 bytes, 216 between nodes.
pub(crate) fn shout(n: u64) -> Frame {
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
    config.limits.max_claimed_subscribers = 3;
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
