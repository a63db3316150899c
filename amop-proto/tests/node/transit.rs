//! FISCO nodes that take part in the overlay through a border node, where this is configured. They
//! use only standard packets.

use crate::support::{
    Link, Net, Sdk, config, error, from_node, inner, multicast, node_id, peer_frame, refused,
    reply, topic_list, topic_seq, unicast,
};
use amop_proto::{
    channel::result_code,
    p2p::{PeerFrame, TopicList, packet, protocol},
};

const REAL: usize = 9;

/// Returns three nodes in a row; those in `transit` let the FISCO node take part.
fn row(transit: &[usize]) -> Net {
    let mut net = Net::with((0..3).map(|node| {
        let mut config = config(node);
        if transit.contains(&node) {
            config.stubs.insert(node_id(REAL));
        }
        config
    }));
    net.connect(0, 1);
    net.connect(1, 2);
    net
}

/// Connects the FISCO node, which announces its topics.
fn fisco_peer(net: &mut Net, node: usize, topics: &str) -> Link {
    let link = net.raw_peer(node, node_id(REAL), false);
    has(net, link, "1", topics);
    link
}

fn has(net: &mut Net, link: Link, number: &str, topics: &str) {
    net.peer_send(link, topic_seq(number));
    let asked = net.peer_inbox(link).into_iter();
    let mut requests = asked.filter(|frame| frame.packet == packet::REQUEST_TOPICS);
    let request = requests.next().expect("asked for the topics");
    net.peer_send(
        link,
        topic_list(request.seq, &format!("{number}\t{topics}")),
    );
    net.peer_inbox(link);
}

/// Returns the topics that the FISCO node gets when it requests them.
fn told(net: &mut Net, link: Link) -> Vec<String> {
    net.peer_inbox(link);
    net.peer_send(
        link,
        peer_frame(protocol::TOPIC, packet::REQUEST_TOPICS, 77, ""),
    );
    let list = net.peer_only(link);
    assert_eq!((list.protocol, list.seq), (-protocol::TOPIC, 77));
    let list = TopicList::parse(&list.body, 100).unwrap();
    let topic = |topic: bytes::Bytes| String::from_utf8(topic.to_vec()).unwrap();
    list.topics.into_iter().map(topic).collect()
}

/// Returns the AMOP messages that the FISCO node was sent.
fn messages(net: &mut Net, link: Link) -> Vec<PeerFrame> {
    let frames = net.peer_inbox(link).into_iter();
    frames
        .filter(|frame| frame.protocol.abs() == protocol::AMOP)
        .collect()
}

fn from_fisco(frame: &amop_proto::channel::Frame) -> PeerFrame {
    peer_frame(protocol::AMOP, packet::MULTICAST, 0, frame.to_bytes())
}

fn subscribers(net: &mut Net, topic: &str) -> Vec<Sdk> {
    (0..3).map(|node| net.subscriber(node, &[topic])).collect()
}

#[test]
fn a_multicast_on_its_way_when_the_fisco_node_leaves_reaches_the_border_nodes_sdks() {
    let mut net = row(&[1]);
    let link = fisco_peer(&mut net, 1, "both");
    let subscriber = net.subscriber(1, &["both"]);
    let publisher = net.sdk(0);
    net.wire_held = true;
    let message = multicast(1, "both", "hello");
    net.send(publisher, message.clone());
    net.cut(link);
    net.wire_held = false;
    net.settle();
    assert_eq!(net.only(subscriber), message);
}

#[test]
fn a_fisco_node_and_nodes_two_links_away_reach_each_other() {
    let mut net = row(&[0]);
    let link = fisco_peer(&mut net, 0, "real");
    let subscriber = net.subscriber(2, &["ours"]);
    let publisher = net.sdk(2);

    let request = unicast(1, "real", "to it");
    net.send(publisher, request.clone());
    let [message] = &messages(&mut net, link)[..] else {
        panic!("one message");
    };
    assert_eq!(inner(message), request);
    let answer = reply(&request, "and back");
    let body = answer.to_bytes();
    net.peer_send(
        link,
        peer_frame(-protocol::AMOP, packet::UNICAST, message.seq, body),
    );
    assert_eq!(net.only(publisher), answer);

    assert_eq!(told(&mut net, link), ["ours"]);
    let request = unicast(2, "ours", "from it");
    net.peer_send(link, from_node(5, &request));
    assert_eq!(net.only(subscriber), request);
    let answer = reply(&request, "here");
    net.send(subscriber, answer.clone());
    let [message] = &messages(&mut net, link)[..] else {
        panic!("one answer");
    };
    assert_eq!((message.protocol, message.seq), (-protocol::AMOP, 5));
    assert_eq!(inner(message), answer);

    net.send(publisher, multicast(3, "real", "to it"));
    net.only(publisher);
    let [message] = &messages(&mut net, link)[..] else {
        panic!("one message");
    };
    assert_eq!(message.packet, packet::MULTICAST);
    assert_eq!(inner(message), multicast(3, "real", "to it"));
    net.peer_send(link, from_fisco(&multicast(4, "ours", "from it")));
    assert_eq!(net.only(subscriber), multicast(4, "ours", "from it"));
    assert!(messages(&mut net, link).is_empty(), "nothing comes back");
    assert_eq!(net.nodes[2].machine.router().reachable(), 2);
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn without_the_option_they_do_not() {
    let mut net = row(&[]);
    let link = fisco_peer(&mut net, 0, "real");
    let subscriber = net.subscriber(2, &["ours"]);
    let publisher = net.sdk(2);
    net.send(publisher, unicast(1, "real", ""));
    assert_eq!(
        net.only(publisher),
        error(1, result_code::NO_SUBSCRIBER, "")
    );
    assert_eq!(told(&mut net, link), [""; 0]);
    let request = unicast(2, "ours", "");
    net.peer_send(link, from_node(5, &request));
    assert_eq!(inner(&messages(&mut net, link)[0]), refused(&request));
    net.peer_send(link, from_fisco(&multicast(3, "ours", "")));
    net.nothing(subscriber);
}

#[test]
fn what_changes_on_one_side_is_told_on_the_other() {
    let mut net = row(&[0]);
    let link = fisco_peer(&mut net, 0, "real");
    let publisher = net.sdk(2);
    // After an announcement the next one comes after 200 ms at the earliest.
    net.advance(std::time::Duration::from_millis(200));
    let subscriber = net.subscriber(2, &["ours"]);
    let announced = net.peer_inbox(link);
    assert!(
        announced
            .iter()
            .any(|frame| frame.packet == packet::TOPIC_SEQ),
        "{announced:?}"
    );
    // Another subscriber of a topic that it knows is not announced.
    net.subscriber(1, &["ours"]);
    assert!(net.peer_inbox(link).is_empty());
    assert_eq!(told(&mut net, link), ["ours"]);
    net.hang_up(subscriber);
    assert_eq!(told(&mut net, link), ["ours"]);
    net.advance(std::time::Duration::from_millis(200));
    net.cut_between(0, 1);
    assert_eq!(net.peer_inbox(link), [topic_seq("2")]);
    assert_eq!(told(&mut net, link), [""; 0]);
    net.connect(0, 1);

    has(&mut net, link, "2", "other");
    for (n, topic, expected) in [(1, "real", 0), (2, "other", 1)] {
        net.send(publisher, multicast(n, topic, ""));
        assert_eq!(messages(&mut net, link).len(), expected, "{topic}");
    }
    net.inbox(publisher);
    net.cut(link);
    net.send(publisher, unicast(3, "other", ""));
    assert_eq!(
        net.only(publisher),
        error(3, result_code::NO_SUBSCRIBER, "")
    );
    // The same with a new connection.
    let link = fisco_peer(&mut net, 0, "third");
    net.send(publisher, multicast(4, "third", ""));
    assert_eq!(messages(&mut net, link).len(), 1);
}

#[test]
fn with_two_ways_in_nothing_goes_in_a_circle_or_comes_twice() {
    let mut net = row(&[0, 2]);
    let links = [0, 2].map(|node| fisco_peer(&mut net, node, "real\tboth"));
    let held = subscribers(&mut net, "both");
    for link in links {
        assert_eq!(
            told(&mut net, link),
            ["both"],
            "not the topics that only it has"
        );
    }
    // Each of its peers gets the copy that a FISCO node sends it.
    for link in links {
        net.peer_send(link, from_fisco(&multicast(1, "both", "from it")));
    }
    for &subscriber in &held {
        assert_eq!(net.only(subscriber), multicast(1, "both", "from it"));
    }
    for node in 0..3 {
        let publisher = net.sdk(node);
        let message = multicast(10 + node as u64, "both", "to it");
        net.send(publisher, message.clone());
        let copies: Vec<_> = links
            .iter()
            .flat_map(|&link| messages(&mut net, link))
            .collect();
        // Its neighbours deliver it themselves. For other nodes it is behind two border nodes, one
        // of which may lie.
        assert_eq!(copies.len(), [1, 2, 1][node], "from {node}");
        assert!(copies.iter().all(|copy| inner(copy) == message));
        for &subscriber in &held {
            assert_eq!(net.only(subscriber), message);
        }
    }
    // A message for a topic that only it has is not sent back to it.
    let request = unicast(20, "real", "");
    net.peer_send(links[0], from_node(5, &request));
    assert_eq!(inner(&messages(&mut net, links[0])[0]), refused(&request));
    assert!(messages(&mut net, links[1]).is_empty());
    assert_eq!(net.in_flight(), 0);
}

/// A FISCO node sends its multicast to both its border nodes. Another FISCO node gets one copy from
/// its own border node, whichever of the two comes first.
/// A gateway gives each message a seq of its own, so two equal messages are two.
#[test]
fn copies_are_looked_for_unless_the_node_has_made_the_seqs() {
    for (new_seqs, count) in [(false, 1), (true, 2)] {
        let mut net = row(&[1]);
        let link = match new_seqs {
            true => net.raw_peer_with_new_seqs(1, node_id(REAL)),
            false => net.raw_peer(1, node_id(REAL), true),
        };
        has(&mut net, link, "1", "real");
        let subscriber = net.subscriber(1, &["ours"]);
        for _ in 0..2 {
            net.peer_send(link, from_fisco(&multicast(4, "ours", "equal")));
        }
        assert_eq!(net.inbox(subscriber).len(), count, "new seqs: {new_seqs}");
    }
}

#[test]
fn a_fisco_node_gets_the_multicast_of_another_once() {
    const OTHER: usize = 8;
    for first in [0, 1] {
        let mut net = Net::with((0..3).map(|node| {
            let mut config = config(node);
            let real = [REAL, OTHER].into_iter().filter(|_| node != 1);
            config.stubs.extend(real.map(node_id));
            config
        }));
        net.connect(0, 1);
        net.connect(1, 2);
        let link = fisco_peer(&mut net, 0, "both");
        let others = [0, 2].map(|node| {
            let link = net.raw_peer(node, node_id(OTHER), false);
            has(&mut net, link, "1", "");
            link
        });
        messages(&mut net, link);
        for at in [first, 1 - first] {
            net.peer_send(others[at], from_fisco(&multicast(1, "both", "")));
        }
        assert_eq!(messages(&mut net, link).len(), 1, "first to {first}");
        assert_eq!(
            messages(&mut net, others[0]).len() + messages(&mut net, others[1]).len(),
            0
        );
    }
}

#[test]
fn private_topics_stay_between_neighbours() {
    let mut net = row(&[0]);
    let private = "#!$TopicNeedVerify_p";
    let link = fisco_peer(&mut net, 0, private);
    net.subscriber(2, &["#!$TopicNeedVerify_q", "#!$PushChannel_q"]);
    assert_eq!(told(&mut net, link), [""; 0]);
    assert!(
        net.nodes[2]
            .machine
            .router()
            .node_topics(&node_id(REAL))
            .next()
            .is_none()
    );
    let publisher = net.sdk(2);
    net.send(publisher, unicast(1, private, ""));
    assert_eq!(
        net.only(publisher),
        error(1, result_code::NO_SUBSCRIBER, "")
    );
}

#[test]
fn a_node_that_starts_again_takes_its_real_neighbour_with_it() {
    let mut net = row(&[0]);
    fisco_peer(&mut net, 0, "real");
    for epoch in [1, crate::support::EPOCH + 100_000] {
        let mut again = config(0);
        again.epoch = epoch;
        again.stubs.insert(node_id(REAL));
        net.restart(0, again);
        let link = fisco_peer(&mut net, 0, "new");
        net.connect(0, 1);
        let publisher = net.sdk(2);
        net.send(publisher, multicast(1, "new", ""));
        net.send(publisher, multicast(2, "real", ""));
        let arrived = messages(&mut net, link);
        assert_eq!(arrived.len(), 1, "epoch {epoch}");
        assert_eq!(inner(&arrived[0]), multicast(1, "new", ""));
    }
}

/// It has a different key behind each border node, but is drawn as often as any other subscriber.
#[test]
fn a_fisco_node_behind_two_nodes_is_drawn_as_often_as_another_subscriber() {
    let mut net = row(&[0, 2]);
    let links = [0, 2].map(|node| fisco_peer(&mut net, node, "both"));
    let subscriber = net.subscriber(1, &["both"]);
    let publisher = net.sdk(1);
    let (mut here, mut there) = (0, [0, 0]);
    for number in 0..400 {
        let message = unicast(number, "both", "whose?");
        net.send(publisher, message.clone());
        let pushed = net.inbox(subscriber);
        here += pushed.len();
        for push in pushed {
            net.send(subscriber, reply(&push, "mine"));
        }
        for (link, count) in links.iter().zip(&mut there) {
            for frame in messages(&mut net, *link) {
                *count += 1;
                let answer = reply(&inner(&frame), "its").to_bytes();
                let answer = peer_frame(-protocol::AMOP, packet::UNICAST, frame.seq, answer);
                net.peer_send(*link, answer);
            }
        }
    }
    assert_eq!(here + there[0] + there[1], 400);
    assert!((160..=240).contains(&here), "{here} and {there:?}");
    assert!(there.iter().all(|count| *count > 60), "{there:?}");
}
