//! The golden vectors, decoded and encoded again. Every documented field is looked at.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::*;
use crate::client::MessageKind;

/// The number of vectors. It is fixed here so that a truncated file is noticed.
const COUNT: usize = 48;

struct Vector {
    name: String,
    wire: Bytes,
    malformed: bool,
    decoded: Map<String, Value>,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../../tests/data/vectors-v3-ws.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let vectors = file["vectors"].as_array().unwrap().iter().map(|vector| {
        let wire = hex::decode(vector["hex"].as_str().unwrap()).unwrap();
        assert_eq!(vector["length"], wire.len());
        Vector {
            name: vector["name"].as_str().unwrap().to_owned(),
            wire: wire.into(),
            malformed: vector["malformed"] == true,
            decoded: vector["decoded"].as_object().unwrap().clone(),
        }
    });
    let vectors: Vec<_> = vectors.collect();
    let names: BTreeSet<&str> = vectors.iter().map(|vector| &*vector.name).collect();
    assert_eq!((vectors.len(), names.len()), (COUNT, COUNT));
    vectors
}

impl Vector {
    fn take(&mut self, key: &str) -> Option<Value> {
        self.decoded.remove(key)
    }

    fn take_text(&mut self, key: &str) -> Option<String> {
        self.take(key)
            .map(|value| value.as_str().unwrap().to_owned())
    }

    fn take_hex(&mut self, key: &str) -> Option<Bytes> {
        let digits = self.take_text(key)?;
        Some(hex::decode(digits).unwrap().into())
    }

    fn take_number(&mut self, key: &str) -> i64 {
        self.take(key).unwrap().as_i64().unwrap()
    }

    /// Makes the AMOP payload with only the documented fields.
    fn take_request(&mut self) -> Option<AmopRequest> {
        let data = self.take_hex("data_hex")?;
        let topic = match self.take_text("topic") {
            Some(topic) => topic.into(),
            None => self.take_hex("topic_hex").unwrap(),
        };
        let version = self.take_number("request_version").try_into().unwrap();
        Some(AmopRequest {
            version,
            topic,
            data,
        })
    }

    /// Makes the message with only the documented fields.
    fn take_message(&mut self) -> (WsMessage, Option<AmopRequest>) {
        let kind = self.take_text("type").unwrap();
        let kind = u16::from_str_radix(kind.strip_prefix("0x").unwrap(), 16).unwrap();
        let seq = self.take_text("seq").unwrap();
        let request = self.take_request();
        let payload = match &request {
            Some(request) => {
                let mut payload = request.version.to_be_bytes().to_vec();
                payload.extend((request.topic.len() as u16).to_be_bytes());
                payload.extend(&request.topic);
                payload.extend(&request.data);
                payload.into()
            }
            None => match self.take_text("payload_utf8") {
                Some(text) => text.into(),
                None => self.take_hex("payload_hex").unwrap(),
            },
        };
        let message = WsMessage {
            version: self.take_number("version").try_into().unwrap(),
            kind: WsType(kind),
            status: WsStatus(self.take_number("status").try_into().unwrap()),
            seq: WsSeq::new(seq.as_bytes()).unwrap(),
            ext: self.take_number("ext").try_into().unwrap(),
            payload,
        };
        (message, request)
    }
}

#[test]
fn every_vector_is_read_and_written() {
    let mut counts = [0; 3];
    for mut vector in vectors() {
        // The test harness prints it if the check fails.
        println!("{}", vector.name);
        let read = WsMessage::decode(vector.wire.clone(), MAX_MESSAGE);
        if !vector.decoded.contains_key("type") {
            assert!(vector.malformed);
            let error = read.unwrap_err();
            if let Some(len) = vector.take("seq_len") {
                let available = vector.wire.len() - 8;
                let seq_len = len.as_u64().unwrap() as usize;
                assert_eq!(error, WsMessageError::SeqBeyondEnd { seq_len, available });
            } else {
                let len = vector.wire.len();
                assert_eq!(error, WsMessageError::TooShort { len });
            }
            assert!(vector.decoded.is_empty());
            counts[0] += 1;
            continue;
        }
        let read = read.unwrap();
        let topics = vector.take("topics");
        let (documented, request) = vector.take_message();
        assert_eq!(read, documented);
        assert!(vector.decoded.is_empty(), "{:?}", vector.decoded);
        if vector.malformed && read.kind.has_request() {
            // A payload that stops a node is neither read nor written.
            assert!(AmopRequest::decode(&read.payload).is_err());
            assert!(matches!(read.encode(), Err(EncodeError::Incomplete(_))));
            counts[1] += 1;
            continue;
        }
        assert_eq!(read.encode().unwrap().to_bytes(), vector.wire);
        counts[2] += 1;
        check_payload(&read, request, topics, vector.malformed);
    }
    assert_eq!(counts, [4, 4, 40]);
}

/// Reads the payload of a message, and writes it again.
fn check_payload(
    message: &WsMessage,
    request: Option<AmopRequest>,
    topics: Option<Value>,
    malformed: bool,
) {
    let payload = &message.payload;
    match message.kind {
        WsType::UNICAST | WsType::MULTICAST => {
            let request = request.unwrap();
            assert_eq!(AmopRequest::decode(payload), Ok(request.clone()));
            let kind = match message.kind {
                WsType::UNICAST => MessageKind::Unicast,
                _ => MessageKind::Multicast,
            };
            let written = EncodedMessage::amop(kind, &message.seq, &request).unwrap();
            assert_eq!(written, message.encode().unwrap());
        }
        WsType::HANDSHAKE if payload.starts_with(b"{\"max") => {
            let request = WsHandshakeRequest::parse(payload).unwrap();
            assert_eq!(request.negotiate(), Ok(request.max_version));
            assert_eq!(request.to_payload(), *payload);
        }
        WsType::HANDSHAKE => {
            let answer = WsHandshakeResponse::parse(payload).unwrap();
            assert_eq!(answer.to_payload(), *payload);
        }
        WsType::SET_TOPICS if malformed => assert!(WsTopicList::parse(payload, 9).is_err()),
        WsType::SET_TOPICS => check_topics(payload, &topics.unwrap()),
        WsType::RPC if payload.starts_with(b"{\"id\":1,\"jsonrpc\":\"2.0\",\"method") => {
            let request = WsRpcRequest::parse(payload).unwrap();
            assert_eq!(request.to_payload(), *payload);
        }
        WsType::BLOCK_NOTIFY => {
            let notice = BlockNotice::parse(payload).unwrap();
            assert_eq!(BlockNotice::parse(&notice.to_payload()), Ok(notice));
        }
        WsType::NODE_ANSWER | WsType::RPC if payload.starts_with(b"{") => {
            let answer = WsRpcAnswer::parse(payload).unwrap();
            let WsRpcAnswer::Result(result) = answer else {
                panic!("{answer:?}");
            };
            assert_eq!(result["groupList"][0], "group0");
        }
        _ => {}
    }
}

fn check_topics(payload: &Bytes, topics: &Value) {
    let topics = topics.as_array().unwrap().iter();
    let topics: Vec<WsTopic> = topics
        .map(|topic| WsTopic::new(topic.as_str().unwrap()).unwrap())
        .collect();
    let list = WsTopicList::parse(payload, 9).unwrap();
    let read: Vec<&[u8]> = list.topics.iter().map(|topic| &topic[..]).collect();
    let documented: Vec<&[u8]> = topics.iter().map(WsTopic::as_bytes).collect();
    assert_eq!(read, documented);
    // One vector is in UTF-8, which nobody needs to write.
    if payload.is_ascii() {
        assert_eq!(WsTopicList::payload_of(&topics), *payload);
    }
}

#[test]
fn errors_of_nodes_have_their_texts() {
    let by_name = |name: &str| {
        let mut vectors = vectors().into_iter();
        let vector = vectors.find(|vector| vector.name == name).unwrap();
        WsMessage::decode(vector.wire, MAX_MESSAGE).unwrap()
    };
    for (name, failure) in [
        ("amop_error_3001", WsFailure::NoSubscriber),
        ("amop_error_3002", WsFailure::NoSession),
        ("amop_error_3003", WsFailure::Unreachable),
        ("amop_error_timeout", WsFailure::TimedOut),
    ] {
        let message = by_name(name);
        assert_eq!(message.status.failure(), Some(failure));
        let text = message.status.text(b"topic1");
        let written = EncodedMessage::failure(&message.seq, message.status, text);
        assert_eq!(written.unwrap(), message.encode().unwrap());
    }
    // These texts depend on the node's version.
    let disconnected = by_name("amop_error_disconnected");
    assert_eq!(disconnected.status, WsStatus::DISCONNECTED);
    assert_eq!(by_name("amop_error_disabled").status, WsStatus::FAILED);
}
