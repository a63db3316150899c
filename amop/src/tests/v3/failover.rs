//! Endpoints of both generations in one client.

use amop_proto::ws::{WsSeq, WsType};
use tokio::time::Instant;

use super::*;

/// Returns a client of a node of 2.x and one of 3.x.
async fn mixed(builder: ClientBuilder) -> (Hosts, Client, Node, WsNode) {
    let (mut hosts, client) = Hosts::start(&[&[V2], &[V3]], &builder);
    let mut events = client.events();
    let (old, new) = (hosts.welcome_v2(0).await, hosts.welcome(1).await);
    for _ in 0..2 {
        let event = events.next().await;
        assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
    }
    let generations: Vec<_> = client.nodes().iter().map(|node| node.generation).collect();
    assert_eq!(generations, [V2, V3]);
    (hosts, client, old, new)
}

#[tokio::test(start_paused = true)]
async fn a_subscription_gets_the_messages_of_both() {
    let (_hosts, client, mut old, mut new) = mixed(Client::builder()).await;
    let (subscription, ..) = tokio::join!(client.subscribe::<Hello>(), old.confirm(), new.topics());
    let mut subscription = subscription.unwrap();
    old.push(MessageKind::Multicast, 1, b"of 2.x").await;
    assert_eq!(subscription.next().await, Some(text("of 2.x")));
    new.push(MessageKind::Multicast, &WsSeq::EMPTY, "of 3.x");
    assert_eq!(subscription.next().await, Some(text("of 3.x")));
    // A bridge carries it to both chains, with its seq.
    old.push(MessageKind::Multicast, 2, b"of both").await;
    new.push(
        MessageKind::Multicast,
        &WsSeq::from(Seq([2; 32])),
        "of both",
    );
    new.push(MessageKind::Multicast, &WsSeq::EMPTY, "last");
    assert_eq!(subscription.next().await, Some(text("of both")));
    assert_eq!(subscription.next().await, Some(text("last")));
}

/// If one chain has no subscriber, the other one is asked.
#[tokio::test(start_paused = true)]
async fn a_unicast_goes_to_the_chain_that_has_the_subscriber() {
    let (_hosts, client, mut old, mut new) = mixed(Client::builder()).await;
    for _ in 0..4 {
        let message = text("question");
        let answering = async {
            loop {
                tokio::select! {
                    frame = old.expect(FrameType::UNICAST) => {
                        old.answer(&frame, result_code::NO_SUBSCRIBER, Bytes::new()).await;
                    }
                    (seq, _) = new.expect_amop(WsType::UNICAST) => {
                        new.answer(WsType::RESPONSE, &seq, 0, "");
                    }
                }
            }
        };
        tokio::select! {
            published = client.publish_unicast(&message) => published.unwrap(),
            () = answering => {}
        };
    }
    assert_eq!(client.stats().answered, 4);
}

/// A node of 3.x that dies with a message is given up in time for another node, which gets it with the
/// same seq.
#[tokio::test(start_paused = true)]
async fn a_dead_node_of_3_x_is_replaced_by_one_of_2_x() {
    let (_hosts, client, mut old, new) = mixed(Client::builder()).await;
    new.deafen();
    let before = Instant::now();
    let mut answered = 0;
    // One of two messages goes to either node.
    let (first, second) = (text("first"), text("second"));
    let (published, ()) = tokio::join!(
        async {
            tokio::join!(
                client.publish_unicast(&first),
                client.publish_unicast(&second)
            )
        },
        async {
            while answered < 2 {
                let frame = old.expect(FrameType::UNICAST).await;
                old.answer(&frame, 0, framed("")).await;
                answered += 1;
            }
        }
    );
    published.0.unwrap();
    published.1.unwrap();
    assert!(
        before.elapsed() <= Duration::from_secs(7),
        "{:?}",
        before.elapsed()
    );
    assert_eq!(client.stats().connections_lost, 1);
}

#[tokio::test(start_paused = true)]
async fn a_multicast_moves_to_the_node_that_is_left() {
    let (_hosts, client, old, mut new) = mixed(Client::builder()).await;
    drop(old);
    while client.nodes().len() > 1 {
        tokio::task::yield_now().await;
    }
    client.publish_multicast(&text("news")).await.unwrap();
    let (_, request) = new.expect_amop(WsType::MULTICAST).await;
    assert_eq!(request.data, "news");
}

/// Private topics exist on 2.x, so they use that node alone.
#[cfg(feature = "private")]
#[tokio::test(start_paused = true)]
async fn private_topics_use_the_node_of_2_x() {
    let (_hosts, client, mut old, mut new) = mixed(Client::builder()).await;
    let key = TopicKey::generate();
    let name: PrivateName = "secret".parse().unwrap();
    let keys = [key.public_key()];
    let (granted, topics) = tokio::join!(client.grant_to(&name, &keys), old.confirm());
    granted.unwrap();
    assert_eq!(topics, [name.push_topic().as_str()]);
    for _ in 0..3 {
        let (published, ()) = tokio::join!(
            client.publish_multicast_raw(name.topic(), "x".into()),
            async {
                let frame = old.expect(FrameType::MULTICAST).await;
                old.answer(&frame, 0, Bytes::new()).await;
            }
        );
        published.unwrap();
    }
    assert!(new.is_quiet(Duration::from_millis(10)).await);
}

/// Copies are for other FISCO nodes of the same chain. A node of 3.x would deliver a second message.
#[tokio::test(start_paused = true)]
async fn copies_stay_on_2_x() {
    let builder = Client::builder().ask_another_node_after(Duration::from_secs(1));
    let (mut hosts, client) = Hosts::start(&[&[V2], &[V3]], &builder);
    let mut old = Node {
        stream: hosts.arrival(0).await,
        buffer: BytesMut::new(),
    };
    let greeting = old.expect(FrameType::HANDSHAKE).await;
    let body = "{\"nodeVersion\":\"2.11.1\",\"protocol\":3}\n".into();
    old.send(Frame { body, ..greeting }).await;
    client.connected().await.unwrap();
    let message = text("once");
    let mut new = None;
    for _ in 0..2 {
        let (published, ()) = tokio::join!(client.publish_multicast(&message), async {
            let frame = old.expect(FrameType::MULTICAST).await;
            old.answer(&frame, 0, frame.body.clone()).await;
        });
        published.unwrap();
        if new.is_none() {
            new = Some(hosts.welcome(1).await);
            while client.nodes().len() < 2 {
                tokio::task::yield_now().await;
            }
        }
    }
    let mut new = new.unwrap();
    assert!(new.is_quiet(Duration::from_millis(10)).await);
    let mut sent = 0;
    let answering = async {
        loop {
            tokio::select! {
                frame = old.expect(FrameType::UNICAST) => {
                    tokio::time::sleep(Duration::from_millis(1500)).await;
                    old.answer(&frame, 0, framed("")).await;
                }
                (seq, _) = new.expect_amop(WsType::UNICAST) => {
                    new.answer(WsType::RESPONSE, &seq, 0, "");
                }
            }
            sent += 1;
        }
    };
    let publishing = async {
        for _ in 0..4 {
            client.publish_unicast(&message).await.unwrap();
        }
    };
    tokio::select! {
        () = publishing => {}
        () = answering => {}
    }
    assert_eq!(sent, 4);
}
