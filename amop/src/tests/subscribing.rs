//! Tests of subscriptions and of how they handle messages.

use std::{collections::BTreeSet, pin::pin};

use super::*;

#[tokio::test(start_paused = true)]
async fn subscribing_resolves_when_the_node_has_the_topic() {
    let (client, mut node) = connect().await;
    let mut subscribing = pin!(client.subscribe::<Hello>());
    assert!(futures::poll!(&mut subscribing).is_pending());
    assert_eq!(node.set().await, ["hello"]);
    let heartbeat = node.expect(FrameType::HEARTBEAT).await;
    assert!(node.is_quiet().await);
    assert!(futures::poll!(&mut subscribing).is_pending());
    node.send(heartbeat).await;
    drop(subscribing.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn subscriptions_made_together_share_a_set() {
    let (client, mut node) = connect().await;
    let (a, b, c, topics) = tokio::join!(
        client.subscribe_to::<Hello>("a"),
        client.deliveries_to::<Hello>("b"),
        client.subscribe_to::<Hello>("a"),
        node.confirm()
    );
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert_eq!(topics, ["a", "b"]);
    // The topic is known already.
    let d = client.subscribe_to::<Hello>("a").await.unwrap();
    assert!(node.is_quiet().await);
    drop((a, c));
    assert!(node.is_quiet().await);
    drop(d);
    assert_eq!(node.confirm().await, ["b"]);
    drop(b);
    assert!(node.confirm().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_not_confirmed_is_taken_back() {
    let builder = Client::builder().timeout(Duration::from_secs(3));
    let (client, mut node) = connect_with(builder, PIPE).await;
    let (subscribed, ()) = tokio::join!(client.subscribe::<Hello>(), async {
        assert_eq!(node.set().await, ["hello"]);
        node.expect(FrameType::HEARTBEAT).await;
        // The node answers heartbeats, but does not confirm the topics.
        node.lives(Duration::from_secs(4)).await;
    });
    let error = subscribed.unwrap_err();
    assert!(matches!(error, SubscribeError::Timeout { .. }));
    assert!(error.to_string().contains("node:1"));
    assert!(node.confirm().await.is_empty());

    // A subscription whose future is dropped is removed, too.
    {
        let mut subscribing = pin!(client.subscribe::<Hello>());
        assert!(futures::poll!(&mut subscribing).is_pending());
        assert_eq!(node.confirm().await, ["hello"]);
    }
    assert!(node.confirm().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_unicast_is_acknowledged_when_it_is_taken() {
    let (client, mut node) = connect().await;
    let mut subscription = subscribe(&client, &mut node).await;
    let seq = node.push(MessageKind::Unicast, 1, b"a").await;
    assert!(node.is_quiet().await);
    assert_eq!(subscription.next().await, Some(text("a")));
    assert_eq!(node.answered(seq).await, (0, Bytes::new()));

    node.push(MessageKind::Multicast, 2, b"b").await;
    assert_eq!(subscription.next().await, Some(text("b")));
    assert!(node.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_is_counted_and_told_to_the_publisher() {
    let (client, mut node) = connect().await;
    let mut subscription = subscribe(&client, &mut node).await;
    let bad = node.push(MessageKind::Unicast, 1, b"\xff").await;
    node.push(MessageKind::Multicast, 2, b"\xff\xff").await;
    let good = node.push(MessageKind::Unicast, 3, b"good").await;
    assert_eq!(subscription.next().await, Some(text("good")));
    assert_eq!(node.answered(bad).await, (105, Bytes::new()));
    assert_eq!(node.answered(good).await, (0, Bytes::new()));
    assert_eq!(subscription.errors().count(), 2);
    let last = subscription.errors().last().unwrap();
    assert_eq!(last.kind(), MessageKind::Multicast);
    let shown = last.to_string();
    assert!(
        shown.contains("2 bytes") && shown.contains("hello"),
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn deliveries_answer_in_every_way() {
    let (client, mut node) = connect().await;
    let (deliveries, _) = tokio::join!(client.deliveries::<Hello>(), node.confirm());
    let mut deliveries = deliveries.unwrap();
    type Answer = fn(Delivery<Hello>);
    let cases: [(Answer, i32, &str); 6] = [
        (|d| d.reply_bytes(42.to_string()).unwrap(), 0, "42"),
        (|d| d.reply_bytes("raw").unwrap(), 0, "raw"),
        (|d| d.refuse(7).unwrap(), 7, ""),
        (|d| d.refuse(0).unwrap(), 104, ""),
        (drop, 0, ""),
        (|d| assert_eq!(d.into_inner(), text("x")), 0, ""),
    ];
    for (n, (answer, result, payload)) in (b'a'..).zip(cases) {
        let seq = node.push(MessageKind::Unicast, n, b"x").await;
        let delivery = deliveries.next().await.unwrap().unwrap();
        assert_eq!(delivery.0, "x");
        assert_eq!(delivery.kind(), MessageKind::Unicast);
        assert_eq!(delivery.topic(), "hello");
        assert_eq!(
            delivery.seq().to_string(),
            char::from(n).to_string().repeat(32)
        );
        assert!(node.is_quiet().await);
        answer(delivery);
        assert_eq!(node.answered(seq).await, (result, payload.into()));
        assert!(node.is_quiet().await);
    }

    // The same for a topic with replies: an empty answer could be read as a reply.
    drop(deliveries);
    let (deliveries, _) = tokio::join!(client.deliveries::<Question>(), node.confirm());
    let mut questions = deliveries.unwrap();
    type Reply = fn(Delivery<Question>);
    let cases: [(Reply, i32, &str); 3] = [
        (|d| d.reply(42).unwrap(), 0, "42"),
        (drop, 106, ""),
        (|d| drop(d.into_inner()), 106, ""),
    ];
    for (n, (answer, result, payload)) in (b'A'..).zip(cases) {
        let seq = node.push(MessageKind::Unicast, n, b"x").await;
        answer(questions.next().await.unwrap().unwrap());
        assert_eq!(node.answered(seq).await, (result, payload.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_answered_says_so() {
    let (client, mut node) = connect().await;
    let (deliveries, _) = tokio::join!(client.deliveries::<Hello>(), node.confirm());
    let mut deliveries = deliveries.unwrap();
    node.push(MessageKind::Multicast, b'2', b"x").await;
    let delivery = deliveries.next().await.unwrap().unwrap();
    assert!(matches!(
        delivery.reply_bytes(1.to_string()),
        Err(ReplyError::Multicast { .. })
    ));
    let bad = node.push(MessageKind::Unicast, b'3', b"\xff").await;
    let error = deliveries.next().await.unwrap().unwrap_err();
    assert_eq!(error.seq().to_string(), "3".repeat(32));
    assert_eq!(node.answered(bad).await, (105, Bytes::new()));
    assert!(node.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_sent_say_so() {
    let (client, mut node) = connect_with(Client::builder().max_frame(300), PIPE).await;
    let topic = hello();
    let (raw, _) = tokio::join!(client.subscribe_raw(&topic), node.confirm());
    let mut raw = raw.unwrap();
    let seq = node.push(MessageKind::Unicast, 1, b"").await;
    let delivery = raw.next().await.unwrap();
    let error = delivery.reply_bytes(vec![0; 253]).unwrap_err();
    assert!(matches!(
        error,
        ReplyError::TooLarge {
            len: 301,
            max: 300,
            ..
        }
    ));
    // Not a reply, and nothing that could be read as a reply.
    assert_eq!(node.answered(seq).await, (106, Bytes::new()));

    node.push(MessageKind::Unicast, 2, b"").await;
    let delivery = raw.next().await.unwrap();
    client.close().await;
    assert!(matches!(
        delivery.reply_bytes(""),
        Err(ReplyError::Disconnected { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn two_subscriptions_share_unicasts_and_both_get_multicasts() {
    let (client, mut node) = connect().await;
    let mut a = subscribe(&client, &mut node).await;
    let mut b = client.subscribe::<Hello>().await.unwrap();
    node.push(MessageKind::Multicast, 0, b"all").await;
    for n in 1..=6 {
        node.push(MessageKind::Unicast, n, &[b'0' + n]).await;
    }
    assert_eq!(a.next().await, Some(text("all")));
    assert_eq!(b.next().await, Some(text("all")));
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        seen.insert(a.next().await.unwrap().0);
        seen.insert(b.next().await.unwrap().0);
    }
    assert_eq!(seen.len(), 6);

    // After one is unsubscribed, the other gets everything, and the node need not know.
    a.unsubscribe().await.unwrap();
    assert_eq!(a.next().await, None);
    for n in 7..=9 {
        let seq = node.push(MessageKind::Unicast, n, b"b's").await;
        assert_eq!(b.next().await, Some(text("b's")));
        while node.expect(FrameType::RESPONSE).await.seq != seq {}
    }
    assert!(node.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_full_subscription_leaves_unicasts_to_the_other() {
    let (client, mut node) = connect_with(Client::builder().queue(1), PIPE).await;
    let a = subscribe(&client, &mut node).await;
    let b = client.subscribe::<Hello>().await.unwrap();
    for n in 1..=2 {
        node.push(MessageKind::Unicast, n, b"").await;
    }
    let refused = node.push(MessageKind::Unicast, 3, b"").await;
    assert_eq!(node.answered(refused).await.0, 104);
    assert_eq!(a.lagged() + b.lagged(), 1);
}

#[tokio::test(start_paused = true)]
async fn unsubscribing_loses_nothing_that_was_delivered() {
    let (client, mut node) = connect().await;
    let mut subscription = subscribe(&client, &mut node).await;
    let before = node.push(MessageKind::Unicast, 1, b"before").await;
    let (result, during) = tokio::join!(subscription.unsubscribe(), async {
        assert!(node.set().await.is_empty());
        // The node sends this before it has handled the new set.
        let during = node.push(MessageKind::Unicast, 2, b"during").await;
        node.answer_heartbeat().await;
        during
    });
    result.unwrap();
    let after = node.push(MessageKind::Unicast, 3, b"after").await;
    assert_eq!(node.answered(after).await.0, 104);

    assert_eq!(subscription.next().await, Some(text("before")));
    assert_eq!(subscription.next().await, Some(text("during")));
    assert_eq!(subscription.next().await, None);
    assert_eq!(node.answered(before).await.0, 0);
    assert_eq!(node.answered(during).await.0, 0);
    // It is already unsubscribed; dropping it changes nothing more.
    drop(subscription);
    assert!(node.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_subscription_refuses_what_it_holds() {
    let (client, mut node) = connect().await;
    let subscription = subscribe(&client, &mut node).await;
    let unread = node.push(MessageKind::Unicast, 1, b"unread").await;
    node.push(MessageKind::Multicast, 2, b"unread").await;
    assert!(node.is_quiet().await);
    drop(subscription);
    assert_eq!(node.answered(unread).await.0, 104);
    assert!(node.set().await.is_empty());
    // The change is not confirmed yet, but there is no subscription to take the message.
    let late = node.push(MessageKind::Unicast, 3, b"late").await;
    node.answer_heartbeat().await;
    assert_eq!(node.answered(late).await.0, 104);
    assert!(node.is_quiet().await);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn subscribing_again_at_once_keeps_the_topic() {
    let (client, mut node) = connect().await;
    let subscription = subscribe(&client, &mut node).await;
    drop(subscription);
    let (again, topics) = tokio::join!(client.subscribe::<Hello>(), node.confirm());
    let mut again = again.unwrap();
    assert_eq!(topics, ["hello"]);
    node.push(MessageKind::Multicast, 1, b"a").await;
    assert_eq!(again.next().await, Some(text("a")));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_never_waits_lets_others_run() {
    let (client, mut node) = connect().await;
    let mut subscription = subscribe(&client, &mut node).await;
    for n in 0..200 {
        node.push(MessageKind::Multicast, n, b"").await;
    }
    // Let the driver read them all.
    assert!(node.is_quiet().await);
    let other = tokio::spawn(async {});
    let mut before_other = 0;
    while !other.is_finished() {
        subscription.next().await.unwrap();
        before_other += 1;
    }
    assert!(before_other < 200, "{before_other}");
}

#[tokio::test(start_paused = true)]
async fn copies_of_a_multicast_are_dropped() {
    let (client, mut node) = connect().await;
    let mut subscription = subscribe(&client, &mut node).await;
    for n in [1, 1, 2, 1] {
        node.push(MessageKind::Multicast, n, &[b'0' + n]).await;
    }
    for expected in ["1", "2"] {
        assert_eq!(subscription.next().await, Some(text(expected)));
    }
    node.push(MessageKind::Multicast, 3, b"3").await;
    assert_eq!(subscription.next().await, Some(text("3")));
    assert_eq!(subscription.stats().received, 3);
}
