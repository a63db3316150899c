//! A request succeeds only with a reply. In every other case its publisher gets a specific error,
//! and never an empty reply that could be read as zeros.

use std::time::Duration;

use amop::{Delivery, PublishError, PublishErrorKind, ReplyError};
use amop_node::Network;
use amop_testkit::{builder, client, network, network_with, patient, within};
use prost::Message as _;

/// In this codec, an empty payload is a reply that consists of zeros.
#[derive(Clone, PartialEq, prost::Message)]
struct Total {
    #[prost(uint64, tag = "1")]
    amount: u64,
}

#[amop::topic("sums", codec = "protobuf", reply = Total)]
#[derive(Clone, PartialEq, prost::Message)]
struct Sum {
    #[prost(uint64, repeated, tag = "1")]
    parts: Vec<u64>,
}

#[amop::topic("notes")]
struct Note(String);

fn sum() -> Sum {
    Sum { parts: vec![1, 2] }
}

/// Sends a request, and lets the subscriber handle it with `answer`. Returns the publisher's error.
async fn request<F>(answer: impl FnOnce(Delivery<Sum>) -> F + Send + 'static) -> PublishError
where
    F: Future<Output = ()> + Send,
{
    let network = network(2).await;
    let (asking, answering) = (client(&network, 0).await, client(&network, 1).await);
    let mut sums = Sum::deliveries(&answering).await.unwrap();
    let subscriber = tokio::spawn(async move {
        let delivery = sums.next().await.unwrap().unwrap();
        answer(delivery).await;
        // The subscription stays open, so that nothing else ends the request.
        std::future::pending::<()>().await;
        drop(sums);
    });
    let error = within("the end of the request", sum().request(&asking)).await;
    subscriber.abort();
    asking.close().await;
    answering.close().await;
    network.shutdown().await;
    error.unwrap_err()
}

fn assert_no_reply(error: &PublishError) {
    let right = matches!(error.kind(), PublishErrorKind::NoReply) && error.topic() == "sums";
    assert!(right, "{error:?}");
    assert!(error.to_string().contains("no reply"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_request_has_no_reply() {
    assert_no_reply(&request(|delivery| async move { drop(delivery) }).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_alone_is_no_reply() {
    let taken = |delivery: Delivery<Sum>| async move { assert_eq!(delivery.into_inner(), sum()) };
    assert_no_reply(&request(taken).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_aborted_with_a_request_gives_no_reply() {
    let error = request(|delivery| async move {
        let working = tokio::spawn(async move {
            let _held = delivery;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        working.abort();
        assert!(working.await.unwrap_err().is_cancelled());
    });
    assert_no_reply(&error.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_too_large_is_none() {
    let error = request(|delivery| async move {
        let large = vec![0; 40 << 20];
        let error = delivery.reply_bytes(large).unwrap_err();
        assert!(matches!(error, ReplyError::TooLarge { .. }), "{error:?}");
    });
    assert_no_reply(&error.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_with_a_request_in_hand_is_said_to_be_one() {
    let error = request(|delivery| async move {
        let failing = tokio::spawn(async move {
            assert_eq!(delivery.parts, [3], "the subscriber's own fault");
        });
        assert!(failing.await.unwrap_err().is_panic());
    })
    .await;
    let right =
        matches!(error.kind(), PublishErrorKind::SubscriberFailed) && error.topic() == "sums";
    assert!(right, "{error:?}");
}

/// A lost message is not reported as delivered, whether its publisher wants a reply or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_with_a_message_in_hand_does_not_acknowledge_it() {
    let network = network(2).await;
    let (publisher, answering) = (client(&network, 0).await, client(&network, 1).await);
    let mut notes = Note::deliveries(&answering).await.unwrap();
    let subscriber = tokio::spawn(async move {
        let note = notes.next().await.unwrap().unwrap();
        assert_eq!(note.0, "another one", "the subscriber's own fault");
        notes
    });
    let note = Note("hello".to_owned());
    let published = within("the end of the message", note.publish_unicast(&publisher)).await;
    let error = published.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::SubscriberFailed),
        "{error:?}"
    );
    assert!(subscriber.await.unwrap_err().is_panic());
    end(network, [publisher, answering]).await;
}

/// A subscriber that cannot reply does not appear to reply.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_subscription_gives_no_reply() {
    let network = network(2).await;
    let (asking, answering) = (client(&network, 0).await, client(&network, 1).await);
    let mut sums = Sum::subscribe(&answering).await.unwrap();
    let request = sum();
    let (result, taken) = within("the end of the request", async {
        tokio::join!(request.request(&asking), sums.next())
    })
    .await;
    assert_eq!(taken, Some(sum()));
    assert_no_reply(&result.unwrap_err());
    // For a publisher that wants no reply, it is enough that the message was taken.
    let (published, taken) = within("the end of the message", async {
        tokio::join!(request.publish_unicast(&asking), sums.next())
    })
    .await;
    assert_eq!(taken, Some(sum()));
    published.unwrap();
    end(network, [asking, answering]).await;
}

/// A message published as bytes on a topic with replies is still a request.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_dropped_have_no_reply() {
    let network = network(2).await;
    let (asking, answering) = (client(&network, 0).await, client(&network, 1).await);
    let raw = answering.subscription::<Sum>().raw();
    let mut sums = raw.await.unwrap();
    let request = sum();
    let (result, taken) = within("the end of the request", async {
        tokio::join!(request.request(&asking), async {
            sums.next().await.unwrap().into_inner()
        })
    })
    .await;
    assert_eq!(taken, sum().encode_to_vec());
    assert_no_reply(&result.unwrap_err());
    end(network, [asking, answering]).await;
}

/// The subscriber learns that its reply came too late, because the node tells it how long it waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_reply_says_so() {
    const LIMIT: Duration = Duration::from_millis(200);
    let network = network_with(1, |_, node| {
        node.timeouts(amop_node::Timeouts {
            session_answer: LIMIT,
            ..patient()
        })
    })
    .await;
    let (asking, answering) = (client(&network, 0).await, client(&network, 0).await);
    let mut sums = Sum::deliveries(&answering).await.unwrap();
    let request = sum();
    let (result, delivery) = within("the end of the request", async {
        tokio::join!(request.request(&asking), sums.next())
    })
    .await;
    let error = result.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Unanswered),
        "{error:?}"
    );
    assert!(error.to_string().contains("5 s"), "{error}");
    // The node gave it up only after it was sent, so this is later than the limit.
    let late = delivery
        .unwrap()
        .unwrap()
        .reply(Total { amount: 3 })
        .unwrap_err();
    let ReplyError::Late {
        topic,
        after,
        limit,
        ..
    } = late
    else {
        panic!("{late:?}");
    };
    assert_eq!((topic.as_str(), limit), ("sums", LIMIT));
    assert!(after > LIMIT);
    end(network, [asking, answering]).await;
}

async fn end(network: Network, clients: [amop::Client; 2]) {
    for client in clients {
        client.close().await;
    }
    network.shutdown().await;
}

/// Zeros are a valid reply if a subscriber sends them.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_reply_is_one() {
    let network = network(2).await;
    let asking = builder(&network, 0).connect().await.unwrap();
    let answering = client(&network, 1).await;
    let mut sums = Sum::deliveries(&answering).await.unwrap();
    let request = sum();
    let (reply, ()) = within("a reply", async {
        tokio::join!(request.request(&asking), async {
            let delivery = sums.next().await.unwrap().unwrap();
            delivery.reply(Total { amount: 0 }).unwrap();
        })
    })
    .await;
    assert_eq!(reply.unwrap(), Total { amount: 0 });
    end(network, [asking, answering]).await;
}
