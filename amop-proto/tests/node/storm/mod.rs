//! Large numbers of random events: SDKs and peers connect, disconnect, stall, lie and send invalid
//! data.
//!
//! The machines must never panic, must not act on closed connections (the harness checks this),
//! must stay within their limits, must answer every message exactly once unless its sender has
//! left, and must do the same again for the same events.

mod peers;
mod sdks;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::support::{Link, Net, Sdk, config};
use amop_proto::{
    channel::{Frame, FrameType, Seq},
    node::MachineConfig,
    p2p::{PeerFrame, packet, protocol},
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
