//! go-sdk publishes, the native client subscribes.

use amop::{MessageKind, TopicName};
use amop_testkit::{client, network, within};

use super::{MIB, binary, go_sdk};

#[amop::topic("ask", reply = "String")]
#[derive(Debug, Clone, PartialEq)]
struct Ask(String);

#[amop::topic("tell")]
#[derive(Debug, Clone, PartialEq)]
struct Tell(String);

/// The nodes of the subscriber: the publisher's own and the other.
const NODES: [usize; 2] = [0, 1];

#[tokio::test(flavor = "multi_thread")]
async fn a_unicast_is_answered() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    for node in NODES {
        let subscriber = client(&network, node).await;
        let mut questions = Ask::deliveries(&subscriber).await.unwrap();
        let mut publisher = go.publish(
            &network,
            0,
            "unicast",
            "ask",
            &["-text", "你好", "-count", "2"],
        );
        for number in 0..2 {
            let question = within("a question", questions.next()).await;
            let question = question.unwrap().unwrap();
            assert_eq!(*question, Ask(format!("你好 {number}")));
            assert_eq!(question.kind(), MessageKind::Unicast);
            question.reply(format!("answer {number}")).unwrap();
        }
        publisher.expect("connected").await;
        for number in 0..2 {
            publisher.expect("sending").await;
            let answer = publisher.expect("answered").await;
            assert_eq!(answer.text.unwrap(), format!("answer {number}"));
        }
        publisher.expect("done").await;
        let ended = publisher.end().await;
        assert!(ended.status.success(), "{ended:?}");
        subscriber.close().await;
    }
    network.shutdown().await;
}

/// Taking a message from the stream is enough to answer it.
#[tokio::test(flavor = "multi_thread")]
async fn a_unicast_is_acknowledged() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let subscriber = client(&network, 1).await;
    let mut messages = Tell::subscribe(&subscriber).await.unwrap();
    let mut publisher = go.publish(&network, 0, "unicast", "tell", &["-text", "hear"]);
    let message = within("the message", messages.next()).await;
    assert_eq!(message, Some(Tell("hear".to_owned())));
    publisher.expect("connected").await;
    publisher.expect("sending").await;
    assert!(publisher.expect("answered").await.has(""));
    subscriber.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mebibytes_travel_both_ways() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let topic = TopicName::new("large").unwrap();
    let answer = binary(MIB);
    let size = MIB.to_string();
    for node in NODES {
        let subscriber = client(&network, node).await;
        let mut messages = subscriber.subscribe_raw(&topic).await.unwrap();
        let flags = ["-random", &size, "-count", "3"];
        let mut publisher = go.publish(&network, 0, "unicast", "large", &flags);
        publisher.expect("connected").await;
        for _ in 0..3 {
            let sending = publisher.expect("sending").await;
            let message = within("the message", messages.next()).await.unwrap();
            assert!(sending.has(&message[..]), "{sending:?}");
            assert_eq!(message.len(), MIB);
            message.reply_bytes(&answer).unwrap();
            let answered = publisher.expect("answered").await;
            assert!(answered.has(&answer), "{answered:?}");
        }
        publisher.expect("done").await;
        subscriber.close().await;
    }
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn multicasts_reach_subscribers_on_both_nodes() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let topic = TopicName::new("news").unwrap();
    let clients = [client(&network, 0).await, client(&network, 1).await];
    let mut streams = Vec::new();
    for client in &clients {
        streams.push(client.subscribe_raw(&topic).await.unwrap());
    }
    let size = MIB.to_string();
    for payload in [["-text", "short"], ["-random", &size]] {
        let mut publisher = go.publish(&network, 0, "multicast", "news", &payload);
        publisher.expect("connected").await;
        let sending = publisher.expect("sending").await;
        for stream in &mut streams {
            let message = within("the message", stream.next()).await.unwrap();
            assert_eq!(message.kind(), MessageKind::Multicast);
            assert!(sending.has(&message[..]), "{sending:?}");
        }
        publisher.expect("accepted").await;
        publisher.expect("done").await;
        let ended = publisher.end().await;
        assert!(ended.status.success(), "{ended:?}");
    }
    for client in clients {
        client.close().await;
    }
    network.shutdown().await;
}
