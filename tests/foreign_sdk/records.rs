//! For other SDKs every frame is its own TLS record, however many wait: some of them fail when one
//! read returns two frames (channel-v2 section 3.4).

use amop::TopicName;
use amop_node::{Limits, Network};
use amop_proto::channel::{FrameDecoder, FrameType, HandshakeRequest};
use amop_testkit::{Sdk, client, network_with, seq};
use bytes::{Bytes, BytesMut};

const TOPIC: &str = "burst";
const COUNT: u64 = 1_000;
/// Frames of this length do not all fit into the system's buffers, so the node's own queue fills.
const LEN: usize = 12 * 1024;

/// Starts a network whose node holds a whole burst for a session that does not read.
async fn patient_network() -> Network {
    let limits = Limits {
        session_queue: 1 << 30,
        ..Limits::default()
    };
    network_with(1, |_, builder| builder.limits(limits)).await
}

/// Connects an SDK that has subscribed and does not read any more.
async fn subscribed(network: &Network, offer: Bytes) -> Sdk {
    let config = network.sdk().client_config().unwrap();
    let mut sdk = Sdk::connect(network.endpoint(0), config).await;
    sdk.ask(FrameType::HANDSHAKE, 1, offer).await;
    let topics = format!("[{TOPIC:?}]");
    sdk.send_new(FrameType::SET_TOPICS, 2, topics).await;
    sdk.ask(FrameType::HEARTBEAT, 3, "0").await;
    sdk
}

/// Publishes the burst as multicasts; the node has queued all of it when this returns.
async fn burst(network: &Network, len: usize) {
    let publisher = client(network, 0).await;
    let topic = TopicName::new(TOPIC).unwrap();
    for number in 0..COUNT {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(len, b'x');
        publisher
            .publish_multicast_raw(&topic, payload.into())
            .await
            .unwrap();
    }
    publisher.close().await;
}

fn number(body: &[u8]) -> u64 {
    let payload = &body[1 + TOPIC.len()..];
    u64::from_be_bytes(payload[..8].try_into().unwrap())
}

fn go_sdk() -> Bytes {
    r#"{"minimumSupport":1,"maximumSupport":3,"clientType":"Go-SDK"}"#.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_frames_come_one_by_one_to_another_sdk() {
    let network = patient_network().await;
    let mut sdk = subscribed(&network, go_sdk()).await;
    burst(&network, 8).await;
    for expected in 0..COUNT {
        let frame = sdk.receive().await;
        assert_eq!(frame.kind, FrameType::MULTICAST);
        assert_eq!(number(&frame.body), expected);
    }
    network.shutdown().await;
}

/// The queue is longer than all buffers on the way, so writes stop in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn large_frames_come_whole_to_another_sdk_that_reads_late() {
    let network = patient_network().await;
    let mut sdk = subscribed(&network, go_sdk()).await;
    burst(&network, LEN).await;
    for expected in 0..COUNT {
        let frame = sdk.receive().await;
        assert_eq!(number(&frame.body), expected);
    }
    network.shutdown().await;
}

/// Frames that need several records do not share any of them.
#[tokio::test(flavor = "multi_thread")]
async fn frames_longer_than_a_record_share_none() {
    let network = patient_network().await;
    let mut sdk = subscribed(&network, go_sdk()).await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new(TOPIC).unwrap();
    // Exactly one record, one byte more, many records.
    let record = 16 * 1024 - 42 - 1 - TOPIC.len();
    let sizes = [record - 1, record, record + 1, 100_000, 8, 1 << 20, 8];
    for size in sizes {
        let payload = vec![b'x'; size];
        publisher
            .publish_multicast_raw(&topic, payload.into())
            .await
            .unwrap();
    }
    for size in sizes {
        let frame = sdk.receive().await;
        assert_eq!(frame.body.len(), 1 + TOPIC.len() + size);
    }
    publisher.close().await;
    network.shutdown().await;
}

/// A native client understands frames that share records, and gets them like this.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_client_gets_frames_joined() {
    let network = patient_network().await;
    let offer = HandshakeRequest::native().to_frame(seq(0)).body;
    let mut sdk = subscribed(&network, offer).await;
    burst(&network, LEN).await;
    let (mut buffer, mut records, mut shared) = (BytesMut::new(), 0, 0);
    let mut expected = 0;
    while expected < COUNT {
        buffer.extend_from_slice(&sdk.record().await.unwrap());
        records += 1;
        let mut frames = 0;
        while let Some(frame) = FrameDecoder::default().decode(&mut buffer).unwrap() {
            assert_eq!(number(&frame.body), expected);
            expected += 1;
            frames += 1;
        }
        shared += u64::from(frames > 1 || (frames == 1 && !buffer.is_empty()));
    }
    assert!(
        shared > 0,
        "no record of {records} holds more than one frame's bytes"
    );
    network.shutdown().await;
}
