//! Messages between SDKs of 2.x and 3.x at one node.

use amop::{Client, PublishErrorKind};
use amop_node::Network;
use amop_proto::ws::{WsStatus, WsType};
use amop_testkit::{
    counted,
    v3::{V3Sdk, seq, ws_seq},
    within,
};
use tokio::{join, select};

use super::{Bridge, impatient};

#[tokio::test(flavor = "multi_thread")]
async fn a_unicast_of_3x_is_answered_by_a_client_of_2x() {
    let bridge = Bridge::start().await;
    let (client, mut sdk) = join!(bridge.v2(), bridge.v3());
    let topic = "价格".parse().unwrap();
    let mut messages = client.subscribe_raw(&topic).await.unwrap();
    let name = "价格".as_bytes();
    sdk.publish(WsType::UNICAST, "p", name, b"ping").await;
    let message = within("the message", messages.next()).await.unwrap();
    assert_eq!(message[..], b"ping"[..]);
    message.reply_bytes("pong").unwrap();
    let answer = within("the answer", sdk.message()).await.unwrap();
    assert_eq!(
        (answer.kind, answer.status),
        (WsType::RESPONSE, WsStatus(0))
    );
    assert_eq!(
        (answer.seq, &answer.payload[..]),
        (ws_seq("p"), &b"pong"[..])
    );
    // 1 MiB.
    let long = vec![7; 1 << 20];
    sdk.publish(WsType::UNICAST, "long", name, &long).await;
    let message = within("the message", messages.next()).await.unwrap();
    assert_eq!(message[..], long[..]);
    message.reply_bytes(long.clone()).unwrap();
    let answer = within("the answer", sdk.message()).await.unwrap();
    assert_eq!(answer.payload, long);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unicast_of_2x_is_answered_by_an_sdk_of_3x() {
    let bridge = Bridge::start().await;
    let (client, mut sdk) = join!(bridge.v2(), bridge.v3());
    within("the subscription", sdk.subscribe(&["topic"])).await;
    let topic = "topic".parse().unwrap();
    for (status, data) in [(0, "reply"), (42, "why")] {
        let (outcome, ()) = join!(client.publish_unicast_raw(&topic, "ping".into()), async {
            let (message, request) = within("the message", sdk.request()).await;
            assert_eq!(message.kind, WsType::UNICAST);
            assert_eq!(request.data, "ping");
            sdk.answer(&message, status, data).await;
        });
        match status {
            0 => assert_eq!(outcome.unwrap().payload, "reply"),
            _ => {
                let error = outcome.unwrap_err();
                let kind = error.kind();
                let rejected = matches!(kind, PublishErrorKind::Rejected { code: 42, .. });
                assert!(rejected, "{kind:?}");
            }
        }
    }
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unicast_goes_from_one_sdk_of_3x_to_another() {
    let bridge = Bridge::start().await;
    let (mut publisher, mut subscriber) = join!(bridge.v3(), bridge.v3());
    within("the subscription", subscriber.subscribe(&["topic"])).await;
    publisher
        .publish(WsType::UNICAST, "p", b"topic", b"ping")
        .await;
    let (message, _) = within("the message", subscriber.request()).await;
    assert_ne!(message.seq, ws_seq("p"));
    subscriber.answer(&message, 7, "pong").await;
    let answer = within("the answer", publisher.message()).await.unwrap();
    assert_eq!((answer.seq, answer.status), (ws_seq("p"), WsStatus(7)));
    assert_eq!(answer.payload, "pong");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_subscribes() {
    let bridge = Bridge::start().await;
    let mut sdk = bridge.v3().await;
    sdk.publish(WsType::UNICAST, "p", b"nobody", b"ping").await;
    let answer = within("the answer", sdk.message()).await.unwrap();
    assert_eq!(
        (answer.kind, answer.status),
        (WsType::NODE_ANSWER, WsStatus(3001))
    );
    assert_eq!(
        answer.payload,
        "there has no node subscribe this topic, topic: nobody"
    );
    bridge.stop().await;
}

/// Each gets one copy, the publisher too if it subscribes.
#[tokio::test(flavor = "multi_thread")]
async fn a_multicast_reaches_both_generations_once() {
    let bridge = Bridge::start().await;
    let (client, other, mut sdk) = join!(bridge.v2(), bridge.v2(), bridge.v3());
    let mut second = bridge.v3().await;
    let topic = "news".parse().unwrap();
    let mut messages = client.subscribe_raw(&topic).await.unwrap();
    within("the subscription", sdk.subscribe(&["news"])).await;
    within("the subscription", second.subscribe(&["other"])).await;
    // SDKs send a multicast over all their connections, with one seq.
    sdk.publish(WsType::MULTICAST, "m", b"news", b"from 3.x")
        .await;
    second
        .publish(WsType::MULTICAST, "m", b"news", b"from 3.x")
        .await;
    let message = within("the message", messages.next()).await.unwrap();
    assert_eq!(message[..], b"from 3.x"[..]);
    let (message, request) = within("the echo", sdk.request()).await;
    assert_eq!(
        (message.kind, &request.data[..]),
        (WsType::MULTICAST, &b"from 3.x"[..])
    );
    counted(&bridge.node, "both", |stats| stats.messages.multicasts == 2).await;
    other
        .publish_multicast_raw(&topic, "from 2.x".into())
        .await
        .unwrap();
    let message = within("the message", messages.next()).await.unwrap();
    assert_eq!(message[..], b"from 2.x"[..]);
    // The second copy would have come before.
    let (_, request) = within("the message", sdk.request()).await;
    assert_eq!(request.data, "from 2.x");
    bridge.stop().await;
}

/// The SDK in Go answers only if its program gives it a reply. Another subscriber must not get the
/// message as if it had not been delivered.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_answered_goes_to_nobody_else() {
    let bridge = Bridge::start_with(|builder| builder.timeouts(impatient())).await;
    let (client, mut sdk) = join!(bridge.v2(), bridge.v3());
    within("the subscription", sdk.subscribe(&["topic"])).await;
    let topic = "topic".parse().unwrap();
    let (outcome, subscriber) = join!(client.publish_unicast_raw(&topic, "ping".into()), async {
        within("the message", sdk.request()).await;
        // It arrives while the first has the message.
        let subscriber = bridge.v2().await;
        let messages = subscriber.subscribe_raw(&topic).await.unwrap();
        (subscriber, messages)
    });
    let error = outcome.unwrap_err();
    let kind = error.kind();
    assert!(matches!(kind, PublishErrorKind::NodeTimeout), "{kind:?}");
    let (subscriber, mut messages) = subscriber;
    client
        .publish_multicast_raw(&topic, "later".into())
        .await
        .unwrap();
    let message = within("the later message", messages.next()).await.unwrap();
    assert_eq!(message[..], b"later"[..]);
    drop(subscriber);
    // To a publisher of 3.x it is the status of a FISCO node.
    let mut publisher = bridge.v3().await;
    drop((messages, client));
    within("the multicast", sdk.request()).await;
    publisher
        .publish(WsType::UNICAST, "p", b"topic", b"ping")
        .await;
    let answer = within("the answer", publisher.message()).await.unwrap();
    assert_eq!(answer.status, WsStatus::TIMED_OUT);
    assert_eq!(answer.payload, "waiting for message response timed out");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_that_leaves_with_a_message_ends_it() {
    let bridge = Bridge::start().await;
    let (mut publisher, mut subscriber) = join!(bridge.v3(), bridge.v3());
    within("the subscription", subscriber.subscribe(&["topic"])).await;
    publisher
        .publish(WsType::UNICAST, "p", b"topic", b"ping")
        .await;
    within("the message", subscriber.request()).await;
    drop(subscriber);
    let answer = within("the answer", publisher.message()).await.unwrap();
    assert_eq!(answer.status, WsStatus::DISCONNECTED);
    // A native client of either generation says so, and asks nobody else.
    let v3 = Client::builder()
        .endpoint(bridge.v3_endpoint())
        .identity(bridge.certificates.sdk.clone())
        .connect();
    let (v2, v3) = join!(bridge.v2(), v3);
    let topic = "topic".parse().unwrap();
    for client in [v2, v3.unwrap()] {
        let (mut first, mut second) = join!(bridge.v3(), bridge.v3());
        within("the subscription", first.subscribe(&["topic"])).await;
        within("the subscription", second.subscribe(&["topic"])).await;
        let leave = async {
            select! {
                message = first.request() => drop((message, first)),
                message = second.request() => drop((message, second)),
            }
        };
        let published = client.publish_unicast_raw(&topic, "ping".into());
        let (published, ()) = within("the outcome", async { join!(published, leave) }).await;
        let error = published.unwrap_err();
        let left = matches!(error.kind(), PublishErrorKind::SubscriberLeft);
        assert!(left, "{error}");
        assert!(error.is_retryable() && error.may_have_been_delivered());
        client.close().await;
    }
    bridge.stop().await;
}

/// SDKs in Java write characters above U+FFFF so.
#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_not_text_harm_nobody() {
    let bridge = Bridge::start().await;
    let (mut sdk, mut other) = join!(bridge.v3(), bridge.v3());
    let topic = b"\xed\xa0\xbd\xed\xb8\x80";
    sdk.publish(WsType::UNICAST, "p", topic, b"ping").await;
    let answer = within("the answer", sdk.message()).await.unwrap();
    assert_eq!((answer.seq, answer.status), (ws_seq("p"), WsStatus(3001)));
    sdk.publish(WsType::MULTICAST, "m", topic, b"ping").await;
    let list = [&b"{\"topics\":[\""[..], topic, b"\",\"topic\"]}"].concat();
    sdk.send(WsType::SET_TOPICS, &seq("list"), list).await;
    check(&mut other, &mut sdk).await;
    bridge.stop().await;
}

/// Sends a unicast to an SDK that has the topic `topic`, or will have it soon.
async fn check(publisher: &mut V3Sdk, subscriber: &mut V3Sdk) {
    let answering = async {
        let (message, _) = subscriber.request().await;
        subscriber.answer(&message, 0, "pong").await;
    };
    let asking = async {
        loop {
            publisher
                .publish(WsType::UNICAST, "check", b"topic", b"ping")
                .await;
            let answer = publisher.message().await.unwrap();
            if answer.status != WsStatus(3001) {
                return answer;
            }
        }
    };
    let (answer, ()) = within("an exchange", async { join!(asking, answering) }).await;
    assert_eq!(answer.payload, "pong");
}

/// Other nodes know a topic when `subscribe` returns.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_3x_is_known_at_other_nodes_once_it_is_subscribed_to() {
    let network = Network::start_bridged(2).await.unwrap();
    let access = network.v3_access(1).unwrap();
    let (publisher, subscriber) = join!(
        Client::connect_with(network.access(0)),
        Client::connect_with(access)
    );
    let (publisher, subscriber) = (publisher.unwrap(), subscriber.unwrap());
    for number in 0..100 {
        let topic = format!("topic {number}").parse().unwrap();
        let mut messages = subscriber.subscribe_raw(&topic).await.unwrap();
        let (published, ()) = join!(
            publisher.publish_unicast_raw(&topic, "ping".into()),
            async {
                let message = within("the message", messages.next()).await.unwrap();
                message.reply_bytes("pong").unwrap();
            }
        );
        assert_eq!(published.unwrap().payload, "pong", "of topic {number}");
    }
    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
}
