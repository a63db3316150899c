//! What a node is told when it starts: its facts, its limits and its patience.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::shares::POOLS;
use crate::{
    channel::{DEFAULT_MAX_FRAME, rpc::NodeFacts},
    p2p::{NodeId, mesh::Signer},
};

/// Configuration of a [`Node`](super::Node).
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its ID.
    pub node: NodeId,
    /// Signs what it states to the network of ours.
    pub signer: Arc<dyn Signer>,
    /// What it tells SDKs of itself.
    pub facts: NodeFacts,
    /// Its bounds.
    pub limits: Limits,
    /// Its patience.
    pub timeouts: Timeouts,
    /// Real nodes that take part in the network of ours by way of this one, where they are its peers:
    /// each is told of all topics there, and all nodes there are told of its. Without that a real node
    /// and nodes that are not its peers do not reach each other, as among real nodes.
    pub transit: BTreeSet<NodeId>,
    /// The time in microseconds since 1970 when the node is first told of an event. The versions of
    /// what it states are times, and records of others that are more than a year ahead are refused.
    /// Its messages in the network of ours are numbered from there, too.
    pub epoch: u64,
    /// Seeds its random choices and its key agreement with other nodes; take it from the operating
    /// system, and keep it secret.
    pub seed: [u8; 32],
}

/// The bounds of a node. Nothing in it grows beyond them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// SDK connections at once. Who comes above it is closed, or somebody of those who have more than
    /// their fair share of them.
    pub sessions: usize,
    /// Connections accepted from nodes at once, likewise.
    pub peers: usize,
    /// Bytes waiting to be written to one session. Above it the session gets no more unicasts or
    /// multicasts until it reads on; at twice this it is closed.
    pub session_queue: usize,
    /// Bytes waiting to be written to one peer, likewise. Above half of it the publishers that fill
    /// it are paused.
    pub peer_queue: usize,
    /// The longest AMOP frame taken from another node for this node's sessions, in bytes. Longer
    /// unicasts are refused, longer multicasts dropped; real nodes relay up to 100 MiB.
    pub frame: usize,
    /// Bytes waiting to be written to all sessions together. Above it the session with the longest
    /// queue is closed.
    pub session_queues: usize,
    /// Unicasts waiting for an answer. Above it publishers get result 103.
    pub in_flight: usize,
    /// Bytes of the frames of those unicasts.
    pub in_flight_bytes: usize,
    /// Unicasts of one session waiting for an answer, so that one publisher cannot use up all there
    /// are. Above it the publisher gets result 103.
    pub session_in_flight: usize,
    /// Bytes of the frames of those unicasts.
    pub session_in_flight_bytes: usize,
    /// Topics one session may hold; more are ignored.
    pub session_topics: usize,
    /// Topics that one session may take or drop per second, five times as many at once. Beyond that its
    /// topics change later; of several sets that wait the last one counts.
    pub session_topic_changes: usize,
    /// Topics that all sessions together may take or drop per second, ten times as many at once. Beyond
    /// that sessions take turns.
    pub topic_changes: usize,
    /// Bytes of text (topic sets, JSON-RPC requests and answers, handshakes, verdicts) per second that
    /// are read and written for one session; twice as much at once. All sessions with one key have
    /// twice as much, and no more than that at once. A session that has more is not read from until that
    /// is made up for.
    pub session_text: usize,
    /// Topics that all sessions may hold together, each counted for every session that holds it; more
    /// are ignored.
    pub subscriptions: usize,
    /// Different topics that all sessions may hold together; more are ignored. Other nodes close a
    /// node that announces more than their `peer_topics`.
    pub topics: usize,
    /// Topics one peer may announce; a peer that announces more is closed.
    pub peer_topics: usize,
    /// Bytes per second sent to other nodes for the AMOP messages of this node's sessions, P2P header
    /// included and before compression; a second's worth may be sent at once. Above it publishers get
    /// result 103, for multicasts too (channel-v2 sections 7.2 and 7.3). Messages passed on for other
    /// nodes, answers, and unicasts that are sent again count nothing. `None`: no limit.
    pub outgoing_bandwidth: Option<u64>,
    /// Nodes of ours in the network, and FISCO nodes behind them.
    pub nodes: usize,
    /// Bytes of all that neighbours tell of nodes. When it is too much, a neighbour that has brought
    /// more than its share (this over how many have brought something) gets no more in, and for one
    /// that has less, nodes of the neighbour that has brought the most are forgotten.
    pub records_bytes: usize,
    /// Bytes of what is told of one node.
    pub record_bytes: usize,
    /// FISCO nodes that one node of ours may announce, and fewer than `claimed` in any case.
    pub stubs: usize,
    /// Subscribers that one other node of ours may claim for one topic, with all FISCO nodes that it
    /// announces: each of them counts as one, the node itself as what they leave. More count as this many.
    /// The share of a topic's unicasts that a node draws by lying is at most this over this and the
    /// subscribers of all others.
    pub claimed: u32,
}

/// Topic sets that wait to come into force may take this part of what may wait to be written.
const SETS: usize = 16;

impl Limits {
    /// Those that are shared fairly, in the order of the pools.
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
            // Nobody can show how many subscribers a node has. An honest node with more than this for
            // one topic gets less than its share; one that lies gets no more than 16 honest ones.
            claimed: 16,
        }
    }
}

/// How long a node waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For one session's answer to a unicast (channel-v2 section 7.2).
    pub session_answer: Duration,
    /// For one peer's answer to a unicast (channel-v2 section 7.2).
    pub peer_answer: Duration,
    /// For a unicast altogether. Real nodes have no such limit.
    pub unicast: Duration,
    /// Without a byte from or to a session before it is closed (channel-v2 section 5.3).
    pub session_idle: Duration,
    /// Without a frame from a peer before it is closed (p2p-v2 section 3.4). One from which nothing
    /// has come at all is closed after `announce` and `link_idle`.
    pub peer_idle: Duration,
    /// Between two announcements of the topic sequence number (p2p-v2 section 3.4).
    pub announce: Duration,
    /// Without a frame from a node of ours before it is closed and other ways are taken.
    pub link_idle: Duration,
    /// Between two signs of life sent to a node of ours.
    pub link_ping: Duration,
    /// For a peer's topic list (p2p-v2 section 6).
    pub topic_list: Duration,
    /// For a neighbour to say that it knows what a session subscribed to; the session is answered without
    /// it then. Java SDKs drop a node that does not answer for 10 s (channel-v2 section 5.3).
    pub neighbours: Duration,
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
