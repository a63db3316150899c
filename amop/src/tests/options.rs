//! Tests of handles with other settings: what calls through them use.

use tokio::time::Instant;

use super::{fake_nodes::FakeNodes, *};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn every_call_has_the_timeout_of_its_handle() {
    let (client, mut node) = connect().await;
    let live = tokio::spawn(async move {
        // Takes everything and answers nothing but heartbeats about liveness.
        while let Some(frame) = node.next().await {
            if frame.kind == FrameType::RPC || frame.kind == FrameType::HEARTBEAT {
                node.send(frame).await;
            }
        }
    });
    let hasty = client.with_timeout(secs(3));
    let topic = hello();
    for (handle, after) in [
        (&client, secs(10)),
        (&hasty, secs(3)),
        (&hasty.clone(), secs(3)),
    ] {
        let start = Instant::now();
        let error = handle.publish_unicast(&text("a")).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("{} ms", after.as_millis())),
            "{error}"
        );
        assert_eq!(start.elapsed(), after);
        let start = Instant::now();
        handle.publish_multicast(&text("a")).await.unwrap_err();
        handle.request(&Question("a".into())).await.unwrap_err();
        handle
            .publish_unicast_raw(&topic, "a".into())
            .await
            .unwrap_err();
        assert_eq!(start.elapsed(), 3 * after);
        let start = Instant::now();
        let mut publisher = handle.publisher::<Hello>().unwrap();
        publisher.publish(&text("a")).await.unwrap();
        publisher.flush().await.unwrap_err();
        assert_eq!(start.elapsed(), after);
    }
    drop((client, hasty));
    live.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn subscribing_and_unsubscribing_have_the_timeout_of_the_handle() {
    let (client, mut node) = connect().await;
    let start = Instant::now();
    let hasty = client.with_timeout(secs(2));
    let (failed, _) = tokio::join!(hasty.subscribe::<Hello>(), node.set());
    assert!(matches!(failed, Err(SubscribeError::Timeout { after, .. }) if after == secs(2)));
    assert_eq!(start.elapsed(), secs(2));
    // The set without the topic.
    assert!(node.confirm().await.is_empty());

    let hasty = client.with_timeout(secs(3));
    let mut subscription = subscribe(&hasty, &mut node).await;
    let start = Instant::now();
    let (failed, _) = tokio::join!(subscription.unsubscribe(), node.set());
    assert!(matches!(failed, Err(SubscribeError::Timeout { after, .. }) if after == secs(3)));
    assert_eq!(start.elapsed(), secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_handle_decides_what_its_calls_do_while_no_node_is_connected() {
    let (mut nodes, client, [node]) = FakeNodes::connected::<1>(Client::builder()).await;
    nodes.set_open(0, false);
    drop(node);
    let mut events = client.events();
    while !matches!(events.next().await, Some(Event::Disconnected { .. })) {}
    let start = Instant::now();
    let hasty = client.with_offline(OfflinePolicy::FailFast);
    hasty.publish_unicast(&text("a")).await.unwrap_err();
    hasty.subscribe::<Hello>().await.unwrap_err();
    let mut publisher = hasty.publisher::<Hello>().unwrap();
    publisher.publish(&text("a")).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    // The other handle waits.
    client.publish_unicast(&text("a")).await.unwrap_err();
    assert_eq!(start.elapsed(), secs(10));
    assert!(nodes.is_deserted(0, Duration::ZERO).await);
}

#[tokio::test(start_paused = true)]
async fn a_handle_decides_about_the_queues_of_its_subscriptions() {
    let (client, mut node) = connect().await;
    let newest = client
        .with_queue(2)
        .with_overflow(OverflowPolicy::DropOldest);
    let mut subscription = subscribe(&newest, &mut node).await;
    for n in 1..=5 {
        node.push(MessageKind::Multicast, n, n.to_string().as_bytes())
            .await;
    }
    node.lives(Duration::from_millis(10)).await;
    assert_eq!(subscription.next().await, Some(text("4")));
    assert_eq!(subscription.next().await, Some(text("5")));
    assert_eq!(subscription.lagged(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_handle_decides_how_long_its_drain_may_take() {
    let (client, mut node) = connect().await;
    let subscription = subscribe(&client, &mut node).await;
    node.push(MessageKind::Multicast, 1, b"unread").await;
    let start = Instant::now();
    let hasty = client.with_drain_timeout(secs(2));
    let (drained, ()) = tokio::join!(hasty.drain(), async {
        node.confirm().await;
        node.lives(secs(3)).await;
    });
    assert_eq!(drained.unwrap_err().after, secs(2));
    assert!(start.elapsed() < secs(4));
    drop(subscription);
}

#[tokio::test(start_paused = true)]
async fn a_handle_keeps_the_client_open_as_a_clone_does() {
    let (client, mut node) = connect().await;
    let handle = client.with_timeout(secs(1)).with_multicast_copies(3);
    drop(client);
    assert!(node.is_quiet().await);
    assert!(handle.is_connected());
    drop(handle);
    assert_eq!(node.next().await, None);
}
