//! JSON-RPC over the channel, 0x12: what SDKs ask of a node when they connect.
//!
//! channel-v2 section 11. An AMOP node keeps no chain, so it knows a handful of methods and answers
//! the rest with error -32601.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The method does not exist here.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The request is JSON but not a JSON-RPC 2.0 request.
pub const INVALID_REQUEST: i32 = -32600;
/// The request is not JSON.
pub const PARSE_ERROR: i32 = -32700;

const INVALID_REQUEST_TEXT: &str =
    "INVALID_JSON_REQUEST: The JSON sent is not a valid JSON-RPC Request object";

/// The most requests one batch may hold.
const MAX_BATCH: usize = 64;

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

/// Answers the body of a 0x12 frame.
///
/// `peers` is called only for the methods that need it; `own_topics` likewise.
pub fn answer(
    body: &[u8],
    facts: &NodeFacts,
    peers: impl Fn() -> Vec<PeerInfo>,
    own_topics: impl Fn() -> Vec<String>,
) -> Bytes {
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
            let replies: Vec<Value> = batch
                .into_iter()
                .filter_map(|request| context.one(request))
                .collect();
            (!replies.is_empty()).then_some(Value::Array(replies))
        }
        Parsed::Value(request) => context.one(request),
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
    peers: &'a dyn Fn() -> Vec<PeerInfo>,
    own_topics: &'a dyn Fn() -> Vec<String>,
}

impl Context<'_> {
    /// The reply to one request; `None` for a notification, which has no id.
    fn one(&self, request: Value) -> Option<Value> {
        let id = request.get("id").cloned();
        let valid_id = matches!(&id, None | Some(Value::Null | Value::String(_)))
            || id.as_ref().is_some_and(Value::is_u64);
        let version_ok = request.get("jsonrpc").and_then(Value::as_str) == Some("2.0");
        let method = request.get("method").and_then(Value::as_str);
        let (Some(method), true, true) = (method, version_ok, valid_id) else {
            return Some(failure(
                id.filter(|_| valid_id).unwrap_or(Value::Null),
                INVALID_REQUEST,
                INVALID_REQUEST_TEXT,
            ));
        };
        let id = id?;
        Some(match self.result(method) {
            Some(result) => json!({ "id": id, "jsonrpc": "2.0", "result": result }),
            None => failure(
                id,
                METHOD_NOT_FOUND,
                "METHOD_NOT_FOUND: The method being requested is not available on this server",
            ),
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
            "getBlockNumber" => json!("0x0"),
            "getGroupList" => json!([]),
            "getNodeIDList" => {
                let mut ids = vec![facts.node_id.clone()];
                ids.extend((self.peers)().into_iter().map(|peer| peer.node_id));
                json!(ids)
            }
            "getPeers" => json!((self.peers)()),
            "getNodeInfo" => json!(PeerInfo {
                agency: facts.agency.clone(),
                address: facts.address.clone(),
                name: facts.name.clone(),
                node_id: facts.node_id.clone(),
                topics: (self.own_topics)(),
            }),
            _ => return None,
        })
    }
}

fn failure(id: Value, code: i32, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message }, "id": id, "jsonrpc": "2.0" })
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
    fn everything_else_is_an_error_of_the_protocols_own() {
        assert_eq!(
            ask(r#"{"jsonrpc":"2.0","method":"sendRawTransaction","params":[1,"0x"],"id":5}"#),
            "{\"error\":{\"code\":-32601,\"message\":\"METHOD_NOT_FOUND: The method being requested is not \
             available on this server\"},\"id\":5,\"jsonrpc\":\"2.0\"}\n"
        );
        assert!(ask("not json").contains("-32700"));
        assert!(ask("").contains("-32700"));
        assert!(ask(&" ".repeat(MAX_REQUEST + 1)).contains("-32600"));
        assert!(ask(r#"{"id":1,"method":"getPeers"}"#).contains("-32600"));
        assert!(ask(r#"[]"#).contains("-32600"));
        assert_eq!(ask(r#"{"jsonrpc":"2.0","method":"getPeers"}"#), "");
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
