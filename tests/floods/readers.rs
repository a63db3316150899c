//! A subscriber that stops reading: its cost is limited and counted, and the other subscribers get
//! everything.

use std::time::Duration;

use amop::{Client, TopicName};
use amop_node::{Limits, Timeouts};
use amop_proto::channel::FrameType;
use amop_testkit::{Bystanders, Sdk, builder, counted, network_with, patient, within};

const PAYLOAD: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_stops_reading_costs_no_more_than_its_queue() {
    let limits = Limits::default().with(|limits| limits.session_queue = 1 << 20);
    stalled(limits, Duration::from_secs(10), 400).await;
}

/// Uses the node's own defaults, so it takes 60 s. Run with
/// `cargo test -p amop-tests --test attacks for_a_minute -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn a_subscriber_that_does_not_read_for_a_minute() {
    let idle = Timeouts::default().session_idle;
    stalled(Limits::default(), idle, 4000).await;
}

async fn stalled(limits: Limits, session_idle: Duration, count: u64) {
    let timeouts = patient().with(|timeouts| timeouts.session_idle = session_idle);
    let network = network_with(1, |_, builder| builder.limits(limits).timeouts(timeouts)).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let connect = || {
        let heartbeat = session_idle / 5;
        builder(&network, 0).heartbeat(heartbeat).connect()
    };
    let publisher: Client = connect().await.unwrap();
    let subscriber: Client = connect().await.unwrap();
    let topic = TopicName::new("news").unwrap();
    let mut news = subscriber.subscribe_raw(&topic).await.unwrap();
    let mut sdk = Sdk::connect(network.endpoint(0), network.sdk().client_config().unwrap()).await;
    sdk.send_new(FrameType::SET_TOPICS, 1, r#"["news"]"#).await;
    sdk.settle(2).await;
    let sessions = node.session_count();

    // From here on it is not read from. One message at a time, so that the others keep up.
    let mut most = 0;
    for _ in 0..count {
        let payload = vec![b'x'; PAYLOAD];
        publisher
            .publish_multicast_raw(&topic, payload.into())
            .await
            .unwrap();
        let delivery = within("the news", news.next()).await.unwrap();
        assert_eq!(delivery.to_vec().len(), PAYLOAD);
        most = most.max(node.session_bytes());
    }
    let messages = node.stats().messages;
    assert_eq!(messages.multicasts, count);
    assert_eq!(messages.delivered + messages.dropped, 2 * count);
    // More was published than its queue can hold, so some messages were dropped, all of them of
    // this subscriber.
    assert!(messages.dropped > 0 && messages.delivered >= count);
    // At most the queue's limit and one message more; the others hold a message or two each.
    let bound = limits.session_queue + 8 * PAYLOAD;
    assert!(most <= bound, "{most} bytes were queued, more than {bound}");
    assert!(most > limits.session_queue / 2);
    println!(
        "{count} multicasts of {PAYLOAD} bytes: at most {most} bytes queued, {} dropped",
        messages.dropped
    );
    bystanders.go_on().await;

    // It reads nothing at all and is closed for this; after that nothing is left.
    let closed = async {
        while node.session_count() == sessions {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(session_idle + amop_testkit::PATIENCE, closed)
        .await
        .expect("the stalled session is closed");
    assert_eq!(node.session_count(), sessions - 1);
    counted(node, "an empty queue", |_| node.session_bytes() < PAYLOAD).await;
    bystanders.go_on().await;
    bystanders.stop().await;
    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
}
