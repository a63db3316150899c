//! Publishers that do not wait for each message, with real sockets.

use amop::{PublishErrorKind, TopicName};
use amop_node::Limits;
use amop_testkit::{builder, client, network, network_with, within};
use bytes::Bytes;

#[tokio::test(flavor = "multi_thread")]
async fn every_message_arrives_once_and_in_order_on_both_nodes() {
    const COUNT: u32 = 20_000;
    let network = network(2).await;
    let topic = TopicName::new("ticks").unwrap();
    let mut readers = Vec::new();
    for node in 0..2 {
        // Room for all messages: a full queue would drop some.
        let builder = builder(&network, node).queue(COUNT as usize);
        let client = builder.connect().await.unwrap();
        let mut subscription = client.subscribe_raw(&topic).await.unwrap();
        readers.push(tokio::spawn(async move {
            for number in 0..COUNT {
                let got = within("a message", subscription.next()).await.unwrap();
                assert_eq!(got[..], number.to_be_bytes());
            }
            client.close().await;
            subscription.stats().received
        }));
    }
    let client = client(&network, 0).await;
    let mut publisher = client.publisher_raw(&topic);
    for number in 0..COUNT {
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        publisher.publish(payload).await.unwrap();
        if number % 500 == 499 {
            within("a flush", publisher.flush()).await.unwrap();
            assert_eq!(publisher.unconfirmed(), 0);
        }
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap(), u64::from(COUNT));
    }
    let node = network.node(0).unwrap();
    assert_eq!(node.counters().multicasts, u64::from(COUNT));
    client.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_refuses_is_told_by_the_flush() {
    const COUNT: usize = 300;
    let network = network_with(2, |_, builder| {
        builder.limits(Limits {
            outgoing_bandwidth: Some(1),
            ..Limits::default()
        })
    })
    .await;
    let topic = TopicName::new("too-much").unwrap();
    let reader = client(&network, 1).await;
    let _subscription = reader.subscribe_raw(&topic).await.unwrap();
    let publisher = client(&network, 0).await;
    let mut pipeline = publisher.publisher_raw(&topic);
    for _ in 0..COUNT {
        pipeline.publish(Bytes::from_static(b"x")).await.unwrap();
    }
    let error = within("a flush", pipeline.flush()).await.unwrap_err();
    assert!(matches!(error.first.kind(), PublishErrorKind::OverLimit));
    let counters = network.node(0).unwrap().counters();
    assert_eq!(error.failed as u64, counters.over_bandwidth);
    assert_eq!(counters.multicasts + counters.over_bandwidth, COUNT as u64);
    assert!(error.failed >= COUNT - 1, "{}", error.failed);
    pipeline.flush().await.unwrap();
    publisher.close().await;
    reader.close().await;
    network.shutdown().await;
}
