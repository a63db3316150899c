//! Servers of request topics, through two nodes: what their publishers get.

use std::sync::Arc;

use amop::{Client, PublishErrorKind, Refusal};
use amop_node::Network;
use amop_testkit::{client, network, within};
use tokio::sync::Semaphore;

#[amop::topic("squares", reply = u64)]
struct Square {
    of: u64,
}

fn square(of: u64) -> Square {
    Square { of }
}

async fn two_clients() -> (Network, Client, Client) {
    let network = network(2).await;
    let (asking, answering) = (client(&network, 0).await, client(&network, 1).await);
    (network, asking, answering)
}

#[tokio::test]
async fn publishers_get_replies_refusals_and_failures() {
    let (network, asking, answering) = two_clients().await;
    let handler = async |square: Square| match square.of {
        0 => Err(Refusal::new(1001).with_payload("zero")),
        1 => Err("not a number"
            .parse::<u64>()
            .map(|_| ())
            .unwrap_err()
            .into()),
        2 => panic!("on purpose"),
        of => Ok(of * of),
    };
    let server = Square::try_serve(&answering, 4, handler).await.unwrap();
    let running = tokio::spawn(server.run());
    let ask = async |of| within("an answer", square(of).request(&asking)).await;

    assert_eq!(ask(12).await.unwrap(), 144);
    let error = ask(0).await.unwrap_err();
    let PublishErrorKind::Rejected { code, payload, .. } = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!((*code, &payload[..]), (1001, &b"zero"[..]));
    for of in [1, 2] {
        let error = ask(of).await.unwrap_err();
        let failed = matches!(error.kind(), PublishErrorKind::SubscriberFailed);
        assert!(failed, "{error:?}");
        // The cause stays with the server.
        assert!(!error.to_string().contains("invalid digit"), "{error}");
    }
    // It goes on after a panic.
    assert_eq!(ask(3).await.unwrap(), 9);

    within("the drain", answering.drain()).await.unwrap();
    let stats = within("the end of the server", running).await.unwrap();
    assert_eq!((stats.replied, stats.refused), (2, 1));
    assert_eq!((stats.failed, stats.panicked, stats.late), (1, 1, 0));
    asking.close().await;
    network.shutdown().await;
}

#[tokio::test]
async fn what_was_accepted_is_answered_before_the_server_ends() {
    let (network, asking, answering) = two_clients().await;
    let permits = Arc::new(Semaphore::new(0));
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let wait = Arc::clone(&permits);
    let handler = async move |square: Square| {
        started.send(square.of).unwrap();
        wait.acquire().await.unwrap().forget();
        square.of * square.of
    };
    let server = Square::serve(&answering, 2, handler).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    let mut questions = tokio::task::JoinSet::new();
    for of in 1..=3 {
        let asking = asking.clone();
        questions.spawn(async move { (of, square(of).request(&asking).await) });
    }
    for _ in 0..2 {
        within("a request", starts.recv()).await.unwrap();
    }
    // The third one waits in the queue when the server is stopped.
    let third = async {
        while answering.stats().unanswered < 3 {
            tokio::task::yield_now().await;
        }
    };
    within("the third request", third).await;
    drop(stop);
    permits.add_permits(3);
    while let Some(answer) = within("an answer", questions.join_next()).await {
        let (of, reply) = answer.unwrap();
        assert_eq!(reply.unwrap(), of * of);
    }
    assert_eq!(within("the end", running).await.unwrap().replied, 3);
    // Nobody subscribes any more, and the client goes on.
    let error = within("an error", square(4).request(&asking))
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }),
        "{error:?}"
    );
    asking.close().await;
    answering.close().await;
    network.shutdown().await;
}
