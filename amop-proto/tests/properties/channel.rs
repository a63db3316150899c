//! The channel protocol.

use amop_proto::{
    MAX_TOPIC_LEN,
    channel::{
        Frame, FrameDecoder, FrameError, FrameType, HEADER_LEN, HandshakeRequest,
        HandshakeResponse, PROTOCOL_MAX_FRAME, ProtocolVersion, Seq, SetTopics, encode_topics,
        frame_topic, heartbeat_answer, split_topic,
    },
    node::rpc,
};
use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::{any_bytes, config, in_pieces, message_body};

fn any_frame() -> impl Strategy<Value = Frame> {
    let known = prop_oneof![
        Just(FrameType::UNICAST),
        Just(FrameType::RESPONSE),
        Just(FrameType::SET_TOPICS)
    ];
    let kind = prop_oneof![known, any::<u16>().prop_map(FrameType)];
    let head = (kind, any::<[u8; Seq::LEN]>(), any::<i32>());
    (head, message_body()).prop_map(|((kind, seq, result), body)| Frame {
        kind,
        seq: Seq(seq),
        result,
        body,
    })
}

/// Generates any JSON value of a few levels.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Generates JSON text that a faulty or hostile SDK could send as a request.
fn near_json() -> impl Strategy<Value = Vec<u8>> {
    let request = (any_json(), any_json(), any_json(), any_json()).prop_map(
        |(jsonrpc, id, method, params)| {
            json!({"jsonrpc": jsonrpc, "id": id, "method": method, "params": params})
        },
    );
    let good = || {
        let methods = "getPeers|getNodeInfo|getNodeIDList|other";
        (any_json(), methods)
            .prop_map(|(id, method)| json!({"jsonrpc": "2.0", "id": id, "method": method}))
    };
    let batch = vec(good(), 0..70).prop_map(Value::from);
    let value = prop_oneof![any_json(), request, good(), batch];
    let cut = (value, any::<prop::sample::Index>(), any::<bool>());
    cut.prop_map(|(value, at, whole)| {
        let mut text = value.to_string().into_bytes();
        if !whole {
            text.truncate(at.index(text.len()));
        }
        text
    })
}

fn answer(body: &[u8]) -> Bytes {
    let text = || "x".to_owned();
    let facts = rpc::NodeFacts {
        fisco_version: text(),
        chain_id: text(),
        node_id: text(),
        name: text(),
        agency: text(),
        address: text(),
        groups: Vec::new(),
    };
    let peers = || {
        vec![rpc::RpcPeer {
            agency: text(),
            address: text(),
            name: text(),
            node_id: text(),
            topics: vec![text()],
        }]
    };
    rpc::answer(body, &facts, peers, || vec![text()])
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn frames_are_read_as_written_in_any_cut(
        frames in vec(any_frame(), 0..6),
        sizes in vec(1usize..200, 0..20),
    ) {
        let mut wire = BytesMut::new();
        for frame in &frames {
            let before = wire.len();
            frame.encode(&mut wire);
            prop_assert_eq!(wire.len() - before, frame.wire_len());
            prop_assert_eq!(&wire[before..], &frame.to_bytes()[..]);
        }
        let decoder = FrameDecoder::default();
        let read = in_pieces(&wire, &sizes, |buffer| decoder.decode(buffer));
        prop_assert_eq!(read, Ok(frames));
    }

    #[test]
    fn a_frame_among_other_bytes_is_found_by_its_length(frame in any_frame(), tail in any_bytes(64)) {
        let whole = frame.to_bytes();
        let joined = Bytes::from([&whole[..], &tail[..]].concat());
        prop_assert_eq!(Frame::from_bytes(joined, PROTOCOL_MAX_FRAME), Ok(frame.clone()));
        for available in [whole.len() - 1, HEADER_LEN - 1, 4, 3, 0] {
            let cut = Frame::from_bytes(whole.slice(..available), PROTOCOL_MAX_FRAME);
            prop_assert_eq!(cut, Err(FrameError::Truncated { available }));
        }
        let max = whole.len() - 1;
        let refused = Frame::from_bytes(whole.clone(), max);
        prop_assert_eq!(refused, Err(FrameError::TooLong { len: whole.len(), max }));
    }

    #[test]
    fn any_bytes_are_frames_or_refused(
        len in prop_oneof![0u32..200, any::<u32>()],
        rest in any_bytes(200),
        max in prop_oneof![0usize..300, any::<usize>()],
    ) {
        let wire = Bytes::from([&len.to_be_bytes()[..], &rest[..]].concat());
        let mut buffer = BytesMut::from(&wire[..]);
        let in_force = max.clamp(HEADER_LEN, PROTOCOL_MAX_FRAME);
        let len = len as usize;
        let read = FrameDecoder::new(max).decode(&mut buffer);
        let taken = wire.len() - buffer.len();
        match read {
            Err(FrameError::TooShort { len: said }) => {
                prop_assert!(said == len && len < HEADER_LEN && taken == 0);
            }
            Err(FrameError::TooLong { len: said, max }) => {
                prop_assert!(said == len && len > max && max == in_force && taken == 0);
            }
            Err(other) => prop_assert!(false, "{}", other),
            Ok(None) => prop_assert!(len > wire.len() && taken == 0),
            Ok(Some(frame)) => {
                prop_assert_eq!(taken, len);
                prop_assert_eq!(frame.to_bytes(), wire.slice(..len));
                prop_assert_eq!(Frame::from_bytes(wire.clone(), in_force), Ok(frame));
            }
        }
    }

    #[test]
    fn amop_bodies_are_split_as_framed(
        topic in vec(any::<u8>(), 0..=MAX_TOPIC_LEN),
        payload in message_body(),
    ) {
        let framed = frame_topic(&topic, &payload);
        let body = split_topic(&framed).unwrap();
        prop_assert_eq!((&body.topic[..], &body.payload), (&topic[..], &payload));
    }

    #[test]
    fn any_body_is_framed_or_refused(body in any_bytes(300)) {
        let framed = body.first().is_some_and(|&len| len > 0 && usize::from(len) <= body.len());
        match split_topic(&body) {
            Ok(parts) => {
                prop_assert!(framed);
                prop_assert_eq!(frame_topic(&parts.topic, &parts.payload), body);
            }
            Err(_) => prop_assert!(!framed),
        }
    }

    #[test]
    fn topic_sets_are_read_as_written(topics in vec(any::<String>(), 0..20)) {
        let body = encode_topics(topics.iter().map(String::as_str));
        prop_assert_eq!(SetTopics::parse(&body), SetTopics::Replace(topics));
    }

    #[test]
    fn json_makes_a_topic_set_by_its_shape(value in any_json(), tail in "|[ ,x\\]]") {
        let expected = match &value {
            Value::Array(items) if items.iter().any(|i| i.is_array() || i.is_object()) => None,
            Value::Object(members) if !members.is_empty() => None,
            Value::Array(items) => Some(items.len()),
            _ => Some(0),
        };
        // More digits could follow a number; a blank ends it.
        let read = match SetTopics::parse(format!("{value} {tail}").as_bytes()) {
            SetTopics::Keep => None,
            SetTopics::Replace(topics) => Some(topics.len()),
        };
        prop_assert_eq!(read, expected, "{}", value);
    }

    #[test]
    fn handshakes_are_read_as_written(
        minimum_support in prop_oneof![0u32..6, any::<u32>()],
        maximum_support in prop_oneof![0u32..6, any::<u32>()],
        client_type in any::<String>(),
        protocol in any::<u32>(),
    ) {
        let request = HandshakeRequest { minimum_support, maximum_support, client_type };
        let frame = request.to_frame(Seq([b'0'; Seq::LEN]));
        prop_assert_eq!(HandshakeRequest::parse(&frame.body), Ok(request.clone()));
        match request.negotiate() {
            Ok(version) => {
                prop_assert!(minimum_support <= 3 && maximum_support >= 1);
                prop_assert_eq!(version.number(), maximum_support.min(3));
            }
            Err(_) => prop_assert!(minimum_support > 3 || maximum_support < 1),
        }
        let response = HandshakeResponse {
            node_version: request.client_type,
            protocol,
            quiet_multicasts: protocol == 2,
            answer_within: (protocol == 2).then_some(5000),
            max_frame: (protocol == 2).then_some(1000),
        };
        prop_assert_eq!(HandshakeResponse::parse(&response.to_body()), Ok(response));
    }

    #[test]
    fn no_body_makes_a_reader_panic(body in prop_oneof![any_bytes(300).prop_map(Vec::from), near_json()]) {
        let _ = HandshakeRequest::parse(&body).map(|request| request.negotiate());
        let _ = HandshakeResponse::parse(&body);
        let _ = SetTopics::parse(&body);
        prop_assert_eq!(heartbeat_answer(ProtocolVersion::V1, &body).is_some(), body == b"0");
        prop_assert!(heartbeat_answer(ProtocolVersion::V3, &body).is_some());
    }

    #[test]
    fn rpc_answers_are_json_lines(body in prop_oneof![any_bytes(300).prop_map(Vec::from), near_json()]) {
        let reply = answer(&body);
        prop_assert_eq!(reply.iter().filter(|&&byte| byte == b'\n').count(), 1);
        prop_assert!(reply.ends_with(b"\n"));
        let replies = match serde_json::from_slice(&reply).unwrap() {
            Value::Array(replies) => replies,
            reply => vec![reply],
        };
        prop_assert!((1..=64).contains(&replies.len()));
        for reply in replies {
            prop_assert_eq!(&reply["jsonrpc"], "2.0");
            let id = &reply["id"];
            prop_assert!(id.is_null() || id.is_string() || id.is_number());
            prop_assert!(reply.get("result").is_some() != reply.get("error").is_some());
        }
    }

    #[test]
    fn requests_without_an_id_are_errors(method in "[a-zA-Z]{1,20}", params in any_json(), id in any::<u64>()) {
        let ask = |request: &Value| -> Value {
            serde_json::from_slice(&answer(request.to_string().as_bytes())).unwrap()
        };
        for method in [&method[..], "getPeers", "getNodeInfo", "call"] {
            let mut request = json!({"jsonrpc": "2.0", "method": method, "params": params});
            let reply = ask(&request);
            prop_assert!(reply["id"].is_null());
            let code = reply["error"]["code"].as_i64();
            prop_assert!(matches!(code, Some(-32600 | -32601 | -32604)), "{}", reply);
            request["id"] = id.into();
            let reply = ask(&request);
            prop_assert_eq!(&reply["id"], id);
            prop_assert_ne!(reply["error"]["code"].as_i64(), Some(-32604));
        }
    }
}
