//! The machine of one connection: packets in, packets and events out, no clock.

mod answers;
mod bounds;
mod connection;
mod exchange;
mod fisco;
mod nodes;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::*;

/// The body of a message on `topic1`, as in the vectors.
pub(super) const BODY: Bytes = Bytes::from_static(b"\0\0\0\0\0\x06topic1hello");

/// How long unicasts wait here.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Returns node `n`, with an id as long as that of a point.
pub(super) fn node(n: u8) -> GatewayAddress {
    GatewayAddress::of_key(&[n; 65]).unwrap()
}

pub(super) fn raw(n: u8) -> Bytes {
    node(n).raw().unwrap().clone()
}

pub(super) fn id(n: u8) -> GatewayId {
    node(n).id()
}

pub(super) fn config(own: u8) -> GatewayConfig {
    GatewayConfig::new(node(own), PacketSeqs::starting_at(2, [own; 32]))
}

pub(super) fn topics(names: &[&'static str]) -> AnnouncedTopics {
    let mut topics = AnnouncedTopics::starting_at(100);
    let names = names.iter().copied().map(Bytes::from);
    topics.replace(names).unwrap();
    topics
}

/// A machine with a clock of its own, whose neighbour is this test.
pub(super) struct Tested {
    pub(super) peer: GatewayPeer<u32>,
    pub(super) now: Instant,
}

/// Node 1 under test, with node 2 at the other end.
impl Tested {
    pub(super) fn new(config: GatewayConfig) -> Self {
        let now = Instant::now();
        let topics = topics(&["topic1"]);
        let peer = GatewayPeer::new(config, node(2), &topics, now).unwrap();
        Self { peer, now }
    }

    /// Returns a connection after the handshake, with nothing to read.
    pub(super) fn ready(version: u16) -> Self {
        Self::ready_with(config(1), version)
    }

    pub(super) fn ready_with(config: GatewayConfig, version: u16) -> Self {
        let mut tested = Self::new(config);
        tested.send(0, PacketType::HANDSHAKE, handshake(version));
        assert_eq!(tested.peer.version(), Some(version));
        tested.sent();
        tested.events();
        tested
    }

    /// Lets the neighbour send a packet without ids.
    pub(super) fn send(&mut self, version: u16, kind: PacketType, payload: Bytes) {
        let packet = GatewayPacket {
            version,
            kind,
            seq: 7,
            ext: 0,
            route: PacketRoute::default(),
            payload,
        };
        self.peer.handle_packet(self.now, packet);
    }

    /// Lets a node send a message.
    pub(super) fn message(&mut self, from: u8, kind: GatewayMessageKind, data: impl Into<Bytes>) {
        let packet = message(from, 7, kind, data);
        self.peer.handle_packet(self.now, packet);
    }

    /// Lets a node announce a topic sequence number.
    pub(super) fn announce(&mut self, from: u8, number: u32) {
        let number = number.to_string();
        self.message(from, GatewayMessageKind::TOPIC_SEQ, number);
    }

    /// Lets a node announce topics, and send them when it is asked.
    pub(super) fn list(&mut self, from: u8, seq: u32, names: &[&'static str]) {
        self.announce(from, seq);
        let topics = names.iter().copied().map(Bytes::from).collect();
        let list = GatewayTopicList { seq, topics };
        self.message(from, GatewayMessageKind::TOPICS, list.encode());
    }

    /// Lets the neighbour announce and send a router table.
    pub(super) fn table(&mut self, number: u32, entries: Vec<RouterEntry>) {
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        self.send(1, PacketType::ROUTER_SEQ, payload);
        let table = RouterTable { entries };
        self.send(1, PacketType::ROUTER_TABLE, table.encode());
    }

    /// Lets time pass as a driver does: it stops at every timeout.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.peer.next_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.peer.handle_timeout(self.now);
        }
        self.now = until;
    }

    /// Returns what the machine sent since the last call.
    pub(super) fn sent(&mut self) -> Vec<GatewayPacket> {
        let now = self.now;
        let packets = std::iter::from_fn(|| self.peer.poll_packet(now));
        packets.map(OutgoingPacket::joined).collect()
    }

    /// Returns the messages among what the machine sent, with their destinations.
    pub(super) fn sent_messages(&mut self) -> Vec<(Bytes, GatewayMessage)> {
        let amop = |packet: &GatewayPacket| packet.kind == PacketType::AMOP;
        let sent = self.sent().into_iter().filter(amop);
        sent.map(|packet| {
            let message = GatewayMessage::parse(&packet.payload).unwrap();
            (packet.route.dst, message)
        })
        .collect()
    }

    pub(super) fn events(&mut self) -> Vec<GatewayEvent<u32>> {
        std::iter::from_fn(|| self.peer.poll_event()).collect()
    }

    pub(super) fn unicast(&mut self, to: u8, token: u32) -> Result<u32, GatewaySendError> {
        let deadline = self.now + PATIENCE;
        let sent = self.peer.unicast(self.now, id(to), BODY, deadline, token);
        sent.map_err(|refused| {
            assert_eq!(refused.token, token);
            refused.why
        })
    }
}

pub(super) fn handshake(maximum: u16) -> Bytes {
    let maximum = maximum.into();
    VersionRange {
        minimum: 0,
        maximum,
    }
    .encode()
}

/// Returns a message of one node to node 1, in version 1.
pub(super) fn message(
    from: u8,
    seq: u32,
    kind: GatewayMessageKind,
    data: impl Into<Bytes>,
) -> GatewayPacket {
    let (status, data) = (0, data.into());
    let message = GatewayMessage { kind, status, data };
    GatewayPacket {
        version: 1,
        kind: PacketType::AMOP,
        seq,
        ext: 0,
        route: PacketRoute {
            src: raw(from),
            dst: raw(1),
            ..PacketRoute::default()
        },
        payload: [message.header(), message.data].concat().into(),
    }
}

pub(super) fn entry(n: u8, distance: i32) -> RouterEntry {
    RouterEntry {
        node: raw(n),
        distance,
        ..RouterEntry::default()
    }
}

/// Writes and reads a packet as a connection does.
pub(super) fn over_the_wire(packet: &OutgoingPacket) -> GatewayPacket {
    let codec = GatewayCodec::default().with_compression(true);
    let mut wire = BytesMut::new();
    codec.encode(packet, &mut wire).unwrap();
    let read = codec.decode(&mut wire).unwrap().unwrap();
    assert!(wire.is_empty());
    read
}
