//! Messages that the node delivers to the SDK, and the SDK's answers.

use super::*;
use crate::p2p::FRAGMENT;

/// ws-v3 section 10.3.
#[test]
fn a_unicast_has_a_fresh_seq_and_its_answer_returns_the_ticket() {
    let mut harness = Harness::ready();
    let (one, two) = (harness.deliver("one", 1), harness.deliver("two", 2));
    assert_ne!(one, two);
    let sent = harness.sent();
    let unicast =
        |seq: &WsSeq, data| WsMessage::new(WsType::UNICAST, seq.clone(), payload(&request(data)));
    assert_eq!(sent, [unicast(&one, "one"), unicast(&two, "two")]);
    assert_eq!(harness.session.deliveries(), 2);

    let answer = WsMessage {
        status: WsStatus(42),
        ext: 1,
        ..WsMessage::new(WsType::RESPONSE, two, "no")
    };
    harness.receive(answer.clone());
    let ticket = 2;
    assert_eq!(
        harness.events(),
        [WsServerEvent::Answered { ticket, answer }]
    );
    assert_eq!(harness.session.deliveries(), 1);
}

/// ws-v3 sections 5, 10.3.
#[test]
fn a_message_of_any_type_is_the_answer_except_messages_to_subscribers() {
    for kind in [
        WsType::NODE_ANSWER,
        WsType::HANDSHAKE,
        WsType::RPC,
        WsType::SET_TOPICS,
        WsType(0x999),
    ] {
        let mut harness = Harness::ready();
        let seq = harness.deliver("x", 1);
        harness.sent();
        harness.receive(WsMessage::new(kind, seq, "reply"));
        assert!(matches!(
            harness.events()[..],
            [WsServerEvent::Answered { ticket: 1, .. }]
        ));
        assert_eq!(harness.sent(), []);
    }
    let mut harness = Harness::ready();
    let seq = harness.deliver("x", 1);
    harness.receive(WsMessage::new(WsType::UNICAST, seq, payload(&request("y"))));
    assert!(matches!(
        harness.events()[..],
        [WsServerEvent::Unicast { .. }]
    ));
}

/// SDKs in Go usually do not answer.
#[test]
fn a_unicast_without_an_answer_returns_its_ticket() {
    let mut harness = Harness::ready();
    let late = harness.deliver("x", 1);
    harness.sent();
    harness.pass_alive(29);
    assert_eq!(harness.events(), []);
    harness.pass_alive(1);
    let (ticket, status) = (1, WsStatus::TIMED_OUT);
    assert_eq!(
        harness.events(),
        [WsServerEvent::Unanswered { ticket, status }]
    );
    // It is not sent a second time.
    assert_eq!(harness.sent(), []);
    harness.receive(WsMessage::new(WsType::RESPONSE, late.clone(), "x"));
    let unsolicited = WsServerNotice::UnsolicitedResponse(late);
    assert_eq!(harness.events(), [notice(unsolicited)]);
    assert!(harness.session.is_ready());
}

/// ws-v3 section 10.5.
#[test]
fn a_multicast_has_the_publishers_seq_or_none_and_no_answer() {
    let mut harness = Harness::ready();
    let request = AmopRequest {
        version: 1,
        ..AmopRequest::new(&b"\xed\xa0\xbd"[..], "x")
    };
    for seq in [sdk_seq("the publisher's"), WsSeq::EMPTY] {
        harness.session.deliver_multicast(&request, &seq).unwrap();
        assert_eq!(
            harness.sent_one(),
            WsMessage::new(WsType::MULTICAST, seq.clone(), payload(&request))
        );
        // Programs often answer multicasts, too.
        harness.receive(WsMessage::new(WsType::RESPONSE, seq.clone(), "x"));
        let unsolicited = WsServerNotice::UnsolicitedResponse(seq);
        assert_eq!(harness.events(), [notice(unsolicited)]);
    }
    assert_eq!(harness.session.deliveries(), 0);
}

#[test]
fn long_data_are_not_copied() {
    let mut harness = Harness::ready();
    let data = Bytes::from(vec![1; FRAGMENT + 1]);
    let request = AmopRequest::new("hello", data.clone());
    harness.session.deliver(harness.now, &request, 1).unwrap();
    let transmits = harness.transmits();
    let [WsTransmit::Message(message)] = &transmits[..] else {
        panic!("{transmits:?}");
    };
    assert_eq!(message.parts().tail.as_ptr(), data.as_ptr());
}

#[test]
fn deliveries_are_limited() {
    let config = WsServerConfig::default().with(|config| {
        config.max_deliveries = 2;
        config.max_message = 100;
        config.max_queued = 248;
    });
    let mut harness = Harness::ready_with(config);
    let now = harness.now;
    let deliver = |harness: &mut Harness, len: usize| {
        let request = AmopRequest::new("hello", vec![0; len]);
        let delivered = harness.session.deliver(now, &request, 5);
        delivered.map_err(|refused| (refused.ticket, refused.why))
    };
    // Header and topic need 53 bytes.
    let too_long = DeliveryRefusal::TooLong { len: 101, max: 100 };
    assert_eq!(deliver(&mut harness, 48), Err((5, too_long)));
    assert!(deliver(&mut harness, 47).is_ok());
    let full = DeliveryRefusal::QueueFull {
        queued: 228,
        max: 248,
    };
    assert_eq!(deliver(&mut harness, 0), Err((5, full)));
    assert_eq!(
        harness
            .session
            .deliver_multicast(&request("x"), &sdk_seq("m")),
        Err(full)
    );
    harness.sent();
    assert!(deliver(&mut harness, 0).is_ok());
    let too_many = DeliveryRefusal::TooManyDeliveries { limit: 2 };
    assert_eq!(deliver(&mut harness, 0), Err((5, too_many)));
    assert!(harness.session.is_ready());
}

#[test]
fn an_answer_that_is_too_long_becomes_an_error() {
    let config = WsServerConfig::default().with(|config| config.max_message = 100);
    let mut harness = Harness::ready_with(config);
    harness.send(WsType::UNICAST, "u", payload(&request("x")));
    let answer = WsMessage::new(WsType::RESPONSE, WsSeq::EMPTY, vec![0; 100]);
    assert!(harness.session.answer(&sdk_seq("u"), answer));
    assert_eq!(harness.sent_one().status, WsStatus::TOO_LONG);
}

/// The two machines together: one publishes, the other one delivers, and the reply goes back.
#[test]
fn a_client_and_a_node_understand_each_other() {
    use crate::ws::{
        WsTopic,
        client::{WsClientConfig, WsClientEvent, WsClientSession, WsOutcome},
    };

    let mut node = Harness::new(WsServerConfig::default());
    let now = node.now;
    let mut client = WsClientSession::new(WsClientConfig::default(), [9; 32], now);
    let topic = WsTopic::new("hello").unwrap();
    client.subscribe(&topic).unwrap();
    let (mut events, mut publisher) = (Vec::new(), None);
    let mut exchange = |node: &mut Harness, client: &mut WsClientSession<u32>| {
        for _ in 0..4 {
            while let Some(WsTransmit::Message(message)) = client.poll_transmit() {
                let message = WsMessage::decode(message.to_bytes(), MAX_MESSAGE).unwrap();
                node.receive(message);
            }
            for message in node.sent() {
                client.handle_message(now, message);
            }
            while let Some(event) = client.poll_event() {
                if let WsClientEvent::Push(push) = &event {
                    assert_eq!(&push.payload[..], b"question");
                    client
                        .respond(now, &push.seq, WsStatus::SUCCESS, "reply")
                        .unwrap();
                }
                events.push(event);
            }
            for event in node.events() {
                match event {
                    WsServerEvent::Unicast { seq, request } => {
                        publisher = Some(seq);
                        node.session.deliver(now, &request, 1).unwrap();
                    }
                    WsServerEvent::Answered { ticket: 1, answer } => {
                        let seq = publisher.take().unwrap();
                        assert!(node.session.answer(&seq, answer));
                    }
                    _ => {}
                }
            }
        }
    };
    exchange(&mut node, &mut client);
    assert!(client.is_ready() && node.session.has_topic(b"hello"));
    let deadline = now + seconds(5);
    client.request(&topic, "question", deadline, 3).unwrap();
    exchange(&mut node, &mut client);
    let outcome = WsOutcome::Answered("reply".into());
    assert_eq!(
        events.last(),
        Some(&WsClientEvent::Finished { token: 3, outcome })
    );
}

/// A refusal names the length of the whole message, whichever limit it is over.
#[test]
fn a_delivery_over_the_protocols_limit_is_refused_with_its_whole_length() {
    let mut harness = Harness::ready();
    let request = AmopRequest::new("hello", vec![0; MAX_MESSAGE]);
    let refused = harness.session.deliver(harness.now, &request, 1);
    // Header, seq, version, and the topic with its length.
    let (len, max) = (10 + 32 + 4 + 2 + 5 + MAX_MESSAGE, MAX_MESSAGE);
    let too_long = DeliveryRefusal::TooLong { len, max };
    assert_eq!(refused.unwrap_err().why, too_long);
}
