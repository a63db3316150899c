//! Tests of servers: concurrency, errors, panics, late replies and every kind of end.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;

type Plain<F> = Server<Question, F>;

/// Returns a server of [`Question`], confirmed by the node.
async fn serve<F: AsyncFn(Question) -> u64>(
    client: &Client,
    node: &mut Node,
    concurrency: usize,
    handler: F,
) -> Plain<F> {
    let (server, topics) = tokio::join!(client.serve(concurrency, handler), node.confirm());
    assert_eq!(topics, ["hello"]);
    server.unwrap()
}

async fn ask(node: &mut Node, n: u8) -> Seq {
    node.push(MessageKind::Unicast, n, n.to_string().as_bytes())
        .await
}

fn number(question: &Question) -> u64 {
    question.0.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_and_the_end_of_the_client_ends_the_server() {
    let (client, mut node) = connect().await;
    let server = serve(&client, &mut node, 2, async |question| {
        2 * number(&question)
    })
    .await;
    assert_eq!(server.topic(), "hello");
    let running = tokio::spawn(server.run());
    for n in 1..=9 {
        let seq = ask(&mut node, n).await;
        assert_eq!(node.answered(seq).await, (0, (2 * n).to_string().into()));
    }
    client.close().await;
    let stats = running.await.unwrap();
    assert_eq!((stats.replied, stats.failed, stats.late), (9, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_handlers_run_than_asked_for_and_the_queue_is_that_of_the_subscription() {
    let (client, mut node) = connect().await;
    let permits = Arc::new(Semaphore::new(0));
    let busy = Arc::new(AtomicUsize::new(0));
    let (wait, count) = (Arc::clone(&permits), Arc::clone(&busy));
    let handler = async move |question| {
        count.fetch_add(1, Ordering::SeqCst);
        wait.acquire().await.unwrap().forget();
        count.fetch_sub(1, Ordering::SeqCst);
        number(&question)
    };
    let server = serve(&client.with_queue(2), &mut node, 3, handler).await;
    let running = tokio::spawn(server.run());
    let mut seqs = Vec::new();
    for n in 1..=5 {
        seqs.push(ask(&mut node, n).await);
        assert!(node.is_quiet().await);
        assert_eq!(busy.load(Ordering::SeqCst), usize::from(n).min(3));
    }
    // Three are in progress and two wait: there is no room for another one.
    let refused = ask(&mut node, 6).await;
    assert_eq!(node.answered(refused).await.0, 104);
    for (n, seq) in (1..).zip(seqs) {
        permits.add_permits(1);
        assert_eq!(node.answered(seq).await, (0, n.to_string().into()));
        assert!(busy.load(Ordering::SeqCst) <= 3);
    }
    client.close().await;
    assert_eq!(running.await.unwrap().replied, 5);
}

#[tokio::test(start_paused = true)]
async fn refusals_and_errors_become_the_publisher_s_errors() {
    let (client, mut node) = connect().await;
    let handler = async |question: Question| {
        match question.0.as_str() {
            "own" => Err(Refusal::new(1001).with_payload("why")),
            "elsewhere" => Err(Refusal::new(104)),
            // An error of another type.
            number => Ok(number.parse::<u64>()?),
        }
    };
    let (server, _) = tokio::join!(client.try_serve(1, handler), node.confirm());
    let running = tokio::spawn(server.unwrap().run());
    let cases = [
        ("own", 1001, "why"),
        ("elsewhere", 104, ""),
        // The text of the error stays here.
        ("not a number", 107, ""),
        ("7", 0, "7"),
    ];
    for (n, (payload, code, answer)) in (1..).zip(cases) {
        let seq = node.push(MessageKind::Unicast, n, payload.as_bytes()).await;
        assert_eq!(node.answered(seq).await, (code, answer.into()), "{payload}");
    }
    client.close().await;
    let stats = running.await.unwrap();
    assert_eq!((stats.replied, stats.refused, stats.failed), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_handler_ends_only_its_request() {
    let (client, mut node) = connect().await;
    let handler = async |question: Question| {
        assert!(question.0 != "1", "before the first await");
        tokio::task::yield_now().await;
        assert!(question.0 != "2", "after it");
        number(&question)
    };
    let server = serve(&client, &mut node, 4, handler).await;
    let running = tokio::spawn(server.run());
    for (n, code) in [(1, 107), (2, 107), (3, 0)] {
        let seq = ask(&mut node, n).await;
        assert_eq!(node.answered(seq).await.0, code);
    }
    client.close().await;
    let stats = running.await.unwrap();
    assert_eq!((stats.replied, stats.panicked), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_future_is_made_ends_only_its_request() {
    let (client, mut node) = connect().await;
    // Not an async closure: it runs before its future does.
    let handler = |question: Question| {
        let number = question.0.parse::<u64>().unwrap();
        async move { number }
    };
    let server = serve(&client, &mut node, 1, handler).await;
    let running = tokio::spawn(server.run());
    let seq = node.push(MessageKind::Unicast, 1, b"x").await;
    assert_eq!(node.answered(seq).await.0, 107);
    let seq = ask(&mut node, 2).await;
    assert_eq!(node.answered(seq).await, (0, "2".into()));
    client.close().await;
    assert_eq!(running.await.unwrap().panicked, 1);
}

#[tokio::test(start_paused = true)]
async fn late_replies_are_sent_and_counted() {
    let (client, mut node) = connect().await;
    let handler = async |question| {
        tokio::time::sleep(Duration::from_secs(number(&question))).await;
        number(&question)
    };
    let server = serve(&client, &mut node, 2, handler).await;
    let running = tokio::spawn(server.run());
    let (late, soon) = (ask(&mut node, 6).await, ask(&mut node, 4).await);
    assert_eq!(node.answered(soon).await.1, "4");
    assert_eq!(node.answered(late).await.1, "6");
    client.close().await;
    let stats = running.await.unwrap();
    assert_eq!((stats.replied, stats.late), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_request_is_not_given_to_the_handler() {
    let (client, mut node) = connect().await;
    let handler = async |_: Question| -> u64 { panic!("it is not called") };
    let server = serve(&client, &mut node, 1, handler).await;
    let running = tokio::spawn(server.run());
    node.push(MessageKind::Multicast, 1, b"1").await;
    // Not text.
    let seq = node.push(MessageKind::Unicast, 2, b"\xff").await;
    assert_eq!(node.answered(seq).await.0, 105);
    client.close().await;
    let stats = running.await.unwrap();
    assert_eq!(
        (stats.multicasts, stats.undecodable, stats.panicked),
        (1, 1, 0)
    );
}

/// Returns permits, and a handler that waits for one of them.
macro_rules! gate {
    () => {{
        let permits = Arc::new(Semaphore::new(0));
        let wait = Arc::clone(&permits);
        let handler = async move |question: Question| {
            wait.acquire().await.unwrap().forget();
            number(&question)
        };
        (permits, handler)
    }};
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_stopped_answers_what_has_arrived() {
    let (client, mut node) = connect().await;
    let (permits, handler) = gate!();
    let server = serve(&client, &mut node, 1, handler).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut running = std::pin::pin!(server.run_until(async { drop(stopped.await) }));
    let (in_progress, waiting) = (ask(&mut node, 1).await, ask(&mut node, 2).await);
    assert!(futures::poll!(&mut running).is_pending());
    assert!(node.is_quiet().await);
    stop.send(()).unwrap();
    let (stats, ()) = tokio::join!(running, async {
        assert!(node.set().await.is_empty());
        // Sent before the node removed the topic, and answered while the server unsubscribes.
        let during = ask(&mut node, 3).await;
        permits.add_permits(1);
        // The heartbeat that confirms the topics is answered meanwhile.
        assert_eq!(node.answered(in_progress).await.1, "1");
        permits.add_permits(2);
        assert_eq!(node.answered(waiting).await.1, "2");
        assert_eq!(node.answered(during).await.1, "3");
    });
    assert_eq!(stats.replied, 3);
    // The client is still there.
    assert!(client.is_connected());
    let late = ask(&mut node, 4).await;
    assert_eq!(node.answered(late).await.0, 104);
}

#[tokio::test(start_paused = true)]
async fn draining_the_client_ends_its_servers_after_their_last_answer() {
    let (client, mut node) = connect().await;
    let (permits, handler) = gate!();
    let server = serve(&client, &mut node, 1, handler).await;
    let (in_progress, waiting) = (ask(&mut node, 1).await, ask(&mut node, 2).await);
    let (stats, drained, ()) = tokio::join!(server.run(), client.drain(), async {
        assert!(node.confirm().await.is_empty());
        assert!(node.is_quiet().await);
        permits.add_permits(2);
        assert_eq!(node.answered(in_progress).await.1, "1");
        assert_eq!(node.answered(waiting).await.1, "2");
        assert_eq!(node.next().await, None);
    });
    drained.unwrap();
    assert_eq!(stats.replied, 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_dropped_leaves_no_publisher_without_an_answer() {
    let (client, mut node) = connect().await;
    let (_permits, handler) = gate!();
    let server = serve(&client, &mut node, 1, handler).await;
    let running = tokio::spawn(server.run());
    let (in_progress, waiting) = (ask(&mut node, 1).await, ask(&mut node, 2).await);
    assert!(node.is_quiet().await);
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    // No reply; and "ask another subscriber".
    assert_eq!(node.answered(in_progress).await.0, 106);
    assert_eq!(node.answered(waiting).await.0, 104);
    assert!(node.confirm().await.is_empty());
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_runs_refuses_its_requests() {
    let (client, mut node) = connect().await;
    let server = serve(&client, &mut node, 1, async |_| 1).await;
    let waiting = ask(&mut node, 1).await;
    assert!(node.is_quiet().await);
    drop(server);
    assert_eq!(node.answered(waiting).await.0, 104);
    drop(client);
}
