//! The errors of go-sdk when no subscriber takes a message.

use amop::{PublishErrorKind, TopicName, result_code};
use amop_interop::known_at;
use amop_testkit::{client, network, within};

use super::go_sdk;

#[tokio::test(flavor = "multi_thread")]
async fn without_subscriber_a_unicast_fails_and_a_multicast_does_not() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let publisher = go.publish(&network, 0, "unicast", "nobody", &["-text", "anyone?"]);
    let ended = publisher.end().await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let last = ended.events.last().unwrap();
    assert_eq!(last.event, "failed");
    let expected = "error code 100, remote peer unavailable";
    assert!(last.error().ends_with(expected), "{last:?}");

    let mut publisher = go.publish(&network, 0, "multicast", "nobody", &["-text", "anyone?"]);
    publisher.expect("connected").await;
    publisher.expect("sending").await;
    publisher.expect("accepted").await;
    publisher.expect("done").await;
    network.shutdown().await;
}

/// The topic that go-sdk subscribes to by itself is not a topic of AMOP: no SDK gets messages on
/// it, least of all go-sdk, which would crash (channel-v2 section 6.2).
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_block_notifications() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let mut bystander = go
        .subscribe(&network, 1, "other", &["-reply", "alive"])
        .await;
    let publisher = client(&network, 0).await;
    known_at(&network, 0, "other", 1).await;
    let blocks = TopicName::new("_block_notify_1").unwrap();
    let error = publisher
        .publish_unicast_raw(&blocks, "boo".into())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }),
        "{error:?}"
    );
    publisher
        .publish_multicast_raw(&blocks, "boo".into())
        .await
        .unwrap();
    let other = TopicName::new("other").unwrap();
    let reply = publisher
        .publish_unicast_raw(&other, "still there?".into())
        .await;
    assert_eq!(reply.unwrap().payload, "alive");
    let received = bystander.expect("received").await;
    assert_eq!(received.text.as_deref(), Some("still there?"));
    publisher.close().await;
    network.shutdown().await;
}

/// go-sdk gets a subscriber's refusal and its own codes.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let subscriber = client(&network, 1).await;
    let topic = TopicName::new("picky").unwrap();
    let mut messages = subscriber.subscribe_raw(&topic).await.unwrap();
    for (refusal, text) in [
        (
            result_code::NO_SESSION,
            "error code 104, send channel message failed",
        ),
        (4711, "response error: 4711"),
    ] {
        let publisher = go.publish(&network, 0, "unicast", "picky", &["-text", "please"]);
        let message = within("the message", messages.next()).await.unwrap();
        message.refuse(refusal).unwrap();
        let ended = publisher.end().await;
        let last = ended.events.last().unwrap();
        assert!(last.error().ends_with(text), "{last:?}");
    }
    subscriber.close().await;
    network.shutdown().await;
}

/// A subscriber ends while it has the message.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_is_gone_is_told() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let subscriber = client(&network, 1).await;
    let topic = TopicName::new("mortal").unwrap();
    let mut messages = subscriber.subscribe_raw(&topic).await.unwrap();
    let publisher = go.publish(&network, 0, "unicast", "mortal", &["-text", "catch"]);
    let held = within("the message", messages.next()).await.unwrap();
    subscriber.close().await;
    let ended = publisher.end().await;
    let last = ended.events.last().unwrap();
    let expected = "error code 104, send channel message failed";
    assert!(last.error().ends_with(expected), "{last:?}");
    drop(held);
    network.shutdown().await;
}
