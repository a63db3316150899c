//! Messages for the SDK.

use super::*;
use crate::{channel::result_code, ws::server::DeliveryRefusal};

/// Returns a subscriber's reply, as SDKs of 2.x need it.
fn reply(seq: &str, result: i32, data: &str) -> Frame {
    Frame {
        result,
        ..Frame::amop(FrameType::RESPONSE, seq_of(seq), b"topic", data.as_bytes())
    }
}

#[test]
fn a_unicast_gets_a_fresh_seq_and_its_answer_the_old_one() {
    let mut harness = Harness::subscribed("topic");
    let seq = long("n");
    let message = harness.push(FrameType::UNICAST, &seq, "data");
    assert_eq!(message.kind, WsType::UNICAST);
    assert_ne!(message.seq, sdk_seq(&seq));
    let request = AmopRequest::decode(&message.payload).unwrap();
    assert_eq!(request, AmopRequest::new("topic", "data"));
    harness.receive(WsMessage::new(WsType::RESPONSE, message.seq, "reply"));
    assert_eq!(harness.frame(), reply(&seq, 0, "reply"));
}

/// Statuses of programs, and those of native clients, are passed on as they are.
#[test]
fn each_status_is_a_result() {
    for status in [1, 42, 104, 105, 3001, -1, -4008, i16::MAX, i16::MIN] {
        let mut harness = Harness::subscribed("topic");
        let seq = long("n");
        let message = harness.push(FrameType::UNICAST, &seq, "data");
        harness.receive(WsMessage {
            status: WsStatus(status),
            ..WsMessage::new(WsType::RESPONSE, message.seq, "why")
        });
        assert_eq!(harness.frame(), reply(&seq, i32::from(status), "why"));
    }
}

/// go-sdk v3 answers only if the program gives it a reply: its silence must end the message, before
/// the node asks another subscriber.
#[test]
fn silence_ends_the_message_before_the_node_asks_another() {
    let mut harness = Harness::subscribed("topic");
    let seq = long("n");
    let message = harness.push(FrameType::UNICAST, &seq, "data");
    let node_waits = Timeouts::default().session_answer;
    harness.pass_alive(Duration::from_millis(4499));
    assert_eq!(harness.frames(), []);
    harness.pass_alive(Duration::from_millis(1));
    assert!(Duration::from_millis(4500) < node_waits);
    assert_eq!(harness.frame(), response(&seq, result_code::TIMEOUT, ""));
    let status = WsStatus::TIMED_OUT;
    assert_eq!(harness.notices(), [SdkNotice::NotAnswered { status }]);
    // A later answer is lost, and nobody is troubled.
    harness.receive(WsMessage::new(WsType::RESPONSE, message.seq, "reply"));
    assert_eq!((harness.frames(), harness.notices()), (vec![], vec![]));
}

/// It may have handled the message.
#[test]
fn a_session_that_ends_with_a_message_ends_the_message() {
    let mut harness = Harness::subscribed("topic");
    let seq = long("n");
    harness.push(FrameType::UNICAST, &seq, "data");
    harness.bridge.handle_eof();
    assert_eq!(
        harness.frame(),
        response(&seq, result_code::DISCONNECTED, "")
    );
    let status = WsStatus::DISCONNECTED;
    assert_eq!(harness.notices(), [SdkNotice::NotAnswered { status }]);
}

/// The results that end a message come to a publisher of 3.x as the statuses of a FISCO node.
#[test]
fn silence_at_one_sdk_is_a_status_at_another() {
    for (status, end) in [
        (WsStatus::TIMED_OUT, result_code::TIMEOUT),
        (WsStatus::DISCONNECTED, result_code::DISCONNECTED),
    ] {
        assert_eq!(codes::result_of_silence(status), end);
        let mut publisher = Harness::ready();
        publisher.publish(WsType::UNICAST, &long("p"), b"topic", b"");
        publisher.frame();
        publisher.answer(&long("p"), end, "");
        assert_eq!(publisher.sent_one().status, status);
    }
}

/// What was not handed to the SDK may go to another subscriber.
#[test]
fn what_is_not_delivered_is_refused() {
    let mut harness = Harness::ready_with(|config| {
        let session = (*config.session).clone();
        config.session = Arc::new(session.with(|session| session.max_deliveries = 1));
    });
    harness.push(FrameType::UNICAST, &long("a"), "first");
    let seq = long("b");
    harness.node(Frame::amop(FrameType::UNICAST, seq_of(&seq), b"topic", b""));
    assert_eq!(harness.sent(), []);
    assert_eq!(harness.frame(), response(&seq, result_code::NO_SESSION, ""));
    let why = DeliveryRefusal::TooManyDeliveries { limit: 1 };
    let kind = MessageKind::Unicast;
    assert_eq!(harness.notices(), [SdkNotice::NotDelivered { kind, why }]);
    // An SDK without a handshake.
    let mut harness = Harness::new();
    harness.node(Frame::amop(FrameType::UNICAST, seq_of(&seq), b"topic", b""));
    assert_eq!(harness.frame(), response(&seq, result_code::NO_SESSION, ""));
    harness.node(Frame::amop(
        FrameType::MULTICAST,
        seq_of(&seq),
        b"topic",
        b"",
    ));
    let why = DeliveryRefusal::NotReady;
    let refused = |kind| SdkNotice::NotDelivered { kind, why };
    assert_eq!(
        harness.notices(),
        [MessageKind::Unicast, MessageKind::Multicast].map(refused)
    );
}

#[test]
fn a_reply_over_the_nodes_limit_is_dropped_and_the_session_stays() {
    let mut harness = Harness::ready_with(|config| config.max_frame = 100);
    let seq = long("n");
    let message = harness.push(FrameType::UNICAST, &seq, "data");
    let long = vec![0; 101 - HEADER_LEN - 6];
    harness.receive(WsMessage::new(WsType::RESPONSE, message.seq, long));
    assert_eq!(harness.frame(), response(&seq, result_code::NO_REPLY, ""));
    let (len, max) = (101, 100);
    assert_eq!(
        harness.notices(),
        [SdkNotice::LongReplyDropped { len, max }]
    );
}

#[test]
fn a_multicast_keeps_its_seq_if_sdks_can_read_it() {
    let mut harness = Harness::subscribed("topic");
    let message = harness.push(FrameType::MULTICAST, &long("m"), "data");
    assert_eq!(
        (message.kind, message.seq),
        (WsType::MULTICAST, sdk_seq(&long("m")))
    );
    let frame = Frame::amop(FrameType::MULTICAST, Seq([0; 32]), b"topic", b"data");
    harness.node(frame);
    assert_eq!(harness.sent_one().seq, WsSeq::EMPTY);
}

/// An SDK that gets its own unicast answers it as any other (ws-v3 section 10.4).
#[test]
fn an_sdk_can_answer_its_own_unicast() {
    let mut harness = Harness::subscribed("topic");
    let seq = long("p");
    harness.publish(WsType::UNICAST, &seq, b"topic", b"data");
    let published = harness.frame();
    harness.node(published);
    let delivered = harness.sent_one();
    assert_ne!(delivered.seq, sdk_seq(&seq));
    harness.receive(WsMessage::new(WsType::RESPONSE, delivered.seq, "reply"));
    let answer = harness.frame();
    harness.node(answer);
    let answer = harness.sent_one();
    assert_eq!(
        (answer.seq, &answer.payload[..]),
        (sdk_seq(&seq), &b"reply"[..])
    );
}
