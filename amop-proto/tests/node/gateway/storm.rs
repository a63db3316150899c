//! A bridge whose neighbours and whose machine do anything, in any order.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use amop_proto::{
    channel::{Frame, FrameType, Seq},
    gateway::{
        GatewayMessage, GatewayMessageKind, GatewayPacket, PacketRoute, PacketType, VersionRange,
        bridge::{
            GatewayBridge, GatewayBridgeConfig, GatewayBridgeEvent, GatewayBridgeLimits,
            GatewayConnectionId,
        },
        ext,
    },
    p2p::{PeerFrame, TopicList, packet, protocol},
};
use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::chain::{address, body};

/// The number of nodes that neighbours speak of; node 0 is the bridge itself.
const NODES: u8 = 5;

const TOPICS: [&[u8]; 4] = [b"a", b"b", b"\xff", b"#!$TopicNeedVerify_p"];

struct Storm {
    bridge: GatewayBridge,
    now: Instant,
    rng: StdRng,
    open: Vec<GatewayConnectionId>,
    /// The numbers of the packets that the bridge sent last.
    seqs: Vec<u32>,
    /// The machine's unicasts, and how often they were answered.
    asked: BTreeMap<u32, u32>,
    /// The numbers of the bridge's frames for the machine that can be answered.
    questions: Vec<PeerFrame>,
    next: u32,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let limits = GatewayBridgeLimits::default().with(|limits| {
            limits.connections = 3;
            limits.nodes = 4;
            limits.topics = 2;
            limits.in_flight = 5;
            limits.asked = 5;
            limits.connection_asked = 3;
        });
        let config = GatewayBridgeConfig::new(address(0), 1, [seed as u8; 32]);
        let config = config.with(|config| config.limits = limits);
        Self {
            bridge: GatewayBridge::new(config),
            now: Instant::now(),
            rng: StdRng::seed_from_u64(seed),
            open: Vec::new(),
            seqs: vec![2],
            asked: BTreeMap::new(),
            questions: Vec::new(),
            next: 1,
        }
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        match all.len() {
            0 => None,
            len => Some(all[self.rng.random_range(0..len)].clone()),
        }
    }

    fn topic(&mut self) -> &'static [u8] {
        TOPICS[self.rng.random_range(0..TOPICS.len())]
    }

    fn step(&mut self) {
        match self.rng.random_range(0..20) {
            0 => {
                let node = address(self.rng.random_range(0..NODES));
                self.open.extend(self.bridge.connect(self.now, node).ok());
            }
            1 => {
                if let Some(id) = self.pick(&self.open.clone()) {
                    self.bridge.handle_eof(self.now, id);
                }
            }
            2 => self.bridge.open_machine(self.now),
            3 if self.rng.random_range(0..4) == 0 => {
                self.bridge.close_machine(self.now);
                // Nobody waits for these any more.
                self.asked.clear();
            }
            4..=6 => {
                self.now += Duration::from_millis(self.rng.random_range(0..4000));
                self.bridge.handle_timeout(self.now);
                let due = self.bridge.next_timeout();
                assert!(due.is_none_or(|due| due > self.now), "nothing was done");
            }
            7..=9 => self.machine_frame(),
            _ => self.packet(),
        }
        self.drain();
    }

    fn machine_frame(&mut self) {
        let seq = self.next;
        self.next += 1;
        let topic = self.topic();
        let (protocol, kind, body) = match self.rng.random_range(0..6) {
            0 => (
                protocol::AMOP,
                packet::MULTICAST,
                frame(FrameType::MULTICAST, topic),
            ),
            1 => (protocol::TOPIC, packet::TOPIC_SEQ, seq.to_string().into()),
            2 => (protocol::TOPIC, packet::REQUEST_TOPICS, Bytes::new()),
            3 => {
                let question = self.questions.pop();
                let Some(question) = question else { return };
                let answer = match question.protocol {
                    protocol::AMOP => {
                        let asked = Frame::from_bytes(question.body, usize::MAX).unwrap();
                        let result = self.rng.random_range(-2..110);
                        asked.respond(result, asked.body.clone()).to_bytes()
                    }
                    _ => {
                        let topics = vec![Bytes::from_static(topic)];
                        TopicList { seq, topics }.encode()
                    }
                };
                let packet = match question.protocol {
                    protocol::AMOP => packet::UNICAST,
                    _ => packet::TOPICS,
                };
                return self.bridge.handle_frame(
                    self.now,
                    PeerFrame {
                        protocol: -question.protocol,
                        packet,
                        seq: question.seq,
                        body: answer,
                    },
                );
            }
            _ => (
                protocol::AMOP,
                packet::UNICAST,
                frame(FrameType::UNICAST, topic),
            ),
        };
        let machine_frame = PeerFrame {
            protocol,
            packet: kind,
            seq,
            body,
        };
        if (protocol, kind) == (protocol::AMOP, packet::UNICAST) && self.bridge.has_machine() {
            self.asked.insert(seq, 0);
        }
        self.bridge.handle_frame(self.now, machine_frame);
    }

    fn packet(&mut self) {
        let Some(connection) = self.pick(&self.open.clone()) else {
            return;
        };
        let topic = self.topic();
        let kinds = [1, 2, 3, 4, 5, 5, 4, 3];
        let kind = GatewayMessageKind(kinds[self.rng.random_range(0..kinds.len())]);
        let number = self.rng.random_range(0..3_u32);
        let data = match kind {
            GatewayMessageKind::TOPIC_SEQ => number.to_string().into(),
            GatewayMessageKind::TOPICS => {
                let mut list = b"{\"topicItems\":[\"".to_vec();
                list.extend_from_slice(topic);
                list.extend_from_slice(format!("\"],\"topicSeq\":{number}}}").as_bytes());
                list.into()
            }
            _ if number == 0 => Bytes::from_static(b"\0\0\0\0\0\x09x"),
            _ => body(topic, "data"),
        };
        let status = [0, 3002, -4008, 42][self.rng.random_range(0..4)];
        let message = GatewayMessage { kind, status, data };
        let mut payload = [message.header(), message.data].concat().into();
        let (mut kind, mut version) = (PacketType::AMOP, 1);
        let mut flags = 0;
        match self.rng.random_range(0..8) {
            0 => {
                (kind, version) = (PacketType::HANDSHAKE, 0);
                let (minimum, maximum) = (0, self.rng.random_range(0..4));
                payload = VersionRange { minimum, maximum }.encode();
            }
            1 | 2 => flags = ext::RESPONSE,
            3 => (kind, flags) = (PacketType::REPLY, ext::RESPONSE),
            _ => {}
        }
        let id = |n: u8| address(n).raw().unwrap().clone();
        let seq = self.pick(&self.seqs.clone()).unwrap_or(1);
        let packet = GatewayPacket {
            version,
            kind,
            seq,
            ext: flags,
            route: PacketRoute {
                src: id(self.rng.random_range(0..NODES)),
                dst: id(0),
                ..PacketRoute::default()
            },
            payload,
        };
        self.bridge.handle_packet(self.now, connection, packet);
    }

    fn drain(&mut self) {
        while let Some(event) = self.bridge.poll_event() {
            if let GatewayBridgeEvent::Closed { connection, .. } = event {
                self.open.retain(|open| *open != connection);
            }
        }
        for connection in self.open.clone() {
            assert!(self.bridge.is_open(connection));
            while let Some(packet) = self.bridge.poll_packet(self.now, connection) {
                self.seqs.push(packet.packet.seq);
            }
        }
        let old = self.seqs.len().saturating_sub(8);
        self.seqs.drain(..old);
        while let Some(frame) = self.bridge.poll_frame() {
            match (frame.protocol, frame.packet) {
                (p, packet::UNICAST) if p == -protocol::AMOP => {
                    let count = self.asked.get_mut(&frame.seq).expect("it was asked");
                    *count += 1;
                    assert_eq!(*count, 1, "answered twice");
                }
                (protocol::AMOP, packet::UNICAST) | (protocol::TOPIC, packet::REQUEST_TOPICS) => {
                    self.questions.push(frame);
                }
                _ => {}
            }
        }
        assert!(self.bridge.node_count() <= 4);
        assert!(!self.bridge.is_connected() || !self.open.is_empty());
    }
}

fn frame(kind: FrameType, topic: &[u8]) -> Bytes {
    let seq = Seq([b'7'; Seq::LEN]);
    Frame::amop(kind, seq, topic, b"payload").to_bytes()
}

#[test]
fn every_unicast_of_the_machine_is_answered_once_whatever_happens() {
    for seed in 0..60 {
        let mut storm = Storm::new(seed);
        for _ in 0..400 {
            storm.step();
        }
        for _ in 0..40 {
            storm.now += Duration::from_secs(1);
            storm.bridge.handle_timeout(storm.now);
            storm.drain();
        }
        let open = storm.asked.values().filter(|&&count| count == 0).count();
        assert_eq!(open, 0, "seed {seed}");
    }
}
