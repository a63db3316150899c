//! The node-node protocol of FISCO BCOS 3.x, as far as AMOP needs it.
//!
//! It is not the protocol of 2.x ([`p2p`](crate::p2p)), and shares no bytes with it. [`GatewayCodec`]
//! reads and writes packets, and [`GatewayPeer`] is one connection with a 3.x node, a machine
//! without I/O: packets and instants go in, packets and [`GatewayEvent`]s come out. What subscribers
//! and publishers exchange is passed through as bytes: the body of a message is an AMOPRequest, an
//! answer is a WebSocket message (ws-v3 sections 10.2 and 5).
//!
//! Comments cite the protocol descriptions as "gateway-v3 section N" (node-node) and "ws-v3 section
//! N" (SDK-node).
//!
//! # Who is believed
//!
//! TLS proves that the neighbour sent a packet; nothing proves the source that a packet names.
//! Neighbours pass on what others write, and a node can lie about its own id
//! ([`GatewaySource::claimed`]). So all limits count for one connection as a whole, a handshake is
//! only taken in a form that nobody passes on, and a unicast is only ended by a response that names
//! the node that was asked and has the number of the unicast. Nodes that are not on the path cannot
//! guess it if the key of [`PacketSeqs`] is random.
//!
//! # Several connections
//!
//! A node has one machine for each connection. They share the numbers of packets ([`PacketSeqs`])
//! and the topics that they announce ([`AnnouncedTopics`]). A node can be reachable through several
//! neighbours: the owner sends each message over one of them, and gives responses that arrive over
//! another one ([`GatewayEvent::StrayAnswer`]) to the machine that waits for them. This node passes
//! nothing on between 3.x nodes, and its router table is empty.
//!
//! ```
//! use std::time::Instant;
//!
//! use amop_proto::gateway::{
//!     AnnouncedTopics, GatewayAddress, GatewayConfig, GatewayEvent, GatewayPeer, PacketSeqs,
//! };
//!
//! let now = Instant::now();
//! let peer = |own: u8, other: u8| {
//!     let own = GatewayAddress::of_key(&[own; 65])?;
//!     // At random outside of examples.
//!     let key = [7; 32];
//!     let config = GatewayConfig::new(own, PacketSeqs::starting_at(2, key));
//!     let topics = AnnouncedTopics::starting_at(1);
//!     let other = GatewayAddress::of_key(&[other; 65])?;
//!     Ok::<_, Box<dyn std::error::Error>>(GatewayPeer::<u32>::new(config, other, &topics, now)?)
//! };
//! let (mut a, mut b) = (peer(1, 2)?, peer(2, 1)?);
//!
//! // Both ends begin with a handshake.
//! let handshake = b.poll_packet(now).expect("the handshake");
//! a.handle_packet(now, handshake.joined());
//! assert_eq!(a.version(), Some(3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bridge;
mod codec;
mod compression;
mod config;
mod event;
mod handshake;
mod id;
mod message;
mod packet;
mod peer;
mod router_table;
mod seqs;
mod tars;
#[cfg(test)]
mod tests;
mod topics;

pub use self::{
    codec::{DEFAULT_MAX_PACKET, GatewayCodec, GatewayPacketError},
    compression::CompressionError,
    config::{
        ASK_AGAIN, GatewayConfig, GatewayCounters, GatewayLimits, HEARTBEAT, IDLE, LIST_INTERVAL,
        ROUTER_SEQ_INTERVAL, SILENCE, TOPIC_SEQ_AT_ONCE, TOPIC_SEQ_INTERVAL,
    },
    event::{
        GatewayAnswer, GatewayCloseReason, GatewayEvent, GatewayNode, GatewayNotice,
        GatewayOutcome, GatewaySendError, GatewaySource, OwnConnection, RefusedUnicast,
        ReplyAddress,
    },
    handshake::VersionRange,
    id::{GatewayAddress, GatewayId, MAX_RAW_ID, RawIdError},
    message::{GatewayMessage, GatewayMessageError, GatewayMessageKind, status},
    packet::{
        GatewayPacket, INITIAL_TTL, MAX_VERSION, OutgoingPacket, PacketRoute, PacketType, ext,
    },
    peer::GatewayPeer,
    router_table::{RouterEntry, RouterTable, RouterTableError, UNREACHABLE},
    seqs::PacketSeqs,
    tars::TarsError,
    topics::{AnnouncedTopics, GatewayTopicList, GatewayTopicListError, MAX_ANNOUNCED},
};
