//! Tests of connecting and closing, on a single stream.

use std::pin::pin;

use super::*;

#[tokio::test(start_paused = true)]
async fn the_handshake_tells_about_the_node() {
    let (client, _node) = connect().await;
    assert_eq!(client.protocol_version(), 3);
    assert_eq!(client.node_version().as_deref(), Some("2.11.1"));
    assert_eq!(client.endpoint(), "node:1");
    assert_eq!(client.node_public_key(), None);
    assert!(client.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_node_without_handshake_speaks_version_1() {
    let (stream, mut node) = pipe(PIPE);
    let started = tokio::time::Instant::now();
    let client = over(stream, Client::builder()).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(client.protocol_version(), 1);
    assert_eq!(client.node_version(), None);
    node.expect(FrameType::HANDSHAKE).await;
    assert_eq!(node.expect(FrameType::HEARTBEAT).await.body, "0");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_node_is_told_apart() {
    let cases: [(&[u8], &str); 3] = [
        (
            b"HTTP/1.1 400 Bad Request\r\n",
            "does not speak the channel",
        ),
        (b"\0\0\0\0", "does not speak the channel"),
        (b"", "closed the connection before the version handshake"),
    ];
    for (bytes, part) in cases {
        let (stream, mut node) = pipe(PIPE);
        let (result, ()) = tokio::join!(over(stream, Client::builder()), async {
            node.expect(FrameType::HANDSHAKE).await;
            node.stream.write_all(bytes).await.unwrap();
            node.stream.shutdown().await.unwrap();
        });
        let error = with_causes(&result.unwrap_err()).to_string();
        assert!(error.contains(part) && error.contains("node:1"), "{error}");
        // The driver has ended.
        assert_eq!(node.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_was_not_offered_is_refused() {
    let (stream, mut node) = pipe(PIPE);
    let (result, ()) = tokio::join!(over(stream, Client::builder()), node.shake_hands(4));
    assert!(matches!(
        result,
        Err(ConnectError::HandshakeRejected {
            reason: CloseReason::Version(4),
            ..
        })
    ));
    assert_eq!(node.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn connecting_is_over_in_time() {
    let (stream, mut node) = pipe(PIPE);
    let builder = Client::builder().connect_timeout(Duration::from_secs(2));
    let error = over(stream, builder).await.unwrap_err();
    assert!(matches!(
        error,
        ConnectError::Timeout {
            stage: ConnectStage::Handshake,
            ..
        }
    ));
    node.expect(FrameType::HANDSHAKE).await;
    assert_eq!(node.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn close_writes_what_is_queued_and_says_goodbye() {
    let (client, mut node) = connect().await;
    let mut subscription = subscribe(&client, &mut node).await;
    let seq = node.push(MessageKind::Unicast, 1, b"a").await;
    assert_eq!(subscription.next().await, Some(text("a")));
    let other = client.clone();
    client.close().await;
    // The answer is in the pipe before the other side reads anything.
    assert_eq!(node.answered(seq).await, (0, Bytes::new()));
    assert_eq!(node.next().await, None);

    assert!(!other.is_connected());
    assert_eq!(other.closed().await, CloseReason::Local);
    assert_eq!(subscription.next().await, None);
    other.close().await;
    assert!(matches!(
        other
            .publish_multicast(&text(""))
            .await
            .as_ref()
            .map_err(PublishError::kind),
        Err(PublishErrorKind::Closed { .. })
    ));
    assert!(matches!(
        other.subscribe::<Hello>().await,
        Err(SubscribeError::Disconnected { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn close_writes_many_requests_that_were_just_made() {
    let (client, mut node) = connect().await;
    let topic = hello();
    // Enough messages that the connection waits for others before it writes.
    let mut calls: Vec<_> = (0..40)
        .map(|_| Box::pin(client.publish_unicast_raw(&topic, "question".into())))
        .collect();
    for call in &mut calls {
        assert!(futures::poll!(call).is_pending());
    }
    client.close().await;
    for _ in 0..40 {
        node.expect(FrameType::UNICAST).await;
    }
    assert_eq!(node.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_read_cannot_hold_up_close() {
    let (client, node) = connect_with(Client::builder(), 256).await;
    let payload = Bytes::from(vec![0; 10_000]);
    let topic = hello();
    let mut stuck = pin!(client.publish_unicast_raw(&topic, payload));
    assert!(futures::poll!(&mut stuck).is_pending());
    let started = tokio::time::Instant::now();
    client.close().await;
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert!(matches!(
        stuck.await.as_ref().map_err(PublishError::kind),
        Err(PublishErrorKind::Disconnected {
            reason: CloseReason::Local,
            ..
        })
    ));
    drop(node);
}

#[tokio::test(start_paused = true)]
async fn the_last_client_takes_the_connection_along() {
    let (client, mut node) = connect().await;
    let mut subscription = subscribe(&client, &mut node).await;
    let clone = client.clone();
    drop(client);
    assert!(node.is_quiet().await);
    node.push(MessageKind::Multicast, 1, b"a").await;
    assert_eq!(subscription.next().await, Some(text("a")));
    drop(clone);
    assert_eq!(node.next().await, None);
    assert_eq!(subscription.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_fails_everything_and_says_why() {
    let (client, mut node) = connect().await;
    let mut subscription = subscribe(&client, &mut node).await;
    let message = text("a");
    let (published, subscribed, ()) = tokio::join!(
        client.publish_unicast(&message),
        client.subscribe_to::<Hello>("other"),
        async {
            node.expect(FrameType::UNICAST).await;
            node.set().await;
            node.push(MessageKind::Unicast, 1, b"never taken").await;
            node.push(MessageKind::Multicast, 2, b"still there").await;
            node.stream.shutdown().await.unwrap();
        }
    );
    let error = published.unwrap_err();
    assert!(matches!(
        error.kind(),
        PublishErrorKind::Disconnected {
            reason: CloseReason::Peer,
            ..
        }
    ));
    let shown = error.to_string();
    assert!(
        shown.contains("hello") && shown.contains("node:1"),
        "{shown}"
    );
    assert!(matches!(
        subscribed,
        Err(SubscribeError::Disconnected { .. })
    ));
    assert_eq!(client.closed().await, CloseReason::Peer);
    // The unicast could not be acknowledged any more: the node gives it to another subscriber.
    assert_eq!(subscription.next().await, Some(text("still there")));
    assert_eq!(subscription.next().await, None);
    assert!(subscription.unsubscribe().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_given_up() {
    let builder = Client::builder().heartbeat(Duration::from_secs(3));
    let (client, mut node) = connect_with(builder, PIPE).await;
    let started = tokio::time::Instant::now();
    node.answer_heartbeat().await;
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    let reason = client.closed().await;
    assert_eq!(started.elapsed(), Duration::from_secs(9));
    assert_eq!(
        reason,
        CloseReason::Silent {
            after: Duration::from_secs(6)
        }
    );
}

#[tokio::test(start_paused = true)]
async fn broken_frames_close() {
    let (client, mut node) = connect().await;
    // Half a length field, then the rest, which is out of bounds.
    node.stream.write_all(&[0x7f, 0xff]).await.unwrap();
    assert!(node.is_quiet().await);
    node.stream.write_all(&[0xff, 0xff]).await.unwrap();
    assert!(matches!(client.closed().await, CloseReason::Frame(_)));

    let (client, mut node) = connect().await;
    let frame = Frame::new(FrameType::MULTICAST, Seq([0; 32]), "\x09short");
    node.send(frame).await;
    assert!(matches!(
        client.closed().await,
        CloseReason::Malformed { .. }
    ));
}

#[test]
fn a_runtime_that_ends_does_not_leave_callers_waiting() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let drivers = runtime();
    let (client, node) = drivers.block_on(connect());
    let (send, receive) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn({
        let client = client.clone();
        move || {
            runtime().block_on(async {
                let message = text("");
                let mut publishing = pin!(client.publish_unicast(&message));
                assert!(futures::poll!(&mut publishing).is_pending());
                send.send(()).unwrap();
                publishing.await
            })
        }
    });
    receive.recv().unwrap();
    drop(drivers);
    let result = waiting.join().unwrap();
    assert!(matches!(
        result.as_ref().map_err(PublishError::kind),
        Err(PublishErrorKind::Disconnected {
            reason: CloseReason::Transport { .. },
            ..
        })
    ));
    assert!(!client.is_connected());
    drop(node);
}
