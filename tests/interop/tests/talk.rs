//! What native clients and SDKs in other languages say to each other.

use amop::{Client, MessageKind, PublishErrorKind, Reply, TopicName};
use amop_interop::{Event, Running};
use amop_testkit::within;
use bytes::Bytes;

const MIB: usize = 1 << 20;

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

/// Sends requests until there is a subscriber: nothing tells these SDKs when the node has their
/// topics.
pub(crate) async fn ask(client: &Client, topic: &TopicName, payload: impl Into<Bytes>) -> Reply {
    let payload = payload.into();
    let asking = async {
        loop {
            match client.publish_unicast_raw(topic, payload.clone()).await {
                Ok(reply) => return reply,
                Err(error) if matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }) => {
                    tokio::task::yield_now().await
                }
                Err(error) => panic!("{topic}: {error}"),
            }
        }
    };
    within(&format!("an answer to {topic}"), asking).await
}

/// A native client asks a subscriber with the SDK, which replies with the question.
pub(crate) async fn asks(client: &Client, name: &str, sdk: &mut Running) {
    let large: Vec<u8> = (0..MIB).map(|at| (at * 31 + at / 251) as u8).collect();
    for payload in ["你好".as_bytes().to_vec(), large] {
        let reply = ask(client, &topic(name), payload.clone()).await;
        assert_eq!(reply.payload, payload);
        assert!(sdk.find("received").await.has(&payload));
    }
}

/// A publisher with the SDK asks a native client, until it is not `refused`. Returns what the SDK says
/// about the answers.
pub(crate) async fn is_asked(
    client: &Client,
    at: usize,
    sdk: &mut Running,
    refused: impl Fn(&Event) -> bool,
) -> Vec<Event> {
    let name = format!("to-us-{at}");
    let mut questions = client.subscribe_raw(&topic(&name)).await.unwrap();
    let mut answers = Vec::new();
    for payload in ["text:你好".to_owned(), format!("size:{MIB}")] {
        // The node may not know the native client yet.
        let question = loop {
            sdk.does(&["unicast", &name, &payload]).await;
            let question = tokio::select! {
                question = within("a question", questions.next()) => question.unwrap(),
                answer = sdk.find("answered") => {
                    assert!(refused(&answer), "{answer:?}");
                    continue;
                }
            };
            break question;
        };
        assert_eq!(question.kind(), MessageKind::Unicast);
        let asked = question.to_vec();
        question.reply_bytes(&asked).unwrap();
        let answer = sdk.find("answered").await;
        assert!(answer.has(&asked), "{answer:?}");
        answers.push(answer);
    }
    answers
}
