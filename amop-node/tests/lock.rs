//! A node reads no text and writes no log line while it is locked, so that no task waits for
//! either. No log line has an effect on a terminal, whatever foreign text it shows.
//!
//! Reading a text with the lock held is a panic in builds with debug assertions, in every test of
//! the workspace; this test checks the log lines.
#![cfg(debug_assertions)]

use amop::TopicName;
use amop_proto::{
    channel::FrameType,
    node::LockHeld,
    p2p::{mesh, packet, protocol},
};
use amop_testkit::{NASTY, Peer, RawLink, Sdk, client, identity, log, network, within};
use amop_tls::pki::{Authority, Leaf};

/// Returns the lines written while a node was locked, except the line of the test that does this on
/// purpose.
fn under_lock() -> Vec<String> {
    let mut lines = log().while_held();
    lines.retain(|line| !line.contains("sabotage"));
    lines
}

#[test]
fn a_line_that_is_written_while_a_node_is_locked_is_seen() {
    log();
    tracing::debug!(target: "amop_node", "sabotage: before");
    let held = LockHeld::new();
    tracing::debug!(target: "amop_node", "sabotage: in between");
    drop(held);
    tracing::debug!(target: "amop_node", "sabotage: after");
    let mut seen = log().while_held();
    seen.retain(|line| line.contains("sabotage"));
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains("in between"), "{seen:?}");
}

/// Returns the nasty text, escaped as in JSON.
fn escaped() -> String {
    let each = NASTY.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    each.collect()
}

/// Two nodes, and every event of their sessions and neighbours that the journal has lines for.
#[tokio::test(flavor = "multi_thread")]
async fn no_line_is_written_while_a_node_is_locked_and_none_does_anything() {
    let network = network(2).await;
    let (here, there) = (client(&network, 0).await, client(&network, 1).await);
    let topic = TopicName::new("news").unwrap();
    let mut news = there.subscribe_raw(&topic).await.unwrap();
    here.publish_multicast_raw(&topic, "news".into())
        .await
        .unwrap();
    within("the news", news.next()).await.unwrap();

    let config = network.sdk().client_config().unwrap();
    let mut sdk = Sdk::connect(network.endpoint(0), config).await;
    let escaped = escaped();
    let bodies = [
        String::new(),
        "{".to_owned(),
        format!("[\"{escaped}\"]"),
        format!("[\"{NASTY}\"]"),
        format!("{{\"{escaped}\":\"{escaped}\",\"method\":\"{escaped}\"}}"),
        NASTY.to_owned(),
    ];
    for kind in [
        FrameType::HANDSHAKE,
        FrameType::SET_TOPICS,
        FrameType::RPC,
        FrameType::VERIFY_RESULT,
        FrameType::RESPONSE,
        FrameType::UNICAST,
        FrameType(0x77),
    ] {
        for body in &bodies {
            sdk.send_new(kind, 7, body.clone()).await;
        }
    }
    // Too long for a topic, and with a nasty beginning.
    let long = format!("[\"{}\"]", escaped.repeat(100));
    sdk.send_new(FrameType::SET_TOPICS, 8, long).await;
    log().wait_for(&["session", "topic", "2026-01-01"]).await;

    let node = network.node(0).unwrap();
    let fisco = identity(network.agency(), Leaf::Node, "fisco");
    let config = fisco.peer_client_config(None).unwrap();
    let mut peer = Peer::connect(&node.p2p_address().to_string(), config).await;
    peer.send(protocol::AMOP, packet::UNICAST, 1, NASTY).await;
    peer.send(protocol::TOPIC, packet::TOPIC_SEQ, 0, NASTY)
        .await;
    peer.send(protocol::TOPIC, packet::TOPIC_SEQ, 0, "1").await;
    let asked = peer
        .receive_of(protocol::TOPIC, packet::REQUEST_TOPICS)
        .await;
    let list = format!("1\t{}", NASTY.repeat(500));
    peer.send(-protocol::TOPIC, packet::TOPICS, asked.seq, list)
        .await;
    peer.send(-protocol::TOPIC, packet::TOPICS, 99, NASTY).await;
    log().wait_for(&["undecodable AMOP message"]).await;
    log()
        .wait_for(&["a topic list that this node did not ask for"])
        .await;

    let overlay = identity(network.agency(), Leaf::Node, "overlay");
    let config = overlay.peer_client_config(None).unwrap();
    let mut peer = Peer::connect(&node.p2p_address().to_string(), config).await;
    let hello = mesh::encode_hello();
    peer.send(protocol::EXTENSION, mesh::packet::HELLO, 0, hello)
        .await;
    for packet in [
        mesh::packet::UNICAST,
        mesh::packet::KNOWN,
        mesh::packet::RECORDS,
    ] {
        peer.send(protocol::EXTENSION, packet, 1, NASTY).await;
    }
    within("the end of the link", async {
        while peer.receive_any().await.is_some() {}
    })
    .await;

    // Certificates that are refused.
    let other = Authority::new_ec("other")
        .unwrap()
        .agency("stranger")
        .unwrap();
    let strange = identity(&other, Leaf::Node, "stranger");
    let config = strange.peer_client_config(None).unwrap();
    let _ = RawLink::connect(&node.p2p_address().to_string(), config).await;
    let config = strange.client_config().unwrap();
    let _ = RawLink::connect(&node.channel_address().to_string(), config).await;
    log().wait_for(&["refused"]).await;

    here.close().await;
    there.close().await;
    network.shutdown().await;
    assert_eq!(under_lock(), [""; 0]);
    assert_eq!(log().unclean(), [""; 0]);
}
