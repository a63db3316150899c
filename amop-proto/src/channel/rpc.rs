//! JSON-RPC over the channel, 0x12, and over HTTP: what SDKs ask of a node beside messages.
//!
//! channel-v2 section 11. An AMOP node keeps no chain: what tells of the node and its peers is
//! answered, what needs a group is refused as by a real node that is not in that group, and the rest
//! does not exist.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
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

/// The longest request read, in bytes. No method known here needs more than a line.
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

/// Which lists of topics an answer needs, beside the node's facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The node's peers.
    pub peers: bool,
    /// The topics of each of them.
    pub peer_topics: bool,
    /// The node's own topics.
    pub own_topics: bool,
}

/// The body of a 0x12 frame or of an HTTP request, read. Reading needs no node, so that it can be done
/// before a node is locked, and so does writing the [`answer`](Self::answer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request(Read);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Read {
    /// Not JSON.
    Broken,
    One(Call),
    Batch(Vec<Call>),
}

/// One request, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Call {
    id: Option<Id>,
    /// It says `2.0`.
    current: bool,
    method: Option<Method>,
}

/// A request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Null,
    Text(String),
    Number(u64),
    /// None that may come back.
    Bad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    ClientVersion,
    BlockNumber,
    GroupList,
    NodeIdList,
    Peers,
    NodeInfo,
    OfGroup,
    Unknown,
}

impl Method {
    fn named(name: &str) -> Self {
        match name {
            "getClientVersion" => Self::ClientVersion,
            "getBlockNumber" => Self::BlockNumber,
            "getGroupList" => Self::GroupList,
            "getNodeIDList" => Self::NodeIdList,
            "getPeers" => Self::Peers,
            "getNodeInfo" => Self::NodeInfo,
            name if GROUP_METHODS.contains(&name) => Self::OfGroup,
            _ => Self::Unknown,
        }
    }
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
    let request = Request::read(body);
    let needs = request.needs();
    let peers = if needs.peers { peers() } else { Vec::new() };
    let own_topics = if needs.own_topics {
        own_topics()
    } else {
        Vec::new()
    };
    request.answer(facts, &peers, &own_topics)
}

impl Request {
    /// What a body of this length comes to if it is too long to be read: no valid request.
    pub(crate) fn too_long(len: usize) -> Option<Self> {
        (len > MAX_REQUEST).then(|| Self(Read::One(Call::default())))
    }

    /// Reads a body. What is over 1 MiB is not read, nor what follows request 64 of a batch.
    pub fn read(body: &[u8]) -> Self {
        if let Some(request) = Self::too_long(body.len()) {
            return request;
        }
        let mut over = false;
        // Text after the first value is ignored (channel-v2 section 4).
        let read = serde_json::Deserializer::from_slice(body).deserialize_any(Top(&mut over));
        Self(match read {
            Ok(read) => read,
            // One that is too long is no valid one.
            Err(_) if over => Read::One(Call::default()),
            Err(_) => Read::Broken,
        })
    }

    /// What the [`answer`](Self::answer) tells of.
    pub fn needs(&self) -> Needs {
        let calls = match &self.0 {
            Read::Broken => &[],
            Read::One(call) => std::slice::from_ref(call),
            Read::Batch(calls) => &calls[..],
        };
        let mut needs = Needs::default();
        for method in calls.iter().filter_map(|call| call.method) {
            needs.peers |= matches!(method, Method::NodeIdList | Method::Peers);
            needs.peer_topics |= method == Method::Peers;
            needs.own_topics |= method == Method::NodeInfo;
        }
        needs
    }

    /// The answer; empty if there is nothing to answer. What it does not [need](Self::needs) is not
    /// looked at.
    pub fn answer(&self, facts: &NodeFacts, peers: &[PeerInfo], own_topics: &[String]) -> Bytes {
        let context = Context {
            facts,
            peers,
            own_topics,
        };
        let reply = match &self.0 {
            Read::Broken => Some(failure(
                &Id::Null,
                PARSE_ERROR,
                "JSON_PARSE_ERROR: The JSON-Object is not JSON-Valid",
            )),
            Read::One(call) => context.one(call),
            Read::Batch(calls) => context.batch(calls),
        };
        match reply {
            // Keys come out in byte order and a line feed ends the body, as a real node writes it.
            Some(reply) => format!("{reply}\n").into(),
            None => Bytes::new(),
        }
    }
}

/// The top of a body; sets the flag where a batch is too long.
struct Top<'a>(&'a mut bool);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request or a batch of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Read, A::Error> {
        let mut calls = Vec::new();
        while let Some(call) = items.next_element()? {
            if calls.len() == MAX_BATCH {
                *self.0 = true;
                return Err(de::Error::custom("too many requests"));
            }
            calls.push(call);
        }
        Ok(match calls.is_empty() {
            true => Read::One(Call::default()),
            false => Read::Batch(calls),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Read, A::Error> {
        CallVisitor.visit_map(map).map(Read::One)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Read, E> {
        CallVisitor.visit_str(text).map(Read::One)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Read, E> {
        CallVisitor.visit_bool(flag).map(Read::One)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Read, E> {
        CallVisitor.visit_i64(number).map(Read::One)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Read, E> {
        CallVisitor.visit_u64(number).map(Read::One)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Read, E> {
        CallVisitor.visit_f64(number).map(Read::One)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Read, E> {
        CallVisitor.visit_unit().map(Read::One)
    }
}

/// What is no object is no valid request.
struct CallVisitor;

impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(CallVisitor)
    }
}

impl<'de> Visitor<'de> for CallVisitor {
    type Value = Call;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Call, A::Error> {
        let mut call = Call::default();
        // Of a key that occurs twice the last one counts.
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match &*key {
                "id" => call.id = Some(map.next_value()?),
                "jsonrpc" => {
                    let version: Text = map.next_value()?;
                    call.current = version.0.as_deref() == Some("2.0");
                }
                "method" => {
                    let name: Text = map.next_value()?;
                    call.method = name.0.as_deref().map(Method::named);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(call)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Call, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Call::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_unit<E>(self) -> Result<Call, E> {
        Ok(Call::default())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl<'de> Visitor<'de> for IdVisitor {
    type Value = Id;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E>(self, text: &str) -> Result<Id, E> {
        Ok(Id::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Id, E> {
        Ok(Id::Number(number))
    }

    fn visit_unit<E>(self) -> Result<Id, E> {
        Ok(Id::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Id, E> {
        Ok(Id::Bad)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Id, E> {
        Ok(Id::Bad)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Id, E> {
        Ok(Id::Bad)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Id, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Id::Bad)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Id, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Id::Bad)
    }
}

/// A text, or nothing where there is something else.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let text = match Id::deserialize(value)? {
            Id::Text(text) => Some(text),
            Id::Null | Id::Number(_) | Id::Bad => None,
        };
        Ok(Self(text))
    }
}

struct Context<'a> {
    facts: &'a NodeFacts,
    peers: &'a [PeerInfo],
    own_topics: &'a [String],
}

impl Context<'_> {
    /// The replies to the requests that have an id; `None` if none has.
    fn batch(&self, batch: &[Call]) -> Option<String> {
        let mut replies = String::new();
        for call in batch {
            let reply = if replies.len() < MAX_BATCH_ANSWER {
                self.one(call)
            } else {
                let text = "INTERNAL_ERROR: the answers before this one are too long, ask alone";
                let id = call.id.as_ref();
                id.map(|id| failure(id, INTERNAL_ERROR, text))
            };
            if let Some(reply) = reply {
                replies.push(if replies.is_empty() { '[' } else { ',' });
                replies.push_str(&reply);
            }
        }
        (!replies.is_empty()).then(|| replies + "]")
    }

    /// The reply to one request; `None` for a notification, which has no id.
    fn one(&self, call: &Call) -> Option<String> {
        let valid_id = call.id != Some(Id::Bad);
        let (Some(method), true, true) = (call.method, call.current, valid_id) else {
            let id = call.id.as_ref().unwrap_or(&Id::Null);
            return Some(failure(id, INVALID_REQUEST, INVALID_REQUEST_TEXT));
        };
        let id = call.id.as_ref()?;
        Some(match method {
            Method::OfGroup => {
                let error =
                    json!({ "code": NO_SUCH_GROUP, "data": null, "message": NO_SUCH_GROUP_TEXT });
                json!({ "error": error, "id": id.printable(), "jsonrpc": "2.0" }).to_string()
            }
            Method::Unknown => failure(
                id,
                METHOD_NOT_FOUND,
                "METHOD_NOT_FOUND: The method being requested is not available on this server",
            ),
            method => {
                let result = self.result(method);
                json!({ "id": id.printable(), "jsonrpc": "2.0", "result": result }).to_string()
            }
        })
    }

    fn result(&self, method: Method) -> Value {
        let facts = self.facts;
        match method {
            Method::ClientVersion => json!({
                "Build Time": "",
                "Build Type": "AMOP node",
                "Chain Id": facts.chain_id,
                "FISCO-BCOS Version": facts.fisco_version,
                "Git Branch": "",
                "Git Commit Hash": "",
                "Supported Version": facts.fisco_version,
            }),
            // Of any group: python-sdk does not go on without a number (channel-v2 section 11.4).
            Method::BlockNumber => json!("0x0"),
            Method::GroupList => json!([]),
            Method::NodeIdList => {
                let mut ids = vec![&facts.node_id];
                ids.extend(self.peers.iter().map(|peer| &peer.node_id));
                json!(ids)
            }
            Method::Peers => json!(self.peers),
            Method::NodeInfo => json!({
                "Agency": facts.agency,
                "IPAndPort": facts.address,
                "Node": facts.name,
                "NodeID": facts.node_id,
                "Topic": self.own_topics,
            }),
            Method::OfGroup | Method::Unknown => Value::Null,
        }
    }
}

impl Id {
    /// The id as it stands in the answer: an id that JSON-RPC does not allow becomes null.
    fn printable(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Null | Self::Bad => Value::Null,
        }
    }
}

fn failure(id: &Id, code: i32, message: &str) -> String {
    let error = json!({ "code": code, "message": message });
    json!({ "error": error, "id": id.printable(), "jsonrpc": "2.0" }).to_string()
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
