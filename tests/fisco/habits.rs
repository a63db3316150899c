//! The simulated FISCO nodes of these tests behave like FISCO nodes: otherwise the tests would
//! prove nothing.

use std::{collections::BTreeSet, time::Duration};

use amop_proto::channel::{Frame, FrameType, encode_topics, frame_topic};
use amop_testkit::{Sdk, fisco::Habits, seq, within};
use tokio::time::Instant;

use super::{chain, sdk};

/// Sends a set of topics, as an SDK does that does not know about threads.
async fn set(sdk: &mut Sdk, number: u64, topics: &[&str]) {
    let body = encode_topics(topics.iter().copied());
    sdk.send_new(FrameType::SET_TOPICS, number, body).await;
}

/// Two sets in a row may be handled in either order, and the answer to a heartbeat sent after them
/// proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_may_be_lost_to_the_one_before_it() {
    let mut lost = 0;
    for seed in 0..20 {
        let chain = chain(1, Habits::quick(seed)).await;
        let mut sdk = sdk(&chain, 0).await;
        let sets = [&["a"][..], &["a", "b"], &["a", "b", "c"]];
        for (number, topics) in (0..).zip(sets) {
            set(&mut sdk, number, topics).await;
        }
        sdk.settle(9).await;
        let node = &chain.nodes[0];
        let all = async {
            while node.sets() < 3 {
                tokio::task::yield_now().await;
            }
        };
        within("the sets", all).await;
        lost += usize::from(node.topics().len() < 3);
    }
    assert!((1..20).contains(&lost), "{lost} of 20");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_of_the_publisher_s_own_node_get_nothing() {
    let stall = Duration::from_millis(100);
    let chain = chain(
        2,
        Habits {
            stall,
            ..Habits::quick(1)
        },
    )
    .await;
    let (mut publisher, mut near) = (sdk(&chain, 0).await, sdk(&chain, 0).await);
    let mut elsewhere = sdk(&chain, 1).await;
    set(&mut near, 1, &["hello"]).await;
    let topics = BTreeSet::from(["hello".to_owned()]);
    chain.nodes[0].has(&topics).await;
    chain.nodes[1].learns("hello", 1).await;

    let body = frame_topic(b"hello", b"from its own node");
    let taken = publisher.ask(FrameType::MULTICAST, 1, body.clone()).await;
    assert_eq!((taken.kind, taken.result), (FrameType::RESPONSE, 0));
    assert_eq!(taken.body, body);
    let start = Instant::now();
    let refused = publisher.ask(FrameType::UNICAST, 2, body).await;
    assert_eq!((refused.result, refused.body.len()), (100, 0));
    assert!(start.elapsed() >= stall);

    // A message from another node arrives, and only this one.
    let body = frame_topic(b"hello", b"from another node");
    elsewhere.ask(FrameType::MULTICAST, 3, body.clone()).await;
    let message = near.receive().await;
    assert_eq!((message.seq, message.body), (seq(3), body.clone()));
    elsewhere.send_new(FrameType::UNICAST, 4, body).await;
    let message = near.receive().await;
    assert_eq!(message.seq, seq(4));
    let answer = message.respond(0, frame_topic(b"hello", b"answer"));
    near.send(&answer).await;
    assert_eq!(elsewhere.receive().await, answer);
}

/// All unicasts of one second go to the same subscriber.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_draw_a_second() {
    let chain = chain(4, Habits::quick(2)).await;
    let mut subscribers = Vec::new();
    for node in 1..4 {
        let mut subscriber = sdk(&chain, node).await;
        set(&mut subscriber, 1, &["hello"]).await;
        subscribers.push(subscriber);
    }
    chain.nodes[0].learns("hello", 3).await;
    let answering = subscribers
        .into_iter()
        .zip(1u8..)
        .map(|(mut sdk, number)| async move {
            loop {
                let Frame { kind, .. } = {
                    let message = sdk.receive().await;
                    let answer = message.respond(0, frame_topic(b"hello", &[number]));
                    sdk.send(&answer).await;
                    message
                };
                assert_eq!(kind, FrameType::UNICAST);
            }
        });
    let answering: Vec<_> = answering.map(tokio::spawn).collect();
    let mut publisher = sdk(&chain, 0).await;
    let start = Instant::now();
    let mut answers = Vec::new();
    for number in 0..200 {
        let body = frame_topic(b"hello", b"x");
        answers.push(publisher.ask(FrameType::UNICAST, number, body).await.body);
    }
    let changes = answers.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64;
    let seconds = start.elapsed().as_secs() + 1;
    assert!(changes <= seconds, "{changes} changes in {seconds} s");
    for task in answering {
        task.abort();
    }
}

/// A node announces the number of its topics only at ticks, and its neighbour fetches all of them
/// each time.
#[tokio::test(flavor = "multi_thread")]
async fn every_new_number_costs_the_whole_list() {
    let chain = chain(2, Habits::quick(3)).await;
    let mut subscriber = sdk(&chain, 1).await;
    let topics: Vec<String> = (0..100).map(|n| format!("{:0100}", n)).collect();
    let mut bytes = 0;
    for (number, len) in [(1, 50), (2, 100)] {
        let topics: Vec<&str> = topics[..len].iter().map(String::as_str).collect();
        set(&mut subscriber, number, &topics).await;
        chain.nodes[0].learns(topics[len - 1], 1).await;
        let fetched = chain.nodes[0].fetched();
        // A header, the number, and a tab before each topic.
        bytes += 16 + 1 + 101 * len as u64;
        assert_eq!((fetched.lists, fetched.bytes), (number, bytes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_questions_have_a_fisco_node_s_answers() {
    let chain = chain(1, Habits::quick(4)).await;
    let mut sdk = sdk(&chain, 0).await;
    for (number, question, part) in [
        (
            1,
            r#"{"jsonrpc":"2.0","method":"getClientVersion","params":[]}"#,
            "-32604",
        ),
        (
            2,
            r#"{"jsonrpc":"2.0","method":"none","params":[]}"#,
            "-32601",
        ),
        (
            3,
            r#"{"jsonrpc":"2.0","id":7,"method":"none","params":[]}"#,
            r#""id":7"#,
        ),
        (4, "no JSON", "-32700"),
        (
            5,
            r#"{"jsonrpc":"2.0","id":-1,"method":"getGroupList","params":[]}"#,
            r#""result":[1]"#,
        ),
        (
            6,
            r#"{"jsonrpc":"2.0","id":1,"method":"getClientVersion","params":[]}"#,
            "2.11.1",
        ),
    ] {
        let answer = sdk.ask(FrameType::RPC, number, question).await;
        let text = std::str::from_utf8(&answer.body).unwrap();
        assert!(
            text.contains(part) && text.ends_with('\n'),
            "{question}: {text}"
        );
    }
}
