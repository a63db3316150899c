//! Tests with two nodes: messages go through either of them, and arrive once.

use super::{fake_nodes::*, *};

async fn two() -> (FakeNodes, Client, [Node; 2]) {
    FakeNodes::connected(Client::builder().timeout(Duration::from_secs(30))).await
}

/// Returns the next unicast that one of the nodes gets, with the index of the node.
async fn next_unicast(nodes: &mut [Node; 2]) -> (usize, Frame) {
    let [a, b] = nodes;
    tokio::select! {
        frame = a.expect(FrameType::UNICAST) => (0, frame),
        frame = b.expect(FrameType::UNICAST) => (1, frame),
    }
}

#[tokio::test(start_paused = true)]
async fn connections_are_used_in_turn() {
    let (_fake_nodes, client, mut nodes) = two().await;
    let topic = hello();
    let mut used = [0, 0];
    for _ in 0..10 {
        let (reply, at) = tokio::join!(client.publish_unicast_raw(&topic, "x".into()), async {
            let (at, request) = next_unicast(&mut nodes).await;
            nodes[at].answer(&request, 0, framed("")).await;
            at
        });
        reply.unwrap();
        used[at] += 1;
    }
    assert_eq!(used, [5, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_connection_is_lost_goes_another_way_with_its_seq() {
    let (_fake_nodes, client, mut nodes) = two().await;
    let topic = hello();
    let (reply, ()) = tokio::join!(client.publish_unicast_raw(&topic, "x".into()), async {
        let (at, first) = next_unicast(&mut nodes).await;
        nodes[at].stream.shutdown().await.unwrap();
        let second = nodes[1 - at].expect(FrameType::UNICAST).await;
        assert_eq!((second.seq, &second.body), (first.seq, &first.body));
        nodes[1 - at].answer(&second, 0, framed("y")).await;
    });
    assert_eq!(reply.unwrap().payload, "y");
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_the_only_node_to_come_back() {
    let (mut fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(Client::builder()).await;
    let topic = hello();
    let (reply, ()) = tokio::join!(client.publish_unicast_raw(&topic, "x".into()), async {
        let first = node.expect(FrameType::UNICAST).await;
        node.stream.shutdown().await.unwrap();
        let mut node = fake_nodes.welcome(0).await;
        // After its restart the node knows no subscriber at first.
        let again = node.expect(FrameType::UNICAST).await;
        assert_eq!(again.seq, first.seq);
        node.answer(&again, 100, framed("")).await;
        let again = node.expect(FrameType::UNICAST).await;
        assert_eq!(again.seq, first.seq);
        node.answer(&again, 0, framed("y")).await;
        std::mem::forget(node);
    });
    assert_eq!(reply.unwrap().payload, "y");
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_lost_message_is_left_open() {
    let builder = Client::builder().timeout(Duration::from_secs(5));
    let (fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(builder).await;
    fake_nodes.set_open(0, false);
    let topic = hello();
    let (reply, ()) = tokio::join!(client.publish_unicast_raw(&topic, "x".into()), async {
        node.expect(FrameType::UNICAST).await;
        node.stream.shutdown().await.unwrap();
    });
    let error = reply.unwrap_err();
    assert!(matches!(
        error.kind(),
        PublishErrorKind::Disconnected {
            reason: CloseReason::Peer,
            ..
        }
    ));
}

#[tokio::test(start_paused = true)]
async fn another_node_may_reach_other_subscribers() {
    for result in [100, 104] {
        let (_fake_nodes, client, mut nodes) = two().await;
        let topic = hello();
        let (reply, ()) = tokio::join!(client.publish_unicast_raw(&topic, "x".into()), async {
            let (at, first) = next_unicast(&mut nodes).await;
            nodes[at].answer(&first, result, framed("x")).await;
            let second = nodes[1 - at].expect(FrameType::UNICAST).await;
            assert_eq!(second.seq, first.seq);
            nodes[1 - at].answer(&second, 0, framed("y")).await;
        });
        assert_eq!(reply.unwrap().payload, "y");
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_that_leaves_most_open_is_given() {
    for (first, second) in [(100, 104), (104, 100), (100, 100)] {
        let (_fake_nodes, client, mut nodes) = two().await;
        let topic = hello();
        let (reply, ()) = tokio::join!(client.publish_unicast_raw(&topic, "x".into()), async {
            let (at, request) = next_unicast(&mut nodes).await;
            nodes[at].answer(&request, first, framed("x")).await;
            let request = nodes[1 - at].expect(FrameType::UNICAST).await;
            nodes[1 - at].answer(&request, second, framed("x")).await;
        });
        match reply.unwrap_err().kind() {
            PublishErrorKind::NoSubscriber { .. } => assert_eq!((first, second), (100, 100)),
            PublishErrorKind::Unanswered => assert_ne!(first, second),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscribers_own_verdict_stands() {
    let (_fake_nodes, client, mut nodes) = two().await;
    let topic = hello();
    let (reply, ()) = tokio::join!(client.publish_unicast_raw(&topic, "x".into()), async {
        let (at, request) = next_unicast(&mut nodes).await;
        nodes[at].answer(&request, 105, framed("")).await;
    });
    assert!(matches!(
        reply.as_ref().map_err(PublishError::kind),
        Err(PublishErrorKind::Undecodable)
    ));
    assert!(nodes[0].is_quiet().await && nodes[1].is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_multicast_by_two_ways_arrives_once() {
    let (_fake_nodes, client, mut nodes) = two().await;
    let mut subscription = subscribe_at(&client, &mut nodes).await;
    for n in 1..=3 {
        for node in &mut nodes {
            node.push(MessageKind::Multicast, n, &[b'0' + n]).await;
        }
    }
    for expected in ["1", "2", "3"] {
        assert_eq!(subscription.next().await, Some(text(expected)));
    }
    assert!(nodes[0].is_quiet().await);
    assert_eq!(subscription.stats().received, 3);
}

#[tokio::test(start_paused = true)]
async fn a_unicast_by_two_ways_is_processed_once_and_answered_twice() {
    let (_fake_nodes, client, mut nodes) = two().await;
    let mut deliveries = deliveries_at(&client, &mut nodes).await;
    let seq = nodes[0].push(MessageKind::Unicast, 1, b"x").await;
    let delivery = deliveries.next().await.unwrap().unwrap();
    // A copy comes while the program works on the message, and another after it has answered.
    nodes[1].push(MessageKind::Unicast, 1, b"x").await;
    assert!(nodes[1].is_quiet().await);
    delivery.reply_bytes(42.to_string()).unwrap();
    for node in &mut nodes {
        assert_eq!(node.answered(seq).await, (0, "42".into()));
    }
    nodes[0].push(MessageKind::Unicast, 1, b"x").await;
    assert_eq!(nodes[0].answered(seq).await, (0, "42".into()));
    assert!(futures::poll!(std::pin::pin!(deliveries.next())).is_pending());
    assert_eq!(deliveries.stats().received, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_offered_again() {
    let (_fake_nodes, client, mut nodes) = two().await;
    let mut deliveries = deliveries_at(&client, &mut nodes).await;
    let seq = nodes[0].push(MessageKind::Unicast, 1, b"x").await;
    let delivery = deliveries.next().await.unwrap().unwrap();
    delivery.refuse(104).unwrap();
    assert_eq!(nodes[0].answered(seq).await.0, 104);
    nodes[1].push(MessageKind::Unicast, 1, b"x").await;
    let delivery = deliveries.next().await.unwrap().unwrap();
    delivery.refuse(7).unwrap();
    assert_eq!(nodes[1].answered(seq).await.0, 7);
    // The refusal was final, so the copy gets the same answer.
    nodes[0].push(MessageKind::Unicast, 1, b"x").await;
    assert_eq!(nodes[0].answered(seq).await.0, 7);
}

#[tokio::test(start_paused = true)]
async fn an_answer_goes_to_the_connections_that_are_left() {
    let (mut fake_nodes, client, mut nodes) = two().await;
    let mut deliveries = deliveries_at(&client, &mut nodes).await;
    let [mut a, b] = nodes;
    let seq = a.push(MessageKind::Unicast, 1, b"held").await;
    let held = deliveries.next().await.unwrap().unwrap();
    let mut events = client.events();
    drop(b);
    while !matches!(events.next().await, Some(Event::Disconnected { .. })) {}
    drop(a);
    while !matches!(events.next().await, Some(Event::Disconnected { .. })) {}
    // Its node is back and gets the message from the publisher again.
    let mut a = fake_nodes.welcome(0).await;
    a.confirm().await;
    while !matches!(events.next().await, Some(Event::Connected { .. })) {}
    a.push(MessageKind::Unicast, 1, b"held").await;
    assert!(a.is_quiet().await);
    held.reply_bytes(1.to_string()).unwrap();
    assert_eq!(a.answered(seq).await, (0, "1".into()));
    assert!(futures::poll!(std::pin::pin!(deliveries.next())).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_takes_its_unread_unicasts_along() {
    let (_fake_nodes, client, mut nodes) = two().await;
    let mut subscription = subscribe_at(&client, &mut nodes).await;
    let [mut a, mut b] = nodes;
    a.push(MessageKind::Unicast, 1, b"only there").await;
    a.push(MessageKind::Unicast, 2, b"on both").await;
    a.push(MessageKind::Multicast, 3, b"to all").await;
    assert!(a.is_quiet().await);
    let wanted = b.push(MessageKind::Unicast, 2, b"on both").await;
    assert!(b.is_quiet().await);
    let mut events = client.events();
    drop(a);
    while !matches!(events.next().await, Some(Event::Disconnected { .. })) {}
    assert_eq!(subscription.next().await, Some(text("on both")));
    assert_eq!(b.answered(wanted).await.0, 0);
    assert_eq!(subscription.next().await, Some(text("to all")));
    // The publisher tries the first again, through the node that is left.
    let again = b.push(MessageKind::Unicast, 1, b"only there").await;
    assert_eq!(subscription.next().await, Some(text("only there")));
    assert_eq!(b.answered(again).await.0, 0);
}

/// A frozen node is detected early enough that another one can be asked.
#[tokio::test(start_paused = true)]
async fn a_frozen_node_costs_no_message() {
    let (_fake_nodes, client, mut nodes) = FakeNodes::connected::<2>(Client::builder()).await;
    let topic = hello();
    let started = tokio::time::Instant::now();
    let publish = client.publish_unicast_raw(&topic, "x".into());
    let (reply, ()) = tokio::join!(publish, async {
        let [a, b] = &mut nodes;
        let (frozen, other) = tokio::select! {
            _ = a.expect(FrameType::UNICAST) => (0, b),
            _ = b.expect(FrameType::UNICAST) => (1, a),
        };
        let request = other.expect(FrameType::UNICAST).await;
        assert!(started.elapsed() < Duration::from_secs(6), "{frozen}");
        other.answer(&request, 0, framed("y")).await;
    });
    assert_eq!(reply.unwrap().payload, "y");
}

/// The same if each message is given up before the node is.
#[tokio::test(start_paused = true)]
async fn a_frozen_node_is_left_although_each_message_waits_a_second_only() {
    let (_fake_nodes, client, mut nodes) = FakeNodes::connected::<2>(Client::builder()).await;
    let client = client.with_timeout(Duration::from_secs(1));
    let mut events = client.events();
    let topic = hello();
    let started = tokio::time::Instant::now();
    let left = async {
        while !matches!(events.next().await, Some(Event::Disconnected { .. })) {}
        started.elapsed()
    };
    let [_frozen, b] = &mut nodes;
    let publish = async {
        loop {
            let _ = client.publish_unicast_raw(&topic, "x".into()).await;
        }
    };
    let answer = async {
        loop {
            let request = b.expect(FrameType::UNICAST).await;
            b.answer(&request, 0, framed("y")).await;
            // Else time stands still while messages are answered at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let after = tokio::select! {
        after = left => after,
        () = publish => unreachable!(),
        () = answer => unreachable!(),
    };
    assert!(after < Duration::from_secs(12), "{after:?}");
}

/// A message that ends one connection after the other is not sent forever.
#[tokio::test(start_paused = true)]
async fn a_message_that_costs_two_connections_is_not_sent_a_third_time() {
    let (mut fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(Client::builder()).await;
    // The node is known to take frames of this length.
    let topic = hello();
    let (taken, ()) = tokio::join!(client.publish_unicast_raw(&topic, "short".into()), async {
        let request = node.expect(FrameType::UNICAST).await;
        node.answer(&request, 0, framed("")).await;
    });
    taken.unwrap();
    let long = Bytes::from(vec![7; 100_000]);
    let (result, mut node) =
        tokio::join!(client.publish_unicast_raw(&topic, long.clone()), async {
            node.expect(FrameType::UNICAST).await;
            drop(node);
            let mut node = fake_nodes.welcome(0).await;
            node.expect(FrameType::UNICAST).await;
            drop(node);
            fake_nodes.welcome(0).await
        });
    let error = result.unwrap_err();
    let PublishErrorKind::CutOff { len, longest, .. } = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!((*len, *longest), (42 + 6 + 100_000, 42 + 6 + 5));
    assert!(error.to_string().contains("too large"), "{error}");
    assert!(node.is_quiet().await);

    // The same with a publisher.
    let mut publisher = client.publisher_raw(&topic);
    let (flushed, mut node) = tokio::join!(
        async {
            publisher.publish(long).await.unwrap();
            publisher.flush().await
        },
        async {
            node.expect(FrameType::MULTICAST).await;
            drop(node);
            let mut node = fake_nodes.welcome(0).await;
            node.expect(FrameType::MULTICAST).await;
            drop(node);
            fake_nodes.welcome(0).await
        }
    );
    let error = flushed.unwrap_err();
    assert!(
        matches!(error.first.kind(), PublishErrorKind::CutOff { .. }),
        "{error}"
    );
    assert!(node.is_quiet().await);
}

/// If a node restarts again and again during a message that every node accepts, the message is not
/// blamed.
#[tokio::test(start_paused = true)]
async fn a_short_message_is_sent_however_often_its_node_restarts() {
    let (mut fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(Client::builder()).await;
    let topic = hello();
    let (result, ()) = tokio::join!(client.publish_unicast_raw(&topic, "short".into()), async {
        for _ in 0..4 {
            node.expect(FrameType::UNICAST).await;
            drop(node);
            node = fake_nodes.welcome(0).await;
        }
        let request = node.expect(FrameType::UNICAST).await;
        node.answer(&request, 0, framed("y")).await;
    });
    assert_eq!(result.unwrap().payload, "y");
}

/// One caller's multicasts to one topic stay on one connection.
#[tokio::test(start_paused = true)]
async fn multicasts_of_one_topic_go_by_one_node() {
    let (_fake_nodes, client, mut nodes) = FakeNodes::connected::<2>(Client::builder()).await;
    let topic = hello();
    let [a, b] = &mut nodes;
    let publish = async {
        for n in 0..20 {
            client
                .publish_multicast_raw(&topic, vec![n].into())
                .await
                .unwrap();
        }
    };
    let answer = async |node: &mut Node| {
        for _ in 0..20 {
            let request = node.expect(FrameType::MULTICAST).await;
            node.answer(&request, 0, request.body.clone()).await;
        }
    };
    tokio::select! {
        _ = async { tokio::join!(publish, answer(a)) } => assert!(b.is_quiet().await),
        _ = answer(b) => panic!("the first node is asked first"),
    }
}
