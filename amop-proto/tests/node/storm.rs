//! Large numbers of random events: SDKs and peers connect, disconnect, stall, lie and send invalid
//! data.
//!
//! The machines must never panic, must not act on closed connections (the harness checks this),
//! must stay within their limits, must answer every message exactly once unless its sender has
//! left, and must do the same again for the same events.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::support::{
    Link, Net, Sdk, change, config, extension, from_node, hello, key, known, multicast, node_id,
    peer_frame, records, relayed, relayed_multicast, reply, seq, state, taken, topic_list,
    topic_seq, unicast,
};
use amop_proto::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, Seq, result_code},
    node::MachineConfig,
    p2p::{
        PeerFrame,
        mesh::{self, MulticastHeader, UnicastHeader},
        packet, protocol,
    },
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const TOPICS: [&str; 7] = [
    "a",
    "b",
    "c",
    "话",
    "_block_notify_1",
    "#!$TopicNeedVerify_p",
    "x\ty",
];
const SESSION_QUEUE: usize = 2000;
const PEER_QUEUE: usize = 1500;
/// A node's record is one frame, longer than the messages of this test.
const LONGEST: usize = 24_000;
const IN_FLIGHT: usize = 24;

fn small(n: usize) -> MachineConfig {
    let mut config = config(n);
    config.limits.session_queue = SESSION_QUEUE;
    config.limits.peer_queue = PEER_QUEUE;
    config.limits.in_flight = IN_FLIGHT;
    config.limits.in_flight_bytes = 6000;
    config.limits.session_topics = 4;
    config.limits.peer_topics = 6;
    config
}

/// Two nodes and the events that happen to them.
struct Storm {
    net: Net,
    rng: StdRng,
    sdks: Vec<Sdk>,
    peers: Vec<Link>,
    /// Pushes that SDKs got and have not answered.
    pushes: Vec<(Sdk, Frame)>,
    /// Requests that peers got and have not answered.
    requests: Vec<(Link, PeerFrame)>,
    next_seq: u64,
    /// The numbers of responses that SDKs must get and have got.
    due: BTreeMap<(Sdk, Seq), (usize, usize)>,
    /// The same for peers.
    peer_due: BTreeMap<(usize, u64, u32), (usize, usize)>,
    recent: Vec<Seq>,
    /// The last published message, which may be sent again.
    last: Option<Frame>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut net = Net::with([small(0), small(1)]);
        net.log = Some(Vec::new());
        Self {
            net,
            rng: StdRng::seed_from_u64(seed),
            sdks: Vec::new(),
            peers: Vec::new(),
            pushes: Vec::new(),
            requests: Vec::new(),
            next_seq: 0,
            due: BTreeMap::new(),
            peer_due: BTreeMap::new(),
            recent: Vec::new(),
            last: None,
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn topic(&mut self) -> &'static str {
        TOPICS[self.below(TOPICS.len())]
    }

    fn bytes(&mut self, max: usize) -> Vec<u8> {
        let len = self.below(max + 1);
        (0..len).map(|_| self.rng.random()).collect()
    }

    fn fresh(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    fn open_sdk(&mut self) -> Option<Sdk> {
        let net = &self.net;
        self.sdks.retain(|&sdk| net.is_open(sdk));
        let len = self.sdks.len();
        (len > 0).then(|| self.sdks[self.rng.random_range(0..len)])
    }

    fn open_peer(&mut self) -> Option<Link> {
        let net = &self.net;
        self.peers.retain(|&peer| net.is_up(peer));
        let len = self.peers.len();
        (len > 0).then(|| self.peers[self.rng.random_range(0..len)])
    }

    fn step(&mut self) {
        match self.below(100) {
            0..6 => self.sdk_comes(),
            6..8 => {
                if let Some(sdk) = self.open_sdk() {
                    self.net.hang_up(sdk);
                }
            }
            8..18 => self.subscribe(),
            18..42 => self.publish(),
            42..58 => self.answer(),
            58..64 => self.sdk_talks_nonsense(),
            64..68 => self.sdk_reads_or_not(),
            68..72 => self.peer_comes(),
            72..74 => {
                if let Some(peer) = self.open_peer() {
                    self.net.cut(peer);
                }
            }
            74..84 => self.peer_talks(),
            84..90 => self.peer_answers(),
            90..93 => self.peer_reads_or_not(),
            93..95 => self.nodes_connect(),
            95 => {
                let time = self.below(12_000);
                self.net.advance(Duration::from_millis(time as u64));
            }
            _ => {
                let time = self.below(1500);
                self.net.advance(Duration::from_millis(time as u64));
            }
        }
        self.collect();
        self.check_bounds();
    }

    fn sdk_comes(&mut self) {
        if self.sdks.len() < 10 {
            let node = self.below(2);
            let sdk = self.net.sdk(node);
            self.sdks.push(sdk);
        }
    }

    fn subscribe(&mut self) {
        let Some(sdk) = self.open_sdk() else { return };
        let count = self.below(7);
        let topics: BTreeSet<&str> = (0..count).map(|_| self.topic()).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        self.net.subscribe(sdk, &topics);
    }

    /// Publishes a unicast or a multicast, sometimes with a seq that is in use, or a strange body.
    fn publish(&mut self) {
        let Some(sdk) = self.open_sdk() else { return };
        let n = self.fresh();
        let topic = self.topic();
        let payload = "x".repeat(self.below(400));
        let mut frame = match self.one_in(4) {
            true => multicast(n, topic, &payload),
            false => unicast(n, topic, &payload),
        };
        if self.one_in(8) && !self.recent.is_empty() {
            let at = self.below(self.recent.len());
            frame.seq = self.recent[at];
        }
        if self.one_in(20) {
            frame.body = self.bytes(20).into();
        }
        if self.one_in(20)
            && let Some(last) = &self.last
        {
            frame = last.clone();
        }
        self.last = Some(frame.clone());
        self.recent.push(frame.seq);
        if self.recent.len() > 8 {
            self.recent.remove(0);
        }
        let router = self.net.nodes[sdk.node].machine.router();
        let is_answer = router.is_asked(sdk.id, &frame.seq);
        if is_answer {
            // The receiver must be able to distinguish it from a push.
            frame.kind = FrameType::RESPONSE;
        }
        let is_message = !is_answer && frame.body.first().is_some_and(|&len| len > 0);
        let key = (sdk, frame.seq);
        let repeated = |net: &Net| net.nodes[sdk.node].machine.router().counters().repeated;
        let before = repeated(&self.net);
        self.net.send(sdk, frame);
        // A message that is already in flight is answered once.
        if is_message && repeated(&self.net) == before {
            self.due.entry(key).or_default().0 += 1;
        }
    }

    fn answer(&mut self) {
        if self.pushes.is_empty() {
            return;
        }
        let at = self.below(self.pushes.len());
        let (sdk, push) = self.pushes.swap_remove(at);
        if !self.net.is_open(sdk) {
            return;
        }
        let mut answer = reply(&push, "answer");
        match self.below(8) {
            0 => answer.result = result_code::NO_SESSION,
            1 => answer.kind = FrameType(0x77),
            2 => answer.kind = FrameType::BLOCK_NOTIFY,
            3 => answer.body = self.bytes(30).into(),
            _ => answer.result = self.below(5) as i32,
        }
        self.net.send(sdk, answer);
    }

    fn sdk_talks_nonsense(&mut self) {
        let Some(sdk) = self.open_sdk() else { return };
        let kinds = [
            0x12, 0x13, 0x14, 0x15, 0x16, 0x31, 0x32, 0x37, 0x38, 0x1000, 0x1001, 0xabcd,
        ];
        let kind = FrameType(kinds[self.below(kinds.len())]);
        let body: Vec<u8> = match self.below(5) {
            0 => self.bytes(60),
            1 => br#"{"minimumSupport":1,"maximumSupport":3}"#.to_vec(),
            2 => br#"{"minimumSupport":7,"maximumSupport":9}"#.to_vec(),
            3 => br#"{"jsonrpc":"2.0","id":1,"method":"getPeers","params":[1]}"#.to_vec(),
            _ => br#"["a",{}]"#.to_vec(),
        };
        self.net.send_body(sdk, kind, &body);
    }

    fn sdk_reads_or_not(&mut self) {
        let Some(sdk) = self.open_sdk() else { return };
        let stalls = self.one_in(3);
        self.net.end(sdk).stalled = stalls;
        let bytes = if stalls { 300 } else { usize::MAX };
        self.net.read(sdk, bytes);
    }

    fn peer_comes(&mut self) {
        if self.peers.len() < 6 {
            // One of them pretends to be the other node.
            let (node, remote) = (self.below(2), 1 + self.below(4));
            let dialled = self.one_in(2);
            let peer = self.net.raw_peer(node, node_id(remote), dialled);
            self.peers.push(peer);
            if self.one_in(2) && self.net.is_up(peer) {
                self.net.peer_send(peer, hello());
            }
        }
    }

    fn peer_talks(&mut self) {
        let Some(peer) = self.open_peer() else { return };
        let a = self.topic();
        let number = self.below(50).to_string();
        let n = self.fresh();
        let payload = "y".repeat(self.below(200));
        let frame = match self.below(14) {
            0..4 => return self.overlay_node_talks(peer),
            4 | 5 => topic_seq(&number),
            6..=8 => self.peer_asks(peer, unicast(n, a, &payload)),
            9 => from_node(0, &multicast(n, a, &payload)),
            10 => peer_frame(
                protocol::TOPIC,
                packet::REQUEST_TOPICS,
                n as u32,
                self.bytes(5),
            ),
            11 => {
                let mut inner = unicast(n, a, &payload);
                inner.body = self.bytes(10).into();
                self.peer_asks(peer, inner)
            }
            12 => {
                let whole = unicast(n, a, &payload).to_bytes();
                let end = self.below(whole.len());
                peer_frame(protocol::AMOP, 0, n as u32, whole.slice(..end))
            }
            _ => {
                let protocols = [-2, -1, 0, 1, 2, 3, 65544, 0x414d, -0x414d, i32::MIN];
                let protocol = protocols[self.below(protocols.len())];
                peer_frame(
                    protocol,
                    self.below(4) as u16,
                    1 << 31 | n as u32,
                    self.bytes(60),
                )
            }
        };
        self.net.peer_send(peer, frame);
    }

    /// Lets a peer that uses the extension state something about itself or others, true or not, and
    /// send messages in the name of others.
    fn overlay_node_talks(&mut self, peer: Link) {
        let (a, b) = (self.topic(), self.topic());
        let version = self.fresh();
        let nodes = [(); 3].map(|()| self.below(6));
        let topics = [(a, self.below(4) as u32), (b, 1)];
        let (seq, hops) = (self.below(9) as u32, self.below(4) as u32);
        let id = self.below(40) as u64;
        let message = unicast(version, a, "over many links");
        let frame = match self.below(14) {
            0 | 1 => hello(),
            2 => known(&[(nodes[0], version)]),
            3 => taken(seq),
            4 => extension(mesh::packet::ASK, 0, mesh::encode_keys(nodes.map(key))),
            5..8 => records(seq, &[state(nodes[0], version, &nodes[1..], &topics)]),
            8 => records(seq, &[change(nodes[0], version, version - 1, &topics)]),
            9 | 10 => {
                let header = UnicastHeader {
                    source: key(nodes[0]),
                    target: key(nodes[1]),
                    id,
                };
                let packet = match self.one_in(3) {
                    true => mesh::packet::ANSWER,
                    false => mesh::packet::UNICAST,
                };
                extension(packet, hops, header.encode(&message))
            }
            11 => {
                // The message is sealed correctly, for any target.
                let packet = match self.one_in(3) {
                    true => mesh::packet::RELAYED_ANSWER,
                    false => mesh::packet::RELAYED_UNICAST,
                };
                relayed(packet, (nodes[0], nodes[1]), (id, version), &message)
            }
            12 => {
                let message = multicast(version, a, "sealed");
                let from = (nodes[0], nodes[0], nodes[1]);
                relayed_multicast(from, (id, version), &message)
            }
            _ => {
                let spread = MulticastHeader {
                    source: key(nodes[0]),
                    id,
                    targets: nodes[1..].iter().map(|&n| key(n)).collect(),
                };
                let message = multicast(version, a, "to many");
                extension(mesh::packet::MULTICAST, hops, spread.encode(&message))
            }
        };
        self.net.peer_send(peer, frame);
    }

    fn peer_asks(&mut self, peer: Link, inner: Frame) -> PeerFrame {
        let seq = self.fresh() as u32;
        if inner.body.first().is_some_and(|&len| len > 0) {
            let key = (peer.node, peer.id.0, seq);
            self.peer_due.entry(key).or_default().0 += 1;
        }
        from_node(seq, &inner)
    }

    fn peer_answers(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let at = self.below(self.requests.len());
        let (peer, request) = self.requests.swap_remove(at);
        if !self.net.is_up(peer) {
            return;
        }
        if request.protocol == protocol::TOPIC {
            let count = self.below(9);
            let topics: Vec<&str> = (0..count).map(|_| self.topic()).collect();
            let list = format!("{}\t{}", self.below(50), topics.join("\t"));
            return self.net.peer_send(peer, topic_list(request.seq, &list));
        }
        let Ok(inner) = Frame::from_bytes(request.body, PROTOCOL_MAX_FRAME) else {
            panic!("a node sent an undecodable message");
        };
        let mut answer = inner.respond(0, inner.body.clone());
        if self.one_in(4) {
            answer.result = result_code::NO_SESSION;
        }
        if self.one_in(10) {
            answer.seq = seq(0);
        }
        let body = answer.to_bytes();
        self.net
            .peer_send(peer, peer_frame(-protocol::AMOP, 0, request.seq, body));
    }

    fn peer_reads_or_not(&mut self) {
        let Some(peer) = self.open_peer() else { return };
        let stalls = self.one_in(3);
        self.net.link(peer).stalled = stalls;
        let bytes = if stalls { 500 } else { usize::MAX };
        self.net.peer_read(peer, bytes);
    }

    /// Makes or breaks a connection between the two nodes.
    fn nodes_connect(&mut self) {
        let links = self.net.links(0);
        match links.first() {
            Some(&id) if self.one_in(3) => self.net.cut(Link { node: 0, id }),
            _ => {
                let dialler = self.below(2);
                self.net.connect(dialler, 1 - dialler);
            }
        }
    }

    /// Collects the frames that SDKs and peers received.
    fn collect(&mut self) {
        for sdk in self.sdks.clone() {
            for frame in self.net.inbox(sdk) {
                match frame.kind {
                    FrameType::UNICAST => self.pushes.push((sdk, frame)),
                    FrameType::MULTICAST => {}
                    _ => {
                        if let Some((_, got)) = self.due.get_mut(&(sdk, frame.seq)) {
                            *got += 1;
                        }
                    }
                }
            }
        }
        for peer in self.peers.clone() {
            for frame in self.net.peer_inbox(peer) {
                match (frame.protocol, frame.packet) {
                    (protocol::AMOP, packet::UNICAST)
                    | (protocol::TOPIC, packet::REQUEST_TOPICS) => {
                        self.requests.push((peer, frame));
                    }
                    (p, _) if p == -protocol::AMOP => {
                        let key = (peer.node, peer.id.0, frame.seq);
                        self.peer_due.get_mut(&key).unwrap().1 += 1;
                    }
                    _ => {}
                }
            }
        }
        let late = self.pushes.len().saturating_sub(40);
        self.pushes.drain(..late);
        let late = self.requests.len().saturating_sub(40);
        self.requests.drain(..late);
    }

    fn check_bounds(&mut self) {
        for &sdk in &self.sdks {
            let unwritten = self.net.end(sdk).unwritten;
            assert!(unwritten <= 2 * SESSION_QUEUE, "{sdk:?}: {unwritten}");
        }
        for &peer in &self.peers {
            let unwritten = self.net.link(peer).unwritten;
            assert!(unwritten <= 2 * LONGEST, "{peer:?}: {unwritten}");
        }
        for node in &self.net.nodes {
            let router = node.machine.router();
            assert!(router.in_flight() <= IN_FLIGHT);
            assert!(router.local_topics().count() <= TOPICS.len());
            let counters = router.counters();
            assert_eq!(
                counters.unicasts,
                counters.answered + counters.errors + router.in_flight() as u64
            );
        }
        for ((sdk, seq), (due, got)) in &self.due {
            assert!(got <= due, "{sdk:?} got {got} of {due} for {seq}");
        }
    }

    /// Lets all SDKs read and stay alive, but not answer, until all deadlines have passed.
    fn calm(&mut self) {
        for _ in 0..14 {
            for sdk in self.sdks.clone() {
                if self.net.is_open(sdk) {
                    self.net.end(sdk).stalled = false;
                    self.net.read(sdk, usize::MAX);
                    self.net.send_body(sdk, FrameType(0x77), b"");
                }
            }
            self.net.secs(5);
            self.collect();
        }
    }

    /// Ends the storm; returns everything that the machines did.
    fn finish(mut self) -> Vec<String> {
        self.calm();
        assert_eq!(self.net.in_flight(), 0);
        let mut answered = 0;
        for (&(sdk, seq), &(due, got)) in &self.due {
            if self.net.is_open(sdk) {
                assert_eq!(due, got, "{sdk:?}, {seq}");
                answered += got;
            }
        }
        assert!(answered > 0, "no SDK is left to check");
        for (&(node, id, seq), &(due, got)) in &self.peer_due {
            let id = amop_proto::node::PeerId(id);
            let up = self.net.is_up(Link { node, id });
            assert!(got <= due && (got == due || !up), "{node} {id:?} {seq}");
        }
        for sdk in self.sdks {
            if self.net.is_open(sdk) {
                self.net.hang_up(sdk);
            }
        }
        for node in 0..2 {
            for id in self.net.links(node) {
                self.net.cut(Link { node, id });
            }
        }
        // A lost node is forgotten after a minute, its messages after a little more than two.
        self.net.secs(62);
        for node in &self.net.nodes {
            assert!(node.machine.router().is_empty(), "{:?}", node.machine);
            assert_eq!(node.machine.router().known_nodes(), 0);
        }
        self.net.secs(70);
        for node in &self.net.nodes {
            assert_eq!(node.machine.next_timeout(), None);
            assert_eq!(node.machine.session_count(), 0);
            assert_eq!(node.machine.peers().count(), 0);
        }
        self.net.log.unwrap()
    }
}

fn run(seed: u64, steps: usize) -> Vec<String> {
    let mut storm = Storm::new(seed);
    for _ in 0..steps {
        storm.step();
    }
    storm.finish()
}

#[test]
fn storms_pass_and_leave_nothing_behind() {
    let mut kinds = BTreeSet::new();
    for seed in 0..40 {
        for line in run(seed, 1200) {
            let action = line.splitn(3, ' ').nth(2).unwrap_or_default();
            let end = action.find([' ', '(', '{']).unwrap_or(action.len());
            kinds.insert(action[..end].to_owned());
        }
    }
    // The events were varied enough: every kind of action occurred, except those that need a native
    // client.
    let all = [
        "Answer",
        "ClosePeer",
        "CloseSession",
        "FragmentPeer",
        "Notice",
        "PauseSession",
        "ResumeSession",
        "SendPeer",
        "SendSession",
    ];
    assert_eq!(kinds, all.map(str::to_owned).into());
}

#[test]
fn the_same_storm_has_the_same_consequences() {
    let log = run(4711, 1500);
    assert!(log.len() > 1500);
    assert_eq!(log, run(4711, 1500));
    assert_ne!(log, run(4712, 1500));
}
