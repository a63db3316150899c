//! Invalid frames, and frames that no SDK should send.

use amop_node::Network;
use amop_proto::channel::{FrameType, frame_topic};
use amop_testkit::{Bystanders, Sdk, log, network, network_with, seq};

async fn sdk(network: &Network) -> Sdk {
    let config = network.sdk().client_config().unwrap();
    Sdk::connect(network.endpoint(0), config).await
}

/// Checks the log line of a session's end, which names the client's address.
async fn logged(sdk: &Sdk, parts: &[&str]) {
    let address = sdk.address().to_string();
    let mut all = vec!["session", &address, "closed:"];
    all.extend(parts);
    log().wait_for(&all).await;
}

/// Returns a frame's header with any length.
fn header(len: u32, kind: u16) -> Vec<u8> {
    let mut header = len.to_be_bytes().to_vec();
    header.extend(kind.to_be_bytes());
    header.extend(seq(1).0);
    header.extend([0; 4]);
    header
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_lengths_close_the_session_and_no_other() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let cases = [
        (0, "frame length 0 is below the 42-byte header"),
        (41, "frame length 41 is below the 42-byte header"),
        (u32::MAX, "frame length 4294967295 is over the limit"),
        (
            100 * 1024 * 1024 + 1,
            "frame length 104857601 is over the limit",
        ),
    ];
    for (len, message) in cases {
        let mut sdk = sdk(&network).await;
        sdk.send_bytes(&header(len, 0x30)).await;
        sdk.closed().await;
        logged(&sdk, &[message]).await;
        bystanders.go_on().await;
    }
    // Text of another protocol inside TLS.
    let mut sdk = sdk(&network).await;
    sdk.send_bytes(b"GET / HTTP/1.1\r\nHost: node0\r\n\r\n")
        .await;
    sdk.closed().await;
    logged(&sdk, &["an HTTP request came to a connection of 2.x"]).await;
    bystanders.stop().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_is_the_nodes() {
    let network = network_with(1, |_, builder| builder.max_frame(1000)).await;
    let mut sdk = sdk(&network).await;
    let topic = b"nobody";
    let fits = frame_topic(topic, &vec![b'x'; 1000 - 42 - 1 - topic.len()]);
    let answer = sdk.ask(FrameType::UNICAST, 1, fits.clone()).await;
    assert_eq!(answer.result, 100);

    let mut over = fits.to_vec();
    over.push(b'x');
    sdk.send_new(FrameType::UNICAST, 2, over).await;
    sdk.closed().await;
    logged(&sdk, &["frame length 1001 is over the limit of 1000 bytes"]).await;
    network.shutdown().await;
}

/// Everything sent before the bad frame is still handled.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_bad_frame_is_answered() {
    let network = network(1).await;
    let mut sdk = sdk(&network).await;
    let good = amop_proto::channel::Frame::new(
        FrameType::UNICAST,
        seq(7),
        frame_topic(b"nobody", b"payload"),
    );
    let mut bytes = good.to_bytes().to_vec();
    bytes.extend(header(0, 0x30));
    sdk.send_bytes(&bytes).await;
    let answer = sdk.receive().await;
    assert_eq!((answer.seq, answer.result), (seq(7), 100));
    sdk.closed().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_length_of_zero_closes_the_session_and_no_other() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let mut other = sdk(&network).await;
    for kind in [FrameType::UNICAST, FrameType::MULTICAST] {
        let mut sdk = sdk(&network).await;
        sdk.send_new(kind, 1, "\0hello").await;
        sdk.closed().await;
        logged(&sdk, &["malformed AMOP frame", "length byte is 0"]).await;
        other.settle(2).await;
    }
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

/// As on FISCO nodes; the sessions stay open.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_does_not_know_it_ignores() {
    let network = network(2).await;
    let bystanders = Bystanders::start(&network).await;
    let mut sdk = sdk(&network).await;
    let ignored = [
        (FrameType(0x77), "abc"),
        (FrameType(0xffff), ""),
        // The body has neither a topic nor its length byte.
        (FrameType::UNICAST, ""),
        (FrameType::MULTICAST, ""),
        // An answer to no message.
        (FrameType::RESPONSE, "\x06hello"),
        // Only nodes send these.
        (FrameType::BLOCK_NOTIFY, "1,2"),
        (FrameType::HANDSHAKE, "not json"),
        (FrameType::SET_TOPICS, "not json"),
        (FrameType::SET_TOPICS, "{\"a\":1}"),
    ];
    for (number, (kind, body)) in (1..).zip(ignored) {
        sdk.send_new(kind, number, body).await;
        sdk.settle(100 + number).await;
    }
    // A topic that is longer than the body counts as an unknown topic.
    let answer = sdk.ask(FrameType::UNICAST, 200, "\x40hello").await;
    assert_eq!(answer.result, 100);
    // Topics that no frame can carry are ignored, the others are accepted.
    let topics = format!("[\"{}\",\"\",\"a\\tb\",\"fine\"]", "t".repeat(300));
    sdk.send_new(FrameType::SET_TOPICS, 201, topics).await;
    sdk.settle(202).await;
    let body = frame_topic(b"fine", b"to myself");
    let pushed = sdk.ask(FrameType::UNICAST, 203, body.clone()).await;
    assert_eq!((pushed.kind, &pushed.body), (FrameType::UNICAST, &body));
    bystanders.stop().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_do_not_meet_close_the_session() {
    let network = network(1).await;
    let mut sdk = sdk(&network).await;
    let request = r#"{"minimumSupport":4,"maximumSupport":9,"clientType":"x"}"#;
    sdk.send_new(FrameType::HANDSHAKE, 1, request).await;
    sdk.closed().await;
    logged(&sdk, &["protocol versions 4 to 9", "this node 1 to 3"]).await;
    network.shutdown().await;
}

/// A frame cut off by the end of the connection has no effect on others.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_is_nothing() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let mut sdk = sdk(&network).await;
    sdk.send_bytes(&header(1000, 0x30)[..20]).await;
    drop(sdk);
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}
