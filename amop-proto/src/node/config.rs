//! What a node is told when it starts: its identity, its limits and its timeouts.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{rpc::NodeFacts, shares::POOLS};
use crate::{
    channel::DEFAULT_MAX_FRAME,
    p2p::{NodeId, mesh::StatementSigner},
};

/// Configuration of a [`NodeMachine`](super::NodeMachine).
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// The node's ID.
    pub node: NodeId,
    /// Signs the node's statements to the other overlay nodes.
    pub signer: Arc<dyn StatementSigner>,
    /// Information reported to SDKs.
    pub facts: NodeFacts,
    /// Limits.
    pub limits: Limits,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// FISCO nodes that take part in the overlay through this node while they are its peers: each
    /// is told of all topics in the overlay, and all overlay nodes are told of its topics. Without
    /// this setting a FISCO node and nodes that are not its peers do not reach each other, as among
    /// FISCO nodes.
    pub stubs: BTreeSet<NodeId>,
    /// The time, in microseconds since 1970, when the node is told of its first event. The versions
    /// of its statements are times, and records of other nodes that are more than a year ahead are
    /// refused. Its message numbers in the overlay start from this time, too.
    pub epoch: u64,
    /// Seeds the node's random choices and its key agreement with other nodes. Take it from the
    /// operating system, and keep it secret.
    pub seed: [u8; 32],
}

/// The limits of a node. Nothing in it grows beyond them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// SDK connections at the same time. Above the limit the new connection is closed, or one that
    /// belongs to a key with more than its fair share of connections.
    pub sessions: usize,
    /// Connections accepted from other nodes at the same time. Above the limit the same rule
    /// applies.
    pub peers: usize,
    /// Bytes waiting to be written to one session. Above the limit the session gets no more
    /// unicasts or multicasts until it has read some; at twice the limit it is closed.
    pub session_queue: usize,
    /// Bytes waiting to be written to one peer, with the same rule. Above half of the limit the
    /// publishers that fill the queue are paused.
    pub peer_queue: usize,
    /// The longest AMOP frame taken from another node for this node's sessions, in bytes. Longer
    /// unicasts are refused and longer multicasts dropped; FISCO nodes relay up to 100 MiB.
    pub frame: usize,
    /// Bytes waiting to be written to all sessions together. Above the limit the session with the
    /// longest queue is closed.
    pub session_queues: usize,
    /// Unicasts waiting for an answer. Above the limit publishers get result 103.
    pub in_flight: usize,
    /// Bytes of the frames of those unicasts.
    pub in_flight_bytes: usize,
    /// Unicasts of one session waiting for an answer, so that one publisher cannot use up all of
    /// them. Above the limit the publisher gets result 103.
    pub session_in_flight: usize,
    /// Bytes of the frames of those unicasts.
    pub session_in_flight_bytes: usize,
    /// Topics one session may hold; more are ignored.
    pub session_topics: usize,
    /// Topics that one session may add or remove per second; up to five times this many at once.
    /// Above the limit the session's topics change later; if several sets wait, the last one
    /// counts.
    pub session_topic_changes: usize,
    /// Topics that all sessions together may add or remove per second; up to ten times this many at
    /// once. Above the limit sessions take turns.
    pub topic_changes: usize,
    /// Bytes of text (topic sets, JSON-RPC requests and answers, handshakes, verdicts) per second
    /// that are read and written for one session; up to twice as much at once. All sessions with
    /// one key together have twice the rate, and may not use more than that at once. A session
    /// above the limit is not read from until it is below it again.
    pub session_text: usize,
    /// Topics that all sessions may hold together, each counted for every session that holds it;
    /// further topics are ignored.
    pub subscriptions: usize,
    /// Different topics that all sessions may hold together; more are ignored. Other nodes close a
    /// node that announces more than their `peer_topics`.
    pub topics: usize,
    /// Topics one peer may announce; a peer that announces more is closed.
    pub peer_topics: usize,
    /// Bytes per second sent to other nodes for the AMOP messages of this node's sessions, P2P
    /// header included and before compression; one second's worth may be sent at once. Above the
    /// limit publishers get result 103, for multicasts too (channel-v2 sections 7.2 and 7.3).
    /// Messages passed on for other nodes, answers, and unicasts that are sent again do not count.
    /// `None`: no limit.
    pub outgoing_bandwidth: Option<u64>,
    /// Overlay nodes, and FISCO nodes behind them.
    pub nodes: usize,
    /// Bytes of all records that neighbours send. Above the limit, a neighbour that has brought
    /// more than its share (this limit divided by the number of neighbours that brought records)
    /// can bring no more. For a neighbour below its share, nodes that were brought by the neighbour
    /// with the most bytes are forgotten.
    pub records_bytes: usize,
    /// Bytes of the record of one node.
    pub record_bytes: usize,
    /// FISCO nodes that one overlay node may announce. The number must also be less than
    /// `max_claimed_subscribers`.
    pub stubs: usize,
    /// Subscribers that one other overlay node may claim for one topic, together with all FISCO
    /// nodes that it announces: each FISCO node counts as one, and the overlay node gets the rest.
    /// Larger numbers are clamped to this. A node that lies can draw at most this share of a
    /// topic's unicasts: this number divided by the sum of this number and the subscribers of all
    /// other nodes.
    pub max_claimed_subscribers: u32,
}

/// Topic sets that wait to come into force may take one part in this many of `session_queues`.
const SETS: usize = 16;

impl Limits {
    /// Returns the limits with a change.
    ///
    /// ```
    /// let limits = amop_proto::node::Limits::default().with(|limits| limits.sessions = 100);
    /// assert_eq!(limits.sessions, 100);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Returns the limits that are shared fairly, in the order of the pools.
    pub(super) fn pools(&self) -> [usize; POOLS] {
        [
            self.sessions,
            self.subscriptions,
            self.topics,
            self.in_flight,
            self.in_flight_bytes,
            self.session_queues,
            self.session_queues / SETS,
            self.peers,
        ]
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 20_000,
            peers: 1_000,
            session_queue: 32 << 20,
            peer_queue: 64 << 20,
            frame: DEFAULT_MAX_FRAME,
            session_queues: 1 << 30,
            in_flight: 100_000,
            in_flight_bytes: 512 << 20,
            session_in_flight: 20_000,
            session_in_flight_bytes: 128 << 20,
            session_topics: 4096,
            session_topic_changes: 1000,
            topic_changes: 10_000,
            session_text: 2 << 20,
            subscriptions: 1_000_000,
            topics: 100_000,
            peer_topics: 100_000,
            outgoing_bandwidth: None,
            nodes: 10_000,
            records_bytes: 128 << 20,
            record_bytes: 32 << 20,
            stubs: 15,
            // No node can prove how many subscribers it has. An honest node with more than this
            // number for one topic gets less than its share; a node that lies gets no more than 16
            // honest ones.
            max_claimed_subscribers: 16,
        }
    }
}

/// How long a node waits for each thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// The wait for one session's answer to a unicast (channel-v2 section 7.2).
    pub session_answer: Duration,
    /// The wait for one peer's answer to a unicast (channel-v2 section 7.2).
    pub peer_answer: Duration,
    /// The total wait for a unicast. FISCO nodes have no such limit.
    pub unicast: Duration,
    /// The time without a byte from or to a session after which it is closed (channel-v2 section
    /// 5.3).
    pub session_idle: Duration,
    /// The time without a frame from a peer after which it is closed (p2p-v2 section 3.4). A peer
    /// that has sent nothing at all is closed after `announce` and `link_idle`.
    pub peer_idle: Duration,
    /// The time between two announcements of the topic sequence number (p2p-v2 section 3.4).
    pub announce: Duration,
    /// The time without a frame from a neighbour after which it is closed and other paths are used.
    pub link_idle: Duration,
    /// The time between two keepalive packets sent to a neighbour.
    pub link_ping: Duration,
    /// The wait for a peer's topic list (p2p-v2 section 6).
    pub topic_list: Duration,
    /// The wait for a neighbour to confirm that it knows a session's subscriptions; after this time
    /// the session is answered without the confirmation. Java SDKs drop a node that does not answer
    /// for 10 s (channel-v2 section 5.3).
    pub neighbours: Duration,
}

impl Timeouts {
    /// Returns the timeouts with a change.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let longer = Duration::from_secs(60);
    /// let timeouts = amop_proto::node::Timeouts::default().with(|timeouts| timeouts.unicast = longer);
    /// assert_eq!(timeouts.unicast, longer);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            session_answer: Duration::from_secs(5),
            peer_answer: Duration::from_secs(30),
            unicast: Duration::from_secs(60),
            session_idle: Duration::from_secs(60),
            peer_idle: Duration::from_secs(60),
            announce: Duration::from_secs(5),
            link_idle: Duration::from_secs(3),
            link_ping: Duration::from_secs(1),
            topic_list: Duration::from_secs(5),
            neighbours: Duration::from_secs(1),
        }
    }
}
