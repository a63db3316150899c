//! 0x12: the JSON-RPC that SDKs need to connect.

use amop_proto::{
    channel::FrameType,
    node::rpc::{IS_METHOD, METHOD_NOT_FOUND, NO_SUCH_GROUP, PARSE_ERROR},
};
use serde_json::{Value, json};

use super::{
    Check, Run,
    bench::{Bench, client_version},
    link::TestSession,
    problem::{Checked, failed, holds, passed, same},
};
use crate::show;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "rpc-client-version",
        section: "11.1",
        about: "getClientVersion returns versions and chain id as SDKs need them",
        run: Run::Node(|bench| Box::pin(version(bench))),
    },
    Check {
        name: "rpc-without-params",
        section: "11",
        about: "params may be missing, or not fit a method that has none",
        run: Run::Node(|bench| Box::pin(without_params(bench))),
    },
    Check {
        name: "rpc-group-list",
        section: "11.2",
        about: "getGroupList gives an array",
        run: Run::Node(|bench| Box::pin(group_list(bench))),
    },
    Check {
        name: "rpc-block-number",
        section: "11.4",
        about: "getBlockNumber gives a hexadecimal number",
        run: Run::Node(|bench| Box::pin(block_number(bench))),
    },
    Check {
        name: "rpc-id",
        section: "11",
        about: "the id comes back unchanged: a number, text or null",
        run: Run::Node(|bench| Box::pin(id(bench))),
    },
    Check {
        name: "rpc-unknown-method",
        section: "11.7",
        about: "an unknown method gets error -32601",
        run: Run::Node(|bench| Box::pin(unknown_method(bench))),
    },
    Check {
        name: "rpc-malformed",
        section: "10",
        about: "a body that is not JSON gets error -32700",
        run: Run::Node(|bench| Box::pin(malformed(bench))),
    },
    Check {
        name: "rpc-no-id",
        section: "11",
        about: "a request without id gets error -32604, with id null",
        run: Run::Node(|bench| Box::pin(no_id(bench))),
    },
];

/// Sends a body and returns the JSON of the answer, which must end with a line feed.
async fn call(link: &mut TestSession, body: String) -> Checked<Value> {
    let answer = link.ask(FrameType::RPC, body).await?;
    same("type of the answer", answer.kind, FrameType::RPC)?;
    same("result of the answer", answer.result, 0)?;
    holds(
        answer.body.ends_with(b"\n"),
        "JSON and a line feed",
        show::frame(&answer),
    )?;
    match serde_json::from_slice(&answer.body) {
        Ok(value) => Ok(value),
        Err(error) => failed("JSON", format!("{}: {error}", show::frame(&answer))),
    }
}

async fn request(link: &mut TestSession, request: Value) -> Checked<Value> {
    call(link, request.to_string()).await
}

async fn version(bench: &Bench) -> Checked {
    let known = client_version(&mut bench.link().await?).await?;
    let text = |key: &str| known[key].as_str().unwrap_or_default();
    let supported = text("Supported Version");
    let numbers = supported
        .split('.')
        .filter(|part| part.parse::<u32>().is_ok());
    holds(
        numbers.count() == 3,
        "Supported Version: three numbers with dots",
        &known,
    )?;
    holds(
        text("Chain Id").parse::<u64>().is_ok(),
        "Chain Id: a decimal number as text",
        &known,
    )?;
    holds(
        !text("FISCO-BCOS Version").is_empty(),
        "FISCO-BCOS Version: some text",
        &known,
    )?;
    passed()
}

async fn without_params(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    for members in [json!({}), json!({ "params": [1] })] {
        let mut body = json!({ "jsonrpc": "2.0", "id": 7, "method": "getClientVersion" });
        if let Some(params) = members.get("params") {
            body["params"] = params.clone();
        }
        let answer = request(&mut link, body).await?;
        holds(answer["result"].is_object(), "a result", &answer)?;
    }
    passed()
}

async fn group_list(bench: &Bench) -> Checked {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "getGroupList", "params": [] });
    let answer = request(&mut bench.link().await?, body).await?;
    holds(answer["result"].is_array(), "an array as result", &answer)?;
    passed()
}

async fn block_number(bench: &Bench) -> Checked {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "getBlockNumber", "params": [1] });
    let answer = request(&mut bench.link().await?, body).await?;
    if answer["error"]["code"].as_i64() == Some(NO_SUCH_GROUP.into()) && !bench.node.is_overlay() {
        return Ok(Some("the node has no group 1".to_owned()));
    }
    let digits = answer["result"]
        .as_str()
        .and_then(|text| text.strip_prefix("0x"));
    holds(
        digits.is_some_and(|digits| u64::from_str_radix(digits, 16).is_ok()),
        "0x and hexadecimal digits",
        &answer,
    )?;
    passed()
}

async fn id(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    for id in [
        json!(0),
        json!(-1),
        json!(4_000_000_000u64),
        json!("seven"),
        json!(null),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "getGroupList", "params": [] });
        let answer = request(&mut link, body).await?;
        same("id", &answer["id"], &id)?;
        same("jsonrpc", &answer["jsonrpc"], &json!("2.0"))?;
    }
    passed()
}

async fn unknown_method(bench: &Bench) -> Checked {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "noSuchMethod", "params": [] });
    let answer = request(&mut bench.link().await?, body).await?;
    let code = &answer["error"]["code"];
    same("error code", code, &json!(METHOD_NOT_FOUND))?;
    passed()
}

async fn malformed(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let answer = call(&mut link, "not json".to_owned()).await?;
    same("error code", &answer["error"]["code"], &json!(PARSE_ERROR))?;
    link.alive().await?;
    passed()
}

async fn no_id(bench: &Bench) -> Checked {
    let body = r#"{"jsonrpc":"2.0","method":"getGroupList","params":[]}"#;
    let answer = call(&mut bench.link().await?, body.to_owned()).await?;
    same("error code", &answer["error"]["code"], &json!(IS_METHOD))?;
    same("id", &answer["id"], &Value::Null)?;
    let body = r#"{"jsonrpc":"2.0","method":"noSuchMethod"}"#;
    let answer = call(&mut bench.link().await?, body.to_owned()).await?;
    same(
        "error code",
        &answer["error"]["code"],
        &json!(METHOD_NOT_FOUND),
    )?;
    same("id", &answer["id"], &Value::Null)?;
    passed()
}
