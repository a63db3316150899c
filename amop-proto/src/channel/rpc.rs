//! JSON-RPC over the channel, 0x12, and over HTTP: what SDKs ask of a node beside messages.
//!
//! channel-v2 section 11. An AMOP node keeps no chain: what tells of the node and its peers is
//! answered, what needs a group is refused as by a real node that is not in that group, and the rest
//! does not exist.

use std::{cell::LazyCell, ops::Deref};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The method does not exist here.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The request is JSON but not a JSON-RPC 2.0 request.
pub const INVALID_REQUEST: i32 = -32600;
/// The request is not JSON.
pub const PARSE_ERROR: i32 = -32700;
/// The answer would be too long.
pub const INTERNAL_ERROR: i32 = -32603;
/// The method needs a group, and this node has none.
pub const NO_SUCH_GROUP: i32 = -40001;

const INVALID_REQUEST_TEXT: &str =
    "INVALID_JSON_REQUEST: The JSON sent is not a valid JSON-RPC Request object";

/// Begins as a real node's text, which SDKs show to people.
const NO_SUCH_GROUP_TEXT: &str = "GroupID does not exist: this node carries AMOP messages only, it has \
                                  no chain to read from or to send transactions to";

/// What a real node does for one of its groups.
const GROUP_METHODS: &[&str] = &[
    "call",
    "estimateGas",
    "getBatchReceiptsByBlockHashAndRange",
    "getBatchReceiptsByBlockNumberAndRange",
    "getBlockByHash",
    "getBlockByNumber",
    "getBlockHashByNumber",
    "getBlockHeaderByHash",
    "getBlockHeaderByNumber",
    "getCode",
    "getConsensusStatus",
    "getGroupPeers",
    "getObserverList",
    "getPbftView",
    "getPendingTransactions",
    "getPendingTxSize",
    "getSealerList",
    "getSyncStatus",
    "getSystemConfigByKey",
    "getTotalTransactionCount",
    "getTransactionByBlockHashAndIndex",
    "getTransactionByBlockNumberAndIndex",
    "getTransactionByHash",
    "getTransactionByHashWithProof",
    "getTransactionReceipt",
    "getTransactionReceiptByHashWithProof",
    "sendRawTransaction",
    "sendRawTransactionAndGetProof",
];

/// The most requests one batch may hold.
const MAX_BATCH: usize = 64;

/// So long, in bytes, the answers to a batch may grow before the rest of it is refused. A node whose
/// peers have many topics would otherwise tell of them 64 times at once.
const MAX_BATCH_ANSWER: usize = 16 * 1024 * 1024;

/// The longest request read, in bytes. Parsed JSON can take 30 times the memory of its text, and no
/// method known here needs more than a line.
const MAX_REQUEST: usize = 1024 * 1024;

/// What a node tells of itself over JSON-RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// The version reported as `FISCO-BCOS Version` and `Supported Version`, e.g. `2.11.1`.
    pub fisco_version: String,
    /// The chain's id, a decimal number.
    pub chain_id: String,
    /// The node's id: 128 hex digits.
    pub node_id: String,
    /// The node's name and agency, from its certificate.
    pub name: String,
    /// The agency the node belongs to.
    pub agency: String,
    /// Where peers reach the node.
    pub address: String,
}

/// What a node tells of itself or of a peer in `getPeers` and `getNodeInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeerInfo {
    /// The agency in the peer's certificate.
    #[serde(rename = "Agency")]
    pub agency: String,
    /// The address the connection was made to or came from.
    #[serde(rename = "IPAndPort")]
    pub address: String,
    /// The name in the peer's certificate.
    #[serde(rename = "Node")]
    pub name: String,
    /// 128 hex digits.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// The topics it announced.
    #[serde(rename = "Topic")]
    pub topics: Vec<String>,
}

/// Answers the body of a 0x12 frame or of an HTTP request. Empty if there is nothing to answer.
///
/// `peers` and `own_topics` are called only for the methods that need them, and once for a batch.
pub fn answer(
    body: &[u8],
    facts: &NodeFacts,
    peers: impl FnOnce() -> Vec<PeerInfo>,
    own_topics: impl FnOnce() -> Vec<String>,
) -> Bytes {
    let peers = LazyCell::new(peers);
    let own_topics = LazyCell::new(own_topics);
    let context = Context {
        facts,
        peers: &peers,
        own_topics: &own_topics,
    };
    let reply = match first_value(body) {
        Parsed::TooLong => Some(failure(Value::Null, INVALID_REQUEST, INVALID_REQUEST_TEXT)),
        Parsed::Broken => Some(failure(
            Value::Null,
            PARSE_ERROR,
            "JSON_PARSE_ERROR: The JSON-Object is not JSON-Valid",
        )),
        Parsed::Value(Value::Array(batch)) if !batch.is_empty() && batch.len() <= MAX_BATCH => {
            context.batch(batch)
        }
        Parsed::Value(request) => context.one(&request),
    };
    match reply {
        // Keys come out in byte order and a line feed ends the body, as a real node writes it.
        Some(reply) => format!("{reply}\n").into(),
        None => Bytes::new(),
    }
}

enum Parsed {
    Value(Value),
    Broken,
    TooLong,
}

fn first_value(body: &[u8]) -> Parsed {
    if body.len() > MAX_REQUEST {
        return Parsed::TooLong;
    }
    // Text after the first value is ignored (channel-v2 section 4).
    Value::deserialize(&mut serde_json::Deserializer::from_slice(body))
        .map_or(Parsed::Broken, Parsed::Value)
}

struct Context<'a> {
    facts: &'a NodeFacts,
    peers: &'a dyn Deref<Target = Vec<PeerInfo>>,
    own_topics: &'a dyn Deref<Target = Vec<String>>,
}

impl Context<'_> {
    /// The replies to the requests that have an id; `None` if none has.
    fn batch(&self, batch: Vec<Value>) -> Option<String> {
        let mut replies = String::new();
        for request in batch {
            let reply = if replies.len() < MAX_BATCH_ANSWER {
                self.one(&request)
            } else {
                let text = "INTERNAL_ERROR: the answers before this one are too long, ask alone";
                let id = request.get("id");
                id.map(|id| failure(printable(id), INTERNAL_ERROR, text))
            };
            if let Some(reply) = reply {
                replies.push(if replies.is_empty() { '[' } else { ',' });
                replies.push_str(&reply);
            }
        }
        (!replies.is_empty()).then(|| replies + "]")
    }

    /// The reply to one request; `None` for a notification, which has no id.
    fn one(&self, request: &Value) -> Option<String> {
        let id = request.get("id");
        let valid_id = id.is_none_or(|id| id.is_null() || !printable(id).is_null());
        let version_ok = request.get("jsonrpc").and_then(Value::as_str) == Some("2.0");
        let method = request.get("method").and_then(Value::as_str);
        let (Some(method), true, true) = (method, version_ok, valid_id) else {
            return Some(failure(
                id.map(printable).unwrap_or_default(),
                INVALID_REQUEST,
                INVALID_REQUEST_TEXT,
            ));
        };
        let id = id?.clone();
        Some(if let Some(result) = self.result(method) {
            json!({ "id": id, "jsonrpc": "2.0", "result": result }).to_string()
        } else if GROUP_METHODS.contains(&method) {
            let error =
                json!({ "code": NO_SUCH_GROUP, "data": null, "message": NO_SUCH_GROUP_TEXT });
            json!({ "error": error, "id": id, "jsonrpc": "2.0" }).to_string()
        } else {
            failure(
                id,
                METHOD_NOT_FOUND,
                "METHOD_NOT_FOUND: The method being requested is not available on this server",
            )
        })
    }

    fn result(&self, method: &str) -> Option<Value> {
        let facts = self.facts;
        Some(match method {
            "getClientVersion" => json!({
                "Build Time": "",
                "Build Type": "AMOP node",
                "Chain Id": facts.chain_id,
                "FISCO-BCOS Version": facts.fisco_version,
                "Git Branch": "",
                "Git Commit Hash": "",
                "Supported Version": facts.fisco_version,
            }),
            // Of any group: python-sdk does not go on without a number (channel-v2 section 11.4).
            "getBlockNumber" => json!("0x0"),
            "getGroupList" => json!([]),
            "getNodeIDList" => {
                let mut ids = vec![facts.node_id.clone()];
                ids.extend(self.peers.iter().map(|peer| peer.node_id.clone()));
                json!(ids)
            }
            "getPeers" => json!(**self.peers),
            "getNodeInfo" => json!(PeerInfo {
                agency: facts.agency.clone(),
                address: facts.address.clone(),
                name: facts.name.clone(),
                node_id: facts.node_id.clone(),
                topics: self.own_topics.to_vec(),
            }),
            _ => return None,
        })
    }
}

/// An id as it may come back: one that is none becomes null.
fn printable(id: &Value) -> Value {
    match id {
        Value::String(_) => id.clone(),
        Value::Number(number) if number.is_u64() => id.clone(),
        _ => Value::Null,
    }
}

fn failure(id: Value, code: i32, message: &str) -> String {
    json!({ "error": { "code": code, "message": message }, "id": id, "jsonrpc": "2.0" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(body: &str) -> String {
        let facts = NodeFacts {
            fisco_version: "2.11.1".into(),
            chain_id: "1".into(),
            node_id: "ab".repeat(64),
            name: "node0".into(),
            agency: "agency".into(),
            address: "127.0.0.1:30300".into(),
        };
        let peers = || {
            vec![PeerInfo {
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
        for method in GROUP_METHODS {
            let asked = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":[1],"id":1}}"#);
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
        assert_eq!(ask(r#"{"jsonrpc":"2.0","method":"getPeers"}"#), "");
        assert_eq!(ask(r#"[{"jsonrpc":"2.0","method":"getPeers"}]"#), "");
    }

    /// The peers are asked for once, and the answer stays bounded.
    #[test]
    fn a_batch_cannot_ask_for_more_than_it_may_get() {
        let peer = PeerInfo {
            agency: "agency".into(),
            address: "127.0.0.1:30301".into(),
            name: "node1".into(),
            node_id: "cd".repeat(64),
            topics: vec!["t".repeat(1 << 20)],
        };
        let facts = NodeFacts {
            fisco_version: "2.11.1".into(),
            chain_id: "1".into(),
            node_id: "ab".repeat(64),
            name: "node0".into(),
            agency: "agency".into(),
            address: "127.0.0.1:30300".into(),
        };
        let one = r#"{"jsonrpc":"2.0","id":1,"method":"getPeers"}"#;
        let batch = format!("[{}]", [one; MAX_BATCH].join(","));
        let answer = answer(batch.as_bytes(), &facts, || vec![peer], Vec::new);
        assert!(answer.len() < MAX_BATCH_ANSWER + (2 << 20));
        let replies: Vec<Value> = serde_json::from_slice(&answer).unwrap();
        assert_eq!(replies.len(), MAX_BATCH);
        assert!(replies[0]["result"].is_array());
        assert_eq!(replies[MAX_BATCH - 1]["error"]["code"], INTERNAL_ERROR);
    }

    #[test]
    fn a_batch_is_answered_in_order() {
        let batch = ask(
            r#"[{"jsonrpc":"2.0","id":1,"method":"getGroupList"},{"jsonrpc":"2.0","id":2,"method":"getBlockNumber"}]"#,
        );
        assert_eq!(
            batch,
            "[{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":[]},{\"id\":2,\"jsonrpc\":\"2.0\",\"result\":\"0x0\"}]\n"
        );
    }
}
