//! The frames between an SDK and its node in addition to messages: JSON-RPC, handshake, heartbeat,
//! topics, pushes (channel-v2 sections 5, 6, 11 and 12).

use amop_proto::{
    channel::{
        Frame, FrameType, HandshakeRequest, HandshakeResponse, ProtocolVersion, Seq, SetTopics,
        encode_topics, heartbeat_answer, heartbeat_request, split_topic,
    },
    node::rpc,
};
use bytes::Bytes;
use serde_json::Value;

use crate::vectors::{Check, SEQ_A, SEQ_B, Vector, Vectors};

pub(crate) const CHECKS: &[Check] = &[
    ("rpc_request_getClientVersion_go", client_version_request),
    ("rpc_request_getClientVersion_java", client_version_request),
    ("rpc_response_getClientVersion", client_version_response),
    ("rpc_response_getGroupList_empty", |_, v| {
        is_answer(
            v,
            r#"{"jsonrpc":"2.0","method":"getGroupList","params":[],"id":3}"#,
        );
    }),
    ("rpc_response_getBlockNumber_zero", |_, v| {
        is_answer(
            v,
            r#"{"jsonrpc":"2.0","method":"getBlockNumber","params":[1],"id":4}"#,
        );
    }),
    ("rpc_response_method_not_found", |_, v| {
        is_answer(
            v,
            r#"{"jsonrpc":"2.0","method":"noSuchMethod","params":[1],"id":5}"#,
        );
    }),
    // Only nodes of a chain give these answers.
    ("rpc_response_error_group", rpc_text),
    ("rpc_response_permission_denied", rpc_text),
    ("handshake_request_go", |_, v| {
        let request = handshake_request(v, "Go-SDK");
        v.is_written_as(&request.to_frame(SEQ_A));
    }),
    // The Java SDKs write the members in another order, so only the result of reading can be
    // compared.
    ("handshake_request_java", |_, v| {
        handshake_request(v, "java-sdk");
    }),
    ("handshake_response_v3", |_, v| {
        let response = HandshakeResponse {
            node_version: "2.11.1".to_owned(),
            protocol: ProtocolVersion::V3.number(),
            quiet_multicasts: false,
            answer_within: None,
            max_frame: None,
        };
        assert_eq!(
            HandshakeResponse::parse(&v.frame().body),
            Ok(response.clone())
        );
        v.is_written_as(&Frame::new(FrameType::HANDSHAKE, SEQ_A, response.to_body()));
    }),
    ("heartbeat_request_v1", |_, v| {
        v.frame();
        v.is_written_as(&heartbeat(heartbeat_request(ProtocolVersion::V1)));
    }),
    ("heartbeat_response_v1", |vectors, v| {
        v.frame();
        let request = vectors.get("heartbeat_request_v1").decode();
        let answer = heartbeat_answer(ProtocolVersion::V1, &request.body);
        v.is_written_as(&heartbeat(answer.unwrap()));
    }),
    ("heartbeat_request_v3", |_, v| {
        v.frame();
        for version in [ProtocolVersion::V2, ProtocolVersion::V3] {
            v.is_written_as(&heartbeat(heartbeat_request(version)));
        }
    }),
    ("heartbeat_response_v3", |vectors, v| {
        v.frame();
        for request in [
            "heartbeat_request_v3",
            "heartbeat_request_v1",
            "heartbeat_request_empty",
        ] {
            let request = vectors.get(request).decode();
            for version in [ProtocolVersion::V2, ProtocolVersion::V3] {
                let answer = heartbeat_answer(version, &request.body);
                v.is_written_as(&heartbeat(answer.unwrap()));
            }
        }
    }),
    ("heartbeat_request_empty", |_, v| {
        let request = v.frame();
        v.is_written_as(&heartbeat(Bytes::new()));
        assert_eq!(heartbeat_answer(ProtocolVersion::V1, &request.body), None);
    }),
    ("subscribe_one_block_notify", |_, v| {
        subscribes(v, &["_block_notify_1"])
    }),
    ("subscribe_two_topics", |_, v| {
        subscribes(v, &["_block_notify_1", "topic1"])
    }),
    ("subscribe_nothing", |_, v| subscribes(v, &[])),
    ("subscribe_non_ascii", |_, v| {
        subscribes(v, &["话题"]);
        let escaped = SetTopics::parse(br#"["\u8bdd\u9898"]"#);
        assert_eq!(escaped, SetTopics::Replace(vec!["话题".to_owned()]));
    }),
    ("subscribe_private_subscriber", |_, v| {
        subscribes(
            v,
            &[
                "#!$TopicNeedVerify_hello",
                "#!$VerifyChannel_#!$TopicNeedVerify_hello_92be6ce4dbd311eaae5a983b8fda4e0e",
            ],
        );
    }),
    ("subscribe_private_publisher", |_, v| {
        subscribes(v, &["#!$PushChannel_#!$TopicNeedVerify_hello"]);
    }),
    ("block_notify_v1", |_, v| pushes_block(v, b"1,123")),
    ("block_notify_v2_v3", |_, v| {
        pushes_block(v, b"{\"blockNumber\":123,\"groupID\":1}\n");
    }),
    ("event_log_register_request", |_, v| {
        event_log(v, FrameType::EVENT_REGISTER)
    }),
    ("event_log_register_response", |_, v| {
        event_log(v, FrameType::EVENT_REGISTER);
        let body = b"{\"result\":-41002}\n";
        v.is_written_as(&Frame::amop(FrameType::EVENT_REGISTER, SEQ_A, b"", body));
    }),
    ("event_log_unregister_request", |_, v| {
        event_log(v, FrameType::EVENT_UNREGISTER)
    }),
    ("event_log_push", |_, v| {
        let frame = v.frame();
        assert_eq!(frame.kind, FrameType::EVENT_PUSH);
        assert_eq!(frame.seq, Seq([b'0'; 32]));
    }),
    ("transaction_notify", |_, v| {
        assert_eq!(v.frame().kind, FrameType::TRANSACTION_NOTIFY);
    }),
];

/// Returns the facts of the vectors' node.
fn facts() -> rpc::NodeFacts {
    rpc::NodeFacts {
        fisco_version: "2.11.1".to_owned(),
        chain_id: "1".to_owned(),
        node_id: "ab".repeat(64),
        name: "node0".to_owned(),
        agency: "agency".to_owned(),
        address: "127.0.0.1:30300".to_owned(),
        groups: Vec::new(),
    }
}

fn answer(request: &[u8]) -> Bytes {
    rpc::answer(request, &facts(), Vec::new, Vec::new)
}

fn client_version_request(_: &Vectors, vector: &Vector) {
    let frame = vector.frame();
    assert_eq!(frame.kind, FrameType::RPC);
    let request: Value = serde_json::from_slice(&frame.body).unwrap();
    let reply: Value = serde_json::from_slice(&answer(&frame.body)).unwrap();
    assert_eq!(reply["id"], request["id"]);
    assert_eq!(reply["result"]["Supported Version"], "2.11.1");
}

/// The build's facts differ between nodes; the structure and the fields that SDKs use must not.
fn client_version_response(vectors: &Vectors, vector: &Vector) {
    let real = vector.frame().body;
    let request = vectors.get("rpc_request_getClientVersion_go").decode();
    let ours = answer(&request.body);
    let keys = |body: &[u8]| -> Vec<String> {
        // In the order of the text, since the FISCO node writes them in byte order.
        let text = String::from_utf8(body.to_vec()).unwrap();
        let mut keys: Vec<_> = text.match_indices("\":").map(|(at, _)| at).collect();
        keys.sort_unstable();
        let start = |end: usize| text[..end].rfind('"').unwrap() + 1;
        keys.into_iter()
            .map(|end| text[start(end)..end].to_owned())
            .collect()
    };
    assert_eq!(keys(&ours), keys(&real));
    assert_eq!(keys(&ours).len(), 10);
    assert!(real.ends_with(b"\n") && ours.ends_with(b"\n"));
    let (real, ours): (Value, Value) = (
        serde_json::from_slice(&real).unwrap(),
        serde_json::from_slice(&ours).unwrap(),
    );
    for key in ["Chain Id", "FISCO-BCOS Version", "Supported Version"] {
        assert_eq!(ours["result"][key], real["result"][key], "{key}");
    }
    assert_eq!(
        (&ours["id"], &ours["jsonrpc"]),
        (&real["id"], &real["jsonrpc"])
    );
}

/// Checks that this crate's answer to `request` equals the vector, byte for byte.
fn is_answer(vector: &Vector, request: &str) {
    vector.frame();
    vector.is_written_as(&Frame::new(
        FrameType::RPC,
        SEQ_B,
        answer(request.as_bytes()),
    ));
}

fn rpc_text(_: &Vectors, vector: &Vector) {
    let frame = vector.frame();
    assert_eq!((frame.kind, frame.seq), (FrameType::RPC, SEQ_B));
}

fn handshake_request(vector: &Vector, client_type: &str) -> HandshakeRequest {
    let expected = HandshakeRequest {
        minimum_support: 1,
        maximum_support: 3,
        client_type: client_type.to_owned(),
    };
    let request = HandshakeRequest::parse(&vector.frame().body).unwrap();
    assert_eq!(request, expected);
    assert_eq!(request.negotiate(), Ok(ProtocolVersion::V3));
    request
}

fn heartbeat(body: Bytes) -> Frame {
    Frame::new(FrameType::HEARTBEAT, SEQ_A, body)
}

fn subscribes(vector: &Vector, topics: &[&str]) {
    let set = SetTopics::parse(&vector.frame().body);
    let expected = topics.iter().map(|topic| (*topic).to_owned()).collect();
    assert_eq!(set, SetTopics::Replace(expected));
    let body = encode_topics(topics.iter().copied());
    vector.is_written_as(&Frame::new(FrameType::SET_TOPICS, SEQ_A, body));
}

fn pushes_block(vector: &Vector, payload: &[u8]) {
    vector.frame();
    let seq = Seq([b'0'; 32]);
    let topic = b"_block_notify_1";
    vector.is_written_as(&Frame::amop(FrameType::BLOCK_NOTIFY, seq, topic, payload));
}

fn event_log(vector: &Vector, kind: FrameType) {
    let frame = vector.frame();
    assert_eq!(frame.kind, kind);
    let body = split_topic(&frame.body).unwrap();
    assert!(body.topic.is_empty());
    assert!(serde_json::from_slice::<Value>(&body.payload).is_ok());
}
