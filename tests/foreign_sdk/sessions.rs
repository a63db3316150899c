//! The messages that SDKs send when they connect and while they are idle, and the answers that they
//! rely on.
//!
//! The bodies are those of a FISCO node (channel-v2 sections 5, 6 and 11).

use amop_node::Network;
use amop_proto::channel::FrameType;
use amop_testkit::{Sdk, network};
use serde_json::{Value, json};

async fn connect(network: &Network, node: usize) -> Sdk {
    let config = network.sdk().client_config().unwrap();
    Sdk::connect(network.endpoint(node), config).await
}

/// Calls a method as SDKs do and returns the whole answer.
async fn call(sdk: &mut Sdk, number: u64, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "method": method, "params": params, "id": number });
    let answer = sdk.ask(FrameType::RPC, number, request.to_string()).await;
    assert_eq!((answer.kind, answer.result), (FrameType::RPC, 0));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["id"], json!(number));
    assert_eq!(answer["jsonrpc"], "2.0");
    answer
}

async fn handshake(sdk: &mut Sdk, number: u64, request: &'static str, expected: &str) {
    let answer = sdk.ask(FrameType::HANDSHAKE, number, request).await;
    assert_eq!((answer.kind, answer.result), (FrameType::HANDSHAKE, 0));
    assert_eq!(answer.body, expected);
}

async fn heartbeat(sdk: &mut Sdk, number: u64, request: &'static str, expected: &str) {
    let answer = sdk.ask(FrameType::HEARTBEAT, number, request).await;
    assert_eq!((answer.kind, answer.result), (FrameType::HEARTBEAT, 0));
    assert_eq!(answer.body, expected);
}

const V1: &str = "{\"nodeVersion\":\"2.11.1\",\"protocol\":1}\n";
const V3: &str = "{\"nodeVersion\":\"2.11.1\",\"protocol\":3}\n";
const OFFER: &str = r#"{"minimumSupport":1,"maximumSupport":3,"clientType":"Rust-SDK"}"#;

/// The flow "handshake v3, heartbeat, getClientVersion".
#[tokio::test(flavor = "multi_thread")]
async fn handshake_v3() {
    let network = network(2).await;
    for node in [0, 1] {
        let mut sdk = connect(&network, node).await;
        handshake(&mut sdk, 1, OFFER, V3).await;
        heartbeat(&mut sdk, 3, "", "{\"heartBeat\":1}\n").await;
        heartbeat(&mut sdk, 4, "{\"heartBeat\":0}", "{\"heartBeat\":1}\n").await;
        let answer = call(&mut sdk, 5, "getClientVersion", json!([])).await;
        let version = &answer["result"];
        assert_eq!(version["FISCO-BCOS Version"], "2.11.1");
        assert_eq!(version["Supported Version"], "2.11.1");
        assert_eq!(version["Chain Id"], "1");
    }
    network.shutdown().await;
}

/// The flow "handshake v1, heartbeat": an empty heartbeat gets no answer in version 1.
#[tokio::test(flavor = "multi_thread")]
async fn handshake_v1() {
    let network = network(1).await;
    let mut sdk = connect(&network, 0).await;
    handshake(&mut sdk, 5, "{}", V1).await;
    heartbeat(&mut sdk, 6, "0", "1").await;
    sdk.send_new(FrameType::HEARTBEAT, 7, "").await;
    // The next answer belongs to this one.
    heartbeat(&mut sdk, 8, "0", "1").await;
    network.shutdown().await;
}

/// go-sdk does a handshake, registers for blocks, and requests the version.
#[tokio::test(flavor = "multi_thread")]
async fn go_sdk() {
    let network = network(2).await;
    let mut sdk = connect(&network, 0).await;
    let offer = r#"{"minimumSupport":1,"maximumSupport":1,"clientType":"Go-SDK"}"#;
    handshake(&mut sdk, 1, offer, V1).await;
    sdk.send_new(FrameType::SET_TOPICS, 2, r#"["_block_notify_1"]"#)
        .await;
    let answer = call(&mut sdk, 3, "getClientVersion", json!([])).await;
    assert_eq!(answer["result"]["Chain Id"], "1");
    // A subscription keeps the block topic in the set.
    sdk.send_new(FrameType::SET_TOPICS, 4, r#"["_block_notify_1","hello"]"#)
        .await;
    heartbeat(&mut sdk, 5, "0", "1").await;

    // No SDK can publish to block topics, and they are not announced to other nodes.
    let body = amop_proto::channel::frame_topic(b"_block_notify_1", b"x");
    let answer = sdk.ask(FrameType::UNICAST, 6, body).await;
    assert_eq!((answer.result, &answer.body[..]), (100, &b""[..]));
    network.shutdown().await;
}

/// java-sdk requests the version before its handshake, then groups and blocks.
#[tokio::test(flavor = "multi_thread")]
async fn java_sdk() {
    let network = network(2).await;
    let mut sdk = connect(&network, 1).await;
    let answer = call(&mut sdk, 1, "getClientVersion", json!([])).await;
    assert_eq!(answer["result"]["Supported Version"], "2.11.1");
    let offer = r#"{"minimumSupport":1,"maximumSupport":3,"clientType":"java-sdk"}"#;
    handshake(&mut sdk, 2, offer, V3).await;
    let answer = call(&mut sdk, 3, "getGroupList", json!([])).await;
    assert_eq!(answer["result"], json!([]));
    let answer = call(&mut sdk, 4, "getBlockNumber", json!([1])).await;
    assert_eq!(answer["result"], "0x0");
    sdk.send_new(FrameType::SET_TOPICS, 5, "[\"_block_notify_1\"]")
        .await;
    heartbeat(&mut sdk, 6, "{\"heartBeat\":0}", "{\"heartBeat\":1}\n").await;

    // A method that needs a chain returns a JSON-RPC error; the connection stays open.
    for (number, method) in [(7, "getSystemConfigByKey"), (8, "sendRawTransaction")] {
        let answer = call(&mut sdk, number, method, json!([1, "tx_count_limit"])).await;
        assert_eq!(answer["error"]["code"], json!(-40001));
    }
    let id = network.node(1).unwrap().node_id().to_string();
    let peer = network.node(0).unwrap().node_id().to_string();
    let answer = call(&mut sdk, 9, "getNodeIDList", json!([1])).await;
    assert_eq!(answer["result"], json!([id, peer]));
    let answer = call(&mut sdk, 10, "getPeers", json!([1])).await;
    assert_eq!(answer["result"][0]["NodeID"], json!(peer));
    assert_eq!(answer["result"][0]["Node"], "node0");
    assert_eq!(answer["result"][0]["Agency"], "agency");
    network.shutdown().await;
}

/// python-sdk only requests the block number, and never does a handshake.
#[tokio::test(flavor = "multi_thread")]
async fn python_sdk() {
    let network = network(1).await;
    let mut sdk = connect(&network, 0).await;
    let answer = call(&mut sdk, 1, "getBlockNumber", json!([1])).await;
    assert_eq!(answer["result"], "0x0");
    heartbeat(&mut sdk, 2, "0", "1").await;
    network.shutdown().await;
}

/// Any number of requests may come in one record; each gets its own answer, in order.
#[tokio::test(flavor = "multi_thread")]
async fn many_requests_in_one_record() {
    let network = network(1).await;
    let mut sdk = connect(&network, 0).await;
    let mut bytes = Vec::new();
    for number in 0..100 {
        let frame =
            amop_proto::channel::Frame::new(FrameType::HEARTBEAT, amop_testkit::seq(number), "0");
        bytes.extend(frame.to_bytes());
    }
    sdk.send_bytes(&bytes).await;
    for number in 0..100 {
        assert_eq!(sdk.receive().await.seq, amop_testkit::seq(number));
    }
    // A frame may also arrive byte by byte.
    for byte in &bytes[..43] {
        sdk.send_bytes(std::slice::from_ref(byte)).await;
    }
    assert_eq!(sdk.receive().await.seq, amop_testkit::seq(0));
    network.shutdown().await;
}
