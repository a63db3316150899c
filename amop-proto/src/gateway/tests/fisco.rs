//! A FISCO node at the other end, whose packets come in the order in which release 3.16.4 sends
//! them.

use super::*;

/// Node 2, a FISCO node, with node 3, another one, behind it.
struct Fisco {
    tested: Tested,
    version: u16,
    seq: u32,
}

impl Fisco {
    /// Sends a packet as node `from` writes it.
    fn send(&mut self, from: u8, kind: PacketType, flags: u16, seq: u32, payload: Bytes) {
        let version = self.version;
        let route = PacketRoute {
            ttl: if from == 2 { 10 } else { 9 },
            src: node(from).written(version),
            dst: node(1).written(version),
        };
        let packet = GatewayPacket {
            version,
            kind,
            seq,
            ext: flags,
            route,
            payload,
        };
        let packet = over_the_wire(&packet.into());
        self.tested.peer.handle_packet(self.tested.now, packet);
    }

    fn amop(&mut self, from: u8, kind: GatewayMessageKind, data: impl Into<Bytes>) {
        let (status, data) = (0, data.into());
        let message = GatewayMessage { kind, status, data };
        let payload = [message.header(), message.data].concat().into();
        self.seq += 1;
        self.send(from, PacketType::AMOP, 0, self.seq, payload);
    }

    /// Sends what comes before a packet can have ids.
    fn without_ids(&mut self, kind: PacketType, payload: Bytes) {
        let version = self.version;
        self.tested.send(version, kind, payload);
    }

    fn kinds(&mut self) -> Vec<(PacketType, u16)> {
        let sent = self.tested.sent().into_iter();
        sent.map(|packet| (packet.kind, packet.version)).collect()
    }

    /// Goes through the beginning of a connection.
    fn begin(version: u16) -> Self {
        let config = config(1).with(|config| config.max_version = version);
        let mut fisco = Self {
            tested: Tested::new(config),
            version: 0,
            seq: 1000,
        };
        fisco.without_ids(PacketType::HEARTBEAT, Bytes::new());
        fisco.without_ids(PacketType::HANDSHAKE, handshake(3));
        // It has not read this node's handshake yet, so this is of version 0, too.
        let number = Bytes::from_static(&[0, 0, 0, 4]);
        fisco.without_ids(PacketType::ROUTER_SEQ, number);
        let expected = [
            (PacketType::HANDSHAKE, 0),
            (PacketType::ROUTER_SEQ, version),
            (PacketType::AMOP, version),
            (PacketType::REQUEST_ROUTER_TABLE, version),
        ];
        assert_eq!(fisco.kinds(), expected);
        fisco.version = version;
        fisco
    }

    /// Sends the table that was asked for, and all numbers.
    fn introduce(&mut self) {
        let mut behind = entry(3, 1);
        behind.short_id = Bytes::copy_from_slice(&id(3).0);
        let entries = vec![entry(1, 1), behind];
        let table = RouterTable { entries }.encode();
        self.seq += 1;
        self.send(2, PacketType::ROUTER_TABLE, 0, self.seq, table);
        // The other node learns of this one, and so on.
        for from in [2, 3] {
            self.without_ids(PacketType::SYNC_NODE_SEQ, Bytes::from_static(&[0; 4]));
            self.amop(from, GatewayMessageKind::TOPIC_SEQ, "5");
            self.amop(from, GatewayMessageKind::REQUEST_TOPICS, "");
        }
    }
}

fn destinations(messages: &[(Bytes, GatewayMessage)], kind: GatewayMessageKind) -> Vec<Bytes> {
    let of_kind = messages.iter().filter(|(_, message)| message.kind == kind);
    of_kind.map(|(to, _)| to.clone()).collect()
}

#[test]
fn everything_is_addressed_to_the_node_itself_also_behind_the_neighbour() {
    for version in 1..=3 {
        let mut fisco = Fisco::begin(version);
        fisco.introduce();
        let messages = fisco.tested.sent_messages();
        let both = [node(2).written(version), node(3).written(version)];
        for kind in [
            GatewayMessageKind::REQUEST_TOPICS,
            GatewayMessageKind::TOPICS,
        ] {
            assert_eq!(destinations(&messages, kind), both, "version {version}");
        }
        // The node behind is told at once, and then each of them regularly.
        let first = destinations(&messages, GatewayMessageKind::TOPIC_SEQ);
        assert_eq!(first, both[1..]);
        fisco.tested.pass(TOPIC_SEQ_INTERVAL);
        let messages = fisco.tested.sent_messages();
        let mut regular = destinations(&messages, GatewayMessageKind::TOPIC_SEQ);
        regular.sort_unstable();
        let mut both = both.to_vec();
        both.sort_unstable();
        assert_eq!(regular, both);
        assert_eq!(fisco.tested.peer.counters(), GatewayCounters::default());
    }
}

#[test]
fn nodes_behind_the_neighbour_are_seen_with_their_topics_and_only_claimed() {
    for version in 1..=3 {
        let mut fisco = Fisco::begin(version);
        fisco.introduce();
        let list = "{\"topicItems\":[\"b\",\"a\"],\"topicSeq\":5}\n";
        fisco.amop(3, GatewayMessageKind::TOPICS, list);
        let events = fisco.tested.events();
        let source = GatewaySource {
            id: id(3),
            claimed: true,
        };
        let distance = Some(2);
        assert!(events.contains(&GatewayEvent::NodeSeen { source, distance }));
        let topics = [Bytes::from("a"), Bytes::from("b")].into_iter().collect();
        assert!(events.contains(&GatewayEvent::NodeTopics { source, topics }));
        // The same number is not asked for again.
        fisco.tested.sent();
        fisco.amop(3, GatewayMessageKind::TOPIC_SEQ, "5");
        assert_eq!(fisco.tested.sent(), []);
    }
}

#[test]
fn unicasts_go_to_and_fro_over_two_hops() {
    for version in 1..=3 {
        let mut fisco = Fisco::begin(version);
        fisco.introduce();
        fisco.tested.sent();
        fisco.tested.events();

        let seq = fisco.tested.unicast(3, 5).unwrap();
        let sent = fisco.tested.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].route.dst, node(3).written(version));
        assert_eq!(sent[0].route.ttl, INITIAL_TTL);
        let answer = Bytes::from_static(b"\0\0\x01\x13\0\0\0\0\0\0world");
        fisco.send(3, PacketType::REPLY, ext::RESPONSE, seq, answer.clone());
        let outcome = GatewayOutcome::Answered(answer);
        let finished = GatewayEvent::Finished { token: 5, outcome };
        assert_eq!(fisco.tested.events(), [finished]);

        fisco.amop(3, GatewayMessageKind::UNICAST, BODY);
        let Some(GatewayEvent::Unicast { source, reply, .. }) = fisco.tested.events().pop() else {
            panic!("no unicast");
        };
        assert_eq!((source.id, source.claimed), (id(3), true));
        let now = fisco.tested.now;
        fisco.tested.peer.reply(now, &reply, BODY).unwrap();
        let sent = fisco.tested.sent();
        assert_eq!(sent[0].seq, fisco.seq);
        assert_eq!(sent[0].route.dst, node(3).written(version));
    }
}

/// A FISCO node asks for the table of this node when it announces its number.
#[test]
fn this_node_s_router_table_is_empty() {
    let mut fisco = Fisco::begin(3);
    fisco.tested.sent();
    let kind = PacketType::REQUEST_ROUTER_TABLE;
    fisco.send(2, kind, 0, 77, Bytes::new());
    let sent = fisco.tested.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].kind, PacketType::ROUTER_TABLE);
    assert_eq!(sent[0].payload, &[0x19, 0x0c][..]);
    assert_eq!(sent[0].route.dst, id(2).0[..]);
    // It is not flagged as a response, and has a number of its own (gateway-v3 section 5.1).
    assert!(!sent[0].is_response() && sent[0].seq != 77);
}
