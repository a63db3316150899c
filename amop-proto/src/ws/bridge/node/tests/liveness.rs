//! What a client learns when the node dies.

use super::*;

#[test]
fn an_idle_connection_lives() {
    let mut network = Network::ready();
    network.pass(Duration::from_secs(120));
    assert!(!network.client.is_closed() && !network.bridge.is_closed());
    assert!(!network.node.is_closed());
    assert_eq!(network.events, []);
}

/// A node that a message waits for is given up after 5 s and some time for the bytes on the way, so
/// that another node can be asked.
#[test]
fn a_dead_node_is_given_up_soon_if_something_waits_for_it() {
    for kind in [MessageKind::Unicast, MessageKind::Multicast] {
        let mut network = Network::ready();
        network.pass(Duration::from_secs(3));
        network.deaf = true;
        network.request(kind, b"question", 1);
        network.pass(Duration::from_millis(5300));
        assert!(network.client.is_closed(), "{kind:?}");
        let [
            SessionEvent::Finished { outcome, .. },
            SessionEvent::Closed(reason),
        ] = &network.events[..]
        else {
            panic!("{:?}", network.events);
        };
        assert_eq!(*outcome, RequestOutcome::Disconnected);
        assert!(matches!(reason, CloseReason::Silent { .. }), "{reason:?}");
    }
}

/// The pings of WebSocket find it out.
#[test]
fn an_idle_dead_node_is_noticed_within_15_s() {
    let mut network = Network::ready();
    network.pass(Duration::from_secs(7));
    network.deaf = true;
    network.pass(Duration::from_secs(5));
    assert!(!network.bridge.is_closed());
    network.pass(Duration::from_secs(10));
    assert!(network.bridge.is_closed());
    let reason = network.bridge.close_reason();
    assert!(
        matches!(reason, Some(CloseReason::Silent { .. })),
        "{reason:?}"
    );
}

/// A message that arrives slowly is a sign of life.
#[test]
fn a_node_that_sends_a_long_message_is_not_given_up() {
    let mut network = Network::ready();
    network.request(MessageKind::Unicast, b"question", 1);
    network.deaf = true;
    for _ in 0..300 {
        network.bridge.note_activity(network.now);
        // The pings are sent, and not answered.
        while network.bridge.poll_transmit().is_some() {}
        network.pass(Duration::from_millis(100));
        while let Some(frame) = network.bridge.poll_frame() {
            network.client.handle_frame(network.now, frame);
        }
    }
    assert!(!network.client.is_closed());
}

#[test]
fn the_reasons_of_3_x_have_words() {
    let silent = |network: &mut Network| network.pass(Duration::from_secs(11));
    let mut network = Network::new();
    network.deaf = true;
    silent(&mut network);
    let reason = network.bridge.close_reason().unwrap().to_string();
    assert!(
        reason.starts_with("the version handshake of 3.x failed: the node did not answer"),
        "{reason}"
    );
    let mut network = Network::ready();
    let error = WsMessageError::TooShort { len: 3 };
    network.bridge.handle_message_error(error);
    let reason = network.bridge.close_reason();
    assert!(
        matches!(&reason, Some(CloseReason::Transport { message, .. }) if *message == error.to_string()),
        "{reason:?}"
    );
    let mut network = Network::new();
    network.bridge.handle_eof();
    let reason = network.bridge.close_reason();
    assert_eq!(reason, Some(CloseReason::DuringHandshake));
}

/// No number of heartbeats fills the memory while the node is silent.
#[test]
fn heartbeats_do_not_pile_up() {
    let mut network = Network::ready();
    for _ in 0..1000 {
        let heartbeat = Frame::new(FrameType::HEARTBEAT, Seq([b'h'; 32]), "");
        network.bridge.handle_frame(network.now, heartbeat);
    }
    network.bridge.note_activity(network.now);
    assert_eq!(
        std::iter::from_fn(|| network.bridge.poll_frame()).count(),
        16
    );
}
