//! JSON-RPC and event subscriptions on a session, as far as an AMOP node answers them (ws-v3
//! sections 9.1, 13).

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

use super::{
    WsJsonError,
    json::{check_object, read_object, to_payload},
};

/// The method does not exist here.
const METHOD_NOT_FOUND: i32 = -32601;
/// The request is JSON but not a JSON-RPC request.
const INVALID_REQUEST: i32 = -32600;
/// The request is not JSON.
const PARSE_ERROR: i32 = -32700;
/// A parameter has the wrong type.
const INVALID_PARAMS: i32 = -32602;
/// The group does not exist: the number of errors that a server defines itself.
const NO_SUCH_GROUP: i32 = -32000;

/// The status with which a node refuses to send event logs (ws-v3 section 13).
const NO_EVENTS: i32 = -41002;

/// The longest request that is read, in bytes. No method known here needs more than a line.
const MAX_REQUEST: usize = 1024 * 1024;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// The longest id of an event subscription that is sent back, in bytes.
const MAX_EVENT_ID: usize = 256;

/// A JSON-RPC request, 0x0102.
///
/// ```
/// use amop_proto::ws::WsRpcRequest;
///
/// let request = WsRpcRequest::new(1, "getGroupList", Vec::new());
/// let payload = request.to_payload();
/// assert_eq!(
///     &payload[..],
///     b"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"getGroupList\",\"params\":[]}\n"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WsRpcRequest {
    /// The number that the answer repeats.
    #[serde(default)]
    pub id: i64,
    /// `2.0`.
    pub jsonrpc: String,
    /// The method.
    pub method: String,
    /// The parameters.
    pub params: Vec<Value>,
}

impl WsRpcRequest {
    /// Creates a request.
    pub fn new(id: i64, method: &str, params: Vec<Value>) -> Self {
        Self {
            id,
            jsonrpc: "2.0".to_owned(),
            method: method.to_owned(),
            params,
        }
    }

    /// Returns the payload of the message.
    pub fn to_payload(&self) -> Bytes {
        to_payload(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`WsJsonError`] for anything that is not a JSON-RPC request.
    pub fn parse(payload: &[u8]) -> Result<Self, WsJsonError> {
        read_object(payload, MAX_REQUEST)
    }
}

/// The answer to a JSON-RPC request. It is recognised by its seq: its type depends on the node's
/// version.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WsRpcAnswer {
    /// The result.
    Result(Value),
    /// The method failed.
    Error {
        /// The number of the error.
        code: i64,
        /// Its text, from the node.
        message: String,
    },
}

#[derive(Deserialize)]
struct ReceivedAnswer {
    result: Option<Value>,
    error: Option<ReceivedError>,
}

#[derive(Deserialize)]
struct ReceivedError {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl WsRpcAnswer {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`WsJsonError`] for anything that is not the answer to a JSON-RPC request.
    pub fn parse(payload: &[u8]) -> Result<Self, WsJsonError> {
        let answer: ReceivedAnswer = read_object(payload, MAX_ANSWER)?;
        Ok(match answer {
            ReceivedAnswer {
                error: Some(ReceivedError { code, message }),
                ..
            } => Self::Error { code, message },
            ReceivedAnswer { result, .. } => Self::Result(result.unwrap_or_default()),
        })
    }
}

/// The facts that a node without a chain reports over JSON-RPC.
#[derive(Debug, Clone, Copy)]
pub(super) struct RpcFacts<'a> {
    /// The ids of the groups.
    pub(super) groups: &'a [&'a str],
    /// The height of each of them.
    pub(super) block_number: u64,
}

/// Returns the payload that answers a JSON-RPC request.
pub(super) fn answer(payload: &[u8], facts: RpcFacts<'_>) -> Bytes {
    let request = match WsRpcRequest::parse(payload) {
        Ok(request) => request,
        Err(error) => return not_a_request(payload, &error),
    };
    let id = request.id;
    match &*request.method {
        // java-sdk asks for it when it makes a client for a group.
        "getBlockNumber" => match request.params.first().and_then(Value::as_str) {
            None => failure(id, INVALID_PARAMS, "The first parameter must be a group."),
            Some(group) if facts.groups.contains(&group) => success(id, &json!(facts.block_number)),
            Some(_) => failure(
                id,
                NO_SUCH_GROUP,
                "The group does not exist: this node carries AMOP messages only.",
            ),
        },
        "getGroupList" => success(
            id,
            &json!({ "code": 0, "groupList": facts.groups, "msg": "success" }),
        ),
        _ => failure(
            id,
            METHOD_NOT_FOUND,
            "The method does not exist/is not available.",
        ),
    }
}

fn not_a_request(payload: &[u8], error: &WsJsonError) -> Bytes {
    let is_json = check_object(payload, MAX_REQUEST).is_ok()
        && serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_ok();
    if is_json || matches!(error, WsJsonError::TooLong { .. }) {
        let text = "The JSON sent is not a valid Request object.";
        return failure(0, INVALID_REQUEST, text);
    }
    failure(0, PARSE_ERROR, "Invalid JSON was received by the server.")
}

fn success(id: i64, result: &Value) -> Bytes {
    to_payload(&json!({ "id": id, "jsonrpc": "2.0", "result": result }))
}

fn failure(id: i64, code: i32, message: &str) -> Bytes {
    let error = json!({ "code": code, "message": message });
    to_payload(&json!({ "error": error, "id": id, "jsonrpc": "2.0" }))
}

#[derive(Deserialize)]
struct EventRequest {
    #[serde(default)]
    id: Value,
}

/// Returns the payload that refuses to send event logs: a node without a chain has none. `None` if
/// the request cannot be read; a node ignores it then.
pub(super) fn refuse_events(payload: &[u8]) -> Option<Bytes> {
    let EventRequest { id } = read_object(payload, MAX_REQUEST).ok()?;
    let id = match id {
        Value::String(text) if text.len() > MAX_EVENT_ID => Value::Null,
        Value::String(_) | Value::Number(_) => id,
        _ => Value::Number(Number::from(0)),
    };
    Some(to_payload(&json!({ "id": id, "status": NO_EVENTS })))
}
