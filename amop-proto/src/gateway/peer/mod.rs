//! The machine of one connection with a 3.x node.

mod amop;
mod asked;
mod budget;
mod nodes;
mod outbox;
mod receiving;
mod requests;
mod routing;
mod sending;
mod timers;

use std::{collections::VecDeque, io, time::Instant};

use bytes::Bytes;

use self::{asked::Asked, budget::TextBudget, nodes::Nodes, outbox::Outbox, requests::Requests};
use super::{
    codec::GatewayPacketError,
    config::{
        GatewayConfig, GatewayCounters, HEARTBEAT, ROUTER_SEQ_INTERVAL, TOPIC_SEQ_AT_ONCE,
        TOPIC_SEQ_INTERVAL,
    },
    event::{
        GatewayCloseReason, GatewayEvent, GatewayNode, GatewayNotice, GatewayOutcome, OwnConnection,
    },
    handshake::VersionRange,
    id::{GatewayAddress, GatewayId},
    message::{GatewayMessage, GatewayMessageKind},
    packet::{OutgoingPacket, PacketType},
    topics::AnnouncedTopics,
};
use crate::log::with_causes;

/// This node's side of one connection with a 3.x node, from TLS to its end.
///
/// `T` is a token that the owner gets back when a unicast has ended.
///
/// After any call, drain [`poll_event`](Self::poll_event), write the packets of
/// [`poll_packet`](Self::poll_packet) as fast as the transport accepts them, and call
/// [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout).
#[derive(Debug)]
pub struct GatewayPeer<T> {
    config: GatewayConfig,
    neighbour: GatewayAddress,
    /// The version of packets to send; `None` until the neighbour's handshake arrives.
    version: Option<u16>,
    topics: AnnouncedTopics,
    nodes: Nodes,
    requests: Requests<T>,
    outbox: Outbox,
    events: VecDeque<GatewayEvent<T>>,
    counters: GatewayCounters,
    router: RouterExchange,
    /// How many bytes of lists and tables may be read.
    texts: TextBudget,
    due: DueTimes,
    last_read: Instant,
    is_closed: bool,
}

/// How far the exchange of router tables has come.
#[derive(Debug, Default)]
struct RouterExchange {
    /// The number of the neighbour's table that was handled last.
    fetched: u32,
    /// The request for the neighbour's table.
    asked: Option<Asked>,
}

/// When what is sent regularly is due.
#[derive(Debug)]
struct DueTimes {
    heartbeat: Instant,
    topic_seq: Instant,
    router_seq: Instant,
    /// The topic sequence number is not announced before this time.
    topic_seq_earliest: Instant,
}

impl DueTimes {
    fn new(now: Instant) -> Self {
        Self {
            heartbeat: now + HEARTBEAT,
            topic_seq: now + TOPIC_SEQ_INTERVAL,
            router_seq: now + ROUTER_SEQ_INTERVAL,
            topic_seq_earliest: now,
        }
    }
}

impl<T> GatewayPeer<T> {
    /// Creates the machine of a new connection. `neighbour` is the node at the other end, by the
    /// key of its certificate; `topics` is what this node announces.
    ///
    /// # Errors
    ///
    /// [`OwnConnection`] if the neighbour is this node itself.
    pub fn new(
        config: GatewayConfig,
        neighbour: GatewayAddress,
        topics: &AnnouncedTopics,
        now: Instant,
    ) -> Result<Self, OwnConnection> {
        if neighbour.id() == config.own.id() {
            return Err(OwnConnection);
        }
        let mut peer = Self {
            nodes: Nodes::new(now, &neighbour),
            config: config.held(),
            neighbour,
            version: None,
            topics: topics.clone(),
            requests: Requests::new(),
            outbox: Outbox::new(),
            events: VecDeque::new(),
            counters: GatewayCounters::default(),
            router: RouterExchange::default(),
            texts: TextBudget::new(now),
            due: DueTimes::new(now),
            last_read: now,
            is_closed: false,
        };
        // Before anything else: without it a FISCO node never answers (gateway-v3 section 3).
        peer.put_handshake(now);
        peer.notice_node(peer.neighbour.id(), Some(1));
        Ok(peer)
    }

    /// Returns the version of the packets that are sent; `None` until the neighbour's handshake
    /// has arrived, and version 0 is used.
    #[must_use]
    pub fn version(&self) -> Option<u16> {
        self.version
    }

    /// Returns the node at the other end.
    #[must_use]
    pub fn neighbour(&self) -> &GatewayAddress {
        &self.neighbour
    }

    /// Returns whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns the nodes that can be reached, in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = GatewayNode> {
        self.nodes.list()
    }

    /// Returns the number of unicasts that wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Returns the number of bytes that wait for [`poll_packet`](Self::poll_packet), with 256 bytes
    /// for each packet.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// Returns the same number without the answers to what other nodes asked.
    pub(in crate::gateway) fn queued_own_bytes(&self) -> usize {
        self.outbox.own_bytes()
    }

    /// Returns what was ignored, refused or dropped so far.
    #[must_use]
    pub fn counters(&self) -> GatewayCounters {
        self.counters
    }

    /// Announces these topics from here on. The nodes learn of a change within
    /// [`TOPIC_SEQ_INTERVAL`], usually at once.
    pub fn announce(&mut self, now: Instant, topics: &AnnouncedTopics) {
        if topics.seq() != self.topics.seq() {
            let earliest = self.due.topic_seq_earliest.max(now);
            self.due.topic_seq = self.due.topic_seq.min(earliest);
        }
        self.topics = topics.clone();
    }

    /// Sets whether another connection is a shorter way to a node. Then this one does not announce
    /// this node's topics to it, because one announcement is enough. Everything else is as before.
    pub fn set_reached_elsewhere(&mut self, node: GatewayId, elsewhere: bool) {
        self.nodes.set_elsewhere(node, elsewhere);
    }

    /// Returns the next packet to write.
    pub fn poll_packet(&mut self, now: Instant) -> Option<OutgoingPacket> {
        self.outbox.pop(now)
    }

    /// Returns the next event for the owner.
    pub fn poll_event(&mut self) -> Option<GatewayEvent<T>> {
        self.events.pop_front()
    }

    /// Records a sign of life of the neighbour: some of its bytes arrived, even if not a whole
    /// packet.
    pub fn note_activity(&mut self, now: Instant) {
        self.last_read = self.last_read.max(now);
    }

    /// Records that the neighbour reads: the transport accepted some bytes, even if not a whole
    /// packet. Without it a long packet that takes over [`IDLE`](super::IDLE) to write ends the
    /// connection.
    pub fn note_written(&mut self, now: Instant) {
        self.outbox.note_written(now);
    }

    /// Closes the connection because the bytes received are not packets.
    pub fn handle_packet_error(&mut self, error: GatewayPacketError) {
        self.finish(GatewayCloseReason::BadPacket(error));
    }

    /// Closes the connection because the neighbour closed it.
    pub fn handle_eof(&mut self) {
        self.finish(GatewayCloseReason::Peer);
    }

    /// Closes the connection because the transport failed.
    pub fn handle_io_error(&mut self, error: &io::Error) {
        self.finish(GatewayCloseReason::Transport {
            kind: error.kind(),
            message: with_causes(error).to_string(),
        });
    }

    /// Closes the connection from this side. Queued packets other than unicasts may still be sent.
    pub fn close(&mut self) {
        self.finish(GatewayCloseReason::Local);
    }

    fn finish(&mut self, reason: GatewayCloseReason) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        self.withdraw_unicasts();
        while let Some(token) = self.requests.take_any() {
            let outcome = GatewayOutcome::Disconnected;
            self.events
                .push_back(GatewayEvent::Finished { token, outcome });
        }
        self.events.push_back(GatewayEvent::Closed(reason));
    }

    /// Ends the unicasts that were not written, and are not written any more.
    fn withdraw_unicasts(&mut self) {
        for seq in self.outbox.withdraw(is_unicast) {
            if let Some(token) = self.requests.take(seq) {
                let outcome = GatewayOutcome::Unsent;
                self.events
                    .push_back(GatewayEvent::Finished { token, outcome });
            }
        }
    }

    fn notice(&mut self, notice: GatewayNotice) {
        self.events.push_back(GatewayEvent::Notice(notice));
    }

    fn notice_node(&mut self, id: GatewayId, distance: Option<u32>) {
        let source = self.nodes.source(id);
        self.events
            .push_back(GatewayEvent::NodeSeen { source, distance });
    }

    fn notice_gone(&mut self, ids: Vec<GatewayId>) {
        let gone = ids.into_iter().map(|id| GatewayEvent::NodeGone { id });
        self.events.extend(gone);
    }

    fn put_handshake(&mut self, now: Instant) {
        let range = VersionRange {
            minimum: 0,
            maximum: self.config.max_version.into(),
        };
        self.put_control(now, PacketType::HANDSHAKE, None, range.encode());
    }

    /// Handles the neighbour's handshake. A FISCO node sends one, at the beginning (gateway-v3
    /// section 3). Others do not change the version, because each change is followed by packets to
    /// all nodes.
    fn take_handshake(&mut self, now: Instant, payload: &Bytes) {
        if self.version.is_some() {
            self.counters.forged += 1;
            return;
        }
        let own = self.config.max_version;
        let range = match VersionRange::parse(payload) {
            Ok(range) => range,
            Err(error) => return self.finish(GatewayCloseReason::BadHandshake(error)),
        };
        let Some(version) = range.negotiate(own) else {
            let VersionRange { minimum, maximum } = range;
            return self.finish(GatewayCloseReason::NoCommonVersion {
                minimum,
                maximum,
                own,
            });
        };
        self.version = Some(version);
        self.events.push_back(GatewayEvent::Negotiated { version });
        self.put_router_seq(now);
        self.put_topic_seqs(now);
    }

    /// Sets when the topic sequence number is announced again.
    fn topic_seq_announced(&mut self, now: Instant) {
        self.due.topic_seq = now + TOPIC_SEQ_INTERVAL;
        self.due.topic_seq_earliest = now + TOPIC_SEQ_AT_ONCE;
    }
}

/// Returns whether a packet asks for one subscriber.
fn is_unicast(packet: &OutgoingPacket) -> bool {
    let packet = &packet.packet;
    let message = GatewayMessage::parse(&packet.payload);
    packet.kind == PacketType::AMOP
        && !packet.is_response()
        && message.is_ok_and(|message| message.kind == GatewayMessageKind::UNICAST)
}
