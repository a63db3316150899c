//! Nodes of 3.x: a stream of packets, and a connection with a neighbour that may do anything.
//!
//! The first byte says which of the two it is. A stream follows its settings; the rest of a
//! connection is a script: one byte selects the next step, the bytes after it are its parameters.
#![no_main]
#![forbid(unsafe_code)]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use amop_fuzz::{Script, assert_error_in_one_line};
use amop_proto::gateway::{
    AnnouncedTopics, GatewayAddress, GatewayCodec, GatewayConfig, GatewayEvent, GatewayLimits,
    GatewayMessage, GatewayMessageKind, GatewayPacket, GatewayPeer, GatewayTopicList, PacketRoute,
    PacketSeqs, PacketType, ReplyAddress, RouterEntry, RouterTable, VersionRange, ext,
};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

/// The longest packet.
const MAX: usize = 65536;

/// The number of nodes that the neighbour speaks of; node 0 is this one, node 1 the neighbour.
const NODES: u8 = 8;

const LIMITS: fn(&mut GatewayLimits) = |limits| {
    limits.max_packet = MAX;
    limits.nodes = 4;
    limits.table_entries = 8;
    limits.node_topics = 4;
    limits.topic_bytes = 1024;
    limits.in_flight = 16;
    limits.queued_bytes = 4 * MAX;
};

fuzz_target!(|data: &[u8]| match data.split_first() {
    Some((0, data)) => read_stream(data),
    Some((_, data)) => run(data),
    None => {}
});

fn read_stream(data: &[u8]) {
    let Some((&choice, stream)) = data.split_first() else {
        return;
    };
    let codec = GatewayCodec::new(MAX).with_compression(choice & 1 != 0);
    let mut buffer = BytesMut::from(stream);
    loop {
        match codec.decode(&mut buffer) {
            Ok(Some(packet)) => check_packet(&codec, &packet),
            Ok(None) => return,
            Err(error) => return assert_error_in_one_line(&error),
        }
    }
}

/// Checks that a packet is the same when written and read again, and reads its payload in all ways.
fn check_packet(codec: &GatewayCodec, packet: &GatewayPacket) {
    assert!(packet.payload.len() <= MAX);
    let mut wire = BytesMut::new();
    // A payload may be within the limit only without its header.
    if codec.encode(&packet.clone().into(), &mut wire).is_ok() {
        assert_eq!(codec.decode(&mut wire).as_ref(), Ok(&Some(packet.clone())));
        assert!(wire.is_empty());
    }
    check_payload(&packet.payload);
    if let Ok(message) = GatewayMessage::parse(&packet.payload) {
        let again = [message.header(), message.data.clone()].concat();
        assert_eq!(GatewayMessage::parse(&again.into()), Ok(message.clone()));
        check_payload(&message.data);
    }
}

fn check_payload(payload: &Bytes) {
    match RouterTable::parse(payload, MAX, 8) {
        Ok(table) => {
            assert!(table.entries.len() <= 8);
            let again = RouterTable::parse(&table.encode(), 8 * MAX, 8);
            assert_eq!(again.as_ref(), Ok(&table));
            table.entries.iter().for_each(|entry| drop(entry.address()));
        }
        Err(error) => assert_error_in_one_line(&error),
    }
    match VersionRange::parse(payload) {
        Ok(range) => assert_eq!(VersionRange::parse(&range.encode()), Ok(range)),
        Err(error) => assert_error_in_one_line(&error),
    }
    match GatewayTopicList::parse(payload, MAX, 8) {
        Ok(list) => {
            assert!(list.topics.len() <= 8);
            let again = GatewayTopicList::parse(&list.encode(), 8 * MAX, 8);
            assert_eq!(again, Ok(list));
        }
        Err(error) => assert_error_in_one_line(&error),
    }
}

fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let mut run = Run::new();
    while let Some(step) = script.step() {
        run.step(step, &mut script);
        run.check();
    }
    run.end();
}

fn node(n: u8) -> GatewayAddress {
    GatewayAddress::of_key(&[n % NODES; 65]).expect("a key has 65 bytes")
}

struct Run {
    peer: GatewayPeer<u32>,
    codec: GatewayCodec,
    now: Instant,
    /// Numbers of the packets that were sent, to be answered.
    sent: Vec<u32>,
    replies: Vec<ReplyAddress>,
    tokens: u32,
    open: BTreeSet<u32>,
    closed: bool,
}

impl Run {
    fn new() -> Self {
        let now = Instant::now();
        let limits = GatewayLimits::default().with(LIMITS);
        let config = GatewayConfig::new(node(0), PacketSeqs::starting_at(2, [7; 32]));
        let config = config.with(|config| config.limits = limits);
        let topics = AnnouncedTopics::starting_at(1);
        let peer = GatewayPeer::new(config, node(1), &topics, now).expect("two nodes");
        Self {
            peer,
            codec: limits.codec(),
            now,
            sent: Vec::new(),
            replies: Vec::new(),
            tokens: 0,
            open: BTreeSet::new(),
            closed: false,
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step & 15 {
            0 => self.bytes(script),
            1..=3 => self.message(step >> 4, script),
            4 => self.answer(script),
            5 | 6 => self.table(script),
            7 => self.list(step >> 4, script),
            8 => self.handshake(script),
            9..=11 => self.unicast(step >> 4, script),
            12 => self.pass(Duration::from_millis(script.short().into())),
            13 => self.reply(script),
            14 => {
                let to = node(step >> 4).id();
                let body = Bytes::copy_from_slice(script.bytes());
                let _ = self.peer.multicast(self.now, to, body);
            }
            _ => match script.byte() {
                0 => self.peer.handle_eof(),
                1 => self.peer.close(),
                _ => {
                    if let Some(token) = self.peer.cancel(self.any_sent(script)) {
                        assert!(self.open.remove(&token));
                    }
                }
            },
        }
    }

    /// Sends any bytes.
    fn bytes(&mut self, script: &mut Script<'_>) {
        let mut buffer = BytesMut::from(script.bytes());
        loop {
            match self.codec.decode(&mut buffer) {
                Ok(Some(packet)) => self.peer.handle_packet(self.now, packet),
                Ok(None) => return,
                Err(error) => return self.peer.handle_packet_error(error),
            }
        }
    }

    fn packet(&mut self, from: u8, kind: PacketType, flags: u16, seq: u32, payload: Bytes) {
        let version = u16::from(from >> 3 & 1) * 2 + 1;
        let packet = GatewayPacket {
            version,
            kind,
            seq,
            ext: flags,
            route: PacketRoute {
                src: node(from).written(version),
                dst: node(0).written(version),
                ..PacketRoute::default()
            },
            payload,
        };
        self.peer.handle_packet(self.now, packet);
    }

    /// Sends a packet without ids, as only the neighbour does.
    fn local(&mut self, kind: PacketType, payload: Bytes) {
        let packet = GatewayPacket {
            version: 0,
            kind,
            seq: 1,
            ext: 0,
            route: PacketRoute::default(),
            payload,
        };
        self.peer.handle_packet(self.now, packet);
    }

    fn message(&mut self, from: u8, script: &mut Script<'_>) {
        let kind = GatewayMessageKind(script.byte().into());
        let (status, data) = (0, Bytes::copy_from_slice(script.bytes()));
        let message = GatewayMessage { kind, status, data };
        let payload = [message.header(), message.data].concat().into();
        self.packet(from, PacketType::AMOP, 0, script.byte().into(), payload);
    }

    fn any_sent(&self, script: &mut Script<'_>) -> u32 {
        let at = usize::from(script.byte());
        let sent = self.sent.iter().rev().nth(at).or(self.sent.last());
        sent.copied().unwrap_or(0)
    }

    /// Answers a packet that was sent, with anything.
    fn answer(&mut self, script: &mut Script<'_>) {
        let from = script.byte();
        let seq = self.any_sent(script);
        let kinds = [PacketType::REPLY, PacketType::AMOP];
        let kind = kinds[usize::from(from >> 7)];
        let payload = Bytes::copy_from_slice(script.bytes());
        self.packet(from, kind, ext::RESPONSE, seq, payload);
    }

    fn table(&mut self, script: &mut Script<'_>) {
        let number = u32::from(script.byte());
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        self.local(PacketType::ROUTER_SEQ, payload);
        let entries = (0..script.byte() % 12).map(|_| RouterEntry {
            node: node(script.byte()).written(1),
            distance: i8::from_be_bytes([script.byte()]).into(),
            ..RouterEntry::default()
        });
        let entries = entries.collect();
        let table = RouterTable { entries }.encode();
        self.packet(1, PacketType::ROUTER_TABLE, 0, 1, table);
    }

    /// Announces and sends topics.
    fn list(&mut self, from: u8, script: &mut Script<'_>) {
        let seq = u32::from(script.byte());
        let count = script.byte() % 8;
        let topics = (0..count).map(|_| Bytes::copy_from_slice(script.bytes()));
        let list = GatewayTopicList {
            seq,
            topics: topics.collect(),
        };
        let steps = [
            (GatewayMessageKind::TOPIC_SEQ, seq.to_string().into()),
            (GatewayMessageKind::TOPICS, list.encode()),
        ];
        for (kind, data) in steps {
            let status = 0;
            let message = GatewayMessage { kind, status, data };
            let payload = [message.header(), message.data].concat().into();
            self.packet(from, PacketType::AMOP, 0, 1, payload);
        }
    }

    fn handshake(&mut self, script: &mut Script<'_>) {
        let range = VersionRange {
            minimum: i8::from_be_bytes([script.byte()]).into(),
            maximum: i8::from_be_bytes([script.byte()]).into(),
        };
        self.local(PacketType::HANDSHAKE, range.encode());
    }

    fn unicast(&mut self, to: u8, script: &mut Script<'_>) {
        let deadline = self.now + Duration::from_millis(u64::from(script.byte()) * 100);
        let body = Bytes::copy_from_slice(script.bytes());
        let token = self.tokens;
        let to = node(to).id();
        match self.peer.unicast(self.now, to, body, deadline, token) {
            Ok(_) => {
                self.tokens += 1;
                self.open.insert(token);
            }
            Err(refused) => assert_error_in_one_line(&refused.why),
        }
    }

    fn reply(&mut self, script: &mut Script<'_>) {
        let Some(to) = self.replies.pop() else {
            return;
        };
        let content = Bytes::copy_from_slice(script.bytes());
        let _ = match script.byte() {
            0 => self.peer.refuse(self.now, &to, 3002, content),
            _ => self.peer.reply(self.now, &to, content),
        };
    }

    /// Lets time pass as for a driver: it stops at every timeout.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut rounds = 0;
        while let Some(due) = self.peer.next_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.peer.handle_timeout(self.now);
            self.check();
            rounds += 1;
            assert!(rounds < 100_000, "it is never done at {:?}", self.now);
        }
        self.now = until;
    }

    /// Fetches everything. Checks that sent packets are well-formed, that everything ends only
    /// once, that nothing follows the end, and that nothing exceeds the limits.
    fn check(&mut self) {
        assert!(self.peer.queued_bytes() <= 5 * MAX);
        while let Some(packet) = self.peer.poll_packet(self.now) {
            let mut wire = BytesMut::new();
            self.codec
                .encode(&packet, &mut wire)
                .expect("within the limits");
            let packet = packet.joined();
            assert_eq!(self.codec.decode(&mut wire), Ok(Some(packet.clone())));
            self.sent.push(packet.seq);
        }
        while let Some(event) = self.peer.poll_event() {
            assert!(!self.closed, "{event:?} after the end");
            match event {
                GatewayEvent::Finished { token, .. } => assert!(self.open.remove(&token)),
                GatewayEvent::Unicast { reply, .. } => self.replies.push(reply),
                GatewayEvent::StrayAnswer(answer) => {
                    assert!(self.peer.take_answer(answer).is_err());
                }
                GatewayEvent::Notice(notice) => assert_error_in_one_line(&notice),
                GatewayEvent::Closed(reason) => {
                    assert_error_in_one_line(&reason);
                    self.closed = true;
                }
                _ => {}
            }
        }
        assert_eq!(self.peer.is_closed(), self.closed);
        assert_eq!(self.peer.in_flight(), self.open.len());
        assert!(self.peer.nodes().count() <= 4);
        let nodes = self.peer.nodes();
        let bytes = nodes
            .flat_map(|node| node.topics.to_vec())
            .map(|topic| topic.len());
        assert!(bytes.sum::<usize>() <= 1024);
    }

    fn end(mut self) {
        self.peer.close();
        self.check();
        assert!(self.closed && self.open.is_empty());
    }
}
