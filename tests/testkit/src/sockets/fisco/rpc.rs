//! The answers of a FISCO node to JSON-RPC over the channel that need no chain.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Returns the answer to a request.
pub(super) fn answer(request: &[u8], topics: &BTreeSet<String>) -> String {
    let Ok(request) = serde_json::from_slice::<Value>(request) else {
        return line(&error(
            Value::Null,
            -32700,
            "JSON_PARSE_ERROR: The JSON-Object is not JSON-Valid",
        ));
    };
    let method = request["method"].as_str().unwrap_or_default();
    let result = match method {
        "getClientVersion" => json!({
            "Build Time": "",
            "Build Type": "",
            "Chain Id": "1",
            "FISCO-BCOS Version": "2.11.1",
            "Git Branch": "",
            "Git Commit Hash": "",
            "Supported Version": "2.11.1",
        }),
        "getGroupList" => json!([1]),
        "getNodeInfo" => json!({ "Topic": topics }),
        _ => {
            let id = request.get("id").cloned().unwrap_or_default();
            let text = format!(
                "METHOD_NOT_FOUND: The method being requested is not available on this server: {method}"
            );
            return line(&error(id, -32601, &text));
        }
    };
    match request.get("id") {
        Some(id) => line(&json!({ "id": id, "jsonrpc": "2.0", "result": result })),
        None => line(&error(
            Value::Null,
            -32604,
            "PROCEDURE_IS_METHOD: The requested notification is declared as a method",
        )),
    }
}

fn error(id: Value, code: i32, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message }, "id": id, "jsonrpc": "2.0" })
}

fn line(answer: &Value) -> String {
    format!("{answer}\n")
}
