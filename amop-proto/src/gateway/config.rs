//! The settings of a connection, its timers and its limits.

use std::time::Duration;

use super::{
    codec::{self, DEFAULT_MAX_PACKET, GatewayCodec},
    id::GatewayAddress,
    packet::MAX_VERSION,
    seqs::PacketSeqs,
};

/// The time between heartbeats (gateway-v3 section 8).
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// The time between announcements of the topic sequence number (gateway-v3 section 8).
pub const TOPIC_SEQ_INTERVAL: Duration = Duration::from_secs(2);

/// The shortest time between two of these announcements: a change of the topics is announced
/// before the next one is due, but not each of many changes.
pub const TOPIC_SEQ_AT_ONCE: Duration = Duration::from_millis(250);

/// The time between announcements of the router sequence number (gateway-v3 section 8).
pub const ROUTER_SEQ_INTERVAL: Duration = Duration::from_secs(3);

/// A connection on which nothing was read, or nothing could be written, for this long is closed
/// (gateway-v3 section 3).
pub const IDLE: Duration = Duration::from_secs(60);

/// How long an answer to a request for topics or for a router table is waited for before the node
/// is asked again. Further answers within this time replace the first one, which may be forged.
pub const ASK_AGAIN: Duration = Duration::from_secs(2);

/// The shortest time between two lists of topics that are sent to the same node, unless the topics
/// changed: then it is [`TOPIC_SEQ_AT_ONCE`]. FISCO nodes ask again with the next announcement.
/// Nodes that are not known share one limit.
pub const LIST_INTERVAL: Duration = Duration::from_secs(1);

/// A node that the neighbour's router table does not have is forgotten if it announces nothing for
/// this long: five announcements.
pub const SILENCE: Duration = Duration::from_secs(10);

/// The settings of a [`GatewayPeer`](super::GatewayPeer).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// This node.
    pub own: GatewayAddress,
    /// The numbers of this node's packets; all its connections share them.
    pub seqs: PacketSeqs,
    /// The newest version of packets to use, 0 to 3; larger numbers are clamped. Default 3.
    pub max_version: u16,
    /// Limits.
    pub limits: GatewayLimits,
}

impl GatewayConfig {
    /// Returns the default settings for this node.
    #[must_use]
    pub fn new(own: GatewayAddress, seqs: PacketSeqs) -> Self {
        Self {
            own,
            seqs,
            max_version: MAX_VERSION,
            limits: GatewayLimits::default(),
        }
    }

    /// Returns the settings with a change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Clamps every value to its range.
    pub(super) fn held(mut self) -> Self {
        self.max_version = self.max_version.min(MAX_VERSION);
        // Otherwise the connection would accept packets that its codec does not write.
        self.limits.max_packet = codec::possible_max(self.limits.max_packet);
        self
    }
}

/// The limits of one connection. All ids behind a neighbour are only claims of the neighbour, so
/// the limits count for all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayLimits {
    /// The longest packet, in bytes, also after decompression; clamped to 14 bytes to 100 MiB.
    /// Default 32 MiB.
    pub max_packet: usize,
    /// Nodes that are known, with the neighbour. Further nodes are ignored; nodes of the neighbour's
    /// router table replace those that it does not have. Default 1024.
    pub nodes: usize,
    /// Entries of the neighbour's router table. A table with more is refused. Default 4096.
    pub table_entries: usize,
    /// Bytes of the neighbour's router table. A longer table is refused. Default 8 MiB.
    pub table_bytes: usize,
    /// Topics of one node. A list of more topics is refused. Default 10,000.
    pub node_topics: usize,
    /// Bytes of the list of one node. A longer list is refused. Default 2 MiB.
    pub list_bytes: usize,
    /// Bytes of the topics of all nodes, with 64 bytes for each topic. Lists beyond them are
    /// refused. Default 16 MiB.
    pub topic_bytes: usize,
    /// Unicasts that wait for an answer. Default 8192.
    pub in_flight: usize,
    /// Bytes of packets that wait to be written, with 256 bytes for each packet; the longest packet
    /// always finds room in an empty queue. Packets beyond the limit are refused or dropped. Default 64 MiB.
    pub queued_bytes: usize,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            max_packet: DEFAULT_MAX_PACKET,
            nodes: 1024,
            table_entries: 4096,
            table_bytes: 8 * 1024 * 1024,
            node_topics: 10_000,
            list_bytes: 2 * 1024 * 1024,
            topic_bytes: 16 * 1024 * 1024,
            in_flight: 8192,
            queued_bytes: 64 * 1024 * 1024,
        }
    }
}

impl GatewayLimits {
    /// Returns the limits with a change.
    ///
    /// ```
    /// use amop_proto::gateway::GatewayLimits;
    ///
    /// assert_eq!(GatewayLimits::default().with(|limits| limits.nodes = 8).nodes, 8);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Returns a codec with these limits.
    #[must_use]
    pub fn codec(&self) -> GatewayCodec {
        GatewayCodec::new(self.max_packet)
    }
}

/// What was ignored, refused or dropped on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct GatewayCounters {
    /// Packets of types that do not concern AMOP, or are unknown.
    pub ignored: u64,
    /// AMOP messages and router packets that cannot be read.
    pub malformed: u64,
    /// Packets for other nodes. This node passes nothing on.
    pub misrouted: u64,
    /// Packets whose source is this node itself, responses from another node than the one that was
    /// asked, handshakes and router packets that are not from the neighbour, and handshakes after
    /// the first one.
    pub forged: u64,
    /// Topic lists and router tables that were not asked for, or that follow an answer too late.
    pub unsolicited: u64,
    /// Topic lists and router tables that came faster than they are read: 1 MiB per second, and 8 MiB
    /// at once.
    pub over_rate: u64,
    /// Requests for topics that came too soon after another one in the name of the same node.
    pub requests_refused: u64,
    /// Entries of router tables whose ids are not those of one node.
    pub false_entries: u64,
    /// Nodes beyond the limit, counted each time that they are named.
    pub nodes_refused: u64,
    /// Topic lists that were refused.
    pub lists_refused: u64,
    /// Router tables that were refused.
    pub tables_refused: u64,
    /// Announcements and answers to requests for lists that found the queue full.
    pub dropped: u64,
}

impl GatewayCounters {
    /// Adds counters to others.
    pub(super) fn add(&mut self, more: &Self) {
        // Exhaustive: a field that is missing here causes a warning.
        let Self {
            ignored,
            malformed,
            misrouted,
            forged,
            unsolicited,
            over_rate,
            requests_refused,
            false_entries,
            nodes_refused,
            lists_refused,
            tables_refused,
            dropped,
        } = more;
        self.ignored += ignored;
        self.malformed += malformed;
        self.misrouted += misrouted;
        self.forged += forged;
        self.unsolicited += unsolicited;
        self.over_rate += over_rate;
        self.requests_refused += requests_refused;
        self.false_entries += false_entries;
        self.nodes_refused += nodes_refused;
        self.lists_refused += lists_refused;
        self.tables_refused += tables_refused;
        self.dropped += dropped;
    }
}
