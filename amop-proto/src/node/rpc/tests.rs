//! Requests of SDKs, and bodies that are not requests.

use super::{
    call::MAX_BATCH,
    params::{Method, ParamKind},
    *,
};

fn facts() -> NodeFacts {
    NodeFacts {
        fisco_version: "2.11.1".into(),
        chain_id: "1".into(),
        node_id: "ab".repeat(64),
        name: "node0".into(),
        agency: "agency".into(),
        address: "127.0.0.1:30300".into(),
        groups: Vec::new(),
    }
}

fn ask(body: &str) -> String {
    let facts = facts();
    let peers = || {
        vec![RpcPeer {
            agency: "agency".into(),
            address: "127.0.0.1:30301".into(),
            name: "node1".into(),
            node_id: "cd".repeat(64),
            topics: vec!["hello".into()],
        }]
    };
    let answer = answer(body.as_bytes(), &facts, peers, || vec!["own".into()]);
    String::from_utf8(answer.to_vec()).unwrap()
}

#[test]
fn go_and_java_requests_are_answered() {
    let go = ask(r#"{"jsonrpc":"2.0","id":1,"method":"getClientVersion"}"#);
    assert!(go.starts_with(r#"{"id":1,"jsonrpc":"2.0","result":{"Build Time":"#));
    assert!(go.contains(r#""Chain Id":"1","FISCO-BCOS Version":"2.11.1""#));
    assert!(go.ends_with("\"Supported Version\":\"2.11.1\"}}\n"));
    assert_eq!(
        ask(r#"{"jsonrpc":"2.0","method":"getGroupList","params":[],"id":3}"#),
        "{\"id\":3,\"jsonrpc\":\"2.0\",\"result\":[]}\n"
    );
    assert_eq!(
        ask(r#"{"jsonrpc":"2.0","method":"getBlockNumber","params":[1],"id":4}"#),
        "{\"id\":4,\"jsonrpc\":\"2.0\",\"result\":\"0x0\"}\n"
    );
    assert_eq!(
        ask("{\"jsonrpc\":\"2.0\",\"method\":\"getGroupList\",\"id\":5} trailing"),
        "{\"id\":5,\"jsonrpc\":\"2.0\",\"result\":[]}\n"
    );
}

#[test]
fn nodes_are_listed() {
    let ids = ask(r#"{"jsonrpc":"2.0","id":1,"method":"getNodeIDList","params":[1]}"#);
    assert!(ids.contains(&format!(
        "[\"{}\",\"{}\"]",
        "ab".repeat(64),
        "cd".repeat(64)
    )));
    let peers = ask(r#"{"jsonrpc":"2.0","id":1,"method":"getPeers","params":[1]}"#);
    assert!(peers.contains(
        r#"[{"Agency":"agency","IPAndPort":"127.0.0.1:30301","Node":"node1","NodeID":"cd"#
    ));
    assert!(peers.contains(r#""Topic":["hello"]}]"#));
}

#[test]
fn what_needs_a_chain_is_refused_as_for_an_unknown_group() {
    let refused = ask(
        r#"{"jsonrpc":"2.0","method":"sendRawTransactionAndGetProof","params":[1,"0x"],"id":5}"#,
    );
    assert!(refused.starts_with(
        r#"{"error":{"code":-40001,"data":null,"message":"GroupID does not exist: this node"#
    ));
    assert!(refused.ends_with("\"},\"id\":5,\"jsonrpc\":\"2.0\"}\n"));
    for (method, kinds) in Method::of_groups() {
        let params: Vec<&str> = kinds.unwrap_or_default().iter().map(example).collect();
        let params = params.join(",");
        let asked =
            format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":[{params}],"id":1}}"#);
        assert!(ask(&asked).contains("-40001"), "{method}");
    }
}

#[test]
fn everything_else_is_an_error_of_the_protocols_own() {
    assert_eq!(
        ask(r#"{"jsonrpc":"2.0","method":"generateGroup","params":[1,{}],"id":5}"#),
        "{\"error\":{\"code\":-32601,\"message\":\"METHOD_NOT_FOUND: The method being requested is not \
         available on this server\"},\"id\":5,\"jsonrpc\":\"2.0\"}\n"
    );
    assert!(ask("not json").contains("-32700"));
    assert!(ask("").contains("-32700"));
    assert!(ask(&" ".repeat(MAX_REQUEST + 1)).contains("-32600"));
    assert!(ask(r#"{"id":1,"method":"getPeers"}"#).contains("-32600"));
    assert!(ask(r#"[]"#).contains("-32600"));
    assert!(ask(r#"[1]"#).starts_with(r#"[{"error":{"code":-32600"#));
}

/// The list of peers is asked for only once, and the answer stays bounded.
#[test]
fn a_batch_cannot_ask_for_more_than_it_may_get() {
    let peer = RpcPeer {
        agency: "agency".into(),
        address: "127.0.0.1:30301".into(),
        name: "node1".into(),
        node_id: "cd".repeat(64),
        topics: vec!["t".repeat(1 << 20)],
    };
    let one = r#"{"jsonrpc":"2.0","id":1,"method":"getPeers","params":[1]}"#;
    let batch = format!("[{}]", [one; MAX_BATCH].join(","));
    let answer = answer(batch.as_bytes(), &facts(), || vec![peer], Vec::new);
    assert!(answer.len() <= MAX_BATCH_ANSWER + MAX_BATCH * 256);
    let replies: Vec<Value> = serde_json::from_slice(&answer).unwrap();
    assert_eq!(replies.len(), MAX_BATCH);
    assert!(replies[0]["result"].is_array());
    assert_eq!(replies[MAX_BATCH - 1]["error"]["code"], INTERNAL_ERROR);
}

/// A long answer is complete if it is alone or the first of a batch.
#[test]
fn an_answer_that_fills_a_batch_is_its_first_or_none() {
    let topics = || vec!["t".repeat(MAX_BATCH_ANSWER)];
    let long = r#"{"jsonrpc":"2.0","id":1,"method":"getNodeInfo"}"#;
    let short = r#"{"jsonrpc":"2.0","id":2,"method":"getBlockNumber","params":[1]}"#;
    for (batch, is_long) in [
        (format!("[{long},{long}]"), [true, false]),
        (format!("[{short},{long}]"), [false, false]),
    ] {
        let answer = answer(batch.as_bytes(), &facts(), Vec::new, topics);
        let replies: Vec<Value> = serde_json::from_slice(&answer).unwrap();
        let told = [0, 1].map(|n: usize| replies[n]["result"]["Topic"].is_array());
        assert_eq!(told, is_long, "{}", &batch);
        assert_eq!(replies[1]["error"]["code"], INTERNAL_ERROR);
    }
}

#[test]
fn a_batch_is_answered_in_order() {
    let batch = ask(
        r#"[{"jsonrpc":"2.0","id":1,"method":"getGroupList"},{"jsonrpc":"2.0","id":2,"method":"getBlockNumber","params":[1]}]"#,
    );
    assert_eq!(
        batch,
        "[{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":[]},{\"id\":2,\"jsonrpc\":\"2.0\",\"result\":\"0x0\"}]\n"
    );
}

/// Returns a parameter of this kind.
fn example(kind: &ParamKind) -> &'static str {
    match kind {
        ParamKind::Integer => "1",
        ParamKind::Text => r#""0x""#,
        ParamKind::Flag => "true",
        ParamKind::Object => "{}",
        ParamKind::Other => "null",
    }
}

/// The answers were recorded from a FISCO node.
#[test]
fn a_request_without_an_id_is_an_error() {
    let answer = "{\"error\":{\"code\":-32604,\"message\":\"PROCEDURE_IS_METHOD: The requested notification \
                  is declared as a method\"},\"id\":null,\"jsonrpc\":\"2.0\"}\n";
    for method in ["getGroupList", "getPeers", "call", "rpc_modules"] {
        let asked = format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#);
        assert_eq!(ask(&asked), answer, "{method}");
    }
    let unknown = ask(r#"{"jsonrpc":"2.0","method":"noSuchMethod"}"#);
    assert!(
        unknown.contains("-32601") && unknown.contains("\"id\":null"),
        "{unknown}"
    );
    let batch = ask(
        r#"[{"jsonrpc":"2.0","method":"getGroupList"},{"jsonrpc":"2.0","id":-1,"method":"getGroupList"}]"#,
    );
    let replies: Vec<Value> = serde_json::from_str(&batch).unwrap();
    assert_eq!(replies[0]["error"]["code"], IS_METHOD);
    assert_eq!(
        (&replies[1]["id"], &replies[1]["result"]),
        (&json!(-1), &json!([]))
    );
}

#[test]
fn whole_numbers_texts_and_null_are_ids() {
    let asked = |id: &str| {
        let asked = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"getGroupList"}}"#);
        serde_json::from_str::<Value>(&ask(&asked)).unwrap()
    };
    for id in [
        "0",
        "-1",
        "-9223372036854775808",
        "18446744073709551615",
        "1.0",
        "\"seven\"",
        "null",
    ] {
        let answer = asked(id);
        assert_eq!(answer["id"].to_string(), id);
        assert!(answer["result"].is_array(), "{answer}");
    }
    for id in ["1.5", "1e30", "true", "[1]", "{}", "18446744073709551616"] {
        let answer = asked(id);
        assert_eq!(answer["error"]["code"], INVALID_REQUEST, "{id}");
        assert_eq!(answer["id"], Value::Null, "{id}");
    }
}

#[test]
fn parameters_are_looked_at_where_there_are_any() {
    let code = |method: &str, params: &str| {
        let asked = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"{params}}}"#);
        let answer: Value = serde_json::from_str(&ask(&asked)).unwrap();
        answer["error"]["code"].as_i64()
    };
    let invalid = Some(i64::from(INVALID_PARAMS));
    for method in ["getBlockNumber", "getPeers", "getNodeIDList"] {
        for params in [
            r#","params":[1]"#,
            r#","params":[1.0]"#,
            r#","params":[-7]"#,
        ] {
            assert_eq!(code(method, params), None, "{method} {params}");
        }
        for params in [
            "",
            r#","params":null"#,
            r#","params":[]"#,
            r#","params":["1"]"#,
            r#","params":[1.5]"#,
            r#","params":[[1]]"#,
            r#","params":[1,2]"#,
            r#","params":[1,2,3,4,5,6]"#,
            r#","params":{"group":1}"#,
        ] {
            assert_eq!(code(method, params), invalid, "{method} {params}");
        }
    }
    assert_eq!(code("call", r#","params":[1,"0x"]"#), invalid);
    assert_eq!(
        code("getBlockByNumber", r#","params":[1,"0x0",1]"#),
        invalid
    );
    let no_request = Some(i64::from(INVALID_REQUEST));
    // Methods without parameters accept any valid ones.
    for method in [
        "getClientVersion",
        "getGroupList",
        "getNodeInfo",
        "rpc_modules",
    ] {
        for params in [
            "",
            r#","params":[1]"#,
            r#","params":{}"#,
            r#","params":null"#,
        ] {
            assert_eq!(code(method, params), None, "{method} {params}");
        }
        for params in [r#","params":1"#, r#","params":"1""#, r#","params":false"#] {
            assert_eq!(code(method, params), no_request, "{method} {params}");
        }
    }
    let modules = ask(r#"{"jsonrpc":"2.0","id":1,"method":"rpc_modules"}"#);
    assert!(
        modules.contains(r#""result":{"FISCO BCOS":"2.0"}"#),
        "{modules}"
    );
}

#[test]
fn groups_are_those_of_the_configuration() {
    let facts = NodeFacts {
        groups: vec![1, 3],
        ..facts()
    };
    let asked = br#"{"jsonrpc":"2.0","id":1,"method":"getGroupList","params":[]}"#;
    let answer = answer(asked, &facts, Vec::new, Vec::new);
    assert_eq!(answer, "{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":[1,3]}\n");
}
