//! Tests with several FISCO nodes, which do not deliver to their own subscribers.

use super::{fake_nodes::*, *};

/// Returns the next connection to an endpoint, where a FISCO node answers the handshake.
async fn fisco_node(fake_nodes: &mut FakeNodes, index: usize) -> Node {
    let mut node = fake_nodes.arrival(index).await;
    let hello = node.expect(FrameType::HANDSHAKE).await;
    let body = "{\"nodeVersion\":\"2.11.1\",\"protocol\":3}\n".into();
    node.send(Frame { body, ..hello }).await;
    node
}

/// Returns a client that is connected to two FISCO nodes.
async fn at_fisco_nodes(builder: ClientBuilder) -> (FakeNodes, Client, [Node; 2]) {
    let (mut fake_nodes, client) = FakeNodes::start(2, &builder);
    let client = tokio::spawn(client);
    let mut nodes = Vec::new();
    for index in 0..2 {
        nodes.push(fisco_node(&mut fake_nodes, index).await);
    }
    let client = client.await.unwrap().unwrap();
    let mut events = client.events();
    for _ in 0..2 {
        assert!(matches!(events.next().await, Some(Event::Connected { .. })));
    }
    assert!(client.nodes().iter().all(|node| node.fisco));
    let Ok(nodes) = nodes.try_into() else {
        unreachable!("there are two")
    };
    (fake_nodes, client, nodes)
}

/// A FISCO node delivers nothing to its own subscribers, so a multicast is sent to two nodes.
#[tokio::test(start_paused = true)]
async fn a_multicast_goes_by_two_fisco_nodes() {
    let (_fake_nodes, client, [mut a, mut b]) = at_fisco_nodes(Client::builder()).await;
    let topic = hello();
    let mut publisher = client.publisher_raw(&topic);
    let publish = async {
        client
            .publish_multicast_raw(&topic, "x".into())
            .await
            .unwrap();
        publisher.publish("y".into()).await.unwrap();
        publisher.flush().await.unwrap();
    };
    let answer = async |node: &mut Node| {
        let mut seqs = Vec::new();
        for payload in ["x", "y"] {
            let request = node.expect(FrameType::MULTICAST).await;
            assert_eq!(request.body, framed(payload));
            node.answer(&request, 0, request.body.clone()).await;
            seqs.push(request.seq);
        }
        seqs
    };
    let ((), by_a, by_b) = tokio::join!(publish, answer(&mut a), answer(&mut b));
    assert_eq!(by_a, by_b);
    assert_eq!(publisher.unconfirmed(), 0);

    // Sent once, if the program wants that.
    let builder = Client::builder().multicast_copies(1);
    let (_fake_nodes, client, [mut a, mut b]) = at_fisco_nodes(builder).await;
    let ((), ()) = tokio::join!(
        async {
            client
                .publish_multicast_raw(&topic, "x".into())
                .await
                .unwrap()
        },
        async {
            let request = a.expect(FrameType::MULTICAST).await;
            a.answer(&request, 0, request.body.clone()).await;
        }
    );
    assert!(b.is_quiet().await);
}

/// A unicast to a subscriber at the publisher's own node stalls, unless the program lets another
/// node be asked.
#[tokio::test(start_paused = true)]
async fn a_unicast_that_stalls_at_a_fisco_node_goes_by_another_one_if_that_is_asked_for() {
    let topic = hello();
    let builder = Client::builder().ask_another_node_after(Duration::from_secs(1));
    let (_fake_nodes, client, [mut a, mut b]) = at_fisco_nodes(builder).await;
    let (reply, ()) = tokio::join!(client.publish_unicast_raw(&topic, "x".into()), async {
        let stalled = a.expect(FrameType::UNICAST).await;
        let request = b.expect(FrameType::UNICAST).await;
        assert_eq!(request, stalled);
        // This is an answer of the node alone, and the other one has the message, too.
        a.answer(&stalled, 103, Bytes::new()).await;
        b.answer(&request, 0, framed("y")).await;
    });
    assert_eq!(reply.unwrap().payload, "y");

    let (_fake_nodes, client, [mut a, mut b]) = at_fisco_nodes(Client::builder()).await;
    let (result, (), ()) = tokio::join!(
        client.publish_unicast_raw(&topic, "x".into()),
        async {
            a.expect(FrameType::UNICAST).await;
            a.lives(Duration::from_secs(11)).await;
        },
        b.lives(Duration::from_secs(11))
    );
    let error = result.unwrap_err();
    assert!(matches!(
        error.kind(),
        PublishErrorKind::Timeout { fisco: true, .. }
    ));
    assert!(
        error.to_string().contains("ask_another_node_after"),
        "{error}"
    );
}

/// A reply that only one of two nodes can carry is sent to it, and the other one is told that there
/// is no reply.
#[tokio::test(start_paused = true)]
async fn a_reply_that_one_node_does_not_take_keeps_nobody_waiting() {
    let (mut fake_nodes, connecting) = FakeNodes::start(2, &Client::builder());
    let connecting = tokio::spawn(connecting);
    let a = fake_nodes.welcome(0).await;
    let mut b = fake_nodes.arrival(1).await;
    b.shake_hands_within(3, false, Some(200)).await;
    let client = connecting.await.unwrap().unwrap();
    let mut events = client.events();
    for _ in 0..2 {
        let event = events.next().await;
        assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
    }
    let mut nodes = [a, b];
    let mut deliveries = deliveries_at(&client, &mut nodes).await;
    let seq = nodes[0].push(MessageKind::Unicast, 1, b"x").await;
    let delivery = deliveries.next().await.unwrap().unwrap();
    nodes[1].push(MessageKind::Unicast, 1, b"x").await;
    assert!(nodes[1].is_quiet().await);
    let reply = [b'y'; 300];
    delivery.reply_bytes(reply).unwrap();
    assert_eq!(nodes[0].answered(seq).await, (0, reply.to_vec().into()));
    assert_eq!(nodes[1].answered(seq).await, (106, Bytes::new()));
    // A copy of the message gets the same answer.
    nodes[1].push(MessageKind::Unicast, 1, b"x").await;
    assert_eq!(nodes[1].answered(seq).await, (106, Bytes::new()));
}

/// A FISCO node does not tell its limit. A reply that ends one connection after the other is not
/// sent forever, however often the publisher asks.
#[tokio::test(start_paused = true)]
async fn a_reply_that_costs_two_connections_is_not_sent_a_third_time() {
    let (mut fake_nodes, client, mut nodes) = at_fisco_nodes(Client::builder()).await;
    let mut deliveries = deliveries_at(&client, &mut nodes).await;
    let [mut a, mut b] = nodes;
    let long = vec![7; 100_000];
    let seq = a.push(MessageKind::Unicast, 1, b"x").await;
    let delivery = deliveries.next().await.unwrap().unwrap();
    delivery.reply_bytes(long.clone()).unwrap();
    assert_eq!(a.answered(seq).await, (0, long.clone().into()));
    drop(a);
    let mut a = fisco_node(&mut fake_nodes, 0).await;
    a.confirm().await;
    b.push(MessageKind::Unicast, 1, b"x").await;
    assert_eq!(b.answered(seq).await, (0, long.into()));
    drop(b);
    let _b = fisco_node(&mut fake_nodes, 1).await;
    a.push(MessageKind::Unicast, 1, b"x").await;
    assert_eq!(a.answered(seq).await, (106, Bytes::new()));
}

/// A message that goes by two nodes at once costs two connections at once, and is then not sent
/// again, neither itself nor its copy.
#[tokio::test(start_paused = true)]
async fn a_message_and_its_copies_together_cost_two_connections() {
    let (mut fake_nodes, client, [mut a, mut b]) = at_fisco_nodes(Client::builder()).await;
    let topic = hello();
    let mut publisher = client.publisher_raw(&topic);
    for pipelined in [true, false] {
        let long = Bytes::from(vec![7; 100_000]);
        let publish = async {
            if !pipelined {
                let published = client.publish_multicast_raw(&topic, long).await;
                return (1, published.unwrap_err());
            }
            publisher.publish(long).await.unwrap();
            let FlushError { failed, first, .. } = publisher.flush().await.unwrap_err();
            (failed, first)
        };
        let cut = async {
            let message = a.expect(FrameType::MULTICAST).await;
            assert_eq!(b.expect(FrameType::MULTICAST).await, message);
            drop((a, b));
            let again = fisco_node(&mut fake_nodes, 0).await;
            [again, fisco_node(&mut fake_nodes, 1).await]
        };
        let ((failed, error), nodes) = tokio::join!(publish, cut);
        assert!(
            matches!(error.kind(), PublishErrorKind::CutOff { .. }),
            "{error:?}"
        );
        assert_eq!(failed, 1);
        [a, b] = nodes;
        assert!(a.is_quiet().await && b.is_quiet().await);
    }
}

/// A message whose node is lost while the other node has not confirmed the copy yet.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_lost_waits_for_its_copy() {
    let (fake_nodes, client, [mut a, mut b]) = at_fisco_nodes(Client::builder()).await;
    let topic = hello();
    let mut publisher = client.publisher_raw(&topic);
    let (flushed, ()) = tokio::join!(
        async {
            publisher.publish("x".into()).await.unwrap();
            publisher.flush().await
        },
        async {
            let message = a.expect(FrameType::MULTICAST).await;
            let copy = b.expect(FrameType::MULTICAST).await;
            assert_eq!(message, copy);
            fake_nodes.set_open(0, false);
            drop(a);
            assert!(b.is_quiet().await);
            b.answer(&copy, 0, copy.body.clone()).await;
            // Subscribers drop it: they have it already.
            let again = b.expect(FrameType::MULTICAST).await;
            assert_eq!(again, message);
            b.answer(&again, 0, again.body.clone()).await;
        }
    );
    flushed.unwrap();
    assert_eq!(publisher.unconfirmed(), 0);
}
