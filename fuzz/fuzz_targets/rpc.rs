//! The body of a 0x12 frame: whatever it contains, the answer is one line of JSON.
#![no_main]
#![forbid(unsafe_code)]

use amop_fuzz::machine::facts;
use amop_proto::{
    node::rpc::{RpcPeer, answer},
    p2p::NodeId,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let facts = facts(NodeId([0xab; 64]));
    let peers = || {
        vec![RpcPeer {
            agency: "agency".into(),
            address: "127.0.0.1:30301".into(),
            name: "node1".into(),
            node_id: "cd".repeat(64),
            topics: vec!["hello".into()],
        }]
    };
    let reply = answer(body, &facts, peers, || vec!["own".into()]);
    assert_eq!(
        reply.iter().position(|&byte| byte == b'\n'),
        Some(reply.len() - 1)
    );
    match serde_json::from_slice(&reply) {
        Ok(Value::Array(replies)) => {
            assert!(!replies.is_empty());
            replies.iter().for_each(check);
        }
        Ok(reply) => check(&reply),
        Err(error) => panic!("the answer is not JSON: {error}"),
    }
});

fn check(reply: &Value) {
    assert_eq!(reply["jsonrpc"], "2.0");
    let id = &reply["id"];
    assert!(id.is_null() || id.is_string() || id.is_number());
    assert_ne!(reply.get("result").is_some(), reply.get("error").is_some());
}
