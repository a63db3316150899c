//! Connections whose certificates are no longer accepted: the shell reports it, and the node closes
//! them and continues without them.

use crate::support::{Net, error, reply, unicast};
use amop_proto::{
    channel::result_code,
    node::{CertificateLapse, NodeEvent, PeerCloseReason, PeerId, SessionCloseReason, SessionId},
};

const TOPIC: &str = "hello";

#[test]
fn a_lapsed_session_is_closed_and_its_messages_go_to_others() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let subscribers = [0, 0].map(|node| net.subscriber(node, &[TOPIC]));
    net.send(publisher, unicast(1, TOPIC, "ping"));
    let first = subscribers.map(|sdk| net.inbox(sdk));
    let at = usize::from(first[0].is_empty());
    let (lapsed, other) = (subscribers[at], subscribers[1 - at]);
    net.event(
        0,
        NodeEvent::SessionLapsed(lapsed.id, CertificateLapse::Revoked),
    );
    net.settle();
    assert_eq!(
        net.closed(lapsed),
        Some(SessionCloseReason::Lapsed(CertificateLapse::Revoked))
    );
    let push = net.only(other);
    net.send(other, reply(&push, "pong"));
    assert_eq!(net.only(publisher).result, 0);
    // Its subscription is removed with it.
    for n in 2..20 {
        net.send(publisher, unicast(n, TOPIC, "ping"));
        let push = net.only(other);
        net.send(other, reply(&push, "pong"));
        net.only(publisher);
    }
    assert!(net.is_open(other) && net.is_open(publisher));
}

#[test]
fn a_lapsed_publisher_gets_no_answer_and_harms_nobody() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(0, &[TOPIC]);
    net.send(publisher, unicast(1, TOPIC, "ping"));
    let push = net.only(subscriber);
    net.event(
        0,
        NodeEvent::SessionLapsed(
            publisher.id,
            CertificateLapse::Expired { at: 1_609_459_200 },
        ),
    );
    net.settle();
    assert_eq!(
        net.closed(publisher),
        Some(SessionCloseReason::Lapsed(CertificateLapse::Expired {
            at: 1_609_459_200
        }))
    );
    net.send(subscriber, reply(&push, "pong"));
    assert!(net.is_open(subscriber));
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn a_lapsed_peer_is_closed_and_its_topics_are_gone() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let peer = net.fisco_peer(0, 5, TOPIC);
    net.send(publisher, unicast(1, TOPIC, "ping"));
    assert_eq!(net.peer_inbox(peer).len(), 1);
    net.event(
        0,
        NodeEvent::PeerLapsed(peer.id, CertificateLapse::Unlisted),
    );
    net.settle();
    let reason = PeerCloseReason::Lapsed(CertificateLapse::Unlisted);
    assert_eq!(net.link(peer).closed, Some(reason));
    // Its open requests fail at once, and so do later ones.
    assert_eq!(net.only(publisher).result, result_code::NO_SUBSCRIBER);
    net.send(publisher, unicast(2, TOPIC, "ping"));
    assert_eq!(
        net.only(publisher),
        error(2, result_code::NO_SUBSCRIBER, "")
    );
    assert_eq!(net.nodes[0].machine.peers().count(), 0);
}

#[test]
fn a_connection_that_is_gone_already_cannot_lapse() {
    let mut net = Net::mesh(2);
    let sdk = net.sdk(0);
    net.hang_up(sdk);
    net.event(
        0,
        NodeEvent::SessionLapsed(sdk.id, CertificateLapse::Revoked),
    );
    net.event(
        0,
        NodeEvent::SessionLapsed(SessionId(777), CertificateLapse::Revoked),
    );
    net.event(
        0,
        NodeEvent::PeerLapsed(PeerId(777), CertificateLapse::Revoked),
    );
    net.settle();
    assert_eq!(net.nodes[0].machine.peers().count(), 1);
    assert_eq!(net.nodes[0].machine.session_count(), 0);
}
