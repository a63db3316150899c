//! The network of nodes of ours: whatever is connected is reachable, and nothing is taken twice.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use amop_proto::{
    channel::{Frame, FrameType, Seq, encode_topics, rpc::NodeFacts},
    node::{Action, Event, Limits, Node, NodeConfig, PeerId, PeerIdentity, SessionId, Timeouts},
    p2p::{NodeId, PeerFrame},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Nodes joined by links that keep their order, run until nothing is on its way.
struct Net {
    now: Instant,
    nodes: Vec<Node>,
    /// The connections of each node: which node is at the other end, and its name there.
    ends: BTreeMap<(usize, PeerId), (usize, PeerId)>,
    wires: VecDeque<(usize, PeerId, PeerFrame)>,
    /// What each session got.
    got: BTreeMap<(usize, SessionId), Vec<Frame>>,
    next: u64,
}

fn node_id(index: usize) -> NodeId {
    let mut id = [7; 64];
    id[..8].copy_from_slice(&(index as u64 * 0x9e37_79b9 + 1).to_be_bytes());
    NodeId(id)
}

impl Net {
    fn new(count: usize) -> Self {
        let node = |index: usize| {
            let id = node_id(index);
            Node::new(NodeConfig {
                node: id,
                facts: NodeFacts {
                    fisco_version: "2.11.1".into(),
                    chain_id: "1".into(),
                    node_id: id.to_string(),
                    name: format!("node{index}"),
                    agency: "agency".into(),
                    address: String::new(),
                },
                limits: Limits::default(),
                timeouts: Timeouts::default(),
                epoch: 1000,
                seed: [index as u8; 32],
            })
        };
        Self {
            now: Instant::now(),
            nodes: (0..count).map(node).collect(),
            ends: BTreeMap::new(),
            wires: VecDeque::new(),
            got: BTreeMap::new(),
            next: 1,
        }
    }

    fn feed(&mut self, node: usize, event: Event) {
        self.nodes[node].handle(self.now, event);
        while let Some(action) = self.nodes[node].poll_action() {
            match action {
                Action::SendPeer { peer, frame } => {
                    let len = frame.wire_len();
                    self.wires.push_back((node, peer, frame));
                    self.nodes[node].handle(self.now, Event::PeerWritten(peer, len));
                }
                Action::SendSession { session, frame } => {
                    let len = frame.wire_len();
                    self.got.entry((node, session)).or_default().push(frame);
                    self.nodes[node].handle(self.now, Event::SessionWritten(session, len));
                }
                Action::ClosePeer { reason, .. } => panic!("node {node} closed a peer: {reason}"),
                Action::CloseSession { reason, .. } => panic!("closed a session: {reason}"),
                _ => {}
            }
        }
    }

    /// Delivers what is on its way, and answers the pushes of sessions that answer.
    fn run(&mut self) {
        while let Some((node, peer, frame)) = self.wires.pop_front() {
            if let Some(&(other, there)) = self.ends.get(&(node, peer)) {
                self.feed(other, Event::PeerFrame(there, frame));
            }
        }
    }

    fn link(&mut self, a: usize, b: usize) {
        let (at_a, at_b) = (PeerId(self.next), PeerId(self.next + 1));
        self.next += 2;
        self.ends.insert((a, at_a), (b, at_b));
        self.ends.insert((b, at_b), (a, at_a));
        for (node, peer, other, dialled) in [(a, at_a, b, true), (b, at_b, a, false)] {
            let identity = PeerIdentity {
                node: node_id(other),
                name: String::new(),
                agency: String::new(),
                address: String::new(),
            };
            self.feed(
                node,
                Event::PeerOpened {
                    peer,
                    identity,
                    dialled,
                },
            );
        }
        self.run();
    }

    fn cut(&mut self, a: usize, b: usize) {
        let (&end, &other) = self
            .ends
            .iter()
            .find(|(here, there)| here.0 == a && there.0 == b)
            .expect("there is such a link");
        self.ends.remove(&end);
        self.ends.remove(&other);
        self.feed(end.0, Event::PeerClosed(end.1));
        self.feed(other.0, Event::PeerClosed(other.1));
        self.run();
    }

    fn subscribe(&mut self, node: usize, topic: &str) -> SessionId {
        let session = self.connect(node);
        let frame = Frame::new(
            FrameType::SET_TOPICS,
            Seq([b'0'; 32]),
            encode_topics([topic]),
        );
        self.feed(node, Event::SessionFrame(session, frame));
        self.run();
        session
    }

    fn connect(&mut self, node: usize) -> SessionId {
        let session = SessionId(self.next);
        self.next += 1;
        self.feed(node, Event::SessionOpened(session));
        session
    }

    fn publish(&mut self, node: usize, session: SessionId, kind: FrameType, topic: &str) -> Seq {
        let mut seq = [b'0'; 32];
        seq[..20].copy_from_slice(format!("{:020}", self.next).as_bytes());
        self.next += 1;
        let frame = Frame::amop(kind, Seq(seq), topic.as_bytes(), b"payload");
        self.feed(node, Event::SessionFrame(session, frame));
        self.run();
        Seq(seq)
    }

    /// The frames of a type with this seq that a session got.
    fn received(&self, node: usize, session: SessionId, kind: FrameType, seq: Seq) -> Vec<Frame> {
        let got = self.got.get(&(node, session)).into_iter().flatten();
        got.filter(|frame| frame.kind == kind && frame.seq == seq)
            .cloned()
            .collect()
    }

    fn answer(&mut self, node: usize, session: SessionId, seq: Seq) {
        let frame = Frame::amop(FrameType::RESPONSE, seq, b"t", b"reply");
        self.feed(node, Event::SessionFrame(session, frame));
        self.run();
    }

    fn tick(&mut self, by: Duration) {
        self.now += by;
        for node in 0..self.nodes.len() {
            self.feed(node, Event::Timeout);
        }
        self.run();
    }
}

#[test]
fn a_message_crosses_a_line_of_nodes_and_its_answer_comes_back() {
    let mut net = Net::new(6);
    for node in 1..6 {
        net.link(node - 1, node);
    }
    let subscriber = net.subscribe(5, "t");
    let publisher = net.connect(0);
    assert_eq!(net.nodes[0].router().distance(&node_id(5)), Some(5));

    let seq = net.publish(0, publisher, FrameType::UNICAST, "t");
    assert_eq!(
        net.received(5, subscriber, FrameType::UNICAST, seq).len(),
        1
    );
    net.answer(5, subscriber, seq);
    let answers = net.received(0, publisher, FrameType::RESPONSE, seq);
    assert_eq!(answers.len(), 1);
    assert_eq!(
        (answers[0].result, &answers[0].body[..]),
        (0, &b"\x02treply"[..])
    );

    let seq = net.publish(0, publisher, FrameType::MULTICAST, "t");
    assert_eq!(
        net.received(5, subscriber, FrameType::MULTICAST, seq).len(),
        1
    );
}

#[test]
fn a_cut_on_the_way_is_gone_round_and_the_message_is_taken_once() {
    // A ring of five: 0 - 1 - 2 and 0 - 4 - 3 - 2.
    let mut net = Net::new(5);
    for node in 0..5 {
        net.link(node, (node + 1) % 5);
    }
    let subscriber = net.subscribe(2, "t");
    let publisher = net.connect(0);
    let seq = net.publish(0, publisher, FrameType::UNICAST, "t");
    assert_eq!(
        net.received(2, subscriber, FrameType::UNICAST, seq).len(),
        1
    );
    // The answer cannot come back the way the message went.
    net.cut(0, 1);
    net.answer(2, subscriber, seq);
    assert_eq!(
        net.received(0, publisher, FrameType::RESPONSE, seq).len(),
        1
    );
    assert_eq!(
        net.received(2, subscriber, FrameType::UNICAST, seq).len(),
        1
    );
    // With no way left the publisher knows at once.
    net.cut(4, 3);
    let seq = net.publish(0, publisher, FrameType::UNICAST, "t");
    assert_eq!(
        net.received(0, publisher, FrameType::RESPONSE, seq)[0].result,
        100
    );
}

#[test]
fn an_answer_lost_on_the_way_is_asked_for_again() {
    let mut net = Net::new(3);
    net.link(0, 1);
    net.link(1, 2);
    net.link(0, 2);
    let subscriber = net.subscribe(2, "t");
    let publisher = net.connect(0);
    let seq = net.publish(0, publisher, FrameType::UNICAST, "t");
    let reply = Frame::amop(FrameType::RESPONSE, seq, b"t", b"reply");
    net.feed(2, Event::SessionFrame(subscriber, reply));
    // The answer is on the wire when the wire breaks.
    net.wires.clear();
    net.cut(0, 2);
    assert_eq!(
        net.received(0, publisher, FrameType::RESPONSE, seq).len(),
        1
    );
    assert_eq!(
        net.received(2, subscriber, FrameType::UNICAST, seq).len(),
        1
    );
}

#[test]
fn a_message_lost_without_a_trace_is_sent_again_in_time() {
    let mut net = Net::new(2);
    net.link(0, 1);
    let subscriber = net.subscribe(1, "t");
    let publisher = net.connect(0);
    let frame = Frame::amop(FrameType::UNICAST, Seq([b'x'; 32]), b"t", b"payload");
    net.feed(0, Event::SessionFrame(publisher, frame));
    net.wires.clear();
    net.tick(Duration::from_millis(1001));
    let got = net.received(1, subscriber, FrameType::UNICAST, Seq([b'x'; 32]));
    assert_eq!(got.len(), 1);
}

#[test]
fn any_publisher_reaches_any_subscriber_exactly_while_the_graph_connects_them() {
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = 16;
        let mut net = Net::new(count);
        let mut links = BTreeSet::new();
        // A random tree and some more links.
        for node in 1..count {
            links.insert((rng.random_range(0..node), node));
        }
        for _ in 0..12 {
            let (a, b) = (rng.random_range(0..count), rng.random_range(0..count));
            if a != b {
                links.insert((a.min(b), a.max(b)));
            }
        }
        for &(a, b) in &links {
            net.link(a, b);
        }
        let topics: Vec<String> = (0..count).map(|node| format!("t{node}")).collect();
        let subscribers: Vec<_> = (0..count)
            .map(|node| net.subscribe(node, &topics[node]))
            .collect();
        let all: Vec<_> = (0..count).map(|node| net.subscribe(node, "all")).collect();
        let publishers: Vec<_> = (0..count).map(|node| net.connect(node)).collect();
        while let Some(&cut) = links.iter().nth(rng.random_range(0..links.len().max(1))) {
            links.remove(&cut);
            net.cut(cut.0, cut.1);
            let from = rng.random_range(0..count);
            let connected = component(&links, from);
            for to in 0..count {
                let seq = net.publish(from, publishers[from], FrameType::UNICAST, &topics[to]);
                let arrived = net
                    .received(to, subscribers[to], FrameType::UNICAST, seq)
                    .len();
                assert_eq!(arrived, usize::from(connected.contains(&to)), "seed {seed}");
                if arrived == 1 {
                    net.answer(to, subscribers[to], seq);
                }
                let answers = net.received(from, publishers[from], FrameType::RESPONSE, seq);
                assert_eq!(answers.len(), 1);
                assert_eq!(answers[0].result, if arrived == 1 { 0 } else { 100 });
            }
            let seq = net.publish(from, publishers[from], FrameType::MULTICAST, "all");
            for to in 0..count {
                let arrived = net.received(to, all[to], FrameType::MULTICAST, seq).len();
                assert_eq!(arrived, usize::from(connected.contains(&to)), "seed {seed}");
            }
        }
    }
}

fn component(links: &BTreeSet<(usize, usize)>, from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([from]);
    loop {
        let before = found.len();
        for &(a, b) in links {
            if found.contains(&a) || found.contains(&b) {
                found.extend([a, b]);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}
