//! What go-sdk asks of a node beside messages.

use amop_interop::Event;
use amop_tests::network;
use serde_json::json;

use crate::go_sdk;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_what_it_is() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let asking = go.start(&network, 0, "go-asking", &["-mode", "ask"]);
    let ended = asking.end().await;
    assert!(ended.status.success(), "{ended:?}");
    let answer = |method: &str| -> &Event {
        let asked = |event: &&Event| event.method.as_deref() == Some(method);
        ended.events.iter().find(asked).unwrap()
    };
    let version = answer("getClientVersion").result.as_ref().unwrap();
    assert_eq!(version["Supported Version"], "2.11.1");
    assert_eq!(version["Chain Id"], "1");
    let ids: Vec<String> = network
        .running()
        .map(|node| node.node_id().to_string())
        .collect();
    assert_eq!(answer("getNodeIDList").result, Some(json!(ids)));
    let peers = answer("getPeers").result.as_ref().unwrap();
    assert_eq!(peers[0]["NodeID"], json!(ids[1]));
    assert_eq!(answer("getBlockNumber").result, Some(json!(0)));
    let unknown = answer("getPbftView").error();
    assert!(unknown.contains("METHOD_NOT_FOUND"), "{unknown}");
    // The node refuses with -41002, but go-sdk 1.1.1 reads the answer with its topic framing as
    // JSON, fails, and takes that for success.
    assert_eq!(answer("registerEventLog").error, None);
    network.shutdown().await;
}

/// go-sdk insists on the chain id it is configured with.
#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_of_another_chain_goes_away() {
    let Some(go) = go_sdk() else { return };
    let network = network(1).await;
    let flags = ["-mode", "ask", "-chain", "77"];
    let ended = go.start(&network, 0, "go-asking", &flags).end().await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let expected = "The chain ID of node is 1, but configuration is 77";
    let last = ended.events.last().unwrap();
    assert!(last.error().contains(expected), "{last:?}");
    network.shutdown().await;
}
