//! Tests of draining: the client stops without losing accepted messages.

use std::pin::pin;

use super::*;

#[tokio::test(start_paused = true)]
async fn draining_hands_over_and_answers_what_was_accepted() {
    let (client, mut node) = connect().await;
    let (deliveries, _) = tokio::join!(client.deliveries::<Hello>(), node.confirm());
    let mut deliveries = deliveries.unwrap();
    let held = node.push(MessageKind::Unicast, 1, b"held").await;
    let in_hand = deliveries.next().await.unwrap().unwrap();
    let unread = node.push(MessageKind::Unicast, 2, b"unread").await;
    let mut draining = pin!(client.drain());
    assert!(futures::poll!(&mut draining).is_pending());
    assert!(node.set().await.is_empty());
    // Sent before the node removed the topic.
    let during = node.push(MessageKind::Unicast, 3, b"during").await;
    node.answer_heartbeat().await;
    assert!(node.is_quiet().await);
    assert!(futures::poll!(&mut draining).is_pending());
    let late = node.push(MessageKind::Unicast, 4, b"late").await;
    assert_eq!(node.answered(late).await.0, 104);
    assert!(matches!(
        client.subscribe::<Hello>().await,
        Err(SubscribeError::Disconnected { .. })
    ));

    for seq in [unread, during] {
        let delivery = deliveries.next().await.unwrap().unwrap();
        assert!(futures::poll!(&mut draining).is_pending());
        delivery.reply_bytes(1.to_string()).unwrap();
        assert!(node.is_quiet_but(seq).await);
    }
    assert!(deliveries.next().await.is_none());
    assert!(futures::poll!(&mut draining).is_pending());

    // Its reply depends on another message, which is still published.
    let other = hello();
    let mut asking = pin!(client.publish_unicast_raw(&other, "more".into()));
    assert!(futures::poll!(&mut asking).is_pending());
    let request = node.expect(FrameType::UNICAST).await;
    in_hand.reply_bytes(2.to_string()).unwrap();
    assert_eq!(node.answered(held).await, (0, "2".into()));
    assert!(futures::poll!(&mut draining).is_pending());
    node.answer(&request, 0, framed("")).await;
    asking.await.unwrap();
    draining.await.unwrap();
    assert_eq!(node.next().await, None);
    assert_eq!(client.closed().await, CloseReason::Local);
}

#[tokio::test(start_paused = true)]
async fn draining_does_not_wait_for_ever() {
    let builder = Client::builder().drain_timeout(Duration::from_secs(5));
    let (client, mut node) = connect_with(builder, PIPE).await;
    let mut subscription = subscribe(&client, &mut node).await;
    node.push(MessageKind::Unicast, 1, b"unread").await;
    node.push(MessageKind::Multicast, 2, b"unread").await;
    assert!(node.is_quiet().await);
    let started = tokio::time::Instant::now();
    let (drained, _) = tokio::join!(client.drain(), node.confirm());
    let error = drained.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(
        (error.unread, error.unanswered, error.publishing),
        (2, 1, 0)
    );
    assert_eq!(node.next().await, None);
    // As after any close, messages that need no answer can be read.
    assert_eq!(subscription.next().await, Some(text("unread")));
    assert_eq!(subscription.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn draining_an_idle_client_just_closes_it() {
    let (client, mut node) = connect().await;
    client.drain().await.unwrap();
    assert_eq!(node.next().await, None);
    client.drain().await.unwrap();
}

impl Node {
    /// Returns whether the answer to `seq` comes, and nothing else.
    async fn is_quiet_but(&mut self, seq: Seq) -> bool {
        self.answered(seq).await.0 == 0 && self.is_quiet().await
    }
}
