//! Private topics through FISCO nodes, which make publishers verify subscribers.

use amop::{Client, Event, PublishErrorKind, TopicKey};
use amop_testkit::{fisco::Habits, within};

use super::{chain, client};

#[amop::topic("settlement", private)]
#[derive(Debug, PartialEq)]
struct Settlement {
    amount: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_granted_the_topic_gets_its_messages_and_nobody_else() {
    let chain = chain(3, Habits::quick(31)).await;
    let publisher = client(&chain, &[0]).await;
    let (right, wrong) = (client(&chain, &[1]).await, client(&chain, &[2]).await);
    let (key, other) = (TopicKey::generate(), TopicKey::generate());
    let subscribe = async |client: &Client, key: &TopicKey| {
        let subscribing = Settlement::subscribe_private(client, key);
        within("subscribing", subscribing).await.unwrap()
    };
    let mut settlements = subscribe(&right, &key).await;
    let mut nothing = subscribe(&wrong, &other).await;
    let mut events = publisher.events();
    publisher
        .grant::<Settlement>(&[key.public_key()])
        .await
        .unwrap();
    let (mut verified, mut failed) = (0, 0);
    while verified == 0 || failed == 0 {
        match within("a verification", events.next()).await.unwrap() {
            Event::SubscriberVerified { .. } => verified += 1,
            Event::VerificationFailed { .. } => failed += 1,
            _ => {}
        }
    }
    // The node may handle what follows the verdict before it handles the verdict.
    let first = Settlement { amount: 0 };
    let sent = async {
        while let Err(error) = first.publish_unicast(&publisher).await {
            let nobody = matches!(error.kind(), PublishErrorKind::NoSubscriber { .. });
            assert!(nobody, "{error}");
        }
    };
    let both = async { tokio::join!(sent, settlements.next()) };
    assert_eq!(
        within("the first", both).await.1,
        Some(Settlement { amount: 0 })
    );
    for amount in 1..=3 {
        let message = Settlement { amount };
        message.publish_multicast(&publisher).await.unwrap();
        let got = within("a settlement", settlements.next()).await;
        assert_eq!(got, Some(Settlement { amount }));
        let (published, got) = tokio::join!(
            Settlement {
                amount: 10 + amount
            }
            .publish_unicast(&publisher),
            within("a settlement", settlements.next())
        );
        published.unwrap();
        assert_eq!(got.unwrap().amount, 10 + amount);
    }
    wrong.close().await;
    assert_eq!(within("the end", nothing.next()).await, None);
    for client in [publisher, right] {
        client.close().await;
    }
}
