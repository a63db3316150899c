//! A million topics, from a node and from an SDK.

use std::fmt::Write;

use amop_proto::{
    channel::FrameType,
    p2p::{packet, protocol},
};
use amop_testkit::{Bystanders, Peer, Sdk, counted, identity, network};
use amop_tls::pki::Leaf;

const MILLION: usize = 1_000_000;

/// The number of topics that fit into a set of less than 2 MiB.
const READABLE: usize = 200_000;

/// A FISCO node that announces a million topics is disconnected.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_announces_a_million_topics_is_closed() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let config = identity(network.agency(), Leaf::Node, "stranger")
        .peer_client_config(None)
        .unwrap();
    let mut peer = Peer::connect(&node.p2p_address().to_string(), config).await;
    peer.send(protocol::TOPIC, packet::TOPIC_SEQ, 0, "7").await;
    let request = peer
        .receive_of(protocol::TOPIC, packet::REQUEST_TOPICS)
        .await;
    let mut list = String::from("7");
    for topic in 0..MILLION {
        write!(list, "\t{topic}").unwrap();
    }
    peer.send(-protocol::TOPIC, packet::TOPICS, request.seq, list)
        .await;
    while peer.receive_any().await.is_some() {}
    counted(node, "the peer", |stats| {
        stats.messages.peers_over_topics == 1
    })
    .await;
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

/// The text of a million topics is too long to be read at all; shorter texts are read until the
/// limit is reached.
#[tokio::test(flavor = "multi_thread")]
async fn of_countless_topics_an_sdk_gets_as_many_as_it_may_have() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let config = network.sdk().client_config().unwrap();
    let mut sdk = Sdk::connect(network.endpoint(0), config).await;
    sdk.send_new(FrameType::SET_TOPICS, 1, set(MILLION)).await;
    counted(node, "the set", |stats| stats.messages.bad_topics == 1).await;
    bystanders.go_on().await;

    sdk.send_new(FrameType::SET_TOPICS, 2, set(READABLE)).await;
    // Slightly more than twice as many topics as a session may hold are read; the rest of the set
    // is not.
    counted(node, "the topics", |stats| {
        stats.messages.topics_ignored == 8192
    })
    .await;
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

fn set(len: usize) -> String {
    let topics: Vec<String> = (0..len).map(|topic| format!("\"{topic}\"")).collect();
    format!("[{}]", topics.join(","))
}
