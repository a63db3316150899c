//! What the node delivers, and the client's answers.

use super::*;
use crate::{client::Push, ws::EncodedMessage};

impl Network {
    fn deliver(&mut self, data: &'static str, ticket: u32) -> Seq {
        let request = AmopRequest::new("hello", data);
        let seq = self.node.deliver(self.now, &request, ticket).unwrap();
        self.run();
        seq
    }

    #[track_caller]
    fn pushed(&mut self) -> Push {
        match self.events.pop() {
            Some(SessionEvent::Push(push)) => push,
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, seq: Seq, result: i32, payload: &str) {
        let answered = self
            .client
            .respond(seq, &hello(), result, payload.as_bytes());
        assert!(answered);
        self.run();
    }

    /// Returns the ticket, status and payload of the last answer.
    #[track_caller]
    fn answered(&mut self) -> (u32, i16, Bytes) {
        match self.node_events.pop() {
            Some(WsServerEvent::Answered { ticket, answer }) => {
                (ticket, answer.status.0, answer.payload)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_unicast_is_answered_without_its_topic() {
    let mut network = Network::subscribed();
    network.deliver("question", 1);
    let push = network.pushed();
    assert_eq!(
        (push.kind, &push.payload[..]),
        (MessageKind::Unicast, &b"question"[..])
    );
    network.answer(push.seq, 0, "reply");
    assert_eq!(network.answered(), (1, 0, "reply".into()));
    // Each is answered once.
    network.answer(push.seq, 0, "again");
    assert_eq!(network.node_events, []);
    assert_eq!(network.bridge.pushes.len(), 0);
}

#[test]
fn results_become_statuses() {
    for (result, status) in [(104, 104), (106, 106), (4711, 4711), (-9, -9), (70_000, -1)] {
        let mut network = Network::subscribed();
        network.deliver("question", 1);
        let push = network.pushed();
        network.answer(push.seq, result, "why");
        assert_eq!(network.answered(), (1, status, "why".into()), "{result}");
    }
}

/// A FISCO node sends a unicast to a silent subscriber a second time, and only the answer to that copy
/// reaches the publisher.
#[test]
fn the_second_copy_has_the_seq_of_the_first_and_gets_the_answer() {
    let mut network = Network::subscribed();
    network.deliver("question", 1);
    let first = network.pushed();
    network.pass(Duration::from_secs(30));
    network.forget();
    network.deliver("question", 2);
    let second = network.pushed();
    assert_eq!(second, first);
    network.answer(first.seq, 0, "late");
    assert_eq!(network.answered(), (2, 0, "late".into()));
    assert_eq!(network.bridge.pushes.len(), 0);
}

/// Two messages of the same bytes within 30 s are two messages.
#[test]
fn the_same_bytes_sent_twice_are_two_messages() {
    let mut network = Network::subscribed();
    network.deliver("tick", 1);
    let first = network.pushed();
    network.pass(Duration::from_secs(5));
    network.deliver("tick", 2);
    let second = network.pushed();
    assert_ne!(second.seq, first.seq);
    network.answer(second.seq, 0, "b");
    assert_eq!(network.answered(), (2, 0, "b".into()));
    network.answer(first.seq, 0, "a");
    assert_eq!(network.answered(), (1, 0, "a".into()));
}

#[test]
fn what_is_never_answered_is_forgotten() {
    let mut network = Network::subscribed();
    for round in 0..4 {
        network.deliver("question", round);
        assert!(network.bridge.pushes.len() <= 2);
        network.pass(Duration::from_secs(41));
    }
}

/// SDKs choose their own seqs, and a node passes them on to a publisher that is its own subscriber.
#[test]
fn a_seq_of_any_length_is_answered() {
    let mut network = Network::subscribed();
    for seq in [&b""[..], b"7", &[b'x'; 200]] {
        let seq = WsSeq::new(seq).unwrap();
        let request = AmopRequest::new("hello", "question");
        let message = EncodedMessage::amop(MessageKind::Unicast, &seq, &request).unwrap();
        let message = WsMessage::decode(message.to_bytes(), MAX_MESSAGE).unwrap();
        network.bridge.handle_message(network.now, message);
        let frame = network.bridge.poll_frame().unwrap();
        let answer = frame.respond(0, Bytes::from_static(b"\x06helloreply"));
        network.bridge.handle_frame(network.now, answer);
        let Some(WsTransmit::Message(sent)) = network.bridge.poll_transmit() else {
            panic!("{seq}");
        };
        let sent = WsMessage::decode(sent.to_bytes(), MAX_MESSAGE).unwrap();
        assert_eq!((sent.seq, sent.payload), (seq, "reply".into()));
    }
}

/// A node that finds no other subscriber sends the publisher its own message, with its own seq.
#[test]
fn the_publishers_own_unicast_is_a_push() {
    let mut network = Network::subscribed();
    let seq = network.unicast(b"question", 1);
    let payload = network.read[0].payload.clone();
    let echo = WsMessage::new(WsType::UNICAST, seq.clone(), payload);
    network.bridge.handle_message(network.now, echo);
    network.run();
    // Another frame of the bridge makes the loop pass the push on.
    network.deliver("other", 9);
    let SessionEvent::Push(own) = &network.events[0] else {
        panic!("{:?}", network.events);
    };
    assert_eq!(WsSeq::from(own.seq), seq);
    let own = own.seq;
    network.answer(own, 0, "to myself");
    let answer = network.read.last().unwrap();
    assert_eq!((answer.kind, &answer.seq), (WsType::RESPONSE, &seq));
}

/// Copies from one node have the publisher's seq, by which the client recognises them. Copies from
/// other nodes have none.
#[test]
fn a_multicast_has_the_publishers_seq_or_a_new_one() {
    let mut network = Network::subscribed();
    let request = AmopRequest::new("hello", "news");
    let seq = Seq([b'a'; 32]);
    network
        .node
        .deliver_multicast(&request, &seq.into())
        .unwrap();
    network.run();
    assert_eq!(network.pushed().seq, seq);
    let mut seen = Vec::new();
    for _ in 0..2 {
        network
            .node
            .deliver_multicast(&request, &WsSeq::EMPTY)
            .unwrap();
        network.run();
        let push = network.pushed();
        assert_eq!(push.kind, MessageKind::Multicast);
        assert!(!seen.contains(&push.seq));
        seen.push(push.seq);
    }
}

/// The own multicast comes back, as at an overlay node, with the seq under which it was published.
#[test]
fn the_publishers_own_multicast_comes_back_with_its_seq() {
    let mut network = Network::subscribed();
    let sent = network.request(MessageKind::Multicast, b"news", 1);
    let [WsServerEvent::Multicast { seq, request }] = &network.node_events[..] else {
        panic!("{:?}", network.node_events);
    };
    let (seq, request) = (seq.clone(), request.clone());
    network.node.deliver_multicast(&request, &seq).unwrap();
    network.events.clear();
    network.run();
    assert_eq!(network.pushed().seq, sent);
}

/// A late answer is reported to the client as one that belongs to no request.
#[test]
fn an_answer_to_nothing_is_passed_on() {
    let mut network = Network::ready();
    let seq = Seq([b'b'; 32]);
    let late = WsMessage::new(WsType::RESPONSE, seq.into(), "late");
    network.bridge.handle_message(network.now, late);
    let frame = network.bridge.poll_frame().unwrap();
    assert_eq!((frame.kind, frame.seq), (FrameType::RESPONSE, seq));
}
