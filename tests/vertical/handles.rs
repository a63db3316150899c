//! Settings of a single call, clients of an embedded network, and what a client counts.

use std::time::Duration;

use amop::{Client, ClientStats, OverflowPolicy, PublishErrorKind};
use amop_testkit::{client, network, within};
use tokio::time::Instant;

#[amop::topic("handles", reply = String)]
struct Question(String);

fn question() -> Question {
    Question("why".to_owned())
}

#[tokio::test]
async fn generated_functions_have_the_settings_of_the_handle() {
    let network = network(1).await;
    let asking = client(&network, 0).await;
    let answering = client(&network, 0).await;
    let newest = answering
        .with_queue(1)
        .with_overflow(OverflowPolicy::DropOldest);
    let mut questions = Question::deliveries(&newest).await.unwrap();

    let start = Instant::now();
    let after = Duration::from_millis(300);
    let error = question().request(&asking.with_timeout(after)).await;
    let error = error.unwrap_err();
    let timed_out =
        matches!(error.kind(), PublishErrorKind::Timeout { after: time, .. } if *time == after);
    assert!(timed_out, "{error:?}");
    assert!(start.elapsed() >= after);
    question().publish_multicast(&asking).await.unwrap();
    question().publish_multicast(&asking).await.unwrap();
    let dropped = async {
        while questions.lagged() < 2 {
            tokio::task::yield_now().await;
        }
    };
    within("the older messages to be dropped", dropped).await;
    let stats = answering.stats();
    assert_eq!(
        (stats.received, stats.turned_away, stats.dropped),
        (3, 1, 1)
    );
    assert!(questions.next().await.unwrap().is_ok());
    asking.close().await;
    answering.close().await;
    network.shutdown().await;
}

#[tokio::test]
async fn an_embedded_network_gives_access_to_its_nodes() {
    let network = network(2).await;
    let publisher = Client::connect_with(network.access(0)).await.unwrap();
    assert_eq!(publisher.endpoint(), network.endpoint(0));
    let subscriber = Client::builder().access(network.access_to_all());
    let subscriber = subscriber.connect().await.unwrap();
    assert_eq!(subscriber.endpoints().count(), 2);
    let mut questions = Question::subscribe(&subscriber).await.unwrap();
    question().publish_multicast(&publisher).await.unwrap();
    assert!(within("a message", questions.next()).await.is_some());
    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
}

#[tokio::test]
async fn a_client_counts_what_it_does() {
    let network = network(2).await;
    let (asking, answering) = (client(&network, 0).await, client(&network, 1).await);
    let nothing = ClientStats::default();
    assert_eq!(asking.stats().connections_made, 1);
    assert_eq!(asking.stats().unicasts, nothing.unicasts);

    // Nobody subscribes yet.
    within("an error", question().request(&asking))
        .await
        .unwrap_err();
    let server = Question::serve(&answering, 1, async |question| question.0)
        .await
        .unwrap();
    let running = tokio::spawn(server.run());
    for _ in 0..3 {
        within("an answer", question().request(&asking))
            .await
            .unwrap();
    }
    within("the node", question().publish_multicast(&asking))
        .await
        .unwrap();
    let mut publisher = asking.publisher::<Question>().unwrap();
    for _ in 0..4 {
        publisher.publish(&question()).await.unwrap();
    }
    within("the flush", publisher.flush()).await.unwrap();
    drop(asking.publish_unicast(&question()));

    let stats = asking.stats();
    assert_eq!(
        (stats.unicasts, stats.answered, stats.no_subscriber),
        (4, 3, 1)
    );
    assert_eq!((stats.multicasts, stats.confirmed), (5, 5));
    assert_eq!((stats.in_flight, stats.cancelled, stats.lost), (0, 0, 0));
    assert_eq!((stats.connected, stats.connections_lost), (1, 0));
    // At least the payloads.
    assert!(
        stats.bytes_sent > 9 * 3 && stats.bytes_received > 3 * 3,
        "{stats:?}"
    );

    let received = async {
        while answering.stats().received < 8 {
            tokio::task::yield_now().await;
        }
    };
    within("every message", received).await;
    within("the drain", answering.drain()).await.unwrap();
    let served = running.await.unwrap();
    assert_eq!((served.replied, served.multicasts), (3, 5));
    let stats = answering.stats();
    assert_eq!(
        (stats.received, stats.unanswered, stats.duplicates),
        (8, 0, 0)
    );
    assert_eq!((stats.connected, stats.connections_lost), (0, 1));
    asking.close().await;
    network.shutdown().await;
}
