//! Long topic lists of FISCO nodes, and for them, are handled a little at a time.

use std::time::Duration;

use crate::support::{
    Link, Net, config, multicast, node_id, peer_frame, topic_list, topic_seq, topics_of, unicast,
};
use amop_proto::p2p::{PeerFrame, TopicList, packet, protocol};

/// Lets a FISCO node announce `topics`.
fn tells(net: &mut Net, fisco: Link, number: &str, topics: &[String]) {
    net.peer_send(fisco, topic_seq(number));
    let asked = net.peer_inbox(fisco);
    let request = asked.last().unwrap().seq;
    let text = format!("{number}\t{}", topics.join("\t"));
    net.peer_send(fisco, topic_list(request, &text));
}

#[test]
fn long_topic_lists_come_into_force_a_little_at_a_time() {
    const MANY: usize = 5000;
    let topics: Vec<String> = (0..MANY).map(|n| format!("topic{n:05}")).collect();
    let mut net = Net::new(1);
    let fisco = net.raw_peer(0, node_id(9), false);
    tells(&mut net, fisco, "1", &topics);
    let held = topics_of(&net, fisco).len();
    assert!((1..=256).contains(&held), "{held} after one event");
    // Others have their turn meanwhile.
    let sdk = net.subscriber(0, &["hello"]);
    net.send(sdk, multicast(1, "hello", "in between"));
    assert_eq!(net.inbox(sdk).len(), 2);
    assert!(topics_of(&net, fisco).len() < MANY);
    net.advance(Duration::from_millis(100));
    assert_eq!(topics_of(&net, fisco), topics);
    // A later list replaces one that is not in force yet.
    tells(&mut net, fisco, "2", &topics[..10]);
    tells(&mut net, fisco, "3", &topics[MANY - 10..]);
    assert!(topics_of(&net, fisco).len() > 4000);
    net.advance(Duration::from_millis(100));
    assert_eq!(topics_of(&net, fisco), &topics[MANY - 10..]);
    // The same when the node is gone.
    tells(&mut net, fisco, "4", &topics);
    net.advance(Duration::from_millis(100));
    net.cut(fisco);
    net.send(sdk, unicast(2, &topics[0], "?"));
    net.hang_up(sdk);
    assert!(!net.nodes[0].machine.router().is_empty());
    net.advance(Duration::from_millis(100));
    assert!(net.nodes[0].machine.router().is_empty());
}

/// Every step from one list to another brings it closer to the other list.
#[test]
fn lists_in_any_order_end_as_the_last_one_says() {
    let name = |n: usize| format!("t{:04}", n * 7919 % 4096);
    let mut net = Net::new(1);
    let fisco = net.raw_peer(0, node_id(9), false);
    let mut last = Vec::new();
    for number in 1..40usize {
        let (from, len) = (number * 37 % 500, number * 131 % 900);
        last = (from..from + len).map(name).collect();
        tells(&mut net, fisco, &number.to_string(), &last);
        net.advance(Duration::from_micros(700 * (number as u64 % 4)));
    }
    net.advance(Duration::from_millis(100));
    last.sort();
    last.dedup();
    assert_eq!(topics_of(&net, fisco), last);
}

/// A list that nodes request is written while others have their turn, and only once for all that
/// request it.
#[test]
fn a_long_list_that_a_node_asks_for_is_written_a_little_at_a_time() {
    const MANY: usize = 5000;
    let mut net = Net::with([{
        let mut config = config(0);
        config.limits.session_topics = 2 * MANY;
        config.limits.session_topic_changes = 2 * MANY;
        config
    }]);
    let names: Vec<String> = (0..MANY).map(|n| format!("topic{n:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let sdk = net.subscriber(0, &names);
    let ask = |net: &mut Net, peer, seq| {
        let question = peer_frame(protocol::TOPIC, packet::REQUEST_TOPICS, seq, "");
        net.peer_send(peer, question);
    };
    let first = net.fisco_peer(0, 9, "");
    let second = net.fisco_peer(0, 10, "");
    net.secs(1);
    net.peer_inbox(first);
    net.peer_inbox(second);
    ask(&mut net, first, 71);
    ask(&mut net, second, 81);
    assert!(
        net.peer_inbox(first).is_empty(),
        "the list is written in parts"
    );
    // Others have their turn meanwhile.
    net.send(sdk, multicast(1, names[7], "in between"));
    assert_eq!(net.inbox(sdk).len(), 2);
    net.peer_inbox(second);
    net.advance(Duration::from_millis(2));
    assert!(net.peer_inbox(first).is_empty());
    net.advance(Duration::from_millis(20));
    let list = |frame: &PeerFrame| {
        let list = TopicList::parse(&frame.body, usize::MAX).unwrap();
        let topics = list.topics.iter();
        let topics: Vec<String> = topics
            .map(|topic| String::from_utf8(topic.to_vec()).unwrap())
            .collect();
        (frame.seq, list.seq, topics)
    };
    let told = list(&net.peer_only(first));
    assert_eq!((told.0, told.2.len()), (71, MANY));
    assert_eq!(told.2, names);
    let other = list(&net.peer_only(second));
    assert_eq!((other.0, &other.2), (81, &told.2));
    // The list is complete now.
    ask(&mut net, second, 82);
    assert_eq!(list(&net.peer_only(second)).0, 82);
    // A node that requests a list while an older one is being written gets the current one.
    let changed = |net: &mut Net, names: &[&str]| {
        net.subscribe(sdk, names);
        net.secs(1);
        net.peer_inbox(first);
    };
    changed(&mut net, &names[1..]);
    ask(&mut net, first, 72);
    net.subscribe(sdk, &names[1..MANY - 1]);
    ask(&mut net, first, 73);
    net.advance(Duration::from_millis(40));
    let lists: Vec<_> = net
        .peer_inbox(first)
        .iter()
        .filter(|frame| frame.packet == packet::TOPICS)
        .map(list)
        .collect();
    let (seq, number, topics) = lists.last().unwrap();
    assert_eq!((*seq, topics.len()), (73, MANY - 2));
    assert!(*number > told.1);
    // The node does not wait for one that is gone.
    changed(&mut net, &names[2..]);
    ask(&mut net, first, 74);
    net.cut(first);
    net.advance(Duration::from_millis(40));
}

/// Connects a FISCO node that takes part and announces its topics; it is also told a number.
fn border(net: &mut Net, n: usize, topics: &str) -> Link {
    let link = net.raw_peer(0, node_id(n), false);
    net.peer_send(link, topic_seq("1"));
    let mut asked = net.peer_inbox(link).into_iter();
    let request = asked.find(|frame| frame.packet == packet::REQUEST_TOPICS);
    let request = request.expect("it is asked for its topics");
    net.peer_send(link, topic_list(request.seq, &format!("1\t{topics}")));
    link
}

/// The same for the list of all topics that a FISCO node which takes part is told.
#[test]
fn a_node_that_takes_part_is_told_all_topics_a_little_at_a_time() {
    const MANY: usize = 3000;
    let mut config = config(0);
    config.stubs.insert(node_id(9));
    let mut net = Net::with([config]);
    let names: Vec<String> = (0..MANY).map(|n| format!("topic{n:05}")).collect();
    let topics: Vec<(&str, u32)> = names.iter().map(|name| (&**name, 1)).collect();
    net.overlay_peer(0, 2, &topics);
    net.secs(1);
    net.subscriber(0, &["own"]);
    let fisco = border(&mut net, 9, "theirs");
    net.secs(1);
    net.peer_inbox(fisco);
    let question = peer_frame(protocol::TOPIC, packet::REQUEST_TOPICS, 71, "");
    net.peer_send(fisco, question);
    assert!(
        net.peer_inbox(fisco).is_empty(),
        "the list is written in parts"
    );
    net.advance(Duration::from_millis(20));
    let list = TopicList::parse(&net.peer_only(fisco).body, usize::MAX).unwrap();
    let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
    expected.insert(0, "own");
    assert_eq!(list.topics, expected);
}

/// A complete list does not wait for another one that is being written.
#[test]
fn whoever_asks_for_a_list_that_is_written_gets_it_at_once() {
    const MANY: usize = 3000;
    let mut config = config(0);
    config.stubs.insert(node_id(9));
    let mut net = Net::with([config]);
    let names: Vec<String> = (0..MANY).map(|n| format!("topic{n:05}")).collect();
    let topics: Vec<(&str, u32)> = names.iter().map(|name| (&**name, 1)).collect();
    net.overlay_peer(0, 2, &topics);
    net.subscriber(0, &["own"]);
    net.advance(Duration::from_millis(100));
    let (border, plain) = (border(&mut net, 9, ""), net.fisco_peer(0, 10, ""));
    net.advance(Duration::from_millis(100));
    let ask = |net: &mut Net, peer, seq| {
        net.peer_inbox(peer);
        let question = peer_frame(protocol::TOPIC, packet::REQUEST_TOPICS, seq, "");
        net.peer_send(peer, question);
    };
    ask(&mut net, border, 71);
    assert!(
        net.peer_inbox(border).is_empty(),
        "the list is written in parts"
    );
    ask(&mut net, plain, 81);
    net.advance(Duration::from_millis(20));
    assert_eq!(net.peer_only(plain).seq, 81);
    assert_eq!(net.peer_only(border).seq, 71);
    // Changes are announced a little later, and only a certain number per second.
    net.subscriber(0, &["more"]);
    net.secs(2);
    ask(&mut net, plain, 82);
    assert_eq!(net.peer_only(plain).seq, 82);
    ask(&mut net, border, 72);
    assert!(
        net.peer_inbox(border).is_empty(),
        "the list is written in parts"
    );
    ask(&mut net, plain, 83);
    assert_eq!(net.peer_only(plain).seq, 83);
    net.advance(Duration::from_millis(20));
    assert_eq!(net.peer_only(border).seq, 72);
}
