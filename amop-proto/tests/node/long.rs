//! Long work is done before the machine is called, or in small slices.

use std::time::Duration;

use crate::support::{
    Net, config, from_node, hello, known, multicast, node_id, records, refused, reply, state,
    unicast,
};
use amop_proto::{
    channel::{Frame, FrameType},
    node::{LockHeld, NodeEvent, SessionInput},
    p2p::{
        NodeId,
        mesh::{Record, SharedSecret, StatementSigner, Subject},
        packet,
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
    behind.stubs.insert(node_id(9));
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
    border.stubs.insert(node_id(9));
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

/// Copies of a multicast are recognised by all of its bytes, which are hashed in advance as well.
#[test]
fn long_multicasts_with_one_seq_that_differ_in_the_middle_are_all_delivered() {
    let mut net = row(3);
    let subscribers = [0, 1, 2].map(|node| net.subscriber(node, &["far"]));
    let publishers = [0, 1].map(|node| net.sdk(node));
    for n in 0..4 {
        let mut text = "x".repeat(LONG);
        text.replace_range(LONG / 2..LONG / 2 + 1, &n.to_string());
        let message = multicast(1, "far", &text);
        let hashed = hashed(|| {
            for publisher in publishers {
                net.send(publisher, message.clone());
            }
        });
        assert_eq!(hashed, 0);
        for subscriber in subscribers {
            assert_eq!(net.only(subscriber), message);
        }
    }
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
