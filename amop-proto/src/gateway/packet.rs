//! A packet between nodes (gateway-v3 section 2).

use bytes::Bytes;

/// The hops that a packet may take when its source sends it (gateway-v3 section 5.2).
pub const INITIAL_TTL: i16 = 10;

/// The newest version of packets that is understood here (gateway-v3 section 2.2).
pub const MAX_VERSION: u16 = 3;

/// The length of the header of version 0, in bytes (gateway-v3 section 2.1).
pub(super) const HEADER: usize = 14;

/// The length of what the later versions add to the header, in bytes, without the ids.
pub(super) const ROUTE: usize = 6;

/// Bits of the field `ext` (gateway-v3 section 2.3).
pub mod ext {
    /// The packet answers one of the receiver's packets, which has the same seq.
    pub const RESPONSE: u16 = 0x0001;
    /// The payload is one zstd frame.
    pub const COMPRESSED: u16 = 0x0010;
}

/// The type of a packet (gateway-v3 section 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketType(pub u16);

impl PacketType {
    /// A sign of life.
    pub const HEARTBEAT: Self = Self(1);
    /// The versions that the sender speaks.
    pub const HANDSHAKE: Self = Self(2);
    /// A message from one consensus module to another.
    pub const PEER_TO_PEER: Self = Self(5);
    /// A message from a consensus module to all.
    pub const BROADCAST: Self = Self(6);
    /// AMOP: a [`GatewayMessage`](super::GatewayMessage).
    pub const AMOP: Self = Self(7);
    /// AMOP: a subscriber's answer, which is a WebSocket message.
    pub const REPLY: Self = Self(8);
    /// A number that concerns consensus nodes only.
    pub const SYNC_NODE_SEQ: Self = Self(9);
    /// The sequence number of the sender's router table.
    pub const ROUTER_SEQ: Self = Self(10);
    /// A router table.
    pub const ROUTER_TABLE: Self = Self(11);
    /// Requests the router table.
    pub const REQUEST_ROUTER_TABLE: Self = Self(12);
}

/// One packet between nodes.
///
/// The payload of packets of consensus modules (types 5 and 6) begins with their options. It is as on
/// the wire: if [`ext::COMPRESSED`] is set, what follows the options is compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayPacket {
    /// The layout of the packet: 0 to [`MAX_VERSION`].
    pub version: u16,
    /// The type, which says how to read the payload.
    pub kind: PacketType,
    /// The number that ties a response to its request.
    pub seq: u32,
    /// Flags, without [`ext::COMPRESSED`] except in packets of consensus modules.
    pub ext: u16,
    /// The source and the destination; version 0 does not have them.
    pub route: PacketRoute,
    /// The payload, not compressed except in packets of consensus modules. It shares memory with the buffer it was read into,
    /// unless it was compressed.
    pub payload: Bytes,
}

impl GatewayPacket {
    /// Returns whether this answers an earlier packet.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.ext & ext::RESPONSE != 0
    }

    /// Returns the length of the header in bytes, ids included.
    #[must_use]
    pub fn header_len(&self) -> usize {
        match self.version {
            0 => HEADER,
            _ => HEADER + ROUTE + self.route.src.len() + self.route.dst.len(),
        }
    }
}

/// The source and the destination of a packet. An empty id is the neighbour on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketRoute {
    /// The number of hops that the packet may still take.
    pub ttl: i16,
    /// The id of the source, as it is written. Nothing proves it.
    pub src: Bytes,
    /// The id of the destination, as it is written.
    pub dst: Bytes,
}

impl Default for PacketRoute {
    fn default() -> Self {
        Self {
            ttl: INITIAL_TTL,
            src: Bytes::new(),
            dst: Bytes::new(),
        }
    }
}

/// A packet that is to be written. Its payload has two parts, so that a long body need not be
/// copied behind the header of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingPacket {
    /// The packet, with the first part of the payload.
    pub packet: GatewayPacket,
    /// The rest of the payload.
    pub tail: Bytes,
}

impl OutgoingPacket {
    /// Returns the packet with its whole payload. Copies it only if both parts have bytes.
    #[must_use]
    pub fn joined(self) -> GatewayPacket {
        let Self { mut packet, tail } = self;
        packet.payload = match (packet.payload.is_empty(), tail.is_empty()) {
            (_, true) => packet.payload,
            (true, false) => tail,
            _ => [packet.payload, tail].concat().into(),
        };
        packet
    }

    /// Returns the length of the payload in bytes, uncompressed.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.packet.payload.len() + self.tail.len()
    }

    /// Returns the length on the wire in bytes, uncompressed.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.packet.header_len() + self.payload_len()
    }
}

impl From<GatewayPacket> for OutgoingPacket {
    fn from(packet: GatewayPacket) -> Self {
        let tail = Bytes::new();
        Self { packet, tail }
    }
}
