//! The possible receivers of a message: subscribers on either node, on the publisher's own node,
//! the publisher itself, several subscriptions of one client, none.

use std::time::{Duration, Instant};

use amop::{Client, PublishError, PublishErrorKind, TopicName};
use amop_node::Network;
use amop_testkit::{client, network, within};

#[amop::topic("hello")]
#[derive(Debug, Clone, PartialEq)]
struct Hello(String);

fn hello(text: &str) -> Hello {
    Hello(text.to_owned())
}

async fn end(network: Network, clients: impl IntoIterator<Item = Client>) {
    for client in clients {
        client.close().await;
    }
    network.shutdown().await;
}

/// Publishes both ways and checks that the subscription gets it.
async fn reaches(publisher: &Client, subscription: &mut amop::Subscription<Hello>) {
    let message = hello("unicast");
    let (published, received) = within("a unicast", async {
        tokio::join!(message.publish_unicast(publisher), subscription.next())
    })
    .await;
    published.unwrap();
    assert_eq!(received, Some(message));
    hello("multicast")
        .publish_multicast(publisher)
        .await
        .unwrap();
    let received = within("a multicast", subscription.next()).await;
    assert_eq!(received, Some(hello("multicast")));
}

fn is_no_subscriber(result: Result<(), PublishError>, client: &Client) -> bool {
    match result {
        Err(error) if matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }) => {
            let text = error.to_string();
            assert!(text.contains("hello"), "{text}");
            assert!(text.contains(client.endpoint()), "{text}");
            true
        }
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_subscriber_a_unicast_fails_at_once_and_a_multicast_succeeds() {
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let start = Instant::now();
    let result = hello("anyone?").publish_unicast(&publisher).await;
    assert!(is_no_subscriber(result, &publisher));
    // No timeout expired: the shortest is 5 s.
    assert!(start.elapsed() < Duration::from_secs(5));
    hello("anyone?")
        .publish_multicast(&publisher)
        .await
        .unwrap();
    end(network, [publisher]).await;
}

/// FISCO nodes fail here (channel-v2 section 7.5).
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_on_the_publishers_own_node_is_served() {
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 0).await);
    let mut subscription = Hello::subscribe(&subscriber).await.unwrap();
    reaches(&publisher, &mut subscription).await;
    end(network, [publisher, subscriber]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_publish_to_itself() {
    let network = network(2).await;
    let client = client(&network, 0).await;
    let mut subscription = Hello::subscribe(&client).await.unwrap();
    reaches(&client, &mut subscription).await;
    end(network, [client]).await;
}

/// A publisher that also subscribes does not take work from the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_gives_its_unicasts_to_others_first() {
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let mut own = Hello::subscribe(&publisher).await.unwrap();
    let mut other = Hello::subscribe(&subscriber).await.unwrap();
    for number in 0..20 {
        let message = hello(&number.to_string());
        let (published, received) = within("a unicast", async {
            tokio::join!(message.publish_unicast(&publisher), other.next())
        })
        .await;
        published.unwrap();
        assert_eq!(received, Some(message));
    }
    hello("to both")
        .publish_multicast(&publisher)
        .await
        .unwrap();
    assert_eq!(within("own", own.next()).await, Some(hello("to both")));
    assert_eq!(within("other", other.next()).await, Some(hello("to both")));
    end(network, [publisher, subscriber]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_unsubscribing_there_is_no_subscriber() {
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 0).await);
    for _ in 0..3 {
        let mut subscription = Hello::subscribe(&subscriber).await.unwrap();
        reaches(&publisher, &mut subscription).await;
        subscription.unsubscribe().await.unwrap();
        assert_eq!(within("the end", subscription.next()).await, None);
        let result = hello("gone?").publish_unicast(&publisher).await;
        assert!(is_no_subscriber(result, &publisher));
    }
    end(network, [publisher, subscriber]).await;
}

/// The same across nodes, by dropping; the other node learns of it a moment later.
#[tokio::test(flavor = "multi_thread")]
async fn after_dropping_a_subscription_there_is_no_subscriber() {
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let mut subscription = Hello::subscribe(&subscriber).await.unwrap();
    reaches(&publisher, &mut subscription).await;
    drop(subscription);
    within("NoSubscriber", async {
        loop {
            match hello("gone?").publish_unicast(&publisher).await {
                // Node 0 still asked node 1.
                Err(error) if matches!(error.kind(), PublishErrorKind::Unanswered) => {}
                result => break assert!(is_no_subscriber(result, &publisher)),
            }
        }
    })
    .await;
    end(network, [publisher, subscriber]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_subscriptions_of_one_client_share_unicasts_and_both_get_multicasts() {
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let mut first = Hello::subscribe(&subscriber).await.unwrap();
    let mut second = Hello::subscribe(&subscriber).await.unwrap();

    let (mut of_first, mut of_second) = (0, 0);
    for number in 0..10 {
        let message = hello(&number.to_string());
        let publish = message.publish_unicast(&publisher);
        let (published, received) = within("a unicast", async {
            tokio::join!(publish, async {
                tokio::select! {
                    received = first.next() => { of_first += 1; received }
                    received = second.next() => { of_second += 1; received }
                }
            })
        })
        .await;
        published.unwrap();
        assert_eq!(received, Some(message));
    }
    assert_eq!((of_first, of_second), (5, 5));

    hello("both").publish_multicast(&publisher).await.unwrap();
    assert_eq!(within("first", first.next()).await, Some(hello("both")));
    assert_eq!(within("second", second.next()).await, Some(hello("both")));

    // One subscription ends, the other stays.
    first.unsubscribe().await.unwrap();
    assert_eq!(within("the end", first.next()).await, None);
    reaches(&publisher, &mut second).await;
    end(network, [publisher, subscriber]).await;
}

/// Messages that a client no longer reads go to the next subscriber: nothing acknowledged is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_passes_unicasts_on() {
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let slow = amop_testkit::builder(&network, 1)
        .queue(1)
        .connect()
        .await
        .unwrap();
    let topic: TopicName = "work".parse().unwrap();
    let mut stuck = slow.subscribe_raw(&topic).await.unwrap();
    // Fills the queue of the only subscriber.
    publisher
        .publish_multicast_raw(&topic, "filler".into())
        .await
        .unwrap();
    within("the filler", async {
        // The filler has arrived once a second one is refused.
        while stuck.lagged() == 0 {
            publisher
                .publish_multicast_raw(&topic, "filler".into())
                .await
                .unwrap();
        }
    })
    .await;
    let error = publisher
        .publish_unicast_raw(&topic, "w".into())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Unanswered),
        "{error:?}"
    );

    let helper = client(&network, 1).await;
    let mut ready = helper.subscribe_raw(&topic).await.unwrap();
    for number in 0..20 {
        let text = number.to_string();
        let (reply, ()) = within("a reply", async {
            tokio::join!(
                publisher.publish_unicast_raw(&topic, text.clone().into()),
                async {
                    let delivery = ready.next().await.unwrap();
                    assert_eq!(&delivery[..], text.as_bytes());
                    delivery.reply_bytes("done").unwrap();
                }
            )
        })
        .await;
        assert_eq!(reply.unwrap().payload, "done");
    }
    assert_eq!(
        &within("the filler", stuck.next()).await.unwrap()[..],
        b"filler"
    );
    end(network, [publisher, slow, helper]).await;
}
