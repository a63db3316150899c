//! Tests of full queues, with each policy.

use super::{fake_nodes::*, *};

async fn with(overflow: OverflowPolicy, queue: usize) -> (Client, Node, Subscription<Hello>) {
    let (client, mut node) = connect().await;
    let subscribing = client
        .subscription::<Hello>()
        .queue(queue)
        .overflow(overflow)
        .subscribe();
    let (subscription, _) = tokio::join!(subscribing, node.confirm());
    (client, node, subscription.unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_newest_is_turned_away() {
    let (client, mut node, mut subscription) = with(OverflowPolicy::DropNewest, 2).await;
    let mut events = client.events();
    assert!(matches!(events.next().await, Some(Event::Connected { .. })));
    for n in 1..=3 {
        node.push(MessageKind::Multicast, n, &[b'0' + n]).await;
    }
    let refused = node.push(MessageKind::Unicast, 4, b"4").await;
    assert_eq!(node.answered(refused).await.0, 104);
    let stats = subscription.stats();
    assert_eq!((stats.received, stats.dropped, stats.refused), (2, 1, 1));
    assert_eq!((stats.blocked, stats.waiting), (0, 2));
    assert_eq!(subscription.lagged(), 2);
    match events.next().await {
        // The second event is less than a second after the first.
        Some(Event::Lagged { topic, dropped: 1 }) => assert_eq!(topic, "hello"),
        other => panic!("{other:?}"),
    }
    assert_eq!(subscription.next().await, Some(text("1")));
    assert_eq!(subscription.next().await, Some(text("2")));
    // There is room again.
    let again = node.push(MessageKind::Unicast, 4, b"4").await;
    assert_eq!(subscription.next().await, Some(text("4")));
    assert_eq!(node.answered(again).await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_is_turned_away() {
    let (_client, mut node, mut subscription) = with(OverflowPolicy::DropOldest, 2).await;
    let oldest = node.push(MessageKind::Unicast, 1, b"1").await;
    for n in 2..=4 {
        node.push(MessageKind::Multicast, n, &[b'0' + n]).await;
    }
    assert_eq!(node.answered(oldest).await.0, 104);
    assert!(node.is_quiet().await);
    let stats = subscription.stats();
    assert_eq!((stats.received, stats.dropped, stats.refused), (4, 1, 1));
    assert_eq!(subscription.next().await, Some(text("3")));
    assert_eq!(subscription.next().await, Some(text("4")));
    // It may come again.
    node.push(MessageKind::Unicast, 1, b"1").await;
    assert_eq!(subscription.next().await, Some(text("1")));
    assert_eq!(node.answered(oldest).await.0, 0);
}

/// A unicast that is removed to make room is refused on the connection that brought it.
#[tokio::test(start_paused = true)]
async fn the_oldest_of_another_connection_is_refused_there() {
    let (_fake_nodes, client, mut nodes) = FakeNodes::connected::<2>(Client::builder()).await;
    let subscribing = client
        .subscription::<Hello>()
        .queue(1)
        .overflow(OverflowPolicy::DropOldest)
        .subscribe();
    let [a, b] = &mut nodes;
    let (subscription, _, _) = tokio::join!(subscribing, a.confirm(), b.confirm());
    let mut subscription = subscription.unwrap();
    let first = a.push(MessageKind::Unicast, 1, b"1").await;
    assert!(a.is_quiet().await);
    let second = b.push(MessageKind::Unicast, 2, b"2").await;
    assert_eq!(a.answered(first).await.0, 104);
    assert_eq!(subscription.next().await, Some(text("2")));
    assert_eq!(b.answered(second).await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_connection_is_not_read_from_and_loses_nothing() {
    const MESSAGES: u32 = 2000;
    let (client, mut node, mut subscription) = with(OverflowPolicy::Block, 2).await;
    let push = |n: u32| {
        let kind = if n.is_multiple_of(2) {
            FrameType::UNICAST
        } else {
            FrameType::MULTICAST
        };
        let mut seq = [0; 32];
        seq[..4].copy_from_slice(&n.to_be_bytes());
        let payload = format!("{n} {}", "x".repeat(100));
        Frame::new(kind, Seq(seq), framed(payload))
    };
    // More than the pipe holds: the write completes only if the client reads.
    let (reader, mut writer) = tokio::io::split(node.stream);
    let sent = tokio::spawn(async move {
        for n in 0..MESSAGES {
            writer.write_all(&push(n).to_bytes()).await.unwrap();
        }
        writer
    });
    // For two minutes no heartbeat is answered: the program is slow, not the node.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(client.is_connected() && !sent.is_finished());
    let stats = subscription.stats();
    assert_eq!((stats.received, stats.waiting, stats.blocked), (2, 2, 1));
    for n in 0..MESSAGES {
        let message = subscription.next().await.unwrap().0;
        let number: u32 = message.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(number, n);
    }
    let stats = subscription.stats();
    assert_eq!(stats.received, u64::from(MESSAGES));
    assert_eq!((stats.dropped, stats.refused), (0, 0));
    node.stream = reader.unsplit(sent.await.unwrap());
    let mut answers = 0;
    while answers < MESSAGES / 2 {
        let frame = node.next().await.unwrap();
        if frame.kind == FrameType::RESPONSE {
            assert_eq!(frame.result, 0);
            answers += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_blocked_connection_does_not_hold_up_the_other() {
    let (_fake_nodes, client, mut nodes) = FakeNodes::connected::<2>(Client::builder()).await;
    let subscribing = client
        .subscription::<Hello>()
        .queue(1)
        .overflow(OverflowPolicy::Block)
        .subscribe();
    let [a, b] = &mut nodes;
    let (subscription, _, _) = tokio::join!(subscribing, a.confirm(), b.confirm());
    let mut subscription = subscription.unwrap();
    a.push(MessageKind::Multicast, 1, b"1").await;
    a.push(MessageKind::Multicast, 2, b"2").await;
    assert!(a.is_quiet().await);
    assert_eq!(subscription.stats().blocked, 1);
    let topic = hello();
    let mut answered = 0;
    while answered < 3 {
        // Every second message goes to the node that is not read from, and waits there.
        let publish = tokio::spawn({
            let (client, topic) = (client.clone(), topic.clone());
            async move { client.publish_unicast_raw(&topic, "x".into()).await }
        });
        let taken = tokio::time::timeout(Duration::from_millis(10), b.next()).await;
        if let Ok(Some(request)) = taken {
            b.answer(&request, 0, framed("")).await;
            publish.await.unwrap().unwrap();
            answered += 1;
        }
    }
    assert_eq!(subscription.next().await, Some(text("1")));
    assert_eq!(subscription.next().await, Some(text("2")));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_subscription_can_be_unsubscribed_and_keeps_what_had_arrived() {
    let (_client, mut node, mut subscription) = with(OverflowPolicy::Block, 1).await;
    node.push(MessageKind::Multicast, 1, b"1").await;
    let held = node.push(MessageKind::Unicast, 2, b"2").await;
    assert!(node.is_quiet().await);
    let later = node.push(MessageKind::Unicast, 3, b"3").await;
    let (result, ()) = tokio::join!(subscription.unsubscribe(), async {
        assert!(node.set().await.is_empty());
        let heartbeat = node.expect(FrameType::HEARTBEAT).await;
        // After the messages that were not read yet.
        assert_eq!(node.answered(later).await.0, 104);
        node.send(heartbeat).await;
    });
    result.unwrap();
    assert_eq!(subscription.next().await, Some(text("1")));
    assert_eq!(subscription.next().await, Some(text("2")));
    assert_eq!(subscription.next().await, None);
    assert_eq!(node.answered(held).await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_blocked_subscription_lets_the_connection_go_on() {
    let (client, mut node, subscription) = with(OverflowPolicy::Block, 1).await;
    node.push(MessageKind::Multicast, 1, b"1").await;
    let held = node.push(MessageKind::Unicast, 2, b"2").await;
    assert!(node.is_quiet().await);
    drop(subscription);
    // They come in either order: this task sends the set, and the connection the refusal when it
    // runs again.
    let (mut set, mut refused) = (false, false);
    while !(set && refused) {
        let frame = node.next().await.unwrap();
        match frame.kind {
            FrameType::SET_TOPICS => set = true,
            FrameType::RESPONSE => {
                assert_eq!((frame.seq, frame.result), (held, 104));
                refused = true;
            }
            FrameType::HEARTBEAT => node.send(frame).await,
            other => panic!("{other:?}"),
        }
    }
    assert!(client.is_connected());
}

/// Every loss is reported, including the last ones of a burst.
#[tokio::test(start_paused = true)]
async fn events_tell_of_every_loss() {
    let (client, mut node, subscription) = with(OverflowPolicy::DropNewest, 2).await;
    let mut events = client.events();
    assert!(matches!(events.next().await, Some(Event::Connected { .. })));
    for n in 0..=255 {
        node.push(MessageKind::Multicast, n, b"x").await;
    }
    let mut told = 0;
    while told < 254 {
        let event = tokio::time::timeout(Duration::from_secs(9), events.next()).await;
        match event.expect("the tail is missing") {
            Some(Event::Lagged { dropped, .. }) => told += dropped,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(subscription.stats().dropped, told);
}

/// If the program does not read, a unicast is refused at once, so that another subscriber gets it.
#[tokio::test(start_paused = true)]
async fn a_subscription_that_nobody_reads_holds_no_unicasts_up() {
    let (client, mut node, mut unread) = with(OverflowPolicy::DropNewest, 100).await;
    node.push(MessageKind::Unicast, 1, b"1").await;
    assert!(node.is_quiet().await);
    node.lives(Duration::from_secs(5)).await;
    let second = node.push(MessageKind::Unicast, 2, b"2").await;
    assert_eq!(node.answered(second).await.0, 104);
    // Of two subscriptions in one client, the one whose program waits gets it.
    let (read, ()) = tokio::join!(client.subscribe::<Hello>(), async {});
    let mut read = read.unwrap();
    assert_eq!(unread.next().await, Some(text("1")));
    node.expect(FrameType::RESPONSE).await;
    for n in 3..=6 {
        let (message, seq) = tokio::join!(read.next(), node.push(MessageKind::Unicast, n, b"x"));
        assert_eq!(message, Some(text("x")));
        assert_eq!(node.answered(seq).await.0, 0);
    }
}

/// Also while the program that reads the other subscription is busy and waits for nothing.
#[tokio::test(start_paused = true)]
async fn a_subscription_that_nobody_reads_gets_no_unicasts_beside_a_busy_one() {
    let (client, mut node, unread) = with(OverflowPolicy::DropNewest, 100).await;
    let mut read = client.subscribe::<Hello>().await.unwrap();
    for n in 1..=2 {
        node.push(MessageKind::Unicast, n, &[b'0' + n]).await;
    }
    node.lives(Duration::from_millis(10)).await;
    assert_eq!(read.next().await, Some(text("2")));
    node.expect(FrameType::RESPONSE).await;
    // Two more arrive for each one that it takes.
    for n in 0..3 {
        let [first, second] = [3 + 2 * n, 4 + 2 * n];
        for n in [first, second] {
            node.push(MessageKind::Unicast, n, &[b'0' + n]).await;
            node.lives(Duration::from_millis(10)).await;
        }
        assert_eq!(read.next().await, Some(text(&(3 + n).to_string())));
        node.expect(FrameType::RESPONSE).await;
    }
    assert_eq!(read.stats().waiting, 3);
    assert_eq!(unread.stats().received, 1);
}
