//! A 3.x chain in memory: bridges with node machines, and 3.x nodes that the test plays.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use amop_proto::{
    channel::{Frame, FrameType},
    gateway::{
        AnnouncedTopics, GatewayAddress, GatewayCloseReason, GatewayCodec, GatewayConfig,
        GatewayEvent, GatewayId, GatewayOutcome, GatewayPacket, GatewayPeer, PacketSeqs,
        PacketType, ReplyAddress,
        bridge::{
            GatewayBridge, GatewayBridgeConfig, GatewayBridgeEvent, GatewayConnectionId,
            GatewayRefusal,
        },
    },
    node::MachineConfig,
    ws::{WsMessage, WsSeq, WsStatus, WsType},
};
use bytes::{Bytes, BytesMut};

use crate::support::{Link, Net, Sdk, config, node_id};

/// The number of the node that stands for the chain, towards machines.
pub(super) const CHAIN: usize = 60;

/// The first number of the 3.x nodes that the test plays.
pub(super) const PLAYED: u8 = 100;

pub(super) fn address(n: u8) -> GatewayAddress {
    GatewayAddress::of_key(&[n; 65]).unwrap()
}

pub(super) fn id(n: u8) -> GatewayId {
    address(n).id()
}

/// The configuration of node `n`, which lets the chain take part in the overlay.
pub(super) fn with_chain(n: usize) -> MachineConfig {
    let mut config = config(n);
    config.stubs.insert(node_id(CHAIN));
    config
}

/// The body of a message between 3.x nodes.
pub(super) fn body(topic: &[u8], data: &str) -> Bytes {
    let mut body = vec![0; 4];
    body.extend_from_slice(&u16::try_from(topic.len()).unwrap().to_be_bytes());
    body.extend_from_slice(topic);
    body.extend_from_slice(data.as_bytes());
    body.into()
}

/// What a 3.x node was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Unicast(Bytes, ReplyAddress),
    Multicast(Bytes),
    /// How one of its own unicasts ended.
    Answer(GatewayOutcome),
}

/// A 3.x node that the test plays; it has one connection for each of its neighbours.
pub(super) struct Played {
    pub(super) peers: BTreeMap<usize, GatewayPeer<u32>>,
    pub(super) heard: Vec<Heard>,
    topics: AnnouncedTopics,
    seqs: PacketSeqs,
}

/// The end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Bridge(usize, GatewayConnectionId),
    Played(usize, usize),
}

struct Wire {
    ends: [End; 2],
    buffers: [BytesMut; 2],
    is_cut: bool,
    /// Whether it takes nothing.
    is_held: bool,
}

pub(super) struct Chain {
    pub(super) net: Net,
    pub(super) bridges: Vec<GatewayBridge>,
    links: Vec<Option<Link>>,
    pub(super) played: Vec<Played>,
    wires: Vec<Wire>,
    pub(super) closed: Vec<(usize, GatewayCloseReason)>,
    /// The number of the last unicast of a bridge.
    pub(super) last_unicast: Option<u32>,
    codec: GatewayCodec,
}

impl Chain {
    /// Returns nodes that are not connected, each with a bridge.
    pub(super) fn new(nodes: usize) -> Self {
        Self::with((0..nodes).map(config), |_| ())
    }

    pub(super) fn with(
        configs: impl IntoIterator<Item = MachineConfig>,
        change: impl Fn(&mut GatewayBridgeConfig),
    ) -> Self {
        let net = Net::with(configs);
        let bridge = |n: usize| {
            let own = address(n as u8);
            let config = GatewayBridgeConfig::new(own, 1000, [n as u8; 32]).with(&change);
            GatewayBridge::new(config)
        };
        let bridges: Vec<_> = (0..net.nodes.len()).map(bridge).collect();
        Self {
            links: vec![None; bridges.len()],
            net,
            bridges,
            played: Vec::new(),
            wires: Vec::new(),
            closed: Vec::new(),
            last_unicast: None,
            codec: GatewayCodec::default(),
        }
    }

    /// Connects two bridges.
    pub(super) fn connect(&mut self, a: usize, b: usize) -> usize {
        let end = |chain: &mut Self, n: usize, other: usize| {
            let id = chain.take(n, address(other as u8)).unwrap();
            End::Bridge(n, id)
        };
        let ends = [end(self, a, b), end(self, b, a)];
        self.wire(ends)
    }

    /// Lets a bridge take a connection.
    pub(super) fn take(
        &mut self,
        bridge: usize,
        neighbour: GatewayAddress,
    ) -> Result<GatewayConnectionId, GatewayRefusal> {
        self.bridges[bridge].connect(self.net.now(), neighbour)
    }

    fn wire(&mut self, ends: [End; 2]) -> usize {
        self.wires.push(Wire {
            ends,
            buffers: [BytesMut::new(), BytesMut::new()],
            is_cut: false,
            is_held: false,
        });
        self.settle();
        self.wires.len() - 1
    }

    /// Adds a 3.x node with these topics.
    pub(super) fn play(&mut self, topics: &[&[u8]]) -> usize {
        let n = self.played.len();
        let mut own = AnnouncedTopics::starting_at(1);
        own.replace(topics.iter().map(|topic| Bytes::copy_from_slice(topic)))
            .unwrap();
        self.played.push(Played {
            peers: BTreeMap::new(),
            heard: Vec::new(),
            topics: own,
            seqs: PacketSeqs::starting_at(2, [n as u8 + 77; 32]),
        });
        n
    }

    /// Adds a 3.x node with these topics that is a neighbour of a bridge.
    pub(super) fn neighbour(&mut self, bridge: usize, topics: &[&[u8]]) -> usize {
        let n = self.play(topics);
        self.join(n, bridge);
        n
    }

    /// Connects a 3.x node that the test plays with a bridge.
    pub(super) fn join(&mut self, n: usize, bridge: usize) -> usize {
        let now = self.net.now();
        let node = &mut self.played[n];
        let own = address(PLAYED + n as u8);
        let config = GatewayConfig::new(own.clone(), node.seqs.clone());
        let peer = GatewayPeer::new(config, address(bridge as u8), &node.topics, now).unwrap();
        node.peers.insert(bridge, peer);
        let id = self.take(bridge, own).unwrap();
        self.wire([End::Bridge(bridge, id), End::Played(n, bridge)])
    }

    /// Sends a packet of a 3.x node to a bridge, as it is.
    pub(super) fn inject(&mut self, wire: usize, packet: GatewayPacket) {
        let End::Bridge(bridge, connection) = self.wires[wire].ends[0] else {
            panic!("not a bridge");
        };
        self.bridges[bridge].handle_packet(self.net.now(), connection, packet);
        self.settle();
    }

    /// Sends bytes to the first end of a wire.
    pub(super) fn inject_bytes(&mut self, wire: usize, bytes: &[u8]) {
        self.wires[wire].buffers[0].extend_from_slice(bytes);
        self.settle();
    }

    /// Lets a 3.x node publish a unicast to a bridge.
    pub(super) fn ask(&mut self, n: usize, bridge: usize, body: Bytes) {
        let now = self.net.now();
        let deadline = now + Duration::from_secs(60);
        let peer = self.played[n].peers.get_mut(&bridge).unwrap();
        peer.unicast(now, id(bridge as u8), body, deadline, 0)
            .unwrap();
        self.settle();
    }

    /// Lets a 3.x node publish a multicast to a bridge.
    pub(super) fn tell(&mut self, n: usize, bridge: usize, body: Bytes) {
        let now = self.net.now();
        let peer = self.played[n].peers.get_mut(&bridge).unwrap();
        peer.multicast(now, id(bridge as u8), body).unwrap();
        self.settle();
    }

    /// Lets a subscriber of a 3.x node answer.
    pub(super) fn answer(&mut self, n: usize, to: &ReplyAddress, status: i16, data: &str) {
        let message = WsMessage {
            status: WsStatus(status),
            ..WsMessage::new(
                WsType::RESPONSE,
                WsSeq::EMPTY,
                Bytes::copy_from_slice(data.as_bytes()),
            )
        };
        let message = message.encode().unwrap().to_bytes();
        let now = self.net.now();
        let peer = self.played[n].peers.values_mut().next().unwrap();
        peer.reply(now, to, message).unwrap();
        self.settle();
    }

    /// Lets a 3.x node answer with an error.
    pub(super) fn refuse(&mut self, n: usize, to: &ReplyAddress, status: i16) {
        let now = self.net.now();
        let peer = self.played[n].peers.values_mut().next().unwrap();
        peer.refuse(now, to, status, Bytes::new()).unwrap();
        self.settle();
    }

    /// Takes what a 3.x node was sent.
    pub(super) fn heard(&mut self, n: usize) -> Vec<Heard> {
        std::mem::take(&mut self.played[n].heard)
    }

    /// Takes the only thing that a 3.x node was sent, which is a unicast.
    pub(super) fn asked(&mut self, n: usize) -> (Bytes, ReplyAddress) {
        match &self.heard(n)[..] {
            [Heard::Unicast(body, reply)] => (body.clone(), reply.clone()),
            other => panic!("{other:?}"),
        }
    }

    /// Lets a connection take nothing from here on.
    pub(super) fn hold(&mut self, wire: usize) {
        self.wires[wire].is_held = true;
    }

    /// Breaks a connection; both ends notice.
    pub(super) fn cut(&mut self, wire: usize) {
        self.wires[wire].is_cut = true;
        let now = self.net.now();
        for end in self.wires[wire].ends {
            match end {
                End::Bridge(n, connection) => self.bridges[n].handle_eof(now, connection),
                End::Played(n, bridge) => drop(self.played[n].peers.remove(&bridge)),
            }
        }
        self.settle();
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, time: Duration) {
        const STEP: Duration = Duration::from_millis(50);
        let until = self.net.now() + time;
        while self.net.now() < until {
            self.net.advance(STEP.min(until - self.net.now()));
            let now = self.net.now();
            for bridge in &mut self.bridges {
                bridge.handle_timeout(now);
            }
            for node in &mut self.played {
                let peers = node.peers.values_mut();
                peers.for_each(|peer| peer.handle_timeout(now));
            }
            self.settle();
        }
    }

    /// Lets enough time pass for everybody to learn all topics.
    pub(super) fn learn(&mut self) {
        self.advance(Duration::from_secs(5));
    }

    /// Moves packets and frames until nothing moves any more.
    pub(super) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for n in 0..self.bridges.len() {
                moved |= self.pump_bridge(n);
            }
            for n in 0..self.played.len() {
                moved |= self.pump_played(n);
            }
            for wire in 0..self.wires.len() {
                moved |= self.pump_wire(wire);
            }
            if !moved {
                return;
            }
        }
    }

    /// Moves frames between a bridge and its machine.
    fn pump_bridge(&mut self, n: usize) -> bool {
        let now = self.net.now();
        let mut moved = false;
        while let Some(event) = self.bridges[n].poll_event() {
            if let GatewayBridgeEvent::Closed {
                connection, reason, ..
            } = event
            {
                self.closed.push((n, reason));
                for wire in &mut self.wires {
                    wire.is_cut |= wire.ends.contains(&End::Bridge(n, connection));
                }
                moved = true;
            }
        }
        let connected = self.bridges[n].is_connected();
        match self.links[n] {
            None if connected => {
                self.links[n] = Some(self.net.raw_peer(n, node_id(CHAIN), true));
                self.bridges[n].open_machine(now);
                moved = true;
            }
            Some(link) => {
                let mut frames = VecDeque::new();
                while let Some(frame) = self.bridges[n].poll_frame() {
                    frames.push_back(frame);
                }
                for frame in frames {
                    self.net.peer_send(link, frame);
                    moved = true;
                }
                for frame in self.net.peer_inbox(link) {
                    self.bridges[n].handle_frame(now, frame);
                    moved = true;
                }
                if !connected {
                    self.net.cut(link);
                    self.bridges[n].close_machine(now);
                    self.links[n] = None;
                    moved = true;
                }
            }
            None => {}
        }
        moved
    }

    fn pump_played(&mut self, n: usize) -> bool {
        let mut moved = false;
        let node = &mut self.played[n];
        for peer in node.peers.values_mut() {
            while let Some(event) = peer.poll_event() {
                moved = true;
                node.heard.extend(match event {
                    GatewayEvent::Unicast { reply, body, .. } => Some(Heard::Unicast(body, reply)),
                    GatewayEvent::Multicast { body, .. } => Some(Heard::Multicast(body)),
                    GatewayEvent::Finished { outcome, .. } => Some(Heard::Answer(outcome)),
                    GatewayEvent::StrayAnswer(answer) => Some(Heard::Answer(answer.outcome)),
                    _ => None,
                });
            }
        }
        moved
    }

    fn pump_wire(&mut self, wire: usize) -> bool {
        if self.wires[wire].is_held {
            return false;
        }
        let now = self.net.now();
        let ends = self.wires[wire].ends;
        let mut moved = false;
        for (from, to) in [(0, 1), (1, 0)] {
            loop {
                let packet = match ends[from] {
                    End::Bridge(n, connection) => self.bridges[n].poll_packet(now, connection),
                    End::Played(n, bridge) => {
                        let peer = self.played[n].peers.get_mut(&bridge);
                        peer.and_then(|peer| peer.poll_packet(now))
                    }
                };
                let Some(packet) = packet else { break };
                moved = true;
                let kind = packet.packet.payload.get(2..4);
                if packet.packet.kind == PacketType::AMOP && kind == Some(&[0, 4]) {
                    self.last_unicast = Some(packet.packet.seq);
                }
                let codec = self.codec.with_compression(true);
                codec
                    .encode(&packet, &mut self.wires[wire].buffers[to])
                    .unwrap();
            }
            while !self.wires[wire].is_cut {
                match (
                    self.codec.decode(&mut self.wires[wire].buffers[to]),
                    ends[to],
                ) {
                    (Ok(None), _) => break,
                    (Ok(Some(packet)), End::Bridge(n, connection)) => {
                        self.bridges[n].handle_packet(now, connection, packet);
                    }
                    (Ok(Some(packet)), End::Played(n, bridge)) => {
                        if let Some(peer) = self.played[n].peers.get_mut(&bridge) {
                            peer.handle_packet(now, packet);
                        }
                    }
                    (Err(error), End::Bridge(n, connection)) => {
                        self.bridges[n].handle_packet_error(now, connection, error);
                        self.wires[wire].is_cut = true;
                    }
                    (Err(error), End::Played(..)) => panic!("{error}"),
                }
                moved = true;
            }
        }
        moved
    }

    /// Returns the messages that an SDK has received, without their seqs.
    pub(super) fn pushed(&mut self, sdk: Sdk) -> Vec<(FrameType, Bytes)> {
        let frames = self.net.inbox(sdk).into_iter();
        frames.map(|frame| (frame.kind, frame.body)).collect()
    }

    /// Lets an SDK send a frame.
    pub(super) fn send(&mut self, sdk: Sdk, frame: Frame) {
        self.net.send(sdk, frame);
        self.settle();
    }
}
