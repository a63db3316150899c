//! Long work is done before the machine is called, or in small slices.

use std::time::Duration;

use crate::support::{
    Link, Net, Sdk, config, from_node, hello, known, multicast, node_id, peer_frame, records,
    refused, reply, state, topic_list, topic_seq, topics_of, unicast,
};
use amop_proto::{
    channel::{Frame, FrameType},
    node::{LockHeld, NodeEvent, SessionInput},
    p2p::{
        NodeId, PeerFrame, TopicList,
        mesh::{Record, SharedSecret, StatementSigner, Subject},
        packet, protocol,
    },
};
use bytes::Bytes;

const LONG: usize = 200 * 1024;

/// Runs `act`, and returns how many long messages this thread has hashed while it held a machine.
fn hashed(act: impl FnOnce()) -> u64 {
    let before = LockHeld::long_digests();
    act();
    LockHeld::long_digests() - before
}

fn row(nodes: usize) -> Net {
    let mut net = Net::new(nodes);
    for node in 1..nodes {
        net.connect(node - 1, node);
    }
    net
}

#[test]
fn a_node_knows_whether_there_are_nodes_beyond_its_neighbours() {
    let distant = |net: &Net, node: usize| net.nodes[node].machine.router().has_distant();
    let mut net = row(3);
    assert_eq!(
        [0, 1, 2].map(|node| distant(&net, node)),
        [true, false, true]
    );
    net.connect(0, 2);
    assert_eq!([0, 1, 2].map(|node| distant(&net, node)), [false; 3]);
    net.cut_between(0, 1);
    assert_eq!(
        [0, 1, 2].map(|node| distant(&net, node)),
        [true, true, false]
    );
    net.cut_between(1, 2);
    net.secs(200);
    assert_eq!([0, 1, 2].map(|node| distant(&net, node)), [false; 3]);
    // A message to a FISCO node behind a neighbour needs no proof.
    let mut behind = config(1);
    behind.transit.insert(node_id(9));
    let mut net = Net::with([config(0), behind]);
    net.connect(0, 1);
    net.fisco_peer(1, 9, "hello");
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 2);
    assert!(!distant(&net, 0));
}

#[test]
fn long_messages_are_hashed_before_the_machine_sees_them() {
    let text = "x".repeat(LONG);
    let mut net = row(4);
    let subscriber = net.subscriber(3, &["far"]);
    let publisher = net.sdk(0);
    assert_eq!(
        hashed(|| {
            net.send(publisher, unicast(1, "far", &text));
            let push = net.only(subscriber);
            net.send(subscriber, reply(&push, &text));
            assert_eq!(net.only(publisher).body, push.body);
            net.send(publisher, multicast(2, "far", &text));
            assert_eq!(net.only(subscriber).body, push.body);
        }),
        0
    );
    // The test notices it if the hash was not computed before.
    net.inbox(publisher);
    let late = SessionInput::read(unicast(3, "far", &text), 1);
    assert_eq!(
        hashed(|| net.event(0, NodeEvent::SessionFrame(publisher.id, late))),
        1
    );
}

#[test]
fn long_messages_of_fisco_nodes_are_hashed_before_the_machine_sees_them() {
    let text = "x".repeat(LONG);
    let mut border = config(0);
    border.transit.insert(node_id(9));
    let mut net = Net::with([border, config(1), config(2)]);
    net.connect(0, 1);
    net.connect(1, 2);
    let fisco = net.fisco_peer(0, 9, "there");
    let subscriber = net.subscriber(2, &["far"]);
    let publisher = net.sdk(2);
    net.secs(1);
    net.peer_inbox(fisco);
    assert_eq!(
        hashed(|| {
            net.peer_send(fisco, from_node(5, &unicast(1, "far", &text)));
            let push = net.only(subscriber);
            net.send(subscriber, reply(&push, &text));
            assert_eq!(net.peer_only(fisco).seq, 5);
            let mut message = from_node(6, &multicast(2, "far", &text));
            message.packet = packet::MULTICAST;
            net.peer_send(fisco, message);
            assert_eq!(net.only(subscriber).body, push.body);
            // The same in the other direction.
            net.send(publisher, unicast(3, "there", &text));
            let asked = net.peer_only(fisco);
            let push = crate::support::inner(&asked);
            let mut answer = from_node(asked.seq, &reply(&push, &text));
            answer.protocol = -answer.protocol;
            net.peer_send(fisco, answer);
            assert_eq!(net.only(publisher).kind, FrameType::RESPONSE);
        }),
        0
    );
}

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

/// Texts are parsed before the machine gets them: in tests, parsing one while a node is locked
/// panics.
#[test]
#[should_panic(expected = "a text is read while the node is held")]
fn reading_a_text_with_the_node_held_is_seen() {
    let _held = LockHeld::new();
    let frame = Frame::new(FrameType::SET_TOPICS, crate::support::seq(1), "[]");
    let _ = SessionInput::read(frame, 1);
}

/// The records of a large network do not fill the queue to a neighbour: they are sent in pieces.
#[test]
fn a_neighbour_that_knows_nothing_is_told_a_piece_at_a_time() {
    const NODES: usize = 150;
    const TOPICS: usize = 500;
    let topics: Vec<String> = (0..TOPICS).map(|n| format!("{n:0100}")).collect();
    let topics: Vec<(&str, u32)> = topics.iter().map(|topic| (&**topic, 1)).collect();
    let mut net = Net::new(1);
    let neighbour = net.overlay_peer(0, 2, &[]);
    for n in 3..3 + NODES {
        net.peer_send(neighbour, records(0, &[state(n, 9, &[2], &topics)]));
        net.advance(Duration::from_millis(20));
    }
    assert_eq!(net.nodes[0].machine.router().known_nodes(), 1 + NODES);
    // At first the neighbour reads nothing.
    let here = net.raw_peer(0, node_id(1), false);
    net.link(here).stalled = true;
    net.peer_send(here, hello());
    net.peer_send(here, known(&[]));
    const MOST: usize = 1024 * 1024;
    let queued = |net: &mut Net| net.link(here).unwritten;
    let first = queued(&mut net);
    assert!((100_000..MOST).contains(&first), "{first} bytes at once");
    // News that arrive meanwhile are limited, too.
    let change = [("new", 1)];
    net.peer_send(
        neighbour,
        records(0, &[state(3 + NODES - 1, 10, &[2], &change)]),
    );
    let mut read = 0;
    while queued(&mut net) > 0 {
        assert!(queued(&mut net) < MOST, "{} bytes wait", queued(&mut net));
        net.peer_read(here, 100_000);
        read += 100_000;
        assert!(read < 100_000_000, "it ends");
    }
    assert!(read > NODES * TOPICS * 100, "every topic was sent");
}

/// In the end the newcomer knows the whole network, and its link counts only then.
#[test]
fn a_newcomer_knows_all_of_a_large_network_before_its_link_counts() {
    const NODES: usize = 60;
    let topics: Vec<String> = (0..300).map(|n| format!("{n:0100}")).collect();
    let topics: Vec<(&str, u32)> = topics.iter().map(|topic| (&**topic, 1)).collect();
    let mut net = Net::new(2);
    let neighbour = net.overlay_peer(0, 2, &[]);
    for n in 3..3 + NODES {
        net.peer_send(neighbour, records(0, &[state(n, 9, &[2], &topics)]));
        net.advance(Duration::from_millis(20));
    }
    net.wire_held = true;
    net.connect(0, 1);
    let held = |net: &Net, node: usize| net.nodes[node].machine.router().known_nodes();
    let counts = |net: &Net| {
        net.nodes[1]
            .machine
            .router()
            .distance(&node_id(0))
            .is_some()
    };
    for _ in 0..1000 {
        if counts(&net) {
            break;
        }
        net.deliver_one();
        net.advance(Duration::from_millis(10));
    }
    assert!(counts(&net));
    assert_eq!(held(&net, 1), 2 + NODES);
}

/// However many sessions refuse a unicast, each is asked once, and the last one gets it.
#[test]
fn a_unicast_that_thousands_refuse_is_offered_to_each_once() {
    const MANY: usize = 1000;
    let mut net = Net::new(1);
    let all: Vec<_> = (0..MANY).map(|_| net.subscriber(0, &["busy"])).collect();
    let publisher = net.sdk(0);
    for (n, accepts) in [(1, None), (2, Some(all[MANY / 2]))] {
        net.send(publisher, unicast(n, "busy", "?"));
        let mut asked = std::collections::BTreeSet::new();
        loop {
            net.advance(Duration::from_millis(5));
            let Some(&at) = all.iter().find(|&&sdk| !net.end(sdk).inbox.is_empty()) else {
                break;
            };
            assert!(asked.insert(at), "no subscriber is asked twice");
            let push = net.only(at);
            if accepts == Some(at) {
                net.send(at, reply(&push, "!"));
                break;
            }
            net.send(at, refused(&push));
        }
        let answer = net.only(publisher);
        match accepts {
            None => {
                assert_eq!((asked.len(), answer.result), (MANY, 104));
            }
            Some(_) => assert_eq!(answer.result, 0),
        }
    }
}

/// A topic with thousands of busy subscribers is not searched at once either.
#[test]
fn a_unicast_for_thousands_that_are_busy_takes_turns_with_others() {
    const MANY: usize = 1000;
    let mut config = config(0);
    config.limits.session_queue = 100;
    let mut net = Net::with([config]);
    for _ in 0..MANY {
        let sdk = net.subscriber(0, &["busy"]);
        net.end(sdk).stalled = true;
    }
    let publisher = net.sdk(0);
    // Only one copy for each may wait.
    net.send(publisher, multicast(1, "busy", &"x".repeat(150)));
    net.send(publisher, multicast(2, "busy", "x"));
    net.inbox(publisher);
    net.send(publisher, unicast(3, "busy", "?"));
    net.nothing(publisher);
    net.advance(Duration::from_millis(50));
    assert_eq!(net.only(publisher).result, 104);
}

/// A node of a chain whose IDs are whole RSA keys.
#[derive(Debug)]
struct Long(Bytes);

impl Long {
    fn name(&self) -> NodeId {
        NodeId::named(&self.0).unwrap()
    }
}

impl StatementSigner for Long {
    fn algorithm(&self) -> u8 {
        SharedSecret::ALGORITHM
    }

    fn long_id(&self) -> Option<Bytes> {
        Some(self.0.clone())
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        SharedSecret::new(self.name()).sign(message)
    }

    fn chain(&self) -> Vec<Bytes> {
        SharedSecret::new(self.name()).chain()
    }
}

/// Nodes with longer IDs take part like all others.
#[test]
fn nodes_with_long_ids_are_neighbours_and_are_told_of() {
    let long = Long(vec![7; 270].into());
    let mut config = config(0);
    config.node = long.name();
    config.signer = std::sync::Arc::new(Long(long.0.clone()));
    let mut net = Net::with([crate::support::config(1), config]);
    let far = Long(vec![9; 300].into());
    let link = net.raw_peer(1, far.name(), false);
    net.peer_send(link, hello());
    net.peer_send(link, known(&[]));
    let record = Record {
        subject: Subject::Node(far.name()),
        neighbours: Some(vec![(&long.name()).into()]),
        ..state(5, 9, &[], &[("far", 1)])
    };
    let whole = record
        .whole
        .clone()
        .map(|whole| amop_proto::p2p::mesh::Whole {
            chain: far.chain(),
            ..whole
        });
    let record = Record { whole, ..record };
    let signed = record.sign(&far).unwrap();
    net.peer_send(link, crate::support::signed_records(0, &[signed]));
    let sent = net.peer_inbox(link);
    for frame in sent.iter().filter(|frame| frame.packet == 3) {
        net.peer_send(link, crate::support::taken(frame.seq));
    }
    assert_eq!(net.nodes[1].machine.router().distance(&far.name()), Some(1));
    // Other nodes learn about it even without a connection to it.
    let [a, b] = [
        net.raw_peer(0, long.name(), true),
        net.raw_peer(1, node_id(1), false),
    ];
    for frame in net.peer_inbox(a) {
        net.peer_send(b, frame);
    }
    for _ in 0..10 {
        for (from, to) in [(a, b), (b, a)] {
            for frame in net.peer_inbox(from) {
                net.peer_send(to, frame);
            }
        }
    }
    assert_eq!(
        net.nodes[0].machine.router().distance(&long.name()),
        Some(1)
    );
    assert_eq!(net.nodes[0].machine.router().distance(&far.name()), Some(2));
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, "far", "?"));
    assert_eq!(net.nodes[0].machine.router().in_flight(), 1);
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
    config.transit.insert(node_id(9));
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
    config.transit.insert(node_id(9));
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

/// Returns a node with so many topics, most of them new, that it lets the shell assemble its
/// statement, which the test does; and a publisher at a neighbour.
fn about_to_restate() -> (Net, Sdk) {
    const MANY: usize = 4000;
    let mut long = config(0);
    long.limits.session_topic_changes = 2 * MANY;
    let mut net = Net::with([long, config(1)]);
    net.connect(0, 1);
    let mut subscribe = |of: &str| {
        let names: Vec<String> = (0..MANY)
            .map(|n| format!("one of the very many topics of the {of} session, number {n}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        net.subscriber(0, &names);
        net.secs(1);
        net.nodes[0].restates_late = true;
    };
    subscribe("one");
    subscribe("other");
    assert_eq!(net.nodes[0].restatements.len(), 1);
    let publisher = net.sdk(1);
    (net, publisher)
}

/// Whether its neighbour knows of a topic.
fn is_stated(net: &mut Net, publisher: Sdk, topic: &str) -> bool {
    let in_flight = net.in_flight();
    net.send(
        publisher,
        unicast(net.elapsed().as_millis() as u64, topic, ""),
    );
    net.inbox(publisher);
    net.in_flight() > in_flight
}

fn answered(net: &mut Net, subscriber: Sdk) -> bool {
    let frames = net.inbox(subscriber);
    frames
        .iter()
        .any(|frame| frame.kind == FrameType::HEARTBEAT)
}

/// Changes wait for it, and a session is told that its topics are known when they are.
#[test]
fn a_long_statement_is_put_together_while_others_have_their_turn() {
    let (mut net, publisher) = about_to_restate();
    let subscribers = ["first", "second"].map(|topic| net.subscriber(0, &[topic]));
    net.secs(1);
    assert!(!is_stated(&mut net, publisher, "first"));
    for subscriber in subscribers {
        net.send_body(subscriber, FrameType::HEARTBEAT, b"0");
        assert!(!answered(&mut net, subscriber));
    }
    net.nodes[0].restates_late = false;
    for restatement in std::mem::take(&mut net.nodes[0].restatements) {
        net.event(0, restatement.carry_out());
    }
    // This is long before the time after which a session is answered although its topics are not
    // known.
    net.advance(Duration::from_millis(200));
    for subscriber in subscribers {
        assert!(answered(&mut net, subscriber));
    }
    net.secs(1);
    let long = ["one", "other"]
        .map(|of| format!("one of the very many topics of the {of} session, number 3999"));
    for topic in ["first", "second", &long[0], &long[1]] {
        assert!(is_stated(&mut net, publisher, topic), "{topic}");
    }
}

/// If the shell does not assemble a statement, the node does so itself after 5 s, and ignores a
/// later one.
#[test]
fn a_long_statement_that_is_not_put_together_does_not_hold_up_changes_for_ever() {
    let (mut net, publisher) = about_to_restate();
    let first = net.subscriber(0, &["first"]);
    net.secs(2);
    assert!(!is_stated(&mut net, publisher, "first"));
    net.secs(4);
    assert!(is_stated(&mut net, publisher, "first"));
    net.send_body(first, FrameType::HEARTBEAT, b"0");
    assert!(answered(&mut net, first));
    net.subscribe(first, &["second"]);
    net.secs(1);
    for restatement in std::mem::take(&mut net.nodes[0].restatements) {
        net.event(0, restatement.carry_out());
    }
    assert!(is_stated(&mut net, publisher, "second"));
    assert!(!is_stated(&mut net, publisher, "first"));
}
