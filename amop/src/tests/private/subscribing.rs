//! The subscribing side: challenges, and keys.

use super::*;

/// Returns a subscription, and the topic on which its challenges arrive.
async fn subscribed(
    client: &Client,
    node: &mut Node,
    key: &TopicKey,
) -> (Subscription<Secret>, String) {
    let (subscription, topics) = tokio::join!(client.subscribe_private(key), node.confirm());
    let [topic, route] = &topics[..] else {
        panic!("{topics:?}");
    };
    assert_eq!(topic, name().topic().as_str());
    assert!(route.starts_with("#!$VerifyChannel_#!$TopicNeedVerify_secret_"));
    (subscription.unwrap(), route.clone())
}

/// Pushes a challenge, and returns the answer's result and payload.
async fn challenge(node: &mut Node, route: &str, challenge: &[u8]) -> (i32, Bytes) {
    let frame = Frame::amop(
        FrameType::UNICAST,
        Seq([9; 32]),
        route.as_bytes(),
        challenge,
    );
    node.send(frame.clone()).await;
    let answer = node.expect(FrameType::RESPONSE).await;
    assert_eq!(answer.seq, frame.seq);
    let parts = split_topic(&answer.body).unwrap();
    assert_eq!(parts.topic, route.as_bytes());
    (answer.result, parts.payload)
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_signs_challenges_and_gets_messages() {
    let (client, mut node) = connect().await;
    let key = TopicKey::generate();
    let (mut subscription, route) = subscribed(&client, &mut node, &key).await;
    assert_eq!(subscription.topic(), "secret");
    let (result, signature) = challenge(&mut node, &route, b"challenge").await;
    assert_eq!(result, 0);
    let signer = TopicPublicKey::of_signer(b"challenge", &signature);
    assert_eq!(signer, Some(key.public_key()));

    let topic = name();
    let push = Frame::amop(
        FrameType::MULTICAST,
        Seq([1; 32]),
        topic.topic().as_bytes(),
        b"text",
    );
    node.send(push).await;
    assert_eq!(subscription.next().await, Some(Secret("text".into())));

    // Data that no publisher sends is not signed.
    let (result, _) = challenge(&mut node, &route, &[0; 65]).await;
    assert_eq!(result, result_code::DECODE);

    let (left, topics) = tokio::join!(subscription.unsubscribe(), node.confirm());
    left.unwrap();
    assert!(topics.is_empty());
    drop(subscription);
    let (_subscription, new) = subscribed(&client, &mut node, &TopicKey::generate()).await;
    assert_ne!(new, route);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_share_a_key_and_the_last_one_takes_it_along() {
    let (client, mut node) = connect().await;
    let key = TopicKey::generate();
    let (first, route) = subscribed(&client, &mut node, &key).await;
    let second = client.subscribe_private::<Secret>(&key).await.unwrap();
    let other = TopicKey::generate();
    let error = client.subscribe_private::<Secret>(&other).await;
    let error = error.unwrap_err();
    assert!(matches!(&error, SubscribeError::OtherKey { topic } if topic == "secret"));
    drop(first);
    assert!(node.is_quiet().await);
    let (result, _) = challenge(&mut node, &route, b"challenge").await;
    assert_eq!(result, 0);
    drop(second);
    assert!(node.confirm().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn private_and_public_topics_are_not_mistaken_for_each_other() {
    let (client, mut node) = connect().await;
    let error = client.subscribe::<Secret>().await.unwrap_err();
    assert!(
        matches!(&error, SubscribeError::NoKey { topic } if topic == "secret"),
        "{error:?}"
    );
    let error = client.deliveries::<Secret>().await.unwrap_err();
    assert!(matches!(error, SubscribeError::NoKey { .. }), "{error:?}");
    let error = client.subscribe_raw(name().topic()).await.unwrap_err();
    assert!(matches!(error, SubscribeError::NoKey { .. }), "{error:?}");
    let key = TopicKey::generate();
    let error = client.subscribe_private::<Hello>(&key).await.unwrap_err();
    assert!(
        matches!(&error, SubscribeError::NotPrivate { topic } if topic == "hello"),
        "{error:?}"
    );
    assert!(node.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_back_with_its_key_on_every_connection() {
    let key = TopicKey::generate();
    let builder = Client::builder().topic_key(name(), &key);
    let (mut fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(builder).await;
    // The client's own key.
    let (subscription, topics) = tokio::join!(client.subscribe::<Secret>(), node.confirm());
    let _subscription = subscription.unwrap();
    drop(node);
    let mut node = fake_nodes.welcome(0).await;
    assert_eq!(node.confirm().await, topics);
    let (result, signature) = challenge(&mut node, &topics[1], b"challenge").await;
    assert_eq!(result, 0);
    let signer = TopicPublicKey::of_signer(b"challenge", &signature);
    assert_eq!(signer, Some(key.public_key()));
}
