//! A FISCO node at an overlay node: the flow "p2p: a peer joins node 0 ..." of a FISCO node.

use std::collections::BTreeSet;

use amop_node::Network;
use amop_proto::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, frame_topic},
    p2p::{PeerFrame, TopicList, mesh, packet, protocol},
};
use amop_testkit::{Peer, Sdk, client, identity, network, seq, within};
use amop_tls::pki::Leaf;
use bytes::Bytes;

/// Connects a peer with certificates of the network's agency to node 0.
async fn join(network: &Network) -> Peer {
    let config = identity(network.agency(), Leaf::Node, "foreign")
        .peer_client_config(None)
        .unwrap();
    let address = network.node(0).unwrap().p2p_address().to_string();
    Peer::connect(&address, config).await
}

fn list(frame: &PeerFrame) -> (u32, BTreeSet<Bytes>) {
    let list = TopicList::parse(&frame.body, 1000).unwrap();
    (list.seq, list.topics.into_iter().collect())
}

/// Requests the node's topics.
async fn topics(peer: &mut Peer, number: u32) -> (u32, BTreeSet<Bytes>) {
    peer.send(protocol::TOPIC, packet::REQUEST_TOPICS, number, "")
        .await;
    let answer = peer.receive_of(-protocol::TOPIC, packet::TOPICS).await;
    assert_eq!(answer.seq, number);
    list(&answer)
}

/// Announces topics and answers the request that follows.
async fn announce(peer: &mut Peer, topic_seq: u32, topics: &[&'static str]) {
    peer.send(protocol::TOPIC, packet::TOPIC_SEQ, 0, topic_seq.to_string())
        .await;
    let request = peer
        .receive_of(protocol::TOPIC, packet::REQUEST_TOPICS)
        .await;
    assert_eq!(request.body, "");
    let list = TopicList {
        seq: topic_seq,
        topics: topics.iter().map(|&topic| topic.into()).collect(),
    };
    peer.send(-protocol::TOPIC, packet::TOPICS, request.seq, list.encode())
        .await;
}

/// Returns the channel frame in a P2P frame.
fn inner(frame: &PeerFrame) -> Frame {
    Frame::from_bytes(frame.body.clone(), PROTOCOL_MAX_FRAME).unwrap()
}

async fn sdk(network: &Network) -> Sdk {
    let config = network.sdk().client_config().unwrap();
    Sdk::connect(network.endpoint(0), config).await
}

/// Waits until another number of topics is announced.
async fn other_number(peer: &mut Peer, than: u32) {
    loop {
        let news = peer.receive_of(protocol::TOPIC, packet::TOPIC_SEQ).await;
        if news.body != than.to_string() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_exchanged() {
    let network = network(2).await;
    let subscriber = client(&network, 0).await;
    let _first = subscriber
        .subscribe_raw(&"first".parse().unwrap())
        .await
        .unwrap();
    let mut peer = join(&network).await;
    // For a node that does not know the extension, the greeting is only the sequence number.
    let greeting = peer.receive().await;
    assert_eq!(
        (greeting.protocol, greeting.packet, greeting.seq),
        (protocol::TOPIC, packet::TOPIC_SEQ, 0)
    );
    let (number, known) = topics(&mut peer, 4242).await;
    assert_eq!(greeting.body, number.to_string());
    assert_eq!(known, BTreeSet::from(["first".into()]));

    // A change is announced at once, with another number.
    let mut second = subscriber
        .subscribe_raw(&"second".parse().unwrap())
        .await
        .unwrap();
    other_number(&mut peer, number).await;
    let (next, known) = topics(&mut peer, 4243).await;
    assert_ne!(next, number);
    assert_eq!(known, BTreeSet::from(["first".into(), "second".into()]));

    // So is the next one, though not in the same instant.
    second.unsubscribe().await.unwrap();
    other_number(&mut peer, next).await;
    let (_, known) = topics(&mut peer, 4244).await;
    assert_eq!(known, BTreeSet::from(["first".into()]));
    subscriber.close().await;
    network.shutdown().await;
}

/// From a native client to the FISCO node's subscriber.
#[tokio::test(flavor = "multi_thread")]
async fn messages_go_to_a_fisco_node() {
    let network = network(2).await;
    let mut sdk = sdk(&network).await;
    let mut peer = join(&network).await;
    announce(&mut peer, 7, &["remote", "big"]).await;
    // Its frames are handled in order: this answer comes when the list has been read.
    topics(&mut peer, 1).await;

    let body = frame_topic(b"remote", b"to a peer");
    sdk.send_new(FrameType::UNICAST, 30, body.clone()).await;
    let request = peer.receive_of(protocol::AMOP, packet::UNICAST).await;
    let expected = Frame::new(FrameType::UNICAST, seq(30), body);
    assert_eq!(inner(&request), expected);
    let answer = expected.respond(0, frame_topic(b"remote", b"from the peer"));
    peer.send(
        -protocol::AMOP,
        packet::UNICAST,
        request.seq,
        answer.to_bytes(),
    )
    .await;
    assert_eq!(sdk.receive().await, answer);

    let body = frame_topic(b"remote", b"multi to a peer");
    let acknowledged = sdk.ask(FrameType::MULTICAST, 31, body.clone()).await;
    assert_eq!((acknowledged.result, &acknowledged.body), (0, &body));
    let message = peer.receive_of(protocol::AMOP, packet::MULTICAST).await;
    assert_eq!(
        inner(&message),
        Frame::new(FrameType::MULTICAST, seq(31), body)
    );

    // Its subscriber is gone: 104 between nodes, and 104 for the publisher, which was refused.
    let body = frame_topic(b"big", &[b'z'; 5000]);
    sdk.send_new(FrameType::UNICAST, 32, body.clone()).await;
    let request = peer.receive_of(protocol::AMOP, packet::UNICAST).await;
    let refusal = inner(&request).respond(104, body.clone());
    peer.send(
        -protocol::AMOP,
        packet::UNICAST,
        request.seq,
        refusal.to_bytes(),
    )
    .await;
    let answer = sdk.receive().await;
    assert_eq!((answer.seq, answer.result), (seq(32), 104));
    assert_eq!(answer.body, body);

    // Its topics are replaced as a whole.
    announce(&mut peer, 8, &["big"]).await;
    topics(&mut peer, 2).await;
    let body = frame_topic(b"remote", b"still there?");
    let answer = sdk.ask(FrameType::UNICAST, 33, body).await;
    assert_eq!(answer.result, 100);

    // Its topics, and the messages it was asked to deliver, are gone with it.
    let body = frame_topic(b"big", b"too late");
    sdk.send_new(FrameType::UNICAST, 34, body).await;
    peer.receive_of(protocol::AMOP, packet::UNICAST).await;
    drop(peer);
    let answer = sdk.receive().await;
    assert_eq!((answer.seq, answer.result), (seq(34), 100));
    network.shutdown().await;
}

/// From the FISCO node to the overlay node's subscriber; above 1 KiB its frames may be compressed.
#[tokio::test(flavor = "multi_thread")]
async fn messages_come_from_a_fisco_node() {
    let network = network(2).await;
    let subscriber = client(&network, 0).await;
    let topic = "local0".parse().unwrap();
    let mut messages = subscriber.subscribe_raw(&topic).await.unwrap();
    let mut peer = join(&network).await.compressing();
    for (number, payload) in [
        (991_u32, "peer asks".to_owned()),
        (992, "z".repeat(200_000)),
    ] {
        let body = frame_topic(b"local0", payload.as_bytes());
        let request = Frame::new(FrameType::UNICAST, seq(u64::from(number)), body);
        peer.send(protocol::AMOP, packet::UNICAST, number, request.to_bytes())
            .await;
        let asked = within("the unicast", messages.next()).await.unwrap();
        assert!(*asked == payload.as_bytes());
        asked.reply_bytes("sdk answers").unwrap();
        let answer = peer.receive_of(-protocol::AMOP, packet::UNICAST).await;
        assert_eq!(answer.seq, number);
        assert_eq!(
            inner(&answer),
            request.respond(0, frame_topic(b"local0", b"sdk answers"))
        );

        let body = frame_topic(b"local0", payload.as_bytes());
        let multicast = Frame::new(FrameType::MULTICAST, seq(u64::from(number) + 1000), body);
        peer.send(protocol::AMOP, packet::MULTICAST, 0, multicast.to_bytes())
            .await;
        let got = within("the multicast", messages.next()).await.unwrap();
        assert!(*got == payload.as_bytes());
    }

    // There is no subscriber here: 104 with the request's body, and no other node is asked.
    let far = client(&network, 1).await;
    let nobody = "nobody0".parse().unwrap();
    let mut elsewhere = far.subscribe_raw(&nobody).await.unwrap();
    let request = Frame::new(
        FrameType::UNICAST,
        seq(63),
        frame_topic(b"nobody0", b"peer asks"),
    );
    peer.send(protocol::AMOP, packet::UNICAST, 993, request.to_bytes())
        .await;
    let answer = peer.receive_of(-protocol::AMOP, packet::UNICAST).await;
    assert_eq!(answer.seq, 993);
    assert_eq!(inner(&answer), request.respond(104, request.body.clone()));
    elsewhere.unsubscribe().await.unwrap();
    assert!(within("the end", elsewhere.next()).await.is_none());
    far.close().await;
    subscriber.close().await;
    network.shutdown().await;
}

/// A node ignores packets that it does not understand; the link and the other links stay up.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_from_a_fisco_node_is_ignored() {
    let network = network(2).await;
    let mut peer = join(&network).await;
    let garbage: [(i32, u16, &'static [u8]); 9] = [
        (protocol::AMOP, packet::UNICAST, b""),
        (protocol::AMOP, packet::UNICAST, b"\0\0\0\x29"),
        (protocol::AMOP, packet::MULTICAST, b"\xff\xff\xff\xff"),
        (-protocol::AMOP, packet::UNICAST, b"nobody asked"),
        (protocol::TOPIC, packet::TOPIC_SEQ, b"no number"),
        (-protocol::TOPIC, packet::TOPICS, b"1\tnobody\tasked"),
        (protocol::EXTENSION, mesh::packet::RECORDS, b"\xff"),
        // Consensus and synchronisation packets of FISCO nodes.
        (0x0001_0001, 0, b"block"),
        (9, 1, b"?"),
    ];
    for (number, (protocol, packet, body)) in (10..).zip(garbage) {
        peer.send(protocol, packet, number, body).await;
        topics(&mut peer, 100 + number).await;
    }
    let node = network.node(0).unwrap();
    assert_eq!(node.peers().len(), 2);
    network.shutdown().await;
}

/// The same node twice: the first connection stays (p2p-v2 section 3.2).
#[tokio::test(flavor = "multi_thread")]
async fn a_second_connection_of_a_node_is_closed() {
    let network = network(1).await;
    let foreign = identity(network.agency(), Leaf::Node, "foreign");
    let address = network.node(0).unwrap().p2p_address().to_string();
    let config = foreign.peer_client_config(None).unwrap();
    let mut first = Peer::connect(&address, config.clone()).await;
    topics(&mut first, 1).await;
    let mut second = Peer::connect(&address, config).await;
    while second.receive_any().await.is_some() {}
    topics(&mut first, 2).await;
    network.shutdown().await;
}
