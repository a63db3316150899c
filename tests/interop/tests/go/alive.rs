//! Connections of go-sdk that are idle, and those that are lost.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use amop::{Client, TopicName};
use amop_interop::known_at;
use amop_node::{Network, Node};
use amop_testkit::{
    PATIENCE, RawLink, client, free_ports, identity, network, network_with, patient, within,
};
use amop_tls::pki::Leaf;

use super::go_sdk;

/// A silent session is closed within this time, also on a busy machine.
const TWO_MINUTES: Duration = Duration::from_secs(120);

/// go-sdk sends an empty heartbeat every 30 s to 40 s, which keeps its session open for longer than
/// the 60 s after which a node closes silent ones (channel-v2 section 5.3).
#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_keep_idle_sessions_open() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new("patience").unwrap();
    let mut subscriber = go
        .subscribe(&network, 1, "patience", &["-reply", "here"])
        .await;
    known_at(&network, 0, "patience", 1).await;
    // go-sdk as publisher: one message now and one after 65 s.
    let flags = ["-text", "message", "-count", "2", "-interval", "65s"];
    let mut patient = go.publish(&network, 0, "unicast", "patience", &flags);
    patient.expect("connected").await;
    patient.expect("sending").await;
    patient.expect("answered").await;
    subscriber.expect("received").await;
    // For comparison: a session of the same age without heartbeats.
    let tls = network.sdk().client_config().unwrap();
    let mut mute = RawLink::connect(network.endpoint(1), tls).await.unwrap();
    let closed = tokio::time::timeout(TWO_MINUTES, mute.read()).await;
    let closed = closed.expect("the node closes silent sessions");
    assert_eq!(closed.unwrap(), None);

    let reply = within(
        "the answer",
        publisher.publish_unicast_raw(&topic, "still there?".into()),
    )
    .await;
    assert_eq!(reply.unwrap().payload, "here");
    let received = subscriber.expect("received").await;
    assert_eq!(received.text.as_deref(), Some("still there?"));
    patient.expect("sending").await;
    assert_eq!(
        patient.expect("answered").await.text.as_deref(),
        Some("here")
    );
    patient.expect("done").await;
    let errors = subscriber.kill().await;
    assert!(!errors.contains("channel Read error"), "{errors}");
    publisher.close().await;
    network.shutdown().await;
}

/// Starts two nodes, the second of which can be stopped and started again on its port. The
/// operating system does not give this port to other programs meanwhile, as it might with a port
/// that it chose.
async fn network_with_stable_port() -> Network {
    let port = free_ports(1);
    network_with(2, |index, builder| match index {
        1 => builder.channel_listen((Ipv4Addr::LOCALHOST, port).into()),
        _ => builder,
    })
    .await
}

/// Starts a node in place of the network's second one, which was stopped.
async fn restart(network: &Network) -> Node {
    let address: SocketAddr = network.endpoint(1).parse().unwrap();
    let peer = network.node(0).unwrap().p2p_address();
    let node = Node::builder()
        .identity(identity(network.agency(), Leaf::Node, "node1"))
        .channel_listen(address)
        .peer(peer.to_string().parse().unwrap())
        .timeouts(patient())
        .start()
        .await
        .unwrap();
    node.wait_for_peers(1, PATIENCE).await.unwrap();
    node
}

async fn is_answered(publisher: &Client, topic: &TopicName) {
    let reply = within(
        "the answer",
        publisher.publish_unicast_raw(topic, "hello".into()),
    )
    .await;
    assert_eq!(reply.unwrap().payload, "here");
}

/// A program with go-sdk that restarts when its connection is lost is subscribed again when its
/// node is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_starts_over_survives_its_node() {
    let Some(go) = go_sdk() else { return };
    let mut network = network_with_stable_port().await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new("phoenix").unwrap();
    let flags = ["-reply", "here", "-start-over", "-patience", "60s"];
    let mut subscriber = go.subscribe(&network, 1, "phoenix", &flags).await;
    known_at(&network, 0, "phoenix", 1).await;
    is_answered(&publisher, &topic).await;
    subscriber.expect("received").await;
    let mut node = None;
    for _ in 0..2 {
        match node.take() {
            Some(node) => Node::shutdown(node).await,
            None => network.stop(1).await,
        }
        subscriber.expect("lost").await;
        node = Some(restart(&network).await);
        subscriber.expect("connected").await;
        subscriber.expect("subscribed").await;
        known_at(&network, 0, "phoenix", 1).await;
        is_answered(&publisher, &topic).await;
        subscriber.expect("received").await;
    }
    publisher.close().await;
    node.unwrap().shutdown().await;
    network.shutdown().await;
}

/// go-sdk's own reconnect does not work with any node: it signals the loss by a channel that is
/// closed and never created again, so it gives each new connection up at once, some hundred times a
/// second, until two goroutines wait for each other for ever. The program keeps running and
/// receives nothing more. An overlay node must tolerate this: other sessions continue, and no trace
/// of this one is left.
#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_own_reconnect_harms_nobody_else() {
    let Some(go) = go_sdk() else { return };
    let mut network = network_with_stable_port().await;
    let mut lost = go.subscribe(&network, 1, "lost", &[]).await;
    network.stop(1).await;
    assert!(lost.logs("channel Read error").await);
    let node = restart(&network).await;
    let publisher = client(&network, 0).await;
    let other = client(&network, 1).await;
    let topic = TopicName::new("others").unwrap();
    let mut messages = other.subscribe_raw(&topic).await.unwrap();
    let answering = tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            message.reply_bytes("here").unwrap();
        }
    });
    // Returns false if it panicked, which may happen as well.
    lost.logs("handshake channel protocol failed").await;
    for _ in 0..100 {
        is_answered(&publisher, &topic).await;
    }
    lost.kill().await;
    is_answered(&publisher, &topic).await;
    within("the end of its sessions", async {
        while node.session_count() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut next = go.subscribe(&network, 1, "lost", &["-reply", "here"]).await;
    known_at(&network, 0, "lost", 1).await;
    is_answered(&publisher, &TopicName::new("lost").unwrap()).await;
    next.expect("received").await;
    publisher.close().await;
    other.close().await;
    answering.await.unwrap();
    node.shutdown().await;
    network.shutdown().await;
}
