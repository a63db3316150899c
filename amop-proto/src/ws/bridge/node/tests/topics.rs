//! Sets of topics.

use super::*;

impl Network {
    /// Returns the lists of topics that the node has read.
    fn lists(&self) -> Vec<&[u8]> {
        let lists = self
            .read
            .iter()
            .filter(|message| message.kind == WsType::SET_TOPICS);
        lists.map(|message| &message.payload[..]).collect()
    }
}

#[test]
fn a_set_is_confirmed_when_the_node_has_read_it() {
    let mut network = Network::ready();
    network.deaf = true;
    let version = network.client.subscribe(&hello());
    network.run();
    // The node was alive before.
    network.bridge.note_activity(network.now);
    network.run();
    assert_eq!(network.events, []);
    // The list and the ping are on their way; something that was under way before arrives.
    let sent = std::iter::from_fn(|| network.bridge.poll_transmit());
    let mut sent: Vec<WsTransmit> = sent.collect();
    assert_eq!(sent.pop(), Some(WsTransmit::Ping));
    network.bridge.note_activity(network.now);
    network.run();
    assert_eq!(network.events, []);
    // The node reads the list, then the ping.
    let Some(WsTransmit::Message(list)) = sent.pop() else {
        panic!();
    };
    let list = WsMessage::decode(list.to_bytes(), MAX_MESSAGE).unwrap();
    network.read.push(list.clone());
    network.node.handle_message(network.now, list);
    network.deaf = false;
    network.bridge.handle_pong(network.now);
    while let Some(frame) = network.bridge.poll_frame() {
        network.client.handle_frame(network.now, frame);
    }
    network.run();
    assert_eq!(network.events, [SessionEvent::TopicsSettled { version }]);
    assert_eq!(network.lists(), [&b"{\"topics\":[\"hello\"]}\n"[..]]);
    assert!(network.node.has_topic(b"hello"));
    // A set is sent once, not a second time as to FISCO nodes of 2.x.
    network.pass(Duration::from_secs(3));
    assert_eq!(network.lists().len(), 1);
}

#[test]
fn a_topic_that_was_left_is_refused_here() {
    let mut network = Network::subscribed();
    network.client.unsubscribe(&hello());
    network.run();
    assert_eq!(network.lists(), [&b"{\"topics\":[]}\n"[..]]);
    network.forget();
    // The node's session still has it, as that of a FISCO node.
    assert!(network.node.has_topic(b"hello"));
    let request = AmopRequest::new("hello", "question");
    network.node.deliver(network.now, &request, 1).unwrap();
    network.run();
    let [WsServerEvent::Answered { answer, .. }] = &network.node_events[..] else {
        panic!("{:?}", network.node_events);
    };
    assert_eq!(answer.status, WsStatus(104));
    assert_eq!(network.events, []);
}

/// An overlay node may take the list for one that comes too late, if another one came just before.
#[test]
fn a_list_without_a_topic_is_sent_once_more() {
    let mut network = Network::subscribed();
    network.forget();
    network.client.unsubscribe(&hello());
    network.run();
    assert_eq!(network.lists().len(), 1);
    network.pass(Duration::from_millis(900));
    assert_eq!(network.lists().len(), 1);
    network.pass(Duration::from_millis(100));
    assert_eq!(network.lists(), [&b"{\"topics\":[]}\n"[..]; 2]);
    network.pass(Duration::from_secs(4));
    assert_eq!(network.lists().len(), 2);
}

/// The client learns which topics it does not have.
#[test]
fn topics_that_3_x_cannot_have_are_missing() {
    let mut network = Network::ready();
    let names = ["#!$TopicNeedVerify_secret", "a\0b", "hello", "other"];
    for name in names {
        network.client.subscribe(&TopicName::new(name).unwrap());
    }
    network.run();
    let [
        SessionEvent::TopicsRefused { topics },
        SessionEvent::TopicsSettled { .. },
    ] = &network.events[..]
    else {
        panic!("{:?}", network.events);
    };
    let topics: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
    assert_eq!(topics, names[..2]);
    assert_eq!(
        network.lists(),
        [&b"{\"topics\":[\"hello\",\"other\"]}\n"[..]]
    );
}

#[test]
fn a_list_has_a_limit() {
    let mut network = Network::ready();
    let config = WsClientConfig::default().with(|config| config.max_topic_list = 40);
    network.bridge = NodeBridge::with_config(config, [4; 32], network.now);
    let set = Frame::new(
        FrameType::SET_TOPICS,
        Seq([b'1'; 32]),
        r#"["a","bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","c"]"#,
    );
    network.bridge.handle_frame(network.now, set);
    let shortage = network.bridge.topics.shortage();
    assert_eq!(shortage.refused, ["b".repeat(30)]);
    assert!(shortage.spares(0) && !shortage.spares(1) && shortage.spares(2));
}
