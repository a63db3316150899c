//! Requests of go-sdk to a node that are not messages.

use std::net::Ipv4Addr;

use amop_interop::{Event, GoSdk, known_at};
use amop_node::Network;
use amop_testkit::{client, network, network_with};
use serde_json::json;

use super::go_sdk;

/// Starts a network that reports the id of another chain, and answers over HTTP, too.
async fn other_chain() -> Network {
    network_with(2, |_, builder| {
        builder
            .chain_id(7)
            .fisco_version("2.10.0".parse().unwrap())
            .rpc_listen((Ipv4Addr::LOCALHOST, 0).into())
    })
    .await
}

/// Lets go-sdk send all requests, and checks how it reads the answers.
async fn asks(go: GoSdk, network: &Network, flags: &[&str]) -> Vec<Event> {
    let flags = [&["-mode", "ask", "-chain", "7"], flags].concat();
    let ended = go.start(network, 0, "go-asking", &flags).end().await;
    assert!(ended.status.success(), "{ended:?}");
    let answer = |method: &str| asked(&ended.events, method);
    let version = answer("getClientVersion").result.as_ref().unwrap();
    assert_eq!(version["Supported Version"], "2.10.0");
    assert_eq!(version["FISCO-BCOS Version"], "2.10.0");
    assert_eq!(version["Chain Id"], "7");
    let ids: Vec<String> = network
        .running()
        .map(|node| node.node_id().to_string())
        .collect();
    assert_eq!(answer("getNodeIDList").result, Some(json!(ids)));
    let peers = answer("getPeers").result.as_ref().unwrap();
    assert_eq!(peers[0]["NodeID"], json!(ids[1]));
    assert_eq!(peers[0]["Topic"], json!(["known"]));
    assert_eq!(answer("getGroupList").result, Some(json!([])));
    assert_eq!(answer("getBlockNumber").result, Some(json!(0)));
    for method in ["getPbftView", "getGroupPeers", "sendRawTransaction"] {
        let error = answer(method).error();
        assert!(
            error.contains("GroupID does not exist"),
            "{method}: {error}"
        );
        assert!(error.contains("it has no chain"), "{method}: {error}");
    }
    ended.events
}

fn asked<'a>(events: &'a [Event], method: &str) -> &'a Event {
    let answer = |event: &&Event| event.method.as_deref() == Some(method);
    events.iter().find(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_what_it_is() {
    let Some(go) = go_sdk() else { return };
    let network = other_chain().await;
    let subscriber = client(&network, 1).await;
    let known = "known".parse().unwrap();
    let _subscription = subscriber.subscribe_raw(&known).await.unwrap();
    known_at(&network, 0, "known", 1).await;
    let events = asks(go, &network, &[]).await;
    // The node refuses with -41002, but go-sdk 1.1.1 reads the answer with its topic framing as
    // JSON, fails, and takes this for success.
    assert_eq!(asked(&events, "registerEventLog").error, None);

    let rpc = network.node(0).unwrap().rpc_address().unwrap().to_string();
    asks(go, &network, &["-http", "-endpoint", &rpc]).await;
    subscriber.close().await;
    network.shutdown().await;
}

/// go-sdk requires the chain id that it is configured with.
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
