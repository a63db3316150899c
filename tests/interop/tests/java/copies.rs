//! Java SDKs with several nodes: how often they get a multicast.

use amop_interop::{Java, JavaSdks, Mode};

use super::net::Net;
use crate::talk::{ask, topic};

/// java-sdk sends a multicast over all its connections, and subscribes on all of them: each of its
/// nodes gives it one copy, whether the publisher is at one node or at both.
#[tokio::test(flavor = "multi_thread")]
async fn a_java_sdk_at_two_nodes_gets_a_multicast_by_each_of_them_once() {
    let Some(sdks) = JavaSdks::find() else { return };
    let mode = Mode::Rsa;
    let net = Net::start(mode, 2).await;
    let (files, both) = (net.files("java"), [net.endpoint(0), net.endpoint(1)]);
    let (other_files, other_both) = (net.files("other"), both.clone());
    let (mut java, mut other) = tokio::join!(
        sdks.start(Java::JavaSdk, mode, &files, &both),
        sdks.start(Java::JavaSdk, mode, &other_files, &other_both),
    );
    java.does(&["subscribe", "news", "echo"]).await;
    let clients = [net.client(0).await, net.client(1).await];
    for client in &clients {
        ask(client, &topic("news"), "there?").await;
        assert!(java.find("received").await.has("there?"));
    }
    for (at, client) in clients.iter().enumerate() {
        let text = format!("from us at {at}");
        client
            .publish_multicast_raw(&topic("news"), text.clone().into())
            .await
            .unwrap();
        for _ in &clients {
            assert!(java.find("received").await.has(&text));
        }
    }
    other
        .does(&["multicast", "news", "text:from the other"])
        .await;
    for _ in &clients {
        assert!(java.find("received").await.has("from the other"));
    }
    // These messages follow all others on both connections, so every copy has arrived by then.
    for client in &clients {
        ask(client, &topic("news"), "last").await;
        assert!(java.find("received").await.has("last"));
    }
    let copies: Vec<_> = java.left("received").collect();
    assert!(copies.is_empty(), "{copies:?}");
    net.end(clients).await;
}
