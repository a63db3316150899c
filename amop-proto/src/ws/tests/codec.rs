//! Messages, seqs and topics.

use std::collections::HashSet;

use super::*;
use crate::{channel::Seq, client::MessageKind, log::with_causes, p2p::FRAGMENT};

#[test]
fn payloads_share_the_memory_of_what_was_received() {
    let sent = WsMessage::new(WsType::UNICAST, seq(), &b"\0\0\0\0\0\x01tdata"[..]);
    let wire = sent.encode().unwrap().to_bytes();
    let at = wire.as_ptr() as usize;
    let read = WsMessage::decode(wire, MAX_MESSAGE).unwrap();
    assert_eq!(read.payload.as_ptr() as usize, at + 42);
    let request = AmopRequest::decode(&read.payload).unwrap();
    assert_eq!(request.topic.as_ptr() as usize, at + 48);
    assert_eq!(request.data.as_ptr() as usize, at + 49);
}

#[test]
fn long_data_are_not_copied() {
    let data = Bytes::from(vec![7; FRAGMENT + 1]);
    let request = AmopRequest::new("topic1", data.clone());
    let encoded = EncodedMessage::amop(MessageKind::Unicast, &seq(), &request).unwrap();
    assert_eq!(encoded.parts().tail.as_ptr(), data.as_ptr());
    assert_eq!(encoded.parts().head.len(), 42 + 6 + 6);
    assert_eq!(encoded.len(), encoded.to_bytes().len());
    let read = WsMessage::decode(encoded.to_bytes(), MAX_MESSAGE).unwrap();
    assert_eq!(AmopRequest::decode(&read.payload), Ok(request));
    // The same bytes in one part are the same message.
    assert_eq!(read.encode().unwrap().to_bytes(), encoded.to_bytes());

    let short = AmopRequest::new("topic1", data.slice(..FRAGMENT));
    let encoded = EncodedMessage::amop(MessageKind::Multicast, &seq(), &short).unwrap();
    assert!(encoded.parts().tail.is_empty() && !encoded.is_empty());
    assert_eq!(encoded.clone().into_parts(), *encoded.parts());
}

/// Such payloads stop a FISCO node (ws-v3 section 15).
#[test]
fn an_incomplete_payload_cannot_be_written() {
    let complete = b"\0\0\0\0\0\x05topicdata";
    for kind in [WsType::UNICAST, WsType::MULTICAST] {
        for len in 0..complete.len() {
            let message = WsMessage::new(kind, seq(), &complete[..len]);
            let is_complete = len >= 11;
            assert_eq!(message.encode().is_ok(), is_complete, "{len}");
            let read = AmopRequest::decode(&message.payload);
            assert_eq!(read.is_ok(), is_complete, "{len}");
        }
    }
    // Payloads of other types are free.
    assert!(
        WsMessage::new(WsType::RESPONSE, seq(), "x")
            .encode()
            .is_ok()
    );
    // An SDK that is asked for a longer topic sends an empty payload.
    let request = AmopRequest::new(vec![b't'; MAX_WS_TOPIC_LEN + 1], "");
    assert_eq!(
        EncodedMessage::amop(MessageKind::Unicast, &seq(), &request),
        Err(EncodeError::TopicTooLong {
            len: MAX_WS_TOPIC_LEN + 1
        })
    );
    let request = AmopRequest::new(vec![b't'; MAX_WS_TOPIC_LEN], "");
    let encoded = EncodedMessage::amop(MessageKind::Unicast, &seq(), &request).unwrap();
    let read = WsMessage::decode(encoded.to_bytes(), MAX_MESSAGE).unwrap();
    assert_eq!(AmopRequest::decode(&read.payload), Ok(request));
}

#[test]
fn a_message_has_at_most_32_mib() {
    let room = MAX_MESSAGE - MIN_MESSAGE - SEQ.len();
    let longest = WsMessage::new(WsType::RESPONSE, seq(), vec![0; room]);
    let encoded = longest.encode().unwrap();
    assert_eq!(encoded.len(), MAX_MESSAGE);
    assert!(WsMessage::decode(encoded.to_bytes(), MAX_MESSAGE).is_ok());
    let (len, max) = (MAX_MESSAGE, MAX_MESSAGE - 1);
    assert_eq!(
        WsMessage::decode(encoded.to_bytes(), max),
        Err(WsMessageError::TooLong { len, max })
    );
    let longer = WsMessage::new(WsType::RESPONSE, seq(), vec![0; room + 1]);
    let len = MAX_MESSAGE + 1;
    assert_eq!(longer.encode(), Err(EncodeError::TooLong { len }));
    let request = AmopRequest::new("topic", vec![0; room - 6 - 4]);
    assert_eq!(
        EncodedMessage::amop(MessageKind::Unicast, &seq(), &request),
        Err(EncodeError::TooLong { len })
    );
}

#[test]
fn every_cut_of_a_message_is_read_or_refused() {
    let message = WsMessage {
        version: 7,
        status: WsStatus(-4008),
        ext: 1,
        ..WsMessage::new(WsType(0x999), WsSeq::new(b"seq").unwrap(), "payload")
    };
    let wire = message.encode().unwrap().to_bytes();
    assert_eq!(WsMessage::decode(wire.clone(), MAX_MESSAGE), Ok(message));
    for len in 0..wire.len() {
        let read = WsMessage::decode(wire.slice(..len), MAX_MESSAGE);
        match len {
            0..10 => assert_eq!(read, Err(WsMessageError::TooShort { len })),
            10..13 => assert_eq!(
                read,
                Err(WsMessageError::SeqBeyondEnd {
                    seq_len: 3,
                    available: len - 8
                })
            ),
            _ => assert_eq!(read.unwrap().payload.len(), len - 13),
        }
    }
}

#[test]
fn seqs_are_opaque_and_compared_exactly() {
    for len in [0, 1, 31, 32, 33, WsSeq::MAX_LEN] {
        let bytes = vec![b'x'; len];
        let seq = WsSeq::new(&bytes).unwrap();
        assert_eq!((seq.as_bytes(), seq.len()), (&bytes[..], len));
        assert_eq!(seq.as_seq().is_some(), len == 32);
        let message = WsMessage::new(WsType::RESPONSE, seq.clone(), "");
        let read = WsMessage::decode(message.encode().unwrap().to_bytes(), MAX_MESSAGE);
        assert_eq!(read.unwrap().seq, seq);
    }
    assert_eq!(WsSeq::new(&vec![0; WsSeq::MAX_LEN + 1]), None);
    assert_eq!(WsSeq::new(b""), Some(WsSeq::EMPTY));
    assert_eq!(
        WsSeq::from(Seq(*b"0123456789abcdef0123456789abcdef")),
        seq()
    );
    let seqs = ["a", "b", "A", ""].map(|text| WsSeq::new(text.as_bytes()).unwrap());
    assert_eq!(HashSet::from(seqs).len(), 4);
}

#[test]
fn a_seq_is_shown_on_one_line() {
    assert_eq!(seq().to_string().as_bytes(), SEQ);
    let odd = WsSeq::new(b"a\n\x1b[2J\xff").unwrap();
    assert_eq!(format!("{odd:?}"), r"WsSeq(a\n\x1b[2J\xff)");
    let long = WsSeq::new(&[b'x'; 5000]).unwrap();
    assert_eq!(long.to_string().len(), 256 + 3);
}

#[test]
fn topics_of_clients_are_text_without_nul() {
    assert!(WsTopic::new(&"t".repeat(MAX_WS_TOPIC_LEN)).is_ok());
    let long = WsTopic::new(&"t".repeat(MAX_WS_TOPIC_LEN + 1)).unwrap_err();
    assert!(matches!(long, WsTopicError::TooLong { len: 65_536, .. }));
    assert!(long.to_string().len() < 200);
    let nul = WsTopic::new("a\0b").unwrap_err();
    assert_eq!(
        nul.to_string(),
        "topic \"a\\0b\" contains the character NUL, at which SDKs cut it; remove it"
    );
    // A tab has a meaning only in 2.x.
    assert!(WsTopic::new("a\tb").is_ok() && WsTopic::new("").is_ok());
    let name = crate::TopicName::new("hello").unwrap();
    assert_eq!(WsTopic::try_from(&name), WsTopic::new("hello"));
    // Hashed by their bytes, so that they are found by what arrives.
    let set = HashSet::from([WsTopic::new("hello").unwrap()]);
    assert!(set.contains(&b"hello"[..]));
}

#[test]
fn statuses_have_meanings_and_texts() {
    let cases = [
        (3001, WsFailure::NoSubscriber),
        (3002, WsFailure::NoSession),
        (3003, WsFailure::Unreachable),
        (-4006, WsFailure::Disconnected),
        (-4008, WsFailure::TimedOut),
        (-4009, WsFailure::NoConnection),
        (-4011, WsFailure::TooLong),
        (-1, WsFailure::Failed),
        (-7, WsFailure::GatewayTimedOut),
        (-8, WsFailure::GatewayTimedOut),
        (42, WsFailure::Other(42)),
    ];
    for (status, failure) in cases {
        assert_eq!(WsStatus(status).failure(), Some(failure));
        assert!(!WsStatus(status).text(b"t").is_empty());
        assert!(!failure.to_string().is_empty());
    }
    assert_eq!(WsStatus(0).failure(), None);
    assert_eq!(WsStatus(0).text(b"t"), "");
    // A topic from outside adds no lines to an SDK's log, and is not long.
    let text = WsStatus::NO_SUBSCRIBER.text(&[b"a\nb\xff", &[b'x'; 9999][..]].concat());
    assert!(
        text.contains("topic: a\\nb\u{fffd}x") && text.len() < 400,
        "{text}"
    );
}

#[test]
fn errors_show_their_causes_once() {
    let error = WsMessage::new(WsType::UNICAST, seq(), "")
        .encode()
        .unwrap_err();
    assert_eq!(
        with_causes(&error).to_string(),
        "the payload of the AMOP message is incomplete and would stop a node; it is not sent: the \
         payload of an AMOP message has 0 bytes, the minimum is 6"
    );
    let error = WsHandshakeRequest::parse(b"[]").unwrap_err();
    assert_eq!(
        with_causes(&error).to_string(),
        "malformed handshake: the payload is not a JSON object"
    );
}
