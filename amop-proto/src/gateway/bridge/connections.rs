//! The connections: how they begin and end, and what their machines tell.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    GatewayBridge,
    event::{GatewayBridgeEvent, GatewayConnectionId, GatewayRefusal},
};
use crate::gateway::{
    codec::GatewayPacketError,
    config::GatewayConfig,
    event::{GatewayCloseReason, GatewayEvent, GatewaySource},
    id::{GatewayAddress, GatewayId},
    packet::{GatewayPacket, OutgoingPacket},
    peer::GatewayPeer,
};

/// How long nobody waits for a connection that stayed behind, at least.
const BEHIND: Duration = Duration::from_secs(60);

impl GatewayBridge {
    /// Takes a connection that has finished TLS; `neighbour` is the node at the other end, by the
    /// key of its certificate.
    ///
    /// # Errors
    ///
    /// [`GatewayRefusal`] if the connection must be closed.
    pub fn connect(
        &mut self,
        now: Instant,
        neighbour: GatewayAddress,
    ) -> Result<GatewayConnectionId, GatewayRefusal> {
        let max = self.config.limits.connections;
        if neighbour.id() == self.config.own.id() {
            return Err(GatewayRefusal::Itself);
        }
        if self.is_neighbour(neighbour.id()) {
            self.counters.duplicates += 1;
            return Err(GatewayRefusal::Duplicate);
        }
        if self.connections.len() >= max {
            return Err(GatewayRefusal::TooMany { max });
        }
        let config = GatewayConfig::new(self.config.own.clone(), self.seqs.clone());
        let config = config.with(|config| {
            config.max_version = self.config.max_version;
            config.limits = self.config.limits.connection;
        });
        let peer = GatewayPeer::new(config, neighbour, &self.topics, now);
        let peer = peer.map_err(|_| GatewayRefusal::Itself)?;
        let id = GatewayConnectionId(self.next_connection);
        self.next_connection += 1;
        self.connections.insert(id, peer);
        self.with_connection(now, id, |_| ());
        Ok(id)
    }

    /// Returns whether there is a connection with this node.
    #[must_use]
    pub fn is_neighbour(&self, node: GatewayId) -> bool {
        let mut peers = self.connections.values();
        peers.any(|peer| peer.neighbour().id() == node)
    }

    /// Returns whether a connection has not ended.
    #[must_use]
    pub fn is_open(&self, connection: GatewayConnectionId) -> bool {
        self.connections.contains_key(&connection)
    }

    /// Returns the nodes at the other ends of the connections.
    pub fn neighbours(&self) -> impl Iterator<Item = GatewayId> {
        self.connections.values().map(|peer| peer.neighbour().id())
    }

    /// Returns the next packet to write on a connection.
    pub fn poll_packet(
        &mut self,
        now: Instant,
        connection: GatewayConnectionId,
    ) -> Option<OutgoingPacket> {
        let peer = self.connections.get_mut(&connection)?;
        let packet = peer.poll_packet(now);
        let since = self.behind.get(&connection);
        if peer.queued_bytes() == 0 && since.is_some_and(|&since| since + BEHIND <= now) {
            self.behind.remove(&connection);
        }
        packet
    }

    /// Handles a packet that arrived on a connection.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        connection: GatewayConnectionId,
        packet: GatewayPacket,
    ) {
        self.with_connection(now, connection, |peer| peer.handle_packet(now, packet));
    }

    /// Records that some bytes of a packet arrived on a connection.
    pub fn note_activity(&mut self, now: Instant, connection: GatewayConnectionId) {
        if let Some(peer) = self.connections.get_mut(&connection) {
            peer.note_activity(now);
        }
    }

    /// Records that the transport of a connection accepted some bytes.
    pub fn note_written(&mut self, now: Instant, connection: GatewayConnectionId) {
        if let Some(peer) = self.connections.get_mut(&connection) {
            peer.note_written(now);
        }
    }

    /// Ends a connection, because the bytes that arrived are not packets.
    pub fn handle_packet_error(
        &mut self,
        now: Instant,
        connection: GatewayConnectionId,
        error: GatewayPacketError,
    ) {
        self.with_connection(now, connection, |peer| peer.handle_packet_error(error));
    }

    /// Ends a connection, because the neighbour closed it.
    pub fn handle_eof(&mut self, now: Instant, connection: GatewayConnectionId) {
        self.with_connection(now, connection, GatewayPeer::handle_eof);
    }

    /// Ends a connection, because the transport failed.
    pub fn handle_io_error(
        &mut self,
        now: Instant,
        connection: GatewayConnectionId,
        error: &io::Error,
    ) {
        self.with_connection(now, connection, |peer| peer.handle_io_error(error));
    }

    /// Ends a connection from this side.
    pub fn close(&mut self, now: Instant, connection: GatewayConnectionId) {
        self.with_connection(now, connection, GatewayPeer::close);
    }

    /// Calls the machine of a connection, and handles what it tells.
    pub(super) fn with_connection<R>(
        &mut self,
        now: Instant,
        connection: GatewayConnectionId,
        call: impl FnOnce(&mut GatewayPeer<u32>) -> R,
    ) -> Option<R> {
        let peer = self.connections.get_mut(&connection)?;
        let result = call(peer);
        while let Some(event) = self
            .connections
            .get_mut(&connection)
            .and_then(GatewayPeer::poll_event)
        {
            self.take_event(now, connection, event);
        }
        let waits = |peer: &GatewayPeer<u32>| peer.queued_bytes() > 0;
        if self.connections.get(&connection).is_some_and(waits) {
            self.writable.insert(connection);
        }
        Some(result)
    }

    fn take_event(
        &mut self,
        now: Instant,
        connection: GatewayConnectionId,
        event: GatewayEvent<u32>,
    ) {
        match event {
            GatewayEvent::Negotiated { .. } => {}
            GatewayEvent::NodeSeen { source, distance } => {
                self.seen(connection, source.id, distance);
            }
            GatewayEvent::NodeGone { id } => self.gone(now, connection, id),
            GatewayEvent::NodeTopics { source, topics } => {
                if self.speaks_for_itself(connection, source) {
                    self.take_topics(now, source.id, &topics);
                }
            }
            GatewayEvent::Unicast {
                source,
                reply,
                body,
            } => {
                if self.speaks_for_itself(connection, source) {
                    self.take_unicast(now, connection, reply, &body);
                }
            }
            GatewayEvent::Multicast { source, body } => {
                if self.speaks_for_itself(connection, source) {
                    self.take_multicast(&body);
                }
            }
            GatewayEvent::Finished { token, outcome } => self.finished(now, token, outcome),
            GatewayEvent::StrayAnswer(answer) => {
                if !self.speaks_for_itself(connection, answer.source) {
                    return;
                }
                let mut answer = Some(answer);
                let others: Vec<GatewayConnectionId> = self.connections.keys().copied().collect();
                for other in others {
                    let Some(stray) = answer.take() else {
                        return;
                    };
                    if other == connection {
                        answer = Some(stray);
                        continue;
                    }
                    let taken = self.with_connection(now, other, |peer| peer.take_answer(stray));
                    answer = taken.and_then(Result::err);
                }
            }
            GatewayEvent::Notice(notice) => {
                let notice = GatewayBridgeEvent::Notice { connection, notice };
                self.events.push_back(notice);
            }
            GatewayEvent::Closed(reason) => self.closed(now, connection, reason),
        }
    }

    /// Returns whether a connection may speak for a node: any other node's messages are dropped if
    /// the node has a connection of its own.
    fn speaks_for_itself(
        &mut self,
        connection: GatewayConnectionId,
        source: GatewaySource,
    ) -> bool {
        let elsewhere =
            source.claimed && self.reached.is_neighbour_elsewhere(connection, source.id);
        self.counters.forged += u64::from(elsewhere);
        !elsewhere
    }

    fn seen(&mut self, connection: GatewayConnectionId, id: GatewayId, distance: Option<u32>) {
        if !self.reached.has(id) && self.reached.len() >= self.config.limits.nodes {
            self.counters.nodes_refused += 1;
            return;
        }
        self.reached.seen(connection, id, distance);
        self.choose_way(id);
    }

    /// Lets the shortest way to a node be the only one over which this node's topics are announced
    /// to it: each announcement is a packet that neighbours pass on.
    fn choose_way(&mut self, id: GatewayId) {
        let ways = self.reached.ways(id);
        for (at, &way) in ways.iter().enumerate() {
            if let Some(peer) = self.connections.get_mut(&way) {
                peer.set_reached_elsewhere(id, at > 0);
            }
        }
    }

    fn gone(&mut self, now: Instant, connection: GatewayConnectionId, id: GatewayId) {
        let changed = self.reached.gone(connection, id);
        self.choose_way(id);
        self.topics_changed(now, changed);
    }

    /// Records that the set of all topics of 3.x nodes may have changed.
    pub(super) fn topics_changed(&mut self, now: Instant, changed: bool) {
        if !changed {
            return;
        }
        if let Some(machine) = &mut self.machine {
            machine.note_changed();
        }
        self.announce(now);
    }

    fn closed(&mut self, now: Instant, id: GatewayConnectionId, reason: GatewayCloseReason) {
        let Some(peer) = self.connections.remove(&id) else {
            return;
        };
        self.counters.connections.add(&peer.counters());
        self.writable.remove(&id);
        self.behind.remove(&id);
        for node in self.reached.over(id) {
            self.gone(now, id, node);
        }
        self.events.push_back(GatewayBridgeEvent::Closed {
            connection: id,
            neighbour: peer.neighbour().id(),
            reason,
        });
    }
}
