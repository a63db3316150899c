//! The publishing side: grants, and subscribers that prove themselves.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_unicast_waits_until_a_subscriber_is_verified() {
    let (client, mut node, key) = granted().await;
    let mut events = client.events();
    let message = secret();
    let (published, ()) = tokio::join!(client.publish_unicast(&message), async {
        let first = node.expect(FrameType::UNICAST).await;
        assert_eq!(first.body, body(b"of the trade"));
        node.answer(&first, result_code::NO_SUBSCRIBER, Bytes::new())
            .await;
        let challenge = node.wish(1, &route(1)).await;
        let before = tokio::time::Instant::now();
        node.sign(&challenge, &key).await;
        node.verdict().await;
        // At once, and after the result.
        let again = node.expect(FrameType::UNICAST).await;
        assert!(before.elapsed() < Duration::from_millis(10));
        assert_eq!((again.seq, &again.body), (first.seq, &first.body));
        node.answer(&again, 0, body(b"")).await;
    });
    published.unwrap();
    expect_verified(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_verified_subscriber_a_unicast_fails_at_its_deadline() {
    for offline in [OfflinePolicy::Wait, OfflinePolicy::FailFast] {
        let builder = Client::builder().offline(offline);
        let (client, mut node) = connect_with(builder, PIPE).await;
        let keys = [TopicKey::generate().public_key()];
        let (granted, _) = tokio::join!(client.grant::<Secret>(&keys), node.confirm());
        granted.unwrap();
        let before = tokio::time::Instant::now();
        let answering = async {
            while let Some(frame) = node.next().await {
                if frame.kind == FrameType::UNICAST {
                    node.answer(&frame, result_code::NO_SUBSCRIBER, Bytes::new())
                        .await;
                }
            }
        };
        let message = secret();
        let error = tokio::select! {
            published = client.publish_unicast(&message) => published.unwrap_err(),
            () = answering => panic!("the connection is closed"),
        };
        assert_eq!(before.elapsed().as_secs(), 10);
        assert!(
            matches!(error.kind(), PublishErrorKind::NoVerifiedSubscriber { .. })
                && (error.topic(), error.endpoint()) == ("secret", Some("node:1")),
            "{error:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_refuses_is_an_answer() {
    let (client, mut node, _) = granted().await;
    let message = secret();
    let (published, ()) = tokio::join!(client.publish_unicast(&message), async {
        let frame = node.expect(FrameType::UNICAST).await;
        node.answer(&frame, result_code::NO_SESSION, frame.body.clone())
            .await;
    });
    let error = published.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Unanswered) && error.topic() == "secret",
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_out_without_a_grant() {
    let (client, mut node) = connect().await;
    let message = secret();
    let refused = |error: PublishError| {
        assert!(
            matches!(error.kind(), PublishErrorKind::NotGranted) && error.topic() == "secret",
            "{error:?}"
        );
    };
    refused(client.publish_unicast(&message).await.unwrap_err());
    refused(client.publish_multicast(&message).await.unwrap_err());
    let raw = client.publish_unicast_raw(name().topic(), "x".into()).await;
    refused(raw.unwrap_err());
    assert!(node.is_quiet().await);
    // A public topic cannot be granted either.
    let keys = [TopicKey::generate().public_key()];
    let error = client.grant::<Hello>(&keys).await.unwrap_err();
    assert!(matches!(error, GrantError::NotPrivate { .. }), "{error:?}");
    let error = client.grant::<Secret>(&[]).await.unwrap_err();
    assert!(matches!(error, GrantError::NoKeys { .. }), "{error:?}");
    assert!(node.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_multicast_goes_to_those_who_are_verified() {
    let (client, mut node, _) = granted().await;
    let message = secret();
    let (published, ()) = tokio::join!(client.publish_multicast(&message), async {
        let frame = node.expect(FrameType::MULTICAST).await;
        assert_eq!(frame.body, body(b"of the trade"));
        node.answer(&frame, 0, frame.body.clone()).await;
    });
    published.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_told_once_and_never_to_the_node() {
    let (client, mut node, key) = granted().await;
    let mut events = client.events();
    let wrong = TopicKey::generate();
    for n in 1..=3 {
        let challenge = node.wish(n, &route(1)).await;
        node.sign(&challenge, &wrong).await;
        assert!(node.is_quiet().await);
    }
    let failed = failure(&mut events).await;
    let key_of_it = Some(wrong.public_key());
    assert_eq!(failed, VerificationFailure::UnknownKey { key: key_of_it });
    assert!(events.next().now_or_never().is_none());
    // The right subscriber can follow.
    let challenge = node.wish(4, &route(2)).await;
    node.sign(&challenge, &key).await;
    node.verdict().await;
    expect_verified(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn a_signature_of_another_challenge_proves_nothing() {
    let (client, mut node, key) = granted().await;
    let mut events = client.events();
    let first = node.wish(1, &route(1)).await;
    let signature = node.sign(&first, &key).await;
    node.verdict().await;
    expect_verified(&mut events).await;
    // The same answer again, without a challenge and to the next challenge.
    node.answer_with(&first, &signature).await;
    assert!(node.is_quiet().await);
    let second = node.wish(2, &route(1)).await;
    let payload = |frame: &Frame| split_topic(&frame.body).unwrap().payload;
    assert_ne!(payload(&first), payload(&second));
    node.answer_with(&second, &signature).await;
    assert!(node.is_quiet().await);
    let failed = failure(&mut events).await;
    assert!(matches!(failed, VerificationFailure::UnknownKey { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_node_cannot_vouch_for_a_subscriber() {
    let (client, mut node, _) = granted().await;
    let mut events = client.events();
    // Success without a signature.
    let challenge = node.wish(1, &route(1)).await;
    node.answer_with(&challenge, b"").await;
    let failed = failure(&mut events).await;
    assert_eq!(failed, VerificationFailure::NoSignature { len: 0 });
    // An invented signature.
    let challenge = node.wish(2, &route(1)).await;
    node.answer_with(&challenge, &[7; 65]).await;
    let failed = failure(&mut events).await;
    assert!(matches!(failed, VerificationFailure::UnknownKey { .. }));
    // There is no subscriber.
    let challenge = node.wish(3, &route(1)).await;
    node.answer(&challenge, result_code::NO_SUBSCRIBER, Bytes::new())
        .await;
    assert_eq!(failure(&mut events).await, VerificationFailure::NoAnswer);
    assert!(node.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_topic_never_granted_is_not_verified() {
    let (client, mut node) = connect().await;
    let mut events = client.events();
    let topic = name();
    let wish = format!(
        "{{\"nodeId\":\"{OTHER_NODE}\",\"topic\":\"{}\",\"topicForCert\":\"{}\"}}\n",
        topic.topic(),
        route(1)
    );
    node.send(Frame::new(FrameType::VERIFY_PEER, Seq([1; 32]), wish))
        .await;
    node.expect(FrameType::VERIFY_PEER).await;
    assert!(node.is_quiet().await);
    assert_eq!(failure(&mut events).await, VerificationFailure::NotGranted);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_grant_verifies_nobody() {
    let (client, mut node, key) = granted().await;
    let challenge = node.wish(1, &route(1)).await;
    let (revoked, topics) = tokio::join!(client.revoke::<Secret>(), node.confirm());
    assert!(revoked.unwrap());
    assert!(topics.is_empty());
    // Not even the subscriber that was asked before.
    node.sign(&challenge, &key).await;
    assert!(node.is_quiet().await);
    assert!(!client.revoke::<Secret>().await.unwrap());
    let error = client.publish_unicast(&secret()).await.unwrap_err();
    assert!(matches!(error.kind(), PublishErrorKind::NotGranted));
}

#[tokio::test(start_paused = true)]
async fn every_connection_verifies_again() {
    let (mut fake_nodes, client, nodes) = FakeNodes::connected::<2>(Client::builder()).await;
    let [mut a, mut b] = nodes;
    let mut events = client.events();
    let key = TopicKey::generate();
    let keys = [key.public_key()];
    let topic = name();
    let grant = client.grant_to(&topic, &keys);
    let (granted, _, _) = tokio::join!(grant, a.confirm(), b.confirm());
    granted.unwrap();
    for node in [&mut a, &mut b] {
        let challenge = node.wish(1, &route(1)).await;
        node.sign(&challenge, &key).await;
        node.verdict().await;
        expect_verified(&mut events).await;
    }
    drop(a);
    let mut a = fake_nodes.welcome(0).await;
    assert_eq!(a.confirm().await, [name().push_topic().as_str()]);
    let challenge = a.wish(1, &route(1)).await;
    a.sign(&challenge, &key).await;
    a.verdict().await;
    // Reported again: this node did not know it.
    expect_verified(&mut events).await;
}

// ---- the subscriber ----

#[tokio::test(start_paused = true)]
async fn grants_can_be_there_from_the_start() {
    let key = TopicKey::generate();
    let builder = Client::builder().grant(name(), [key.public_key()]);
    let (mut fake_nodes, client) = FakeNodes::start(1, &builder);
    let client = tokio::spawn(client);
    let mut node = fake_nodes.welcome(0).await;
    assert_eq!(node.confirm().await, [name().push_topic().as_str()]);
    let _client = client.await.unwrap().unwrap();
    let challenge = node.wish(1, &route(1)).await;
    node.sign(&challenge, &key).await;
    node.verdict().await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_sends_nothing_of_a_topic_that_was_revoked() {
    let (client, mut node, _key) = granted().await;
    let mut publisher = client.publisher::<Secret>().unwrap();
    for _ in 0..2 {
        publisher.publish(&secret()).await.unwrap();
        let frame = node.expect(FrameType::MULTICAST).await;
        assert_eq!(frame.body, body(b"of the trade"));
    }
    let (revoked, _) = tokio::join!(client.revoke::<Secret>(), node.confirm());
    assert!(revoked.unwrap());
    let error = publisher.publish(&secret()).await.unwrap_err();
    assert!(matches!(error.kind(), PublishErrorKind::NotGranted) && error.topic() == "secret");
    // A message that was open on a lost connection is not sent again either.
    node.stream.shutdown().await.unwrap();
    client.closed().await;
    let error = publisher.flush().await.unwrap_err();
    assert_eq!((&*error.topic, error.failed), ("secret", 2));
    assert!(matches!(error.first.kind(), PublishErrorKind::NotGranted));
}
