//! Tests of publishers, which do not wait for each message.

use std::pin::pin;

use super::{fake_nodes::*, *};

/// Returns a client of a node that understands quiet multicasts.
async fn quietly(builder: ClientBuilder) -> (Client, Node) {
    let (stream, mut node) = pipe(PIPE);
    let (client, ()) = tokio::join!(over(stream, builder), node.shake_hands_as(3, true));
    (client.unwrap(), node)
}

fn publisher(client: &Client) -> Publisher<Hello> {
    client.publisher().unwrap()
}

async fn publish(publisher: &mut Publisher<Hello>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        publisher.publish(&text(&number.to_string())).await.unwrap();
    }
}

/// Returns the next multicasts, which must have these numbers.
async fn take(node: &mut Node, numbers: std::ops::Range<u32>) -> Vec<Frame> {
    let mut frames = Vec::new();
    for number in numbers {
        let frame = node.expect(FrameType::MULTICAST).await;
        assert_eq!(frame.body, framed(number.to_string()));
        frames.push(frame);
    }
    frames
}

async fn acknowledge(node: &mut Node, frame: &Frame) {
    node.answer(frame, 0, Bytes::new()).await;
}

#[tokio::test(start_paused = true)]
async fn messages_leave_in_order_and_a_flush_waits_for_their_confirmation() {
    let (client, mut node) = quietly(Client::builder()).await;
    let mut publisher = publisher(&client);
    publisher.flush().await.unwrap();
    publish(&mut publisher, 0..200).await;
    assert_eq!(publisher.unconfirmed(), 200);
    let frames = take(&mut node, 0..200).await;
    let asking = frames.iter().filter(|frame| frame.result == 0).count();
    assert!((4..20).contains(&asking), "{asking} of 200 ask for answers");
    assert_eq!(frames[199].result, 0);
    {
        let mut flushing = pin!(publisher.flush());
        assert!(futures::poll!(&mut flushing).is_pending());
        acknowledge(&mut node, &frames[100]).await;
        assert!(node.is_quiet().await);
        assert!(futures::poll!(&mut flushing).is_pending());
        acknowledge(&mut node, &frames[199]).await;
        flushing.await.unwrap();
    }
    assert_eq!(publisher.unconfirmed(), 0);
    // Sent one by one, they ask for an answer as usual.
    publish(&mut publisher, 200..201).await;
    let frames = take(&mut node, 200..201).await;
    assert_eq!(frames[0].result, 0);
}

#[tokio::test(start_paused = true)]
async fn other_nodes_answer_every_message() {
    let (client, mut node) = connect().await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..10).await;
    let mut frames = take(&mut node, 0..10).await;
    frames.reverse();
    for frame in &frames[..9] {
        assert_eq!(frame.result, 0);
        node.answer(frame, 0, frame.body.clone()).await;
    }
    assert!(node.is_quiet().await);
    assert_eq!(publisher.unconfirmed(), 1);
    acknowledge(&mut node, &frames[9]).await;
    publisher.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flush_tells_how_many_failed_and_why_once() {
    let (client, mut node) = quietly(Client::builder()).await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..5).await;
    let frames = take(&mut node, 0..5).await;
    node.answer(&frames[1], 103, Bytes::new()).await;
    node.answer(&frames[3], 7, Bytes::new()).await;
    acknowledge(&mut node, &frames[4]).await;
    let error = publisher.flush().await.unwrap_err();
    assert_eq!((&*error.topic, error.failed), ("hello", 2));
    assert!(matches!(error.first.kind(), PublishErrorKind::OverLimit));
    let shown = with_causes(&error).to_string();
    assert!(
        shown.contains("2 of the messages") && shown.contains("node:1"),
        "{shown}"
    );
    publisher.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_nobody_confirms_fail_at_their_deadline() {
    let builder = Client::builder().timeout(Duration::from_secs(3));
    let (client, mut node) = quietly(builder).await;
    let mut publisher = publisher(&client);
    let started = tokio::time::Instant::now();
    publish(&mut publisher, 0..3).await;
    take(&mut node, 0..3).await;
    let flush = async {
        let error = publisher.flush().await.unwrap_err();
        assert_eq!(started.elapsed(), Duration::from_secs(3));
        error
    };
    let (error, ()) = tokio::join!(flush, node.lives(Duration::from_secs(4)));
    assert_eq!(error.failed, 3);
    assert!(matches!(
        error.first.kind(),
        PublishErrorKind::Timeout { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_fails_at_once() {
    let (client, mut node) = connect_with(Client::builder().max_frame(300), PIPE).await;
    let mut publisher = publisher(&client);
    let error = publisher.publish(&text(&"x".repeat(253))).await;
    let error = error.unwrap_err();
    assert!(matches!(
        error.kind(),
        PublishErrorKind::TooLarge { len: 301, .. }
    ));
    assert_eq!(publisher.unconfirmed(), 0);
    publisher.flush().await.unwrap();
    let invalid = client.publisher_to::<Hello>("a\tb");
    assert!(matches!(
        invalid.as_ref().map_err(PublishError::kind),
        Err(PublishErrorKind::InvalidTopic(_))
    ));
    let private = PrivateName::new("secret").unwrap();
    let mut ungranted = client.publisher_raw(private.topic());
    let error = ungranted.publish(Bytes::new()).await.unwrap_err();
    assert!(matches!(error.kind(), PublishErrorKind::NotGranted) && error.topic() == "secret");
    assert!(node.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_connection_left_open_is_sent_again_over_another_one() {
    let (_fake_nodes, client, mut nodes) = FakeNodes::connected::<2>(Client::builder()).await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..10).await;
    let [a, b] = &mut nodes;
    let (first, second) = if a.is_quiet().await { (b, a) } else { (a, b) };
    // `is_quiet` took the first message.
    let mut sent = take(first, 1..10).await;
    for frame in sent.drain(..4) {
        acknowledge(first, &frame).await;
    }
    assert!(first.is_quiet().await);
    first.stream.shutdown().await.unwrap();
    assert!(second.is_quiet().await, "nothing is sent but by a call");
    publish(&mut publisher, 10..11).await;
    let again = second.expect(FrameType::MULTICAST).await;
    assert_eq!(again.body, framed("0"));
    let rest = take(second, 5..11).await;
    let seqs = |frames: &[Frame]| frames.iter().map(|frame| frame.seq).collect::<Vec<_>>();
    assert_eq!(seqs(&rest[..5]), seqs(&sent));
    for frame in rest.iter().chain([&again]) {
        acknowledge(second, frame).await;
    }
    publisher.flush().await.unwrap();
    assert!(second.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_the_only_node_to_come_back() {
    let (mut fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(Client::builder()).await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..3).await;
    let sent = take(&mut node, 0..3).await;
    node.stream.shutdown().await.unwrap();
    let mut again = Vec::new();
    let (flushed, node) = tokio::join!(publisher.flush(), async {
        let mut node = fake_nodes.welcome(0).await;
        for number in 0..3 {
            again.extend(take(&mut node, number..number + 1).await);
            acknowledge(&mut node, again.last().unwrap()).await;
        }
        node
    });
    flushed.unwrap();
    assert_eq!(again, sent);
    drop(node);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_is_given_up_loses_nothing() {
    let (mut fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(Client::builder()).await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..3).await;
    take(&mut node, 0..3).await;
    fake_nodes.set_open(0, false);
    node.stream.shutdown().await.unwrap();
    for _ in 0..3 {
        let flush = publisher.flush();
        let given_up = tokio::time::timeout(Duration::from_millis(100), flush).await;
        assert!(given_up.is_err());
    }
    assert_eq!(publisher.unconfirmed(), 3);
    fake_nodes.set_open(0, true);
    let (flushed, node) = tokio::join!(publisher.flush(), async {
        let mut node = fake_nodes.welcome(0).await;
        for number in 0..3 {
            let frames = take(&mut node, number..number + 1).await;
            acknowledge(&mut node, &frames[0]).await;
        }
        node
    });
    flushed.unwrap();
    drop(node);
}

#[tokio::test(start_paused = true)]
async fn without_a_node_in_time_everything_fails() {
    let builder = Client::builder().timeout(Duration::from_secs(5));
    let (fake_nodes, client, [mut node]) = FakeNodes::connected::<1>(builder).await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..3).await;
    take(&mut node, 0..3).await;
    fake_nodes.set_open(0, false);
    node.stream.shutdown().await.unwrap();
    let started = tokio::time::Instant::now();
    let error = publisher.flush().await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(error.failed, 3);
    assert!(matches!(
        error.first.kind(),
        PublishErrorKind::Offline { .. }
    ));
    assert!(error.first.may_have_been_delivered(), "the node had it");
    let error = publisher.publish(&text("late")).await.unwrap_err();
    assert!(matches!(error.kind(), PublishErrorKind::Offline { .. }));
    assert!(!error.may_have_been_delivered());
    assert_eq!(publisher.unconfirmed(), 0);
}

#[tokio::test(start_paused = true)]
async fn as_many_messages_wait_as_may() {
    let builder = Client::builder()
        .max_in_flight(3)
        .timeout(Duration::from_secs(2));
    let (client, mut node) = quietly(builder).await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..3).await;
    let message = text("3");
    {
        let mut fourth = pin!(publisher.publish(&message));
        assert!(futures::poll!(&mut fourth).is_pending());
        let frames = take(&mut node, 0..3).await;
        assert!(node.is_quiet().await);
        acknowledge(&mut node, &frames[1]).await;
        fourth.await.unwrap();
    }
    take(&mut node, 3..4).await;
    publish(&mut publisher, 4..5).await;
    take(&mut node, 4..5).await;
    let (published, ()) = tokio::join!(publisher.publish(&message), async {
        assert!(node.is_quiet().await);
        node.expect(FrameType::MULTICAST).await;
    });
    // One message expired, which made room.
    published.unwrap();
    assert_eq!(publisher.unconfirmed(), 3);
    assert_eq!(publisher.flush().await.unwrap_err().failed, 4);
}

#[tokio::test(start_paused = true)]
async fn as_many_bytes_wait_as_may() {
    let (client, mut node) = quietly(Client::builder()).await;
    let mut publisher = client.publisher_raw(&hello());
    let payload = Bytes::from(vec![b'x'; 3 * 1024 * 1024]);
    let mut frames = Vec::new();
    for _ in 0..5 {
        publisher.publish(payload.clone()).await.unwrap();
        frames.push(node.expect(FrameType::MULTICAST).await);
    }
    let mut sixth = Box::pin(publisher.publish(payload.clone()));
    assert!(futures::poll!(&mut sixth).is_pending());
    assert!(node.is_quiet().await);
    assert!(futures::poll!(&mut sixth).is_pending());
    acknowledge(&mut node, &frames[0]).await;
    sixth.await.unwrap();
    assert_eq!(publisher.unconfirmed(), 5);
    let sixth = node.expect(FrameType::MULTICAST).await;
    acknowledge(&mut node, &sixth).await;
    publisher.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_what_a_publisher_left() {
    let (client, mut node) = quietly(Client::builder()).await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..3).await;
    drop(publisher);
    let frames = take(&mut node, 0..3).await;
    let mut draining = pin!(client.drain());
    assert!(futures::poll!(&mut draining).is_pending());
    assert!(node.is_quiet().await);
    assert!(futures::poll!(&mut draining).is_pending());
    acknowledge(&mut node, &frames[2]).await;
    draining.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_after_a_publisher_is_gone_holds_nobody_up() {
    let (client, mut node) = quietly(Client::builder()).await;
    let mut dropped_first = publisher(&client);
    let mut dropped_last = publisher(&client);
    publish(&mut dropped_first, 0..2).await;
    publish(&mut dropped_last, 2..4).await;
    take(&mut node, 0..4).await;
    drop(dropped_first);
    node.stream.shutdown().await.unwrap();
    client.closed().await;
    drop(dropped_last);
    client.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_fails_what_is_left() {
    let (client, mut node) = quietly(Client::builder()).await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..2).await;
    take(&mut node, 0..2).await;
    let (_, end) = tokio::join!(client.close(), node.next());
    assert_eq!(end, None);
    let error = publisher.flush().await.unwrap_err();
    assert_eq!(error.failed, 2);
    assert!(matches!(
        error.first.kind(),
        PublishErrorKind::Closed { .. }
    ));
    assert!(error.first.may_have_been_delivered(), "the node had it");
    let error = publisher.publish(&text("x")).await.unwrap_err();
    assert!(matches!(error.kind(), PublishErrorKind::Closed { .. }));
    assert!(!error.may_have_been_delivered());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_reaches_nobody_is_not_the_last_one_asked() {
    let (_fake_nodes, client, mut nodes) = FakeNodes::connected::<2>(Client::builder()).await;
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..1).await;
    let [a, b] = &mut nodes;
    let (flushed, ()) = tokio::join!(publisher.flush(), async {
        let mut turned = None;
        for _ in 0..2 {
            let (node, frame) = tokio::select! {
                frame = a.expect(FrameType::MULTICAST) => (&mut *a, frame),
                frame = b.expect(FrameType::MULTICAST) => (&mut *b, frame),
            };
            let result = if turned.is_none() { 100 } else { 0 };
            assert_eq!(*turned.get_or_insert(frame.seq), frame.seq);
            node.answer(&frame, result, Bytes::new()).await;
        }
    });
    flushed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_has_its_whole_time_whoever_woke_the_driver() {
    let (client, mut node) = connect().await;
    let (deliveries, _) = tokio::join!(client.deliveries::<Hello>(), node.confirm());
    let mut deliveries = deliveries.unwrap();
    let mut publisher = publisher(&client);
    publish(&mut publisher, 0..1).await;
    let first = take(&mut node, 0..1).await;
    acknowledge(&mut node, &first[0]).await;
    publisher.flush().await.unwrap();
    node.push(MessageKind::Unicast, 1, b"question").await;
    let question = deliveries.next().await.unwrap().unwrap();
    // Longer than the timeout of 10 s.
    node.answer_heartbeat().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let late = question.reply_bytes(42.to_string());
    assert!(matches!(late, Err(ReplyError::Late { .. })), "{late:?}");
    publish(&mut publisher, 1..2).await;
    node.expect(FrameType::RESPONSE).await;
    let second = take(&mut node, 1..2).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    acknowledge(&mut node, &second[0]).await;
    publisher.flush().await.unwrap();
}

#[test]
fn publishers_and_their_futures_are_send() {
    fn check<T: Send>(_: impl FnOnce(Publisher<Hello>) -> T) {}
    check(|publisher| publisher);
    check(|mut publisher| async move { publisher.publish(&text("x")).await });
    check(|mut publisher| async move { publisher.flush().await });
}
