//! Tests of limits, when one side is faster than the other.

use super::*;

const MIB: usize = 1024 * 1024;

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_read_slows_publishers_down() {
    let builder = Client::builder().timeout(Duration::from_secs(3));
    let (client, mut node) = connect_with(builder, 1024).await;
    let topic = hello();
    let payload = Bytes::from(vec![7; 2 * MIB - 1024]);
    let publish = || client.publish_multicast_raw(&topic, payload.clone());
    // The first two fill the buffer, the third is never sent.
    let (a, b, c) = tokio::join!(publish(), publish(), publish());
    assert!(
        matches!(
            a.as_ref().map_err(PublishError::kind),
            Err(PublishErrorKind::Timeout { .. })
        ),
        "{a:?}"
    );
    assert!(
        matches!(
            b.as_ref().map_err(PublishError::kind),
            Err(PublishErrorKind::Timeout { .. })
        ),
        "{b:?}"
    );
    assert!(
        matches!(
            c.as_ref().map_err(PublishError::kind),
            Err(PublishErrorKind::Congested { .. })
        ),
        "{c:?}"
    );

    // Once the node reads, there is room again.
    let (d, ()) = tokio::join!(publish(), async {
        node.expect(FrameType::MULTICAST).await;
        node.expect(FrameType::MULTICAST).await;
        let request = node.expect(FrameType::MULTICAST).await;
        node.answer(&request, 0, request.body.clone()).await;
    });
    d.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_longer_than_the_buffer_gets_through() {
    let (client, mut node) = connect().await;
    let topic = hello();
    let payload = Bytes::from(vec![7; 9 * MIB]);
    let publishers = (0..3).map(|_| client.publish_unicast_raw(&topic, payload.clone()));
    let (replies, ()) = tokio::join!(futures::future::join_all(publishers), async {
        for _ in 0..3 {
            let request = node.expect(FrameType::UNICAST).await;
            node.answer(&request, 0, request.body.clone()).await;
        }
    });
    for reply in replies {
        assert!(reply.unwrap().payload == payload);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_pushes_and_does_not_read_is_not_read_from() {
    let builder = Client::builder().max_frame(MIB);
    let (client, mut node) = connect_with(builder, 64 * 1024).await;
    let push = Frame::new(FrameType::UNICAST, Seq([1; 32]), framed("")).to_bytes();
    let batch = push.repeat(1000);
    // Every push is answered with 104, because there is no subscription, and the node reads no
    // answer.
    let pushed = async {
        let mut frames = 0;
        loop {
            let write = node.stream.write_all(&batch);
            if tokio::time::timeout(Duration::from_secs(1), write)
                .await
                .is_err()
            {
                return frames;
            }
            frames += 1000;
            assert!(frames * push.len() < 64 * MIB, "answers pile up");
        }
    };
    let frames = pushed.await;
    assert!(frames * push.len() > 4 * MIB);
    assert!(client.is_connected());
    // After the answers are read, everything continues.
    for _ in 0..frames {
        assert_eq!(node.expect(FrameType::RESPONSE).await.result, 104);
    }
    assert!(client.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_is_not_a_dead_one() {
    // For more than a minute no heartbeat can be answered.
    for (pieces, pause) in [(60, 1), (20, 6)] {
        let builder = Client::builder().timeout(Duration::from_secs(600));
        let (client, mut node) = connect_with(builder, 16 * 1024).await;
        let topic = hello();
        let publish = client.publish_unicast_raw(&topic, Bytes::from(vec![7; MIB]));
        let (published, stuck_for) = tokio::join!(publish, async {
            let mut piece = vec![0; 16 * 1024];
            for _ in 0..pieces {
                node.stream.read_exact(&mut piece).await.unwrap();
                tokio::time::sleep(Duration::from_secs(pause)).await;
            }
            assert!(client.is_connected());
            let stuck = tokio::time::Instant::now();
            client.closed().await;
            stuck.elapsed()
        });
        assert!(matches!(
            published.as_ref().map_err(PublishError::kind),
            Err(PublishErrorKind::Disconnected {
                reason: CloseReason::Silent { .. },
                ..
            })
        ));
        // A message waits, so the node gets a heartbeat after 2.5 s. It has the same time to
        // answer, and 3 s more for the bytes in flight. The last pause has already passed.
        assert_eq!(stuck_for, Duration::from_secs(8 - pause));
    }
}

#[tokio::test(start_paused = true)]
async fn frames_arrive_byte_by_byte() {
    let (client, mut node) = connect_with(Client::builder(), 1).await;
    let mut subscription = subscribe(&client, &mut node).await;
    let (message, seq) = tokio::join!(
        subscription.next(),
        node.push(MessageKind::Unicast, 1, b"in pieces")
    );
    assert_eq!(message, Some(text("in pieces")));
    assert_eq!(node.answered(seq).await, (0, Bytes::new()));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_counts_without_stalling_the_connection() {
    let (client, mut node) = connect_with(Client::builder().queue(2), PIPE).await;
    let mut subscription = subscribe(&client, &mut node).await;
    node.push(MessageKind::Unicast, 1, b"a").await;
    node.push(MessageKind::Multicast, 2, b"b").await;
    node.push(MessageKind::Multicast, 3, b"lost").await;
    let refused = node.push(MessageKind::Unicast, 4, b"refused").await;
    assert_eq!(node.answered(refused).await, (104, Bytes::new()));
    assert_eq!(subscription.lagged(), 2);

    let message = text("");
    let (published, ()) = tokio::join!(client.publish_multicast(&message), async {
        let request = node.expect(FrameType::MULTICAST).await;
        node.answer(&request, 0, request.body.clone()).await;
    });
    published.unwrap();
    assert_eq!(subscription.next().await, Some(text("a")));
    assert_eq!(subscription.next().await, Some(text("b")));
    node.push(MessageKind::Multicast, 5, b"c").await;
    assert_eq!(subscription.next().await, Some(text("c")));
}

/// No wakeup is lost and no answer goes astray between threads that publish, subscribe and drive.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_do_not_get_in_each_others_way() {
    const PUBLISHERS: usize = 8;
    const MESSAGES: usize = 500;
    let (client, mut node) = connect_with(Client::builder().max_in_flight(5), 4096).await;
    let (deliveries, _) = tokio::join!(client.deliveries::<Hello>(), node.confirm());
    let mut deliveries = deliveries.unwrap();

    // The node routes each unicast back to the only client, and the answer as well.
    let node = tokio::spawn(async move {
        while let Some(frame) = node.next().await {
            match frame.kind {
                FrameType::UNICAST | FrameType::RESPONSE => node.send(frame).await,
                other => panic!("{other:?}"),
            }
        }
    });
    let subscriber = tokio::spawn(async move {
        let mut count = 0;
        while let Some(delivery) = deliveries.next().await {
            let delivery = delivery.unwrap();
            let number: u64 = delivery.0.parse().unwrap();
            delivery.reply_bytes(number.to_string()).unwrap();
            count += 1;
        }
        count
    });
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let client = client.clone();
            tokio::spawn(async move {
                for n in 0..MESSAGES {
                    let number = (publisher * MESSAGES + n) as u64;
                    let reply = client.request(&Question(number.to_string())).await;
                    assert_eq!(reply.unwrap(), number);
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    client.close().await;
    assert_eq!(subscriber.await.unwrap(), PUBLISHERS * MESSAGES);
    node.await.unwrap();
}

/// Publishers decide how long messages are; the connection must survive them.
#[tokio::test(start_paused = true)]
async fn messages_longer_than_those_sent_are_taken() {
    let (client, mut node) = connect_with(Client::builder(), MIB).await;
    let topic = hello();
    let (raw, _) = tokio::join!(client.subscribe_raw(&topic), node.confirm());
    let mut raw = raw.unwrap();
    let payload = vec![7; 40 * MIB];
    let (received, _) = tokio::join!(raw.next(), node.push(MessageKind::Multicast, 1, &payload));
    assert_eq!(received.unwrap().len(), payload.len());
    let error = client
        .publish_multicast_raw(&topic, payload.into())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::TooLarge { .. }),
        "{error:?}"
    );

    let builder = Client::builder().max_incoming_frame(MIB);
    let (client, mut node) = connect_with(builder, PIPE).await;
    let length = (MIB as u32 + 1).to_be_bytes();
    node.stream.write_all(&length).await.unwrap();
    assert!(matches!(client.closed().await, CloseReason::Frame(_)));
}
