//! JSON-RPC over the channel, 0x12, and over HTTP: the questions that SDKs ask a node, in addition
//! to messages.
//!
//! channel-v2 section 11. An AMOP node keeps no chain. It answers questions about itself and its
//! peers, refuses methods that need a group as a FISCO node outside that group does, and does not
//! know any other method.

mod call;
mod params;
mod read;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use bytes::Bytes;
use serde::{Deserializer, Serialize};
use serde_json::{Value, json};

use self::{
    call::{Call, Read, RpcId},
    params::{Method, Params},
    read::Top,
};

/// The method does not exist here.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// There are too few or too many parameters, or one has the wrong type.
pub const INVALID_PARAMS: i32 = -32602;
/// The request has no id, so that no caller could recognise the answer.
pub const IS_METHOD: i32 = -32604;
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

/// Begins like a FISCO node's text, which SDKs show to people.
const NO_SUCH_GROUP_TEXT: &str = "GroupID does not exist: this node carries AMOP messages only, it has \
                                  no chain to read from or to send transactions to";

/// The longest total length of the answers to a batch, in bytes; the rest of the batch is refused.
/// Without this limit a batch could ask a node for all topics of its peers 64 times at once.
const MAX_BATCH_ANSWER: usize = 16 * 1024 * 1024;

/// The longest request that is read, in bytes. No method known here needs more than a line.
const MAX_REQUEST: usize = 1024 * 1024;

/// The facts about a node that it reports over JSON-RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// The version reported as `FISCO-BCOS Version` and `Supported Version`, e.g. `2.11.1`.
    pub fisco_version: String,
    /// The chain's id, a decimal number.
    pub chain_id: String,
    /// The node's id: 128 hex digits.
    pub node_id: String,
    /// The node's name, from its certificate.
    pub name: String,
    /// The agency the node belongs to.
    pub agency: String,
    /// The address at which peers reach the node.
    pub address: String,
    /// The groups that `getGroupList` returns, in ascending order. They have no chain: they exist
    /// for SDKs that need a group before they can send messages.
    pub groups: Vec<u16>,
}

/// The description of this node or of a peer in `getPeers` and `getNodeInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RpcPeer {
    /// The agency in the peer's certificate.
    #[serde(rename = "Agency")]
    pub agency: String,
    /// The address that the connection goes to or comes from.
    #[serde(rename = "IPAndPort")]
    pub address: String,
    /// The name in the peer's certificate.
    #[serde(rename = "Node")]
    pub name: String,
    /// The peer's id: 128 hex digits.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// The topics that it announced.
    #[serde(rename = "Topic")]
    pub topics: Vec<String>,
}

/// The lists that an answer needs, in addition to the node's facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The node's peers.
    pub peers: bool,
    /// The topics of each of them.
    pub peer_topics: bool,
    /// The node's own topics.
    pub own_topics: bool,
}

/// The body of a 0x12 frame or of an HTTP request, parsed. Neither parsing nor writing the
/// [`answer`](Self::answer) needs the node, so both can be done without its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcRequest(Read);

/// Answers the body of a 0x12 frame or of an HTTP request.
///
/// `peers` and `own_topics` are called only if a method needs them, and once for a whole batch.
pub fn answer(
    body: &[u8],
    facts: &NodeFacts,
    peers: impl FnOnce() -> Vec<RpcPeer>,
    own_topics: impl FnOnce() -> Vec<String>,
) -> Bytes {
    let request = RpcRequest::read(body);
    let needs = request.needs();
    let peers = if needs.peers { peers() } else { Vec::new() };
    let own_topics = if needs.own_topics {
        own_topics()
    } else {
        Vec::new()
    };
    request.answer(facts, &peers, &own_topics)
}

impl RpcRequest {
    /// Returns an invalid request if a body of this length is too long to be read.
    pub(crate) fn too_long(len: usize) -> Option<Self> {
        (len > MAX_REQUEST).then(|| Self(Read::One(Call::default())))
    }

    /// Parses a body. A body over 1 MiB is not read; in a batch, requests after the 64th are not
    /// read.
    pub fn read(body: &[u8]) -> Self {
        if let Some(request) = Self::too_long(body.len()) {
            return request;
        }
        let mut over = false;
        // Text after the first value is ignored (channel-v2 section 4).
        let read = serde_json::Deserializer::from_slice(body).deserialize_any(Top(&mut over));
        Self(match read {
            Ok(read) => read,
            // A batch that is too long is an invalid request.
            Err(_) if over => Read::One(Call::default()),
            Err(_) => Read::Broken,
        })
    }

    /// Returns the lists that the [`answer`](Self::answer) needs.
    pub fn needs(&self) -> Needs {
        let calls = match &self.0 {
            Read::Broken => &[],
            Read::One(call) => std::slice::from_ref(call),
            Read::Batch(calls) => &calls[..],
        };
        let mut needs = Needs::default();
        for method in calls.iter().filter_map(Call::of_method) {
            needs.peers |= matches!(method, Method::NodeIdList | Method::Peers);
            needs.peer_topics |= method == Method::Peers;
            needs.own_topics |= method == Method::NodeInfo;
        }
        needs
    }

    /// Returns the answer. Lists that are not [needed](Self::needs) are not used.
    pub fn answer(&self, facts: &NodeFacts, peers: &[RpcPeer], own_topics: &[String]) -> Bytes {
        let context = RpcContext {
            facts,
            peers,
            own_topics,
            written: RefCell::default(),
        };
        let mut reply = match &self.0 {
            Read::Broken => failure(
                &RpcId::Null,
                PARSE_ERROR,
                "JSON_PARSE_ERROR: The JSON-Object is not JSON-Valid",
            ),
            Read::One(call) => context.one(call),
            Read::Batch(calls) => context.batch(calls),
        };
        // Keys are in byte order and a line feed ends the body, as a FISCO node writes it.
        reply.push('\n');
        reply.into()
    }
}

struct RpcContext<'a> {
    facts: &'a NodeFacts,
    peers: &'a [RpcPeer],
    own_topics: &'a [String],
    /// Results by method. Each is written once for a whole batch.
    written: RefCell<BTreeMap<Method, Rc<str>>>,
}

/// The description of a node, by reference, with the fields in the order of a FISCO node.
#[derive(Serialize)]
struct RpcNode<'a> {
    #[serde(rename = "Agency")]
    agency: &'a str,
    #[serde(rename = "IPAndPort")]
    address: &'a str,
    #[serde(rename = "Node")]
    name: &'a str,
    #[serde(rename = "NodeID")]
    node_id: &'a str,
    #[serde(rename = "Topic")]
    topics: &'a [String],
}

impl RpcContext<'_> {
    fn batch(&self, batch: &[Call]) -> String {
        let mut replies = String::new();
        for call in batch {
            let mut reply = self.one(call);
            if !replies.is_empty() && replies.len() + reply.len() > MAX_BATCH_ANSWER {
                let text = "INTERNAL_ERROR: the answers before this one are too long, ask alone";
                reply = failure(call.id(), INTERNAL_ERROR, text);
            }
            replies.push(if replies.is_empty() { '[' } else { ',' });
            replies.push_str(&reply);
        }
        replies + "]"
    }

    /// Returns the reply to one request. The checks have the order of a FISCO node.
    fn one(&self, call: &Call) -> String {
        let id = call.id();
        let valid = call.current && *id != RpcId::Bad && call.params != Params::Bad;
        let (Some(method), true) = (call.method, valid) else {
            return failure(id, INVALID_REQUEST, INVALID_REQUEST_TEXT);
        };
        if method == Method::Unknown {
            return failure(
                id,
                METHOD_NOT_FOUND,
                "METHOD_NOT_FOUND: The method being requested is not available on this server",
            );
        }
        if call.id.is_none() {
            return failure(
                id,
                IS_METHOD,
                "PROCEDURE_IS_METHOD: The requested notification is declared as a method",
            );
        }
        if !method.takes(&call.params) {
            return failure(
                id,
                INVALID_PARAMS,
                "INVALID_PARAMS: Invalid method parameters (invalid name and/or type) recognised",
            );
        }
        if let Method::OfGroup(_) = method {
            let error =
                json!({ "code": NO_SUCH_GROUP, "data": null, "message": NO_SUCH_GROUP_TEXT });
            return json!({ "error": error, "id": id.printable(), "jsonrpc": "2.0" }).to_string();
        }
        let (id, result) = (id.printable(), self.result(method));
        format!(r#"{{"id":{id},"jsonrpc":"2.0","result":{result}}}"#)
    }

    /// Returns the result of a method, as JSON.
    fn result(&self, method: Method) -> Rc<str> {
        let mut written = self.written.borrow_mut();
        let result = written.entry(method);
        result.or_insert_with(|| self.write(method).into()).clone()
    }

    fn write(&self, method: Method) -> String {
        let facts = self.facts;
        let value = match method {
            Method::ClientVersion => json!({
                "Build Time": "",
                "Build Type": "AMOP node",
                "Chain Id": facts.chain_id,
                "FISCO-BCOS Version": facts.fisco_version,
                "Git Branch": "",
                "Git Commit Hash": "",
                "Supported Version": facts.fisco_version,
            }),
            // The answer is the same for any group: python-sdk does not continue without a number
            // (channel-v2 section 11.4).
            Method::BlockNumber => json!("0x0"),
            Method::GroupList => json!(facts.groups),
            Method::Modules => json!({ "FISCO BCOS": "2.0" }),
            Method::NodeIdList => {
                let mut ids = vec![&facts.node_id];
                ids.extend(self.peers.iter().map(|peer| &peer.node_id));
                return text_of(&ids);
            }
            Method::Peers => return text_of(&self.peers),
            Method::NodeInfo => {
                return text_of(&RpcNode {
                    agency: &facts.agency,
                    address: &facts.address,
                    name: &facts.name,
                    node_id: &facts.node_id,
                    topics: self.own_topics,
                });
            }
            Method::OfGroup(_) | Method::Unknown => Value::Null,
        };
        value.to_string()
    }
}

/// Returns a list as JSON. It contains only strings, which always serialise.
fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

fn failure(id: &RpcId, code: i32, message: &str) -> String {
    let error = json!({ "code": code, "message": message });
    json!({ "error": error, "id": id.printable(), "jsonrpc": "2.0" }).to_string()
}

#[cfg(test)]
mod tests;
