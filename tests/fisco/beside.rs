//! Overlay nodes with FISCO nodes as neighbours: SDKs of either kind of node reach those of the
//! other.

use std::time::{Duration, Instant};

use amop::Client;
use amop_node::Network;
use amop_testkit::{
    client as client_of,
    fisco::{FiscoChain, Habits},
    network, within,
};

use super::client;

#[amop::topic("question", reply = String, codec = "json")]
#[derive(Debug, PartialEq)]
struct Question(String);

/// Starts two overlay nodes; the first one is a neighbour of two FISCO nodes.
async fn beside(habits: Habits) -> (Network, FiscoChain) {
    let network = network(2).await;
    let agency = network.agency();
    let chain = FiscoChain::start(agency, 2, habits).await;
    let node = network.node(0).unwrap();
    for fisco in &chain.nodes {
        fisco.dial(node.p2p_address()).await;
    }
    node.wait_for_peers(3, Duration::from_secs(60))
        .await
        .unwrap();
    (network, chain)
}

/// Sends a request from one side, which is answered on the other.
async fn exchange(from: &Client, to: &Client) {
    let mut questions = Question::deliveries(to).await.unwrap();
    let asked = async {
        loop {
            match Question("how much?".to_owned()).request(from).await {
                Ok(reply) => break reply,
                // Such nodes take a while to learn topics.
                Err(error)
                    if matches!(error.kind(), amop::PublishErrorKind::NoSubscriber { .. }) =>
                {
                    tokio::task::yield_now().await
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    let answered = async {
        let question = questions.next().await.unwrap().unwrap();
        assert_eq!(*question, Question("how much?".to_owned()));
        question.reply("42".to_owned()).unwrap();
    };
    let both = async { tokio::join!(asked, answered) };
    assert_eq!(within("an answer", both).await.0, "42");

    let message = Question("to all".to_owned());
    message.publish_multicast(from).await.unwrap();
    let got = within("a multicast", questions.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*got, message);
}

#[tokio::test(flavor = "multi_thread")]
async fn sdks_of_either_side_reach_the_other() {
    let (network, chain) = beside(Habits::quick(41)).await;
    let overlay = client_of(&network, 0).await;
    let fisco = client(&chain, &[1]).await;
    exchange(&overlay, &fisco).await;
    exchange(&fisco, &overlay).await;

    // Long messages as well.
    let topic = "long".parse().unwrap();
    let mut messages = fisco.subscribe_raw(&topic).await.unwrap();
    let long = bytes::Bytes::from(vec![7; 1 << 20]);
    let sent = async {
        while let Err(error) = overlay.publish_unicast_raw(&topic, long.clone()).await {
            assert!(
                matches!(error.kind(), amop::PublishErrorKind::NoSubscriber { .. }),
                "{error}"
            );
        }
    };
    let taken = async {
        let message = messages.next().await.unwrap();
        assert!(*message == long);
    };
    let both = async { tokio::join!(sent, taken) };
    within("a long one", both).await;
    for client in [overlay, fisco] {
        client.close().await;
    }
    network.shutdown().await;
}

/// FISCO nodes do not relay messages: a node two steps away is not reached, unless by `transit`.
#[tokio::test(flavor = "multi_thread")]
async fn a_fisco_node_reaches_its_neighbours_only() {
    let (network, chain) = beside(Habits::quick(42)).await;
    let (far, fisco) = (client_of(&network, 1).await, client(&chain, &[0]).await);
    let topic = "far".parse().unwrap();
    let _messages = far.subscribe_raw(&topic).await.unwrap();
    let near = client_of(&network, 0).await;
    let mark = "mark".parse().unwrap();
    let _marks = near.subscribe_raw(&mark).await.unwrap();
    // It learns the neighbour's topics, and none of the node beyond it.
    chain.nodes[0].learns("mark", 1).await;
    assert_eq!(chain.nodes[0].neighbours_with("far"), 0);
    let error = fisco
        .publish_unicast_raw(&topic, "x".into())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), amop::PublishErrorKind::NoSubscriber { .. }),
        "{error}"
    );
    for client in [far, fisco, near] {
        client.close().await;
    }
    network.shutdown().await;
}

/// At each new number a FISCO node fetches the whole list. It gets the first new number at once,
/// and then one every 200 ms.
#[tokio::test(flavor = "multi_thread")]
async fn many_subscribe_calls_cost_a_fisco_node_few_lists() {
    let (network, chain) = beside(Habits::quick(43)).await;
    let client = client_of(&network, 0).await;
    let fisco = &chain.nodes[0];
    let (start, before) = (Instant::now(), fisco.fetched().lists);
    let mut subscriptions = Vec::new();
    for n in 0..200 {
        let topic = format!("topic{n}").parse().unwrap();
        subscriptions.push(client.subscribe_raw(&topic).await.unwrap());
    }
    fisco.learns("topic199", 1).await;
    let lists = u128::from(fisco.fetched().lists - before);
    let most = 2 + start.elapsed().as_millis() / 200;
    assert!(lists <= most, "{lists} lists, not {most}");
    client.close().await;
    network.shutdown().await;
}

/// It announces new topics only at its next tick, and is asked earlier if a node needs to know.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_at_a_fisco_node_is_found_before_the_node_tells_of_it() {
    let habits = Habits {
        tick: Duration::from_secs(3600),
        ..Habits::quick(44)
    };
    let (network, chain) = beside(habits).await;
    let (overlay, fisco) = (client_of(&network, 0).await, client(&chain, &[1]).await);
    exchange(&overlay, &fisco).await;
    for client in [overlay, fisco] {
        client.close().await;
    }
    network.shutdown().await;
}
