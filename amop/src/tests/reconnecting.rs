//! Tests of connections that fail, come late, are lost, and come back.

use super::{fake_nodes::*, *};

fn patient() -> ClientBuilder {
    Client::builder().timeout(Duration::from_secs(60))
}

/// Returns a short form of an event and its node.
fn short(event: Option<Event>) -> String {
    match event.unwrap() {
        Event::Connected { endpoint, .. } => format!("+{endpoint}"),
        Event::Disconnected {
            endpoint, retry_in, ..
        } => format!(
            "-{endpoint} {}",
            if retry_in.is_some() { "again" } else { "over" }
        ),
        Event::ConnectFailed { endpoint, .. } => format!("!{endpoint}"),
        Event::Closed { reason } => format!("closed: {reason}"),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_will_do() {
    let (mut fake_nodes, client) = FakeNodes::start(3, &patient());
    fake_nodes.set_open(0, false);
    let client = tokio::spawn(client);
    // The second node does not answer yet.
    let mut late = fake_nodes.arrival(1).await;
    let _node = fake_nodes.welcome(2).await;
    let client = client.await.unwrap().unwrap();
    let mut events = client.events();
    assert_eq!(short(events.next().await), "+node:2");
    assert_eq!(client.nodes().len(), 1);
    late.shake_hands(3).await;
    assert_eq!(short(events.next().await), "+node:1");
    let nodes: Vec<String> = client
        .nodes()
        .into_iter()
        .map(|node| node.endpoint)
        .collect();
    assert_eq!(nodes, ["node:1", "node:2"]);
    assert_eq!(client.endpoints().count(), 3);
    // The first is tried again in the meantime.
    assert_eq!(short(events.next().await), "!node:0");
    fake_nodes.set_open(0, true);
    let _node = fake_nodes.welcome(0).await;
    while short(events.next().await) != "+node:0" {}
}

#[tokio::test(start_paused = true)]
async fn if_none_comes_about_every_reason_is_told() {
    let (mut fake_nodes, client) = FakeNodes::start(2, &patient());
    fake_nodes.set_open(0, false);
    let (error, ()) = tokio::join!(client, async {
        let mut node = fake_nodes.arrival(1).await;
        node.stream.shutdown().await.unwrap();
    });
    let error = error.unwrap_err();
    let ConnectError::AllFailed { failures } = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(*failures[0], ConnectError::Tcp { .. }));
    assert!(matches!(
        *failures[1],
        ConnectError::ClosedDuringHandshake { .. }
    ));
    let shown = error.to_string();
    assert!(
        shown.contains("node:0") && shown.contains("node:1"),
        "{shown}"
    );
    // No more connections are made.
    assert!(fake_nodes.is_deserted(1, Duration::from_secs(60)).await);
}

#[tokio::test(start_paused = true)]
async fn spares_are_used_when_they_are_needed() {
    let builder = patient().connections(ConnectionPolicy::AtMost(1));
    let (mut fake_nodes, client) = FakeNodes::start(3, &builder);
    fake_nodes.set_open(0, false);
    let client = tokio::spawn(client);
    let mut first = fake_nodes.welcome(1).await;
    let client = client.await.unwrap().unwrap();
    let mut events = client.events();
    assert_eq!(short(events.next().await), "+node:1");
    assert!(fake_nodes.is_deserted(2, Duration::from_secs(5)).await);
    first.stream.shutdown().await.unwrap();
    assert_eq!(short(events.next().await), "-node:1 again");
    let _second = fake_nodes.welcome(2).await;
    assert_eq!(short(events.next().await), "+node:2");
}

#[tokio::test(start_paused = true)]
async fn topics_are_back_before_the_connection_is() {
    let (mut fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(patient()).await;
    let mut events = client.events();
    assert_eq!(short(events.next().await), "+node:0");
    let mut subscription = subscribe(&client, &mut node).await;
    let _other = {
        let (other, _) = tokio::join!(client.subscribe_to::<Hello>("other"), node.confirm());
        other.unwrap()
    };
    drop(node);
    assert_eq!(short(events.next().await), "-node:0 again");
    assert!(!client.is_connected());

    let lost_at = tokio::time::Instant::now();
    let mut node = fake_nodes.welcome(0).await;
    let pause = lost_at.elapsed();
    assert!(pause >= Duration::from_millis(500) && pause <= Duration::from_secs(1));
    assert_eq!(node.set().await, ["hello", "other"]);
    // Subscribed to while the connection is being made.
    let (third, ()) = tokio::join!(client.subscribe_to::<Hello>("third"), async {
        assert!(!client.is_connected());
        node.answer_heartbeat().await;
        assert_eq!(node.confirm().await, ["hello", "other", "third"]);
    });
    let _third = third.unwrap();
    assert_eq!(short(events.next().await), "+node:0");
    assert!(client.is_connected());

    // The subscription continued meanwhile.
    let seq = node.push(MessageKind::Unicast, 1, b"a").await;
    assert_eq!(subscription.next().await, Some(text("a")));
    assert_eq!(node.answered(seq).await.0, 0);

    client.close().await;
    assert_eq!(short(events.next().await), "-node:0 over");
    assert_eq!(short(events.next().await), "closed: closed by this side");
    assert!(events.next().await.is_none());
    // A stream that is made later reports it as well.
    assert_eq!(
        short(client.events().next().await),
        "closed: closed by this side"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_confirm_the_topics_is_not_connected() {
    let builder = patient().connect_timeout(Duration::from_secs(3));
    let (mut fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(builder).await;
    let mut events = client.events();
    let _subscription = subscribe(&client, &mut node).await;
    drop(node);
    let mut node = fake_nodes.welcome(0).await;
    assert_eq!(node.set().await, ["hello"]);
    assert_eq!(short(events.next().await), "+node:0");
    assert_eq!(short(events.next().await), "-node:0 again");
    match events.next().await {
        Some(Event::ConnectFailed { error, .. }) => {
            let shown = error.to_string();
            assert!(shown.contains("confirmation of the topics"), "{shown}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_given_up_when_told_so() {
    let builder = patient().reconnect(ReconnectPolicy::forever().retries(2));
    let (fake_nodes, client, [node]) = FakeNodes::connected::<1>(builder).await;
    let mut subscription = {
        let mut node = node;
        subscribe(&client, &mut node).await
        // The node stops.
    };
    fake_nodes.set_open(0, false);
    let mut events = client.events();
    assert!(matches!(
        client.closed().await,
        CloseReason::Peer | CloseReason::Transport { .. }
    ));
    assert_eq!(subscription.next().await, None);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(short(Some(event)));
    }
    assert_eq!(
        seen[..4],
        ["+node:0", "-node:0 again", "!node:0", "!node:0"]
    );
    assert!(seen[4].starts_with("closed: "), "{seen:?}");
    let error = client.publish_multicast(&text("")).await.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Closed { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn offline_publishers_and_subscribers_wait_for_a_node() {
    let (mut fake_nodes, client, [node]) = FakeNodes::connected::<1>(patient()).await;
    drop(node);
    let topic = hello();
    let (reply, subscribed, ()) = tokio::join!(
        client.publish_unicast_raw(&topic, "x".into()),
        client.subscribe::<Hello>(),
        async {
            let mut node = fake_nodes.welcome(0).await;
            assert_eq!(node.confirm().await, ["hello"]);
            let request = node.expect(FrameType::UNICAST).await;
            node.answer(&request, 0, framed("y")).await;
            // The connection outlives this block.
            std::mem::forget(node);
        }
    );
    assert_eq!(reply.unwrap().payload, "y");
    drop(subscribed.unwrap());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_node_ends_at_the_timeout() {
    let builder = Client::builder().timeout(Duration::from_secs(3));
    let (fake_nodes, client, [node]) = FakeNodes::connected::<1>(builder).await;
    fake_nodes.set_open(0, false);
    let mut events = client.events();
    drop(node);
    while short(events.next().await) != "-node:0 again" {}
    let started = tokio::time::Instant::now();
    let message = text("x");
    let (published, subscribed) = tokio::join!(
        client.publish_multicast(&message),
        client.subscribe::<Hello>()
    );
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    let error = published.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Offline { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("node:0"), "{error}");
    assert!(matches!(subscribed, Err(SubscribeError::Offline { .. })));
}

#[tokio::test(start_paused = true)]
async fn failing_fast_does_not_wait() {
    let builder = patient().offline(OfflinePolicy::FailFast);
    let (fake_nodes, client, [node]) = FakeNodes::connected::<1>(builder).await;
    fake_nodes.set_open(0, false);
    let mut events = client.events();
    drop(node);
    while short(events.next().await) != "-node:0 again" {}
    let started = tokio::time::Instant::now();
    let published = client.publish_multicast(&text("x")).await;
    assert!(
        matches!(
            published.as_ref().map_err(PublishError::kind),
            Err(PublishErrorKind::Offline { .. })
        ),
        "{published:?}"
    );
    let subscribed = client.subscribe::<Hello>().await;
    assert!(matches!(subscribed, Err(SubscribeError::Offline { .. })));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_dialling_and_waiting() {
    let (mut fake_nodes, client, [node]) = FakeNodes::connected::<1>(patient()).await;
    let mut events = client.events();
    drop(node);
    while short(events.next().await) != "-node:0 again" {}
    let message = text("x");
    let (published, ()) = tokio::join!(client.publish_multicast(&message), async {
        // The client dials, and gets no answer.
        let _node = fake_nodes.arrival(0).await;
        client.close().await;
    });
    assert!(matches!(
        published.as_ref().map_err(PublishError::kind),
        Err(PublishErrorKind::Closed {
            reason: CloseReason::Local,
            ..
        })
    ));
    assert!(fake_nodes.is_deserted(0, Duration::from_secs(60)).await);
}
