//! JSON payloads.

use serde_json::{Value, json};

use super::*;
use crate::ws::rpc::{RpcFacts, answer, refuse_events};

fn negotiated(payload: &str) -> Result<u32, WsHandshakeError> {
    WsHandshakeRequest::parse(payload.as_bytes())?.negotiate()
}

/// ws-v3 section 7.
#[test]
fn the_version_is_the_highest_that_both_speak_and_never_0() {
    for (payload, version) in [
        (r#"{"maxVersion":2,"minVersion":0,"moduleID":2}"#, 2),
        // SDKs 3.0 to 3.4.
        (r#"{"maxVersion":1,"minVersion":1,"moduleID":2}"#, 1),
        (r#"{"maxVersion":9,"minVersion":2,"moduleID":2}"#, 2),
        // After the version 0, SDKs drop every message.
        (r#"{"maxVersion":0,"minVersion":0,"moduleID":2}"#, 1),
        // Missing members count as 0, others are ignored, and so is text after the object.
        ("{}", 1),
        (r#" {"maxVersion":2,"other":[{}]} and more"#, 2),
    ] {
        assert_eq!(negotiated(payload), Ok(version), "{payload}");
    }
    let (minimum, maximum) = (3, 4);
    assert_eq!(
        negotiated(r#"{"maxVersion":4,"minVersion":3,"moduleID":2}"#),
        Err(WsHandshakeError::NoCommonVersion { minimum, maximum })
    );
}

#[test]
fn handshakes_that_cannot_be_read_are_refused() {
    for payload in [
        "",
        "x",
        "[2,0,2]",
        "{",
        r#"{"maxVersion":-1}"#,
        r#"{"maxVersion":"2"}"#,
    ] {
        let error = negotiated(payload).unwrap_err();
        assert!(
            matches!(error, WsHandshakeError::Json(_)),
            "{payload}: {error}"
        );
        assert!(WsHandshakeResponse::parse(payload.as_bytes()).is_err() || payload.contains("max"));
    }
    let module = negotiated(r#"{"moduleID":4}"#);
    assert_eq!(module, Err(WsHandshakeError::Module(4)));
    let long = format!("{{{}}}", " ".repeat(20_000));
    let error = WsHandshakeRequest::parse(long.as_bytes()).unwrap_err();
    assert!(matches!(
        error,
        WsHandshakeError::Json(WsJsonError::TooLong { .. })
    ));
}

/// A client needs only a JSON object (ws-v3 section 14).
#[test]
fn a_client_accepts_any_object_as_answer() {
    for payload in [
        "{}",
        r#"{"protocolVersion":1}"#,
        r#"{"protocolVersion":-1,"groupInfoList":7,"groupBlockNumber":{}}"#,
        r#"{"groupInfoList":[{"groupID":"incomplete"}],"groupBlockNumber":[1]}"#,
    ] {
        let answer = WsHandshakeResponse::parse(payload.as_bytes()).unwrap();
        assert!(answer.group_info_list.is_empty() && answer.group_block_number.is_empty());
        assert!(answer.protocol_version <= 1);
    }
    let group = GroupInfo::without_chain("chain0", "group0", "node0");
    let payload = WsHandshakeResponse::new(2, vec![group.clone()]).to_payload();
    let mut json: Value = serde_json::from_slice(&payload).unwrap();
    let complete = json["groupInfoList"][0].clone();
    json["groupInfoList"] = json!([7, complete, {}]);
    let answer = WsHandshakeResponse::parse(json.to_string().as_bytes()).unwrap();
    assert_eq!(answer.group_info_list, [group]);
}

/// What `getClient` of java-sdk accepts: every member that ws-v3 section 8 requires, and texts that
/// are JSON.
#[test]
fn a_group_without_a_chain_is_complete_for_sdks() {
    let group = GroupInfo::without_chain("chain\"0", "group0", "node0");
    let payload = group.to_payload();
    assert_eq!(GroupInfo::parse(&payload).as_ref(), Ok(&group));
    let json: Value = serde_json::from_slice(&payload).unwrap();
    for member in ["chainID", "groupID", "iniConfig"] {
        assert!(json[member].is_string(), "{member}");
    }
    assert_eq!(json["genesisConfig"], "{}");
    let node = &json["nodeList"][0];
    assert_eq!((&node["name"], &node["type"]), (&json!("node0"), &json!(0)));
    assert_eq!(node["serviceInfo"], json!([]));
    assert_eq!(
        node["protocol"],
        json!({ "compatibilityVersion": 50_331_648, "maxSupportedVersion": 2, "minSupportedVersion": 0 })
    );
    let ini: Value = serde_json::from_str(node["iniConfig"].as_str().unwrap()).unwrap();
    assert_eq!(
        ini,
        json!({ "chainID": "chain\"0", "groupID": "group0", "isAuthCheck": false,
            "isSerialExecute": false, "isWasm": false, "smCryptoType": false })
    );
}

fn topics(payload: &[u8]) -> Option<Vec<Bytes>> {
    Some(WsTopicList::parse(payload, 100).ok()?.topics)
}

/// ws-v3 section 10.1.
#[test]
fn lists_of_topics_are_read_as_a_fisco_node_reads_them() {
    let cases: [(&str, Option<&[&str]>); 16] = [
        (r#"{"topics":["a","b","a"]}"#, Some(&["a", "b", "a"])),
        (r#"{"topics":[]}"#, Some(&[])),
        (
            r#"{"other":{"topics":["x"]},"topics":["a"]} z"#,
            Some(&["a"]),
        ),
        (r#"{"topics":["a"],"topics":["b"]}"#, Some(&["b"])),
        (
            r#"{"topics":["\u4e3b\ud83d\ude00","主"]}"#,
            Some(&["主😀", "主"]),
        ),
        // From java-sdk.
        (
            r#"{"topics":["\ufffd\ufffd"]}"#,
            Some(&["\u{fffd}\u{fffd}"]),
        ),
        (
            r#"{"topics":["a",1,-2,1.5,true,null]}"#,
            Some(&["a", "1", "-2", "1.5", "true", ""]),
        ),
        (r#"{"topics":["a",["b"]]}"#, None),
        (r#"{"topics":["a",{}]}"#, None),
        (r#"{"topics":"a"}"#, None),
        (r#"{"topics":["a"]"#, None),
        (r#"{"topic":["a"]}"#, None),
        (r#"["a"]"#, None),
        ("topic1", None),
        ("", None),
        ("null", None),
    ];
    for (payload, expected) in cases {
        let expected = expected.map(|topics| topics.iter().map(|topic| bytes(topic)).collect());
        assert_eq!(topics(payload.as_bytes()), expected, "{payload}");
    }
}

#[test]
fn topics_need_not_be_text() {
    // Older SDKs in Java write surrogates of 3 bytes each without an escape.
    let payload = b"{\"topics\":[\"a\",\"\xed\xa0\xbd\xed\xb8\x80\"]}";
    let expected = [bytes("a"), Bytes::from_static(b"\xed\xa0\xbd\xed\xb8\x80")];
    assert_eq!(topics(payload), Some(expected.to_vec()));
}

#[test]
fn lists_of_topics_are_limited() {
    let list = WsTopicList::parse(br#"{"topics":["a","b","c"]}"#, 2).unwrap();
    assert_eq!((list.topics.len(), list.left_out), (2, 1));
    let long = format!(r#"{{"topics":["{}"]}}"#, "x".repeat(MAX_TOPIC_LIST));
    let error = WsTopicList::parse(long.as_bytes(), 2).unwrap_err();
    assert!(matches!(error, WsJsonError::TooLong { .. }));
    let deep = format!(r#"{{"a":{},"topics":[]}}"#, "[".repeat(100_000));
    assert!(WsTopicList::parse(deep.as_bytes(), 2).is_err());
    let error = WsTopicList::parse(b"{\"a\x1b\": 1}", 2).unwrap_err();
    assert!(!error.to_string().contains('\x1b'), "{error}");
}

fn asked(payload: &str) -> Value {
    let facts = RpcFacts {
        groups: &["group0"],
        block_number: 7,
    };
    serde_json::from_slice(&answer(payload.as_bytes(), facts)).unwrap()
}

/// ws-v3 section 9.1.
#[test]
fn json_rpc_is_answered() {
    let call = |method: &str, params: Vec<Value>| {
        let request = WsRpcRequest::new(5, method, params).to_payload();
        asked(std::str::from_utf8(&request).unwrap())
    };
    // java-sdk asks this when it makes a client for a group.
    assert_eq!(
        call("getBlockNumber", vec![json!("group0"), json!("")]),
        json!({ "id": 5, "jsonrpc": "2.0", "result": 7 })
    );
    assert_eq!(
        call("getBlockNumber", vec![json!("other")])["error"]["code"],
        -32000
    );
    assert_eq!(call("getBlockNumber", vec![])["error"]["code"], -32602);
    assert_eq!(
        call("getGroupList", vec![])["result"],
        json!({ "code": 0, "groupList": ["group0"], "msg": "success" })
    );
    let unknown = call("getSystemConfigByKey", vec![]);
    assert_eq!(
        unknown,
        json!({ "id": 5, "jsonrpc": "2.0", "error": { "code": -32601,
            "message": "The method does not exist/is not available." } })
    );
    for (payload, code) in [
        ("x", -32700),
        ("", -32700),
        ("{", -32700),
        ("[]", -32700),
        (r#"{"jsonrpc":"2.0","method":"getBlockNumber"}"#, -32600),
        (r#"{"jsonrpc":"2.0","params":[]}"#, -32600),
        (r#"{"method":"getBlockNumber","params":[]}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","method":"getBlockNumber","params":{}}"#,
            -32600,
        ),
        (&format!("{{{}}}", " ".repeat(1024 * 1024)), -32600),
    ] {
        assert_eq!(asked(payload)["error"]["code"], code);
    }
}

#[test]
fn answers_of_json_rpc_are_read() {
    let read = |payload: &str| WsRpcAnswer::parse(payload.as_bytes());
    assert_eq!(
        read(r#"{"id":1,"result":"0x0"}"#),
        Ok(WsRpcAnswer::Result(json!("0x0")))
    );
    let error = WsRpcAnswer::Error {
        code: -32601,
        message: "no".to_owned(),
    };
    assert_eq!(
        read(r#"{"error":{"code":-32601,"message":"no"}}"#),
        Ok(error)
    );
    assert!(read("no").is_err());
}

/// ws-v3 section 13.
#[test]
fn event_subscriptions_are_refused() {
    let refused = |payload: &str| {
        let answer = refuse_events(payload.as_bytes())?;
        Some(serde_json::from_slice::<Value>(&answer).unwrap())
    };
    let answer = json!({ "id": "abc", "status": -41002 });
    assert_eq!(refused(r#"{"id":"abc","group":"group0"}"#), Some(answer));
    assert_eq!(refused(r#"{"id":3}"#).unwrap()["id"], 3);
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(300));
    assert_eq!(refused(&long).unwrap()["id"], Value::Null);
    assert_eq!(refused("x"), None);
}

/// Names of JSON payloads are written in ASCII, as SDKs write them.
#[test]
fn json_is_written_in_ascii() {
    let list = WsTopicList::payload_of(&[WsTopic::new("é\u{1}\"\\/😀主").unwrap()]);
    assert_eq!(
        &list[..],
        br#"{"topics":["\u00e9\u0001\"\\/\ud83d\ude00\u4e3b"]}"#
            .iter()
            .chain(b"\n")
            .copied()
            .collect::<Vec<u8>>()
    );
}
