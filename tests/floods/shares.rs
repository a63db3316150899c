//! How much of a node one session, or all sessions with one certificate, may use when others want
//! it, too.

use std::time::Instant;

use amop::{SubscribeError, TopicName};
use amop_node::{Limits, ListenLimits};
use amop_proto::channel::FrameType;
use amop_testkit::{
    Bystanders, Sdk, builder, client, counted, identity, network_with, until, within,
};
use amop_tls::pki::Leaf;

fn set(prefix: &str, count: usize) -> String {
    let topics: Vec<String> = (0..count).map(|n| format!("\"{prefix}{n}\"")).collect();
    format!("[{}]", topics.join(","))
}

/// Returns how many topics the node reports for its sessions.
async fn held(sdk: &mut Sdk, number: u64) -> usize {
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"getNodeInfo","params":[1]}"#;
    let answer = sdk.ask(FrameType::RPC, number, ask).await;
    String::from_utf8_lossy(&answer.body)
        .matches("\"flip")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_flips_4096_topics_changes_no_more_than_it_may_and_delays_nobody() {
    const RATE: usize = 10;
    let limits = Limits::default().with(|limits| {
        limits.session_topic_changes = RATE;
        limits.session_text = 1 << 30;
    });
    let network = network_with(3, |_, builder| builder.limits(limits)).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let config = || network.sdk().client_config().unwrap();
    let mut asking = Sdk::connect(network.endpoint(0), config()).await;
    let mut flipping = Sdk::connect(network.endpoint(0), config()).await;
    let sets = [set("flip.a", 4096), set("flip.b", 4096)];
    let start = Instant::now();
    for n in 0..200_u64 {
        let body = sets[n as usize % 2].clone();
        flipping.send_new(FrameType::SET_TOPICS, n, body).await;
    }
    bystanders.go_on().await;
    counted(node, "the sets that never counted", |stats| {
        stats.messages.topic_sets_passed_over >= 198
    })
    .await;
    // Each held topic was a change.
    let held = held(&mut asking, 1).await;
    let most = RATE * (16 + start.elapsed().as_secs() as usize + 1);
    assert!(held > 0 && held <= most, "{held} of {most}");
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_learns_that_a_node_has_no_room_for_its_topic() {
    let limits = Limits::default().with(|limits| limits.topics = 1);
    let network = network_with(1, |_, builder| builder.limits(limits)).await;
    let client = client(&network, 0).await;
    let [first, second] = ["first", "second"].map(|name| TopicName::new(name).unwrap());
    let held = client.subscribe_raw(&first).await.unwrap();
    let error = client.subscribe_raw(&second).await.unwrap_err();
    let SubscribeError::Refused { topic, endpoint } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (topic.as_str(), endpoint.as_str()),
        ("second", network.endpoint(0))
    );
    // As soon as there is room again, it is used.
    drop(held);
    let again = within("room", async {
        loop {
            match client.subscribe_raw(&second).await {
                Ok(subscription) => break subscription,
                Err(SubscribeError::Refused { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error:?}"),
            }
        }
    });
    drop(again.await);
    client.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_certificate_cannot_keep_another_out() {
    let listen = ListenLimits::default().with(|limits| limits.sessions = 6);
    let network = network_with(1, |_, builder| builder.listen_limits(listen)).await;
    let node = network.node(0).unwrap();
    let mut crowd = Vec::new();
    for _ in 0..6 {
        let config = network.sdk().client_config().unwrap();
        crowd.push(Sdk::connect(network.endpoint(0), config).await);
    }
    until("all places are taken", || node.session_count() >= 6).await;
    let other = builder(&network, 0).identity(identity(network.agency(), Leaf::Sdk, "other"));
    let other = within("the other", other.connect()).await.unwrap();
    let topic = TopicName::new("room").unwrap();
    drop(other.subscribe_raw(&topic).await.unwrap());
    assert_eq!(node.stats().messages.shares_cut, 1);
    assert_eq!(node.session_count(), 6);
    other.close().await;
    network.shutdown().await;
}

/// Whatever the names are: topics that a client holds stay, and each topic beyond the limit is an
/// error.
#[tokio::test(flavor = "multi_thread")]
async fn no_topic_beyond_the_limit_is_a_success_and_none_before_it_is_lost() {
    const HELD: usize = 200;
    let limits = Limits::default().with(|limits| limits.session_topics = HELD);
    let network = network_with(1, |_, builder| builder.limits(limits)).await;
    let (client, publisher) = (client(&network, 0).await, client(&network, 0).await);
    let mut held = Vec::new();
    for n in 0..HELD {
        let topic = TopicName::new(&format!("m{n:04}")).unwrap();
        held.push((client.subscribe_raw(&topic).await.unwrap(), topic));
    }
    // In one set, more topics than a node names; they sort before, between and after the held ones.
    let names = (0..HELD).flat_map(|n| ["a", "m", "z"].map(|c| format!("{c}{n:04}+")));
    let more = names.map(|name| {
        let client = client.clone();
        async move {
            let topic = TopicName::new(&name).unwrap();
            client.subscribe_raw(&topic).await.map(drop)
        }
    });
    for result in within("the errors", futures::future::join_all(more)).await {
        let error = result.unwrap_err();
        assert!(matches!(error, SubscribeError::Refused { .. }), "{error:?}");
    }
    for (subscription, topic) in &mut held {
        publisher
            .publish_multicast_raw(topic, "x".into())
            .await
            .unwrap();
        assert!(within("a multicast", subscription.next()).await.is_some());
    }
    client.close().await;
    publisher.close().await;
    network.shutdown().await;
}
