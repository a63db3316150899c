//! Very long texts: sets, requests and handshakes of megabytes, one after the other.

use amop_node::Limits;
use amop_proto::channel::FrameType;
use amop_testkit::{Bystanders, Sdk, counted, network, network_with};

/// Returns a set of 2 MB whose topics are all ignored.
fn long_set() -> String {
    format!("[{}1]", "\"\",".repeat(690_000))
}

/// 40 MB of JSON: the part that is read at all is read apart from other messages.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_megabytes_keep_nobody_from_talking() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let config = network.sdk().client_config().unwrap();
    let mut sdk = Sdk::connect(network.endpoint(0), config).await;
    let set = long_set();
    let batch = format!("[{}1]", "{\"params\":[[[]]]},".repeat(50_000));
    let handshake = format!("{{\"clientType\":\"{}\"}}", "x".repeat(2_000_000));
    for round in 0..5 {
        let seq = |n| u64::from(round * 10_u32 + n);
        sdk.send_new(FrameType::SET_TOPICS, seq(1), set.clone())
            .await;
        sdk.send_new(FrameType::RPC, seq(2), batch.clone()).await;
        sdk.send_new(FrameType::HANDSHAKE, seq(3), handshake.clone())
            .await;
        sdk.send_new(FrameType::VERIFY_RESULT, seq(4), set.clone())
            .await;
        bystanders.go_on().await;
    }
    // The empty topic, over and over: up to a limit they are counted, the rest is not read.
    counted(node, "the sets", |stats| {
        stats.messages.topics_ignored == 5 * 256
    })
    .await;
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

/// A session that sends more text than allowed is not read from for a while, and nothing else
/// happens to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_more_texts_than_it_may_have_waits_and_nobody_else_does() {
    let limits = Limits::default().with(|limits| limits.session_text = 1024);
    let network = network_with(1, |_, builder| builder.limits(limits)).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let config = network.sdk().client_config().unwrap();
    let mut sdk = Sdk::connect(network.endpoint(0), config).await;
    let writing = tokio::spawn(async move {
        // These are not topic sets. Each is too long to be read together with the next.
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
        for n in 0.. {
            sdk.send_new(FrameType::SET_TOPICS, n, body.clone()).await;
        }
    });
    counted(node, "the first", |stats| stats.messages.bad_topics > 0).await;
    // Others send texts of their own.
    let config = network.sdk().client_config().unwrap();
    let mut other = Sdk::connect(network.endpoint(0), config).await;
    other.send_new(FrameType::SET_TOPICS, 1, "[7,").await;
    counted(node, "the other's", |stats| stats.messages.bad_topics > 1).await;
    bystanders.go_on().await;
    assert_eq!(node.stats().messages.bad_topics, 2);
    writing.abort();
    bystanders.stop().await;
    network.shutdown().await;
}
