//! Payloads of all sizes, many messages, and their order.

use std::collections::HashSet;

use amop::{PublishErrorKind, TopicName};
use amop_testkit::{builder, client, network, within};
use bytes::Bytes;
use futures::future::join_all;

/// The maximum content of a TLS record.
const RECORD: usize = 16 * 1024;
/// The header, the byte with the topic's length, and the topic `sizes`.
const FRAMING: usize = 42 + 1 + 5;

fn payload(len: usize) -> Bytes {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// The subscriber replies with the payload that it gets.
#[tokio::test(flavor = "multi_thread")]
async fn payloads_of_all_sizes_travel_unchanged() {
    let network = network(2).await;
    let (near, far) = (client(&network, 0).await, client(&network, 1).await);
    let topic = TopicName::new("sizes").unwrap();
    let mut sizes = vec![0, 1, 1 << 20];
    for edge in [RECORD, RECORD - FRAMING, 2 * RECORD, 64 * 1024] {
        sizes.extend([edge - 1, edge, edge + 1]);
    }
    for (publisher, subscriber) in [(&near, &far), (&far, &near)] {
        let mut subscription = subscriber.subscribe_raw(&topic).await.unwrap();
        for &size in &sizes {
            let sent = payload(size);
            let (reply, ()) = within(&format!("a unicast of {size} bytes"), async {
                tokio::join!(publisher.publish_unicast_raw(&topic, sent.clone()), async {
                    let delivery = subscription.next().await.unwrap();
                    let copy = delivery.clone();
                    delivery.reply_bytes(copy).unwrap();
                })
            })
            .await;
            assert!(reply.unwrap().payload == sent, "reply to {size} bytes");
            publisher
                .publish_multicast_raw(&topic, sent.clone())
                .await
                .unwrap();
            let got = within("a multicast", subscription.next()).await.unwrap();
            assert!(*got == sent, "multicast of {size} bytes");
        }
        subscription.unsubscribe().await.unwrap();
    }
    near.close().await;
    far.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_the_frame_limit_is_not_sent() {
    let network = network(1).await;
    let client = builder(&network, 0)
        .max_frame(100_000)
        .connect()
        .await
        .unwrap();
    let topic = TopicName::new("sizes").unwrap();
    let mut subscription = client.subscribe_raw(&topic).await.unwrap();
    let largest = payload(100_000 - FRAMING);
    client
        .publish_multicast_raw(&topic, largest.clone())
        .await
        .unwrap();
    let got = within("the largest", subscription.next()).await.unwrap();
    assert_eq!(got.into_inner(), largest);

    let error = client
        .publish_multicast_raw(&topic, payload(100_001 - FRAMING))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error.kind(),
            PublishErrorKind::TooLarge {
                len: 100_001,
                max: 100_000,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("max_frame"), "{error}");
    assert!(client.is_connected());
    client.close().await;
    network.shutdown().await;
}

/// A publisher that awaits each multicast decides their order, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_multicasts_arrive_in_order() {
    const COUNT: u32 = 10_000;
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let subscriber = builder(&network, 1)
        .queue(COUNT as usize)
        .connect()
        .await
        .unwrap();
    let topic = TopicName::new("order").unwrap();
    let mut subscription = subscriber.subscribe_raw(&topic).await.unwrap();
    let reading = tokio::spawn(async move {
        for expected in 0..COUNT {
            let got = within("the next multicast", subscription.next()).await;
            assert_eq!(&got.unwrap()[..], expected.to_be_bytes());
        }
        assert_eq!(subscription.lagged(), 0);
    });
    for number in 0..COUNT {
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        publisher
            .publish_multicast_raw(&topic, payload)
            .await
            .unwrap();
    }
    reading.await.unwrap();
    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
}

/// Each unicast gets its own reply, although a thousand of them wait at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_unicasts_at_once_are_all_answered() {
    const COUNT: usize = 1_000;
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let topic = TopicName::new("crowd").unwrap();
    let mut subscription = subscriber.subscribe_raw(&topic).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut seen = HashSet::new();
        while let Some(delivery) = subscription.next().await {
            let payload = delivery.clone();
            assert!(seen.insert(payload.clone()), "{payload:?} came twice");
            delivery.reply_bytes(payload).unwrap();
        }
        seen.len()
    });
    let unicasts = (0..COUNT).map(|number| {
        let (publisher, topic) = (&publisher, &topic);
        async move {
            let text = number.to_string();
            let reply = publisher
                .publish_unicast_raw(topic, text.clone().into())
                .await
                .unwrap();
            assert_eq!(reply.payload, text);
        }
    });
    within("a thousand replies", join_all(unicasts)).await;
    subscriber.close().await;
    let seen = within("the subscription's end", reading).await.unwrap();
    assert_eq!(seen, COUNT);
    publisher.close().await;
    network.shutdown().await;
}
