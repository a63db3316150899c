//! One or several endpoints on a chain of FISCO nodes.

use std::{collections::BTreeSet, time::Duration};

use amop::{Client, Event, PublishErrorKind};
use amop_proto::channel::{FrameType, encode_topics, split_topic};
use amop_testkit::{
    fisco::{FiscoChain, Habits},
    log, within,
};
use tokio::{task::JoinHandle, time::Instant};

use super::{builder, chain, client, connect, sdk};

#[amop::topic("number")]
#[derive(Debug, Clone, PartialEq)]
struct Number(String);

/// Waits until the nodes know each other's subscribers: for each node, this number of its
/// neighbours have the topic.
async fn learned(chain: &FiscoChain, neighbours: [usize; 3]) {
    for (node, neighbours) in chain.nodes.iter().zip(neighbours) {
        node.learns("number", neighbours).await;
    }
}

/// Every multicast reaches every subscriber exactly once, wherever it is connected.
#[tokio::test(flavor = "multi_thread")]
async fn multicasts_by_two_nodes_reach_everybody_once() {
    let chain = chain(3, Habits::quick(21)).await;
    let publisher = client(&chain, &[0, 1]).await;
    let subscribers = [
        client(&chain, &[0]).await,
        client(&chain, &[1]).await,
        client(&chain, &[2]).await,
        client(&chain, &[0, 1, 2]).await,
    ];
    let mut subscriptions = Vec::new();
    for subscriber in &subscribers {
        subscriptions.push(Number::subscribe(subscriber).await.unwrap());
    }
    let mut foreign = sdk(&chain, 2).await;
    let topics = encode_topics(["number"]);
    foreign.send_new(FrameType::SET_TOPICS, 1, topics).await;
    foreign.settle(2).await;
    learned(&chain, [2, 2, 2]).await;

    for number in 0..60 {
        let message = Number(number.to_string());
        message.publish_multicast(&publisher).await.unwrap();
    }
    let all: BTreeSet<String> = (0..60).map(|number| number.to_string()).collect();
    for subscription in &mut subscriptions {
        let mut taken = BTreeSet::new();
        for _ in 0..60 {
            let Number(number) = within("a number", subscription.next_number()).await;
            assert!(taken.insert(number.clone()), "{number} came twice");
        }
        assert_eq!(taken, all);
    }
    // An SDK that does not check seqs gets both copies, as it does from java-sdk.
    let mut copies = Vec::new();
    for _ in 0..120 {
        let frame = foreign.receive().await;
        copies.push(split_topic(&frame.body).unwrap().payload);
    }
    copies.sort_unstable();
    assert!(copies.chunks(2).all(|pair| pair[0] == pair[1]));

    // The last message: nothing follows it.
    let last = Number("last".to_owned());
    last.publish_multicast(&publisher).await.unwrap();
    for subscription in &mut subscriptions {
        assert_eq!(within("the last", subscription.next_number()).await, last);
    }
    for client in subscribers.into_iter().chain([publisher]) {
        client.close().await;
    }
}

/// A program that turns copies off causes none, and its subscribers at the same node get nothing.
#[tokio::test(flavor = "multi_thread")]
async fn copies_can_be_done_without() {
    let chain = chain(2, Habits::quick(22)).await;
    let publisher = connect(builder(&chain, &[0, 1]).multicast_copies(1), 2).await;
    let mut foreign = Vec::new();
    for node in [0, 1] {
        let mut sdk = sdk(&chain, node).await;
        let topics = encode_topics(["number"]);
        sdk.send_new(FrameType::SET_TOPICS, 1, topics).await;
        sdk.settle(2).await;
        foreign.push(sdk);
    }
    for node in [0, 1] {
        chain.nodes[node].learns("number", 1).await;
    }
    for number in 0..10 {
        let message = Number(number.to_string());
        message.publish_multicast(&publisher).await.unwrap();
    }
    let [a, b] = &mut foreign[..] else {
        unreachable!("there are two")
    };
    // All go through one node, and reach the subscribers of the other one.
    let mut sides = BTreeSet::new();
    for _ in 0..10 {
        let (side, frame) = tokio::select! {
            frame = a.receive() => ("a", frame),
            frame = b.receive() => ("b", frame),
        };
        assert_eq!(frame.kind, FrameType::MULTICAST);
        sides.insert(side);
    }
    assert_eq!(sides.len(), 1);
    publisher.close().await;
}

/// Answers on every topic until it is aborted.
fn answer_all(client: &Client) -> JoinHandle<()> {
    let client = client.clone();
    tokio::spawn(async move {
        let mut deliveries = Number::deliveries(&client).await.unwrap();
        while let Some(delivery) = deliveries.next().await {
            // The connection may be about to end.
            let _ = delivery.unwrap().reply_bytes("answer");
        }
    })
}

/// Through the subscriber's own node a unicast stalls, through the other node it arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_unicast_asks_another_node_where_the_program_wants_that() {
    let chain = chain(2, Habits::quick(23)).await;
    let subscriber = client(&chain, &[0]).await;
    let answering = answer_all(&subscriber);
    chain.nodes[1].learns("number", 1).await;
    let asks = builder(&chain, &[0, 1]).ask_another_node_after(Duration::from_millis(100));
    let publisher = connect(asks, 2).await;
    let start = Instant::now();
    for number in 0..20 {
        let message = Number(number.to_string());
        message.publish_unicast(&publisher).await.unwrap();
    }
    // One that stalls would take 30 s.
    assert!(start.elapsed() < Duration::from_secs(29));

    // Without the setting, the error names it.
    let stalls = builder(&chain, &[0]).timeout(Duration::from_millis(300));
    let stalls = connect(stalls, 1).await;
    let message = Number("stalls".to_owned());
    let error = message.publish_unicast(&stalls).await.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Timeout { fisco: true, .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains("ask_another_node_after"), "{text}");
    answering.abort();
    for client in [subscriber, publisher, stalls] {
        client.close().await;
    }
}

/// The limits of a single node are logged when a client connects to it, and when they matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_single_node_says_what_it_cannot_do() {
    let stall = Duration::from_millis(50);
    let chain = chain(
        2,
        Habits {
            stall,
            ..Habits::quick(24)
        },
    )
    .await;
    let endpoint = chain.endpoint(0);
    let (publisher, subscriber) = (client(&chain, &[0]).await, client(&chain, &[0]).await);
    let advice = "publish and subscribe at different nodes, or name several endpoints";
    let parts = [endpoint.as_str(), "connected to a FISCO node", advice];
    log().wait_for(&parts).await;
    let mut numbers = Number::subscribe(&subscriber).await.unwrap();
    chain.nodes[1].learns("number", 1).await;

    let first = Number("first".to_owned());
    first.publish_multicast(&publisher).await.unwrap();
    let error = first.publish_unicast(&publisher).await.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            PublishErrorKind::NoSubscriber { fisco: true, .. }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains(advice), "{error}");

    let elsewhere = client(&chain, &[1]).await;
    let second = Number("second".to_owned());
    second.publish_multicast(&elsewhere).await.unwrap();
    assert_eq!(within("a number", numbers.next_number()).await, second);
    for client in [publisher, subscriber, elsewhere] {
        client.close().await;
    }
}

/// If a node stops, another node takes over its messages where it can.
#[tokio::test(flavor = "multi_thread")]
async fn another_node_takes_over() {
    let mut chain = chain(3, Habits::quick(25)).await;
    let publisher = client(&chain, &[0, 1]).await;
    let subscriber = client(&chain, &[2]).await;
    let mut numbers = Number::subscribe(&subscriber).await.unwrap();
    chain.nodes[0].learns("number", 1).await;
    chain.nodes[1].learns("number", 1).await;
    let mut events = publisher.events();
    for number in 0..40 {
        if number == 20 {
            drop(chain.nodes.remove(0));
        }
        let message = Number(number.to_string());
        message.publish_multicast(&publisher).await.unwrap();
    }
    let lost =
        async { while !matches!(events.next().await.unwrap(), Event::Disconnected { .. }) {} };
    within("the loss", lost).await;
    let mut taken = BTreeSet::new();
    while taken.len() < 40 {
        let Number(number) = within("a number", numbers.next_number()).await;
        assert!(taken.insert(number.clone()), "{number} came twice");
    }
    for client in [publisher, subscriber] {
        client.close().await;
    }
}

trait Next {
    async fn next_number(&mut self) -> Number;
}

impl Next for amop::Subscription<Number> {
    async fn next_number(&mut self) -> Number {
        self.next().await.expect("the subscription is open")
    }
}
