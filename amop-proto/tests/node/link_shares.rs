//! A full link to another node is shared by agencies, keys and senders.

use crate::shares::{HONEST, net};
use crate::support::{Link, Net, Sdk, multicast, relayed, unicast};
use amop_proto::{node::Limits, p2p::mesh::packet};

/// Returns a node that reads nothing, and a session of another agency.
fn stalled(limits: impl FnOnce(&mut Limits)) -> (Net, Link, Sdk) {
    let mut net = net(limits);
    let far = net.overlay_peer(0, HONEST, &[("there", 1)]);
    net.secs(1);
    let modest = net.sdk_of(0, 2, 1);
    net.peer_inbox(far);
    net.link(far).stalled = true;
    (net, far, modest)
}

const LINK: usize = 1 << 20;

/// Asserts that the messages of a modest session are queued, and that it is not paused.
fn is_served(net: &mut Net, far: Link, modest: Sdk, rounds: usize) {
    net.peer_inbox(far);
    for n in 0..rounds as u64 {
        net.send(modest, unicast(5000 + n, "there", &"x".repeat(1000)));
        net.send(modest, multicast(6000 + n, "there", &"x".repeat(1000)));
    }
    assert_eq!(net.peer_inbox(far).len(), 2 * rounds);
    assert!(!net.end(modest).paused);
    let answers = net.inbox(modest);
    assert!(answers.iter().all(|frame| frame.result == 0), "{answers:?}");
}

/// Admission counts by agency and key, like turns, because sessions cost nothing.
#[test]
fn many_sessions_of_one_agency_leave_room_on_a_link_for_another() {
    for keys in [1, 7] {
        let (mut net, far, modest) = stalled(|limits| limits.peer_queue = LINK);
        let crowd: Vec<Sdk> = (0..900)
            .map(|n| net.sdk_of(0, 1, (n % keys) as u8))
            .collect();
        for round in 0..2 {
            for (n, &sdk) in crowd.iter().enumerate() {
                let seq = (round * 1000 + n) as u64;
                net.send(sdk, multicast(seq, "there", &"x".repeat(1400)));
            }
        }
        let queued = net.nodes[0].machine.router().peer_bytes();
        assert!(queued > LINK, "{queued}");
        is_served(&mut net, far, modest, 20);
        // Another key of the same agency has its share as well: at least an eighth of what its
        // agency may have.
        let beside = net.sdk_of(0, 1, 99);
        is_served(&mut net, far, beside, 12);
        assert!(net.is_up(far));
        // The messages that the crowd sends now are refused.
        net.inbox(crowd[0]);
        net.send(crowd[0], unicast(9000, "there", &"x".repeat(1400)));
        assert_ne!(net.only(crowd[0]).result, 0);
    }
}

/// Many small senders together cannot fill the room that is kept for others.
#[test]
fn a_closed_link_keeps_room_for_those_who_have_not_come_yet() {
    let (mut net, far, modest) = stalled(|limits| limits.peer_queue = LINK);
    let greedy = net.sdk_of(0, 1, 1);
    for n in 0..1200 {
        net.send(greedy, multicast(n, "there", &"x".repeat(1000)));
    }
    // More and more keys of one agency send a little each, until none of them is served any more.
    let mut last = 0;
    for key in 2..250 {
        let sdk = net.sdk_of(0, 1, key);
        net.peer_inbox(far);
        for n in 0..8 {
            net.send(sdk, multicast(2000 + n, "there", &"x".repeat(1000)));
        }
        last = net.peer_inbox(far).len();
    }
    assert_eq!(last, 0);
    is_served(&mut net, far, modest, 20);
    assert!(net.is_up(far));
}

/// A neighbour that invents senders gets no more room for them.
#[test]
fn a_neighbour_that_invents_senders_leaves_room_on_a_link() {
    let (mut net, far, modest) = stalled(|limits| limits.peer_queue = LINK);
    let liar = net.overlay_peer(0, 1, &[]);
    net.secs(1);
    for n in 0..2000 {
        let frame = unicast(n, "there", &"x".repeat(1000));
        let mut packet = relayed(packet::RELAYED_UNICAST, (1, HONEST), (n, n + 10), &frame);
        // Nothing proves to this node where the message comes from.
        let mut body = packet.body.to_vec();
        body[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        packet.body = body.into();
        net.peer_send(liar, packet);
    }
    let queued = net.nodes[0].machine.router().peer_bytes();
    assert!(queued > LINK, "{queued}");
    is_served(&mut net, far, modest, 20);
}

/// A sender that is alone may fill a link completely, and its count is forgotten when the link
/// drains.
#[test]
fn a_link_that_drains_serves_everybody_again() {
    let (mut net, far, modest) = stalled(|limits| limits.peer_queue = LINK);
    let greedy = net.sdk_of(0, 1, 1);
    for n in 0..1200 {
        net.send(greedy, multicast(n, "there", &"x".repeat(1000)));
    }
    assert!(net.end(greedy).paused);
    is_served(&mut net, far, modest, 20);
    net.peer_read(far, usize::MAX);
    assert!(!net.end(greedy).paused);
    net.peer_inbox(far);
    net.send(greedy, multicast(9000, "there", ""));
    assert_eq!(net.peer_inbox(far).len(), 1);
}
