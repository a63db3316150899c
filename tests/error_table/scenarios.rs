//! Scenarios that produce each row. Waits that must expire are short, the others long.

use std::time::Duration;

use amop_node::{Limits, Network, NodeBuilder, Timeouts};
use amop_proto::{
    channel::{FrameType, frame_topic, result_code},
    p2p::{TopicList, packet, protocol},
};
use amop_testkit::{Peer, Sdk, client, identity, network, network_with, patient};
use amop_tls::pki::Leaf;
use bytes::Bytes;

use super::publisher::{
    Publisher, Seen, TOPIC, outcome, publish, publish_within, sdk, send, send_in_vain,
};

/// A wait that must expire.
const SHORT: Duration = Duration::from_millis(200);

const PAYLOAD: Bytes = Bytes::from_static(b"payload");

/// A message for topics that the native client normally cannot use.
#[amop::topic("work")]
struct Work(String);

/// Starts two nodes with these timeouts.
async fn with_timeouts(timeouts: Timeouts) -> Network {
    network_with(2, |_, builder| builder.timeouts(timeouts)).await
}

/// Starts two nodes, one of which has another configuration.
async fn with_node(node: usize, configure: impl Fn(NodeBuilder) -> NodeBuilder) -> Network {
    network_with(2, |index, builder| {
        if index == node {
            configure(builder)
        } else {
            builder
        }
    })
    .await
}

/// Connects a subscriber that the scenario controls; node 0 knows of it.
async fn subscriber(network: &Network, node: usize) -> Sdk {
    let mut sdk = sdk(network, node).await;
    let topics = format!("[{TOPIC:?}]");
    sdk.send_new(FrameType::SET_TOPICS, 1, topics).await;
    sdk.settle(2).await;
    sdk
}

/// Connects a FISCO node; node 0 believes that it has a subscriber.
async fn fisco_node(network: &Network) -> Peer {
    let identity = identity(network.agency(), Leaf::Node, "foreign");
    let tls = identity.peer_client_config(None).unwrap();
    let address = network.node(0).unwrap().p2p_address().to_string();
    let mut peer = Peer::connect(&address, tls).await;
    peer.send(protocol::TOPIC, packet::TOPIC_SEQ, 0, "7").await;
    let request = peer
        .receive_of(protocol::TOPIC, packet::REQUEST_TOPICS)
        .await;
    let list = TopicList {
        seq: 7,
        topics: vec![TOPIC.into()],
    };
    peer.send(-protocol::TOPIC, packet::TOPICS, request.seq, list.encode())
        .await;
    // Its frames are handled in order: this answer comes when the list has been read.
    peer.send(protocol::TOPIC, packet::REQUEST_TOPICS, 1, "")
        .await;
    peer.receive_of(-protocol::TOPIC, packet::TOPICS).await;
    peer
}

/// Runs with a subscriber on the other node that answers with `result` and `body`.
async fn answered(who: Publisher, result: i32, body: Bytes) -> Seen {
    let network = network(2).await;
    let mut subscriber = subscriber(&network, 1).await;
    let publishing = publish(&network, who, PAYLOAD).await;
    let asked = subscriber.receive().await;
    subscriber.send(&asked.respond(result, body)).await;
    let seen = outcome(publishing).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn no_subscriber(who: Publisher) -> Seen {
    let network = network(2).await;
    let seen = outcome(publish(&network, who, PAYLOAD).await).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn subscriber_leaves(who: Publisher) -> Seen {
    let network = network(2).await;
    let mut subscriber = subscriber(&network, 1).await;
    let publishing = publish(&network, who, PAYLOAD).await;
    subscriber.receive().await;
    drop(subscriber);
    let seen = outcome(publishing).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn subscriber_is_silent(who: Publisher) -> Seen {
    let network = with_timeouts(Timeouts {
        session_answer: SHORT,
        ..patient()
    })
    .await;
    let mut subscriber = subscriber(&network, 1).await;
    let publishing = publish(&network, who, PAYLOAD).await;
    subscriber.receive().await;
    let seen = outcome(publishing).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn node_is_gone(who: Publisher) -> Seen {
    let network = network(2).await;
    let mut peer = fisco_node(&network).await;
    let publishing = publish(&network, who, PAYLOAD).await;
    peer.receive_of(protocol::AMOP, packet::UNICAST).await;
    drop(peer);
    let seen = outcome(publishing).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn node_is_silent(who: Publisher) -> Seen {
    let network = with_timeouts(Timeouts {
        peer_answer: SHORT,
        ..patient()
    })
    .await;
    let mut peer = fisco_node(&network).await;
    let publishing = publish(&network, who, PAYLOAD).await;
    peer.receive_of(protocol::AMOP, packet::UNICAST).await;
    let seen = outcome(publishing).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn too_long_for_the_subscribers_node(who: Publisher) -> Seen {
    let network = with_node(1, |builder| builder.max_frame(1000)).await;
    let mut subscriber = subscriber(&network, 1).await;
    let publishing = publish(&network, who, vec![b'x'; 2000].into()).await;
    let seen = outcome(publishing).await;
    // The subscriber never got the message.
    subscriber.settle(3).await;
    network.shutdown().await;
    seen
}

/// The subscriber stays connected, and no other one is asked.
pub(crate) async fn reply_too_long(who: Publisher) -> Seen {
    let network = with_node(1, |builder| builder.max_frame(1000)).await;
    let mut seen = Vec::new();
    // The whole reply comes at once, or in many pieces.
    for len in [2000, 2_000_000] {
        let (mut subscriber, mut other) =
            (subscriber(&network, 1).await, subscriber(&network, 1).await);
        let publishing = publish(&network, who, PAYLOAD).await;
        let (asked, of_first) = tokio::select! {
            asked = subscriber.receive() => (asked, true),
            asked = other.receive() => (asked, false),
        };
        let asked_one = if of_first {
            &mut subscriber
        } else {
            &mut other
        };
        let reply = frame_topic(TOPIC.as_bytes(), &vec![b'x'; len]);
        asked_one.send(&asked.respond(0, reply)).await;
        seen.push(outcome(publishing).await);
        subscriber.settle(3).await;
        other.settle(4).await;
    }
    assert_eq!(network.node(1).unwrap().stats().replies_too_long, 2);
    network.shutdown().await;
    let (last, first) = (seen.pop().unwrap(), seen.pop().unwrap());
    assert_eq!(format!("{first:?}"), format!("{last:?}"));
    last
}

pub(crate) async fn subscriber_refuses(who: Publisher) -> Seen {
    answered(who, result_code::NO_SESSION, Bytes::new()).await
}

pub(crate) async fn subscriber_has_its_own_code(who: Publisher) -> Seen {
    answered(who, 4711, frame_topic(TOPIC.as_bytes(), b"why")).await
}

/// This is the native client's answer if its program cannot decode the message.
pub(crate) async fn subscriber_cannot_decode(who: Publisher) -> Seen {
    #[amop::topic("work")]
    #[derive(Debug)]
    struct Number {
        _number: u64,
    }
    let network = network(2).await;
    let subscriber = client(&network, 1).await;
    let mut numbers = Number::subscribe(&subscriber).await.unwrap();
    let publishing = publish(&network, who, PAYLOAD).await;
    let seen = tokio::select! {
        seen = outcome(publishing) => seen,
        number = numbers.next() => panic!("{number:?}"),
    };
    subscriber.close().await;
    network.shutdown().await;
    seen
}

/// A request that the subscriber's program gets from the native client and then handles like this.
#[amop::topic("work", codec = "bytes", reply = u64, reply_codec = "json")]
struct Order(Vec<u8>);

async fn order_taken<F>(who: Publisher, take: impl FnOnce(amop::Delivery<Order>) -> F) -> Seen
where
    F: Future<Output = ()>,
{
    let network = network(2).await;
    let subscriber = client(&network, 1).await;
    let mut orders = Order::deliveries(&subscriber).await.unwrap();
    let publishing = publish(&network, who, PAYLOAD).await;
    take(orders.next().await.unwrap().unwrap()).await;
    let seen = outcome(publishing).await;
    subscriber.close().await;
    network.shutdown().await;
    seen
}

pub(crate) async fn subscriber_gives_no_reply(who: Publisher) -> Seen {
    order_taken(who, |order| async { drop(order) }).await
}

pub(crate) async fn subscriber_panics(who: Publisher) -> Seen {
    let panic = |order: amop::Delivery<Order>| async {
        let failing = tokio::spawn(async move { assert!(order.0.is_empty(), "its own fault") });
        assert!(failing.await.unwrap_err().is_panic());
    };
    order_taken(who, panic).await
}

pub(crate) async fn too_much_in_flight(who: Publisher) -> Seen {
    let limits = Limits {
        in_flight: 1,
        ..Limits::default()
    };
    second_message(who, limits).await
}

pub(crate) async fn over_bandwidth(who: Publisher) -> Seen {
    // A message longer than the limit of one second is sent alone, and uses up the limit for
    // minutes.
    let limits = Limits {
        outgoing_bandwidth: Some(1),
        ..Limits::default()
    };
    second_message(who, limits).await
}

/// Sends a message while another one waits for its answer.
async fn second_message(who: Publisher, limits: Limits) -> Seen {
    let network = with_node(0, |builder| builder.limits(limits)).await;
    let mut subscriber = subscriber(&network, 1).await;
    let first = publish(&network, Publisher::Raw, PAYLOAD).await;
    let held = subscriber.receive().await;
    let seen = outcome(publish(&network, who, PAYLOAD).await).await;
    subscriber.send(&held.respond(0, held.body.clone())).await;
    outcome(first).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn node_gives_up(who: Publisher) -> Seen {
    let network = with_timeouts(Timeouts {
        unicast: SHORT,
        ..patient()
    })
    .await;
    let mut subscriber = subscriber(&network, 0).await;
    let publishing = publish(&network, who, PAYLOAD).await;
    subscriber.receive().await;
    let seen = outcome(publishing).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn publisher_gives_up(who: Publisher) -> Seen {
    let network = network(2).await;
    let mut subscriber = subscriber(&network, 1).await;
    let seen = match who {
        Publisher::Raw => {
            let body = frame_topic(TOPIC.as_bytes(), &PAYLOAD);
            let mut publisher = sdk(&network, 0).await;
            let seen = send_in_vain(&mut publisher, body).await;
            subscriber.receive().await;
            publisher.settle(79).await;
            seen
        }
        Publisher::Ours => {
            let publishing = publish_within(&network, who, PAYLOAD, SHORT).await;
            subscriber.receive().await;
            outcome(publishing).await
        }
    };
    network.shutdown().await;
    seen
}

pub(crate) async fn too_long_for_the_publishers_node(who: Publisher) -> Seen {
    let network = with_node(0, |builder| builder.max_frame(1000)).await;
    let seen = outcome(publish(&network, who, vec![b'x'; 2000].into()).await).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn empty_body(who: Publisher) -> Seen {
    let Publisher::Raw = who else {
        return Seen::impossible();
    };
    let network = network(2).await;
    let mut publisher = sdk(&network, 0).await;
    let seen = send_in_vain(&mut publisher, Bytes::new()).await;
    network.shutdown().await;
    seen
}

pub(crate) async fn length_byte_of_zero(who: Publisher) -> Seen {
    let network = network(2).await;
    let seen = match who {
        Publisher::Raw => {
            let body = Bytes::from_static(b"\0payload");
            outcome(send(&network, FrameType::UNICAST, body).await).await
        }
        Publisher::Ours => {
            let publisher = client(&network, 0).await;
            let work = Work("payload".to_owned());
            let result = work.publish_unicast_to(&publisher, &"t".repeat(255)).await;
            publisher.close().await;
            Seen::result(result)
        }
    };
    network.shutdown().await;
    seen
}

pub(crate) async fn topic_beyond_the_body(who: Publisher) -> Seen {
    let Publisher::Raw = who else {
        return Seen::impossible();
    };
    let network = network(2).await;
    let body = Bytes::from_static(b"\x20short");
    let seen = outcome(send(&network, FrameType::UNICAST, body).await).await;
    network.shutdown().await;
    seen
}

/// There is a holder of this topic, as go-sdk always is.
pub(crate) async fn block_notifications(who: Publisher) -> Seen {
    const BLOCKS: &str = "_block_notify_1";
    let network = network(2).await;
    let mut holders = [sdk(&network, 0).await, sdk(&network, 1).await];
    for sdk in &mut holders {
        sdk.send_new(FrameType::SET_TOPICS, 1, format!("[{BLOCKS:?}]"))
            .await;
        sdk.settle(2).await;
    }
    let seen = match who {
        Publisher::Raw => {
            let body = frame_topic(BLOCKS.as_bytes(), &PAYLOAD);
            outcome(send(&network, FrameType::UNICAST, body).await).await
        }
        Publisher::Ours => {
            let publisher = client(&network, 0).await;
            let result = publisher
                .publish_unicast_raw(&BLOCKS.parse().unwrap(), PAYLOAD)
                .await;
            publisher.close().await;
            Seen::result(result)
        }
    };
    for sdk in &mut holders {
        sdk.settle(3).await;
    }
    network.shutdown().await;
    seen
}

pub(crate) async fn multicast_without_subscriber(who: Publisher) -> Seen {
    let network = network(2).await;
    let seen = match who {
        Publisher::Raw => {
            let body = frame_topic(TOPIC.as_bytes(), &PAYLOAD);
            outcome(send(&network, FrameType::MULTICAST, body).await).await
        }
        Publisher::Ours => {
            let publisher = client(&network, 0).await;
            let result = publisher
                .publish_multicast_raw(&TOPIC.parse().unwrap(), PAYLOAD)
                .await;
            publisher.close().await;
            Seen::result(result)
        }
    };
    network.shutdown().await;
    seen
}
