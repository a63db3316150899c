//! The native client publishes, go-sdk subscribes.

use amop::TopicName;
use amop_interop::known_at;
use amop_testkit::{client, network, within};

use super::{MIB, binary, go_sdk};

#[amop::topic("greet", reply = "String")]
#[derive(Debug, Clone, PartialEq)]
struct Greet(String);

/// The nodes of the subscriber: the publisher's own and the other.
const NODES: [usize; 2] = [0, 1];

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    for node in NODES {
        let mut subscriber = go
            .subscribe(&network, node, "greet", &["-reply", "grüezi"])
            .await;
        // Wait if the subscriber is on the other node; its own node knows it.
        known_at(&network, 0, "greet", node).await;
        let answer = Greet("你好".to_owned()).request(&publisher).await;
        assert_eq!(answer.unwrap(), "grüezi");
        let received = subscriber.expect("received").await;
        assert_eq!(received.text.as_deref(), Some("你好"));
        subscriber.kill().await;
    }
    publisher.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mebibyte_comes_back_unchanged() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new("large").unwrap();
    let sent = binary(MIB);
    for node in NODES {
        let mut subscriber = go.subscribe(&network, node, "large", &["-echo"]).await;
        // Wait if the subscriber is on the other node; its own node knows it.
        known_at(&network, 0, "large", node).await;
        // Again on the same connection: nothing may remain of the first message.
        for _ in 0..3 {
            let reply = publisher
                .publish_unicast_raw(&topic, sent.clone().into())
                .await
                .unwrap();
            assert!(reply.payload == sent, "the reply differs");
            let received = subscriber.expect("received").await;
            assert!(received.has(&sent), "{received:?}");
        }
        subscriber.kill().await;
    }
    publisher.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_message_gets_an_empty_answer() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new("empty").unwrap();
    let mut subscriber = go.subscribe(&network, 1, "empty", &[]).await;
    known_at(&network, 0, "empty", 1).await;
    let reply = publisher
        .publish_unicast_raw(&topic, "".into())
        .await
        .unwrap();
    assert_eq!(reply.payload, "");
    assert_eq!(subscriber.expect("received").await.bytes, Some(0));
    publisher.close().await;
    network.shutdown().await;
}

/// A multicast reaches the subscribers on both nodes once each. go-sdk answers multicasts as well,
/// which must have no effect.
#[tokio::test(flavor = "multi_thread")]
async fn multicasts_reach_all_subscribers_once() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new("news").unwrap();
    let mut subscribers = Vec::new();
    for node in [0, 1, 1] {
        let subscriber = go.subscribe(&network, node, "news", &["-reply", "thanks"]);
        subscribers.push(subscriber.await);
    }
    known_at(&network, 0, "news", 1).await;
    let messages = [b"first".to_vec(), binary(MIB), b"last".to_vec()];
    for message in &messages {
        publisher
            .publish_multicast_raw(&topic, message.clone().into())
            .await
            .unwrap();
        // go-sdk hands each message to its own goroutine, in no fixed order.
        for subscriber in &mut subscribers {
            let received = subscriber.expect("received").await;
            assert!(received.has(message), "{received:?}");
        }
    }
    // The answers to multicasts are not answers to this unicast.
    let reply = within(
        "an answer",
        publisher.publish_unicast_raw(&topic, "you?".into()),
    )
    .await;
    assert_eq!(reply.unwrap().payload, "thanks");
    publisher.close().await;
    network.shutdown().await;
}

/// go-sdk reads one frame per read: many frames at once must come in separate records (channel-v2
/// section 3.4).
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_read_whole() {
    const COUNT: usize = 200;
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let topic = TopicName::new("burst").unwrap();
    let mut subscriber = go.subscribe(&network, 1, "burst", &[]).await;
    known_at(&network, 0, "burst", 1).await;
    let mut expected = Vec::new();
    for number in 0..COUNT {
        let text = number.to_string();
        publisher
            .publish_multicast_raw(&topic, text.clone().into())
            .await
            .unwrap();
        expected.push(text);
    }
    let mut seen = Vec::new();
    for _ in 0..COUNT {
        seen.extend(subscriber.expect("received").await.text);
    }
    expected.sort();
    seen.sort();
    assert_eq!(seen, expected);
    publisher.close().await;
    network.shutdown().await;
}
