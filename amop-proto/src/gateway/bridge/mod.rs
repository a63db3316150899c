//! A translator between 3.x nodes and the node machine, without I/O.
//!
//! The [node machine](crate::node) knows one protocol between nodes, that of 2.x
//! ([`p2p`](crate::p2p)). A [`GatewayBridge`] stands between it and all connections with the nodes of
//! one 3.x chain. To 3.x nodes it is a node with the topics that the machine has; to the machine all
//! of them together are *one* FISCO node of 2.x, its peer, with the topics of all of them.
//!
//! They are one peer, and not one for each connection, because 3.x nodes hand every message to each
//! node of their chain themselves, and the machine hands nothing back to the peer that it came from.
//! So a message that a 3.x node sent never enters the chain again, and each 3.x node gets a message
//! of the machine once, over one connection, however many lead to it.
//!
//! # What becomes of messages
//!
//! | from | what happens |
//! | --- | --- |
//! | machine, unicast | It goes to one of the 3.x nodes with the topic, drawn at random. If the node cannot be reached, says that it has no subscriber, or its connection ends before the unicast is written, the next one is drawn, until [`GatewayBridgeConfig::answer`] has passed. If nobody can have the message, the machine gets result 104 and asks its next subscriber. In all other cases the unicast ends: with the subscriber's answer, with its status as the result, or with 102 if a subscriber may have the message and its answer did not come. |
//! | machine, multicast | It goes once to each 3.x node with the topic. |
//! | 3.x, unicast | The machine gets it. Its answer goes back over the connection of the request, or over another one if that is gone. Result 104 becomes status 3002, 101 becomes -4006, 102 becomes -4008, other results of subscribers become their status. |
//! | 3.x, multicast | The machine gets it once. |
//!
//! The protocols do not have the same topics. Those of 3.x that are longer than 254 bytes, are not
//! UTF-8, or have a tab are left out, and so are private topics, in both directions.
//!
//! # Who is believed
//!
//! Nothing proves the source that a packet names; see [`gateway`](super). What arrives counts as sent
//! by the peer that stands for the chain, so that no node of it can speak for an SDK or a node that
//! proves who it is. A node with a connection of its own speaks only over that connection: what
//! arrives in its name over another one is dropped and counted. Of other nodes, the neighbours
//! decide who they are.

mod asked;
mod config;
mod connections;
mod event;
mod exchange;
mod from_gateway;
mod from_machine;
mod reached;
mod sent;
#[cfg(test)]
mod tests;
mod translate;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use self::{
    asked::AskedMachine, exchange::TopicExchange, reached::ReachedNodes, sent::SentUnicasts,
};
pub use self::{
    config::{GatewayBridgeConfig, GatewayBridgeCounters, GatewayBridgeLimits},
    event::{GatewayBridgeEvent, GatewayConnectionId, GatewayRefusal},
};
use super::{peer::GatewayPeer, seqs::PacketSeqs, topics::AnnouncedTopics};
use crate::p2p::PeerFrame;

/// All connections of this node with the nodes of one 3.x chain, and the peer of the node machine
/// that stands for them.
///
/// After any call, drain [`poll_event`](Self::poll_event) and [`poll_frame`](Self::poll_frame), write
/// the packets of [`poll_packet`](Self::poll_packet) as fast as each transport accepts them, and
/// call [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout).
///
/// Between [`open_machine`](Self::open_machine) and [`close_machine`](Self::close_machine) the
/// machine has a peer: frames go both ways. Open it while [`is_connected`](Self::is_connected).
///
/// ```
/// use std::time::Instant;
///
/// use amop_proto::gateway::{GatewayAddress, bridge::{GatewayBridge, GatewayBridgeConfig}};
///
/// let now = Instant::now();
/// let own = GatewayAddress::of_key(&[1; 65])?;
/// // The time, and a seed of the operating system.
/// let config = GatewayBridgeConfig::new(own, 1_700_000_000, [7; 32]);
/// let mut bridge = GatewayBridge::new(config);
///
/// // A connection with node 2 has finished TLS.
/// let connection = bridge.connect(now, GatewayAddress::of_key(&[2; 65])?)?;
/// let handshake = bridge.poll_packet(now, connection).expect("a handshake");
/// assert!(!bridge.is_connected());
/// // Node 2 sends one, too.
/// bridge.handle_packet(now, connection, handshake.joined());
/// assert!(bridge.is_connected());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GatewayBridge {
    config: GatewayBridgeConfig,
    seqs: PacketSeqs,
    rng: StdRng,
    /// The machine's topics, as 3.x nodes are told of them.
    topics: AnnouncedTopics,
    connections: BTreeMap<GatewayConnectionId, GatewayPeer<u32>>,
    next_connection: u64,
    reached: ReachedNodes,
    /// The state towards the machine, while it has a peer.
    machine: Option<TopicExchange>,
    next_seq: u32,
    sent: SentUnicasts,
    asked: AskedMachine,
    frames: VecDeque<PeerFrame>,
    events: VecDeque<GatewayBridgeEvent>,
    writable: BTreeSet<GatewayConnectionId>,
    /// Connections whose queues nobody waits for, and since when.
    behind: BTreeMap<GatewayConnectionId, Instant>,
    counters: GatewayBridgeCounters,
}

impl GatewayBridge {
    /// Creates a bridge without connections.
    #[must_use]
    pub fn new(config: GatewayBridgeConfig) -> Self {
        let mut rng = StdRng::from_seed(config.seed);
        // FISCO nodes start at 2 (gateway-v3 section 3).
        let seqs = PacketSeqs::starting_at(2, rng.random());
        Self {
            topics: AnnouncedTopics::starting_at(config.first_topic_seq),
            config,
            seqs,
            rng,
            connections: BTreeMap::new(),
            next_connection: 1,
            reached: ReachedNodes::default(),
            machine: None,
            next_seq: 1,
            sent: SentUnicasts::default(),
            asked: AskedMachine::default(),
            frames: VecDeque::new(),
            events: VecDeque::new(),
            writable: BTreeSet::new(),
            behind: BTreeMap::new(),
            counters: GatewayBridgeCounters::default(),
        }
    }

    /// Returns whether there is a connection with a 3.x node that has sent its handshake. A node that
    /// still has an earlier connection closes the next ones without one, for up to 120 s: if each of
    /// these counted, the machine would get and lose its peer again and again, and other overlay
    /// nodes would stand by for this one.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let mut peers = self.connections.values();
        peers.any(|peer| peer.version().is_some())
    }

    /// Records that the machine has a peer from here on.
    pub fn open_machine(&mut self, now: Instant) {
        self.machine = Some(TopicExchange::new(now));
        self.announce(now);
    }

    /// Records that the machine has no peer any more. 3.x nodes that wait for an answer get an
    /// error, and this node has no topics for them.
    pub fn close_machine(&mut self, now: Instant) {
        if self.machine.take().is_none() {
            return;
        }
        self.frames.clear();
        self.sent.clear();
        self.end_asked(now);
        self.set_own_topics(now, Vec::new());
    }

    /// Returns whether the machine has a peer.
    #[must_use]
    pub fn has_machine(&self) -> bool {
        self.machine.is_some()
    }

    /// Returns the next frame for the machine.
    pub fn poll_frame(&mut self) -> Option<PeerFrame> {
        self.frames.pop_front()
    }

    /// Does the same as [`poll_frame`](Self::poll_frame) for all frames at once.
    pub fn take_frames(&mut self) -> Vec<PeerFrame> {
        self.frames.drain(..).collect()
    }

    /// Returns the next event for the owner.
    pub fn poll_event(&mut self) -> Option<GatewayBridgeEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let connection = self.writable.pop_first()?;
        Some(GatewayBridgeEvent::Writable(connection))
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let connections = self.connections.values();
        let connections = connections.filter_map(GatewayPeer::next_timeout);
        let machine = self.machine.as_ref().map(TopicExchange::next_timeout);
        connections
            .chain(machine)
            .chain(self.asked.next_deadline())
            .min()
    }

    /// Does what is due. Call it at [`next_timeout`](Self::next_timeout); an earlier call does
    /// nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<GatewayConnectionId> = self
            .connections
            .iter()
            .filter(|(_, peer)| peer.next_timeout().is_some_and(|due| due <= now))
            .map(|(&id, _)| id)
            .collect();
        for id in due {
            self.with_connection(now, id, |peer| peer.handle_timeout(now));
        }
        self.expire_asked(now);
        self.announce(now);
    }

    /// Returns what the bridge did and refused so far.
    #[must_use]
    pub fn counters(&self) -> GatewayBridgeCounters {
        let mut counters = self.counters;
        for peer in self.connections.values() {
            counters.connections.add(&peer.counters());
        }
        counters
    }

    /// Returns whether a connection has so much to write that the machine's frames should wait. Answers
    /// do not count: the neighbour decides how many there are. One that
    /// [stays behind](Self::note_behind) does not count until it has caught up, and for 60 s at least:
    /// otherwise it could slow the machine down as often as it likes.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        let mut connections = self.connections.iter();
        connections.any(|(id, peer)| self.is_long(peer) && !self.behind.contains_key(id))
    }

    fn is_long(&self, peer: &GatewayPeer<u32>) -> bool {
        peer.queued_own_bytes() > self.config.limits.connection.queued_bytes / 2
    }

    /// Records that the connections with much to write stay behind: messages for them are dropped
    /// when their queues are full, and others wait no longer for them.
    pub fn note_behind(&mut self, now: Instant) {
        let slow = self.connections.iter();
        let slow = slow.filter(|(id, peer)| self.is_long(peer) && !self.behind.contains_key(id));
        let slow: Vec<GatewayConnectionId> = slow.map(|(&id, _)| id).collect();
        self.behind.extend(slow.into_iter().map(|id| (id, now)));
    }

    /// Returns the number of 3.x nodes that can be reached.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.reached.len()
    }

    fn frame_for_machine(&mut self, frame: PeerFrame) {
        if self.machine.is_some() {
            self.frames.push_back(frame);
        }
    }

    /// Tells the machine the number of the list of topics, if it is due.
    fn announce(&mut self, now: Instant) {
        let frame = self
            .machine
            .as_mut()
            .and_then(|machine| machine.announcement(now));
        self.frames.extend(frame);
    }

    /// Returns the next number of a frame for the machine.
    fn frame_seq(&mut self) -> u32 {
        let seq = self.next_seq;
        self.next_seq = seq.wrapping_add(1);
        seq
    }
}
