//! What the client publishes, and how it ends.

use super::*;

#[test]
fn the_client_is_ready_after_both_handshakes() {
    let mut network = Network::new();
    network.deaf = true;
    network.pass(Duration::from_secs(6));
    // It does not take the silence for a node of version 1.
    assert!(!network.client.is_ready());
    network.deaf = false;
    network.run();
    let [
        SessionEvent::Ready {
            version,
            node_version,
            overlay,
        },
    ] = &network.events[..]
    else {
        panic!("{:?}", network.events);
    };
    assert_eq!(version.number(), 3);
    assert_eq!(node_version.as_deref(), Some("3.16.4"));
    // It has the habits of an overlay node: order, limits, quiet multicasts.
    assert!(overlay);
    assert_eq!(network.client.answer_within(), Duration::from_secs(30));
}

/// The longest frame that the client may send becomes the longest message of 3.x.
#[test]
fn the_longest_message_fits() {
    let mut network = Network::ready();
    let longest = network.client.max_frame();
    let payload = vec![7; longest - 42 - 1 - "hello".len()];
    network.request(MessageKind::Multicast, &payload, 1);
    let message = network.read.pop().unwrap();
    assert_eq!(message.wire_len(), MAX_MESSAGE);
    assert_eq!(network.outcome(), RequestOutcome::Answered(Bytes::new()));
    let deadline = network.now + Duration::from_secs(1);
    let payload = vec![7; payload.len() + 1];
    let refused = network
        .client
        .request(MessageKind::Multicast, &hello(), &payload, deadline, 1);
    assert!(refused.is_err());
}

#[test]
fn a_unicast_keeps_its_seq_and_gets_the_reply() {
    let mut network = Network::ready();
    let seq = network.unicast(b"question", 1);
    assert_eq!(network.read[0].seq, seq);
    // The reply only looks as if a topic stood before it.
    let reply = Bytes::from_static(b"\x06hello again");
    let answer = WsMessage::new(WsType::RESPONSE, seq.clone(), reply.clone());
    assert!(network.node.answer(&seq, answer));
    network.run();
    assert_eq!(network.outcome(), RequestOutcome::Answered(reply));
}

#[test]
fn every_status_becomes_an_outcome_that_users_know() {
    let rejected = |code, payload: &'static str| RequestOutcome::Rejected {
        code,
        payload: payload.into(),
    };
    let node = WsType::NODE_ANSWER;
    let cases = [
        (node, 3001, RequestOutcome::NoSubscriber),
        (node, 3002, RequestOutcome::Unanswered),
        (node, 3003, RequestOutcome::NoSubscriber),
        (node, -4006, RequestOutcome::SubscriberLeft),
        (node, -4008, RequestOutcome::NodeTimedOut),
        (node, -4011, rejected(-4011, "text")),
        (node, -1, RequestOutcome::OverLimit),
        (node, -7, RequestOutcome::NodeTimedOut),
        (WsType::RESPONSE, 104, RequestOutcome::Unanswered),
        (WsType::RESPONSE, 105, RequestOutcome::Undecodable),
        (WsType::RESPONSE, 106, RequestOutcome::NoReply),
        (WsType::RESPONSE, 107, RequestOutcome::Failed),
        (WsType::RESPONSE, 4711, rejected(4711, "text")),
        (WsType::RESPONSE, 3001, rejected(3001, "text")),
        (WsType::RESPONSE, -9, rejected(-9, "text")),
        (WsType::RESPONSE, -1, rejected(-1, "text")),
    ];
    for (kind, status, outcome) in cases {
        let mut network = Network::ready();
        let seq = network.unicast(b"question", 1);
        assert!(network.node.answer(&seq, ended(kind, status, "text")));
        network.run();
        assert_eq!(network.outcome(), outcome, "{kind:?} {status}");
    }
}

/// FISCO nodes need not answer at all. The client's own deadline is 10 minutes here.
#[test]
fn a_unicast_without_an_answer_ends() {
    let mut network = Network::ready();
    network.unicast(b"question", 1);
    // The node's session would answer after 65 s.
    let end = network.now + Duration::from_secs(71);
    while network.now < end {
        network.now += Duration::from_millis(500);
        network.client.handle_timeout(network.now);
        network.bridge.handle_timeout(network.now);
        network.bridge.note_activity(network.now);
        network.client_to_bridge();
        while network.bridge.poll_transmit().is_some() {}
        while let Some(frame) = network.bridge.poll_frame() {
            network.client.handle_frame(network.now, frame);
        }
    }
    network.run();
    assert_eq!(network.outcome(), RequestOutcome::NodeTimedOut);
}

#[test]
fn a_multicast_is_confirmed_by_the_pong_of_the_ping_after_it() {
    let mut network = Network::ready();
    network.deaf = true;
    network.request(MessageKind::Multicast, b"news", 1);
    // An earlier message of the node does not confirm it, because the ping has not been sent.
    network.bridge.note_activity(network.now);
    network.run();
    assert_eq!(network.events, []);
    network.deaf = false;
    network.run();
    assert_eq!(network.outcome(), RequestOutcome::Answered(Bytes::new()));
    let kinds: Vec<WsType> = network.read.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [WsType::MULTICAST]);
}

/// What the node sent before it read the multicast arrives after the ping, and confirms nothing: a
/// push, a part of a message, and the pong of an idle session's ping.
#[test]
fn bytes_that_were_under_way_do_not_confirm_a_multicast() {
    let mut network = Network::subscribed();
    let request = AmopRequest::new("hello", "push");
    network
        .node
        .deliver_multicast(&request, &WsSeq::EMPTY)
        .unwrap();
    let Some(WsTransmit::Message(push)) = network.node.poll_transmit() else {
        panic!();
    };
    let push = WsMessage::decode(push.to_bytes(), MAX_MESSAGE).unwrap();
    network.deaf = true;
    network.now += Duration::from_secs(6);
    network.bridge.handle_timeout(network.now);
    network.request(MessageKind::Multicast, b"news", 1);
    let sent: Vec<bool> = std::iter::from_fn(|| network.bridge.poll_transmit())
        .map(|sent| sent == WsTransmit::Ping)
        .collect();
    // The idle session's ping is on its way, so that of the multicast waits.
    assert_eq!(sent, [true, false]);
    network.bridge.handle_pong(network.now);
    assert_eq!(network.bridge.poll_transmit(), Some(WsTransmit::Ping));
    network.bridge.handle_message(network.now, push);
    network.bridge.note_activity(network.now);
    while let Some(frame) = network.bridge.poll_frame() {
        network.client.handle_frame(network.now, frame);
    }
    network.run();
    let [SessionEvent::Push(_)] = &network.events[..] else {
        panic!("{:?}", network.events);
    };
    network.events.clear();
    network.bridge.handle_pong(network.now);
    while let Some(frame) = network.bridge.poll_frame() {
        network.client.handle_frame(network.now, frame);
    }
    network.run();
    assert_eq!(network.outcome(), RequestOutcome::Answered(Bytes::new()));
}

/// Many multicasts need few pings.
#[test]
fn a_flood_of_multicasts_is_confirmed_by_a_few_pings() {
    let mut network = Network::ready();
    let before = network.pings;
    for token in 0..1000 {
        let deadline = network.now + Duration::from_secs(10);
        let kind = MessageKind::Multicast;
        let sent = network
            .client
            .request(kind, &hello(), b"news", deadline, token);
        sent.unwrap();
    }
    network.run();
    assert_eq!(network.events.len(), 1000);
    assert!(network.pings - before <= 2, "{}", network.pings - before);
}

/// The end of the connection is the outcome of what was not confirmed: another node may get it.
#[test]
fn what_is_not_confirmed_is_lost_with_the_connection() {
    let mut network = Network::ready();
    network.deaf = true;
    network.request(MessageKind::Multicast, b"news", 1);
    network.request(MessageKind::Unicast, b"question", 2);
    network.bridge.handle_eof();
    assert!(network.bridge.is_closed());
    assert_eq!(network.bridge.close_reason(), Some(CloseReason::Peer));
    assert_eq!(network.bridge.poll_frame(), None);
    network.client.handle_eof();
    network.run();
    let lost = network.events.iter().filter(|event| {
        let disconnected = RequestOutcome::Disconnected;
        matches!(event, SessionEvent::Finished { outcome, .. } if *outcome == disconnected)
    });
    assert_eq!(lost.count(), 2);
}

/// Nodes of 3.x would give a private topic's messages to everybody.
#[test]
fn nothing_is_sent_to_private_topics() {
    let mut network = Network::ready();
    let private = TopicName::new("#!$TopicNeedVerify_secret").unwrap();
    let deadline = network.now + Duration::from_secs(10);
    for kind in [MessageKind::Unicast, MessageKind::Multicast] {
        let sent = network.client.request(kind, &private, b"x", deadline, 1);
        sent.unwrap();
        network.run();
        assert_eq!(network.outcome(), RequestOutcome::NoSubscriber, "{kind:?}");
        network.events.clear();
    }
    assert_eq!(network.read, []);
}
