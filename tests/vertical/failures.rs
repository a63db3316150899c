//! Subscribers and nodes that go away while messages are on their way.

use amop::{CloseReason, PublishErrorKind, ReconnectPolicy, TopicName};
use amop_testkit::{client, network, within};

#[amop::topic("work")]
#[derive(Debug, Clone, PartialEq)]
struct Work(String);

/// The first subscriber receives a message and leaves without an answer; the second gets it.
async fn passed_on(first_node: usize, second_node: usize) {
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new("work").unwrap();
    let first = client(&network, first_node).await;
    let mut first_work = first.subscribe_raw(&topic).await.unwrap();
    let publishing = tokio::spawn({
        let (publisher, topic) = (publisher.clone(), topic.clone());
        async move {
            publisher
                .publish_unicast_raw(&topic, "precious".into())
                .await
        }
    });
    let held = within("the message", first_work.next()).await.unwrap();

    let second = client(&network, second_node).await;
    let mut second_work = second.subscribe_raw(&topic).await.unwrap();
    // Closed before the delivery is dropped, which would acknowledge it.
    first.close().await;
    let again = within("the message again", second_work.next())
        .await
        .unwrap();
    assert_eq!(&again[..], b"precious");
    assert_eq!(again.seq(), held.seq());
    let error = held.reply_bytes("too late").unwrap_err();
    assert!(error.to_string().contains(first.endpoint()), "{error}");
    again.reply_bytes("done").unwrap();
    let reply = within("the reply", publishing).await.unwrap().unwrap();
    assert_eq!(reply.payload, "done");

    publisher.close().await;
    second.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_passes_on_within_the_publishers_node() {
    passed_on(0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_passes_on_within_the_other_node() {
    passed_on(1, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_passes_on_to_the_other_node() {
    passed_on(0, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_passes_back_to_the_publishers_node() {
    passed_on(1, 0).await;
}

/// If there is no other subscriber, the publisher is told.
#[tokio::test(flavor = "multi_thread")]
async fn the_publisher_learns_that_the_only_subscriber_left() {
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let topic = TopicName::new("work").unwrap();
    let mut work = subscriber.subscribe_raw(&topic).await.unwrap();
    let (result, ()) = within("the error", async {
        tokio::join!(
            publisher.publish_unicast_raw(&topic, "precious".into()),
            async {
                let _held = work.next().await.unwrap();
                subscriber.close().await;
            }
        )
    })
    .await;
    let error = result.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Unanswered),
        "{error:?}"
    );
    publisher.close().await;
    network.shutdown().await;
}

/// Dropping the last handle ends the session, as closing does.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_client_leaves_its_node() {
    let network = network(1).await;
    let publisher = client(&network, 0).await;
    let subscriber = client(&network, 0).await;
    let mut work = Work::subscribe(&subscriber).await.unwrap();
    drop(subscriber);
    assert_eq!(within("the subscription's end", work.next()).await, None);
    within("NoSubscriber", async {
        loop {
            match Work("w".to_owned()).publish_unicast(&publisher).await {
                Err(error) if matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }) => {
                    break;
                }
                // The node had not noticed the end yet.
                Err(error) if matches!(error.kind(), PublishErrorKind::Unanswered) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    publisher.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_says_so_and_the_other_goes_on() {
    let mut network = network(2).await;
    let staying = client(&network, 0).await;
    let other = client(&network, 0).await;
    let leaving = amop_testkit::builder(&network, 1)
        .reconnect(ReconnectPolicy::never())
        .connect()
        .await
        .unwrap();
    let topic = TopicName::new("work").unwrap();
    let mut lost = leaving.subscribe_raw(&topic).await.unwrap();
    let mut kept = Work::subscribe_to(&other, "kept").await.unwrap();
    let waiting = tokio::spawn({
        let publisher = staying.clone();
        async move { publisher.publish_unicast_raw(&topic, "w".into()).await }
    });
    let _held = within("the message", lost.next()).await.unwrap();

    network.stop(1).await;
    let reason = within("the news", leaving.closed()).await;
    assert_eq!(reason, CloseReason::Peer);
    assert!(!leaving.is_connected());
    assert!(
        within("the subscription's end", lost.next())
            .await
            .is_none()
    );
    let error = Work("w".to_owned())
        .publish_multicast(&leaving)
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Closed { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(network.endpoint(1)), "{error}");

    // The publisher does not wait for the message that the stopped node had.
    let error = within("the verdict", waiting).await.unwrap().unwrap_err();
    assert!(
        matches!(
            error.kind(),
            PublishErrorKind::Unanswered | PublishErrorKind::NoSubscriber { .. }
        ),
        "{error:?}"
    );
    let error = Work("w".to_owned())
        .publish_unicast(&staying)
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }),
        "{error:?}"
    );
    let work = Work("go on".to_owned());
    let (published, received) = within("a unicast", async {
        tokio::join!(work.publish_unicast_to(&staying, "kept"), kept.next())
    })
    .await;
    published.unwrap();
    assert_eq!(received, Some(work));
    staying.close().await;
    other.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_client_ends_what_waits() {
    let network = network(1).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 0).await);
    let topic = TopicName::new("work").unwrap();
    let mut work = subscriber.subscribe_raw(&topic).await.unwrap();
    let (result, ()) = within("the error", async {
        tokio::join!(publisher.publish_unicast_raw(&topic, "w".into()), async {
            let _held = work.next().await.unwrap();
            publisher.close().await;
        })
    })
    .await;
    let error = result.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            PublishErrorKind::Disconnected {
                reason: CloseReason::Local,
                ..
            }
        ),
        "{error:?}"
    );
    subscriber.close().await;
    network.shutdown().await;
}
