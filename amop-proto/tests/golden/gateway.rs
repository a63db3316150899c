//! The node-node protocol of 3.x: ids, packets, and the messages inside (gateway-v3).

use amop_proto::gateway::{
    CompressionError, GatewayAddress, GatewayCodec, GatewayMessage, GatewayMessageError,
    GatewayMessageKind, GatewayPacket, GatewayPacketError, GatewayTopicList, PacketRoute,
    PacketType, RouterEntry, RouterTable, VersionRange, ext, status,
};
use bytes::{Bytes, BytesMut};

use crate::vectors::{Check, Vector, Vectors};

pub(crate) const CHECKS: &[Check] = &[
    ("gw-amop-topic-seq", |_, v| {
        is_message(v, v.text("data_utf8").as_bytes());
    }),
    ("gw-amop-request-topics", |_, v| {
        is_message(v, &v.hex("data_hex"));
    }),
    ("gw-amop-response-topics", |_, v| {
        is_list(v, 5, &["topic1", "topic2"]);
    }),
    ("gw-amop-response-topics-none", |_, v| is_list(v, 1, &[])),
    ("gw-amop-request", |_, v| {
        carries_request(v, GatewayMessageKind::UNICAST);
    }),
    ("gw-amop-broadcast", |_, v| {
        carries_request(v, GatewayMessageKind::MULTICAST);
    }),
    ("gw-amop-error-3002", |_, v| {
        let message = is_message(v, v.text("data_utf8").as_bytes());
        assert_eq!(message.status, status::NO_SUBSCRIBER);
        assert_eq!(message.data, status::NO_SUBSCRIBER_TEXT);
    }),
    ("gw-amop-error-timeout", |_, v| {
        let message = is_message(v, v.text("data_utf8").as_bytes());
        assert_eq!(i64::from(message.status), v.number("status_signed"));
        assert_eq!(message.status, status::TIMED_OUT);
        assert_eq!(message.data, status::TIMED_OUT_TEXT);
    }),
    ("gw-amop-malformed-5-bytes", |_, v| {
        let refused = GatewayMessage::parse(&v.wire);
        assert!(matches!(refused, Err(GatewayMessageError { len: 5, .. })));
    }),
    ("p2p-heartbeat", |_, v| {
        is_packet(v, PacketType::HEARTBEAT, &v.hex("payload_hex"));
    }),
    ("p2p-handshake-max1", handshake),
    ("p2p-handshake-max2", handshake),
    ("p2p-handshake-max3", handshake),
    ("p2p-v1-empty", |_, v| {
        is_packet(v, PacketType(0), &v.hex("payload_hex"));
        assert_eq!(v.wire.len(), 20);
    }),
    ("p2p-v2-topic-seq", carries_message),
    ("p2p-v2-topic-seq-forwarded", carries_message),
    ("p2p-v2-amop-request", carries_message),
    ("p2p-v2-amop-response-ok", |_, v| {
        v.not_encoding(&["payload"]);
        let packet = is_packet(v, PacketType::REPLY, &v.wire[36..]);
        assert!(packet.is_response());
        assert!(packet.payload.ends_with(b"world"));
    }),
    ("p2p-v2-amop-response-error", |vectors, v| {
        carries_message(vectors, v);
        assert!(decode(v).is_response());
    }),
    ("p2p-id-derivation-rsa2048", derivation),
    ("p2p-v3-topic-seq-short-ids", |vectors, v| {
        let packet = v.packet(&vectors.get("gw-amop-topic-seq").wire, |id| {
            hex::decode(id).unwrap().into()
        });
        let source = GatewayAddress::read(&packet.route.src).unwrap();
        let derived = vectors.get("p2p-id-derivation-rsa2048");
        assert_eq!(source.id().0[..], derived.hex("short_p2p_id_hex"));
        assert_eq!(source.raw(), None);
        assert_eq!(source.written(3), packet.route.src);
        assert_eq!(v.text("payload"), "gw-amop-topic-seq");
    }),
    ("p2p-v2-topic-seq-raw-ids", |vectors, v| {
        carries_message(vectors, v);
        let packet = decode(v);
        let source = GatewayAddress::read(&packet.route.src).unwrap();
        assert_eq!(source.raw(), Some(&packet.route.src));
        let derived = vectors.get("p2p-id-derivation-rsa2048");
        assert_eq!(source.id().0[..], derived.hex("short_p2p_id_hex"));
        assert_eq!(source.written(2), packet.route.src);
    }),
    ("p2p-router-seq", |_, v| {
        assert_eq!(v.text("payload"), "u32 big-endian router sequence 4");
        is_packet(v, PacketType::ROUTER_SEQ, &4_u32.to_be_bytes());
    }),
    ("p2p-router-request", |_, v| {
        is_packet(v, PacketType::REQUEST_ROUTER_TABLE, &v.hex("payload_hex"));
    }),
    ("p2p-router-response-pre-3.14", router_table),
    ("p2p-router-response-3.14+", router_table),
    ("p2p-v2-compressed", compressed),
    ("p2p-malformed-zstd-no-content-size", |_, v| {
        v.not_encoding(&["version", "packetType", "seq", "ext", "ttl", "src", "dst"]);
        let refused = GatewayCodec::default().decode(&mut BytesMut::from(&v.wire[..]));
        let error = CompressionError::NoContentSize.into();
        assert_eq!(refused, Err(error));
    }),
    ("p2p-malformed-length-short", |_, v| {
        refuses(v, GatewayPacketError::TooShort { len: 10 });
    }),
    ("p2p-malformed-length-huge", |_, v| {
        let (len, max) = (0x7fff_ffff, 100 * 1024 * 1024);
        refuses(v, GatewayPacketError::TooLong { len, max });
    }),
];

impl Vector {
    /// Returns the documented packet with this payload, after reading and writing it. `id` turns a
    /// documented id into bytes.
    fn packet(&self, payload: &[u8], id: impl Fn(&str) -> Bytes) -> GatewayPacket {
        let number = |key| u16::try_from(self.number(key)).unwrap();
        let version = number("version");
        let route = match version {
            0 => PacketRoute::default(),
            _ => PacketRoute {
                ttl: self.number("ttl").try_into().unwrap(),
                src: id(self.text("src")),
                dst: id(self.text("dst")),
            },
        };
        let packet = GatewayPacket {
            version,
            kind: PacketType(number("packetType")),
            seq: self.number("seq").try_into().unwrap(),
            ext: number("ext"),
            route,
            payload: Bytes::copy_from_slice(payload),
        };
        assert_eq!(decode(self), packet, "{}", self.name);
        let mut wire = BytesMut::new();
        let codec = GatewayCodec::default();
        codec.encode(&packet.clone().into(), &mut wire).unwrap();
        assert_eq!(hex::encode(wire), hex::encode(&self.wire), "{}", self.name);
        packet
    }
}

fn decode(vector: &Vector) -> GatewayPacket {
    let mut buffer = BytesMut::from(&vector.wire[..]);
    let packet = GatewayCodec::default().decode(&mut buffer);
    assert!(buffer.is_empty(), "{}", vector.name);
    packet.unwrap().unwrap()
}

/// Checks that the vector is the documented packet of this type and payload, in both directions.
fn is_packet(vector: &Vector, kind: PacketType, payload: &[u8]) -> GatewayPacket {
    let packet = vector.packet(payload, |id| Bytes::copy_from_slice(id.as_bytes()));
    assert_eq!(packet.kind, kind);
    packet
}

/// Checks that the vector is a packet that carries the message of another one.
fn carries_message(vectors: &Vectors, vector: &Vector) {
    let carried = vectors.get(vector.text("payload"));
    let packet = is_packet(vector, PacketType::AMOP, &carried.wire);
    let message = GatewayMessage::parse(&packet.payload).unwrap();
    assert_eq!(Ok(message), GatewayMessage::parse(&carried.wire));
}

/// Checks that the vector is the documented message with this data, in both directions.
fn is_message(vector: &Vector, data: &[u8]) -> GatewayMessage {
    assert_eq!(vector.number("version"), 0);
    let status = u16::try_from(vector.number("status")).unwrap();
    let message = GatewayMessage {
        kind: GatewayMessageKind(vector.number("type").try_into().unwrap()),
        status: status.cast_signed(),
        data: Bytes::copy_from_slice(data),
    };
    assert_eq!(GatewayMessage::parse(&vector.wire), Ok(message.clone()));
    assert_eq!(
        [message.header(), message.data.clone()].concat(),
        vector.wire
    );
    message
}

fn is_list(vector: &Vector, seq: u32, topics: &[&'static str]) {
    let topics = topics.iter().copied().map(Bytes::from).collect();
    let list = GatewayTopicList { seq, topics };
    let message = is_message(vector, &list.encode());
    assert_eq!(message.kind, GatewayMessageKind::TOPICS);
    assert_eq!(message.data, vector.text("data_utf8"));
    assert_eq!(GatewayTopicList::parse(&message.data, 1024, 2), Ok(list));
}

fn carries_request(vector: &Vector, kind: GatewayMessageKind) {
    let documented = "AMOPRequest version 0, topic topic1, data hello";
    assert_eq!(vector.text("data"), documented);
    let message = is_message(vector, b"\0\0\0\0\0\x06topic1hello");
    assert_eq!(message.kind, kind);
}

fn handshake(_: &Vectors, vector: &Vector) {
    let fields = vector.field("payload_tars").unwrap();
    assert_eq!(fields["1 moduleID"], 1);
    let number = |key: &str| i32::try_from(fields[key].as_i64().unwrap()).unwrap();
    let range = VersionRange {
        minimum: number("2 minVersion"),
        maximum: number("3 maxVersion"),
    };
    let packet = is_packet(vector, PacketType::HANDSHAKE, &range.encode());
    assert_eq!(VersionRange::parse(&packet.payload), Ok(range));
}

fn derivation(_: &Vectors, vector: &Vector) {
    vector.not_encoding(&["input", "blacklist_whitelist_id"]);
    let node = GatewayAddress::of_key(&vector.wire).unwrap();
    let raw = node.raw().unwrap();
    assert_eq!(raw, vector.text("raw_p2p_id"));
    assert_eq!(raw.len() as i64, vector.number("raw_p2p_id_chars"));
    assert_eq!(node.id().to_string(), vector.text("short_p2p_id_hex"));
    assert_eq!(
        node.id().0.len() as i64,
        vector.number("short_p2p_id_bytes")
    );
}

fn router_table(_: &Vectors, vector: &Vector) {
    let documented = vector.field("payload_tars").unwrap().as_array().unwrap();
    let entries = documented.iter().map(|entry| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let short = hex::decode(text(&entry["dstNodeInfo"]["p2pID"])).unwrap();
        RouterEntry {
            node: text(&entry["dstNode"]).into(),
            next_hop: text(&entry["nextHop"]).into(),
            distance: entry["distance"].as_i64().unwrap().try_into().unwrap(),
            short_id: short.into(),
            raw_id: Bytes::new(),
        }
    });
    let entries: Vec<_> = entries.collect();
    let table = RouterTable { entries };
    let packet = is_packet(vector, PacketType::ROUTER_TABLE, &table.encode());
    assert_eq!(RouterTable::parse(&packet.payload, 1024, 2), Ok(table));
}

fn compressed(_: &Vectors, vector: &Vector) {
    assert_eq!(vector.text("payload_decompressed"), "1100 bytes of 0x61");
    assert!(vector.wire.ends_with(&vector.hex("zstd_frame_hex")));
    let flags = u16::try_from(vector.number("ext")).unwrap();
    assert_eq!(flags, ext::COMPRESSED);
    let packet = GatewayPacket {
        version: vector.number("version").try_into().unwrap(),
        kind: PacketType(vector.number("packetType").try_into().unwrap()),
        seq: vector.number("seq").try_into().unwrap(),
        ext: 0,
        route: PacketRoute {
            ttl: vector.number("ttl").try_into().unwrap(),
            src: Bytes::copy_from_slice(vector.text("src").as_bytes()),
            dst: Bytes::copy_from_slice(vector.text("dst").as_bytes()),
        },
        payload: vec![b'a'; 1100].into(),
    };
    assert_eq!(decode(vector), packet);
    // The vector is made by hand; an encoder writes another frame with the same content.
    let mut wire = BytesMut::new();
    let codec = GatewayCodec::default().with_compression(true);
    codec.encode(&packet.clone().into(), &mut wire).unwrap();
    assert_eq!(wire[12..14], flags.to_be_bytes());
    assert_eq!(codec.decode(&mut wire), Ok(Some(packet)));
}

/// Checks that the stream cannot be read any further, and that this is known as soon as the length
/// field has arrived.
fn refuses(vector: &Vector, error: GatewayPacketError) {
    let (GatewayPacketError::TooShort { len } | GatewayPacketError::TooLong { len, .. }) = error
    else {
        unreachable!("not about a length: {error}");
    };
    assert_eq!(vector.number("declared_length"), len as i64);
    for cut in 0..=vector.wire.len() {
        let mut buffer = BytesMut::from(&vector.wire[..cut]);
        let expected = if cut < 4 { Ok(None) } else { Err(error) };
        let result = GatewayCodec::new(usize::MAX).decode(&mut buffer);
        assert_eq!(result, expected, "cut at {cut}");
    }
}
