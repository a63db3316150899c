//! Private topics over complete nodes: only subscribers whose key is granted get the messages.

use std::time::Duration;

use amop::{Client, Event, Events, PublishErrorKind, Subscription, TopicKey, VerificationFailure};
use amop_testkit::{builder, client, network, within};

#[amop::topic("settlement", private)]
#[derive(Debug, PartialEq)]
struct Settlement {
    amount: u64,
}

async fn subscribe(client: &Client, key: &TopicKey) -> Subscription<Settlement> {
    let subscription = Settlement::subscribe_private(client, key);
    within("subscribing", subscription).await.unwrap()
}

async fn grant(client: &Client, key: &TopicKey) {
    let keys = [key.public_key()];
    let grant = client.grant::<Settlement>(&keys);
    within("granting", grant).await.unwrap();
}

/// Returns the next event about verification: the endpoint and the result.
async fn verification(events: &mut Events) -> (String, Result<(), VerificationFailure>) {
    let next = async {
        loop {
            match events.next().await.expect("the client is open") {
                Event::SubscriberVerified { endpoint, .. } => return (endpoint, Ok(())),
                Event::VerificationFailed {
                    endpoint, failure, ..
                } => return (endpoint, Err(failure)),
                _ => {}
            }
        }
    };
    within("a verification", next).await
}

async fn receive(subscription: &mut Subscription<Settlement>, amount: u64) {
    let got = within("a message", subscription.next()).await;
    assert_eq!(got, Some(Settlement { amount }));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_reach_who_was_granted_the_topic_and_nobody_else() {
    let network = network(3).await;
    let publisher = client(&network, 0).await;
    let (right, wrong) = (client(&network, 1).await, client(&network, 2).await);
    let (right_key, wrong_key) = (TopicKey::generate(), TopicKey::generate());
    let mut excluded = subscribe(&wrong, &wrong_key).await;
    let mut events = publisher.events();
    grant(&publisher, &right_key).await;
    let key = Some(wrong_key.public_key());
    let failed = VerificationFailure::UnknownKey { key };
    assert_eq!(verification(&mut events).await.1, Err(failed));

    // Waits for the subscriber, which comes only now.
    let message = Settlement { amount: 1 };
    let publish = message.publish_unicast(&publisher);
    let come = async {
        let mut subscription = subscribe(&right, &right_key).await;
        receive(&mut subscription, 1).await;
        subscription
    };
    let (published, mut subscription) = tokio::join!(within("publishing", publish), come);
    published.unwrap();
    assert_eq!(verification(&mut events).await.1, Ok(()));

    for amount in 2..20 {
        let message = Settlement { amount };
        let publish = async {
            if amount % 2 == 0 {
                message.publish_unicast(&publisher).await
            } else {
                message.publish_multicast(&publisher).await
            }
        };
        // A unicast is answered when its subscriber takes it.
        let (published, ()) = tokio::join!(publish, receive(&mut subscription, amount));
        published.unwrap();
    }

    // The node asks again, so it is enough to grant this key, too.
    grant(&publisher, &wrong_key).await;
    assert_eq!(verification(&mut events).await.1, Ok(()));
    let message = Settlement { amount: 20 };
    message.publish_multicast(&publisher).await.unwrap();
    receive(&mut subscription, 20).await;
    // This is its first message: none of those before arrived.
    receive(&mut excluded, 20).await;

    for client in [publisher, right, wrong] {
        client.close().await;
    }
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_without_verified_subscribers_is_told() {
    let network = network(2).await;
    let impatient = builder(&network, 0).timeout(Duration::from_secs(1));
    let publisher = impatient.connect().await.unwrap();
    let subscriber = client(&network, 1).await;
    let _subscription = subscribe(&subscriber, &TopicKey::generate()).await;
    let message = Settlement { amount: 1 };
    let error = message.publish_unicast(&publisher).await.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NotGranted),
        "{error:?}"
    );
    grant(&publisher, &TopicKey::generate()).await;
    let error = message.publish_unicast(&publisher).await.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NoVerifiedSubscriber { .. }),
        "{error:?}"
    );
    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_is_verified_and_again_when_it_comes_back() {
    let mut network = network(3).await;
    let endpoints = [network.endpoint(0), network.endpoint(1)];
    let publisher = builder(&network, 0).endpoints(endpoints);
    let publisher = publisher.connect().await.unwrap();
    let subscriber = client(&network, 2).await;
    let key = TopicKey::generate();
    let mut events = publisher.events();
    grant(&publisher, &key).await;
    let mut subscription = subscribe(&subscriber, &key).await;
    let mut verified = Vec::new();
    for _ in 0..2 {
        let (endpoint, outcome) = verification(&mut events).await;
        outcome.unwrap();
        verified.push(endpoint);
    }
    verified.sort();
    let mut both = [network.endpoint(0), network.endpoint(1)];
    both.sort();
    assert_eq!(verified, both);

    // The other node continues alone.
    network.stop(0).await;
    let message = Settlement { amount: 1 };
    let publish = message.publish_unicast(&publisher);
    let (published, ()) =
        tokio::join!(within("publishing", publish), receive(&mut subscription, 1));
    published.unwrap();

    // A subscriber that reconnects is verified again.
    subscriber.close().await;
    let subscriber = client(&network, 2).await;
    let message = Settlement { amount: 2 };
    let publish = message.publish_unicast(&publisher);
    let come = async {
        let mut subscription = subscribe(&subscriber, &key).await;
        receive(&mut subscription, 2).await;
    };
    let (published, ()) = tokio::join!(within("publishing", publish), come);
    published.unwrap();

    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
}
