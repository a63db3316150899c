//! Subscribing at nodes of 3.x.

use amop_proto::ws::{WsSeq, WsType};
use futures::FutureExt;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_subscription_gets_messages_and_answers_them() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let mut subscription = subscribe_v3(&client, &mut node).await;
    let seq = node.ask(1, "unicast");
    assert_eq!(subscription.next().await, Some(text("unicast")));
    assert_eq!(node.answered(&seq).await, (0, "".into()));
    // From a publisher at another node, which has no seq on 3.x.
    for _ in 0..2 {
        node.push(MessageKind::Multicast, &WsSeq::EMPTY, "multicast");
    }
    for _ in 0..2 {
        assert_eq!(subscription.next().await, Some(text("multicast")));
    }
    // From a publisher at this node, which may have sent it through another node, too.
    let seq = WsSeq::from(Seq([2; 32]));
    for _ in 0..2 {
        node.push(MessageKind::Multicast, &seq, "copied");
    }
    node.push(MessageKind::Multicast, &WsSeq::EMPTY, "last");
    assert_eq!(subscription.next().await, Some(text("copied")));
    assert_eq!(subscription.next().await, Some(text("last")));
    assert_eq!(client.stats().duplicates, 1);
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_replied_to() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let (deliveries, _) = tokio::join!(client.deliveries::<Question>(), node.topics());
    let mut deliveries = deliveries.unwrap();
    let seq = node.ask(1, "question");
    let delivery = deliveries.next().await.unwrap().unwrap();
    delivery.reply(42).unwrap();
    assert_eq!(node.answered(&seq).await, (0, "42".into()));
    let seq = node.ask(2, "question");
    drop(deliveries.next().await);
    assert_eq!(node.answered(&seq).await.0, 106);
}

/// A FISCO node sends a unicast a second time after 30 s, and waits only for the answer to that copy.
#[tokio::test(start_paused = true)]
async fn the_second_copy_after_30_s_is_the_same_message() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let (deliveries, _) = tokio::join!(client.deliveries::<Hello>(), node.topics());
    let mut deliveries = deliveries.unwrap();
    node.ask(1, "slow");
    let delivery = deliveries.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let second = node.ask(2, "slow");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(deliveries.next().now_or_never().is_none());
    delivery.reply_bytes("done").unwrap();
    assert_eq!(node.answered(&second).await, (0, "done".into()));
    assert_eq!(client.stats().received, 1);
}

/// A FISCO node never removes a topic from a session.
#[tokio::test(start_paused = true)]
async fn messages_of_a_topic_that_was_left_are_refused() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let mut subscription = subscribe_v3(&client, &mut node).await;
    let (left, topics) = tokio::join!(subscription.unsubscribe(), node.topics());
    left.unwrap();
    assert_eq!(topics, [""; 0]);
    let seq = node.ask(1, "unicast");
    assert_eq!(node.answered(&seq).await.0, 104);
    node.push(MessageKind::Multicast, &WsSeq::EMPTY, "multicast");
    assert!(node.is_quiet(Duration::from_millis(10)).await);
    // And it can be subscribed to again.
    let mut subscription = subscribe_v3(&client, &mut node).await;
    node.push(MessageKind::Multicast, &WsSeq::EMPTY, "again");
    assert_eq!(subscription.next().await, Some(text("again")));
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_subscribes_again() {
    let (mut hosts, client, mut node) = connect_v3(Client::builder()).await;
    let mut subscription = subscribe_v3(&client, &mut node).await;
    drop(node);
    let mut node = WsNode::accept(hosts.arrival(0).await).await;
    let hello = node.expect(WsType::HANDSHAKE).await;
    let payload = amop_proto::ws::WsHandshakeResponse::new(2, Vec::new()).to_payload();
    node.send(&amop_proto::ws::WsMessage { payload, ..hello });
    // Every handshake is followed by a list, then there is one with the topics.
    while node.topics().await != ["hello"] {}
    node.push(MessageKind::Multicast, &WsSeq::EMPTY, "news");
    assert_eq!(subscription.next().await, Some(text("news")));
}

/// The publisher's own multicast comes back, as from overlay nodes.
#[tokio::test(start_paused = true)]
async fn the_own_multicast_comes_back() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let mut subscription = subscribe_v3(&client, &mut node).await;
    client.publish_multicast(&text("news")).await.unwrap();
    let (seq, _) = node.expect_amop(WsType::MULTICAST).await;
    node.push(MessageKind::Multicast, &seq, "news");
    assert_eq!(subscription.next().await, Some(text("news")));
}

/// A topic that no SDK in Java can have, and bytes that are no text.
#[tokio::test(start_paused = true)]
async fn odd_messages_harm_nobody() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let mut subscription = subscribe_v3(&client, &mut node).await;
    for topic in [&b"\xed\xa0\xbd"[..], b"", &[b'x'; 60_000]] {
        let request = amop_proto::ws::AmopRequest::new(Bytes::copy_from_slice(topic), "data");
        let seq = WsSeq::from(Seq([7; 32]));
        let message = amop_proto::ws::EncodedMessage::amop(MessageKind::Unicast, &seq, &request);
        let message = message.unwrap().to_bytes();
        let message = amop_proto::ws::WsMessage::decode(message, 1 << 20).unwrap();
        node.send(&message);
        assert_eq!(node.answered(&seq).await.0, 104);
    }
    node.push(MessageKind::Multicast, &WsSeq::EMPTY, "fine");
    assert_eq!(subscription.next().await, Some(text("fine")));
}

/// A subscription that is full stops the messages, not the answers to the node's pings.
#[tokio::test(start_paused = true)]
async fn pings_are_answered_while_a_message_is_held_back() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let client = client.with_queue(1).with_overflow(OverflowPolicy::Block);
    let mut subscription = subscribe_v3(&client, &mut node).await;
    for n in 0..10 {
        node.push(MessageKind::Multicast, &WsSeq::EMPTY, &n.to_string());
    }
    for _ in 0..20 {
        assert!(node.is_answered().await);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    // The end of the connection comes after the messages before it.
    drop(node);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for n in 0..10 {
        assert_eq!(subscription.next().await, Some(text(&n.to_string())));
    }
    assert_eq!(client.stats().dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn draining_answers_what_was_accepted() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let (deliveries, _) = tokio::join!(client.deliveries::<Hello>(), node.topics());
    let mut deliveries = deliveries.unwrap();
    let seq = node.ask(1, "held");
    let held = deliveries.next().await.unwrap().unwrap();
    let unread = node.ask(2, "unread");
    tokio::task::yield_now().await;
    let (drained, ()) = tokio::join!(client.drain(), async {
        assert_eq!(node.topics().await, [""; 0]);
        // The node may still send it.
        let late = node.ask(3, "late");
        assert_eq!(node.answered(&late).await.0, 104);
        held.reply_bytes("done").unwrap();
        assert_eq!(node.answered(&seq).await, (0, "done".into()));
        let next = deliveries.next().await.unwrap().unwrap();
        next.reply_bytes("too").unwrap();
        assert_eq!(node.answered(&unread).await, (0, "too".into()));
        assert!(deliveries.next().await.is_none());
    });
    drained.unwrap();
    assert!(node.next().await.is_none());
    assert_eq!(client.closed().await, CloseReason::Local);
}
