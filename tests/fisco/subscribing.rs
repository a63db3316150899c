//! The promises of `subscribe` hold with FISCO nodes, too.

use std::{collections::BTreeSet, time::Duration};

use amop_testkit::{fisco::Habits, within};
use tokio::task::yield_now;

use super::{chain, client};

fn names(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(|n| format!("topic {n}")).collect()
}

/// Topics are added and removed in quick succession, and in the end the node has the topics that
/// the client wants.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_set_is_the_one_that_stays() {
    for seed in 0..2 {
        let chain = chain(1, Habits::quick(seed)).await;
        let node = &chain.nodes[0];
        let client = client(&chain, &[0]).await;
        let mut kept = Vec::new();
        for name in names(0..12) {
            let topic = name.parse().unwrap();
            kept.push(
                within("subscribing", client.subscribe_raw(&topic))
                    .await
                    .unwrap(),
            );
        }
        node.has(&names(0..12)).await;
        // Dropped one by one, so that several sets follow each other.
        for subscription in kept.drain(..6) {
            drop(subscription);
            yield_now().await;
        }
        let more: BTreeSet<String> = ["another".to_owned()].into();
        let topic = "another".parse().unwrap();
        let _another = within("subscribing", client.subscribe_raw(&topic))
            .await
            .unwrap();
        let wanted: BTreeSet<String> = kept
            .iter()
            .map(|subscription| subscription.topic().to_string())
            .chain(more)
            .collect();
        node.has(&wanted).await;
        // This also holds after the set is sent once more.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        node.has(&wanted).await;
        client.close().await;
    }
}

/// Messages of other nodes arrive on each of a dozen topics that were subscribed to in quick
/// succession.
#[tokio::test(flavor = "multi_thread")]
async fn every_topic_gets_its_messages() {
    let chain = chain(2, Habits::quick(11)).await;
    let (subscriber, publisher) = (client(&chain, &[0]).await, client(&chain, &[1]).await);
    let mut subscriptions = Vec::new();
    for name in names(0..12) {
        let topic = name.parse().unwrap();
        subscriptions.push((
            topic,
            subscriber
                .subscribe_raw(&name.parse().unwrap())
                .await
                .unwrap(),
        ));
    }
    for (topic, subscription) in &mut subscriptions {
        let topic: &amop::TopicName = topic;
        chain.nodes[1].learns(topic.as_str(), 1).await;
        publisher
            .publish_multicast_raw(topic, "x".into())
            .await
            .unwrap();
        let message = within("a message", subscription.next()).await.unwrap();
        assert_eq!(message.topic(), topic.as_str());
    }
    for client in [subscriber, publisher] {
        client.close().await;
    }
}
