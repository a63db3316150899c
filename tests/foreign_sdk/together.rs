//! Other SDKs and native clients together: the flows in which messages are exchanged.

use amop::{Client, PublishErrorKind, TopicName};
use amop_node::Network;
use amop_proto::channel::{Frame, FrameType, frame_topic};
use amop_testkit::{Sdk, client, network, network_with, patient, seq, within};
use bytes::Bytes;

async fn sdk(network: &Network, node: usize) -> Sdk {
    let config = network.sdk().client_config().unwrap();
    Sdk::connect(network.endpoint(node), config).await
}

/// Connects an SDK that holds some topics; the peers of its node know it.
async fn subscriber(network: &Network, node: usize, topics: &str) -> Sdk {
    let mut sdk = sdk(network, node).await;
    sdk.send_new(FrameType::SET_TOPICS, 1, topics.to_owned())
        .await;
    sdk.settle(2).await;
    sdk
}

fn hello() -> TopicName {
    "hello".parse().unwrap()
}

/// The other node learns of the other SDK's topic a moment after its own node.
async fn until_known(publisher: &Client, topic: &TopicName, sdk: &mut Sdk) {
    let known = async {
        let answering = async {
            let asked = sdk.receive().await;
            sdk.send(&asked.respond(0, asked.body.clone())).await;
        };
        let asking = async {
            while let Err(error) = publisher.publish_unicast_raw(topic, "known?".into()).await {
                assert!(
                    matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }),
                    "{error:?}"
                );
            }
        };
        tokio::join!(answering, asking)
    };
    within("the topic on the other node", known).await;
}

/// The payload of a reply, or the code of a refusal.
type Expected = Result<&'static [u8], i32>;

/// Flow "subscribe, then unicast with reply", and "answer with a result code and no topic frame".
#[tokio::test(flavor = "multi_thread")]
async fn our_publisher_and_a_foreign_subscriber() {
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let mut sdk = subscriber(&network, 1, "[\"hello\"]").await;
    until_known(&publisher, &hello(), &mut sdk).await;
    let body = frame_topic(b"hello", b"x");
    let cases: [(i32, Bytes, Expected); 4] = [
        (0, frame_topic(b"hello", b"ok"), Ok(b"ok")),
        // Some answer without the topic, some with an empty body.
        (0, "raw".into(), Ok(b"raw")),
        (0, Bytes::new(), Ok(b"")),
        (7, "raw".into(), Err(7)),
    ];
    for (result, answer, expected) in cases {
        let (reply, ()) = within("a reply", async {
            let topic = hello();
            tokio::join!(publisher.publish_unicast_raw(&topic, "x".into()), async {
                let asked = sdk.receive().await;
                assert_eq!((asked.kind, asked.result), (FrameType::UNICAST, 0));
                assert_eq!(asked.body, body);
                sdk.send(&asked.respond(result, answer.clone())).await;
            })
        })
        .await;
        match (reply, expected) {
            (Ok(reply), Ok(payload)) => assert_eq!(reply.payload, payload),
            (Err(error), Err(expected)) => match error.kind() {
                PublishErrorKind::Rejected { code, payload, .. } => {
                    assert_eq!((*code, payload), (expected, &answer));
                }
                _ => panic!("{error:?} instead of {expected:?}"),
            },
            (reply, expected) => panic!("{reply:?} instead of {expected:?}"),
        }
    }
    publisher
        .publish_multicast_raw(&hello(), "x".into())
        .await
        .unwrap();
    let got = sdk.receive().await;
    assert_eq!((got.kind, got.body), (FrameType::MULTICAST, body));
    publisher.close().await;
    network.shutdown().await;
}

/// Flows "unicast ..." and "multicast" the other way round: another SDK publishes, a native client
/// subscribes.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_publisher_and_our_subscriber() {
    let network = network(2).await;
    let subscriber = client(&network, 1).await;
    let mut messages = subscriber.subscribe_raw(&hello()).await.unwrap();
    let mut sdk = sdk(&network, 0).await;

    let body = frame_topic(
        b"hello",
        b"hello, FISCO BCOS, I am unique broadcast publisher! 0",
    );
    sdk.send_new(FrameType::UNICAST, 13, body).await;
    let asked = within("the unicast", messages.next()).await.unwrap();
    assert_eq!(
        &asked[..],
        b"hello, FISCO BCOS, I am unique broadcast publisher! 0"
    );
    assert_eq!(asked.seq(), seq(13));
    asked.reply_bytes("ok").unwrap();
    let answer = sdk.receive().await;
    let expected = Frame {
        kind: FrameType::RESPONSE,
        seq: seq(13),
        result: 0,
        body: frame_topic(b"hello", b"ok"),
    };
    assert_eq!(answer, expected);

    // The node acknowledges a multicast by itself and echoes it.
    let body = frame_topic(b"hello", b"multi");
    let answer = sdk.ask(FrameType::MULTICAST, 14, body.clone()).await;
    assert_eq!(answer.kind, FrameType::RESPONSE);
    assert_eq!((answer.result, answer.body), (0, body));
    let got = within("the multicast", messages.next()).await.unwrap();
    assert_eq!(&got[..], b"multi");
    subscriber.close().await;
    network.shutdown().await;
}

/// Flows "... without subscriber".
#[tokio::test(flavor = "multi_thread")]
async fn without_subscriber() {
    let network = network(2).await;
    let mut sdk = sdk(&network, 0).await;
    let body = frame_topic(b"hello", b"anyone?");
    let answer = sdk.ask(FrameType::UNICAST, 10, body.clone()).await;
    assert_eq!(answer.kind, FrameType::RESPONSE);
    assert_eq!((answer.result, answer.body), (100, Bytes::new()));
    let answer = sdk.ask(FrameType::MULTICAST, 11, body.clone()).await;
    assert_eq!(answer.kind, FrameType::RESPONSE);
    assert_eq!((answer.result, answer.body), (0, body));
    network.shutdown().await;
}

/// Flow "unicast, silent subscriber": the next subscriber gets it, and if there is none, the result
/// is 104.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_subscriber_is_passed_over() {
    let mut timeouts = patient();
    timeouts.session_answer = std::time::Duration::from_secs(1);
    let network = network_with(1, |_, builder| builder.timeouts(timeouts)).await;
    let mut silent = subscriber(&network, 0, "[\"hello\"]").await;
    let mut publisher = sdk(&network, 0).await;
    let body = frame_topic(b"hello", b"silence");
    let answer = publisher.ask(FrameType::UNICAST, 16, body.clone()).await;
    assert_eq!(answer.kind, FrameType::RESPONSE);
    assert_eq!((answer.result, &answer.body), (104, &body));
    // It got the message, and its late answer is dropped.
    let asked = silent.receive().await;
    assert_eq!((asked.seq, &asked.body), (seq(16), &body));
    silent.send(&asked.respond(0, body)).await;
    silent.settle(17).await;
    publisher.settle(18).await;
    network.shutdown().await;
}

/// A subscriber is killed while it has a message: the next one gets it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_subscriber_loses_nothing() {
    let network = network(2).await;
    let mut doomed = subscriber(&network, 0, "[\"hello\"]").await;
    let mut publisher = sdk(&network, 0).await;
    let body = frame_topic(b"hello", b"precious");
    publisher
        .send_new(FrameType::UNICAST, 1, body.clone())
        .await;
    assert_eq!(doomed.receive().await.body, body);
    let mut heir = subscriber(&network, 0, "[\"hello\"]").await;
    // Closed without a TLS goodbye.
    drop(doomed);
    let asked = heir.receive().await;
    assert_eq!((asked.seq, &asked.body), (seq(1), &body));
    heir.send(&asked.respond(0, frame_topic(b"hello", b"done")))
        .await;
    let answer = publisher.receive().await;
    assert_eq!((answer.seq, answer.result), (seq(1), 0));
    assert_eq!(answer.body, frame_topic(b"hello", b"done"));
    network.shutdown().await;
}

/// Flow "non-ASCII topic and 254-byte topic", and "block notify topics and unsubscribe".
#[tokio::test(flavor = "multi_thread")]
async fn topics_of_all_kinds() {
    let network = network(2).await;
    let publisher = client(&network, 0).await;
    let longest = "t".repeat(254);
    let chinese = "\u{4f60}\u{597d}";
    let topics = serde_json::json!(["hello", chinese, longest]).to_string();
    let mut sdk = subscriber(&network, 1, &topics).await;
    until_known(&publisher, &hello(), &mut sdk).await;
    for topic in [chinese, &longest] {
        let topic = TopicName::new(topic).unwrap();
        let body = frame_topic(topic.as_bytes(), b"payload");
        let (reply, ()) = within("a reply", async {
            tokio::join!(
                publisher.publish_unicast_raw(&topic, "payload".into()),
                async {
                    let asked = sdk.receive().await;
                    assert_eq!(asked.body, body);
                    sdk.send(&asked.respond(0, asked.body.clone())).await;
                }
            )
        })
        .await;
        assert_eq!(reply.unwrap().payload, "payload");
    }
    // The set is replaced as a whole.
    sdk.send_new(FrameType::SET_TOPICS, 30, r#"["_block_notify_1"]"#)
        .await;
    sdk.settle(31).await;
    let own = client(&network, 1).await;
    let error = own
        .publish_unicast_raw(&hello(), "gone?".into())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }),
        "{error:?}"
    );
    publisher.close().await;
    own.close().await;
    network.shutdown().await;
}
