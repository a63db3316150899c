//! go-sdk at both ends, with overlay nodes between them.

use amop_interop::known_at;
use amop_testkit::network;

use super::{MIB, go_sdk};

#[tokio::test(flavor = "multi_thread")]
async fn unicasts_are_answered_across_nodes_and_within_one() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let size = MIB.to_string();
    for node in [0, 1] {
        let mut subscriber = go.subscribe(&network, node, "talk", &["-echo"]).await;
        // Wait if the subscriber is on the other node; its own node knows it.
        known_at(&network, 0, "talk", node).await;
        for payload in [["-text", "说"], ["-random", &size]] {
            let mut publisher = go.publish(&network, 0, "unicast", "talk", &payload);
            publisher.expect("connected").await;
            let sent = publisher.expect("sending").await.sha256;
            assert_eq!(subscriber.expect("received").await.sha256, sent);
            assert_eq!(publisher.expect("answered").await.sha256, sent);
            publisher.expect("done").await;
        }
        subscriber.kill().await;
    }
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn multicasts_reach_both_nodes() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let mut subscribers = [
        go.subscribe(&network, 0, "news", &[]).await,
        go.subscribe(&network, 1, "news", &[]).await,
    ];
    let size = MIB.to_string();
    for publishing in [0, 1] {
        known_at(&network, publishing, "news", 1).await;
        for payload in [["-text", "all"], ["-random", &size]] {
            let mut publisher = go.publish(&network, publishing, "multicast", "news", &payload);
            publisher.expect("connected").await;
            let sent = publisher.expect("sending").await.sha256;
            for subscriber in &mut subscribers {
                assert_eq!(subscriber.expect("received").await.sha256, sent);
            }
            publisher.expect("accepted").await;
            publisher.expect("done").await;
        }
    }
    network.shutdown().await;
}
