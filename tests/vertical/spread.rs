//! Four subscribers on two nodes: how many messages each gets.

use amop::TopicName;
use amop_node::Network;
use amop_testkit::{client, network, network_with, within};

const SUBSCRIBERS: usize = 4;
/// The node of each subscriber.
const NODES: [usize; SUBSCRIBERS] = [1, 1, 1, 0];

/// The last message of a test; because of the order it also arrives last.
const LAST: &[u8] = b"last";

async fn subscribe_all(
    network: &Network,
    topic: &TopicName,
) -> Vec<(amop::Client, amop::RawSubscription)> {
    let mut all = Vec::new();
    for node in NODES {
        let client = client(network, node).await;
        let subscription = client.subscribe_raw(topic).await.unwrap();
        all.push((client, subscription));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_multicast_reaches_each_of_four_subscribers_exactly_once() {
    const COUNT: u8 = 100;
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new("news").unwrap();
    let mut subscribers = subscribe_all(&network, &topic).await;
    for number in 0..COUNT {
        publisher
            .publish_multicast_raw(&topic, vec![number].into())
            .await
            .unwrap();
    }
    publisher
        .publish_multicast_raw(&topic, LAST.into())
        .await
        .unwrap();
    for (_, subscription) in &mut subscribers {
        let mut seen = Vec::new();
        loop {
            let got = within("a multicast", subscription.next()).await.unwrap();
            if &got[..] == LAST {
                break;
            }
            seen.extend_from_slice(&got);
        }
        assert_eq!(seen, (0..COUNT).collect::<Vec<u8>>());
    }
    let delivered: u64 = network
        .running()
        .map(|node| node.counters().delivered)
        .sum();
    assert_eq!(delivered, (u64::from(COUNT) + 1) * SUBSCRIBERS as u64);
    publisher.close().await;
    for (client, _) in subscribers {
        client.close().await;
    }
    network.shutdown().await;
}

/// Unicasts are uniform over subscribers, although one node has three of them and the other has
/// one.
///
/// The nodes' choices are seeded and the unicasts come one after the other, so each run draws the
/// same.
#[tokio::test(flavor = "multi_thread")]
async fn unicasts_are_spread_evenly_over_subscribers() {
    const COUNT: usize = 4_000;
    /// Three degrees of freedom; one false alarm in a thousand seeds.
    const CRITICAL: f64 = 16.27;
    let network = network_with(2, |index, builder| builder.seed([index as u8 + 1; 32])).await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new("work").unwrap();
    let subscribers = subscribe_all(&network, &topic).await;
    let mut tasks = Vec::new();
    let mut clients = Vec::new();
    for (client, mut subscription) in subscribers {
        clients.push(client);
        tasks.push(tokio::spawn(async move {
            let mut count = 0;
            while let Some(delivery) = subscription.next().await {
                drop(delivery);
                count += 1;
            }
            count
        }));
    }
    for _ in 0..COUNT {
        let unicast = publisher.publish_unicast_raw(&topic, "w".into());
        within("a unicast", unicast).await.unwrap();
    }
    for client in clients {
        client.close().await;
    }
    let mut counts = Vec::new();
    for task in tasks {
        counts.push(within("the subscription's end", task).await.unwrap());
    }
    assert_eq!(counts.iter().sum::<usize>(), COUNT);
    let expected = COUNT as f64 / SUBSCRIBERS as f64;
    let chi_square: f64 = counts
        .iter()
        .map(|&count| (count as f64 - expected).powi(2) / expected)
        .sum();
    assert!(chi_square < CRITICAL, "{chi_square} for {counts:?}");
    publisher.close().await;
    network.shutdown().await;
}
