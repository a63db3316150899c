//! Tests of cancel safety: every future is dropped after no poll, one poll, two polls and so on, until it
//! completes. Each time nothing may be lost, leaked or left half done.

use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use super::*;

/// More polls than any of these futures needs.
const MANY: usize = 64;

/// Polls a future this many times, or until all tasks wait, and drops it. Returns its output if it
/// completes before.
async fn cut<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    let polling = poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    let polled = tokio::time::timeout(Duration::from_millis(50), polling).await;
    polled.unwrap_or(None)
}

/// What a node that answers everything has got.
#[derive(Default)]
struct Got {
    unicasts: AtomicUsize,
    multicasts: Mutex<Vec<(Seq, Bytes)>>,
    topics: Mutex<Vec<String>>,
}

/// Lets a node answer everything, until its connection ends.
fn serves(mut node: Node) -> (Arc<Got>, tokio::task::JoinHandle<()>) {
    let got = Arc::new(Got::default());
    let serving = Arc::clone(&got);
    let task = tokio::spawn(async move {
        while let Some(frame) = node.next().await {
            match frame.kind {
                FrameType::HEARTBEAT | FrameType::RPC => {
                    let body = Bytes::from_static(b"{\"heartBeat\":1}\n");
                    node.send(Frame { body, ..frame }).await;
                }
                FrameType::UNICAST => {
                    serving.unicasts.fetch_add(1, Ordering::SeqCst);
                    node.answer(&frame, 0, framed("42")).await;
                }
                FrameType::MULTICAST => {
                    let message = (frame.seq, split_topic(&frame.body).unwrap().payload);
                    serving.multicasts.lock().unwrap().push(message);
                    node.answer(&frame, 0, frame.body.clone()).await;
                }
                FrameType::SET_TOPICS => {
                    if let SetTopics::Replace(topics) = SetTopics::parse(&frame.body) {
                        *serving.topics.lock().unwrap() = topics;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    });
    (got, task)
}

/// Waits until all other tasks wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn publishing_leaves_nothing_behind() {
    // One message in flight at a time, so that a place that is not given back is missed at once.
    let (client, node) = connect_with(Client::builder().max_in_flight(1), PIPE).await;
    let (got, _task) = serves(node);
    let (message, topic) = (text("a"), hello());
    let mut completed = [false; 4];
    for polls in 0..MANY {
        let before = client.stats();
        completed = [
            cut(polls, client.publish_unicast(&message)).await.is_some(),
            cut(polls, client.publish_multicast(&message))
                .await
                .is_some(),
            cut(polls, client.request(&Question("a".into())))
                .await
                .is_some(),
            cut(polls, client.publish_unicast_raw(&topic, "a".into()))
                .await
                .is_some(),
        ];
        settle().await;
        let after = client.stats();
        assert_eq!(after.in_flight, 0, "after {polls} polls");
        let (count, ended) = counted(&before, &after);
        assert_eq!(count, ended, "after {polls} polls");
        assert_eq!(count, if polls == 0 { 0 } else { 4 });
        // The only place is free again.
        client.publish_unicast(&message).await.unwrap();
        if completed == [true; 4] {
            break;
        }
    }
    assert_eq!(completed, [true; 4]);
    assert!(got.unicasts.load(Ordering::SeqCst) > 3);
}

/// Returns how many messages were published between two counts, and how many ended.
fn counted(before: &ClientStats, after: &ClientStats) -> (u64, u64) {
    let started = |stats: &ClientStats| stats.unicasts + stats.multicasts;
    let ended = |stats: &ClientStats| stats.answered + stats.confirmed + stats.cancelled;
    (
        started(after) - started(before),
        ended(after) - ended(before),
    )
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room_leaves_nothing_behind() {
    let (client, mut node) = connect_with(Client::builder().max_in_flight(1), PIPE).await;
    let topic = hello();
    for polls in 0..4 {
        let first = text("first");
        let mut first = pin!(client.publish_unicast(&first));
        assert!(futures::poll!(&mut first).is_pending());
        // There is no place for it.
        assert!(
            cut(polls, client.publish_unicast(&text("second")))
                .await
                .is_none()
        );
        let request = node.expect(FrameType::UNICAST).await;
        assert_eq!(request.body, framed("first"));
        node.answer(&request, 0, framed("")).await;
        first.await.unwrap();
        let (third, ()) = tokio::join!(client.publish_unicast_raw(&topic, "third".into()), async {
            let request = node.expect(FrameType::UNICAST).await;
            assert_eq!(request.body, framed("third"));
            node.answer(&request, 0, framed("")).await;
        });
        third.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_accepts_a_message_whole_or_not_at_all() {
    let (client, node) = connect().await;
    let (got, _task) = serves(node);
    let mut publisher = client.publisher::<Hello>().unwrap();
    let mut sent = Vec::new();
    for polls in 0..MANY {
        let payload = format!("message {polls}");
        let done = cut(polls, publisher.publish(&text(&payload))).await;
        sent.push((payload, done.is_some()));
        // A flush that is dropped loses nothing.
        let flushed = cut(polls, publisher.flush()).await;
        if done.is_some() && flushed.is_some() {
            break;
        }
    }
    publisher.flush().await.unwrap();
    assert_eq!(publisher.unconfirmed(), 0);
    assert!(sent.last().unwrap().1);
    let got = got.multicasts.lock().unwrap();
    for (payload, accepted) in &sent {
        let times = got.iter().filter(|(_, got)| got == payload).count();
        assert!(
            times <= 1 && (times == 1 || !accepted),
            "{payload}: {times}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_there_or_not() {
    let (client, node) = connect().await;
    let (got, _task) = serves(node);
    for polls in 0..MANY {
        let subscribed = cut(polls, client.subscribe::<Hello>()).await;
        let deliveries = cut(polls, client.deliveries::<Hello>()).await;
        settle().await;
        let wanted = subscribed.is_some() || deliveries.is_some();
        assert_eq!(got.topics.lock().unwrap().len(), usize::from(wanted));
        let done = subscribed.is_some() && deliveries.is_some();
        drop((subscribed, deliveries));
        settle().await;
        assert!(got.topics.lock().unwrap().is_empty());
        if done {
            return;
        }
    }
    panic!("subscribing did not complete");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_not_taken_is_not_lost() {
    let (client, mut node) = connect().await;
    let mut subscription = subscribe(&client, &mut node).await;
    let mut events = client.events();
    assert!(cut(1, events.next()).await.is_some());
    for n in 1..=20 {
        let polls = usize::from(n % 4);
        let waiting = cut(polls, subscription.next());
        let (early, seq) = tokio::join!(waiting, async {
            node.push(MessageKind::Unicast, n, n.to_string().as_bytes())
                .await
        });
        let message = match early {
            Some(message) => message,
            None => subscription.next().await,
        };
        assert_eq!(message, Some(text(&n.to_string())));
        assert_eq!(node.answered(seq).await.0, 0);
        assert!(cut(polls, events.next()).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn unsubscribing_can_be_continued() {
    for polls in 0..MANY {
        let (client, node) = connect().await;
        let (got, _task) = serves(node);
        let mut subscription = client.subscribe::<Hello>().await.unwrap();
        let cut = cut(polls, subscription.unsubscribe()).await;
        subscription.unsubscribe().await.unwrap();
        assert!(got.topics.lock().unwrap().is_empty());
        assert_eq!(subscription.next().await, None);
        if cut.is_some() {
            return;
        }
    }
    panic!("unsubscribing did not complete");
}

#[tokio::test(start_paused = true)]
async fn draining_and_closing_can_be_continued() {
    let mut completed = [false; 2];
    for polls in 0..MANY {
        for drain in [false, true] {
            let (client, node) = connect().await;
            let (_, task) = serves(node);
            let mut subscription = client.subscribe::<Hello>().await.unwrap();
            completed[usize::from(drain)] = match drain {
                true => cut(polls, client.drain()).await.is_some(),
                false => cut(polls, client.close()).await.is_some(),
            };
            match drain {
                true => client.drain().await.unwrap(),
                false => client.close().await,
            }
            assert_eq!(subscription.next().await, None);
            assert_eq!(client.closed().await, CloseReason::Local);
            task.await.unwrap();
        }
        if completed == [true; 2] {
            return;
        }
    }
    panic!("draining or closing did not complete: {completed:?}");
}

#[tokio::test(start_paused = true)]
async fn connecting_that_is_dropped_closes_its_connections() {
    for polls in 0..MANY {
        let (stream, mut node) = pipe(PIPE);
        let (client, ()) = tokio::join!(cut(polls, over(stream, Client::builder())), async {
            // The handshake may come or not, depending on how far connecting got.
            match node.next().await {
                Some(hello) => {
                    let response = HandshakeResponse {
                        node_version: "2.11.1".into(),
                        protocol: 3,
                        quiet_multicasts: false,
                        answer_within: None,
                        max_frame: None,
                    };
                    let body = response.to_body();
                    node.stream
                        .write_all(&Frame { body, ..hello }.to_bytes())
                        .await
                        .ok();
                }
                None => assert!(polls <= 2),
            }
        });
        match client {
            None => while node.next().await.is_some() {},
            Some(client) => return assert!(client.unwrap().is_connected()),
        }
    }
    panic!("connecting did not complete");
}

/// A program that stops serving in the middle of a request leaves no publisher without an answer.
#[tokio::test(start_paused = true)]
async fn a_server_s_requests_are_answered_however_far_it_got() {
    for polls in 0..8 {
        let (client, mut node) = connect().await;
        let handler = async |_: Question| {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            7_u64
        };
        let (server, _) = tokio::join!(client.serve(1, handler), node.confirm());
        let seqs = [
            node.push(MessageKind::Unicast, 1, b"1").await,
            node.push(MessageKind::Unicast, 2, b"2").await,
        ];
        settle().await;
        assert!(cut(polls, server.unwrap().run()).await.is_none());
        let mut answers = Vec::new();
        while answers.len() < 2 {
            let frame = node.next().await.unwrap();
            match frame.kind {
                FrameType::RESPONSE => answers.push((frame.seq, frame.result)),
                FrameType::HEARTBEAT | FrameType::RPC => node.send(frame).await,
                _ => {}
            }
        }
        answers.sort_unstable();
        assert_eq!(
            answers.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
            seqs
        );
        // A reply, no reply, or "ask another subscriber".
        let known = |result: &i32| [0, 106, 104].contains(result);
        assert!(
            answers.iter().all(|(_, result)| known(result)),
            "{answers:?}"
        );
    }
}
