//! The settings of a bridge, its limits and its counters.

use std::time::Duration;

use crate::gateway::{
    config::{GatewayCounters, GatewayLimits},
    id::GatewayAddress,
    packet::MAX_VERSION,
};

/// The settings of a [`GatewayBridge`](super::GatewayBridge).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GatewayBridgeConfig {
    /// This node, as 3.x nodes know it.
    pub own: GatewayAddress,
    /// The newest version of packets to use, 0 to 3; larger numbers are clamped. Default 3.
    pub max_version: u16,
    /// The first number of this node's topic list for 3.x nodes. Take the time or a random number:
    /// nodes before 3.14.0 never forget a node's list (gateway-v3 section 7.1).
    pub first_topic_seq: u32,
    /// How long a unicast of the node machine may take, over all 3.x nodes that are asked. It must
    /// be shorter than the time after which the machine asks another subscriber
    /// ([`Timeouts::peer_answer`](crate::node::Timeouts::peer_answer), 30 s): that one would get a
    /// message that a subscriber of a 3.x node may have. Default 28 s.
    pub answer: Duration,
    /// Limits.
    pub limits: GatewayBridgeLimits,
    /// Seeds the numbers of packets and the choices among 3.x nodes. Take it from the operating
    /// system, and keep it secret.
    pub seed: [u8; 32],
}

impl GatewayBridgeConfig {
    /// Returns the default settings for this node.
    #[must_use]
    pub fn new(own: GatewayAddress, first_topic_seq: u32, seed: [u8; 32]) -> Self {
        Self {
            own,
            max_version: MAX_VERSION,
            first_topic_seq,
            answer: Duration::from_secs(28),
            limits: GatewayBridgeLimits::default(),
            seed,
        }
    }

    /// Returns the settings with a change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// The limits of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayBridgeLimits {
    /// Connections with 3.x nodes. Default 128.
    pub connections: usize,
    /// 3.x nodes with topics, over all connections. Further nodes are ignored. Default 1024.
    pub nodes: usize,
    /// Different topics of 3.x nodes. Further topics are left out. Default 100,000, which is what
    /// the node machine accepts from one peer.
    pub topics: usize,
    /// Unicasts of the node machine that wait for an answer. Default 8192.
    pub in_flight: usize,
    /// Bytes of these unicasts. Default 64 MiB; one unicast is always accepted.
    pub in_flight_bytes: usize,
    /// Unicasts of 3.x nodes that wait for the node machine's answer. Default 8192.
    pub asked: usize,
    /// Unicasts of one connection that wait for the node machine's answer. Default 1024.
    pub connection_asked: usize,
    /// The limits of each connection. By default each may have 256 nodes and 4 MiB of topics
    /// behind it, a list may have 512 KiB, and 16 MiB may wait to be written.
    pub connection: GatewayLimits,
}

impl Default for GatewayBridgeLimits {
    fn default() -> Self {
        Self {
            connections: 128,
            nodes: 1024,
            topics: 100_000,
            in_flight: 8192,
            in_flight_bytes: 64 << 20,
            asked: 8192,
            connection_asked: 1024,
            connection: GatewayLimits::default().with(|limits| {
                limits.nodes = 256;
                limits.list_bytes = 512 << 10;
                limits.topic_bytes = 4 << 20;
                limits.queued_bytes = 16 << 20;
            }),
        }
    }
}

impl GatewayBridgeLimits {
    /// Returns the limits with a change.
    ///
    /// ```
    /// use amop_proto::gateway::bridge::GatewayBridgeLimits;
    ///
    /// let limits = GatewayBridgeLimits::default().with(|limits| limits.connections = 4);
    /// assert_eq!(limits.connections, 4);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// What a bridge did, and what it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct GatewayBridgeCounters {
    /// Unicasts of the node machine that were sent to a 3.x node, each attempt counted.
    pub unicasts_sent: u64,
    /// Multicasts of the node machine that were sent, counted for each 3.x node.
    pub multicasts_sent: u64,
    /// Unicasts of 3.x nodes that were passed on to the node machine.
    pub unicasts_received: u64,
    /// Multicasts of 3.x nodes that were passed on to the node machine.
    pub multicasts_received: u64,
    /// Answers of 3.x nodes that were passed on to the node machine.
    pub answers_received: u64,
    /// Messages that could not be sent to a 3.x node, because its connection was closed or had too
    /// much to write.
    pub unsent: u64,
    /// Unicasts of 3.x nodes that were refused, because too many wait for an answer.
    pub over_limit: u64,
    /// Messages of 3.x nodes that cannot be read, or whose topics this node cannot have.
    pub malformed: u64,
    /// Messages and lists in the name of a node that has a connection of its own, over another
    /// connection.
    pub forged: u64,
    /// Topics of 3.x nodes that were left out, counted each time that a list has them: they are
    /// longer than 254 bytes or are not UTF-8, have a tab or the prefix of private topics, or are
    /// over the limit.
    pub topics_left_out: u64,
    /// 3.x nodes over the limit, counted each time that they send topics.
    pub nodes_refused: u64,
    /// Connections that were closed because the same node has another one.
    pub duplicates: u64,
    /// What all connections, also earlier ones, ignored, refused or dropped.
    pub connections: GatewayCounters,
}

impl GatewayBridgeCounters {
    /// Returns all counters by name; those of the connections begin with `packets_`.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        // Exhaustive: a field that is missing here causes a warning.
        let Self {
            unicasts_sent,
            multicasts_sent,
            unicasts_received,
            multicasts_received,
            answers_received,
            unsent,
            over_limit,
            malformed,
            forged,
            topics_left_out,
            nodes_refused,
            duplicates,
            connections:
                GatewayCounters {
                    ignored,
                    malformed: packets_malformed,
                    misrouted,
                    forged: packets_forged,
                    unsolicited,
                    over_rate,
                    requests_refused,
                    false_entries,
                    nodes_refused: packets_nodes_refused,
                    lists_refused,
                    tables_refused,
                    dropped,
                },
        } = *self;
        [
            ("unicasts_sent", unicasts_sent),
            ("multicasts_sent", multicasts_sent),
            ("unicasts_received", unicasts_received),
            ("multicasts_received", multicasts_received),
            ("answers_received", answers_received),
            ("unsent", unsent),
            ("over_limit", over_limit),
            ("malformed", malformed),
            ("forged", forged),
            ("topics_left_out", topics_left_out),
            ("nodes_refused", nodes_refused),
            ("duplicates", duplicates),
            ("packets_ignored", ignored),
            ("packets_malformed", packets_malformed),
            ("packets_misrouted", misrouted),
            ("packets_forged", packets_forged),
            ("packets_unsolicited", unsolicited),
            ("packets_over_rate", over_rate),
            ("packets_requests_refused", requests_refused),
            ("packets_false_entries", false_entries),
            ("packets_nodes_refused", packets_nodes_refused),
            ("packets_lists_refused", lists_refused),
            ("packets_tables_refused", tables_refused),
            ("packets_dropped", dropped),
        ]
        .into_iter()
    }
}
